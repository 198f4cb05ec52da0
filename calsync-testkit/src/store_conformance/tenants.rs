//! Tenants of one database that share every id.
//!
//! For stores that keep several tenants apart. [`tenant_conformance!`](macro@crate::tenant_conformance) makes one
//! `#[tokio::test]` of each case; its argument is an async function or closure that takes no argument and returns a
//! closure from a tenant's name to a handle, over a fresh database: `let of = factory().await; let acme = of("acme");`.

use calsync_core::{
    model::{CalendarId, LinkId},
    store::{
        BaseQuery, Batch, ConflictRecord, ConflictState, Doc, DocQuery, LeaseGrant, Log, RecordKind,
        RecordQuery, Revision, Store, StoreErrorKind, Write,
    },
};
use chrono::TimeDelta;

use super::{
    check::{batch, expect_event, refused, write},
    owners::odd_names,
    sample::{self, at, delete_event, put_base, put_event, put_outbox},
};

/// Makes a test of every case about tenants; see the module's text.
#[macro_export]
macro_rules! tenant_conformance {
    ($factory:expr) => {
        #[::tokio::test]
        async fn tenants_share_every_id() {
            let of = ($factory)().await;
            $crate::store_conformance::tenants::tenants_share_every_id(&of("one"), &of("two")).await;
        }

        #[::tokio::test]
        async fn what_one_tenant_forgets_the_other_keeps() {
            let of = ($factory)().await;
            $crate::store_conformance::tenants::what_one_tenant_forgets_the_other_keeps(&of("a"), &of("a#"))
                .await;
        }

        #[::tokio::test]
        async fn tenants_lease_and_count_apart() {
            let of = ($factory)().await;
            $crate::store_conformance::tenants::tenants_lease_and_count_apart(&of(""), &of("other")).await;
        }

        #[::tokio::test]
        async fn odd_tenants_are_told_apart() {
            let of = ($factory)().await;
            $crate::store_conformance::tenants::odd_tenants_are_told_apart(of).await;
        }
    };
}

/// One row of each kind, all with the same ids, with a text in those that have room for one.
fn rows(text: &str) -> Vec<Write> {
    let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
    let named = |id: &str| {
        let mut calendar = sample::calendar(id);
        calendar.name = text.to_owned();
        calendar
    };
    let mut run = sample::run(&link, "r");
    run.held_plan = Some(text.to_owned());
    let mut entry = sample::outbox(&link, "o", "e");
    entry.reason = text.to_owned();
    let mut base = sample::base(&link, "item", "e");
    base.version = Some(text.into());
    let mut state = sample::link_state(&link);
    state.note = Some(text.to_owned());
    let mut item = sample::quarantine(&link, "item");
    item.reason = text.to_owned();
    let mut journal = sample::journal(&link, "j", "e", "r");
    journal.reason = text.to_owned();
    let conflict = ConflictRecord {
        state: ConflictState::Resolved,
        policy: text.to_owned(),
        ..sample::conflict(&link, "k", "e", "r")
    };
    vec![
        Write::PutCalendar(named("c")),
        put_event(&calendar, "e", text),
        Write::PutLink(Box::new(state)),
        Write::PutBase(Box::new(base)),
        Write::PutOutbox(Box::new(entry)),
        Write::PutConflict(Box::new(conflict)),
        Write::PutQuarantine(Box::new(item)),
        Write::PutRun(Box::new(run)),
        Write::PutJournal(Box::new(journal)),
        Write::PutDoc(Doc::new("s", "k", text).with_due(Some(at(0)))),
    ]
}

/// Everything a tenant's handle finds, by every read, as text; versions of documents left out.
async fn everything(store: &impl Store) -> String {
    let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
    let mut found = vec![
        json(&store.calendars().await.unwrap()),
        json(&store.events(&calendar, &["e".into()]).await.unwrap()),
        json(&store.events_by_uid(&calendar, &["uid-one", "uid-two"]).await.unwrap()),
        json(&store.events_since(&calendar, Revision(0), 9).await.unwrap()),
        json(&store.link(&link).await.unwrap()),
        json(&store.bases(&link, BaseQuery::Remote(&["item".into()])).await.unwrap()),
        json(&store.bases(&link, BaseQuery::Events(&["e".into()])).await.unwrap()),
        json(&store.outbox(&link, None, 9).await.unwrap()),
    ];
    for summary in store.base_summaries(&link, None, 9).await.unwrap() {
        found.push(format!(
            "{:?}",
            (summary.remote_id.as_str(), summary.version.map(|v| v.as_str().to_owned()))
        ));
    }
    for kind in [RecordKind::Conflict, RecordKind::Quarantine, RecordKind::Run, RecordKind::Journal] {
        let query = RecordQuery { kind, link: &link, event: None, run: None, after: None, limit: 9 };
        for record in store.records(query).await.unwrap() {
            found.push(match record {
                calsync_core::store::Record::Conflict(row) => json(&row),
                calsync_core::store::Record::Quarantine(row) => json(&row),
                calsync_core::store::Record::Run(row) => json(&row),
                calsync_core::store::Record::Journal(row) => json(&row),
            });
        }
    }
    for query in [
        DocQuery::Keys(&["k"]),
        DocQuery::Page { after: None, limit: 9 },
        DocQuery::Due { at: at(0), limit: 9 },
    ] {
        let docs = store.docs("s", query).await.unwrap();
        found.push(docs.into_iter().map(|doc| String::from_utf8(doc.value).unwrap()).collect());
    }
    found.join("\n")
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

/// What one tenant writes, the other does not see; what both write under the same ids, each reads back as its own.
pub async fn tenants_share_every_id(one: &impl Store, two: &impl Store) {
    let nothing = everything(two).await;
    assert_eq!(everything(one).await, nothing);
    write(one, rows("one")).await;
    assert_eq!(everything(two).await, nothing, "the other tenant sees none of it");
    let of_one = everything(one).await;
    write(two, rows("two")).await;
    assert_eq!(everything(one).await, of_one, "the other tenant's rows took none of its places");
    assert!(everything(two).await.matches("two").count() >= 15, "each kind of row is read back");
    assert_eq!(everything(two).await.replace("two", "one"), of_one);
}

/// Deleting and purging in one tenant leaves the rows of the other.
pub async fn what_one_tenant_forgets_the_other_keeps(one: &impl Store, two: &impl Store) {
    let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
    write(one, rows("one")).await;
    write(two, rows("two")).await;
    let of_two = everything(two).await;
    let mut writes = vec![
        delete_event(&calendar, "e", 1),
        Write::PurgeDeleted { calendar: calendar.clone(), before: at(10), limit: usize::MAX },
        Write::DeleteBase { link: link.clone(), remote_id: "item".into() },
        Write::DeleteOutbox { link: link.clone(), id: calsync_core::store::OutboxId("o".to_owned()) },
        Write::DeleteQuarantine { link: link.clone(), remote_id: "item".into() },
        Write::DeleteDoc { space: "s".to_owned(), key: "k".to_owned() },
    ];
    for log in [Log::Runs, Log::Journal, Log::ResolvedConflicts] {
        writes.push(Write::PurgeLog { link: link.clone(), log, before: at(10), limit: 9 });
    }
    assert_eq!(write(one, writes).await.purged, [1, 1, 1]);
    assert_eq!(everything(two).await, of_two);
    let left = everything(one).await;
    assert!(left.matches("one").count() == 2, "only the calendar and the link are left: {left}");

    // A pair that is taken in one tenant is free in the other.
    write(one, vec![put_base(&link, "another item", "e"), put_outbox(&link, "another", "e")]).await;
    let kind = refused(two, batch(vec![put_base(&link, "another item", "e")])).await;
    assert_eq!(kind, StoreErrorKind::InvalidInput);
    assert_eq!(everything(two).await, of_two);
}

/// Leases, revisions, generations, versions and expectations are each tenant's own.
pub async fn tenants_lease_and_count_apart(one: &impl Store, two: &impl Store) {
    let calendar = CalendarId::from("c");
    let minute = TimeDelta::seconds(60);
    let LeaseGrant::Granted(first) = one.acquire_lease("l", "a", at(0), minute).await.unwrap() else {
        panic!("the lease is free");
    };
    let second = two.acquire_lease("l", "b", at(0), minute).await.unwrap();
    assert!(matches!(second, LeaseGrant::Granted(_)), "another tenant's lease of that name: {second:?}");
    for _ in 0..3 {
        two.acquire_lease("l", "c", at(60), minute).await.unwrap();
        two.acquire_lease("l", "d", at(120), minute).await.unwrap();
    }
    let under = |writes| Batch { lease: Some(first.clone()), writes, ..Batch::default() };
    one.commit(under(Vec::new())).await.unwrap();
    assert_eq!(refused(two, under(Vec::new())).await, StoreErrorKind::Fenced, "a token of another tenant");

    for n in 1..=3 {
        let receipt = one.commit(under(vec![put_event(&calendar, &format!("e{n}"), "e")])).await.unwrap();
        assert_eq!(receipt.revisions[0].2, Revision(n));
    }
    let receipt = write(two, vec![put_event(&calendar, "e1", "e")]).await;
    assert_eq!(receipt.revisions[0].2, Revision(1));
    let expect = vec![expect_event(&calendar, "e3", None)];
    two.commit(Batch { expect: expect.clone(), ..Batch::default() }).await.unwrap();
    let kind = refused(one, Batch { expect, ..Batch::default() }).await;
    assert_eq!(kind, StoreErrorKind::Conflict { expectation: 0 });
}

/// Every odd name works as a tenant's and is told apart from all others byte by byte.
pub async fn odd_tenants_are_told_apart<S: Store>(of: impl Fn(&str) -> S) {
    let names = odd_names();
    for name in &names {
        write(&of(name), rows(name)).await;
    }
    for name in &names {
        let calendars = of(name).calendars().await.unwrap();
        assert_eq!(calendars.iter().map(|calendar| &calendar.name).collect::<Vec<_>>(), [name]);
        let docs = of(name).docs("s", DocQuery::Due { at: at(0), limit: 9 }).await.unwrap();
        assert_eq!(docs.iter().map(|doc| doc.value.as_slice()).collect::<Vec<_>>(), [name.as_bytes()]);
    }
}
