//! The UIDs of copies that do not show those of their events.

use super::{Action, Pipeline, Start, Step, Transform};
use crate::model::LinkId;

impl Pipeline {
    /// Whether its copies have UIDs of their own. A copy that does not begin as the whole event, or is busy-only in the end, does not
    /// show its event's.
    pub fn hides_uids(&self) -> bool {
        let hides = |step: &Step| matches!(step.action, Action::Transform(Transform::BusyOnly { .. }));
        !matches!(self.start, Start::Everything {}) || self.steps.iter().any(hides)
    }
}

/// What a link makes the UIDs of its copies with: [`Surroundings::uid_key`](super::Surroundings::uid_key). Without the salt whoever
/// knows the link's name can tell from a UID which copy is of that event. An empty salt is none.
pub fn uid_key(link: &LinkId, salt: Option<&str>) -> [u8; 32] {
    let of_link = blake3::derive_key("calsync 2026-11 UID of a copy", link.as_str().as_bytes());
    match salt.filter(|salt| !salt.is_empty()) {
        None => of_link,
        Some(salt) => {
            let salt = blake3::derive_key("calsync 2026-11 salt of the UIDs of copies", salt.as_bytes());
            *blake3::keyed_hash(&salt, &of_link).as_bytes()
        }
    }
}
