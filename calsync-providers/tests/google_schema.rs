//! Everything the provider does, through a checker that has Google's own schema and was not written here (Prism): requests
//! and answers, no violation.
//!
//! `cargo xtask test --only google-server` starts the emulator and the checker, and names them in `CALSYNC_TEST_GOOGLE` and
//! `CALSYNC_TEST_GOOGLE_SCHEMA`. Without them there is nothing to test.

#![cfg(feature = "google")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod google_support;

use std::{sync::Arc, time::Duration};

use calsync_core::{
    model::{Alarm, EventBody, EventTime, Override, RecurrenceId, TimeSpan},
    provider::{ItemChange, Provider, WatchRequest},
    zone::Zone,
};
use calsync_providers::{
    google::{GoogleConfig, UpdateMethod},
    http::{AddressPolicy, HttpRequest, HttpTransport, ReqwestOptions, ReqwestTransport, Secret},
};
use calsync_testkit::provider_conformance::Sample;
use chrono::NaiveDate;
use google_support::*;
use http::Method;
use serde_json::Value;
use url::Url;

async fn ask(method: Method, url: &str, body: &str) -> Value {
    let mut request = HttpRequest::new(method, Url::parse(url).unwrap());
    request.headers.insert("authorization", "Bearer secret".parse().unwrap());
    request.headers.insert("content-type", "application/json".parse().unwrap());
    request.addresses = AddressPolicy::AllowPrivate;
    request.body = body.as_bytes().to_vec();
    let answer = ReqwestTransport::new(&ReqwestOptions::default()).unwrap().send(request).await.unwrap();
    serde_json::from_slice(&answer.body).unwrap()
}

/// How many exchanges were checked, and what was wrong.
async fn seen(checker: &str) -> (u64, Vec<String>) {
    let seen = ask(Method::GET, &format!("{checker}violations"), "").await;
    let violations = seen["violations"].as_array().unwrap().iter().map(ToString::to_string).collect();
    (seen["checked"].as_u64().unwrap(), violations)
}

#[tokio::test]
async fn nothing_is_sent_or_answered_that_googles_schema_has_not() {
    let (Ok(emulator), Ok(checker)) =
        (std::env::var("CALSYNC_TEST_GOOGLE"), std::env::var("CALSYNC_TEST_GOOGLE_SCHEMA"))
    else {
        return;
    };
    for update in [UpdateMethod::Cheapest, UpdateMethod::Patch] {
        let tokens = Arc::new(Secret::from("secret"));
        let mut config = GoogleConfig::new(tokens).at(checker.clone(), AddressPolicy::AllowPrivate);
        (config.page_max, config.batch_max, config.update) = (3, 1, update);
        let provider = with(config);
        provider.calendars().await.unwrap();
        let first = pull(&provider, None).await.unwrap();
        let mut ids = Vec::new();
        for (number, sample) in
            [Sample::Single(0), Sample::Single(1), Sample::AllDay, Sample::Zoned, Sample::Series]
                .iter()
                .enumerate()
        {
            let mut event = sample.event();
            event.uid = format!("{}-{update:?}", event.uid);
            ids.push(create(&provider, &event, &format!("{update:?}{number}")).await);
        }
        edit(&provider, &ids[0], |event| {
            let body = event.master.as_mut().unwrap();
            (body.title, body.description) = (Some("other".into()), Some("text".into()));
            body.alarms.push(Alarm::display_before(900));
        })
        .await;
        // What is taken away is written as a null.
        edit(&provider, &ids[0], |event| {
            let body = event.master.as_mut().unwrap();
            (body.location, body.description) = (None, None);
        })
        .await;
        edit(&provider, &ids[4], |event| {
            let at = |hour| {
                let local = NaiveDate::from_ymd_opt(2026, 2, 2).unwrap().and_hms_opt(hour, 0, 0).unwrap();
                EventTime::zoned(local, Zone::from_iana("Europe/Berlin").unwrap())
            };
            let body = EventBody {
                title: Some("late".into()),
                ..EventBody::new(TimeSpan { start: at(20), end: at(21) })
            };
            let changed = Override::Changed { body: Box::new(body), scope: Default::default() };
            event.overrides.insert(RecurrenceId::of(&at(10)), changed);
            let monday = NaiveDate::from_ymd_opt(2026, 2, 9).unwrap().and_hms_opt(9, 0, 0).unwrap().and_utc();
            event.overrides.insert(RecurrenceId::Instant(monday), Override::Excluded);
        })
        .await;
        let changed = pull(&provider, first.cursor.clone()).await.unwrap().changes;
        assert_eq!(changed.iter().filter(|change| change.change != ItemChange::Removed).count(), 5);
        pull(&provider, None).await.unwrap();
        let request = WatchRequest {
            id: "w1",
            address: "https://example.com/hook",
            secret: "shh",
            lifetime: Duration::from_secs(86_400),
        };
        let watch = provider.watch(&primary(), request).await.unwrap();
        provider.unwatch(&watch).await.unwrap();
        let window = "2026-01-01T00:00:00Z".parse().unwrap().."2026-02-01T00:00:00Z".parse().unwrap();
        provider.free_busy(&[primary()], window).await.unwrap();
        for id in &ids {
            let (version, _, _) = item(&provider, id).await;
            provider.delete(&primary(), id, &version).await.unwrap();
        }
        let gone = pull(&provider, first.cursor).await.unwrap();
        assert!(gone.changes.iter().all(|change| change.change == ItemChange::Removed));
    }
    let (checked, violations) = seen(&checker).await;
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(checked > 80, "only {checked} exchanges were checked");

    // The checker checks: a member that Google does not have is found in either direction.
    let typo = r#"{"summry": "x", "start": {"date": "2026-03-01"}, "end": {"date": "2026-03-02"}}"#;
    let events = "calendar/v3/calendars/primary/events";
    ask(Method::POST, &format!("{checker}{events}"), typo).await;
    assert_eq!(seen(&checker).await.1.len(), 1);
    ask(Method::POST, &format!("{emulator}{events}"), typo).await;
    ask(Method::GET, &format!("{checker}{events}"), "").await;
    assert_eq!(seen(&checker).await.1.len(), 2);
}
