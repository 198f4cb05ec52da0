//! Steps one after another, each with a header and its time, and the table at the end.
//!
//! A step that fails does not stop the later ones; a step that cannot run here says why.

use std::fmt;
use std::time::{Duration, Instant};

/// Why a step, or a whole command, did not succeed.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something is wrong.
    Failed(String),
    /// This machine cannot run it; the reason is printed in the table.
    Skipped(String),
}

/// What a step returns.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

impl Stop {
    /// For what could have been installed and was not: where everything has to run, which `CALSYNC_INSTALLS=all` says, that is wrong;
    /// elsewhere the rest is worth running.
    pub(crate) fn absent(why: String) -> Self {
        if std::env::var("CALSYNC_INSTALLS").is_ok_and(|installs| installs == "all") {
            Self::Failed(why)
        } else {
            Self::Skipped(why)
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => write!(f, "{why}"),
            Self::Skipped(why) => write!(f, "skipped: {why}"),
        }
    }
}

/// Shorthand for a failure with a formatted reason.
pub(crate) fn failed<T>(why: impl Into<String>) -> Outcome<T> {
    Err(Stop::Failed(why.into()))
}

/// Adds what was being done to an error of the standard library.
pub(crate) trait Doing<T> {
    /// Turns the error into a failure that reads "`what`: error".
    fn doing(self, what: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Stop::Failed(format!("{what}: {error}")))
    }
}

struct Row {
    step: String,
    took: Duration,
    outcome: Outcome,
}

/// The steps of one command and how each ended.
#[derive(Default)]
pub(crate) struct Board {
    rows: Vec<Row>,
}

impl Board {
    /// Runs one step and records how it ended.
    pub(crate) fn step(&mut self, step: &str, work: impl FnOnce() -> Outcome) {
        println!("\n=== {step}");
        let begun = Instant::now();
        let outcome = work();
        let took = begun.elapsed();
        let word = match &outcome {
            Ok(()) => "passed".to_owned(),
            Err(Stop::Failed(why)) => format!("FAILED: {why}"),
            Err(Stop::Skipped(why)) => format!("skipped: {why}"),
        };
        println!("--- {step}: {word} ({:.1} s)", took.as_secs_f64());
        self.rows.push(Row { step: step.to_owned(), took, outcome });
    }

    /// Prints the table. Fails when any step failed, or when nothing ran at all.
    pub(crate) fn finish(self) -> Outcome {
        let width = self.rows.iter().map(|row| row.step.chars().count()).max().unwrap_or(0);
        let (mut passed, mut failures, mut skipped) = (0, 0, 0);
        println!();
        for row in &self.rows {
            let word = match &row.outcome {
                Ok(()) => {
                    passed += 1;
                    "passed".to_owned()
                }
                Err(Stop::Failed(why)) => {
                    failures += 1;
                    format!("FAILED   {}", first_line(why))
                }
                Err(Stop::Skipped(why)) => {
                    skipped += 1;
                    format!("skipped  {}", first_line(why))
                }
            };
            println!("{:width$}  {:>7.1} s  {word}", row.step, row.took.as_secs_f64());
        }
        println!("{passed} passed, {failures} failed, {skipped} skipped");
        if failures > 0 {
            return failed(format!("{failures} of {} steps failed", self.rows.len()));
        }
        if passed == 0 { failed("no step ran") } else { Ok(()) }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_does_not_stop_the_later_ones_and_fails_the_whole() {
        let mut board = Board::default();
        let mut later = false;
        board.step("first", || failed("broken"));
        board.step("second", || {
            later = true;
            Ok(())
        });
        assert!(later);
        assert!(matches!(board.finish(), Err(Stop::Failed(_))));
    }

    #[test]
    fn a_skipped_step_beside_a_passed_one_is_no_failure() {
        let mut board = Board::default();
        board.step("first", || Err(Stop::Skipped("not root".into())));
        board.step("second", || Ok(()));
        assert!(board.finish().is_ok());
    }

    #[test]
    fn skipping_everything_is_not_success() {
        let mut board = Board::default();
        board.step("first", || Err(Stop::Skipped("not root".into())));
        assert!(board.finish().is_err());
    }
}
