//! Identifiers: one type each, so that a remote id cannot be passed where a local one is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Wraps an identifier; the text is opaque and compared byte by byte.
            pub fn new(id: impl Into<Box<str>>) -> Self {
                Self(id.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }
    };
}

macro_rules! visible_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

// Ids of the remote side may be made of a UID, an e-mail address or a secret path: they stay out of logs.
macro_rules! hidden_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

id! {
    /// A calendar in the host's store: the hub every link joins to a remote calendar.
    CalendarId
}
id! {
    /// An event in the host's store. Never leaves the host; it is not the UID.
    EventId
}
id! {
    /// An authorised account at a provider.
    ConnectionId
}
id! {
    /// One calendar joined to one remote calendar.
    LinkId
}
id! {
    /// One run of the engine on one link; what the log and undo name.
    RunId
}
id! {
    /// A calendar as its provider names it (CalDAV: the collection's URL).
    RemoteCalendarId
}
id! {
    /// An item as its provider names it (CalDAV: the href; Google and Graph: the event id). For a feed without
    /// resource names it is derived from the UID.
    RemoteId
}
id! {
    /// A version of a remote item (an ETag, a change key). Opaque: compared byte by byte, never parsed as a number.
    Version
}

visible_debug!(CalendarId, EventId, ConnectionId, LinkId, RunId);
hidden_debug!(RemoteCalendarId, RemoteId, Version);
