//! Bases, links and outbox entries: one per item, one per event.

use calsync_core::{
    model::LinkId,
    provider::Payload,
    store::{
        BaseQuery, BaseRecord, BaseState, LinkHealth, LinkState, OutboxEntry, OutboxId, OutboxState,
        StoreErrorKind, Write,
    },
};

use super::{
    cases,
    check::{batch, refused, write},
    sample::{self, put_base, put_outbox},
};

cases! {
    $ store_conformance_pairs in pairs;

    /// An item is joined to one event and an event to one item; a second join is refused, a move is not.
    async fn one_base_per_event_and_item(store: &S) {
        let link = LinkId::from("l");
        write(&**store, vec![put_base(&link, "item 1", "event 1"), put_base(&link, "item 2", "event 2")]).await;

        let second_item = batch(vec![put_base(&link, "item 3", "event 1")]);
        assert_eq!(refused(&**store, second_item).await, StoreErrorKind::InvalidInput);
        let taken_event = batch(vec![put_base(&link, "item 1", "event 2")]);
        assert_eq!(refused(&**store, taken_event).await, StoreErrorKind::InvalidInput);
        assert_eq!(store.base_summaries(&link, None, 10).await.unwrap().len(), 2);

        // The same item again replaces: with a free event it moves, and the old event is free again.
        write(&**store, vec![put_base(&link, "item 1", "event 3"), put_base(&link, "item 4", "event 1")]).await;
        // Another link may join the same two.
        write(&**store, vec![put_base(&"other".into(), "item 1", "event 3")]).await;
        // The item was renamed: its old row goes first, in one batch.
        write(&**store, vec![
            Write::DeleteBase { link: link.clone(), remote_id: "item 2".into() },
            put_base(&link, "item 2 renamed", "event 2"),
        ]).await;
        let summaries = store.base_summaries(&link, None, 10).await.unwrap();
        let pairs: Vec<_> = summaries.iter().map(|s| (s.remote_id.as_str(), s.event_id.as_str())).collect();
        assert_eq!(pairs, [("item 1", "event 3"), ("item 2 renamed", "event 2"), ("item 4", "event 1")]);
        let old = store.bases(&link, BaseQuery::Remote(&["item 2".into()])).await.unwrap();
        assert_eq!(old, []);
    }

    /// A base that is put again is replaced whole, not merged with the old one.
    async fn base_is_replaced_whole(store: &S) {
        let link = LinkId::from("l");
        let full = BaseRecord {
            local: Some(Box::new(sample::event("local"))),
            remote: Some(Box::new(sample::event("remote"))),
            state: BaseState::Suppressed,
            ..sample::base(&link, "item", "e")
        };
        let bare = BaseRecord { version: None, payload: Payload::new(""), ..sample::base(&link, "item", "e") };
        for base in [full.clone(), bare, full] {
            write(&**store, vec![Write::PutBase(Box::new(base.clone()))]).await;
            assert_eq!(store.bases(&link, BaseQuery::Events(&["e".into()])).await.unwrap(), [base]);
        }
    }

    /// Keys that are not there are left out, and one that is asked for twice is answered once.
    async fn reads_by_key_answer_once(store: &S) {
        let (calendar, link) = ("c".into(), LinkId::from("l"));
        write(&**store, vec![
            put_base(&link, "item", "e"),
            sample::put_event(&calendar, "e", "same"),
            sample::put_event(&calendar, "f", "same"),
        ]).await;
        let items = ["none".into(), "item".into(), "item".into()];
        assert_eq!(store.bases(&link, BaseQuery::Remote(&items)).await.unwrap().len(), 1);
        let events = ["none".into(), "e".into(), "e".into()];
        assert_eq!(store.bases(&link, BaseQuery::Events(&events)).await.unwrap().len(), 1);
        assert_eq!(store.events(&calendar, &events).await.unwrap().len(), 1);
        let uids = ["uid-none", "uid-same", "uid-same"];
        let mut found: Vec<String> = store.events_by_uid(&calendar, &uids).await.unwrap()
            .iter().map(|record| record.id.to_string()).collect();
        found.sort();
        assert_eq!(found, ["e", "f"], "both events of the UID");
        assert_eq!(store.events(&calendar, &[]).await.unwrap(), []);
        assert_eq!(store.bases(&link, BaseQuery::Remote(&[])).await.unwrap(), []);
    }

    /// A link's generation is counted by the store, whatever the row says; the rest is replaced whole.
    async fn link_generation_is_counted(store: &S) {
        let link = LinkId::from("l");
        for (generation, claimed) in [(1, 0), (2, 77), (3, u64::MAX)] {
            let health = LinkHealth::Error { kind: calsync_core::provider::ErrorKind::Throttled, failures: 3 };
            let state = LinkState { generation: claimed, health, ..sample::link_state(&link) };
            write(&**store, vec![Write::PutLink(Box::new(state.clone()))]).await;
            assert_eq!(store.link(&link).await.unwrap(), Some(LinkState { generation, ..state }));
        }
        let twice = vec![
            Write::PutLink(Box::new(sample::link_state(&link))),
            Write::PutLink(Box::new(sample::link_state(&link))),
        ];
        write(&**store, twice).await;
        assert_eq!(store.link(&link).await.unwrap().unwrap().generation, 5);
    }

    /// An event has one entry: another id is refused, the same id replaces, and a deleted entry makes room.
    async fn one_outbox_entry_per_event(store: &S) {
        let link = LinkId::from("l");
        write(&**store, vec![put_outbox(&link, "o1", "e")]).await;
        let second = batch(vec![put_outbox(&link, "o2", "e")]);
        assert_eq!(refused(&**store, second).await, StoreErrorKind::InvalidInput);

        let sent = OutboxEntry { state: OutboxState::Ambiguous, attempts: 1, ..sample::outbox(&link, "o1", "e") };
        write(&**store, vec![Write::PutOutbox(Box::new(sent.clone()))]).await;
        assert_eq!(store.outbox(&link, None, 10).await.unwrap(), [sent]);

        write(&**store, vec![
            Write::DeleteOutbox { link: link.clone(), id: OutboxId("o1".to_owned()) },
            put_outbox(&link, "o2", "e"),
            put_outbox(&"other".into(), "o3", "e"),
        ]).await;
        assert_eq!(store.outbox(&link, None, 10).await.unwrap(), [sample::outbox(&link, "o2", "e")]);
    }

    /// Deleting what is not there is accepted and changes nothing.
    async fn delete_of_missing_is_ignored(store: &S) {
        let link = LinkId::from("l");
        write(&**store, vec![put_base(&link, "item", "e"), put_outbox(&link, "o1", "e")]).await;
        let receipt = write(&**store, vec![
            sample::delete_event(&"c".into(), "e", 1),
            Write::PurgeDeleted { calendar: "c".into(), before: sample::at(1), limit: usize::MAX },
            Write::DeleteBase { link: link.clone(), remote_id: "other".into() },
            Write::DeleteOutbox { link: link.clone(), id: OutboxId("o2".to_owned()) },
            Write::DeleteQuarantine { link: link.clone(), remote_id: "other".into() },
            Write::DeleteBase { link: "other".into(), remote_id: "item".into() },
            Write::DeleteOutbox { link: "other".into(), id: OutboxId("o1".to_owned()) },
        ]).await;
        assert_eq!(receipt.revisions, []);
        assert_eq!(store.base_summaries(&link, None, 10).await.unwrap().len(), 1);
        assert_eq!(store.outbox(&link, None, 10).await.unwrap().len(), 1);
    }
}
