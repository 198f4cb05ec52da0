//! How an account is reached, and what is left open by Google's documentation.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use calsync_core::zone::Zone;

use crate::http::{AddressPolicy, Limits, TokenSource};

/// An account at Google Calendar.
#[derive(Clone)]
#[non_exhaustive]
pub struct GoogleConfig {
    /// Where the access tokens come from. The scopes `calendar.events` and `calendar.calendarlist.readonly` are enough.
    pub tokens: Arc<dyn TokenSource>,
    /// The root of the service, with a slash at the end. Default: `https://www.googleapis.com/`. Below it are
    /// `calendar/v3/` and `batch/calendar/v3`.
    pub base_url: String,
    /// Which addresses may be connected to. Default: public ones.
    pub addresses: AddressPolicy,
    /// How long and how large an exchange may be. Default: [`Limits::default`].
    pub limits: Limits,
    /// Events on a page of a listing. Default: 2500, the most Google gives; 0 counts as 1.
    pub page_max: usize,
    /// Requests in one batch. Default: 50, which every edition of the documentation allows; newer ones say 1000.
    pub batch_max: usize,
    /// The most bytes of series that are held while the pages of a listing are read, so that each is put together
    /// without asking again. Past it series are asked for one by one. Default: 64 MiB.
    pub series_bytes_max: usize,
    /// How an event is updated. Default: [`UpdateMethod::Cheapest`].
    pub update: UpdateMethod,
    /// What an event without alarms gets. Default: [`NoAlarms::None`].
    pub no_alarms: NoAlarms,
    /// The colours of events by Google's numbers; see [`GoogleProvider::event_colors`](super::GoogleProvider::event_colors).
    /// Default: none, which leaves colours alone.
    pub colors: EventColors,
    /// The zone floating times are written in, as Google has none. Default: none, which refuses such events.
    pub floating_zone: Option<Zone>,
    /// Whether calendars the user took off the list are listed. Default: [`HiddenCalendars::Omit`].
    pub hidden: HiddenCalendars,
    /// How long to stay away when the quota of the day is spent. Default: one hour.
    pub quota_pause: Duration,
}

/// How an event is updated: `PUT` is one unit of quota and replaces everything, `PATCH` is three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateMethod {
    /// `PUT` for events of which every field is known to survive it, else `PATCH`.
    #[default]
    Cheapest,
    /// Always `PATCH` with only what changed.
    Patch,
}

/// What an event without alarms gets at Google.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoAlarms {
    /// No reminder, as it says.
    #[default]
    None,
    /// The reminders the calendar has for every event.
    CalendarDefault,
}

/// Calendars the user took off the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HiddenCalendars {
    /// They are not listed.
    #[default]
    Omit,
    /// They are.
    List,
}

/// Colours of events: Google's number to a CSS name or `#RRGGBB`.
pub type EventColors = BTreeMap<String, String>;

impl GoogleConfig {
    /// An account with the defaults for everything else.
    pub fn new(tokens: Arc<dyn TokenSource>) -> Self {
        Self {
            tokens,
            base_url: "https://www.googleapis.com/".to_owned(),
            addresses: AddressPolicy::Public,
            limits: Limits::default(),
            page_max: 2500,
            batch_max: 50,
            series_bytes_max: 64 << 20,
            update: UpdateMethod::default(),
            no_alarms: NoAlarms::default(),
            colors: EventColors::new(),
            floating_zone: None,
            hidden: HiddenCalendars::default(),
            quota_pause: Duration::from_secs(3600),
        }
    }

    /// The same at another root: an emulator, a proxy. An `http` root on this machine is allowed by it.
    #[must_use]
    pub fn at(mut self, base_url: impl Into<String>, addresses: AddressPolicy) -> Self {
        self.base_url = base_url.into();
        self.addresses = addresses;
        self
    }
}

impl fmt::Debug for GoogleConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleConfig")
            .field("addresses", &self.addresses)
            .field("update", &self.update)
            .finish_non_exhaustive()
    }
}
