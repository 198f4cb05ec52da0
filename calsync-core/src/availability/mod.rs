//! Availability: when somebody is free, over any set of calendars.
//!
//! In: the events of each calendar, borrowed, or the busy times its provider reports; working hours, `VAVAILABILITY`
//! (RFC 7953) and a [`Question`]. Out: an [`Answer`] with the busy times merged, the spans that are open, the slots on
//! offer, and of each calendar how old and how complete what it says is. Pure: no clock, no I/O.
//!
//! ```
//! use calsync_core::availability::{BusyOptions, CalendarTimes, Question, answer, busy_times};
//! use calsync_core::model::{Event, EventBody, EventTime, TimeSpan};
//! use calsync_core::zone::Zone;
//! use chrono::{DateTime, TimeDelta, Utc};
//!
//! let hour = |hour: i64| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::hours(hour);
//! let time = TimeSpan { start: EventTime::Utc(hour(9)), end: EventTime::Utc(hour(10)) };
//! let events = [Event::single("u", EventBody::new(time))];
//!
//! let question = Question::new(hour(8)..hour(12), hour(0), Zone::UTC);
//! let busy = busy_times(&events, &BusyOptions::new(question.window.clone(), Zone::UTC));
//! let answer = answer(&[CalendarTimes::current("work".into(), busy, hour(0))], &question);
//!
//! assert_eq!(answer.open, [hour(8)..hour(9), hour(10)..hour(12)]);
//! ```

mod busy;
mod extent;
mod hours;
mod index;
mod slots;
mod spans;
mod vavailability;
mod vfreebusy;

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub(crate) use busy::busy_kind;
pub use busy::{BusyKind, BusyOptions, BusyTime, BusyTimes, busy_times, provider_busy_times};
pub(crate) use hours::shows;
pub use hours::{ClockTime, ClockTimeError, DayHours, WorkingHours};
pub use index::BusyIndex;
pub(crate) use spans::strongest as merged;
pub use vavailability::{VAvailability, VAvailabilityError, read_vavailability};
pub use vfreebusy::{VFreeBusyError, read_vfreebusy};

use crate::{model::CalendarId, zone::Zone};
use spans::{Span, clip, difference, intersection, strongest, union};

/// What is known of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalendarState {
    /// Its last look went well.
    Current,
    /// Its last look failed: what is known is from the one before.
    Stale,
    /// Nothing was ever read.
    Unknown,
}

/// The busy times of one calendar, and how far they can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarTimes {
    /// Which.
    pub calendar: CalendarId,
    /// The times.
    pub busy: BusyTimes,
    /// What is known of it.
    pub state: CalendarState,
    /// When it was last read whole; `None`: never.
    pub as_of: Option<DateTime<Utc>>,
    /// The instants that look covered; outside it nothing is known. `None`: all.
    pub covered: Option<Range<DateTime<Utc>>>,
}

impl CalendarTimes {
    /// A calendar that was read whole at `as_of`.
    pub fn current(calendar: CalendarId, busy: BusyTimes, as_of: DateTime<Utc>) -> Self {
        Self { calendar, busy, state: CalendarState::Current, as_of: Some(as_of), covered: None }
    }
}

/// Whether times that may be taken are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TentativePolicy {
    /// They are.
    #[default]
    Busy,
    /// They are free.
    Free,
}

/// What becomes of time a calendar says nothing about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UncoveredPolicy {
    /// It is not open: nobody knows whether it is free.
    #[default]
    Withhold,
    /// It is open.
    Offer,
}

/// What is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// The instants asked about.
    pub window: Range<DateTime<Utc>>,
    /// Now.
    pub now: DateTime<Utc>,
    /// The zone on whose clock slots start.
    pub zone: Zone,
    /// How long a slot is. Default: 30 minutes. Zero or less: no slots are made.
    pub slot: TimeDelta,
    /// Slots start when the clock shows a multiple of this since midnight. Default: 15 minutes. Zero or less: no slots
    /// are made.
    pub granularity: TimeDelta,
    /// Kept free before a slot. Default: nothing.
    pub buffer_before: TimeDelta,
    /// Kept free after a slot. Default: nothing.
    pub buffer_after: TimeDelta,
    /// How long from now the first open moment is. Default: nothing, so that the past is never open.
    pub minimum_notice: TimeDelta,
    /// Whether tentative times are taken. Default: they are.
    pub tentative: TentativePolicy,
    /// Time a calendar says nothing about. Default: withheld.
    pub uncovered: UncoveredPolicy,
    /// Working hours; a moment is open when all of them hold it. Default: none, every hour.
    pub hours: Vec<WorkingHours>,
    /// Availability as a calendar server keeps it (RFC 7953), one list for each person. Default: none.
    pub availability: Vec<Vec<VAvailability>>,
    /// Slots at most. Default: 10,000.
    pub slots_max: usize,
    /// Times that are not open, and around which nothing else is kept free: what bookings keep free around themselves.
    /// Default: none.
    pub kept_free: Vec<Range<DateTime<Utc>>>,
}

impl Question {
    /// The defaults, with what has none.
    pub fn new(window: Range<DateTime<Utc>>, now: DateTime<Utc>, zone: Zone) -> Self {
        Self {
            window,
            now,
            zone,
            slot: TimeDelta::minutes(30),
            granularity: TimeDelta::minutes(15),
            buffer_before: TimeDelta::zero(),
            buffer_after: TimeDelta::zero(),
            minimum_notice: TimeDelta::zero(),
            tentative: TentativePolicy::default(),
            uncovered: UncoveredPolicy::default(),
            hours: Vec::new(),
            availability: Vec::new(),
            slots_max: 10_000,
            kept_free: Vec::new(),
        }
    }
}

/// What is known of one calendar, for whoever has to judge an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarAnswer {
    /// Which.
    pub calendar: CalendarId,
    /// What is known of it.
    pub state: CalendarState,
    /// Seconds since it was last read whole, never negative; `None`: never.
    pub age_seconds: Option<i64>,
    /// What the last look covered of the window; `None`: nothing.
    pub covered: Option<Range<DateTime<Utc>>>,
    /// Whether it knows the whole window.
    pub covers_window: bool,
    /// Series that could not be expanded whole.
    pub incomplete_series: usize,
}

/// When somebody is free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When any calendar is busy, without buffers: in order, none overlapping another, each moment with the strongest
    /// kind. Times `VAVAILABILITY` takes are among them; working hours are not.
    pub busy: Vec<BusyTime>,
    /// When a slot may take place: everything that was asked for holds, buffers and notice included.
    pub open: Vec<Range<DateTime<Utc>>>,
    /// The slots, in order. They overlap where the granularity is finer than the slot is long.
    pub slots: Vec<Range<DateTime<Utc>>>,
    /// Whether there are more slots than [`Question::slots_max`].
    pub truncated: bool,
    /// What is known of each calendar, in the order given.
    pub calendars: Vec<CalendarAnswer>,
}

/// Answers a question from the busy times of calendars.
///
/// The calendars' times are cut at the window they were asked for, so that must reach as far beyond the question's as the
/// buffers do: [`Question::busy_window`].
pub fn answer(calendars: &[CalendarTimes], question: &Question) -> Answer {
    let reach = question.busy_window();
    let own = calendars.iter().flat_map(|calendar| calendar.busy.times.iter().copied());
    let rules = question
        .availability
        .iter()
        .flat_map(|person| vavailability::unavailable(person, &reach, &question.zone));
    let busy = strongest(own.chain(rules).collect());

    let counts =
        |time: &&BusyTime| time.kind != BusyKind::Tentative || question.tentative == TentativePolicy::Busy;
    // A slot keeps its buffers free: seen from what is taken, that is longer by them, the other way round.
    let longer = |time: &BusyTime| {
        let start = time.start.checked_sub_signed(question.buffer_after.max(TimeDelta::zero()));
        let end = time.end.checked_add_signed(question.buffer_before.max(TimeDelta::zero()));
        start.unwrap_or(DateTime::<Utc>::MIN_UTC)..end.unwrap_or(DateTime::<Utc>::MAX_UTC)
    };
    let kept_free = question.kept_free.iter().cloned();
    let taken = union(busy.iter().filter(counts).map(longer).chain(kept_free).collect());

    let notice = question.minimum_notice.max(TimeDelta::zero());
    let first = question.now.checked_add_signed(notice).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let mut open: Vec<Span> =
        clip(&question.window, &(first..DateTime::<Utc>::MAX_UTC)).into_iter().collect();
    for hours in &question.hours {
        open = intersection(&open, &hours.spans(&question.window));
    }
    if question.uncovered == UncoveredPolicy::Withhold {
        for calendar in calendars {
            let known = known(calendar, &question.window).and_then(|known| {
                // What lies in the time before or after a slot has to be known as well.
                let covered = calendar.covered.as_ref();
                covered.map_or(Some(known.clone()), |covered| clip(&known, &within(covered, question)))
            });
            open = intersection(&open, &known.into_iter().collect::<Vec<Span>>());
        }
    }
    let open = difference(&open, &taken);
    let (slots, truncated) = slots::slots(&open, question);
    let busy = busy.iter().filter_map(|time| {
        clip(&(time.start..time.end), &question.window).map(|span| BusyTime {
            start: span.start,
            end: span.end,
            kind: time.kind,
        })
    });
    Answer {
        busy: busy.collect(),
        open,
        slots,
        truncated,
        calendars: calendars.iter().map(|calendar| about(calendar, question)).collect(),
    }
}

impl Question {
    /// The window busy times are needed for: the question's own, and as far around it as the buffers reach.
    pub fn busy_window(&self) -> Range<DateTime<Utc>> {
        let zero = TimeDelta::zero();
        let start = self.window.start.checked_sub_signed(self.buffer_before.max(zero));
        let end = self.window.end.checked_add_signed(self.buffer_after.max(zero));
        start.unwrap_or(DateTime::<Utc>::MIN_UTC)..end.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// The slots of which also the buffers lie in a span.
fn within(span: &Span, question: &Question) -> Span {
    let zero = TimeDelta::zero();
    let start = span.start.checked_add_signed(question.buffer_before.max(zero));
    let end = span.end.checked_sub_signed(question.buffer_after.max(zero));
    start.unwrap_or(DateTime::<Utc>::MAX_UTC)..end.unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// The part of a window a calendar knows.
fn known(calendar: &CalendarTimes, window: &Span) -> Option<Span> {
    if calendar.state == CalendarState::Unknown {
        return None;
    }
    calendar.covered.as_ref().map_or_else(|| clip(window, window), |covered| clip(covered, window))
}

fn about(calendar: &CalendarTimes, question: &Question) -> CalendarAnswer {
    let covered = known(calendar, &question.window);
    CalendarAnswer {
        calendar: calendar.calendar.clone(),
        state: calendar.state,
        age_seconds: calendar.as_of.map(|as_of| (question.now - as_of).num_seconds().max(0)),
        covers_window: covered.as_ref() == Some(&question.window),
        covered,
        incomplete_series: calendar.busy.incomplete_series,
    }
}
