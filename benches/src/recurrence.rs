//! A weekly rule over three years, near its beginning and thirty years after it.

use std::path::Path;
use std::process::Command;

use calsync_core::recurrence::{
    ExpansionLimits, RecurrenceRule, RecurrenceSet, RuleEntry, SeriesStart, Window,
};
use calsync_core::zone::Tz;
use chrono::{DateTime, NaiveDateTime, Utc};

use crate::install::{output, python, script};
use crate::measure::{fastest_call, field, seconds};
use crate::report::{Bound, Report};
use crate::{Options, Outcome, native};

const RULE: &str = "FREQ=WEEKLY;BYDAY=MO";
const ZONE: &str = "Europe/Berlin";
/// DTSTART two weeks before the window, and thirty years before that: Mondays both.
const NEAR: &str = "20240101T090000";
const FAR: &str = "19940103T090000";
const FROM: &str = "2024-01-15T00:00:00Z";
const TO: &str = "2027-01-01T00:00:00Z";
const INSTANCES: usize = 155;

pub(crate) fn run(options: &Options) -> Outcome<Report> {
    let window = (instant(FROM)?, instant(TO)?);
    let mut report = Report::default();
    report.note(format!(
        "{RULE} at 09:00 in {ZONE}, {INSTANCES} instances with their instants in [{FROM}, {TO}); DTSTART two weeks \
         before the window, or thirty years; the rule is parsed beforehand; the fastest of many rounds"
    ));
    let own = (calsync(NEAR, window)?, calsync(FAR, window)?);
    let mut row = |name: &str, (near, far): (f64, f64)| {
        report.row(name, format!("near {:>9}   far {:>9}", seconds(near), seconds(far)));
    };
    row("calsync", own);
    let rrule = (rrule(NEAR, window)?, rrule(FAR, window)?);
    row("rrule", rrule);
    let libical = libical(options, window);
    if let Ok([local, instants]) = libical {
        row("libical, local times only; far: moved to the window first", local);
        row("libical, each with its instant", instants);
    }
    let dateutil = dateutil(options, window);
    if let Ok(dateutil) = dateutil {
        row("python-dateutil", dateutil);
    }
    report.target("calsync's time / rrule's", own.0 / rrule.0, "x", Bound::AtMost(0.5));
    match libical {
        Ok([local, instants]) => {
            let bound = Bound::AtMost(0.2);
            report.target("calsync's time / libical's, which gives no instants", own.0 / local.0, "x", bound);
            report.target("calsync's time / libical's", own.0 / instants.0, "x", bound);
        }
        Err(error) => report.unmeasured(format!("libical: {error}")),
    }
    // The clock of a shared machine does not tell times apart that are closer than this.
    report.target("far / near", own.1 / own.0, "x", Bound::AtMost(1.1));
    if let Err(error) = dateutil {
        report.unmeasured(format!("python-dateutil: {error}"));
    }
    Ok(report)
}

fn instant(text: &str) -> Outcome<DateTime<Utc>> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn all(name: &str, found: usize) -> Outcome<()> {
    if found == INSTANCES { Ok(()) } else { Err(format!("{name} finds {found} instances of {INSTANCES}")) }
}

fn calsync(start: &str, window: (DateTime<Utc>, DateTime<Utc>)) -> Outcome<f64> {
    let local = NaiveDateTime::parse_from_str(start, "%Y%m%dT%H%M%S").map_err(|error| error.to_string())?;
    let rule = RecurrenceRule::parse(RULE).map_err(|error| error.to_string())?;
    let berlin: Tz = ZONE.parse().map_err(|error| format!("{ZONE}: {error}"))?;
    let set = RecurrenceSet::new(SeriesStart::Zoned(local, berlin)).with_rule(RuleEntry::Rule(rule));
    let limits = ExpansionLimits::default();
    let expand = || set.instances(Window::Utc(window.0..window.1), &limits).collect::<Vec<_>>();
    all("calsync", expand().len())?;
    Ok(fastest_call(expand))
}

fn rrule(start: &str, window: (DateTime<Utc>, DateTime<Utc>)) -> Outcome<f64> {
    let text = format!("DTSTART;TZID={ZONE}:{start}\nRRULE:{RULE}");
    let set: rrule::RRuleSet = text.parse().map_err(|error| format!("rrule: {error}"))?;
    let (from, to) = (window.0.with_timezone(&rrule::Tz::UTC), window.1.with_timezone(&rrule::Tz::UTC));
    let expand = || set.clone().after(from).before(to).all(u16::MAX).dates;
    all("rrule", expand().len())?;
    Ok(fastest_call(expand))
}

/// The arguments the programs of peers share.
fn window_arguments(command: &mut Command, start: &str, window: (DateTime<Utc>, DateTime<Utc>)) {
    let (from, to) = (window.0.timestamp().to_string(), window.1.timestamp().to_string());
    command.args([RULE, start, ZONE, &from, &to]);
}

fn peer(name: &str, mut command: Command) -> Outcome<f64> {
    let output = output(&mut command)?;
    all(name, field(&output, "instances")? as usize)?;
    field(&output, "seconds")
}

/// Near and far, with local times and with instants.
fn libical(options: &Options, window: (DateTime<Utc>, DateTime<Utc>)) -> Outcome<[(f64, f64); 2]> {
    let program = native::program(options, "recur")?;
    let expand = |start: &str, form: &str, seek: &str| {
        let mut command = Command::new(&program);
        window_arguments(&mut command, start, window);
        command.args([form, seek]);
        peer("libical", command)
    };
    let both = |form| Ok::<_, String>((expand(NEAR, form, "0")?, expand(FAR, form, "1")?));
    Ok([both("local")?, both("instant")?])
}

fn dateutil(options: &Options, window: (DateTime<Utc>, DateTime<Utc>)) -> Outcome<(f64, f64)> {
    let bin = python(options)?;
    let expand = |start: &str| {
        let mut command = interpreter(&bin);
        command.arg(script("recur.py"));
        window_arguments(&mut command, start, window);
        peer("python-dateutil", command)
    };
    Ok((expand(NEAR)?, expand(FAR)?))
}

fn interpreter(bin: &Path) -> Command {
    Command::new(bin.join("python"))
}
