//! The plan as data.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{Action, Evidence};
use crate::{
    diff::Field,
    model::{EventId, LinkId, RemoteId, Version},
    store::Revision,
};

/// One thing a run does, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What.
    pub action: Action,
    /// The event; `None` for one that is still to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// The item; `None` for one that is still to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<RemoteId>,
    /// The version of the item this was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The revision of the event this was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Fields that go to the local side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to_local: Vec<Field>,
    /// Fields that go to the remote side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to_remote: Vec<Field>,
    /// Fields both sides changed, to different values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contested: Vec<Field>,
    /// Fields the provider cannot hold; and `padding`, where the link's rules block time before an event and cannot before this
    /// one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
    /// Why, in words for a person, without event text.
    pub reason: String,
    /// What speaks for a deletion; `None` for anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

impl Operation {
    /// Whether it deletes something.
    pub fn deletes(&self) -> bool {
        self.action.deletes()
    }

    /// What tells it from every other operation: what is done, to which state of which pair. No two operations have the
    /// same text, whatever characters are in the ids.
    fn key(&self) -> String {
        let part = |text: Option<&str>| {
            let text = text.unwrap_or("");
            format!("{}:{text}", text.len())
        };
        format!(
            "{:?} {} {} {} {:?} {:?} {:?}",
            self.action,
            part(self.event_id.as_ref().map(EventId::as_str)),
            part(self.remote_id.as_ref().map(RemoteId::as_str)),
            part(self.version.as_ref().map(Version::as_str)),
            self.revision,
            self.to_local,
            self.to_remote,
        )
    }
}

/// The operations of a plan, for a run that may carry out no others.
pub(crate) struct Permit(BTreeSet<String>);

impl Permit {
    pub(crate) fn covers(&self, operation: &Operation) -> bool {
        self.0.contains(&operation.key())
    }
}

/// Names what a plan would do: 16 hexadecimal digits. The same decisions on the same state of both sides have the same id,
/// and an edit on either side gives another one.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub String);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanId({})", self.0)
    }
}

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The link.
    pub link: LinkId,
    /// The operations, in the order they are carried out.
    pub operations: Vec<Operation>,
    /// Whether its deletions wait for approval.
    pub held: bool,
}

impl Plan {
    /// The id of the whole plan.
    pub fn id(&self) -> PlanId {
        id_of(&self.link, self.operations.iter())
    }

    /// The id of its deletions: what a person approves. Other changes that arrive meanwhile do not alter it.
    pub fn deletions_id(&self) -> PlanId {
        id_of(&self.link, self.operations.iter().filter(|operation| operation.deletes()))
    }

    /// Leave to do what is in this plan.
    pub(crate) fn permit(&self) -> Permit {
        Permit(self.operations.iter().map(Operation::key).collect())
    }

    /// How many of its operations delete something.
    pub fn deletions(&self) -> usize {
        self.operations.iter().filter(|operation| operation.deletes()).count()
    }
}

fn id_of<'a>(link: &LinkId, operations: impl Iterator<Item = &'a Operation>) -> PlanId {
    let mut keys: Vec<String> = operations.map(Operation::key).collect();
    // Servers list in any order.
    keys.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    hasher.update(link.as_str().as_bytes());
    for key in keys {
        hasher.update(b"\n");
        hasher.update(key.as_bytes());
    }
    PlanId(hasher.finalize().to_hex()[..16].to_owned())
}
