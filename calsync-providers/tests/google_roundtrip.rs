//! Random series to Google and back: the same instances, or a loss that is reported.

#![cfg(feature = "google")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod google_support;
mod series_support;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use calsync_core::{
    diff::changed_fields,
    provider::{PeoplePolicy, Provider},
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::Secret,
};
use google_support::{render_with, with};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use series_support::{event, instances};

#[test]
fn ten_thousand_series_to_google_and_back() {
    let provider = with(GoogleConfig::new(Arc::new(Secret::from("x"))));
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 10_000, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let mut series = 0;
    let counted = std::cell::Cell::new(0_usize);
    let lost = std::cell::RefCell::new(BTreeMap::<String, usize>::new());
    runner
        .run(&event(), |event| {
            counted.set(counted.get() + usize::from(event.is_series()));
            let projected = provider.project(&event).into_owned();
            // Once is enough.
            prop_assert_eq!(&*provider.project(&projected), &projected);
            let rendered = render_with(&provider, &event, None, PeoplePolicy::Write).unwrap();
            let read = provider.read(&rendered.payload).unwrap();
            prop_assert_eq!(instances(&read), instances(&event));
            // It reads as what Google can hold of it, and what is missing has been said.
            let missing = changed_fields(&read, &projected);
            prop_assert!(missing.is_empty(), "{:?}", missing);
            for loss in &rendered.losses {
                let name = loss.rsplit('/').next().unwrap().to_owned();
                *lost.borrow_mut().entry(name).or_default() += 1;
            }
            // Said again, it says nothing new: the very same text.
            let payload = calsync_core::provider::Payload::new(stripped(rendered.payload.as_str()));
            let again = render_with(&provider, &read, Some(&payload), PeoplePolicy::Write).unwrap();
            prop_assert_eq!(again.payload, payload);
            Ok(())
        })
        .unwrap();
    series += counted.get();
    assert!(series > 2000, "{series}");
    let lost = lost.into_inner();
    let kinds: Vec<&str> = lost.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["alarm", "free-busy", "priority", "status"]);
}

/// The payload as Google would hold it: without what a write is to do.
fn stripped(payload: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(payload).unwrap();
    value.as_object_mut().unwrap().remove("edits");
    value.to_string()
}

/// Made once: every one reads the certificates of the system.
static PROVIDER: LazyLock<GoogleProvider> =
    LazyLock::new(|| with(GoogleConfig::new(Arc::new(Secret::from("x")))));

proptest! {
    #![proptest_config(Config { cases: 2000, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() })]

    /// Any event made of any other: the payload of the first changed to say the second reads as the second.
    #[test]
    fn any_item_can_be_made_any_other(first in event(), second in event()) {
        let provider = &*PROVIDER;
        let payload = render_with(provider, &first, None, PeoplePolicy::Write).unwrap().payload;
        let payload = calsync_core::provider::Payload::new(stripped(payload.as_str()));
        let rendered = render_with(provider, &second, Some(&payload), PeoplePolicy::Write).unwrap();
        let read = provider.read(&rendered.payload).unwrap();
        prop_assert_eq!(instances(&read), instances(&second));
        let wanted = provider.project(&second).into_owned();
        let missing = changed_fields(&read, &wanted);
        prop_assert!(missing.is_empty(), "{:?}", missing);
    }
}
