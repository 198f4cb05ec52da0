//! `availability`: when somebody is free, from events and busy times the host has at hand; and what slots are made of, for this and for
//! `free`.

use std::ops::Range;

use calsync_core::{
    availability::{
        Answer, BusyOptions, BusyTime, CalendarState, CalendarTimes, ClockTime, DayHours, Question,
        TentativePolicy, UncoveredPolicy, WorkingHours, answer, busy_times, read_vavailability,
    },
    model::{CalendarId, Event},
    recurrence::Weekday,
    zone::Zone,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{Failure, args, model::EventModel};

/// A question about more than so many days would be answered with hundreds of thousands of slots.
const WINDOW_MAX_DAYS: i64 = 400;

/// A calendar, with what is known of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarEvents {
    /// The name it gets in the answer.
    pub calendar: String,
    /// Its events.
    #[serde(default)]
    pub events: Vec<EventModel>,
    /// Times it is busy beside them: all there is to know of a calendar that shows no events.
    #[serde(default)]
    pub busy: Vec<BusyTime>,
    /// Its zone: dates and floating times are read in it. Default: that of the terms.
    #[serde(default)]
    pub zone: Option<Zone>,
    /// The addresses of its owner: what they declined takes none of their time.
    #[serde(default)]
    pub owner: Vec<String>,
    /// How far it can be trusted. Default: `current`.
    #[serde(default = "current")]
    pub state: CalendarState,
    /// When it was last read whole. Default: never.
    #[serde(default)]
    pub as_of: Option<DateTime<Utc>>,
    /// The instants that look covered. Default: all.
    #[serde(default)]
    pub covered: Option<Range<DateTime<Utc>>>,
}

fn current() -> CalendarState {
    CalendarState::Current
}

/// When calendars of a store have to be free: the terms of `free`, `hold` and `book`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreeTerms {
    /// The calendars of the store that have to be free, all of them.
    pub calendars: Vec<FreeCalendar>,
    /// The first instant of the window.
    pub start: DateTime<Utc>,
    /// The instant after the last; 400 days after the first at most.
    pub end: DateTime<Utc>,
    /// Calendars that have to be free as well, of which an account sees only when they are busy: their providers are asked
    /// each time.
    #[serde(default)]
    pub elsewhere: Vec<FreeElsewhere>,
    /// What slots are offered under.
    #[serde(default)]
    pub slots: SlotTerms,
}

/// A calendar of the store. It counts whole, whatever link brought its events in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreeCalendar {
    /// Which.
    pub calendar: String,
    /// Its zone. Default: that of the slots.
    #[serde(default)]
    pub zone: Option<Zone>,
    /// The addresses of its owner: what they declined takes none of their time.
    #[serde(default)]
    pub owner: Vec<String>,
}

/// A calendar that shows no more than when it is busy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreeElsewhere {
    /// The name it gets in the answer.
    pub calendar: String,
    /// Who is asked.
    pub connection: String,
    /// Its name there: the id of a calendar, at Microsoft the address of its owner, of a CalDAV server its URL.
    pub remote: String,
}

/// What slots are offered under.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlotTerms {
    /// On whose clock slots start. Default: UTC.
    pub zone: Option<Zone>,
    /// How long a slot is. Default: 30.
    pub slot_minutes: u32,
    /// Slots start when the clock shows a multiple of this since midnight. Default: 15.
    pub granularity_minutes: u32,
    /// Kept free before a slot.
    pub buffer_before_minutes: u32,
    /// Kept free after a slot.
    pub buffer_after_minutes: u32,
    /// How long from now the first open moment is.
    pub notice_minutes: u32,
    /// Whether tentative times are taken. Default: they are.
    pub tentative: TentativePolicy,
    /// Time a calendar says nothing about. Default: withheld.
    pub uncovered: UncoveredPolicy,
    /// Working hours, all of which have to hold a moment. Default: every hour.
    pub hours: Vec<WorkingHoursModel>,
    /// The `VAVAILABILITY` (RFC 7953) of each person, as text.
    pub availability: Vec<String>,
}

impl Default for SlotTerms {
    fn default() -> Self {
        Self {
            zone: None,
            slot_minutes: 30,
            granularity_minutes: 15,
            buffer_before_minutes: 0,
            buffer_after_minutes: 0,
            notice_minutes: 0,
            tentative: TentativePolicy::default(),
            uncovered: UncoveredPolicy::default(),
            hours: Vec::new(),
            availability: Vec::new(),
        }
    }
}

/// When somebody works: [`WorkingHours`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkingHoursModel {
    /// Whose clock.
    pub zone: Zone,
    /// The hours; a minute counts when one of them holds it.
    pub hours: Vec<DayHoursModel>,
}

/// Hours of some days of the week: [`DayHours`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayHoursModel {
    /// The first minute, as `hh:mm`.
    pub start: ClockTime,
    /// The minute after the last, up to `24:00`. At or before the start it is that of the next day.
    pub end: ClockTime,
    /// The days. Default: every day.
    #[serde(default = "every_day")]
    pub days: Vec<Weekday>,
}

fn every_day() -> Vec<Weekday> {
    Weekday::ALL.to_vec()
}

impl From<WorkingHoursModel> for WorkingHours {
    fn from(hours: WorkingHoursModel) -> Self {
        let day = |day: DayHoursModel| DayHours { days: day.days, from: day.start, to: day.end };
        Self { zone: hours.zone, hours: hours.hours.into_iter().map(day).collect() }
    }
}

/// The question under terms, asked `now`.
///
/// # Errors
///
/// The window is empty or of more than 400 days, or a text has no `VAVAILABILITY`.
pub(crate) fn question(
    window: Range<DateTime<Utc>>,
    now: DateTime<Utc>,
    terms: SlotTerms,
) -> Result<Question, Failure> {
    let span = window.end.signed_duration_since(window.start);
    if span <= TimeDelta::zero() || span > TimeDelta::days(WINDOW_MAX_DAYS) {
        let text = format!("the window has to end after it begins, by {WINDOW_MAX_DAYS} days at most");
        return Err(Failure::invalid(text));
    }
    let minutes = |minutes: u32| TimeDelta::minutes(i64::from(minutes));
    let mut question = Question::new(window, now, terms.zone.unwrap_or(Zone::UTC));
    (question.slot, question.granularity) = (minutes(terms.slot_minutes), minutes(terms.granularity_minutes));
    (question.buffer_before, question.buffer_after) =
        (minutes(terms.buffer_before_minutes), minutes(terms.buffer_after_minutes));
    question.minimum_notice = minutes(terms.notice_minutes);
    (question.tentative, question.uncovered) = (terms.tentative, terms.uncovered);
    question.hours = terms.hours.into_iter().map(WorkingHours::from).collect();
    for text in &terms.availability {
        let found = read_vavailability(text).map_err(|error| Failure::invalid(error.to_string()))?;
        if found.is_empty() {
            return Err(Failure::invalid("there is no VAVAILABILITY in the text"));
        }
        question.availability.push(found);
    }
    Ok(question)
}

pub(crate) fn availability(args: args::Availability) -> Result<Answer, Failure> {
    let question = question(args.start..args.end, args.now, args.terms)
        .map_err(|failure| failure.about("availability"))?;
    let times = |calendar: CalendarEvents| {
        let zone = calendar.zone.unwrap_or_else(|| question.zone.clone());
        let mut options = BusyOptions::new(question.busy_window(), zone);
        options.owner = calendar.owner;
        let events: Vec<Event> = calendar.events.into_iter().map(Event::from).collect();
        let mut busy = busy_times(&events, &options);
        busy.times.extend(calendar.busy);
        CalendarTimes {
            calendar: CalendarId::from(calendar.calendar),
            busy,
            state: calendar.state,
            as_of: calendar.as_of,
            covered: calendar.covered,
        }
    };
    let calendars: Vec<CalendarTimes> = args.calendars.into_iter().map(times).collect();
    Ok(answer(&calendars, &question))
}
