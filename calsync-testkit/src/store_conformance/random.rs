//! Random batches: whatever the order of their writes, a store ends up where the memory store does.
//!
//! The memory store makes one write after the other. A store that gathers writes, to make fewer statements or requests,
//! must give the same rows, the same receipts and the same refusals.

use std::collections::BTreeMap;

use calsync_core::{
    model::{CalendarId, EventId, LinkId},
    store::{
        BaseQuery, Batch, ConflictRecord, ConflictState, Doc, DocQuery, Expectation, JournalEntry, Log,
        MemoryStore, OutboxId, RecordKind, RecordQuery, Revision, RunRecord, Store, Write,
    },
};

use super::{
    cases,
    sample::{self, at, put_base, put_outbox},
};

/// SplitMix64: the same batches everywhere and always.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// One of three names.
    fn name(&mut self, prefix: &str) -> String {
        format!("{prefix}{}", self.roll(3))
    }

    fn seconds(&mut self) -> i64 {
        i64::try_from(self.roll(6)).unwrap_or_default()
    }

    fn write(&mut self) -> Write {
        let calendar = CalendarId::from(self.name("c"));
        let link = LinkId::from(self.name("l"));
        let (event, item, id) = (self.name("e"), self.name("item"), self.name("id"));
        let (run, when) = (self.name("r"), at(self.seconds()));
        match self.roll(22) {
            0 => Write::PutCalendar(calsync_core::model::Calendar {
                name: self.name("name"),
                ..sample::calendar(calendar.as_str())
            }),
            1..=4 => {
                let event = Box::new(sample::event(&self.name("title")));
                Write::PutEvent { calendar, id: id.into(), event, at: when }
            }
            5..=6 => Write::DeleteEvent { calendar, id: id.into(), at: when },
            7 => Write::PurgeDeleted { calendar, before: when, limit: usize::MAX },
            8 => Write::PutLink(Box::new(calsync_core::store::LinkState {
                note: Some(self.name("note")),
                ..sample::link_state(&link)
            })),
            9..=10 => put_base(&link, &item, &event),
            11 => Write::DeleteBase { link, remote_id: item.into() },
            12..=13 => put_outbox(&link, &id, &event),
            14 => Write::DeleteOutbox { link, id: OutboxId(id) },
            15 => {
                let state = if self.roll(2) == 0 { ConflictState::Open } else { ConflictState::Resolved };
                let row = sample::conflict(&link, &id, &event, &run);
                Write::PutConflict(Box::new(ConflictRecord { state, at: when, ..row }))
            }
            16 if self.roll(2) == 0 => Write::DeleteQuarantine { link, remote_id: item.into() },
            16 => Write::PutQuarantine(Box::new(sample::quarantine(&link, &item))),
            17 => Write::PutRun(Box::new(RunRecord { started: when, ..sample::run(&link, &id) })),
            18 => {
                let row = sample::journal(&link, &id, &event, &run);
                Write::PutJournal(Box::new(JournalEntry { at: when, ..row }))
            }
            19 => {
                let logs = [Log::Runs, Log::Journal, Log::ResolvedConflicts];
                let log = logs
                    .into_iter()
                    .nth(usize::try_from(self.roll(3)).unwrap_or_default())
                    .unwrap_or(Log::Runs);
                let limit = usize::try_from(self.roll(3)).unwrap_or_default();
                Write::PurgeLog { link, log, before: when, limit }
            }
            20 => {
                let due = (self.roll(2) == 0).then_some(when);
                Write::PutDoc(Doc::new(self.name("s"), id, self.name("value")).with_due(due))
            }
            _ => Write::DeleteDoc { space: self.name("s"), key: id },
        }
    }

    /// An expectation that holds as often as not.
    async fn expectation(&mut self, store: &impl Store) -> Expectation {
        let (calendar, link) = (CalendarId::from(self.name("c")), LinkId::from(self.name("l")));
        let (id, off) = (self.name("id"), self.roll(2) == 0);
        match self.roll(4) {
            0 => {
                let found = store.events(&calendar, &[EventId::from(id.as_str())]).await.unwrap();
                let revision = found.first().map(|record| record.revision.0).filter(|_| !off);
                Expectation::Event { calendar, id: id.into(), revision: revision.map(Revision) }
            }
            1 => {
                let generation =
                    store.link(&link).await.unwrap().map(|state| state.generation).filter(|_| !off);
                Expectation::Link { id: link, generation }
            }
            2 => {
                let uid = format!("uid-{}", self.name("title"));
                let found = store.events_by_uid(&calendar, &[&uid]).await.unwrap();
                let events = found.into_iter().map(|record| record.id).skip(usize::from(off)).collect();
                Expectation::Uid { calendar, uid, events }
            }
            _ => Expectation::Doc { space: self.name("s"), key: id, version: off.then_some(u64::MAX) },
        }
    }
}

/// Everything under the names of [`Dice`], as text; versions of documents left out, for each store counts its own.
async fn everything(store: &impl Store) -> BTreeMap<String, String> {
    let json = |value: serde_json::Result<String>| value.unwrap();
    let mut found = BTreeMap::new();
    found.insert("calendars".to_owned(), json(serde_json::to_string(&store.calendars().await.unwrap())));
    for n in 0..3 {
        let (calendar, link) = (CalendarId::from(format!("c{n}")), LinkId::from(format!("l{n}")));
        let events = store.events_since(&calendar, Revision(0), usize::MAX).await.unwrap();
        found.insert(format!("events of {n}"), json(serde_json::to_string(&events)));
        for title in 0..3 {
            let uid = format!("uid-title{title}");
            let mut events = store.events_by_uid(&calendar, &[&uid]).await.unwrap();
            events.sort_by(|a, b| a.id.cmp(&b.id));
            found.insert(format!("events of {n} with UID {title}"), json(serde_json::to_string(&events)));
        }
        found.insert(format!("link {n}"), json(serde_json::to_string(&store.link(&link).await.unwrap())));
        let ids: Vec<EventId> = (0..3).map(|n| EventId::from(format!("e{n}"))).collect();
        let mut bases = store.bases(&link, BaseQuery::Events(&ids)).await.unwrap();
        bases.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
        found.insert(format!("bases of {n}"), json(serde_json::to_string(&bases)));
        let outbox = store.outbox(&link, None, usize::MAX).await.unwrap();
        found.insert(format!("outbox of {n}"), json(serde_json::to_string(&outbox)));
        for kind in [RecordKind::Conflict, RecordKind::Quarantine, RecordKind::Run, RecordKind::Journal] {
            let query =
                RecordQuery { kind, link: &link, event: None, run: None, after: None, limit: usize::MAX };
            let records = store.records(query).await.unwrap();
            let text: Vec<String> = records
                .iter()
                .map(|record| match record {
                    calsync_core::store::Record::Conflict(row) => json(serde_json::to_string(row)),
                    calsync_core::store::Record::Quarantine(row) => json(serde_json::to_string(row)),
                    calsync_core::store::Record::Run(row) => json(serde_json::to_string(row)),
                    calsync_core::store::Record::Journal(row) => json(serde_json::to_string(row)),
                })
                .collect();
            found.insert(format!("{kind:?} of {n}"), text.join("\n"));
        }
        for query in [DocQuery::Page { after: None, limit: 99 }, DocQuery::Due { at: at(3), limit: 99 }] {
            let docs = store.docs(&format!("s{n}"), query).await.unwrap();
            let text: Vec<String> =
                docs.iter().map(|doc| format!("{} {:?} {:?}", doc.key, doc.value, doc.due)).collect();
            found.insert(format!("docs of {n} by {query:?}"), text.join("\n"));
        }
    }
    found
}

cases! {
    $ store_conformance_random in random;

    /// 150 batches of up to twelve writes each, over so few names that most of them meet.
    async fn random_batches_agree_with_the_memory_store(store: &S) {
        let memory = MemoryStore::new();
        let mut dice = Dice(7);
        let (mut written, mut refused) = (0, 0);
        for round in 0..150 {
            let count = 1 + dice.roll(12);
            let writes: Vec<Write> = (0..count).map(|_| dice.write()).collect();
            let mut expect = Vec::new();
            if dice.roll(3) == 0 {
                expect.push(dice.expectation(&memory).await);
            }
            let batch = Batch { expect, writes, ..Batch::default() };
            let shown = format!("round {round}: {batch:?}");
            let expected = memory.commit(batch.clone()).await.map_err(|error| error.kind);
            let answer = store.commit(batch).await.map_err(|error| error.kind);
            match (expected, answer) {
                (Ok(expected), Ok(answer)) => {
                    assert_eq!(answer.revisions, expected.revisions, "{shown}");
                    assert_eq!(answer.purged, expected.purged, "{shown}");
                    assert_eq!(answer.doc_versions.len(), expected.doc_versions.len(), "{shown}");
                    written += 1;
                }
                (expected, answer) => {
                    assert_eq!(answer.err(), expected.err(), "{shown}");
                    refused += 1;
                }
            }
            if round % 10 == 9 {
                let (expected, found) = (everything(&memory).await, everything(&**store).await);
                for (what, expected) in expected {
                    assert_eq!(found.get(&what), Some(&expected), "{what} after {shown}");
                }
            }
        }
        assert!(written >= 30 && refused >= 30, "{written} batches were written, {refused} refused");
    }
}
