//! A feed read item by item says what the same text says when it is read whole.
//!
//! The files of the core's tests always run. `CALSYNC_FIXTURES` names a directory with more.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod ics_common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calsync_core::ical::{CalendarZoneUse, ReadOptions, read_calendar};
use calsync_core::model::{Event, UidOrigin};
use calsync_core::provider::Provider;
use calsync_providers::ics::{FeedAlarms, IcsConfig, IcsProvider};
use ics_common::*;

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "ics") {
            files.push(path);
        }
    }
}

/// Events as text, in an order that does not depend on where they stand. UIDs that were made up are left out: both ways
/// make up their own.
fn texts(events: impl IntoIterator<Item = Event>, shared: &[String]) -> Vec<String> {
    let mut texts: Vec<String> = events
        .into_iter()
        .map(|mut event| {
            if event.uid_origin == UidOrigin::Derived || shared.contains(&event.uid) {
                event.uid.clear();
                event.uid_origin = UidOrigin::Given;
            }
            serde_json::to_string(&event).unwrap()
        })
        .collect();
    texts.sort_unstable();
    texts
}

/// UIDs that more than one event has.
fn shared(events: &[Event]) -> Vec<String> {
    let mut uids: Vec<&String> = events.iter().map(|event| &event.uid).collect();
    uids.sort_unstable();
    uids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect()
}

async fn compare(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    let mut options = ReadOptions::default();
    options.calendar_zone = CalendarZoneUse::Apply;
    let whole = read_calendar(&bytes, &options);
    let config = IcsConfig { alarms: FeedAlarms::Keep, ..config(URL) };
    let provider = IcsProvider::new(config, Fake::bodies([&bytes]), Arc::new(FixedClock)).unwrap();
    let Ok(page) = pull(&provider, None).await else {
        let is_refused = whole.is_err() || whole.is_ok_and(|whole| !whole.is_complete);
        assert!(is_refused, "{} is refused by one only", path.display());
        return false;
    };
    let Ok(whole) = whole else {
        assert!(events(&provider, &page).is_empty(), "{}", path.display());
        return false;
    };
    let unreadable = page.changes.iter().filter(|change| provider.read(payload(change)).is_err()).count();
    assert_eq!(unreadable, whole.quarantined.len(), "{}: set aside", path.display());
    let whole: Vec<Event> = whole.items.into_iter().map(|item| item.event).collect();
    let shared = shared(&whole);
    let split = texts(events(&provider, &page), &shared);
    assert_eq!(split, texts(whole, &shared), "{}", path.display());
    !split.is_empty()
}

#[tokio::test]
async fn the_files_of_the_core_say_the_same() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../calsync-core/tests/data/ical"), &mut files);
    let mut read = 0;
    for file in &files {
        read += usize::from(compare(file).await);
    }
    assert!(read >= 5, "{read} of {} files were read", files.len());
}

#[tokio::test]
async fn the_files_of_others_say_the_same() {
    let Some(directory) = std::env::var_os("CALSYNC_FIXTURES") else { return };
    let mut files = Vec::new();
    collect(Path::new(&directory), &mut files);
    let mut read = 0;
    for file in &files {
        read += usize::from(compare(file).await);
    }
    println!("{read} of {} files were read", files.len());
}
