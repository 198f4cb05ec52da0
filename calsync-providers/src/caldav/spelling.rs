//! How the server spells the names of its items: what is sent, where an id is what is compared.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use calsync_core::model::RemoteId;
use url::Url;

use super::{
    href::{Resource, resolve, resource},
    wire::Multistatus,
};

/// Names remembered at most; of all others the id itself is sent.
const MAX: usize = 100_000;

/// The spellings that differ from the ids. Learned again from listings: a name that is not known yet is sent as its id,
/// which every server has to understand (RFC 3986 section 6.2.2) and nearly every one does.
#[derive(Default)]
pub(crate) struct Spellings {
    known: Mutex<HashMap<RemoteId, String>>,
}

impl Spellings {
    /// Remembers the spelling of a name in an answer.
    pub(crate) fn learn(&self, collection: &Url, base: &Url, href: &str) {
        let Some(Resource { id, spelled }) = resource(collection, base, href) else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if spelled == id.as_str() {
            known.remove(&id);
        } else if known.len() < MAX || known.contains_key(&id) {
            known.insert(id, spelled);
        }
    }

    /// Remembers all names in an answer.
    pub(crate) fn learn_all(&self, collection: &Url, base: &Url, multistatus: &Multistatus) {
        multistatus
            .responses
            .iter()
            .flat_map(|response| &response.hrefs)
            .for_each(|href| self.learn(collection, base, href));
    }

    /// What to send for an id.
    pub(crate) fn href(&self, id: &RemoteId) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned().unwrap_or_else(|| id.as_str().to_owned())
    }

    /// The URL of a resource. `None` when it is of another site.
    pub(crate) fn url(&self, collection: &Url, id: &RemoteId) -> Option<Url> {
        resolve(collection, &self.href(id))
    }
}
