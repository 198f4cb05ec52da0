//! What calsync publishes, read by three libraries it shares nothing with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::board::{Board, Outcome, Stop};
use crate::node::Node;
use crate::process;
use crate::python::Python;
use crate::servers::{apt, postgres::Install};
use crate::test::{cases, compare};

const RUN: Duration = Duration::from_secs(600);

/// One step for each library.
pub(crate) fn steps(board: &mut Board, python: Outcome<&Python>, install: Install) {
    let python = match python {
        Ok(python) => python,
        Err(stop) => return board.step("feeds against icalendar", || Err(stop)),
    };
    let mut file: Option<PathBuf> = None;
    board.step("feeds against icalendar", || {
        let cases = cases("feed-cases")?;
        let checked = compare(python, "feed_check.py", &cases);
        file = Some(cases);
        checked
    });
    let file = || file.as_deref().ok_or_else(|| Stop::Skipped("there are no feeds to look at".into()));
    board.step("feeds against ical.js", || {
        process::run(Node::ready()?.script("feed_check.mjs").arg(file()?), RUN)
    });
    board.step("feeds against libical", || {
        libical(install)?;
        compare(python, "feed_libical.py", file()?)
    });
}

/// Makes sure that there is libical. The script loads it, so that nothing has to be compiled.
fn libical(install: Install) -> Outcome {
    let there = ["x86_64-linux-gnu", "aarch64-linux-gnu", "."]
        .iter()
        .any(|folder| Path::new("/usr/lib").join(folder).join("libical.so.3").exists());
    match install {
        _ if there => Ok(()),
        Install::Forbidden => Err(Stop::Skipped("libical is not installed".into())),
        Install::Allowed => apt::install("libical", &["libical3"]),
    }
}
