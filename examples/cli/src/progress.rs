//! How far a run is, on standard error: a first sync of a large calendar takes a while, and silence looks like a hang.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use calsync_core::{
    context::Clock,
    engine::{Observer, Progress},
};
use chrono::{DateTime, TimeDelta, Utc};

/// What goes faster is not talked about.
const QUIET: TimeDelta = TimeDelta::seconds(2);
/// Between two states of the one line of a terminal.
const REDRAW: TimeDelta = TimeDelta::milliseconds(200);
/// Between two lines of a log.
const LOG: TimeDelta = TimeDelta::seconds(10);

/// When something is told. It holds no clock.
#[derive(Debug)]
struct Pulse {
    begun: DateTime<Utc>,
    told: Option<DateTime<Utc>>,
    /// Between two times.
    every: TimeDelta,
}

impl Pulse {
    fn is_due(&mut self, now: DateTime<Utc>) -> bool {
        let due = match self.told {
            Some(told) => now - told >= self.every,
            None => now - self.begun >= QUIET,
        };
        if due {
            self.told = Some(now);
        }
        due
    }
}

/// Tells a person how far a run is: one line that changes on a terminal, a line every ten seconds elsewhere.
pub(crate) struct Meter {
    clock: Arc<dyn Clock>,
    is_terminal: bool,
    /// And whether its line stands on the terminal.
    pulse: Mutex<(Pulse, bool)>,
}

impl Meter {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let every = if is_terminal { REDRAW } else { LOG };
        let pulse = Pulse { begun: clock.now(), told: None, every };
        Self { clock, is_terminal, pulse: Mutex::new((pulse, false)) }
    }

    /// Makes room for other output.
    pub(crate) fn clear(&self) {
        let mut pulse = self.lock();
        if std::mem::take(&mut pulse.1) {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Pulse, bool)> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Meter {
    fn progress(&self, progress: &Progress) {
        let Some(mut line) = line(progress) else { return };
        let mut pulse = self.lock();
        if !pulse.0.is_due(self.clock.now()) {
            return;
        }
        // That nobody reads it changes nothing about the run.
        let _ = if self.is_terminal {
            pulse.1 = true;
            if let Progress::Pulled { done, total, .. } = progress {
                line = format!("{} {line}", bar(*done, *total));
            }
            write!(io::stderr().lock(), "\r\x1b[K{line}")
        } else {
            writeln!(io::stderr().lock(), "calsync: {line}")
        };
    }
}

/// So many cells wide is the bar of a terminal.
const BAR: usize = 24;

/// How much of a whole is done, as a bar. A page is the whole: how many pages there are is not known before the last.
fn bar(done: usize, total: usize) -> String {
    let full = (done.min(total) * BAR).checked_div(total).unwrap_or(BAR);
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full))
}

fn line(progress: &Progress) -> Option<String> {
    match progress {
        Progress::Listed { link, changes } => Some(format!("link {link}: {changes} changes listed")),
        Progress::Pulled { link, done, total } => Some(format!("link {link}: {done} of {total} read")),
        // Writes are decided as they go: how many there will be is not known before the last.
        Progress::Pushed { link, done, .. } => Some(format!("link {link}: {done} written")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quick_is_silent_and_what_is_slow_is_told_now_and_then() {
        let begun = DateTime::UNIX_EPOCH;
        let mut pulse = Pulse { begun, told: None, every: LOG };
        let told: Vec<i64> =
            (0..30).filter(|second| pulse.is_due(begun + TimeDelta::seconds(*second))).collect();
        assert_eq!(told, [2, 12, 22]);
    }

    #[test]
    fn a_bar_is_as_full_as_what_is_done() {
        for (done, total, full) in [(0, 10, 0), (5, 10, 12), (10, 10, 24), (11, 10, 24), (0, 0, 24)] {
            let bar = bar(done, total);
            assert_eq!((bar.matches('#').count(), bar.len()), (full, BAR + 2), "{bar}");
        }
    }

    #[test]
    fn a_line_says_how_much_is_done() {
        let (one, two) = ("l".into(), "l".into());
        for (progress, expected) in [
            (Progress::Pulled { link: one, done: 200, total: 1_200 }, "link l: 200 of 1200 read"),
            (Progress::Pushed { link: two, done: 3, total: 50 }, "link l: 3 written"),
        ] {
            assert_eq!(line(&progress).as_deref(), Some(expected));
        }
    }
}
