//! UIDs for items that have none.

use std::collections::HashMap;

use crate::model::Event;

/// Makes UIDs out of content: the same item of the same feed gets the same one again.
#[derive(Default)]
pub(crate) struct Identities {
    /// How often a content was met: equal items are told apart by their order.
    seen: HashMap<[u8; 16], u32>,
}

impl Identities {
    /// A UID from the feed, the start and the title, and the place among equal ones.
    pub(crate) fn derive(&mut self, feed_key: &str, event: &Event) -> String {
        let body = event.body();
        let mut hasher = blake3::Hasher::new();
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        part("calsync derived uid 1");
        part(feed_key);
        if let Some(body) = body {
            part(&crate::model::RecurrenceId::of(&body.time.start).to_string());
            part(body.title.as_deref().unwrap_or_default().trim());
        }
        let mut content = [0; 16];
        content.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let ordinal = self.seen.entry(content).or_insert(0);
        hasher.update(&ordinal.to_le_bytes());
        *ordinal += 1;
        format!("{}@derived.calsync", &hasher.finalize().to_hex()[..32])
    }
}
