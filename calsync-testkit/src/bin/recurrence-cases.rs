//! Prints random recurrence rules with the instances calsync finds, one JSON object a line, for
//! `calsync-core/tests/python/dateutil_diff.py`.
//!
//! Usage: `recurrence-cases [COUNT [FIRST_SEED]]`, by default 2,000 cases from seed 0.

use calsync_core::recurrence::{ExpansionLimits, RecurrenceRule, RecurrenceSet, SeriesStart, Until, Window};
use calsync_testkit::recurrence_cases::{RecurrenceCase, recurrence_case};
use calsync_testkit::recurrence_oracle::StartKind;
use chrono::{NaiveDateTime, Utc};
use std::io::{self, BufWriter, Write};

/// More instances than this of one case add nothing.
const MOST: usize = 2_000;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let mut number = |default: u64| match arguments.next() {
        None => Ok(default),
        Some(Ok(number)) => Ok(number),
        Some(Err(error)) => Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
    };
    let (count, first) = (number(2_000)?, number(0)?);
    let mut out = BufWriter::new(io::stdout().lock());
    for seed in first..first.saturating_add(count) {
        serde_json::to_writer(&mut out, &line(&recurrence_case(seed)))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn line(case: &RecurrenceCase) -> serde_json::Value {
    let start = match case.kind {
        StartKind::Date => SeriesStart::<Utc>::Date(case.start.date()),
        StartKind::DateTime => SeriesStart::Floating(case.start),
    };
    let set = RecurrenceSet::new(start).with_rule(case.rule.clone());
    let window = Window::Local(case.from..case.end);
    let (instances, report) = set.instances(window, &ExpansionLimits::default()).collect_all();
    let shown = |local: NaiveDateTime| local.format("%Y%m%dT%H%M%S").to_string();
    let instances: Vec<_> = instances.into_iter().take(MOST).map(|at| shown(at.local)).collect();
    serde_json::json!({
        "seed": case.seed,
        "dtstart": shown(case.start),
        "all_day": case.kind == StartKind::Date,
        "rule": case.rule.to_string(),
        "peer_rule": with_local_until(&case.rule, case.kind).to_string(),
        "from": shown(case.from),
        "end": shown(case.end),
        "cut": instances.len() == MOST,
        "complete": report.is_complete(),
        "instances": instances,
    })
}

/// The same rule with UNTIL as the wall-clock time it means: peers want it in the form of DTSTART.
fn with_local_until(rule: &RecurrenceRule, kind: StartKind) -> RecurrenceRule {
    let end_of = |date: chrono::NaiveDate| date.and_hms_opt(23, 59, 59).unwrap_or_default();
    let local = rule.until.map(|until| match (until, kind) {
        (Until::Date(date), _) => end_of(date),
        (Until::Local(local), StartKind::Date) => end_of(local.date()),
        (Until::Utc(instant), StartKind::Date) => end_of(instant.date_naive()),
        (Until::Local(local), StartKind::DateTime) => local,
        (Until::Utc(instant), StartKind::DateTime) => instant.naive_utc(),
    });
    RecurrenceRule { until: local.map(Until::Local), ..rule.clone() }
}
