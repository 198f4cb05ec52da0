//! How an account is reached, and what is left open by Microsoft's documentation.

use std::{fmt, sync::Arc};

use calsync_core::zone::Zone;

use crate::http::{AddressPolicy, Limits, TokenSource};

/// An account at Microsoft 365 or Outlook.com.
#[derive(Clone)]
#[non_exhaustive]
pub struct MicrosoftConfig {
    /// Where the access tokens come from. The scope `Calendars.ReadWrite` is enough.
    pub tokens: Arc<dyn TokenSource>,
    /// The root of the service, with a slash at the end. Default: `https://graph.microsoft.com/v1.0/`; the national
    /// clouds have their own.
    pub base_url: String,
    /// The mailbox: `me` (default), or `users/` and an id or address, for access as an application.
    pub mailbox: String,
    /// Which addresses may be connected to. Default: public ones.
    pub addresses: AddressPolicy,
    /// How long and how large an exchange may be. Default: [`Limits::default`].
    pub limits: Limits,
    /// Events on a page. Default: 1,000, the most Graph takes; 0 counts as 1. Where such a page is larger than
    /// [`Limits::body_max`], there are a tenth as many on the next ones, and so on.
    pub page_max: usize,
    /// Requests in one batch: reads of items, and writes that are due at the same time. Default: 20, the most Graph
    /// takes; 0 counts as 1.
    pub batch_max: usize,
    /// The span of time in which changes are noticed at once. Default: [`Window::default`].
    pub window: Window,
    /// What a full listing covers. Default: [`Listing::Everything`].
    pub listing: Listing,
    /// What tells that something changed. Default: [`DeltaSource::CalendarView`].
    pub delta: DeltaSource,
    /// What a monthly rule on the 29th to 31st means in shorter months. Default: [`MonthEnd::Clamp`].
    pub month_end: MonthEnd,
    /// The most characters of a title; what is longer is cut off there and kept here, and reported. Default: 255, the most
    /// Outlook shows, which no documentation of Graph confirms; 0 cuts nothing off.
    pub title_max: usize,
    /// The zone floating times are written in, as Graph has none. Default: UTC, reported as a loss.
    pub floating_zone: Zone,
    /// The property set (a GUID) of the extended properties calsync marks its events with. Default: the set of public
    /// strings every Exchange mailbox has. Changing it makes calsync forget which events it made.
    pub property_set: String,
    /// The most minutes a subscription is asked for. Default: 4,200; the documentation has said 4,230 and 10,080.
    pub watch_minutes_max: u32,
    /// The longest window of a question for busy times, in days. Default: 42; newer texts say 62.
    pub free_busy_days_max: u32,
}

/// The span of time a delta query looks at. Graph fixes it when the query starts: when less than half of what lies
/// ahead is left, a new query is started and everything is compared once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Days before today. Default: 90.
    pub past_days: u32,
    /// Days after today. Default: 550.
    pub ahead_days: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { past_days: 90, ahead_days: 550 }
    }
}

/// What a full listing covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listing {
    /// Every event of the calendar, whenever it takes place.
    #[default]
    Everything,
    /// What takes place in the [`Window`]. What has left it is kept here.
    Window,
}

/// What tells that something changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeltaSource {
    /// `calendarView/delta`, documented for v1.0.
    #[default]
    CalendarView,
    /// `events/delta`: no end of the window, and fewer rows. It is in the metadata of v1.0 and documented for beta only.
    Events,
}

/// What a monthly or yearly rule on a day some months do not have means (the 31st in April).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonthEnd {
    /// The last day of the month, as Outlook shows it.
    #[default]
    Clamp,
    /// No instance, as in RFC 5545.
    Skip,
}

impl MicrosoftConfig {
    /// An account with the defaults for everything else.
    pub fn new(tokens: Arc<dyn TokenSource>) -> Self {
        Self {
            tokens,
            base_url: "https://graph.microsoft.com/v1.0/".to_owned(),
            mailbox: "me".to_owned(),
            addresses: AddressPolicy::Public,
            limits: Limits::default(),
            page_max: 1000,
            batch_max: 20,
            window: Window::default(),
            listing: Listing::default(),
            delta: DeltaSource::default(),
            month_end: MonthEnd::default(),
            title_max: 255,
            floating_zone: Zone::UTC,
            property_set: "00020329-0000-0000-C000-000000000046".to_owned(),
            watch_minutes_max: 4_200,
            free_busy_days_max: 42,
        }
    }

    /// The same at another root: a national cloud, an emulator, a proxy.
    #[must_use]
    pub fn at(mut self, base_url: impl Into<String>, addresses: AddressPolicy) -> Self {
        self.base_url = base_url.into();
        self.addresses = addresses;
        self
    }
}

impl fmt::Debug for MicrosoftConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MicrosoftConfig")
            .field("addresses", &self.addresses)
            .field("window", &self.window)
            .field("listing", &self.listing)
            .field("delta", &self.delta)
            .finish_non_exhaustive()
    }
}
