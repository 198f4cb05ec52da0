//! Parts of Google's batches that are refused for the token, and what the emulator makes of faults in a batch.

#![cfg(feature = "google")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod google_support;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::{
    model::{Event, EventBody, EventTime, RemoteId, TimeSpan},
    provider::{ErrorKind, Fetched, Provider, ProviderError, Retry, Written},
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, Secret, TokenSource},
};
use calsync_testkit::{
    dav::Fault,
    google::{GoogleQuirks, GoogleServer},
};
use chrono::{TimeDelta, TimeZone, Utc};
use futures_util::future::join_all;
use google_support::{primary, render, start, with};

/// One token after the other; the last one stays.
struct Tokens(Mutex<Vec<&'static str>>);

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> Result<Secret, ProviderError> {
        Ok(Secret::from(self.0.lock().unwrap()[0]))
    }

    async fn rejected(&self, _: &Secret) -> Result<(), ProviderError> {
        let mut tokens = self.0.lock().unwrap();
        if tokens.len() > 1 {
            tokens.remove(0);
        }
        Ok(())
    }
}

fn provider(server: &GoogleServer, tokens: &[&'static str]) -> GoogleProvider {
    let tokens = Arc::new(Tokens(Mutex::new(tokens.to_vec())));
    with(GoogleConfig::new(tokens).at(server.url(), AddressPolicy::AllowPrivate))
}

fn refusing() -> GoogleServer {
    start(GoogleQuirks { batch_refuses_parts: true, ..GoogleQuirks::default() })
}

async fn create(provider: &GoogleProvider, n: usize) -> Result<Written, ProviderError> {
    let starts = Utc.with_ymd_and_hms(2026, 3, 2, 9, 0, 0).unwrap();
    let time = TimeSpan { start: EventTime::Utc(starts), end: EventTime::Utc(starts + TimeDelta::hours(1)) };
    let event = Event::single(format!("u{n}"), EventBody::new(time));
    let id = provider.propose_id(&primary(), &event, &format!("fresh{n}")).unwrap();
    provider.create(&primary(), &id, &render(provider, &event, None).payload).await
}

async fn creations(provider: &GoogleProvider, count: usize) -> Vec<Result<Written, ProviderError>> {
    join_all((0..count).map(|n| create(provider, n))).await
}

fn sent(server: &GoogleServer) -> usize {
    server.requests().len()
}

#[tokio::test]
async fn auth_parts_refused_for_their_token_are_sent_again_with_a_fresh_one() {
    for count in [2, 5, 50] {
        let server = refusing();
        let writer = provider(&server, &["old", "secret"]);
        let written = creations(&writer, count).await;
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        // The batch; the first of it, which renews the token, and again; the others.
        assert_eq!((sent(&server), server.events("primary").len()), (4, count));
        let ids: Vec<RemoteId> = written.into_iter().map(|written| written.unwrap().id).collect();

        // The same for what is read.
        let reader = provider(&server, &["old", "secret"]);
        let found = reader.fetch(&primary(), &ids).await.unwrap();
        assert!(found.iter().all(|found| matches!(found, Fetched::Found { .. })), "{found:?}");
    }
}

#[tokio::test]
async fn auth_one_part_refused_spoils_no_other_of_its_batch() {
    let server = start(GoogleQuirks::default());
    // After the batch itself: the second of its parts.
    server.inject(Fault::status(401).nth(3));
    let written = creations(&provider(&server, &["secret"]), 3).await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    assert_eq!((sent(&server), server.events("primary").len()), (2, 3));
}

#[tokio::test]
async fn auth_a_token_refused_twice_is_a_matter_for_a_person_and_nothing_is_open() {
    let server = refusing();
    let refused = creations(&provider(&server, &["old", "older"]), 4).await;
    for error in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind.clone(), error.retry), (ErrorKind::Unauthorized, Retry::Never));
        assert!(!error.is_ambiguous());
    }
    // The batch, and the first of it with both tokens: nobody asks for the others.
    assert_eq!((sent(&server), server.events("primary").len()), (3, 0));
}

/// The token is not renewed while the service is busy: nobody is asked to sign in for that.
#[tokio::test]
async fn auth_a_service_that_is_busy_then_refuses_nobody() {
    let server = refusing();
    server.inject(Fault::status(503).on_path("/events").nth(1));
    let provider = provider(&server, &["old", "secret"]);
    let busy = creations(&provider, 3).await;
    assert!(busy.iter().all(|written| {
        written.as_ref().is_err_and(|error| error.kind == ErrorKind::Unavailable && !error.is_ambiguous())
    }));
    assert!(creations(&provider, 3).await.iter().all(Result::is_ok));
    assert_eq!(server.events("primary").len(), 3);
}

/// A part whose connection would be closed has no answer in the batch, and took effect or not as it is said.
#[tokio::test]
async fn a_fault_that_answers_nothing_catches_a_part_too() {
    for (fault, there) in [(Fault::drop_before(), 2), (Fault::hang(), 2), (Fault::drop_after(), 3)] {
        let server = start(GoogleQuirks::default());
        server.inject(fault.nth(3));
        let written = creations(&provider(&server, &["secret"]), 3).await;
        let open: Vec<bool> =
            written.iter().map(|written| written.as_ref().is_err_and(ProviderError::is_ambiguous)).collect();
        assert_eq!(open, [false, true, false]);
        assert!(written[0].is_ok() && written[2].is_ok());
        assert_eq!(server.events("primary").len(), there);
    }
    let server = start(GoogleQuirks::default());
    server.inject(Fault::truncate().nth(3));
    let written = creations(&provider(&server, &["secret"]), 3).await;
    assert!(written[1].as_ref().is_err_and(ProviderError::is_ambiguous), "half of an answer is none");
    assert_eq!(server.events("primary").len(), 3);
}

/// A service that takes smaller batches than are sent: they go in halves, and from then on are no larger than it takes.
#[tokio::test]
async fn quo_03_a_batch_that_is_too_large_goes_in_smaller_ones() {
    for (most, first, then) in [(5, 7, 4), (1, 23, 12)] {
        let server = start(GoogleQuirks { batch_max: most, ..GoogleQuirks::default() });
        let provider = provider(&server, &["secret"]);
        let written = creations(&provider, 12).await;
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        assert_eq!(server.events("primary").len(), 12);
        assert_eq!(sent(&server), first, "batches of {most}");
        server.clear_requests();
        let ids: Vec<RemoteId> = written.into_iter().map(|written| written.unwrap().id).collect();
        let found = provider.fetch(&primary(), &ids).await.unwrap();
        assert!(found.iter().all(|found| matches!(found, Fetched::Found { .. })), "{found:?}");
        assert_eq!(sent(&server), then, "batches of {most}");
    }
}

/// One request that spoils every batch it is in costs the others nothing but requests, and leaves batches as large as they were.
#[tokio::test]
async fn bad_one_request_that_spoils_its_batch_is_found_and_sent_alone() {
    let server = start(GoogleQuirks::default());
    server.inject(Fault::status(400).on_path("/batch").on_body("\"u3\"").always());
    let provider = provider(&server, &["secret"]);
    let written = creations(&provider, 8).await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    server.clear_faults();
    server.clear_requests();
    let ids: Vec<RemoteId> = written.into_iter().map(|written| written.unwrap().id).collect();
    provider.fetch(&primary(), &ids).await.unwrap();
    assert_eq!((sent(&server), server.events("primary").len()), (1, 8));
}

/// What is refused for the account or the pace is not sent again in parts.
#[tokio::test]
async fn a_batch_that_is_refused_for_all_is_not_cut() {
    for status in [403, 408, 429, 500, 503] {
        let server = start(GoogleQuirks::default());
        server.inject(Fault::status(status).on_path("/batch"));
        let refused = creations(&provider(&server, &["secret"]), 4).await;
        assert!(refused.iter().all(Result::is_err));
        assert_eq!(sent(&server), 1, "{status}");
    }
}
