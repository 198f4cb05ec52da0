//! Typed read of a large file: time, and the most memory a process holds that does nothing else.

use std::collections::BTreeMap;
use std::process::Command;

use crate::install::output;
use crate::measure::{field, seconds};
use crate::one::{CALCARD, CALSYNC, CALSYNC_STREAM, ICALENDAR, NOTHING};
use crate::report::{Bound, Report};
use crate::{Options, Outcome, corpus};

const RUNS: usize = 3;

/// Seconds and KiB.
#[derive(Clone, Copy)]
struct Cost {
    seconds: f64,
    peak: f64,
}

pub(crate) fn run(options: &Options) -> Outcome<Report> {
    let path = corpus::file(options)?;
    let megabytes = std::fs::metadata(&path).map_err(|error| error.to_string())?.len() as f64 / 1e6;
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut report = Report::default();
    report.note(format!(
        "{} events, {megabytes:.0} MB; a process each, the fastest of {RUNS}; the peak includes the file itself",
        options.events
    ));
    let libraries = [CALSYNC, CALSYNC_STREAM, CALCARD, ICALENDAR, NOTHING];
    let mut costs: BTreeMap<&str, Cost> = BTreeMap::new();
    // In turns, so that a slow moment of the machine meets them all.
    for _ in 0..RUNS {
        for library in libraries {
            let output = output(Command::new(&this).arg("one").arg(library).arg(&path))?;
            let events = field(&output, "events")? as usize;
            if library != NOTHING && events != options.events {
                return Err(format!("{library} read {events} events of {}", options.events));
            }
            let cost = Cost { seconds: field(&output, "seconds")?, peak: field(&output, "peak_kib")? };
            let best = costs.entry(library).or_insert(cost);
            best.seconds = best.seconds.min(cost.seconds);
            best.peak = best.peak.min(cost.peak);
        }
    }
    let cost = |library| costs.get(library).copied().ok_or_else(|| format!("{library} did not run"));
    for library in libraries {
        let Cost { seconds: time, peak } = cost(library)?;
        let speed = megabytes / time;
        let shown = if library == NOTHING {
            String::new()
        } else {
            format!("{:>9}  {speed:>4.0} MB/s", seconds(time))
        };
        report.row(library, format!("{shown:<22}  peak {:>5.0} MiB", peak / 1024.0));
    }
    let (own, calcard, icalendar) = (cost(CALSYNC)?, cost(CALCARD)?, cost(ICALENDAR)?);
    report.target("calcard's time / calsync's", calcard.seconds / own.seconds, "x", Bound::AtLeast(2.0));
    report.target("icalendar's time / calsync's", icalendar.seconds / own.seconds, "x", Bound::AtLeast(4.0));
    report.target("calsync's peak / calcard's", own.peak / calcard.peak, "x", Bound::AtMost(1.0));
    Ok(report)
}
