//! Push notifications and free-busy, for providers that have them.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{availability::BusyTime, model::RemoteCalendarId};

/// Asks a provider to call back when a calendar changes.
///
/// Both `id` and `secret` come from the host's source of randomness: a caller who knows neither cannot forge a call.
#[derive(Clone, Copy)]
pub struct WatchRequest<'a> {
    /// Names the subscription; unique, at most 64 characters of `[A-Za-z0-9_-]`.
    pub id: &'a str,
    /// Where to call: an `https` URL.
    pub address: &'a str,
    /// Comes back with every call, and is compared with what was asked for. At most 128 characters.
    pub secret: &'a str,
    /// For how long; the provider may grant less.
    pub lifetime: Duration,
}

impl fmt::Debug for WatchRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchRequest").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// A subscription a provider granted. To be kept until it is ended or expires.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// As asked for, or as the provider named it.
    pub id: String,
    /// How the provider names what is watched; empty where it does not. Needed to end it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// When it ends by itself. A new one has to be in place before.
    pub expires: DateTime<Utc>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// When somebody is busy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeBusy {
    /// The calendar asked for.
    pub calendar: RemoteCalendarId,
    /// Busy times by their start, as firmly taken as the provider says; where it does not, busy. Nothing is said of what lies
    /// outside the window.
    pub busy: Vec<BusyTime>,
    /// Why nothing is known of this calendar, in the provider's word (`notFound`). Then `busy` is empty and means
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}
