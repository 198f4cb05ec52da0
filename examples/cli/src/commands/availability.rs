//! `calsync availability`.

use calsync_core::{
    availability::{
        Answer, BusyKind, BusyOptions, CalendarState, CalendarTimes, ClockTime, DayHours, Question,
        TentativePolicy, UncoveredPolicy, WorkingHours, answer, busy_times,
    },
    model::{CalendarId, LinkId},
    recurrence::Weekday,
    store::LinkHealth,
    zone::Zone,
};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    IN_STEP,
    app::App,
    config::zone,
    error::CliError,
    output::{Format, print_json, print_table, tell},
};

#[derive(Args)]
pub(crate) struct AvailabilityArgs {
    /// The calendars in the store, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    calendars: Vec<String>,
    /// From when on, as `2026-03-01T08:00:00Z`. Default: now.
    #[arg(long, value_name = "INSTANT")]
    from: Option<DateTime<Utc>>,
    /// For how many days.
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// How many minutes a slot is long.
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    duration: u32,
    /// Slots start when the clock shows a multiple of so many minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    step: u32,
    /// Only these hours, such as `09:00-17:00`; may be given more than once.
    #[arg(long, value_name = "HOURS")]
    hours: Vec<String>,
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
    tentative_free: bool,
    /// Offer time also where a calendar was never read.
    #[arg(long)]
    offer_unknown: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(app: &App, args: AvailabilityArgs) -> Result<u8, CliError> {
    let question = question(&args, app.clock.now())?;
    let mut options = BusyOptions::new(question.busy_window(), question.zone.clone());
    options.owner.clone_from(&args.owner);
    let mut calendars = Vec::new();
    for name in &args.calendars {
        let id = app.calendar(name).await?;
        let records = app.hub.events(&id).await?;
        let busy = busy_times(records.iter().map(|record| &record.event), &options);
        let (state, as_of) = known(app, &id).await?;
        calendars.push(CalendarTimes { calendar: id, busy, state, as_of, covered: None });
    }
    let found = answer(&calendars, &question);
    match Format::from_flag(args.json) {
        Format::Json => print_json(&as_json(&found))?,
        Format::Table => show(&found, &question.zone)?,
    }
    Ok(IN_STEP)
}

fn question(args: &AvailabilityArgs, now: DateTime<Utc>) -> Result<Question, CliError> {
    let unmet = |text: String| CliError::Unmet(text);
    let minutes = |minutes: u32| TimeDelta::minutes(i64::from(minutes));
    let zone = zone("--zone", &args.zone).map_err(unmet)?;
    let start = args.from.unwrap_or(now);
    let end = start.checked_add_signed(TimeDelta::days(i64::from(args.days)));
    let end = end.ok_or_else(|| unmet("--from: the window passes the end of time".to_owned()))?;
    if args.duration == 0 || args.step == 0 {
        return Err(unmet("--duration and --step: write a number of minutes".to_owned()));
    }
    let mut question = Question::new(start..end, now, zone.clone());
    (question.slot, question.granularity) = (minutes(args.duration), minutes(args.step));
    (question.buffer_before, question.buffer_after) =
        (minutes(args.buffer_before), minutes(args.buffer_after));
    question.minimum_notice = minutes(args.notice);
    if args.tentative_free {
        question.tentative = TentativePolicy::Free;
    }
    if args.offer_unknown {
        question.uncovered = UncoveredPolicy::Offer;
    }
    if !args.hours.is_empty() {
        let day = |text: &String| {
            let day = serde_json::from_value::<Weekday>(json!(text.to_lowercase()));
            day.map_err(|_| unmet(format!("--weekdays: {text:?} is none of mo,tu,we,th,fr,sa,su")))
        };
        let days: Vec<Weekday> = args.weekdays.iter().map(day).collect::<Result<_, _>>()?;
        let hours = |text: &String| {
            let (from, to) = text.split_once('-').unwrap_or((text, ""));
            match (from.trim().parse::<ClockTime>(), to.trim().parse::<ClockTime>()) {
                (Ok(from), Ok(to)) => Ok(DayHours { days: days.clone(), from, to }),
                _ => Err(unmet(format!("--hours: {text:?} is no time such as 09:00-17:00"))),
            }
        };
        let hours = args.hours.iter().map(hours).collect::<Result<_, _>>()?;
        question.hours = vec![WorkingHours { zone, hours }];
    }
    Ok(question)
}

/// How far what the store has of a calendar can be trusted: as far as its worst link.
async fn known(app: &App, calendar: &CalendarId) -> Result<(CalendarState, Option<DateTime<Utc>>), CliError> {
    let links = app.config.links.iter().filter(|link| link.calendar == calendar.as_str());
    let mut worst = (CalendarState::Current, Some(app.clock.now()));
    for link in links {
        let state = app.store.link(&LinkId::from(link.name.as_str())).await?;
        let Some(last) = state.as_ref().and_then(|state| state.last_success) else {
            return Ok((CalendarState::Unknown, None));
        };
        if state.is_some_and(|state| state.health != LinkHealth::Active) {
            worst.0 = CalendarState::Stale;
        }
        worst.1 = worst.1.min(Some(last));
    }
    Ok(worst)
}

fn as_json(found: &Answer) -> Value {
    let span = |span: &std::ops::Range<DateTime<Utc>>| json!({ "start": span.start, "end": span.end });
    json!({
        "busy": found.busy,
        "open": found.open.iter().map(span).collect::<Vec<_>>(),
        "slots": found.slots.iter().map(span).collect::<Vec<_>>(),
        "truncated": found.truncated,
        "calendars": found.calendars,
    })
}

fn show(found: &Answer, zone: &Zone) -> Result<(), CliError> {
    for calendar in &found.calendars {
        match calendar.state {
            CalendarState::Current => {}
            CalendarState::Stale => {
                let hours = calendar.age_seconds.unwrap_or(0) / 3600;
                tell(&format!(
                    "{}: its last sync failed; what is known is {hours} hours old",
                    calendar.calendar
                ));
            }
            CalendarState::Unknown => {
                tell(&format!("{}: never synced, so no time of it is known to be free", calendar.calendar));
            }
        }
        if calendar.incomplete_series > 0 {
            let count = calendar.incomplete_series;
            tell(&format!("{}: {count} series could not be read whole", calendar.calendar));
        }
    }
    let tentative = found.busy.iter().any(|time| time.kind == BusyKind::Tentative);
    if tentative {
        tell("some of the time is tentative; see --tentative-free");
    }
    let rows: Vec<Vec<String>> = found
        .slots
        .iter()
        .map(|slot| {
            let (start, end) = (zone.to_local(slot.start), zone.to_local(slot.end));
            vec![
                start.format("%a %F").to_string(),
                start.format("%H:%M").to_string(),
                end.format("%H:%M").to_string(),
            ]
        })
        .collect();
    print_table(&["day", "from", "to"], &rows)?;
    if found.truncated {
        tell("there are more; ask for fewer days");
    }
    Ok(())
}
