//! Progress bars and tables.

use std::sync::Mutex;

use calsync_core::engine::{Observer, Progress, SyncReport};
use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a run is.
pub(crate) struct Bars {
    bar: Mutex<ProgressBar>,
}

impl Default for Bars {
    fn default() -> Self {
        Self { bar: Mutex::new(ProgressBar::hidden()) }
    }
}

impl Bars {
    fn show(&self, what: &'static str, done: usize, total: usize) {
        let Ok(mut bar) = self.bar.lock() else { return };
        if bar.length() != Some(total as u64) || bar.message() != what {
            bar.finish_and_clear();
            let style = ProgressStyle::with_template("   {msg:>8} {bar:32} {pos}/{len}");
            *bar = ProgressBar::new(total as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_message(what);
        }
        bar.set_position(done as u64);
        if done >= total {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Bars {
    fn progress(&self, progress: &Progress) {
        match progress {
            Progress::Pulled { done, total, .. } => self.show("reading", *done, *total),
            Progress::Pushed { done, total, .. } => self.show("writing", *done, *total),
            _ => {}
        }
    }
}

/// One line of the table at the end.
pub(crate) struct Row {
    pub(crate) step: &'static str,
    pub(crate) link: String,
    pub(crate) report: SyncReport,
}

/// Starts a chapter.
pub(crate) fn chapter(number: usize, title: &str) {
    println!("\n{number}. {title}");
}

/// Says something.
pub(crate) fn say(text: &str) {
    println!("   {text}");
}

/// Everything that was done, in numbers.
pub(crate) fn table(rows: &[Row]) {
    println!(
        "\n   {:<28} {:<9} {:>7} {:>7} {:>7} {:>7} {:>6} {:>9} {:>5} {:>8}",
        "run", "link", "pulled", "created", "updated", "deleted", "pushed", "conflicts", "held", "requests"
    );
    for row in rows {
        let counts = row.report.counts;
        println!(
            "   {:<28} {:<9} {:>7} {:>7} {:>7} {:>7} {:>6} {:>9} {:>5} {:>8}",
            row.step,
            row.link,
            counts.pulled,
            counts.created,
            counts.updated,
            counts.deleted,
            counts.pushed,
            counts.conflicts,
            counts.held,
            counts.requests
        );
    }
}
