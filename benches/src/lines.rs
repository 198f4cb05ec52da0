//! The content-line layer beside libical's parse: the same bytes, to as far as either layer has to look.

use std::process::Command;

use calsync_core::ical::{ContentLine, Lines};

use crate::install::output;
use crate::measure::{fastest, field, seconds};
use crate::report::{Bound, Report};
use crate::{Options, Outcome, corpus, native};

const RUNS: usize = 5;

pub(crate) fn run(options: &Options) -> Outcome<Report> {
    let path = corpus::file(options)?;
    let input = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let megabytes = input.len() as f64 / 1e6;
    let mut report = Report::default();
    report.note(format!("{} events, {megabytes:.0} MB; the fastest of {RUNS} runs", options.events));

    let tiled = fastest(RUNS, || Lines::new(&input).map(|line| line.raw().len()).sum::<usize>());
    let taken_apart = fastest(RUNS, || take_apart(&input));
    let row = |time: f64| format!("{:>10}  {:>6.0} MB/s", seconds(time), megabytes / time);
    report.row("calsync, lines found", row(tiled));
    report.row("calsync, lines unfolded, decoded, split in name, parameters, value", row(taken_apart));
    let libical = native::program(options, "parse")
        .and_then(|program| output(Command::new(program).arg(&path).arg("2")))
        .and_then(|output| field(&output, "seconds"));
    match libical {
        Ok(libical) => {
            report.row("libical, icalparser_parse_string", row(libical));
            let bound = Bound::AtLeast(20.0);
            report.target("libical's time / lines found", libical / tiled, "x", bound);
            report.target("libical's time / lines taken apart", libical / taken_apart, "x", bound);
        }
        Err(error) => report.unmeasured(format!("libical: {error}")),
    }
    Ok(report)
}

/// Unfolds, decodes and splits every line; gives something that depends on all of it.
fn take_apart(input: &[u8]) -> usize {
    let mut sum = 0;
    for line in Lines::new(input) {
        if let Some(content) = ContentLine::parse(&line.text()) {
            sum += content.name().len() + content.raw_params().len() + content.value().len();
        }
    }
    sum
}
