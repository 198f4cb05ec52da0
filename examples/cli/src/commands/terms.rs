//! What `calsync free` and `calsync book` have in common: the calendars, and the rules for slots.

use std::{fs, path::PathBuf};

use calsync_core::{
    availability::{
        CalendarTimes, ClockTime, DayHours, Question, TentativePolicy, UncoveredPolicy, WorkingHours,
        read_vavailability,
    },
    booking::{Bookings, Counted, Terms, busy_elsewhere},
    model::{CalendarId, LinkId, RemoteCalendarId},
    recurrence::Weekday,
    zone::Zone,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use clap::Args;
use serde_json::json;

use crate::{
    app::App,
    config::{BusyCalendar, zone},
    connect,
    error::CliError,
};

#[derive(Args)]
pub(crate) struct TermsArgs {
    /// The calendars in the store, or of `busy` in the configuration, separated by commas: all of them have to be free.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    pub(crate) calendars: Vec<String>,
    /// How long a slot is: `30m`, `1h`, or a number of minutes.
    #[arg(long, value_name = "LENGTH", default_value = "30m", value_parser = length)]
    duration: TimeDelta,
    /// Slots start when the clock shows a multiple of this: `15m`, or a number of minutes.
    #[arg(long, value_name = "LENGTH", default_value = "30m", value_parser = length)]
    step: TimeDelta,
    /// Only these hours, such as `09:00-17:00`; may be given more than once.
    #[arg(long, value_name = "HOURS")]
    hours: Vec<String>,
    /// Only when these files say so, each the `VAVAILABILITY` of one person (RFC 7953), as a calendar server keeps it.
    #[arg(long, value_name = "FILE")]
    availability: Vec<PathBuf>,
    /// Only on these days.
    #[arg(long, value_name = "DAYS", value_delimiter = ',', default_value = "mo,tu,we,th,fr")]
    weekdays: Vec<String>,
    /// The zone of the hours and of the calendars, such as Europe/Berlin.
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Addresses of the owner: what they declined takes none of their time.
    #[arg(long, value_delimiter = ',')]
    owner: Vec<String>,
    /// Minutes kept free before a slot.
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    buffer_before: u32,
    /// Minutes kept free after a slot.
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    buffer_after: u32,
    /// Nothing before so many minutes from now.
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    notice: u32,
    /// Times that are tentative are free.
    #[arg(long)]
    pub(crate) tentative_free: bool,
    /// Offer time also where a calendar was never read.
    #[arg(long)]
    offer_unknown: bool,
}

/// A length of time somebody wrote.
pub(crate) fn length(text: &str) -> Result<TimeDelta, String> {
    let (number, minutes) = match text.char_indices().last() {
        Some((end, 'm')) => (&text[..end], 1),
        Some((end, 'h')) => (&text[..end], 60),
        _ => (text, 1),
    };
    let count = number.parse::<u16>().ok().filter(|count| *count > 0);
    let length = count.map(|count| TimeDelta::minutes(i64::from(count) * minutes));
    length.ok_or_else(|| "write 30m, 1h, or a number of minutes".to_owned())
}

/// A time somebody wrote.
pub(crate) enum Moment {
    /// An instant, or a time that the clock shows once.
    At(DateTime<Utc>),
    /// The first of two instants at which the clock shows it.
    Twice(DateTime<Utc>),
    /// The clock never shows it: the instant it stands for by the clock before the change.
    Never(DateTime<Utc>),
}

/// Reads a date, a time on the clock of a zone, or an instant.
pub(crate) fn moment(option: &str, text: &str, zone: &Zone) -> Result<Moment, CliError> {
    if let Ok(instant) = text.parse::<DateTime<Utc>>() {
        return Ok(Moment::At(instant));
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| date.and_time(NaiveTime::MIN));
    let local = date.or_else(|| {
        let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"].iter();
        forms.filter_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).next()
    });
    let local = local.ok_or_else(|| {
        CliError::Unmet(format!(
            "{option}: {text:?} is no time such as 2026-03-02T09:00, which is one of --zone, 2026-03-02T08:00:00Z, or \
             2026-03-02T09:00:00+01:00, and no date such as 2026-03-02"
        ))
    })?;
    let first = zone.resolve(local);
    if zone.to_local(first) != local {
        return Ok(Moment::Never(first));
    }
    // No zone changes twice within a day.
    let after = first.checked_add_signed(TimeDelta::days(1)).map_or(0, |later| zone.offset_at(later));
    let shift = TimeDelta::seconds(i64::from(zone.offset_at(first)) - i64::from(after));
    let second = first.checked_add_signed(shift).filter(|second| *second > first);
    Ok(match second {
        Some(second) if zone.to_local(second) == local => Moment::Twice(first),
        _ => Moment::At(first),
    })
}

impl TermsArgs {
    /// The zone of the person who asks.
    pub(crate) fn zone(&self) -> Result<Zone, CliError> {
        zone("--zone", &self.zone).map_err(CliError::Unmet)
    }

    /// How long a slot is.
    pub(crate) fn duration(&self) -> TimeDelta {
        self.duration
    }

    /// The terms, for slots from `start` on in the time `reach`.
    pub(crate) async fn terms(
        &self,
        app: &App,
        start: DateTime<Utc>,
        reach: TimeDelta,
    ) -> Result<Terms, CliError> {
        let question = self.question(start, reach)?;
        let mut calendars = Vec::new();
        let mut elsewhere = Vec::new();
        for name in &self.calendars {
            if let Some(busy) = app.config.busy.get(name) {
                elsewhere.push(ask(app, name, busy, &question).await?);
                continue;
            }
            let id = app.calendar(name).await?;
            let links = app.config.links.iter().filter(|link| link.calendar == id.as_str());
            let links = links.filter(|link| app.config.direction(link).imports());
            let links = links.map(|link| LinkId::from(link.name.as_str()));
            let mut counted = Counted::fed_by(&*app.store, id.clone(), links).await?;
            counted.zone = question.zone.clone();
            counted.owner.clone_from(&self.owner);
            calendars.push(counted);
        }
        Ok(Terms { calendars, elsewhere, question })
    }

    fn question(&self, start: DateTime<Utc>, reach: TimeDelta) -> Result<Question, CliError> {
        let unmet = |text: String| CliError::Unmet(text);
        let minutes = |minutes: u32| TimeDelta::minutes(i64::from(minutes));
        let zone = self.zone()?;
        let end = start.checked_add_signed(reach);
        let end = end.ok_or_else(|| unmet("the window passes the end of time".to_owned()))?;
        // `now` is set by whoever answers.
        let mut question = Question::new(start..end, start, zone.clone());
        (question.slot, question.granularity) = (self.duration, self.step);
        (question.buffer_before, question.buffer_after) =
            (minutes(self.buffer_before), minutes(self.buffer_after));
        question.minimum_notice = minutes(self.notice);
        if self.tentative_free {
            question.tentative = TentativePolicy::Free;
        }
        if self.offer_unknown {
            question.uncovered = UncoveredPolicy::Offer;
        }
        if !self.hours.is_empty() {
            let day = |text: &String| {
                let day = serde_json::from_value::<Weekday>(json!(text.to_lowercase()));
                day.map_err(|_| unmet(format!("--weekdays: {text:?} is none of mo,tu,we,th,fr,sa,su")))
            };
            let days: Vec<Weekday> = self.weekdays.iter().map(day).collect::<Result<_, _>>()?;
            let hours = |text: &String| {
                let (from, to) = text.split_once('-').unwrap_or((text, ""));
                match (from.trim().parse::<ClockTime>(), to.trim().parse::<ClockTime>()) {
                    (Ok(from), Ok(to)) if from == to => Err(unmet(format!(
                        "--hours: {text:?} ends when it begins; the whole day is 00:00-24:00"
                    ))),
                    (Ok(from), Ok(to)) => Ok(DayHours { days: days.clone(), from, to }),
                    _ => Err(unmet(format!("--hours: {text:?} is no time such as 09:00-17:00"))),
                }
            };
            let hours = self.hours.iter().map(hours).collect::<Result<_, _>>()?;
            question.hours = vec![WorkingHours { zone, hours }];
        }
        for file in &self.availability {
            let what = file.display();
            let text =
                fs::read_to_string(file).map_err(|error| CliError::Io { what: what.to_string(), error })?;
            let found = read_vavailability(&text).map_err(|error| unmet(format!("{what}: {error}")))?;
            if found.is_empty() {
                // No statement about anybody's time, while somebody says that it is one.
                return Err(unmet(format!("{what}: there is no VAVAILABILITY in it")));
            }
            question.availability.push(found);
        }
        Ok(question)
    }
}

/// When a calendar is busy of which its provider tells no more.
async fn ask(
    app: &App,
    name: &str,
    busy: &BusyCalendar,
    question: &Question,
) -> Result<CalendarTimes, CliError> {
    let Some(connection) = app.config.connections.get(&busy.connection) else {
        return Err(CliError::Config(format!("busy.{name}: no connection {}", busy.connection)));
    };
    let provider = connect::provider(app, &busy.connection, connection, &connect::transport()?).await?;
    let asked = [(CalendarId::from(name), RemoteCalendarId::from(busy.remote.as_str()))];
    let found = busy_elsewhere(&*provider, &asked, &question.busy_window(), app.clock.now()).await?;
    found.into_iter().next().ok_or_else(|| CliError::Unmet(format!("busy.{name}: there is no answer")))
}

/// The desk of an application.
pub(crate) fn desk(app: &App) -> Bookings {
    Bookings::new(app.store.clone(), app.clock.clone(), app.ids.clone())
}
