//! The mark on what a link writes: how a copy is told from what people wrote, also when everything else that was known
//! of it is lost.

use std::fmt;

use crate::model::{LinkId, RemoteCalendarId};

/// What a mark is made with.
///
/// A mark names the link and is sealed with the calendar and with an identity of the item that a copy of the item does not
/// share. Programs copy unknown properties along when a person copies an event, so a mark is a hint and no proof: it counts
/// only on the very item it was made for. Whoever knows how marks are made can forge one, on items of their own.
#[derive(Clone, PartialEq, Eq)]
pub struct Seal {
    link: String,
    calendar: RemoteCalendarId,
}

/// Digits of the link's part.
const LINK: usize = 16;
/// Digits of the seal.
const SEAL: usize = 32;

impl Seal {
    /// What the marks of a link are made with. It follows from the link's name alone.
    pub fn of(link: &LinkId, calendar: &RemoteCalendarId) -> Self {
        let name = blake3::derive_key("calsync 2026-11 link of a mark", link.as_str().as_bytes());
        Self { link: blake3::Hash::from_bytes(name).to_hex()[..LINK].to_owned(), calendar: calendar.clone() }
    }

    /// The mark of the item with this identity: 49 characters of `[0-9a-f.]`.
    pub fn mark(&self, identity: &str) -> String {
        let sealed = sealed(&self.link, &self.calendar, identity);
        format!("{}.{sealed}", self.link)
    }
}

fn sealed(link: &str, calendar: &RemoteCalendarId, identity: &str) -> String {
    let key = blake3::derive_key("calsync 2026-11 seal of a mark", link.as_bytes());
    let mut hasher = blake3::Hasher::new_keyed(&key);
    // With its length before it: no two pairs are the same text.
    hasher.update(&(calendar.as_str().len() as u64).to_le_bytes());
    hasher.update(calendar.as_str().as_bytes());
    hasher.update(identity.as_bytes());
    hasher.finalize().to_hex()[..SEAL].to_owned()
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

/// A mark as an item carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its text.
    pub text: String,
    /// The identity of the item that carries it.
    pub identity: String,
}

impl Mark {
    /// Whether this very item was written by the link of a seal.
    pub fn is_by(&self, seal: &Seal) -> bool {
        seal.mark(&self.identity) == self.text
    }

    /// Whether this very item was written by any link.
    pub fn is_true(&self, calendar: &RemoteCalendarId) -> bool {
        self.text
            .split_once('.')
            .is_some_and(|(link, seal)| link.len() == LINK && seal == sealed(link, calendar, &self.identity))
    }
}

impl fmt::Debug for Mark {
    /// Without the identity, which may hold an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mark").field("text", &self.text).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_counts_on_its_own_item_only() {
        let (link, calendar) = (LinkId::from("mirror"), RemoteCalendarId::from("home"));
        let seal = Seal::of(&link, &calendar);
        let text = seal.mark("item");
        assert_eq!(text.len(), 49);
        let on = |text: &str, identity: &str| Mark { text: text.to_owned(), identity: identity.to_owned() };
        assert!(on(&text, "item").is_by(&seal) && on(&text, "item").is_true(&calendar));
        let elsewhere = RemoteCalendarId::from("work");
        let other = Seal::of(&LinkId::from("other"), &calendar);
        assert!(!on(&text, "item").is_by(&other), "another link's");
        assert!(on(&other.mark("item"), "item").is_true(&calendar));
        for (what, mark, calendar) in [
            ("a copy of the item", on(&text, "copied"), &calendar),
            ("in another calendar", on(&text, "item"), &elsewhere),
            ("not a mark", on("", "item"), &calendar),
            ("half of one", on(&text[..20], "item"), &calendar),
            ("only a link", on(".", "item"), &calendar),
        ] {
            assert!(!mark.is_true(calendar), "{what}");
            assert!(!mark.is_by(&Seal::of(&link, calendar)), "{what}");
        }
    }
}
