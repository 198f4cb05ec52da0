//! `calsync free`, which is also called `calsync availability`.

use calsync_core::{
    availability::{Answer, BusyKind, CalendarState},
    zone::Zone,
};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::{Value, json};

use super::terms::{Moment, TermsArgs, desk, moment};
use crate::{
    IN_STEP,
    app::App,
    error::CliError,
    output::{Format, print_json, print_table, tell},
};

#[derive(Args)]
pub(crate) struct AvailabilityArgs {
    #[command(flatten)]
    terms: TermsArgs,
    /// From when on: `2026-03-01` or `2026-03-01T09:00` on the clock of `--zone`, or an instant such as
    /// `2026-03-01T08:00:00Z`. Default: now.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// For how many days.
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(app: &App, args: AvailabilityArgs) -> Result<u8, CliError> {
    let start = match &args.from {
        None => app.clock.now(),
        // Where the clock skips it, what it skips to comes next; what happens twice begins with the first.
        Some(from) => match moment("--from", from, &args.terms.zone()?)? {
            Moment::At(start) | Moment::Twice(start) | Moment::Never(start) => start,
        },
    };
    let terms = args.terms.terms(app, start, TimeDelta::days(i64::from(args.days))).await?;
    let found = desk(app).free(&terms).await?;
    match Format::from_flag(args.json) {
        Format::Json => print_json(&as_json(&found))?,
        Format::Table => {
            show(&found, &terms.question.zone)?;
            if !args.terms.tentative_free && found.busy.iter().any(|time| time.kind == BusyKind::Tentative) {
                tell("some of the time is tentative; see --tentative-free");
            }
        }
    }
    Ok(IN_STEP)
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
                tell(&format!("{}: never read, so no time of it is known to be free", calendar.calendar));
            }
        }
        if calendar.state != CalendarState::Unknown && !calendar.covers_window {
            let known = calendar.covered.as_ref().map_or_else(
                || "nothing of these days is known".to_owned(),
                |covered| {
                    let show = |instant| zone.to_local(instant).format("%F %H:%M").to_string();
                    format!("only {} to {} is known", show(covered.start), show(covered.end))
                },
            );
            tell(&format!("{}: {known}, the rest was never read; see --offer-unknown", calendar.calendar));
        }
        if calendar.incomplete_series > 0 {
            let count = calendar.incomplete_series;
            tell(&format!("{}: {count} series could not be read whole", calendar.calendar));
        }
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
