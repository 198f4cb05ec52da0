//! Webhooks: Google's channels and Microsoft Graph's subscriptions, without a server framework.
//!
//! In: the query, headers and body of a request, and what the host kept of its channels. Out: which channels have news, and
//! the answer to give. A call is a hint and nothing more: it says that a pull is worth its request, and what it says of the
//! calendar is not believed. Whatever is forged, repeated, late or lost costs a request or a delay, and no data.
//!
//! - [`channels`] names the channels a request is about, so that the host can look them up; [`verify`] checks it against
//!   them.
//! - [`plan`] says which channels to open, prolong and end, and when to look again; [`Channel`] is what is kept of each.
//! - `Keeper` (with the feature `worker`) does all of that for the links of a worker, over
//!   [`Channels`](calsync_core::store::Channels).
//! - [`Hints`] waits five seconds for a burst to end. [`DeliveryHealth`] measures whether calls come at all, and says how
//!   often to look without one.
//!
//! `examples/webhooks` is a handler for axum.

mod google;
mod graph;
mod hints;
#[cfg(feature = "worker")]
mod keeper;
mod plan;

use http::HeaderMap;

use crate::http::Secret;

pub use calsync_core::store::{Announced, Channel, Delivery, DeliveryHealth, HasChannel, PollOptions};
pub use hints::{HintOptions, Hints};
#[cfg(feature = "worker")]
pub use keeper::{Call, ChannelKey, KeepError, Keeper, Tended, Tending, WeakKey};
pub use plan::{ChannelOptions, Plan, Renewal, Step, plan};

/// Longer bodies are refused unread. Graph's notifications without resource data have some hundred bytes each.
pub const BODY_MAX: usize = 1 << 20;
/// Notifications of one request that are looked at.
const ITEMS_MAX: usize = 1_000;

/// Whose call it is: each has an address of its own, for neither can be told from its form alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Vendor {
    /// Google Calendar: `events.watch`.
    Google,
    /// Microsoft Graph: subscriptions, with lifecycle notifications at the same address.
    Graph,
}

/// A request as it came in.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// The query of the URL, without its `?`.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body. A host may stop reading after [`BODY_MAX`] bytes and one.
    pub body: &'a [u8],
}

impl std::fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("body_len", &self.body.len()).finish_non_exhaustive()
    }
}

/// What the host kept of a channel.
#[derive(Clone, Debug)]
pub struct Known {
    /// [`WatchRequest::secret`](calsync_core::provider::WatchRequest::secret).
    pub secret: Secret,
    /// [`Watch::resource`](calsync_core::provider::Watch::resource); only Google's is compared.
    pub resource: String,
}

/// What there is to do about a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// The channel is open and its calls arrive: [`Channel::heard`].
    Opened {
        /// The channel.
        channel: String,
    },
    /// Pull.
    Changed {
        /// The channel.
        channel: String,
    },
    /// The calendar is gone, or is not to be seen any more; a pull says which.
    Gone {
        /// The channel.
        channel: String,
    },
    /// Prolong the subscription now, and pull.
    Reauthorize {
        /// The channel.
        channel: String,
    },
    /// The subscription was ended by the service: open a new one, and pull.
    Removed {
        /// The channel.
        channel: String,
    },
    /// Calls were lost: pull.
    Missed {
        /// The channel.
        channel: String,
    },
}

impl Signal {
    /// The channel it is about.
    pub fn channel(&self) -> &str {
        match self {
            Self::Opened { channel }
            | Self::Changed { channel }
            | Self::Gone { channel }
            | Self::Reauthorize { channel }
            | Self::Removed { channel }
            | Self::Missed { channel } => channel,
        }
    }
}

/// Why a call, or a part of it, is ignored. To be counted; whoever called is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// No channel of this name: it was ended here and not there, or is made up.
    Unknown {
        /// The channel, as the call names it.
        channel: String,
        /// What it watches, where the call says so: with both a channel of Google's can be stopped.
        resource: Option<String>,
    },
    /// The secret, or what it watches, is not that of the channel.
    Forged {
        /// The channel.
        channel: String,
    },
    /// A kind of notification that is not known yet.
    Unheard {
        /// The channel.
        channel: String,
    },
    /// No notification at all.
    Malformed,
    /// Longer than [`BODY_MAX`].
    TooLarge,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

/// What came of a call. The answer is given at once, before anything is done about the signals: Graph waits three seconds,
/// and throttles whoever takes longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// To be given.
    pub answer: Answer,
    /// To be acted on, once for each.
    pub signals: Vec<Signal>,
    /// To be counted.
    pub ignored: Vec<Ignored>,
}

impl Received {
    fn nothing(answer: Answer, why: Ignored) -> Self {
        Self { answer, signals: Vec::new(), ignored: vec![why] }
    }
}

/// The channels a request claims to be about, each once: to be looked up, and nothing else.
pub fn channels(vendor: Vendor, incoming: Incoming<'_>) -> Vec<String> {
    if incoming.body.len() > BODY_MAX {
        return Vec::new();
    }
    let mut names = match vendor {
        Vendor::Google => google::channel(incoming.headers).into_iter().map(ToOwned::to_owned).collect(),
        Vendor::Graph => graph::channels(incoming.body),
    };
    names.sort();
    names.dedup();
    names
}

/// Checks a request against what is known of its channels. The answer is the same whether a channel is known or not, and so
/// is, up to the lookup, the time it takes.
///
/// The secret of a channel is compared in constant time. Signals that repeat each other are one.
pub fn verify<'k>(
    vendor: Vendor,
    incoming: Incoming<'_>,
    find: impl Fn(&str) -> Option<&'k Known>,
) -> Received {
    if incoming.body.len() > BODY_MAX {
        return Received::nothing(Answer::empty(413), Ignored::TooLarge);
    }
    match vendor {
        Vendor::Google => google::verify(incoming, find),
        Vendor::Graph => graph::verify(incoming, find),
    }
}

/// As long as the secrets `Keeper` makes, so that the comparison takes as long.
const NO_CHANNEL: &str = "................................................................";

/// Whether a call shows the secret of its channel. Without a channel it is compared all the same, with what is none.
fn shows(known: Option<&Known>, secret: &str) -> bool {
    let none = Secret::from(NO_CHANNEL);
    let kept = known.map_or(&none, |known| &known.secret);
    let same = kept.same(&Secret::from(secret));
    // An empty secret opens nothing.
    same && known.is_some() && !kept.expose().is_empty()
}
