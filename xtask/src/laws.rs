//! `cargo xtask laws`: the laws of merge and series, and series on their way round the providers, on many more cases than
//! the normal tests try.

use std::time::{Duration, Instant};

use clap::Args;

use crate::board::{Doing, Outcome, failed};
use crate::process;
use crate::workspace;

/// Compiling everything anew, optimised.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// The test files whose `proptest!` blocks try as many cases as `CALSYNC_CASES` says.
const FILES: [&str; 2] = ["merge_laws", "series_laws"];

#[derive(Args)]
pub(crate) struct Options {
    /// How many cases are tried in all, shared evenly by the laws.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// Fail when trying them takes longer, in seconds. Building does not count.
    #[arg(long, default_value_t = 120)]
    within: u64,
    /// How many series are taken from Google to Microsoft, to iCalendar and back.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    series: u32,
}

pub(crate) fn run(options: &Options) -> Outcome {
    process::run(test().arg("--no-run"), BUILD_LIMIT)?;
    let mut laws = 0;
    for file in FILES {
        let path = workspace::root().join("calsync-core/tests").join(file).with_extension("rs");
        let text = std::fs::read_to_string(&path).doing(path.display())?;
        laws += count(&text);
    }
    if laws == 0 {
        return failed("there are no laws");
    }
    let each = options.cases.div_ceil(laws);
    let begun = Instant::now();
    let limit = Duration::from_secs(options.within);
    process::run(test().env("CALSYNC_CASES", each.to_string()), limit)?;
    let took = begun.elapsed().as_secs_f64();
    let all = u64::from(each) * u64::from(laws);
    println!("{laws} laws, {each} cases each, {all} in all: {took:.1} s");
    chain(options.series)
}

/// As the tests are built anyway: they need no second build.
fn chain(series: u32) -> Outcome {
    let mut command = process::cargo();
    command.args(["test", "--quiet", "--package", "calsync-providers", "--test", "series_chain"]);
    process::run(command.args(["--", "--nocapture"]).env("CALSYNC_CASES", series.to_string()), BUILD_LIMIT)
}

/// The optimised tests, with nothing to be run yet.
fn test() -> std::process::Command {
    let mut command = process::cargo();
    command.args(["test", "--release", "--quiet", "--package", "calsync-core"]);
    for file in FILES {
        command.args(["--test", file]);
    }
    command
}

/// How many tests the `proptest!` blocks of a file hold: those are indented.
fn count(text: &str) -> u32 {
    let tests = text.lines().filter(|line| *line == "    #[test]");
    u32::try_from(tests.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_are_told_from_tables() {
        let text = "#[test]\nfn table() {}\nproptest! {\n    #[test]\n    fn law(a in 0..1) {}\n}\n";
        assert_eq!(count(text), 1);
    }
}
