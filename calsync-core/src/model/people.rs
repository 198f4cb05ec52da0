//! Who organises an event and who is invited.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A calendar user: an address with an optional name.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Person {
    /// The calendar address. For mail the bare address without `mailto:`, as written; any other URI whole.
    pub address: String,
    /// The display name (`CN`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Person {
    /// The address as the merge compares it: ASCII case does not count.
    pub fn key(&self) -> String {
        self.address.to_ascii_lowercase()
    }

    /// Whether this is one of the addresses copies name people by so that nobody can be reached: one at `localhost`, which
    /// is no host of mail anywhere (RFC 6761 section 6.3).
    pub fn is_cloaked(&self) -> bool {
        self.address.rsplit_once('@').is_some_and(|(_, host)| host.eq_ignore_ascii_case("localhost"))
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(..)")
    }
}

/// What a participant answered (RFC 5545 section 3.2.12, RFC 8984 section 4.4.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ParticipationStatus {
    /// No answer yet.
    #[default]
    NeedsAction,
    /// Comes.
    Accepted,
    /// Does not come.
    Declined,
    /// Perhaps.
    Tentative,
    /// Sends someone else.
    Delegated,
}

/// What a participant is for (RFC 5545 section 3.2.16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// Takes part; the default of RFC 5545.
    #[default]
    Required,
    /// May take part.
    Optional,
    /// Leads.
    Chair,
    /// Is told, does not take part.
    Informational,
}

/// Someone invited to an event. The merge keys participants by [`Person::key`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Participant {
    /// Address and name.
    #[serde(flatten)]
    pub person: Person,
    /// The answer.
    #[serde(default)]
    pub status: ParticipationStatus,
    /// The part played.
    #[serde(default)]
    pub role: Role,
    /// Whether an answer is asked for (`RSVP`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expect_reply: bool,
}
