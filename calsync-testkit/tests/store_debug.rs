//! Rows of a store in a log show no event text.

use calsync_core::{
    diff::{Field, Part},
    model::LinkId,
    provider::Payload,
    store::{
        BaseRecord, Batch, ConflictRecord, Doc, Expectation, FieldConflict, MemoryStore, OutboxEntry,
        OutboxOp, QuarantineRecord, RunRecord, Store, Write,
    },
};
use calsync_testkit::store_conformance::sample;

#[tokio::test]
async fn debug_of_rows_shows_no_event_text() {
    let link = LinkId::from("l");
    let event = Some(Box::new(sample::rich_event("secret")));
    let payload = Payload::new("secret");
    let value = serde_json::json!("secret");
    let fields = vec![FieldConflict {
        field: Field::of(Part::Title),
        base: value.clone(),
        local: value.clone(),
        remote: value,
        outcome: "open".to_owned(),
        settled: None,
    }];
    let writes = vec![
        sample::put_event(&"c".into(), "e", "secret"),
        Write::PutBase(Box::new(BaseRecord {
            payload: payload.clone(),
            local: event.clone(),
            remote: event.clone(),
            version: Some("secret".into()),
            ..sample::base(&link, "secret", "e")
        })),
        Write::PutOutbox(Box::new(OutboxEntry {
            op: OutboxOp::Create { payload: payload.clone() },
            local: event.clone(),
            remote_id: "secret".into(),
            ..sample::outbox(&link, "o", "e")
        })),
        Write::PutConflict(Box::new(ConflictRecord {
            uid: "secret".to_owned(),
            fields,
            remote: event,
            ..sample::conflict(&link, "1", "e", "r")
        })),
        Write::PutQuarantine(Box::new(QuarantineRecord {
            payload: Some(payload),
            ..sample::quarantine(&link, "secret")
        })),
        Write::PutRun(Box::new(RunRecord {
            held_plan: Some("secret".to_owned()),
            ..sample::run(&link, "1")
        })),
        Write::PutDoc(Doc::new("tokens", "account", "secret")),
    ];
    let uid = Expectation::Uid { calendar: "c".into(), uid: "secret".to_owned(), events: Vec::new() };
    let batch = Batch { expect: vec![uid], writes, ..Batch::default() };
    let shown = format!("{batch:?}");
    assert!(shown.contains("FieldConflict") && !shown.contains("secret"), "{shown}");

    let store = MemoryStore::new();
    store.commit(batch).await.expect("accepted");
    assert!(!format!("{store:?}").contains("secret"));
}
