//! What is no listing is an error, and never an empty calendar.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod ics_common;

use std::error::Error;
use std::io::Write;

use calsync_core::provider::{ChangeScope, ErrorKind, Provider, Retry};
use calsync_providers::http::{HttpError, HttpErrorKind};
use calsync_providers::ics::{FeedError, Found, IcsConfig, IcsProvider};
use ics_common::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The typed cause of a failed pull of this body.
async fn refusal(body: &[u8]) -> Option<FeedError> {
    let error = pull(&provider(Fake::bodies([body])), None).await.unwrap_err();
    error.source()?.downcast_ref::<FeedError>().copied()
}

#[tokio::test]
async fn del_01_every_status_that_is_no_feed_is_an_error() {
    for (status, kind) in [
        (204, ErrorKind::Protocol),
        (206, ErrorKind::Protocol),
        (304, ErrorKind::Protocol),
        (400, ErrorKind::Protocol),
        (401, ErrorKind::Unauthorized),
        (402, ErrorKind::Protocol),
        (403, ErrorKind::Forbidden),
        (404, ErrorKind::Unavailable),
        (410, ErrorKind::Unavailable),
        (429, ErrorKind::Throttled),
        (451, ErrorKind::Protocol),
        (500, ErrorKind::Unavailable),
        (502, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (504, ErrorKind::Unavailable),
    ] {
        // The body would be a fine feed without events.
        let fake = Fake::new(move |_, _| Ok(answer(status, &[], feed(""))));
        let error = pull(&provider(fake), None).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
    }
}

#[tokio::test]
async fn del_01_no_connection_no_time_no_whole_body_is_an_error() {
    for (http, kind) in [
        (HttpErrorKind::Connect, ErrorKind::Unavailable),
        (HttpErrorKind::Timeout, ErrorKind::Unavailable),
        (HttpErrorKind::Interrupted, ErrorKind::Unavailable),
        (HttpErrorKind::TooLarge, ErrorKind::TooLarge),
        (HttpErrorKind::Redirect, ErrorKind::Protocol),
        (HttpErrorKind::Blocked, ErrorKind::Blocked),
    ] {
        let fake = Fake::new(move |_, _| Err(HttpError::maybe_sent(http, "broken")));
        assert_eq!(pull(&provider(fake), None).await.unwrap_err().kind, kind, "{http:?}");
    }
}

#[tokio::test]
async fn del_01_bad_13_a_body_that_is_no_calendar_says_what_it_is() {
    let not = |found| Some(FeedError::NotCalendar { found });
    for (body, expected) in [
        (&b""[..], Some(FeedError::Empty)),
        (b" \r\n\t\n", Some(FeedError::Empty)),
        (b"\xEF\xBB\xBF", Some(FeedError::Empty)),
        (b"<!DOCTYPE html><html>BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n</html>", not(Found::Markup)),
        (b"\n\n  <?xml version=\"1.0\"?><feed/>", not(Found::Markup)),
        (b"%PDF-1.7\n", not(Found::Pdf)),
        (b"PK\x03\x04rest", not(Found::Zip)),
        (b"{\"error\": \"BEGIN:VCALENDAR\"}", not(Found::Json)),
        (b"[]", not(Found::Json)),
        (b"BEGIN:VCARD\r\nEND:VCARD\r\n", not(Found::OtherComponent)),
        (b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", not(Found::OtherComponent)),
        (b"Service temporarily unavailable", not(Found::Unknown)),
        (b"\0\0\0\0", not(Found::Unknown)),
    ] {
        assert_eq!(refusal(body).await, expected, "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(refusal(&gzip(&gzip(events_feed(3).as_bytes()))).await, not(Found::Gzip));
}

#[tokio::test]
async fn del_01_a_feed_cut_anywhere_is_no_listing() {
    let whole = events_feed(3);
    let end = whole.rfind("END:VCALENDAR").unwrap();
    for at in 0..end + "END:VCALENDA".len() {
        let body = &whole.as_bytes()[..at];
        let cause = refusal(body).await;
        assert!(
            matches!(cause, Some(FeedError::Truncated | FeedError::Empty | FeedError::NotCalendar { .. })),
            "{at}: {cause:?}"
        );
    }
    let zipped = gzip(whole.as_bytes());
    assert_eq!(refusal(&zipped[..zipped.len() - 9]).await, Some(FeedError::Truncated));
    // The last line end is no part of the calendar.
    assert_eq!(page_of(whole.trim_end()).await.1.changes.len(), 3);
}

#[tokio::test]
async fn del_02_a_failed_pull_leaves_the_cursor_good() {
    let fake =
        Fake::new(|_, at| Ok(if at == 1 { answer(403, &[], "") } else { answer(200, &[], events_feed(3)) }));
    let provider = provider(fake);
    let first = pull(&provider, None).await.unwrap();
    assert_eq!((first.scope, first.changes.len()), (ChangeScope::Snapshot, 3));
    pull(&provider, first.cursor.as_ref()).await.unwrap_err();
    let third = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!((third.scope, third.changes.len()), (ChangeScope::Delta, 0));
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let fake = Fake::new(|_, _| Ok(answer(503, &[("retry-after", "120")], "")));
    let error = pull(&provider(fake), None).await.unwrap_err();
    assert_eq!(error.retry, Retry::After(std::time::Duration::from_secs(120)));
}

#[tokio::test]
async fn a_feed_is_gone_when_it_is_not_there_three_times() {
    let statuses = [404, 410, 200, 404, 404, 410, 404];
    let fake = Fake::new(move |_, at| Ok(answer(statuses[at], &[], events_feed(1))));
    let provider = provider(fake);
    let mut kinds = Vec::new();
    for _ in statuses {
        kinds.push(pull(&provider, None).await.map_err(|error| error.kind).err());
    }
    let (wait, gone) = (Some(ErrorKind::Unavailable), Some(ErrorKind::CalendarGone));
    assert_eq!(kinds, [wait.clone(), wait.clone(), None, wait.clone(), wait, gone.clone(), gone]);
}

fn limited(change: impl FnOnce(&mut IcsConfig), body: Vec<u8>) -> IcsProvider {
    let mut config = config(URL);
    change(&mut config);
    IcsProvider::new(config, Fake::bodies([body]), std::sync::Arc::new(FixedClock)).unwrap()
}

#[tokio::test]
async fn attack_6_what_unpacks_to_too_much_is_refused() {
    let bomb = gzip(&vec![b' '; 15_000_000]);
    assert!(bomb.len() < 20_000);
    assert_eq!(refusal(&bomb).await, Some(FeedError::Bomb { limit: 200 }));
    let provider = limited(|config| config.limits.max_bytes = 10_000, gzip(events_feed(1000).as_bytes()));
    let error = pull(&provider, None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    // An honest feed packs well, too.
    let (_, page) = page_of(gzip(events_feed(2000).as_bytes())).await;
    assert_eq!(page.changes.len(), 2000);
}

#[tokio::test]
async fn bad_14_limits_are_errors_of_the_whole_or_of_one_event() {
    let error = pull(&limited(|config| config.limits.max_events = 4, events_feed(5).into()), None).await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::TooLarge);
    assert!(pull(&limited(|config| config.limits.max_events = 5, events_feed(5).into()), None).await.is_ok());

    let big = "x".repeat(2000);
    let text = feed(&format!("{}{}{}", event("a", 1, "A"), event("b", 2, &big), event("c", 3, "C")));
    let provider = limited(|config| config.limits.max_line_bytes = 1000, text.into());
    let page = pull(&provider, None).await.unwrap();
    assert_eq!((page.scope, page.changes.len()), (ChangeScope::Snapshot, 3));
    assert_eq!(titles(&provider, &page), ["A", "C"]);
}

#[tokio::test]
async fn attack_10_nesting_bombs_end_quietly() {
    let bomb = format!("BEGIN:VCALENDAR\r\n{}", "BEGIN:X\r\n".repeat(60_000 / 9));
    assert_eq!(refusal(bomb.as_bytes()).await, Some(FeedError::Truncated));
    let deep = format!("{}{}", "BEGIN:X-DEEP\n".repeat(6000), "END:X-DEEP\n".repeat(6000));
    let text = feed(&format!(
        "{}BEGIN:VEVENT\nUID:deep\nDTSTART:20260101T090000Z\n{deep}END:VEVENT\n{}",
        event("a", 1, "A"),
        event("c", 3, "C")
    ));
    let (provider, page) = page_of(text).await;
    assert_eq!((page.scope, page.changes.len()), (ChangeScope::Snapshot, 3));
    assert_eq!(titles(&provider, &page), ["A", "C"]);
}

#[tokio::test]
async fn attack_6_a_zone_definition_used_by_all_does_not_multiply_without_end() {
    let zone = format!(
        "BEGIN:VTIMEZONE\nTZID:Big\n{}END:VTIMEZONE\n",
        "COMMENT:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n".repeat(2000)
    );
    let one = |at: usize| format!("BEGIN:VEVENT\nUID:u{at}\nDTSTART;TZID=Big:20260101T090000\nEND:VEVENT\n");
    let text = feed(&format!("{zone}{}", (0..3000).map(one).collect::<String>()));
    assert!(text.len() < 1_000_000);
    let cause = refusal(text.as_bytes()).await;
    assert_eq!(cause, Some(FeedError::PayloadsTooLarge { limit: 160_000_000 }));
}

#[tokio::test]
async fn attack_11_much_of_anything_ends_in_time() {
    let zone = |name: &str, filler: usize| {
        format!("BEGIN:VTIMEZONE\nTZID:{name}\nCOMMENT:{}\nEND:VTIMEZONE\n", "x".repeat(filler))
    };
    let one = |at: usize| format!("BEGIN:VEVENT\nUID:u{at}\nDTSTART;TZID=Big:20260101T090000\nEND:VEVENT\n");
    let dates: String = (0..100_000).map(|at| format!("EXDATE;TZID=Z{at}:20260101T090000\n")).collect();
    let start = "UID:a\nDTSTART:20260101T090000Z";
    for (what, text, expected) in [
        ("calendars", "BEGIN:VCALENDAR\nEND:VCALENDAR\n".repeat(60_000), None),
        (
            "uses of a large zone",
            feed(&(zone("Big", 900_000) + &(0..20_000).map(one).collect::<String>())),
            None,
        ),
        ("zones of one event", feed(&format!("BEGIN:VEVENT\n{start}\n{dates}END:VEVENT\n")), Some(1)),
        ("copies of one event", feed(&event("a", 1, "A").repeat(50_000)), Some(1)),
        ("copies without a UID", feed(&event("", 1, "A").repeat(20_000)), Some(20_000)),
        (
            "loose lines",
            feed(&format!("BEGIN:VEVENT\n{start}\n{}END:VEVENT\n", "loose\n".repeat(500_000))),
            Some(1),
        ),
        ("folds", feed(&format!("BEGIN:VEVENT\n{start}\n{}END:VEVENT\n", " x\n".repeat(500_000))), Some(1)),
    ] {
        let provider = provider(Fake::bodies([text]));
        let page = pull(&provider, None).await;
        if let Ok(page) = &page {
            events(&provider, page);
        }
        assert_eq!(page.map(|page| page.changes.len()).ok(), expected, "{what}");
    }
}

#[tokio::test]
async fn errors_and_debug_tell_neither_the_address_nor_the_text() {
    let fake = Fake::bodies(["<html>secret-text</html>"]);
    let provider = provider(fake);
    let error = pull(&provider, None).await.unwrap_err();
    let good = ics_common::provider(Fake::bodies([events_feed(2)]));
    let page = pull(&good, None).await.unwrap();
    let calendars = good.calendars().await.unwrap();
    let shown = format!("{error} {error:?} {provider:?} {page:?} {calendars:?} {:?}", good.calendar());
    for secret in ["secret", "feeds.example.com", "t1", "u1"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    assert!(!good.calendar().as_str().contains("secret"));
}

/// Who can cut a connection can also read what comes after it in the clear.
#[tokio::test]
async fn priv_06_credentials_do_not_fall_back_to_plain_http() {
    use std::sync::Arc;

    use calsync_providers::http::AddressPolicy;
    let with = "ann:pw@";
    for (source, allow, expected) in [
        // Without credentials: as before.
        ("webcal://feeds.example.com/x".to_owned(), true, Ok(vec!["https", "http"])),
        ("http://feeds.example.com/x".to_owned(), false, Ok(vec!["http"])),
        (format!("webcal://{with}feeds.example.com/x"), true, Ok(vec!["https"])),
        (format!("feed://{with}feeds.example.com/x"), true, Ok(vec!["https"])),
        (format!("webcal://{with}192.168.1.5/x"), true, Ok(vec!["https"])),
        (format!("webcal://{with}127.0.0.1/x"), true, Ok(vec!["https", "http"])),
        (format!("webcal://{with}localhost/x"), true, Ok(vec!["https", "http"])),
        (format!("http://{with}[::1]/x"), false, Ok(vec!["http"])),
        (format!("http://{with}feeds.example.com/x"), false, Err(ErrorKind::Blocked)),
        (format!("http://{with}feeds.example.com/x"), true, Ok(vec!["http"])),
        (format!("http://{with}localhost.example.com/x"), false, Err(ErrorKind::Blocked)),
    ] {
        let fake = Fake::new(|request, _| match request.url.scheme() {
            "https" => Err(HttpError::not_sent(HttpErrorKind::Connect, "refused")),
            _ => Ok(answer(200, &[], events_feed(1))),
        });
        let config =
            IcsConfig { allow_plain_http: allow, addresses: AddressPolicy::AllowPrivate, ..config(&source) };
        let asked = match IcsProvider::new(config, fake.clone(), Arc::new(FixedClock)) {
            Ok(provider) => {
                let _ = provider.calendars().await;
                Ok(fake.seen.lock().unwrap().iter().map(|request| request.url.scheme().to_owned()).collect())
            }
            Err(error) => Err(error.kind),
        };
        assert_eq!(
            asked,
            expected.map(|schemes| schemes.into_iter().map(str::to_owned).collect::<Vec<_>>()),
            "{source}"
        );
        for request in fake.seen.lock().unwrap().iter() {
            assert_eq!(request.headers.contains_key("authorization"), source.contains(with), "{source}");
        }
    }
}
