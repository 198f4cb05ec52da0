//! The CalDAV provider against a scripted server that misbehaves the way real ones do.

#![cfg(feature = "caldav")]

mod caldav_support;

use caldav_support::*;
use calsync_core::provider::{ChangeScope, ErrorKind, Fetched, ItemChange, Provider, PullMode};
use calsync_testkit::dav::Quirks;

#[tokio::test]
async fn the_whole_way_on_a_well_behaved_server() {
    let server = start(Quirks::default());
    let provider = provider(&server);
    let calendars = provider.calendars().await.unwrap();
    assert_eq!(calendars.len(), 1);
    assert_eq!(calendars[0].name, "Work");
    assert!(!calendars[0].read_only);
    let calendar = &calendars[0].id;

    let id = provider.propose_id(calendar, &event("a"), "0123abcd").unwrap();
    let written = provider.create(calendar, &id, &payload("a", "one")).await.unwrap();
    assert_eq!(written.id, id);
    let version = written.version.unwrap();

    let page = changes(&provider, calendar, None, PullMode::Incremental).await.unwrap();
    assert_eq!(page.scope, ChangeScope::Snapshot);
    assert_eq!(names(&page), ["0123abcd.ics"]);
    assert_eq!(page.changes[0].id, id);

    let fetched = provider.fetch(calendar, std::slice::from_ref(&id)).await.unwrap();
    let [Fetched::Found { version: read, payload: held, .. }] = fetched.as_slice() else { panic!() };
    assert_eq!(*read, Some(version.clone()));
    assert_eq!(provider.read(held).unwrap().uid, "a");

    let second = provider.update(calendar, &id, &version, &payload("a", "two")).await.unwrap();
    let second = second.version.unwrap();
    assert_ne!(second, version);
    let stale = provider.update(calendar, &id, &version, &payload("a", "three")).await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::VersionMismatch);

    let page = changes(&provider, calendar, page.cursor, PullMode::Incremental).await.unwrap();
    assert_eq!((page.scope, names(&page)), (ChangeScope::Delta, vec!["0123abcd.ics".to_owned()]));

    let stale = provider.delete(calendar, &id, &version).await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::VersionMismatch);
    provider.delete(calendar, &id, &second).await.unwrap();
    provider.delete(calendar, &id, &second).await.unwrap();
    let page = changes(&provider, calendar, page.cursor, PullMode::Incremental).await.unwrap();
    assert_eq!(page.changes[0].change, ItemChange::Removed);
}
