//! The calendar object: a single event, or a series with its overrides.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Alarm, EventTime, Participant, Person, RecurrenceId, TimeSpan};
use crate::recurrence::RuleEntry;

/// One calendar object: the unit of identity, of versions and of conflicts.
///
/// A series is one event: its rules, and [`Override`]s keyed by [`RecurrenceId`]. Providers that store the master and
/// its exceptions apart are folded into it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The globally unique id (RFC 5545 section 3.8.4.7). Not the identity of a row: two calendars may share it.
    pub uid: String,
    /// Where the UID came from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub uid_origin: UidOrigin,
    /// The event, or what all instances share. `None` when only single instances of a foreign series are known (an
    /// invitation to one instance): then `overrides` holds them and there is nothing to expand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<EventBody>,
    /// What repeats (`RRULE`); empty for a single event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleEntry>,
    /// What is left out by rule (`EXRULE`, deprecated but met).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_rules: Vec<RuleEntry>,
    /// Instances that differ from what the rules say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<RecurrenceId, Override>,
    /// The event this one was made from, when calsync made it. A hint for people and programs, written as `RELATED-TO`
    /// where the event is created: it is never compared, and nothing is ever decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
}

/// What an event was made from.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lineage {
    /// The UID of the other event.
    pub uid: String,
    /// How.
    pub how: Descent,
}

/// How one event was made from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Descent {
    /// Both versions of a conflict were kept, and this is the local one (`RELTYPE=SIBLING`, RFC 5545 section 3.2.15).
    Copy,
    /// A series was cut in two, and this is the later half (`RELTYPE=FIRST`, RFC 9253 section 5).
    Following,
}

/// Where a UID came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UidOrigin {
    /// The item carried it.
    #[default]
    Given,
    /// The item had none (or one that changes with every fetch): derived from its content, so that the same item
    /// gets the same UID again.
    Derived,
}

/// How far an override reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverrideScope {
    /// One instance.
    #[default]
    This,
    /// The instance and all after it (`RANGE=THISANDFUTURE`, RFC 5545 section 3.2.13). Read, never written: almost
    /// nobody else understands it.
    ThisAndFuture,
}

/// How one instance differs from its series (RFC 8984 section 4.3.5).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Override {
    /// It does not take place (`EXDATE`, a cancelled exception).
    Excluded,
    /// It takes place although no rule says so (`RDATE`), unchanged.
    Added {
        /// Its own end, from a `PERIOD`; else the length of the series.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<EventTime>,
    },
    /// It has content of its own.
    Changed {
        /// The whole instance, not a patch: what a `VEVENT` with `RECURRENCE-ID` holds.
        body: Box<EventBody>,
        /// How far it reaches.
        #[serde(default, skip_serializing_if = "is_default")]
        scope: OverrideScope,
    },
}

/// Whether an event takes place (RFC 5545 section 3.8.1.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does.
    Confirmed,
    /// It may.
    Tentative,
    /// It does not, and is kept to say so.
    Cancelled,
}

/// Whether an event takes up its owner's time (RFC 8984 section 4.4.2, `TRANSP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FreeBusyStatus {
    /// It does (`OPAQUE`).
    Busy,
    /// It does not (`TRANSPARENT`).
    Free,
}

/// Who may see the details (RFC 8984 section 4.4.3, `CLASS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// Everyone with access to the calendar.
    Public,
    /// Only the owner; others see that there is something.
    Private,
    /// Only the owner; others see nothing (`CONFIDENTIAL`).
    Secret,
}

/// A place to meet that is not a place (RFC 7986 section 5.11, RFC 8984 section 4.2.6).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VirtualLocation {
    /// Where to connect. May hold a password: treat it as event text.
    pub uri: String,
    /// The label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The content of an event, or of one instance of a series.
///
/// `None` means the provider said nothing, which is not the same as the default: a copy of an event without `CLASS`
/// has no `CLASS` either.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBody {
    /// When. Start, end, zone and all-day are one field to the merge.
    pub time: TimeSpan,
    /// `SUMMARY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `DESCRIPTION`, plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `LOCATION`, plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// `GEO` as `latitude;longitude`, the text as written: servers round it, and rounding is not an edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo: Option<String>,
    /// `URL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `CONFERENCE` (RFC 7986 section 5.11).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub virtual_locations: Vec<VirtualLocation>,
    /// `STATUS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// `TRANSP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_busy: Option<FreeBusyStatus>,
    /// `CLASS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
    /// `PRIORITY`, 0 (none) to 9 (lowest).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// `COLOR` (RFC 7986 section 5.9), a CSS name or `#RRGGBB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// `CATEGORIES`. A set: order and repetition are not edits.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub categories: BTreeSet<String>,
    /// `ORGANIZER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organizer: Option<Person>,
    /// `ATTENDEE`, at most one per address, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Participant>,
    /// `VALARM`, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Alarm>,
    /// `SEQUENCE`: bookkeeping, never compared.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sequence: u32,
    /// `CREATED`: bookkeeping, never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
    /// `LAST-MODIFIED`: bookkeeping, never compared; only the policy `newest_wins` looks at it. The hub sets it where a host
    /// edits an event, and a run where it brings an edit here; who writes events past the hub sets it, or an edit right after
    /// one that a run brought counts as of the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<DateTime<Utc>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl EventBody {
    /// A body that says when and nothing else.
    pub fn new(time: TimeSpan) -> Self {
        Self {
            time,
            title: None,
            description: None,
            location: None,
            geo: None,
            url: None,
            virtual_locations: Vec::new(),
            status: None,
            free_busy: None,
            privacy: None,
            priority: None,
            color: None,
            categories: BTreeSet::new(),
            organizer: None,
            participants: Vec::new(),
            alarms: Vec::new(),
            sequence: 0,
            created: None,
            updated: None,
        }
    }
}

impl Event {
    /// A single event.
    pub fn single(uid: impl Into<String>, body: EventBody) -> Self {
        Self {
            uid: uid.into(),
            uid_origin: UidOrigin::Given,
            master: Some(body),
            rules: Vec::new(),
            excluded_rules: Vec::new(),
            overrides: BTreeMap::new(),
            lineage: None,
        }
    }

    /// Whether it repeats: by rule, or by added dates.
    pub fn is_series(&self) -> bool {
        !self.rules.is_empty() || self.overrides.values().any(|o| matches!(o, Override::Added { .. }))
    }

    /// The master, or the first known instance where there is none. `None` only for an event without any content.
    pub fn body(&self) -> Option<&EventBody> {
        self.master.as_ref().or_else(|| {
            self.overrides.values().find_map(|o| match o {
                Override::Changed { body, .. } => Some(&**body),
                Override::Excluded | Override::Added { .. } => None,
            })
        })
    }

    /// When any part of it was last changed, as far as its provider says.
    pub fn updated(&self) -> Option<DateTime<Utc>> {
        let instances = self.overrides.values().filter_map(|o| match o {
            Override::Changed { body, .. } => body.updated,
            Override::Excluded | Override::Added { .. } => None,
        });
        self.master.iter().filter_map(|body| body.updated).chain(instances).max()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("master", &self.master)
            .field("rules", &self.rules.len())
            .field("overrides", &self.overrides.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EventBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBody").field("all_day", &self.time.is_all_day()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lineage").field("how", &self.how).finish_non_exhaustive()
    }
}

impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Excluded => "Excluded",
            Self::Added { .. } => "Added",
            Self::Changed { .. } => "Changed(..)",
        })
    }
}

impl fmt::Debug for VirtualLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualLocation(..)")
    }
}
