//! What an older version of a store left behind: rows of every kind, and a link in step. [`fill`] writes them, so that a version's schema
//! and rows can be kept as a file; the checks find in such a file, opened by a newer version, all that was written.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{Link, SyncOptions},
    feed::EventSeq,
    model::{CalendarId, Event, EventTime, LinkId},
    provider::{Cursor, ErrorKind, Payload},
    store::{
        BaseQuery, BaseState, Batch, Doc, DocQuery, LeaseGrant, LinkHealth, Log, OutboxOp, OutboxState,
        Record, RecordKind, RecordQuery, Revision, RunOutcome, Store, Write,
    },
};
use chrono::TimeDelta;

use crate::{
    remote::MemoryRemote,
    store_conformance::sample,
    world::{World, body, event},
};

const TEXT: &str = "text \u{1f4c5}\r\nsecond line";

/// Writes a row of every kind into an empty store, and brings a link in step.
///
/// # Panics
///
/// When the store fails.
pub async fn fill(store: Arc<dyn Store>) {
    rows(&*store).await;
    let writes = vec![Write::PutDoc(Doc::new("space", "key", "value").with_due(Some(sample::at(0))))];
    store.commit(Batch { writes, ..Batch::default() }).await.expect("a document is written");

    let world = World::new(store, 1);
    let remote = MemoryRemote::default();
    items(&remote);
    sync(&world, &remote).await;
    world.add(event("made-here", "Made here")).await;
    sync(&world, &remote).await;
    assert_eq!(remote.writes(), 1, "one was made here");
}

async fn rows(store: &dyn Store) {
    let (calendar, link) = (CalendarId::from("calendar"), LinkId::from("link"));
    let put = |id: &str, event: Event, seconds| Write::PutEvent {
        calendar: calendar.clone(),
        id: id.into(),
        event: Box::new(event),
        at: sample::at(seconds),
    };
    let mut colored = sample::calendar("calendar");
    colored.color = Some("#ff0000".to_owned());
    let mut zoned = sample::event("zoned");
    let time = &mut body(&mut zoned).time;
    for (end, hour) in [(&mut time.start, 9), (&mut time.end, 10)] {
        let local = sample::local(sample::date(2026, 7, 1), hour, 0, 0);
        *end = EventTime::zoned(local, sample::custom_zone());
    }
    let mut state = sample::link_state(&link);
    state.cursor = Some(Cursor("cursor".to_owned()));
    state.seen = Revision(2);
    state.last_audit = Some(sample::at(1));
    state.health = LinkHealth::Error { kind: ErrorKind::Throttled, failures: 2 };
    let mut suppressed = sample::base(&link, "item 1", "rich");
    suppressed.state = BaseState::Suppressed;
    suppressed.local = Some(Box::new(sample::event("local")));
    let mut wedged = sample::outbox(&link, "outbox 1", "rich");
    wedged.op = OutboxOp::Update { expected: "v1".into(), payload: Payload::new("p") };
    wedged.state = OutboxState::Wedged {
        kind: ErrorKind::AlreadyExists { at: Some("item".into()) },
        detail: "d".to_owned(),
    };
    let mut run = sample::run(&link, "run");
    run.ended = Some(sample::at(9));
    run.outcome = RunOutcome::Failed { error: "e".to_owned() };
    let writes = vec![
        Write::PutCalendar(colored),
        put("rich", sample::rich_event(TEXT), 1),
        put("zoned", zoned, 2),
        sample::put_event(&calendar, "deleted", "deleted"),
        Write::PutLink(Box::new(state)),
        Write::PutBase(Box::new(suppressed)),
        sample::put_base(&link, "item 2", "zoned"),
        Write::PutOutbox(Box::new(wedged)),
        sample::put_outbox(&link, "outbox 2", "zoned"),
        Write::PutConflict(Box::new(sample::conflict(&link, "conflict", "rich", "run"))),
        Write::PutQuarantine(Box::new(sample::quarantine(&link, "bad item"))),
        Write::PutRun(Box::new(run)),
        Write::PutJournal(Box::new(sample::journal(&link, "entry", "rich", "run"))),
    ];
    store.commit(Batch { writes, ..Batch::default() }).await.expect("the rows are written");
    let writes = vec![sample::delete_event(&calendar, "deleted", 3)];
    store.commit(Batch { writes, ..Batch::default() }).await.expect("the event is deleted");
    let taken = store.acquire_lease("link", "worker", sample::at(0), TimeDelta::minutes(1)).await;
    assert!(matches!(taken, Ok(LeaseGrant::Granted(_))), "nobody has it: {taken:?}");
}

/// Every row that [`fill`] wrote into calendar and logs, documents apart; then new ones beside them.
///
/// # Panics
///
/// When something is missing or is not what was written.
pub async fn rows_are_read(store: &dyn Store) {
    let (calendar, link) = (CalendarId::from("calendar"), LinkId::from("link"));
    let calendars = store.calendars().await.expect("calendars are read");
    let colored = calendars.iter().find(|found| found.id == calendar).expect("the calendar is there");
    assert_eq!(colored.color.as_deref(), Some("#ff0000"));

    let events = store.events_since(&calendar, Revision(0), 10).await.expect("events are read");
    let ids: Vec<_> = events.iter().map(|record| (record.id.as_str(), record.revision.0)).collect();
    assert_eq!(ids, [("rich", 1), ("zoned", 2), ("deleted", 4)]);
    assert_eq!(events[0].event.uid, TEXT);
    assert_eq!(events[0].event.overrides.len(), 3);
    assert_eq!(events[0].modified, sample::at(1));
    let start = &events[1].event.master.as_ref().expect("a master").time.start;
    let local = sample::local(sample::date(2026, 7, 1), 9, 0, 0);
    assert_eq!(start, &EventTime::zoned(local, sample::custom_zone()));
    assert_eq!(events[2].deleted, Some(sample::at(3)));
    let found = store.events_by_uid(&calendar, &[TEXT]).await.expect("they are found by UID");
    assert_eq!(found.len(), 1);

    let state = store.link(&link).await.expect("the link is read").expect("it is there");
    assert_eq!((state.generation, state.seen), (1, Revision(2)));
    assert_eq!(state.cursor.expect("a cursor").0, "cursor");
    assert_eq!(state.health, LinkHealth::Error { kind: ErrorKind::Throttled, failures: 2 });

    let ids = ["rich".into(), "zoned".into()];
    let mut bases = store.bases(&link, BaseQuery::Events(&ids)).await.expect("bases are read");
    bases.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
    assert_eq!([bases[0].state, bases[1].state], [BaseState::Suppressed, BaseState::Linked]);
    assert_eq!(bases[0].local.as_ref().expect("what was agreed").uid, "uid-local");
    assert_eq!(bases[1].payload.as_str(), "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n");

    let outbox = store.outbox(&link, None, 10).await.expect("the outbox is read");
    assert!(matches!(&outbox[0].op, OutboxOp::Update { expected, .. } if expected.as_str() == "v1"));
    assert!(matches!(&outbox[0].state, OutboxState::Wedged { detail, .. } if detail == "d"));
    assert_eq!(outbox[1].state, OutboxState::Pending);

    for kind in [RecordKind::Conflict, RecordKind::Quarantine, RecordKind::Run, RecordKind::Journal] {
        let query = RecordQuery { kind, link: &link, event: None, run: None, after: None, limit: 10 };
        let records = store.records(query).await.expect("logs are read");
        assert_eq!(records.len(), 1, "{kind:?}");
        if let Record::Run(run) = &records[0] {
            assert_eq!(run.outcome, RunOutcome::Failed { error: "e".to_owned() });
        }
    }

    let held = store.acquire_lease("link", "other", sample::at(1), TimeDelta::seconds(1)).await;
    assert_eq!(held.expect("the lease is read"), LeaseGrant::Held { until: sample::at(60) });
    let writes = vec![sample::put_event(&calendar, "new", "new")];
    let receipt = store.commit(Batch { writes, ..Batch::default() }).await.expect("an event is written");
    assert_eq!(receipt.revisions[0].2, Revision(5), "revisions go on where they stopped");

    // The old rows have an age too: noon, all of them; the conflict is open.
    let purge = |before| {
        let logs = [Log::Runs, Log::Journal, Log::ResolvedConflicts];
        logs.map(|log| Write::PurgeLog { link: link.clone(), log, before, limit: 10 }).to_vec()
    };
    for (before, purged) in [(sample::at(0), [0, 0, 0]), (sample::at(1), [1, 1, 0])] {
        let batch = Batch { writes: purge(before), ..Batch::default() };
        assert_eq!(store.commit(batch).await.expect("logs are cut").purged, purged);
    }
}

/// The document that [`fill`] wrote.
///
/// # Panics
///
/// When it is missing or is not what was written.
pub async fn document_is_read(store: &dyn Store) {
    let docs = store.docs("space", DocQuery::Due { at: sample::at(0), limit: 10 }).await;
    let docs = docs.expect("documents are read");
    assert_eq!(docs.len(), 1);
    assert_eq!((docs[0].key.as_str(), docs[0].due), ("key", Some(sample::at(0))));
    let mut next = docs[0].clone();
    next.value = b"next".to_vec();
    let version = next.version;
    let writes = vec![Write::PutDoc(next)];
    store.commit(Batch { writes, ..Batch::default() }).await.expect("a document is written");
    let docs = store.docs("space", DocQuery::Keys(&["key"])).await.expect("documents are read");
    assert!(docs[0].version > version, "versions go on where they stopped");
}

/// The link that [`fill`] brought in step: runs find nothing to do, told of nothing or of everything, and write nothing on either side; then
/// an edit goes out as one.
///
/// # Panics
///
/// When something is written that was there, or is missing.
pub async fn runs_write_nothing(store: Arc<dyn Store>) {
    let (calendar, link) = (CalendarId::from("family"), LinkId::from("home"));
    let world = World::new(store.clone(), 2);
    world.clock.advance(TimeDelta::hours(1));
    let before = store.events_since(&calendar, Revision(0), 10).await.expect("events are read");
    let uids: Vec<&str> = before.iter().map(|record| record.event.uid.as_str()).collect();
    assert_eq!(uids.len(), 4, "{uids:?}");
    let remote = MemoryRemote::default();
    items(&remote);
    let made = world.local("made-here").await;
    let bases = store.bases(&link, BaseQuery::Events(&[made.id])).await.expect("bases are read");
    remote.put_payload(bases[0].remote_id.as_str(), bases[0].payload.clone());

    assert_eq!(sync(&world, &remote).await, 0, "nothing changed");
    remote.forget_cursors();
    assert_eq!(sync(&world, &remote).await, 0, "everything is as it was");
    assert_eq!(remote.writes(), 0);
    let after = store.events_since(&calendar, Revision(0), 10).await.expect("events are read");
    assert_eq!(after, before);

    for uid in ["single", "made-here"] {
        world.edit(uid, |event| body(event).title = Some("Edited".to_owned())).await;
    }
    sync(&world, &remote).await;
    let titles = remote
        .items()
        .into_values()
        .filter(|event| event.body().is_some_and(|body| body.title.as_deref() == Some("Edited")));
    assert_eq!((titles.count(), remote.writes()), (EDITED, EDITED as u64), "edits find their items");
}

/// Entries in the feed of the calendar that [`fill`] brought in step: each event came in or was made here.
pub const ENTRIES: usize = 4;
/// Events that [`runs_write_nothing`] edits.
pub const EDITED: usize = 2;

/// The feed of the link's calendar: so many entries.
///
/// # Panics
///
/// When there are more or less.
pub async fn feed_is_read(store: &dyn Store, entries: usize) {
    let page = store.feed(&"family".into(), EventSeq(0), 100).await.expect("the feed is read");
    assert_eq!(page.entries.len(), entries);
}

/// What is on the server when the link is in step, but for what was made here.
fn items(remote: &MemoryRemote) {
    remote.put("single", &event("single", "A single event"));
    remote.put("rich", &sample::rich_event("Rich"));
    remote.put("text", &event("text", TEXT));
}

async fn sync(world: &World, remote: &MemoryRemote) -> usize {
    world.clock.advance(TimeDelta::minutes(20));
    let link = Link::new("home", "family", "memory");
    let report =
        world.engine.sync(&link, remote, &SyncOptions::default()).await.expect("the run goes through");
    report.plan.operations.len()
}
