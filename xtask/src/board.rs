//! Steps one after another, each with a header and its time, and the table at the end, with the rows of steps that ran elsewhere.
//!
//! A step that fails does not stop the later ones; a step that cannot run here says why.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

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
            Err(Stop::Failed(why)) => format!("FAILED: {}", first_line(why)),
            Err(Stop::Skipped(why)) => format!("skipped: {}", first_line(why)),
        };
        println!("--- {step}: {word} ({:.1} s)", took.as_secs_f64());
        self.rows.push(Row { step: step.to_owned(), took, outcome });
    }

    /// Writes the rows to a file, for the board that [takes](Self::take) them. That one says whether anything failed.
    pub(crate) fn hand_over(self, file: &Path) -> Outcome {
        let rows = self.rows.into_iter().map(|row| {
            let (word, why) = match row.outcome {
                Ok(()) => ("passed", String::new()),
                Err(Stop::Failed(why)) => ("failed", why),
                Err(Stop::Skipped(why)) => ("skipped", why),
            };
            json!([row.step, row.took.as_secs_f64(), word, why])
        });
        fs::write(file, Value::Array(rows.collect()).to_string()).doing(file.display())
    }

    /// Adds the rows that another board handed over in this file.
    pub(crate) fn take(&mut self, file: &Path) -> Outcome {
        let text = fs::read_to_string(file).doing(file.display())?;
        let rows: Vec<(String, f64, String, String)> = serde_json::from_str(&text).doing(file.display())?;
        for (step, took, word, why) in rows {
            let outcome = match word.as_str() {
                "passed" => Ok(()),
                "skipped" => Err(Stop::Skipped(why)),
                _ => Err(Stop::Failed(why)),
            };
            let took = Duration::try_from_secs_f64(took).doing(file.display())?;
            self.rows.push(Row { step, took, outcome });
        }
        Ok(())
    }

    /// Prints the table, and last what went wrong. Fails when any step failed, or when nothing ran at all.
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
        for row in &self.rows {
            if let Err(Stop::Failed(why)) = &row.outcome {
                println!("\n{} FAILED: {why}", row.step);
            }
        }
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
    use crate::workspace;

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
    fn rows_are_handed_over_as_they_are() {
        let folder = workspace::scratch("tests").unwrap().join(format!("board-{}", std::process::id()));
        let folder = workspace::Folder::make(folder).unwrap();
        let file = folder.path().join("rows");
        let mut other = Board::default();
        other.step("passed there", || Ok(()));
        other.step("failed there", || failed("two\nlines, \"quoted\""));
        other.step("skipped there", || Err(Stop::Skipped("not root".into())));
        let took: Vec<_> = other.rows.iter().map(|row| row.took.as_micros()).collect();
        other.hand_over(&file).unwrap();
        let mut board = Board::default();
        board.step("passed here", || Ok(()));
        board.take(&file).unwrap();
        let steps: Vec<_> = board.rows.iter().map(|row| row.step.as_str()).collect();
        assert_eq!(steps, ["passed here", "passed there", "failed there", "skipped there"]);
        let outcomes: Vec<_> = board.rows[1..].iter().map(|row| format!("{:?}", row.outcome)).collect();
        assert_eq!(outcomes[0], "Ok(())");
        assert_eq!(outcomes[1], r#"Err(Failed("two\nlines, \"quoted\""))"#);
        assert_eq!(outcomes[2], r#"Err(Skipped("not root"))"#);
        assert_eq!(board.rows[1..].iter().map(|row| row.took.as_micros()).collect::<Vec<_>>(), took);
        assert!(board.finish().is_err());
    }

    #[test]
    fn rows_that_are_not_there_or_cut_off_are_an_error() {
        let folder = workspace::scratch("tests").unwrap().join(format!("rows-{}", std::process::id()));
        let folder = workspace::Folder::make(folder).unwrap();
        let file = folder.path().join("rows");
        assert!(Board::default().take(&file).is_err());
        fs::write(&file, r#"[["step", 1.0, "pas"#).unwrap();
        assert!(Board::default().take(&file).is_err());
    }

    #[test]
    fn skipping_everything_is_not_success() {
        let mut board = Board::default();
        board.step("first", || Err(Stop::Skipped("not root".into())));
        assert!(board.finish().is_err());
    }
}
