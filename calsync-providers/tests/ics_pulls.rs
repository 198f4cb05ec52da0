//! One pull after another: conditions, quiet, drops, moves, feeds that invent UIDs.

mod ics_common;

use std::sync::Arc;
use std::time::Duration;

use calsync_core::context::Clock;
use calsync_core::provider::{ChangePage, ChangeScope, Covered, Cursor, ErrorKind, Provider, PullMode};
use calsync_providers::ics::{IcsConfig, IcsProvider, UidCheck};
use ics_common::*;

fn counts(page: &ChangePage) -> (ChangeScope, usize) {
    (page.scope, page.changes.len())
}

const QUIET: (ChangeScope, usize) = (ChangeScope::Delta, 0);

#[tokio::test]
async fn both_validators_are_sent_back_and_304_is_quiet() {
    let fake = Fake::new(|request, _| {
        let known = request.headers.get("if-none-match").is_some_and(|tag| tag == "W/\"0123\"");
        let headers = [("etag", "W/\"0123\""), ("last-modified", "Sat, 21 Nov 2026 10:00:00 GMT")];
        Ok(if known { answer(304, &[], "") } else { answer(200, &headers, events_feed(3)) })
    });
    let provider = provider(fake.clone());
    let first = pull(&provider, None).await.unwrap();
    assert_eq!(counts(&first), (ChangeScope::Snapshot, 3));
    assert_eq!(fake.header(0, "if-none-match"), None);
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(counts(&second), QUIET);
    assert_eq!(fake.header(1, "if-modified-since").as_deref(), Some("Sat, 21 Nov 2026 10:00:00 GMT"));
    assert_eq!(second.cursor, first.cursor);
    // The audit asks without conditions and gets everything.
    let audit = pull_mode(&provider, second.cursor.as_ref(), PullMode::Snapshot).await.unwrap();
    assert_eq!(counts(&audit), (ChangeScope::Snapshot, 3));
    assert_eq!((fake.header(2, "if-none-match"), provider.requests()), (None, 3));
}

#[tokio::test]
async fn a_server_that_says_304_for_ever_is_believed_for_a_day() {
    let fake = Fake::new(|request, at| {
        let is_conditional = request.headers.contains_key("if-none-match");
        let body = events_feed(3 + at);
        Ok(if is_conditional { answer(304, &[], "") } else { answer(200, &[("etag", "\"1\"")], body) })
    });
    let start = FixedClock.now();
    let clock = Arc::new(SetClock(std::sync::Mutex::new(start)));
    let provider = IcsProvider::new(config(URL), fake, clock.clone()).unwrap();
    let mut cursor = pull(&provider, None).await.unwrap().cursor;
    for (hours, expected) in [
        (1, QUIET),
        (23, QUIET),
        (24, (ChangeScope::Snapshot, 6)),
        (47, QUIET),
        (-5, (ChangeScope::Snapshot, 8)),
    ] {
        *clock.0.lock().unwrap() = start + chrono::TimeDelta::hours(hours);
        let page = pull(&provider, cursor.as_ref()).await.unwrap();
        assert_eq!(counts(&page), expected, "{hours}");
        cursor = page.cursor;
    }
}

#[tokio::test]
async fn how_far_ahead_a_feed_is_published_counts_from_each_answer() {
    let fake = Fake::new(|request, _| {
        let is_conditional = request.headers.contains_key("if-none-match");
        Ok(if is_conditional {
            answer(304, &[], "")
        } else {
            answer(200, &[("etag", "\"1\"")], events_feed(3))
        })
    });
    let start = FixedClock.now();
    let clock = Arc::new(SetClock(std::sync::Mutex::new(start)));
    assert_eq!(pull(&provider(fake.clone()), None).await.unwrap().covered, Covered::ALL);
    let published = IcsConfig { ahead_days: Some(180), ..config(URL) };
    let provider = IcsProvider::new(published, fake, clock.clone()).unwrap();
    let first = pull(&provider, None).await.unwrap();
    assert_eq!(first.covered, Covered { from: None, until: Some(start + chrono::TimeDelta::days(180)) });
    let later = start + chrono::TimeDelta::hours(5);
    *clock.0.lock().unwrap() = later;
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(second.covered.until, Some(later + chrono::TimeDelta::days(180)));
}

#[tokio::test]
async fn tok_11_new_stamps_on_ten_thousand_equal_events_are_quiet() {
    let feed_at = |hour: usize| {
        events_feed(10_000).replace(
            "DTSTAMP:20260101T000000Z",
            &format!(
                "DTSTAMP:20260101T{hour:02}0000Z\r\nSEQUENCE:{hour}\r\nCREATED:20260101T{hour:02}0000Z\r\n\
                 LAST-MODIFIED:2026\r\n 0101T{hour:02}0000Z"
            ),
        )
    };
    let provider = provider(Fake::bodies([feed_at(1), feed_at(2), feed_at(3)]));
    let first = pull(&provider, None).await.unwrap();
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(counts(&second), QUIET);
    let audit = pull_mode(&provider, second.cursor.as_ref(), PullMode::Snapshot).await.unwrap();
    assert_eq!(listing(&audit), listing(&first));
}

#[tokio::test]
async fn a_version_changes_with_the_content_and_only_that_of_the_item() {
    let zone = |offset: &str| {
        format!(
            "BEGIN:VTIMEZONE\nTZID:House\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:{offset}\n\
             TZOFFSETTO:{offset}\nEND:STANDARD\nEND:VTIMEZONE\n"
        )
    };
    let base = |offset: &str| {
        format!(
            "{}BEGIN:VEVENT\nUID:a\nDTSTART;TZID=House:20260101T090000\nSUMMARY:A\nEND:VEVENT\n{}",
            zone(offset),
            event("b", 2, "B")
        )
    };
    let old = listing(&page_of(feed(&base("+0900"))).await.1);
    for (what, text, changed) in [
        ("title", base("+0900").replace("SUMMARY:B", "SUMMARY:Bee"), [false, true]),
        ("zone definition", base("+0800"), [true, false]),
        ("zone of the calendar", format!("X-WR-TIMEZONE:Europe/Berlin\n{}", base("+0900")), [true, true]),
        ("method", format!("METHOD:CANCEL\n{}", base("+0900")), [true, true]),
        ("program", base("+0900").replace("UID:b", "X-NEW:1\nUID:b"), [false, true]),
        ("place", format!("{}{}", event("b", 2, "B"), base("+0900")), [false, false]),
    ] {
        let new = listing(&page_of(feed(&text)).await.1);
        for (at, changed) in changed.into_iter().enumerate() {
            let version = &new.iter().find(|(id, _)| *id == old[at].0).unwrap().1;
            assert_eq!(*version != old[at].1, changed, "{what} {at}");
        }
    }
}

#[tokio::test]
async fn a_feed_that_lost_most_of_its_items_is_believed_at_the_next_fetch() {
    let whole = ChangeScope::Snapshot;
    for (sizes, expected) in [
        (&[1, 0, 0, 0][..], &[(whole, 1), QUIET, (whole, 0), QUIET][..]),
        // It comes back: nothing was lost.
        (&[1, 0, 1, 1], &[(whole, 1), QUIET, QUIET, QUIET]),
        (&[2, 0, 0, 0], &[(whole, 2), QUIET, (whole, 0), QUIET]),
        (&[2, 1], &[(whole, 2), (whole, 1)]),
        (&[12, 1, 1], &[(whole, 12), QUIET, (whole, 1)]),
        (&[12, 2], &[(whole, 12), (whole, 2)]),
        (&[30, 18], &[(whole, 30), (whole, 18)]),
        (&[1000, 200, 1000, 200, 200], &[(whole, 1000), QUIET, QUIET, QUIET, (whole, 200)]),
        // Not a second time in a row: a feed of which nothing stays is a feed, too.
        (&[100, 40, 5, 5], &[(whole, 100), QUIET, (whole, 5), QUIET]),
    ] {
        let provider = provider(Fake::bodies(sizes.iter().map(|size| events_feed(*size))));
        let mut cursor: Option<Cursor> = None;
        for (at, expected) in expected.iter().enumerate() {
            let page = pull(&provider, cursor.as_ref()).await.unwrap();
            assert_eq!(counts(&page), *expected, "{sizes:?} {at}");
            cursor = page.cursor;
        }
    }
}

#[tokio::test]
async fn a_drop_is_looked_at_again_without_conditions() {
    let fake = Fake::new(|request, at| {
        let headers = [("etag", if at == 0 { "\"1\"" } else { "\"2\"" })];
        let is_known = request.headers.get("if-none-match").is_some_and(|tag| tag == "\"2\"");
        let body = events_feed(usize::from(at == 0));
        Ok(if is_known { answer(304, &[], "") } else { answer(200, &headers, body) })
    });
    let provider = provider(fake);
    let first = pull(&provider, None).await.unwrap();
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    let third = pull(&provider, second.cursor.as_ref()).await.unwrap();
    let fourth = pull(&provider, third.cursor.as_ref()).await.unwrap();
    assert_eq!(
        [counts(&second), counts(&third), counts(&fourth)],
        [QUIET, (ChangeScope::Snapshot, 0), QUIET]
    );
}

#[tokio::test]
async fn a_feed_of_other_events_is_believed_at_the_next_fetch() {
    let other = feed(&(0..40).map(|n| event(&format!("other-{n}"), n, "other")).collect::<String>());
    for size in [1, 2, 12, 200] {
        let whole = events_feed(size);
        let provider = provider(Fake::bodies([&whole, &other, &whole, &other, &other, &other]));
        let mut cursor: Option<Cursor> = None;
        let full = |items| (ChangeScope::Snapshot, items);
        for expected in [full(size), QUIET, QUIET, QUIET, full(40), QUIET] {
            let page = pull(&provider, cursor.as_ref()).await.unwrap();
            assert_eq!(counts(&page), expected, "{size}");
            cursor = page.cursor;
        }
    }
}

#[tokio::test]
async fn everything_is_listed_when_everything_is_asked_for() {
    let provider = provider(Fake::bodies([events_feed(20), events_feed(0)]));
    let first = pull(&provider, None).await.unwrap();
    let second = pull_mode(&provider, first.cursor.as_ref(), PullMode::Snapshot).await.unwrap();
    assert_eq!(counts(&second), (ChangeScope::Snapshot, 0));
}

/// The n-th fetch of a feed that invents UIDs and ETags.
fn unstable(at: usize, titles: &[&str]) -> String {
    feed(
        &titles
            .iter()
            .enumerate()
            .map(|(n, title)| event(&format!("{at}-{n}"), n, title))
            .collect::<String>(),
    )
}

fn unstable_fake(titles: &'static [&'static str]) -> Arc<Fake> {
    Fake::new(|_, at| Ok(answer(200, &[("etag", &format!("\"{at}\""))], unstable(at, titles))))
}

#[tokio::test]
async fn loop_08_new_uids_at_every_fetch_are_quiet_from_the_first_pull_on() {
    let fake = unstable_fake(&["A", "B", "C", "C"]);
    let provider = IcsProvider::new(IcsConfig::new(URL), fake, Arc::new(FixedClock)).unwrap();
    let first = pull(&provider, None).await.unwrap();
    assert_eq!((counts(&first), provider.requests()), ((ChangeScope::Snapshot, 4), 3));
    let mut cursor = first.cursor.clone();
    for _ in 0..3 {
        let page = pull(&provider, cursor.as_ref()).await.unwrap();
        assert_eq!(counts(&page), QUIET);
        cursor = page.cursor;
    }
    let audit = pull_mode(&provider, cursor.as_ref(), PullMode::Snapshot).await.unwrap();
    assert_eq!(listing(&audit), listing(&first));
    // The UIDs that are handed on stay, too.
    let uids = |page: &ChangePage| -> Vec<String> {
        events(&provider, page).into_iter().map(|event| event.uid).collect()
    };
    assert_eq!(uids(&audit), uids(&first));
    let ids: Vec<_> = first.changes.iter().map(|change| change.id.clone()).collect();
    let again = provider.fetch(provider.calendar(), &ids).await.unwrap();
    assert!(again.iter().all(|one| matches!(one, calsync_core::provider::Fetched::Found { .. })));
}

#[tokio::test]
async fn loop_08_across_pulls_names_change_once() {
    // A content counts that comes under another UID: three times in all, and on two fetches.
    for (titles, quiet) in [(&["A", "B", "C"][..], 1), (&["A", "B"], 1), (&["A"], 2)] {
        let provider = provider(unstable_fake(titles));
        let first = pull(&provider, None).await.unwrap();
        let mut cursor = first.cursor.clone();
        for _ in 0..quiet {
            let page = pull(&provider, cursor.as_ref()).await.unwrap();
            assert_eq!(counts(&page), QUIET, "{titles:?}");
            cursor = page.cursor;
        }
        let renamed = pull(&provider, cursor.as_ref()).await.unwrap();
        assert_eq!(counts(&renamed), (ChangeScope::Snapshot, titles.len()));
        assert_ne!(listing(&first), listing(&renamed));
        let last = pull(&provider, renamed.cursor.as_ref()).await.unwrap();
        assert_eq!(counts(&last), QUIET);
    }
}

#[tokio::test]
async fn one_event_replaced_by_an_equal_one_changes_no_names() {
    let one = |uid: &str| feed(&event(uid, 1, "A"));
    // Both a first pull that sees it and a later one.
    for check in [UidCheck::FetchTwice, UidCheck::AcrossPulls] {
        let bodies = [one("a"), one("b"), one("b"), one("b").replace("SUMMARY:A", "SUMMARY:AA")];
        let provider = IcsProvider::new(
            IcsConfig { uid_check: check, ..config(URL) },
            Fake::bodies(bodies),
            Arc::new(FixedClock),
        )
        .unwrap();
        let mut cursor = None;
        let mut names = Vec::new();
        for _ in 0..4 {
            let page = pull(&provider, cursor.as_ref()).await.unwrap();
            names.extend(page.changes.iter().map(|change| change.id.clone()));
            cursor = page.cursor;
        }
        let expected = page_of(one("b")).await.1.changes[0].id.clone();
        assert_eq!(names.last(), Some(&expected), "{check:?}");
    }
}

#[tokio::test]
async fn new_uids_for_all_events_once_are_taken_over_at_the_second_look() {
    let bodies = [unstable(1, &["A", "B", "C"]), unstable(2, &["A", "B", "C"])];
    let provider = provider(Fake::bodies(bodies));
    let first = pull(&provider, None).await.unwrap();
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(counts(&second), QUIET);
    let third = pull(&provider, second.cursor.as_ref()).await.unwrap();
    assert_eq!(counts(&third), (ChangeScope::Snapshot, 3));
    let (_, expected) = page_of(unstable(2, &["A", "B", "C"])).await;
    assert_eq!(listing(&third), listing(&expected));
}

/// A server that makes its feed anew once a day is asked every six hours; then it gets a better program.
#[tokio::test]
async fn uids_count_again_when_they_have_stayed_for_five_weeks() {
    let start = FixedClock.now();
    let clock = Arc::new(SetClock(std::sync::Mutex::new(start)));
    let titles = ["A", "B", "C", "D"];
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let at = calls.clone();
    let fake = Fake::new(move |_, _| {
        let day = at.load(std::sync::atomic::Ordering::Relaxed) / 4;
        // Something is always new in it.
        let body = unstable(day.min(10), &titles).replace("PRODID:-//x", &format!("PRODID:-//{day}"));
        Ok(answer(200, &[], body + &"\r\n".repeat(day)))
    });
    let provider = IcsProvider::new(config(URL), fake, clock.clone()).unwrap();
    let mut cursor = None;
    let mut listed = Vec::new();
    for run in 0..4 * 60 {
        calls.store(run, std::sync::atomic::Ordering::Relaxed);
        *clock.0.lock().unwrap() = start + chrono::TimeDelta::hours(6) * i32::try_from(run).unwrap();
        let page = pull(&provider, cursor.as_ref()).await.unwrap();
        if !page.changes.is_empty() {
            listed.push((run / 4, listing(&page)));
        }
        cursor = page.cursor;
    }
    let days: Vec<usize> = listed.iter().map(|(day, _)| *day).collect();
    // By UID, by content, and by UID again.
    assert_eq!(days, [0, 1, 2, 45]);
    let (_, expected) = page_of(unstable(10, &titles)).await;
    assert_eq!(listed.last().unwrap().1, listing(&expected));
}

#[tokio::test]
async fn uids_that_stay_are_never_taken_for_invented_ones() {
    let before = feed(&format!("{}{}", event("a", 1, "A"), event("b", 2, "B")));
    // One event was replaced by an equal one, the other stays; then both change.
    let after = before.replace("UID:b", "UID:c");
    let last = before.replace("SUMMARY:A", "SUMMARY:AA").replace("SUMMARY:B", "SUMMARY:BB");
    let provider = provider(Fake::bodies([&before, &after, &last]));
    let first = pull(&provider, None).await.unwrap();
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(first.changes[0].id, second.changes[0].id);
    let third = pull(&provider, second.cursor.as_ref()).await.unwrap();
    let ids = |page: &ChangePage| -> Vec<_> { page.changes.iter().map(|change| change.id.clone()).collect() };
    assert_eq!(ids(&third), ids(&first));
}

#[tokio::test]
async fn the_second_look_is_conditional_and_may_fail() {
    for second in [304, 500, 404] {
        let fake = Fake::new(move |_, at| {
            Ok(if at == 1 {
                answer(second, &[], "")
            } else {
                answer(200, &[("etag", "\"1\"")], events_feed(3))
            })
        });
        let provider = IcsProvider::new(IcsConfig::new(URL), fake.clone(), Arc::new(FixedClock)).unwrap();
        let page = pull(&provider, None).await.unwrap();
        assert_eq!(counts(&page), (ChangeScope::Snapshot, 3), "{second}");
        assert_eq!(fake.header(1, "if-none-match").as_deref(), Some("\"1\""));
    }
}

#[tokio::test]
async fn a_permanent_move_is_kept_in_the_cursor() {
    for (status, urls) in [
        (301, vec!["/old", "/new", "/new"]),
        (308, vec!["/old", "/new", "/new"]),
        (302, vec!["/old", "/new", "/old", "/new"]),
        (307, vec!["/old", "/new", "/old", "/new"]),
    ] {
        let fake = Fake::new(move |request, _| {
            let location = [("location", "https://other.example.org/new")];
            Ok(match request.url.path() {
                "/old" => answer(status, &location, ""),
                _ => answer(200, &[], events_feed(2)),
            })
        });
        let config = config("https://feeds.example.com/old");
        let provider = IcsProvider::new(config, fake.clone(), Arc::new(FixedClock)).unwrap();
        let first = pull(&provider, None).await.unwrap();
        assert_eq!(counts(&pull(&provider, first.cursor.as_ref()).await.unwrap()), QUIET);
        let seen: Vec<_> =
            fake.seen.lock().unwrap().iter().map(|request| request.url.path().to_owned()).collect();
        assert_eq!(seen, urls, "{status}");
    }
}

#[tokio::test]
async fn where_it_moved_to_is_left_when_nothing_is_there_any_more() {
    let fake = Fake::new(|request, at| {
        Ok(match (request.url.path(), at) {
            ("/old", 0) => answer(301, &[("location", "/new")], ""),
            ("/new", 1) => answer(200, &[("etag", "\"new\"")], events_feed(2)),
            ("/new", _) => answer(404, &[], ""),
            _ => answer(200, &[("etag", "\"old\"")], events_feed(3)),
        })
    });
    let provider =
        IcsProvider::new(config("https://a.example.com/old"), fake.clone(), Arc::new(FixedClock)).unwrap();
    let first = pull(&provider, None).await.unwrap();
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(counts(&second), (ChangeScope::Snapshot, 3));
    assert_eq!(fake.header(2, "if-none-match").as_deref(), Some("\"new\""));
    assert_eq!(fake.header(3, "if-none-match"), None);
    pull(&provider, second.cursor.as_ref()).await.unwrap();
    assert_eq!(fake.header(4, "if-none-match").as_deref(), Some("\"old\""));
    assert!(fake.urls()[4].ends_with("/old"));
}

#[tokio::test]
async fn attack_38_a_cursor_is_good_for_its_own_feed_only() {
    let (provider, page) = page_of(events_feed(2)).await;
    let cursor = page.cursor.unwrap();
    let other = IcsProvider::new(
        config("https://feeds.example.com/other.ics"),
        Fake::bodies([events_feed(2)]),
        Arc::new(FixedClock),
    )
    .unwrap();
    assert_ne!(other.calendar(), provider.calendar());
    for bad in [cursor.clone(), Cursor(String::new()), Cursor("{}".into()), Cursor("sync-token-1".into())] {
        let error = pull(&other, Some(&bad)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::CursorInvalid);
    }
    let request = calsync_core::provider::ChangesRequest::default();
    assert_eq!(other.changes(provider.calendar(), request).await.unwrap_err().kind, ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_header_cannot_be_made_of_a_cursor_that_was_tampered_with() {
    let fake = Fake::new(|_, _| Ok(answer(200, &[("etag", "\"tag\"")], events_feed(1))));
    let provider = provider(fake);
    let cursor = pull(&provider, None).await.unwrap().cursor.unwrap();
    let bad = Cursor(cursor.0.replace("\\\"tag\\\"", "x\\r\\nAuthorization: y"));
    assert_ne!(bad, cursor);
    assert_eq!(pull(&provider, Some(&bad)).await.unwrap_err().kind, ErrorKind::InvalidInput);
}

#[tokio::test]
async fn how_long_a_feed_asks_to_be_left_alone() {
    for (lines, cache, seconds) in [
        ("", None, 900),
        ("REFRESH-INTERVAL;VALUE=DURATION:PT1H\n", None, 3600),
        ("X-PUBLISHED-TTL:PT2H\n", None, 7200),
        ("X-PUBLISHED-TTL:PT2H\nREFRESH-INTERVAL:PT1H\n", Some("max-age=60"), 3600),
        ("X-PUBLISHED-TTL:PT1M\n", None, 900),
        ("", Some("public, max-age=5400"), 5400),
        ("REFRESH-INTERVAL:P99999999W\n", None, 604_800),
        ("REFRESH-INTERVAL:soon\n", Some("no-cache"), 900),
    ] {
        let fake = Fake::new(move |_, _| {
            let headers: Vec<_> = cache.iter().map(|cache| ("cache-control", *cache)).collect();
            Ok(answer(200, &headers, feed(lines)))
        });
        let provider = provider(fake);
        let page = pull(&provider, None).await.unwrap();
        let after = provider.refresh_after(page.cursor.as_ref());
        assert_eq!(after, Duration::from_secs(seconds), "{lines} {cache:?}");
    }
}

#[tokio::test]
async fn the_calendar_has_the_name_of_the_feed() {
    for (lines, name, color) in [
        ("NAME:Match\\, days\nX-WR-CALNAME:other\n", "Match, days", None),
        ("X-WR-CALNAME:Holidays\nX-APPLE-CALENDAR-COLOR:#FF0000\n", "Holidays", Some("#FF0000")),
        ("", "feeds.example.com", None),
    ] {
        let provider = provider(Fake::bodies([feed(lines)]));
        let calendars = provider.calendars().await.unwrap();
        assert_eq!(calendars.len(), 1);
        assert!(calendars[0].read_only && calendars[0].id == *provider.calendar());
        assert_eq!((calendars[0].name.as_str(), calendars[0].color.as_deref()), (name, color));
    }
    let page = provider(Fake::bodies(["<html>"])).calendars().await;
    assert_eq!(page.unwrap_err().kind, ErrorKind::Protocol);
}

#[tokio::test]
async fn what_is_not_claimed_is_unsupported() {
    let (provider, page) = page_of(events_feed(1)).await;
    let capabilities = provider.capabilities();
    assert!(!capabilities.write && capabilities.pull_with_payload);
    assert!(capabilities.pull_window_slides);
    let (calendar, id, payload) = (provider.calendar(), &page.changes[0].id, payload(&page.changes[0]));
    let version = "1".into();
    let kinds = [
        provider.create(calendar, id, payload).await.unwrap_err().kind,
        provider.update(calendar, id, &version, payload).await.unwrap_err().kind,
        provider.delete(calendar, id, &version).await.unwrap_err().kind,
    ];
    assert_eq!(kinds, [ErrorKind::Unsupported, ErrorKind::Unsupported, ErrorKind::Unsupported]);
}
