//! The flat values of `told`: each variant of the core keeps its word and its own fields, and has none of another.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use calsync_bindings::told;
use calsync_core::{
    diff::{Field, Part},
    engine::{HistoryEntry, Moment, SeenItem, SeenState, Way, WayState, What},
    plan::{Direction, Evidence},
    provider::UnreadKind,
    store::{JournalOp, RunCounts, SettledBy},
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// What is there of a value, without when it was and where.
fn said(value: impl serde::Serialize) -> Value {
    let Value::Object(fields) = json!(value) else { panic!("a struct is an object") };
    let around = ["at", "since", "link", "direction", "run", "remote_id"];
    let told = |(name, value): &(String, Value)| {
        !around.contains(&name.as_str()) && !value.is_null() && *value != json!([])
    };
    Value::Object(fields.into_iter().filter(told).collect::<Map<_, _>>())
}

#[test]
fn every_way_an_event_stands() {
    let at = DateTime::<Utc>::UNIX_EPOCH;
    for (state, expected) in [
        (WayState::InStep {}, json!({ "state": "in-step" })),
        (WayState::Waiting { attempts: 2 }, json!({ "state": "waiting", "attempts": 2 })),
        (WayState::Stuck { detail: "full".to_owned() }, json!({ "state": "stuck", "detail": "full" })),
        (WayState::LeftAlone {}, json!({ "state": "left-alone" })),
        (WayState::LeftOut { step: Some("x".to_owned()) }, json!({ "state": "left-out", "step": "x" })),
        (WayState::LeftOut { step: None }, json!({ "state": "left-out" })),
        (
            WayState::OutsideWindow { enters: Some(at) },
            json!({ "state": "outside-window", "enters": "1970-01-01T00:00:00Z" }),
        ),
        (WayState::NotJoined {}, json!({ "state": "not-joined" })),
    ] {
        let way = Way {
            link: "home".into(),
            direction: Direction::Export,
            state,
            remote_id: Some("i".into()),
            transforms: vec![],
        };
        let way = told::Way::from(way);
        assert_eq!((way.link.as_str(), way.remote_id.as_deref()), ("home", Some("i")));
        assert_eq!(said(way), expected);
    }
}

#[test]
fn everything_that_happens_to_an_event() {
    let title = Field::of(Part::Title);
    let field = json!({ "instance": null, "part": "title", "key": null });
    let conflict = || "c".to_owned();
    for (what, expected) in [
        (What::Seen {}, json!({ "what": "seen" })),
        (What::Mapped { item: "i".into() }, json!({ "what": "mapped", "item": "i" })),
        (What::Filtered { step: Some("x".to_owned()) }, json!({ "what": "filtered", "step": "x" })),
        (
            What::Done {
                op: JournalOp::LocalUpdate,
                reason: "why".to_owned(),
                fields: vec![title.clone()],
                losses: vec!["color".to_owned()],
                evidence: Some(Evidence::Reported),
            },
            json!({
                "what": "done", "op": "local-update", "reason": "why", "fields": [field], "losses": ["color"],
                "evidence": "reported",
            }),
        ),
        (What::Echoed { op: JournalOp::RemoteCreate }, json!({ "what": "echoed", "op": "remote-create" })),
        (
            What::Conflicted {
                conflict: conflict(),
                fields: vec![(title, "open".to_owned())],
                policy: "manual".to_owned(),
                open: true,
            },
            json!({
                "what": "conflicted", "conflict": "c", "contested": [{ "field": field, "outcome": "open" }],
                "policy": "manual", "open": true,
            }),
        ),
        (
            What::Settled { conflict: conflict(), by: SettledBy::Person, who: Some("anna".to_owned()) },
            json!({ "what": "settled", "conflict": "c", "by": "person", "who": "anna" }),
        ),
    ] {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let moment = Moment { at, link: Some("home".into()), run: Some("r".into()), what };
        let moment = told::Moment::from(moment);
        assert_eq!((moment.link.as_deref(), moment.run.as_deref()), (Some("home"), Some("r")));
        assert_eq!(said(moment), expected);
    }
}

#[test]
fn why_an_item_is_no_event_here() {
    for (state, expected) in [
        (SeenState::LeftOut { step: Some("x".to_owned()) }, json!({ "state": "left-out", "step": "x" })),
        (
            SeenState::SetAside { kind: UnreadKind::OwnFeed, reason: "ours".to_owned() },
            json!({ "state": "set-aside", "kind": "own-feed", "reason": "ours" }),
        ),
    ] {
        let since = DateTime::<Utc>::UNIX_EPOCH;
        let item = SeenItem { link: "home".into(), remote_id: "i".into(), since, state };
        let item = told::SeenItem::from(item);
        assert_eq!((item.link.as_str(), item.remote_id.as_str()), ("home", "i"));
        assert_eq!(said(item), expected);
    }
}

#[test]
fn a_history_says_of_which_kind_each_is() {
    for (kind, expected) in [
        ("run", told::HistoryKind::Run),
        ("change", told::HistoryKind::Change),
        ("conflict", told::HistoryKind::Conflict),
    ] {
        let mut entry = HistoryEntry::default();
        (entry.kind, entry.what) = (kind, "kept".to_owned());
        entry.counts = Some(RunCounts { pushed: 3, ..RunCounts::default() });
        let entry = told::HistoryEntry::from(entry);
        assert_eq!((entry.kind, entry.what.as_str()), (expected, "kept"));
        assert_eq!(entry.counts.map(|counts| counts.pushed), Some(3));
    }
}
