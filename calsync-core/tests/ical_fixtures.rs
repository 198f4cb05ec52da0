//! Every calendar file at hand: read without a panic, written back byte for byte, changed in one property only.
//!
//! The files in `tests/data/ical` always run. `CALSYNC_FIXTURES` names a directory with more, such as the unpacked test
//! suites of other libraries; each `.ics` below it is tried. `--nocapture` shows what was set aside and why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use calsync_core::ical::{
    ContentLine, Document, IcalError, Lines, PatchOptions, QuarantineReason, ReadOptions, patch_bytes,
    read_calendar,
};

const NEW_TITLE: &str = "A title, changed; and long enough to be folded somewhere in the middle of its text";

fn own_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ical"), &mut files);
    files
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("ics")) {
            files.push(path);
        }
    }
}

#[derive(Debug, Default)]
struct Outcome {
    items: usize,
    quarantined: Vec<QuarantineReason>,
    refused: Option<IcalError>,
    complete: bool,
}

fn check(path: &Path) -> Outcome {
    let mut input = fs::read(path).expect("a readable file");
    if input.trim_ascii_start().get(..6).is_some_and(|head| head.eq_ignore_ascii_case(b"BEGIN:"))
        && matches!(read_calendar(&input, &ReadOptions::default()), Err(IcalError::NotICalendar))
    {
        // Many suites keep single components: a calendar around them makes them readable.
        input = [b"BEGIN:VCALENDAR\r\n", input.as_slice(), b"\r\nEND:VCALENDAR\r\n"].concat();
    }
    let name = path.display();
    assert!(Document::new(&input).to_bytes() == input, "{name}: not written back as read");
    let options = PatchOptions::default();
    let document = match read_calendar(&input, &ReadOptions::default()) {
        Ok(document) => document,
        Err(error) => return Outcome { refused: Some(error), ..Outcome::default() },
    };
    for item in document.items.iter().take(40) {
        let patched = patch_bytes(&input, &item.event, &options).expect("a patch");
        assert!(patched == input, "{name}: an unchanged event changed bytes");
    }
    if let Some(item) = document.items.iter().find(|item| item.event.master.is_some()) {
        let mut target = item.event.clone();
        if let Some(body) = &mut target.master {
            body.title = Some(NEW_TITLE.to_owned());
        }
        let patched = patch_bytes(&input, &target, &options).expect("a patch");
        only_a_title_changed(&input, &patched, &name.to_string());
        let again = read_calendar(&patched, &ReadOptions::default()).expect("a calendar");
        assert_eq!(again.items.len(), document.items.len(), "{name}");
        // A derived UID is made of the title, among others.
        let (before, after) = (without_uids(&document.items), without_uids(&again.items));
        let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        assert!(changed.len() <= 1, "{name}: {} events changed", changed.len());
        if let [(_, after)] = changed.as_slice() {
            target.uid.clear();
            assert!(**after == target, "{name}: the patched event reads otherwise");
        }
    }
    Outcome {
        items: document.items.len(),
        quarantined: document.quarantined.iter().map(|item| item.reason).collect(),
        refused: None,
        complete: document.is_complete,
    }
}

fn without_uids(items: &[calsync_core::ical::ReadItem]) -> Vec<calsync_core::model::Event> {
    let mut events: Vec<_> = items.iter().map(|item| item.event.clone()).collect();
    events.iter_mut().for_each(|event| event.uid.clear());
    events
}

/// The lines between the common beginning and the common end are title lines, and loose lines that belonged to one.
fn only_a_title_changed(before: &[u8], after: &[u8], name: &str) {
    let lines = |text| Lines::new(text).map(|line| line.raw()).collect::<Vec<&[u8]>>();
    let (before, after) = (lines(before), lines(after));
    let start = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let end =
        before[start..].iter().rev().zip(after[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = |lines: &[&[u8]]| lines[start..lines.len() - end].concat();
    for text in [middle(&before), middle(&after)] {
        for line in Lines::new(&text) {
            let is_title = ContentLine::parse(&line.text()).is_none_or(|line| line.is("SUMMARY"));
            assert!(is_title, "{name}: a line other than the title changed");
        }
    }
    assert!(before.len() - end - start <= 1 + before.len() / 2, "{name}");
    assert_eq!(Lines::new(&middle(&after)).count(), 1, "{name}: one new line");
}

fn check_all(files: &[PathBuf]) -> BTreeMap<PathBuf, Outcome> {
    files.iter().map(|path| (path.clone(), check(path))).collect()
}

fn print(outcomes: &BTreeMap<PathBuf, Outcome>) {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (path, outcome) in outcomes {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(error) = &outcome.refused {
            println!("{name:<60} refused: {error}");
            *reasons.entry(format!("refused: {error}")).or_default() += 1;
        }
        for reason in &outcome.quarantined {
            println!("{name:<60} set aside: {reason}");
            *reasons.entry(format!("set aside: {reason}")).or_default() += 1;
        }
    }
    for (reason, count) in &reasons {
        println!("{count:>6}  {reason}");
    }
    let read = outcomes.values().filter(|outcome| outcome.refused.is_none()).count();
    let items: usize = outcomes.values().map(|outcome| outcome.items).sum();
    let cut = outcomes.values().filter(|outcome| outcome.refused.is_none() && !outcome.complete).count();
    println!("{} files, {read} read, {cut} of them cut off, {items} events", outcomes.len());
}

#[test]
fn our_own_files() {
    let outcomes = check_all(&own_files());
    print(&outcomes);
    let shown: Vec<String> = outcomes
        .iter()
        .map(|(path, outcome)| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            match outcome.refused {
                Some(_) => format!("{name}: refused"),
                None => format!(
                    "{name}: {} + {}{}",
                    outcome.items,
                    outcome.quarantined.len(),
                    if outcome.complete { "" } else { ", cut off" }
                ),
            }
        })
        .collect();
    assert_eq!(
        shown,
        [
            "apple-structured: 1 + 0",
            "fold-inside-utf8: 1 + 0",
            "google-export: 2 + 0",
            "latin-1: 1 + 0",
            "login-page: refused",
            "mixed-line-ends: 2 + 0",
            "outlook-windows-zone: 2 + 0",
            "school-feed-without-uids: 3 + 1",
            "shared-uids: 4 + 0",
            "truncated: 1 + 1, cut off",
        ]
    );
}

#[test]
fn files_of_other_libraries() {
    let Some(directory) = std::env::var_os("CALSYNC_FIXTURES") else {
        println!("CALSYNC_FIXTURES is not set: only our own files were read");
        return;
    };
    let mut files = Vec::new();
    collect(Path::new(&directory), &mut files);
    assert!(!files.is_empty(), "no .ics file below CALSYNC_FIXTURES");
    print(&check_all(&files));
}
