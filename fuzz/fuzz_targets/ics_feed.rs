//! One or two answers of a feed: pulled, read and fetched, never a panic. Names are unique, what is read alone is what is
//! fetched, the same bytes are quiet, and an event has the UID it stands under.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use calsync_core::context::Clock;
use calsync_core::ical::Document;
use calsync_core::model::RemoteId;
use calsync_core::provider::{
    ChangePage, ChangeScope, ChangesRequest, Cursor, Fetched, ItemChange, Provider, PullMode,
};
use calsync_providers::ics::{IcsConfig, IcsProvider, UidCheck};
use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;

#[path = "../support/scripted.rs"]
mod scripted;
use scripted::{Scripted, run};

struct Still;

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

fn provider(input: &[u8], uid_check: UidCheck) -> IcsProvider {
    let mut config = IcsConfig::new("https://feeds.example.com/x.ics");
    config.uid_check = uid_check;
    IcsProvider::new(config, Arc::new(Scripted::new(200, input)), Arc::new(Still)).expect("a sound source")
}

fn pull(provider: &IcsProvider, cursor: Option<&Cursor>, mode: PullMode) -> Option<ChangePage> {
    run(provider.changes(provider.calendar(), ChangesRequest { cursor, mode })).ok()
}

fuzz_target!(|input: &[u8]| {
    let provider_of_all = provider(input, UidCheck::FetchTwice);
    if let Some(page) = pull(&provider_of_all, None, PullMode::Incremental) {
        check(&provider_of_all, &page);
        let next = pull(&provider_of_all, page.cursor.as_ref(), PullMode::Incremental);
        next.iter().for_each(|page| check(&provider_of_all, page));
    }
    // The last answer comes for ever: from then on there is nothing new.
    let last = provider(input, UidCheck::AcrossPulls);
    let mut cursor = None;
    for _ in 0..8 {
        if let Some(page) = pull(&last, cursor.as_ref(), PullMode::Incremental) {
            cursor = page.cursor;
        }
    }
    let Some(quiet) = pull(&last, cursor.as_ref(), PullMode::Incremental) else { return };
    assert!(quiet.scope == ChangeScope::Delta && quiet.changes.is_empty(), "the same bytes are quiet");
    let whole = pull(&last, cursor.as_ref(), PullMode::Snapshot).expect("it was read before");
    check(&last, &whole);
    let ids: Vec<RemoteId> = whole.changes.iter().map(|change| change.id.clone()).collect();
    let fetched = run(last.fetch(last.calendar(), &ids)).expect("it was read before");
    assert_eq!(fetched.len(), ids.len());
    for (change, fetched) in whole.changes.iter().zip(fetched) {
        let Fetched::Found { id, version, payload } = fetched else { panic!("what is listed is found") };
        let same = ItemChange::Present { version, payload: Some(payload) };
        assert!(id == change.id && same == change.change, "what is fetched is what was listed");
    }
});

fn check(provider: &IcsProvider, page: &ChangePage) {
    let names: BTreeSet<_> = page.changes.iter().map(|change| &change.id).collect();
    assert_eq!(names.len(), page.changes.len(), "names are unique");
    for change in &page.changes {
        let ItemChange::Present { version: Some(_), payload: Some(payload) } = &change.change else {
            panic!("a feed lists what there is, whole")
        };
        // An item cannot bring another calendar or something above its own.
        let begins = Document::new(payload.as_str().as_bytes())
            .lines()
            .filter(|line| line.text().trim().eq_ignore_ascii_case("BEGIN:VCALENDAR"))
            .count();
        assert_eq!(begins, 1, "one calendar for one item");
        if let Ok(event) = provider.read(payload) {
            assert!(!event.uid.is_empty());
        }
    }
}
