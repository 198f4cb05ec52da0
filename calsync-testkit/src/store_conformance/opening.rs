//! What is read together: it answers what the single reads answer.

use std::collections::BTreeSet;

use calsync_core::{
    model::{CalendarId, EventId, LinkId, RemoteId},
    provider::Payload,
    store::{
        BaseQuery, BaseRecord, Batch, Doc, Edits, LeaseGrant, LeaseRequest, LinkState, NotedPairs, OpenLink,
        Opened, Opening, OutboxEntry, OutboxId, OutboxOp, Pairs, Revision, Store, StoreErrorKind, Waiting,
        Write, noted_pairs_by_reads, open_by_reads, pairs_by_reads, waiting_by_reads,
    },
};
use chrono::TimeDelta;

use super::{
    cases,
    check::{refused, write},
    sample::{self, at, delete_event, put_base, put_event, put_outbox},
};

fn names() -> (LinkId, CalendarId) {
    (LinkId::from("l"), CalendarId::from("c"))
}

/// Opens a link without a lease; it must be what the single reads answer, and bases may be left out. Only that the last event that was seen is forgotten,
/// with nothing later, a store may know to be no loss.
async fn looked(store: &impl Store, limit: usize) -> OpenLink {
    let (link, calendar) = names();
    let opening = Opening { lease: None, link: &link, calendar: &calendar, limit };
    let Opened::Link(mut reads) = open_by_reads(store, opening).await.unwrap() else { panic!("no lease") };
    let Opened::Link(mut found) = store.open(opening).await.unwrap() else { panic!("no lease") };
    if reads.edits == Edits::Lost && found.edits == Edits::Since(Vec::new()) {
        reads.edits = Edits::Since(Vec::new());
    }
    if found.bases.is_some() {
        let edited: Vec<EventId> = match &reads.edits {
            Edits::Since(records) => records.iter().map(|record| record.id.clone()).collect(),
            Edits::Lost | Edits::Unseen => Vec::new(),
        };
        reads.bases = Some(store.bases(&link, BaseQuery::Events(&edited)).await.unwrap());
    }
    for bases in [&mut found.bases, &mut reads.bases].into_iter().flatten() {
        bases.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
    }
    assert_eq!(found, reads, "at most {limit}");
    *found
}

/// Asks for the lease of a link for 60 seconds, so many seconds after noon.
async fn ask(store: &impl Store, holder: &str, seconds: i64) -> Opened {
    let (link, calendar) = names();
    let ttl = TimeDelta::seconds(60);
    let lease = LeaseRequest { name: "link", holder, now: at(seconds), ttl };
    store.open(Opening { lease: Some(lease), link: &link, calendar: &calendar, limit: 9 }).await.unwrap()
}

/// The link has seen a revision.
fn put_link(link: &LinkId, seen: u64) -> Write {
    Write::PutLink(Box::new(LinkState { seen: Revision(seen), ..sample::link_state(link) }))
}

/// The titles of what was edited.
fn edited(found: &OpenLink) -> Option<Vec<&str>> {
    match &found.edits {
        Edits::Since(records) => Some(records.iter().map(|record| record.id.as_str()).collect()),
        Edits::Lost | Edits::Unseen => None,
    }
}

fn sorted(mut pairs: Pairs) -> Pairs {
    pairs.bases.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
    pairs.events.sort_by(|a, b| a.id.cmp(&b.id));
    pairs
}

fn put_entry(link: &LinkId, id: &str, event: &str, op: OutboxOp) -> Write {
    Write::PutOutbox(Box::new(OutboxEntry { op, ..sample::outbox(link, id, event) }))
}

cases! {
    $ store_conformance_opening in opening;

    /// The first pages of everything, whatever there is.
    async fn open_answers_what_the_reads_answer(store: &S) {
        let (link, calendar) = names();
        let new = looked(&**store, 9).await;
        assert_eq!((new.state, new.edits), (None, Edits::Unseen), "a link that is not there");
        assert_eq!((new.quarantine, new.outbox), (Vec::new(), Vec::new()));

        write(&**store, vec![
            put_event(&calendar, "e1", "one"),
            put_event(&calendar, "e2", "two"),
            put_event(&calendar, "e3", "three"),
            put_event(&"other".into(), "elsewhere", "elsewhere"),
            put_link(&link, 0),
        ]).await;
        let unseen = looked(&**store, 9).await;
        assert_eq!((unseen.state.unwrap().generation, unseen.edits), (1, Edits::Unseen));

        write(&**store, vec![
            put_link(&link, 1),
            put_outbox(&link, "o2", "e2"),
            put_outbox(&link, "o1", "e1"),
            put_outbox(&"other".into(), "o0", "e1"),
            Write::PutQuarantine(Box::new(sample::quarantine(&link, "item 2"))),
            Write::PutQuarantine(Box::new(sample::quarantine(&link, "item 1"))),
        ]).await;
        let found = looked(&**store, 9).await;
        assert_eq!(edited(&found), Some(vec!["e2", "e3"]));
        let ids: Vec<&str> = found.outbox.iter().map(|entry| entry.id.0.as_str()).collect();
        assert_eq!(ids, ["o1", "o2"]);
        let items: Vec<&str> = found.quarantine.iter().map(|record| record.remote_id.as_str()).collect();
        assert_eq!(items, ["item 1", "item 2"]);

        let first = looked(&**store, 1).await;
        assert_eq!(edited(&first), Some(vec!["e2"]));
        assert_eq!((first.outbox.len(), first.quarantine.len()), (1, 1));

        // What went out of the way is gone.
        write(&**store, vec![
            Write::DeleteOutbox { link: link.clone(), id: OutboxId("o1".to_owned()) },
            Write::DeleteOutbox { link: link.clone(), id: OutboxId("o2".to_owned()) },
            Write::DeleteOutbox { link: link.clone(), id: OutboxId("never".to_owned()) },
            Write::DeleteQuarantine { link: link.clone(), remote_id: "item 1".into() },
            Write::DeleteQuarantine { link: link.clone(), remote_id: "item 2".into() },
            Write::DeleteQuarantine { link: link.clone(), remote_id: "never".into() },
        ]).await;
        let quiet = looked(&**store, 9).await;
        assert_eq!((quiet.quarantine, quiet.outbox), (Vec::new(), Vec::new()));
        write(&**store, vec![
            put_outbox(&link, "o3", "e3"),
            Write::PutQuarantine(Box::new(sample::quarantine(&link, "item 3"))),
        ]).await;
        let found = looked(&**store, 9).await;
        assert_eq!((found.quarantine.len(), found.outbox.len()), (1, 1));
    }

    /// What was edited since the last revision a link has seen, and whether that one is still there.
    async fn open_tells_what_was_edited(store: &S) {
        let (link, calendar) = names();
        let one = |id: &str| vec![put_event(&calendar, id, id)];
        write(&**store, one("e1")).await;
        write(&**store, one("e2")).await;
        write(&**store, vec![put_link(&link, 2)]).await;
        assert_eq!(edited(&looked(&**store, 9).await), Some(vec![]), "nothing");
        write(&**store, one("e1")).await;
        assert_eq!(edited(&looked(&**store, 9).await), Some(vec!["e1"]), "edited again");
        write(&**store, vec![delete_event(&calendar, "e2", 0)]).await;
        assert_eq!(edited(&looked(&**store, 9).await), Some(vec!["e1", "e2"]), "deleted");
        let purge = Write::PurgeDeleted { calendar: calendar.clone(), before: at(1), limit: usize::MAX };
        write(&**store, vec![put_link(&link, 4), purge]).await;
        let forgotten = looked(&**store, 9).await.edits;
        assert!(matches!(&forgotten, Edits::Lost | Edits::Since(_)), "nothing is later: {forgotten:?}");
        write(&**store, one("e3")).await;
        assert_eq!(edited(&looked(&**store, 9).await), Some(vec!["e3"]), "one that is later");
        write(&**store, vec![put_link(&link, 6)]).await;
        assert_eq!(looked(&**store, 9).await.edits, Edits::Lost, "it has seen more than there is");
    }

    /// Where the bases of what was edited are read along they are all there are, of this link only, whatever became of them since.
    async fn open_reads_the_bases_of_what_was_edited(store: &S) {
        let (link, calendar) = names();
        let long = Payload::new("p".repeat(300_000));
        let large = BaseRecord { payload: long, ..sample::base(&link, "item 3", "e3") };
        write(&**store, vec![
            put_event(&calendar, "e0", "seen"),
            put_base(&link, "item 0", "e0"),
            put_base(&link, "item 1", "e1"),
            put_base(&link, "item 2", "e2"),
            Write::PutBase(Box::new(large)),
            put_base(&link, "item 5", "elsewhere"),
            put_base(&"other".into(), "item 4", "e4"),
            put_link(&link, 1),
        ]).await;
        let events = ["e1", "e2", "e3", "e4"].map(|id| put_event(&calendar, id, id));
        write(&**store, events.to_vec()).await;
        let (all, first) = (looked(&**store, 9).await, looked(&**store, 2).await);
        let items = |found: &OpenLink| found.bases.as_ref().map(Vec::len);
        assert_eq!(edited(&all), Some(vec!["e1", "e2", "e3", "e4"]));
        assert!(matches!((items(&all), items(&first)), (None | Some(3), None | Some(2))), "{all:?} {first:?}");

        // One is renamed, one is gone, one is another event's.
        let gone = |item: &str| Write::DeleteBase { link: link.clone(), remote_id: item.into() };
        write(&**store, vec![
            gone("item 1"),
            put_base(&link, "renamed", "e1"),
            gone("item 3"),
            put_base(&link, "item 2", "e4"),
            delete_event(&calendar, "e4", 0),
        ]).await;
        let found = looked(&**store, 9).await;
        assert_eq!(edited(&found), Some(vec!["e1", "e2", "e3", "e4"]));
        assert!(matches!(items(&found), None | Some(2)), "{found:?}");
        let names: Vec<&str> = found.bases.iter().flatten().map(|base| base.remote_id.as_str()).collect();
        assert!(names.is_empty() || names == ["item 2", "renamed"], "{names:?}");

        // The same ones again and again, then many.
        for n in 0..12 {
            write(&**store, vec![put_event(&calendar, ["e1", "e2", "e3"][n % 3], "again")]).await;
            looked(&**store, 9).await;
        }
        let many = (0..40).map(|n| format!("m{n:02}"));
        let many = many.flat_map(|id| [put_event(&calendar, &id, &id), put_base(&link, &format!("of {id}"), &id)]);
        write(&**store, many.collect()).await;
        for limit in [9, 50, 99] {
            let found = looked(&**store, limit).await;
            assert_eq!(edited(&found).unwrap().len(), limit.min(44), "{found:?}");
        }
        write(&**store, vec![put_link(&link, 40)]).await;
        looked(&**store, 99).await;
        let purge = Write::PurgeDeleted { calendar: calendar.clone(), before: at(1), limit: usize::MAX };
        write(&**store, vec![delete_event(&calendar, "m39", 0), purge]).await;
        looked(&**store, 99).await;
    }

    /// Whatever a link keeps with its state.
    async fn open_reads_any_state(store: &S) {
        let (link, calendar) = names();
        write(&**store, vec![put_event(&calendar, "e1", "e1"), put_event(&calendar, "e2", "e2")]).await;
        for note in ["\0", "\\u0000", "{\"seen\":7}", "\"seen\":7", "é\n"] {
            let state = LinkState {
                seen: Revision(1),
                note: Some(note.to_owned()),
                cursor_key: note.to_owned(),
                ..sample::link_state(&link)
            };
            write(&**store, vec![Write::PutLink(Box::new(state))]).await;
            let found = looked(&**store, 9).await;
            assert_eq!(found.state.as_ref().unwrap().note.as_deref(), Some(note));
            assert_eq!(edited(&found), Some(vec!["e2"]), "{note:?}");
        }
    }

    /// The lease is taken with it, as it is by itself; who does not get it reads nothing.
    async fn open_takes_the_lease(store: &S) {
        let (link, calendar) = names();
        write(&**store, vec![put_event(&calendar, "e1", "e1"), put_link(&link, 1)]).await;
        let Opened::Link(first) = ask(&**store, "a", 0).await else { panic!("it is free") };
        let token = first.lease.clone().unwrap();
        assert_eq!((token.name.as_str(), token.epoch), ("link", 1));
        assert_eq!(edited(&first), Some(vec![]));
        assert_eq!(first.state.unwrap().seen, Revision(1));
        assert_eq!(ask(&**store, "b", 59).await, Opened::Held { until: at(60) });
        let Opened::Link(again) = ask(&**store, "a", 30).await else { panic!("it has it") };
        assert_eq!(again.lease, Some(token.clone()), "renewed");
        assert_eq!(ask(&**store, "b", 70).await, Opened::Held { until: at(90) });
        let held = store.acquire_lease("link", "b", at(70), TimeDelta::seconds(60)).await.unwrap();
        assert_eq!(held, LeaseGrant::Held { until: at(90) }, "it is the same lease");

        let Opened::Link(second) = ask(&**store, "b", 90).await else { panic!("it ran out") };
        let taken = second.lease.unwrap();
        assert_eq!(taken.epoch, 2);
        let late = Batch { lease: Some(token), ..Batch::default() };
        assert_eq!(refused(&**store, late).await, StoreErrorKind::Fenced);
        store.release_lease(&taken).await.unwrap();
        let Opened::Link(third) = ask(&**store, "a", 91).await else { panic!("it was given back") };
        assert_eq!(third.lease.unwrap().epoch, 3);

        for ttl in [TimeDelta::zero(), TimeDelta::MAX] {
            let lease = LeaseRequest { name: "link", holder: "a", now: at(91), ttl };
            let opening = Opening { lease: Some(lease), link: &link, calendar: &calendar, limit: 9 };
            assert_eq!(store.open(opening).await.expect_err("refused").kind, StoreErrorKind::InvalidInput);
        }
    }

    /// Bases with their events, deleted ones included, of this link and calendar only.
    async fn pairs_answer_what_the_reads_answer(store: &S) {
        let (link, calendar) = names();
        write(&**store, vec![
            put_event(&calendar, "e1", "one"),
            put_event(&calendar, "e2", "two"),
            put_event(&calendar, "e9", "of no item"),
            put_event(&"other".into(), "e3", "of another calendar"),
            put_base(&link, "item 1", "e1"),
            put_base(&link, "item 2", "e2"),
            put_base(&link, "item 3", "e3"),
            put_base(&"other".into(), "item 9", "e9"),
        ]).await;
        write(&**store, vec![delete_event(&calendar, "e2", 0)]).await;
        let all = ["item 1", "item 2", "item 3", "item 9", "item 1", "never"];
        for count in 0..=all.len() {
            let items: Vec<RemoteId> = all[..count].iter().map(|item| RemoteId::from(*item)).collect();
            let together = sorted(store.pairs(&link, &calendar, &items).await.unwrap());
            let reads = pairs_by_reads(&**store, &link, &calendar, &items).await.unwrap();
            assert_eq!(together, sorted(reads), "{items:?}");
            assert_eq!((together.bases.len(), together.events.len()), (count.min(3), count.min(2)));
        }
        let (mut many, mut items) = (Vec::new(), Vec::new());
        for n in 0..150 {
            let (event, item) = (format!("m{n}"), format!("i{n}"));
            many.extend([put_event(&calendar, &event, &event), put_base(&link, &item, &event)]);
            items.push(RemoteId::from(item.as_str()));
        }
        write(&**store, many).await;
        let found = store.pairs(&link, &calendar, &items).await.unwrap();
        let events: BTreeSet<&EventId> = found.events.iter().map(|event| &event.id).collect();
        assert_eq!(found.bases.len(), 150);
        assert!(found.bases.iter().all(|base| events.contains(&base.event_id)));
    }

    /// The same with what a space holds under their names, also where the base or the document is alone.
    async fn noted_pairs_answer_what_the_reads_answer(store: &S) {
        let (link, calendar) = names();
        let noted = async |items: &[RemoteId]| {
            let found = store.noted_pairs(&link, &calendar, items, "notes").await.unwrap();
            let reads = noted_pairs_by_reads(&**store, &link, &calendar, items, "notes").await.unwrap();
            let ordered = |mut noted: NotedPairs| {
                noted.docs.sort_by(|a, b| a.key.cmp(&b.key));
                (sorted(noted.pairs), noted.docs)
            };
            let (found, reads) = (ordered(found), ordered(reads));
            assert_eq!(found, reads, "{items:?}");
            (found.0.bases.len(), found.0.events.len(), found.1.len())
        };
        let (mut many, mut items) = (Vec::new(), Vec::new());
        for n in 0..60 {
            let (event, item) = (format!("e{n}"), format!("i{n}"));
            many.extend([put_event(&calendar, &event, &event), put_base(&link, &item, &event)]);
            items.push(RemoteId::from(item.as_str()));
        }
        many.push(put_base(&link, "i60", "of no event"));
        items.push("i60".into());
        write(&**store, many).await;
        assert_eq!(noted(&items[..3]).await, (3, 3, 0), "nothing is noted");
        let large = vec![7; 600_000];
        write(&**store, vec![
            Write::PutDoc(Doc::new("notes", "e0", b"first".to_vec())),
            Write::PutDoc(Doc::new("notes", "e1", large)),
            Write::PutDoc(Doc::new("notes", "e2", b"gone".to_vec())),
            Write::PutDoc(Doc::new("notes", "of no event", b"alone".to_vec())),
            Write::PutDoc(Doc::new("notes", "i5", b"an item's name".to_vec())),
            Write::PutDoc(Doc::new("other", "e5", b"of another space".to_vec())),
        ]).await;
        write(&**store, vec![
            Write::DeleteDoc { space: "notes".to_owned(), key: "e2".to_owned() },
            delete_event(&calendar, "e3", 0),
        ]).await;
        assert_eq!(noted(&[]).await, (0, 0, 0));
        assert_eq!(noted(&["never".into()]).await, (0, 0, 0));
        assert_eq!(noted(&items[..1]).await, (1, 1, 1));
        assert_eq!(noted(&items[..6]).await, (6, 6, 2), "a large one, and one that is gone");
        assert_eq!(noted(&items[55..]).await, (6, 5, 1), "one without its event");
        assert_eq!(noted(&items).await, (61, 60, 3), "more than go together");
    }

    /// Entries with the bases of those that change or delete something there.
    async fn waiting_answers_what_the_reads_answer(store: &S) {
        let (link, calendar) = names();
        let version = || "v".into();
        let payload = || Payload::new("p");
        write(&**store, vec![
            put_event(&calendar, "e1", "one"),
            put_base(&link, "item 1", "e1"),
            put_base(&link, "item 2", "e2"),
            put_base(&link, "item 3", "e3"),
            put_base(&link, "item 9", "e9"),
            put_entry(&link, "o1", "e1", OutboxOp::Update { expected: version(), payload: payload() }),
            put_entry(&link, "o2", "e2", OutboxOp::Delete { expected: version() }),
            put_entry(&link, "o3", "e3", OutboxOp::Create { payload: payload() }),
            put_entry(&link, "o4", "e4", OutboxOp::Update { expected: version(), payload: payload() }),
        ]).await;
        let after = OutboxId("o1".to_owned());
        let pages = [
            (None, 9, vec!["item 1", "item 2"]),
            (None, 1, vec!["item 1"]),
            (Some(&after), 9, vec!["item 2"]),
            (None, 0, vec![]),
        ];
        for (after, limit, bases) in pages {
            let Waiting { entries, bases: mut found } = store.waiting(&link, after, limit).await.unwrap();
            let mut reads = waiting_by_reads(&**store, &link, after, limit).await.unwrap();
            found.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
            reads.bases.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
            assert_eq!((&entries, &found), (&reads.entries, &reads.bases), "after {after:?}, {limit}");
            let items: Vec<&str> = found.iter().map(|base| base.remote_id.as_str()).collect();
            assert_eq!(items, bases, "after {after:?}, {limit}");
        }
    }
}
