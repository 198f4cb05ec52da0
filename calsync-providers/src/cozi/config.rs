//! How an account is reached, and what is left open where nobody documents it.

use std::fmt;

use calsync_core::zone::Zone;
use http::{HeaderValue, header::HeaderName};

use crate::http::{AddressPolicy, Limits, Secret, pace::Pace};

/// Whether the host uses an interface that nobody offers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnofficialApi {
    /// No: the provider cannot be made. Feeds are the supported way.
    #[default]
    Refused,
    /// The account's owner knows that the interface is undocumented, that it may change or end on any day, and that using
    /// it may be against Cozi's terms.
    Accepted,
}

/// A Cozi account.
#[derive(Clone)]
#[non_exhaustive]
pub struct CoziConfig {
    /// The opt-in. Default: [`UnofficialApi::Refused`], with which nothing works.
    pub unofficial_api: UnofficialApi,
    /// The user name: an e-mail address.
    pub username: String,
    /// The password.
    pub password: Secret<String>,
    /// The root of the service, with a slash at the end. Default: `https://rest.cozi.com/api/ext/`.
    pub base_url: String,
    /// Sent as `apikey` with every request; the service is said to refuse those without. Default: a build tag of the web
    /// application. `None` sends none.
    pub api_key: Option<String>,
    /// Further headers of every request. Default: none. The service's front end is said to turn away what does not look
    /// like its own web application; whether to look like it is the host's decision.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Which addresses may be connected to. Default: public ones.
    pub addresses: AddressPolicy,
    /// How long and how large an exchange may be. Default: [`Limits::default`].
    pub limits: Limits,
    /// How fast requests may follow each other, with a breaker for a host that does not answer. Default:
    /// [`Pace::COZI_10`], ten a minute. `None`: the transport that is handed in keeps a pace already.
    pub pace: Option<Pace>,
    /// The months that are read. Default: [`Window::default`].
    pub window: Window,
    /// The versions in the addresses. Default: [`ApiVersions::default`].
    pub versions: ApiVersions,
    /// How many items of one pull are looked up by name before they count as deleted: an event that was moved out of the
    /// window is not there any more either. Default: 8. With 0, and past it, absence from every month read is enough.
    pub lookups_max: usize,
    /// The household's zone: Cozi's times have none of their own. Default: `None`, what the account says.
    pub zone: Option<Zone>,
    /// The members of the household a new event is for, by their ids. Default: none, which Cozi shows as everybody's.
    pub attendees: Vec<String>,
    /// Whether reminders are synced. Default: [`Reminders::Leave`].
    pub reminders: Reminders,
    /// Whether events of calendars the household subscribes to are read. Default: [`Subscribed::LeaveOut`].
    pub subscribed: Subscribed,
    /// The title an event without one is written with: Cozi wants one. Default: `(No title)`.
    pub untitled: String,
}

/// The months that are read, around the current one. Each is a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Months before the current one. Default: 1.
    pub past_months: u32,
    /// Months after the current one. Default: 12.
    pub ahead_months: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { past_months: 1, ahead_months: 12 }
    }
}

/// The numbers in the addresses (`/api/ext/2004/...`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiVersions {
    /// Of signing in. Default: 2207.
    pub login: u32,
    /// Of renewing a token. Default: 2111.
    pub renewal: u32,
    /// Of the account. Default: 2004.
    pub account: u32,
    /// Of the calendar. Default: 2004.
    pub calendar: u32,
}

impl Default for ApiVersions {
    fn default() -> Self {
        Self { login: 2207, renewal: 2111, account: 2004, calendar: 2004 }
    }
}

/// Whether reminders are synced. Cozi sends them by mail and to telephones, as each member of the household has chosen:
/// one that is written reaches people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reminders {
    /// Those at Cozi stay at Cozi, unseen here; none is written.
    #[default]
    Leave,
    /// They are read and written: at most three, at the times Cozi offers.
    Sync,
}

/// Whether events of calendars the household subscribes to (holidays, a feed of ours) are read. They are never written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subscribed {
    /// They stay at Cozi: whoever wants them here links to the feed itself.
    #[default]
    LeaveOut,
    /// They are read. Never for a household that subscribes to a feed of the calendar it is linked to: each event would come
    /// back as another one, and go out with the feed again, for ever.
    Read,
}

impl CoziConfig {
    /// An account with the defaults. `unofficial_api` is to be set before it works.
    pub fn new(username: impl Into<String>, password: Secret<String>) -> Self {
        Self {
            unofficial_api: UnofficialApi::default(),
            username: username.into(),
            password,
            base_url: "https://rest.cozi.com/api/ext/".to_owned(),
            api_key: Some("coziwc|v265_production".to_owned()),
            headers: Vec::new(),
            addresses: AddressPolicy::Public,
            limits: Limits::default(),
            pace: Some(Pace::COZI_10),
            window: Window::default(),
            versions: ApiVersions::default(),
            lookups_max: 8,
            zone: None,
            attendees: Vec::new(),
            reminders: Reminders::default(),
            subscribed: Subscribed::default(),
            untitled: "(No title)".to_owned(),
        }
    }

    /// The same at another root: an emulator, a proxy.
    #[must_use]
    pub fn at(mut self, base_url: impl Into<String>, addresses: AddressPolicy) -> Self {
        self.base_url = base_url.into();
        self.addresses = addresses;
        self
    }
}

impl fmt::Debug for CoziConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoziConfig")
            .field("unofficial_api", &self.unofficial_api)
            .field("window", &self.window)
            .field("versions", &self.versions)
            .field("pace", &self.pace)
            .field("reminders", &self.reminders)
            .field("subscribed", &self.subscribed)
            .finish_non_exhaustive()
    }
}
