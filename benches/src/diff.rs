//! Diff and plan of events that did not change, as a part of the time it takes to read them.
//!
//! What the engine does for an item at rest depends on what the server says of it:
//! 1. the version is the agreed one: neither fetched nor read, one comparison of versions;
//! 2. another version, the same payload: one comparison of payloads, then the decision;
//! 3. another payload that reads as the same event: field by field, then the decision.

use std::hint::black_box;

use calsync_core::diff::changed_fields;
use calsync_core::ical::read_calendar;
use calsync_core::model::{Event, Version};
use calsync_core::plan::{Action, LocalSide, Meeting, RemoteSide, Rules, decide};
use calsync_core::provider::Payload;

use crate::measure::{fastest, seconds};
use crate::one::unlimited;
use crate::report::{Bound, Report};
use crate::{Options, Outcome, corpus};

const RUNS: usize = 5;
/// Of the time it takes to read the events.
const TARGET: Bound = Bound::Below(10.0);

/// One side of an item.
struct Side {
    version: Version,
    payload: Payload,
    event: Event,
}

pub(crate) fn run(options: &Options) -> Outcome<Report> {
    let path = corpus::file(options)?;
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let read = fastest(3, || read_calendar(&text, &unlimited()));
    // Two readings, so that the two sides share nothing.
    let (base, side) = (sides(&text)?, sides(&text)?);
    let count = base.len();

    let versions = fastest(RUNS, || at_rest(&base, &side, |base, side| base.version == side.version));
    let payloads = fastest(RUNS, || at_rest(&base, &side, |base, side| base.payload == side.payload));
    let fields = fastest(RUNS, || {
        at_rest(&base, &side, |base, side| changed_fields(&base.event, &side.event).is_empty())
    });
    let resting = at_rest(&base, &side, |base, side| changed_fields(&base.event, &side.event).is_empty());
    if resting != count {
        return Err(format!("{resting} of {count} events are at rest"));
    }

    let mut report = Report::default();
    report.note(format!(
        "{count} events; the fastest of {RUNS} runs; each is decided with `plan::decide` as well"
    ));
    let each = |time: f64| format!("{:>10}  {:>8} each", seconds(time), seconds(time / count as f64));
    report.row("read from text", each(read));
    report.row("versions equal", each(versions));
    report.row("payloads equal", each(payloads));
    report.row("events equal, field by field", each(fields));
    let percent = |time: f64| 100.0 * time / read;
    report.target("versions equal, of the time to read", percent(versions), " %", TARGET);
    report.target("payloads equal, of the time to read", percent(payloads), " %", TARGET);
    report.target("events equal, of the time to read", percent(fields), " %", TARGET);
    Ok(report)
}

fn sides(text: &str) -> Outcome<Vec<Side>> {
    let document = read_calendar(text, &unlimited()).map_err(|error| error.to_string())?;
    let side = |(number, item): (usize, calsync_core::ical::ReadItem)| {
        let payload: String = item.spans.iter().filter_map(|span| text.get(span.clone())).collect();
        Side {
            version: Version::from(format!("\"{number:032x}\"")),
            payload: Payload::new(payload),
            event: item.event,
        }
    };
    Ok(document.items.into_iter().enumerate().map(side).collect())
}

/// Compares and decides every pair; gives how many are at rest.
fn at_rest(base: &[Side], side: &[Side], same: impl Fn(&Side, &Side) -> bool) -> usize {
    let pairs = base.iter().zip(side);
    pairs
        .filter(|(base, side)| {
            let remote = if same(base, side) { RemoteSide::Unchanged } else { RemoteSide::Changed };
            let action = decide(
                black_box(Meeting::Joined),
                black_box(LocalSide::Unchanged),
                remote,
                black_box(Rules::default()),
            );
            action == Action::None
        })
        .count()
}
