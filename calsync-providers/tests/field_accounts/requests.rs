//! What is sent and asked: versions, bodies, pages, and the zone of the machine that does it.

use std::{path::Path, process::Command, sync::Arc};

use calsync_core::{
    engine::{Link, SyncOptions},
    model::{Override, RecurrenceId},
    plan::Direction,
    store::Store,
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::{
    dav::{self, DavOptions, DavServer, Edit},
    microsoft,
    world::{World, body},
};
use chrono::TimeDelta;

use crate::accounts::{Account, Server, Side, all_instances, at, change, made, provider};

const BERLIN: &str = "Europe/Berlin";

fn object(title: &str, place: &str) -> String {
    let place = if place.is_empty() { String::new() } else { format!("LOCATION:{place}\r\n") };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260612T090000Z\r\nDTEND:20260612T100000Z\r\nSUMMARY:{title}\r\n{place}END:VEVENT\r\n\
         END:VCALENDAR\r\n"
    )
}

/// LUP-01: the server's item is edited just before or after any request of the run. A PUT names the version it was merged
/// with: no edit of theirs is in a version that a PUT took the place of without having it, and both edits are there at last.
#[tokio::test(flavor = "multi_thread")]
async fn lup_01_a_put_names_the_version_that_was_merged() {
    let mut refused = 0;
    for nth in 1..=5 {
        for before in [true, false] {
            let account = Account::dav();
            let Server::Dav(server) = &account.server else { unreachable!() };
            let first = server.put("work", "u1.ics", &object("lunch", ""));
            let side = Side::of([(&account, 0)], Direction::TwoWay);
            side.settles("before").await;
            side.world.edit("u1", |event| body(event).title = Some("ours".into())).await;
            server.clear_requests();
            let edit = Edit::put("work", "u1.ics", &object("lunch", "theirs"));
            let fault = if before { dav::Fault::edit_before(edit) } else { dav::Fault::edit_after(edit) };
            server.inject(fault.nth(nth));
            for _ in 0..3 {
                side.sync().await;
            }
            let edited = server.pending_faults() == 0;
            server.clear_faults();
            let case = format!("request {nth}, before: {before}");
            side.rests(&case).await;
            let mut puts = 0;
            for put in server.requests().into_iter().filter(|seen| seen.method == "PUT") {
                puts += 1;
                let named = put.header("if-match").expect("every PUT of an item names a version").to_owned();
                let text = String::from_utf8_lossy(&put.body);
                let knows = text.contains("LOCATION:theirs");
                match put.status {
                    Some(412) => refused += 1,
                    _ => {
                        assert!(knows || named == first || !edited, "{case}: {named} has their edit\n{text}")
                    }
                }
                assert!(!knows || named != first, "{case}: what it merged is not the version it names");
            }
            assert!(puts > 0, "{case}");
            let last = server.get("work", "u1.ics").unwrap();
            assert!(!edited || last.contains("LOCATION:theirs"), "{case}: their edit is lost\n{last}");
            // After the write of ours they wrote over it, knowing its version: then theirs is what there is.
            let after_ours = last == object("lunch", "theirs");
            assert!(after_ours || last.contains("SUMMARY:ours"), "{case}: our edit is lost\n{last}");
        }
    }
    assert!(refused > 0, "one of them met a newer version");
}

/// CON-10: a request that is sent again has its whole body again: after no answer, a refusal for now, a redirect to the same
/// place and a login that is asked for once more.
#[tokio::test(flavor = "multi_thread")]
async fn con_10_what_is_sent_again_has_its_body_again() {
    for case in ["503", "429", "no answer, done", "no answer, not done", "401", "307"] {
        for account in Account::each(BERLIN) {
            let what = format!("{case} at {}", account.name);
            let side = Side::of([(&account, 0)], Direction::TwoWay);
            side.settles(&what).await;
            account.clear_requests();
            let url = format!("{}dav/calendars/user/work/again.ics", account.url());
            let dav_fault = || match case {
                "503" => dav::Fault::status(503),
                "429" => dav::Fault::status(429).retry_after_seconds(1),
                "no answer, done" => dav::Fault::drop_after(),
                "no answer, not done" => dav::Fault::drop_before(),
                "401" => dav::Fault::status(401).header("WWW-Authenticate", "Basic realm=\"x\""),
                _ => dav::Fault::status(307).header("Location", &url),
            };
            match &account.server {
                Server::Google(_) | Server::Graph(_) if case == "307" => continue,
                Server::Google(server) => server.inject(dav_fault().on_method("POST")),
                Server::Dav(server) => server.inject(dav_fault().on_method("PUT")),
                Server::Graph(server) => {
                    let fault = match case {
                        "503" => microsoft::Fault::status(503),
                        "429" => microsoft::Fault::status(429).header("Retry-After", "1"),
                        "no answer, done" => microsoft::Fault::drop_after(),
                        "no answer, not done" => microsoft::Fault::drop_before(),
                        _ => microsoft::Fault::status(401),
                    };
                    server.inject(fault.on_method("POST"));
                }
            }
            side.world.add(made("again", "2026-03-02T10:00:00", BERLIN, "")).await;
            for _ in 0..4 {
                side.try_sync().await;
                side.world.clock.advance(TimeDelta::hours(2));
            }
            side.settles(&what).await;
            assert_eq!(account.seen(0).await.len(), 1, "{what}");
            let bodies = account.bodies();
            let again = case == "no answer, done" || bodies.len() > 1;
            assert!(again && bodies.iter().all(|body| body.contains("again")), "{what}: {bodies:?}");
        }
    }
}

/// DEL-13: a deletion is answered as if the item, or the instance of a series, were not there, and it is. Nobody takes the answer
/// for the deed: it is gone there at last, and does not come back here.
#[tokio::test(flavor = "multi_thread")]
async fn del_13_what_is_said_to_be_gone_is_looked_for() {
    for (status, rule) in [(404, ""), (410, ""), (404, "FREQ=DAILY;COUNT=3"), (410, "FREQ=DAILY;COUNT=3")] {
        for account in Account::each(BERLIN) {
            let what = format!("{status} {rule} at {}", account.name);
            let side = Side::of([(&account, 0)], Direction::TwoWay);
            side.world.add(made("kept", "2026-03-02T10:00:00", BERLIN, "")).await;
            side.world.add(made("gone", "2026-03-02T10:00:00", BERLIN, rule)).await;
            side.settles(&what).await;
            match &account.server {
                Server::Google(server) => server.inject(dav::Fault::status(status).on_method("DELETE")),
                Server::Dav(server) => server.inject(dav::Fault::status(status).on_method("DELETE")),
                Server::Graph(server) => {
                    let fault = microsoft::Fault::code(404, "ErrorItemNotFound");
                    server.inject(fault.on_method("DELETE"));
                }
            }
            if rule.is_empty() {
                side.world.delete("gone").await;
            } else {
                let second = RecurrenceId::of(&at("2026-03-03T10:00:00", BERLIN));
                side.world
                    .edit("gone", |event| {
                        event.overrides.insert(second, Override::Excluded);
                    })
                    .await;
            }
            for _ in 0..4 {
                side.try_sync().await;
                side.world.clock.advance(TimeDelta::hours(30));
            }
            side.settles(&what).await;
            let here = all_instances(&side.events().await);
            let expected = if rule.is_empty() { 1 } else { 3 };
            assert_eq!((here.len(), account.takes_place(0).await), (expected, here), "{what}");
        }
    }
}

/// TOK-03: an account lists in pages, some of them empty, and any one request of the first runs fails. Every item is there
/// at last, once, and what is asked then is one question.
#[tokio::test(flavor = "multi_thread")]
async fn tok_03_pages_are_read_to_the_last() {
    for nth in [0, 3] {
        for account in Account::each(BERLIN) {
            let case = format!("{}, request {nth} fails", account.name);
            let owner = Side::of([(&account, 0)], Direction::TwoWay);
            for n in 0..7 {
                owner
                    .world
                    .add(made(&format!("e{n}"), &format!("2026-03-{:02}T10:00:00", n + 1), BERLIN, ""))
                    .await;
            }
            owner.settles(&case).await;
            match &account.server {
                Server::Google(server) => {
                    server.change_quirks(|quirks| (quirks.page_max, quirks.empty_pages) = (Some(2), true));
                }
                Server::Graph(server) => server.change_quirks(|quirks| quirks.page_max = 2),
                Server::Dav(server) => {
                    server.change_quirks(|quirks| {
                        quirks.truncation =
                            Some(dav::Truncation { entries: 2, form: dav::TruncationForm::EntryWithError })
                    });
                }
            }
            if nth > 0 {
                match &account.server {
                    Server::Google(server) => server.inject(dav::Fault::drop_after().nth(nth)),
                    Server::Graph(server) => server.inject(microsoft::Fault::drop_after().after(nth - 1)),
                    Server::Dav(server) => server.inject(dav::Fault::drop_after().nth(nth)),
                }
            }
            let side = Side::of([(&account, 0)], Direction::TwoWay);
            for _ in 0..3 {
                side.try_sync().await;
                side.world.clock.advance(TimeDelta::hours(2));
            }
            side.rests(&case).await;
            assert_eq!(side.events().await.len(), 7, "{case}");
            // Once more with everything changed, and the cursor lost on the way.
            for n in 0..7 {
                owner.world.edit(&format!("e{n}"), |event| body(event).location = Some("there".into())).await;
            }
            owner.settles(&case).await;
            side.settles(&case).await;
            for event in side.events().await {
                assert_eq!(event.body().unwrap().location.as_deref(), Some("there"), "{case}");
            }
        }
    }
}

const CHILD: &str = "CALSYNC_TEST_LOOP_14";

/// LOOP-14: the zone of the machine changes between runs. Nothing is written, and nothing is planned.
#[tokio::test(flavor = "multi_thread")]
async fn loop_14_another_zone_of_the_machine_writes_nothing() {
    if let Ok(told) = std::env::var(CHILD) {
        let told: Vec<[String; 4]> = serde_json::from_str(&told).unwrap();
        return run_at(&told).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let accounts = Account::each(BERLIN);
    let owner = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
    let mut series = made("series", "2026-03-23T09:00:00", BERLIN, "FREQ=WEEKLY;COUNT=6");
    change(&mut series, "2026-03-30T09:00:00", BERLIN, "2026-03-30T14:00:00", "moved");
    let mut day = made("day", "2026-03-02T10:00:00", "UTC", "");
    body(&mut day).time =
        calsync_core::model::TimeSpan::all_day("2026-03-29".parse().unwrap(), "2026-03-29".parse().unwrap());
    for event in [series, day, made("one", "2026-03-29T01:30:00", "UTC", "")] {
        owner.world.add(event).await;
    }
    owner.settles("made").await;
    let path = folder.path().join("hub.db").to_str().unwrap().to_owned();
    let told: Vec<[String; 4]> = accounts
        .iter()
        .map(|account| [account.name.to_owned(), account.url(), account.calendars[0].clone(), path.clone()])
        .collect();
    let mut before = None;
    for zone in ["Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kolkata"] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "requests::loop_14_another_zone_of_the_machine_writes_nothing"]);
        child.env(CHILD, serde_json::to_string(&told).unwrap()).env("TZ", zone);
        let ended = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{zone}: {said}");
        let kept: Vec<_> = accounts.iter().map(|account| account.kept(0)).collect();
        assert_eq!(*before.get_or_insert(kept.clone()), kept, "{zone}");
    }
}

/// A run in a process of its own, over the file of the ones before.
async fn run_at(told: &[[String; 4]]) {
    let path = Path::new(&told[0][3]);
    let is_first = !path.exists();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(path, SqliteConfig::default()).await.unwrap());
    let world = World::new(store, 77);
    for round in 0..3 {
        for [kind, url, calendar, _] in told {
            let link = Link::new(kind.as_str(), world.calendar.as_str(), calendar.as_str());
            let provider = provider(kind, url, BERLIN, &world);
            world.clock.advance(TimeDelta::minutes(1));
            let report = world.engine.sync(&link, &*provider, &SyncOptions::default()).await.unwrap();
            let planned = report.plan.operations;
            assert!(is_first && round == 0 || planned.is_empty(), "{kind}: {planned:?}");
        }
    }
    assert_eq!(world.locals().await.len(), 3);
}

/// CON-04 at a real database: while a request gets no answer, somebody else writes to the same file at once.
#[tokio::test(flavor = "multi_thread")]
async fn con_04_a_request_without_an_answer_holds_no_row() {
    for nth in 1..=4 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        let open = async || {
            let store = SqliteStore::open(&path, SqliteConfig::default()).await.unwrap();
            Arc::new(store) as Arc<dyn Store>
        };
        let server = DavServer::start(DavOptions::default()).unwrap();
        server.put("work", "u1.ics", &object("lunch", ""));
        let worker = World::new(open().await, 1);
        let person = World::new(open().await, 2);
        worker.add(made("ours", "2026-03-02T10:00:00", BERLIN, "")).await;
        let dav = provider("caldav", &server.url(), BERLIN, &worker);
        let link = Link::new("dav", "family", format!("{}dav/calendars/user/work/", server.url()));
        server.inject(dav::Fault::hang().nth(nth));
        let options = SyncOptions::default();
        {
            let run = worker.engine.sync(&link, &*dav, &options);
            let mut run = Box::pin(run);
            // Until the request that hangs is on its way.
            while server.pending_faults() > 0 {
                tokio::select! {
                    ended = &mut run => panic!("request {nth}: {:?}", ended.map(|report| report.counts)),
                    () = tokio::task::yield_now() => {}
                }
            }
            for n in 0..5 {
                let title = format!("meanwhile {n}");
                person.add(made(&title, "2026-03-02T10:00:00", BERLIN, "")).await;
            }
            assert!(person.locals().await.len() > 5, "request {nth}");
        }
        server.clear_faults();
        worker.clock.advance(TimeDelta::hours(1));
        for _ in 0..2 {
            worker.engine.sync(&link, &*dav, &options).await.unwrap();
            worker.clock.advance(TimeDelta::hours(1));
        }
        assert_eq!((server.list("work").len(), worker.locals().await.len()), (7, 7), "request {nth}");
    }
}
