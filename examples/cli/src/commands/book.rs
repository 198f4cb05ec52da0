//! `calsync book`.

use calsync_core::{
    booking::{Booking, BookingError, HoldId, Reservation},
    model::{CalendarId, Event, EventBody, EventId, EventTime, TimeSpan},
    zone::Zone,
};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::{Value, json};

use super::terms::{Moment, TermsArgs, desk, length, moment};
use crate::{
    IN_STEP,
    app::App,
    error::CliError,
    output::{Format, print, print_json, tell},
};

/// Rows of the past that a booking clears away.
const SWEPT: usize = 20;

#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").args(["start", "cancel"]).required(true)))]
pub(crate) struct BookArgs {
    /// When it begins: `2026-03-02T09:00` on the clock of `--zone`, or an instant such as `2026-03-02T08:00:00Z`.
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// What it is called.
    #[arg(long, default_value = "Booked")]
    title: String,
    /// The calendar its event is written to. Default: the first one of `--calendars`.
    #[arg(long, value_name = "NAME")]
    into: Option<String>,
    /// Only keep the slot for so long: `10m`. Prints the hold for `--confirm`.
    #[arg(long, value_name = "LENGTH", value_parser = length, conflicts_with_all = ["confirm", "cancel"])]
    hold: Option<TimeDelta>,
    /// Book the slot of this hold.
    #[arg(long, value_name = "HOLD", conflicts_with = "cancel")]
    confirm: Option<String>,
    /// Give the booking of this event back; it is looked for in the calendar of `--into`.
    #[arg(long, value_name = "EVENT_ID")]
    cancel: Option<String>,
    #[command(flatten)]
    terms: TermsArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(app: &App, args: BookArgs) -> Result<u8, CliError> {
    let into = args.into.as_ref().or_else(|| args.terms.calendars.first());
    let into = app.calendar(into.map_or("", String::as_str)).await?;
    let format = Format::from_flag(args.json);
    let result = match (&args.start, &args.cancel) {
        (Some(start), _) => book(app, &args, start, into).await,
        (None, cancel) => {
            let id = EventId::from(cancel.as_deref().unwrap_or_default());
            let done = desk(app).cancel(&into, &id).await;
            done.map(|()| Said { text: "cancelled".to_owned(), json: json!({ "cancelled": id }) })
                .map_err(CliError::from)
        }
    };
    let said = match result {
        Ok(said) => said,
        Err(CliError::Booking(error)) => {
            if format == Format::Json {
                let why = match error {
                    BookingError::Taken => "taken",
                    BookingError::NotOffered(_) => "not-offered",
                    _ => "failed",
                };
                print_json(&json!({ "booked": false, "why": why }))?;
            }
            return Err(error.into());
        }
        Err(error) => return Err(error),
    };
    match format {
        Format::Json => print_json(&said.json)?,
        Format::Table => print(&format!("{}\n", said.text))?,
    }
    Ok(IN_STEP)
}

struct Said {
    text: String,
    json: Value,
}

async fn book(app: &App, args: &BookArgs, start: &str, into: CalendarId) -> Result<Said, CliError> {
    let zone = args.terms.zone()?;
    let time = time(start, args.terms.duration(), &zone)?;
    let slot = time.start.instant(&zone)..time.end.instant(&zone);
    let terms = args.terms.terms(app, slot.start, slot.end - slot.start).await?;
    let desk = desk(app);
    desk.forget_past(SWEPT).await?;
    if let Some(lasts) = args.hold {
        let hold = desk.hold(&terms, slot, lasts).await?;
        let text =
            format!("kept until {}; book it with --confirm {}", hold.until.format("%F %T UTC"), hold.id.0);
        return Ok(Said { text, json: json!({ "booked": false, "hold": hold.id, "until": hold.until }) });
    }
    let mut body = EventBody::new(time);
    body.title = Some(args.title.clone());
    let mut request = Reservation::new(into, Event::single(app.ids.fresh(), body));
    request.hold = args.confirm.clone().map(HoldId);
    let Booking { calendar, id, slot } = desk.reserve(&terms, request).await?;
    let (from, until) = (zone.to_local(slot.start), zone.to_local(slot.end));
    let to = until.format(if from.date() == until.date() { "%H:%M" } else { "%a %F %H:%M" });
    // Where the clock is changed in between, it does not tell how long that is.
    let exact = if until - from == slot.end - slot.start {
        String::new()
    } else {
        format!(" ({} to {} UTC)", slot.start.format("%H:%M"), slot.end.format("%H:%M"))
    };
    let from = from.format("%a %F %H:%M");
    let text = format!("booked: {from} to {to} {}{exact}, event {id} in {calendar}", zone.name());
    let json = json!({
        "booked": true,
        "calendar": calendar,
        "event": id,
        "start": slot.start,
        "end": slot.end,
        "zone": zone.name(),
    });
    Ok(Said { text, json })
}

/// When a booking that begins like this takes place.
fn time(start: &str, length: TimeDelta, zone: &Zone) -> Result<TimeSpan, CliError> {
    let unmet = |why: String| CliError::Unmet(format!("--start: {why}"));
    if !start.contains('T') {
        return Err(unmet(format!("{start:?} is no time such as 2026-03-02T09:00 or 2026-03-02T08:00:00Z")));
    }
    let first = match moment("--start", start, zone)? {
        Moment::At(first) => first,
        Moment::Twice(first) => {
            tell(&format!(
                "{start} is there twice in {}: the earlier one is meant; write the later one with its distance from UTC",
                zone.name()
            ));
            first
        }
        Moment::Never(_) => {
            let name = zone.name();
            return Err(unmet(format!("the clocks of {name} are put forward then: {start} does not happen")));
        }
    };
    let end = first.checked_add_signed(length);
    let end = end.ok_or_else(|| unmet(format!("{start} is too far ahead")))?;
    let shown = |instant: DateTime<Utc>| match *zone == Zone::UTC {
        true => EventTime::Utc(instant),
        false => EventTime::zoned(zone.to_local(instant), zone.clone()),
    };
    let span = TimeSpan { start: shown(first), end: shown(end) };
    // In the hour that happens twice, the clock alone does not say which.
    let exact = span.start.absolute() == Some(first) && span.end.absolute() == Some(end);
    Ok(if exact { span } else { TimeSpan { start: EventTime::Utc(first), end: EventTime::Utc(end) } })
}
