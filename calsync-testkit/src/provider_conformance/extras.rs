//! What not every provider has.

use std::time::Duration;

use calsync_core::{
    availability::{BusyKind, BusyTime},
    model::Version,
    provider::{ErrorKind, Payload, WatchRequest},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{Cannot, Sample, cases};

fn request(address: &str) -> WatchRequest<'_> {
    WatchRequest { id: "watch-1", address, secret: "a secret", lifetime: Duration::from_secs(24 * 3600) }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

cases! {
    $ provider_conformance_extras in extras;

    /// What a provider can do does not change, and every request is counted.
    async fn capabilities_stay_and_requests_are_counted(account) {
        let before = (account.provider().capabilities(), account.provider().requests());
        super::check::Mirror::of(account).await;
        assert_eq!(account.provider().capabilities(), before.0);
        assert!(account.provider().requests() > before.1);
        Ok(())
    }

    /// What is not claimed is not tried.
    async fn what_is_not_claimed_is_unsupported(account) {
        let (provider, calendar) = (account.provider(), account.calendar());
        let can = provider.capabilities();
        let before = provider.requests();
        let (id, version, payload) = ("x".into(), Version::from("1"), Payload::new("x"));
        let mut answers = Vec::new();
        if !can.write {
            answers.push(provider.create(&calendar, &id, &payload).await.map(|_| ()));
            answers.push(provider.update(&calendar, &id, &version, &payload).await.map(|_| ()));
            answers.push(provider.delete(&calendar, &id, &version).await);
            answers.push(provider.propose_id(&calendar, &Sample::Single(0).event(), "x").map(|_| ()));
        }
        if !can.watch {
            answers.push(provider.watch(&calendar, request("https://example.com/")).await.map(|_| ()));
        }
        if !can.free_busy {
            let window = at("2026-01-01T00:00:00Z")..at("2026-01-02T00:00:00Z");
            answers.push(provider.free_busy(std::slice::from_ref(&calendar), window).await.map(|_| ()));
        }
        for answer in answers {
            assert_eq!(answer.unwrap_err().kind, ErrorKind::Unsupported);
        }
        assert_eq!(provider.requests(), before);
        Ok(())
    }

    /// A subscription is granted for no longer than asked, and ended once and for all.
    async fn a_watch_is_granted_and_ended(account) {
        if !account.provider().capabilities().watch {
            return Err(Cannot("watch"));
        }
        let address = account.callback().await?;
        let watch = account.provider().watch(&account.calendar(), request(&address)).await.unwrap();
        assert!(!watch.id.is_empty());
        for _ in 0..2 {
            account.provider().unwatch(&watch).await.unwrap();
        }
        Ok(())
    }

    /// Busy times: an answer for each calendar, in the order asked; of one that nobody knows it is said that nothing is.
    async fn busy_times_are_answered_for_each_calendar(account) {
        if !account.provider().capabilities().free_busy {
            return Err(Cannot("tell busy times"));
        }
        account.put(Sample::Single(0)).await?;
        account.put(Sample::Single(2)).await?;
        let asked = ["nobody@example.com".into(), account.busy_name()];
        let from = at("2026-01-10T00:00:00Z");
        let answers = account.provider().free_busy(&asked, from..from + TimeDelta::days(2)).await.unwrap();
        assert_eq!(answers.iter().map(|answer| &answer.calendar).collect::<Vec<_>>(), asked.iter().collect::<Vec<_>>());
        assert!(answers[0].unknown.is_some() && answers[0].busy.is_empty());
        let nine = from + TimeDelta::hours(9);
        let (end, kind) = (nine + TimeDelta::hours(1), BusyKind::Busy);
        assert_eq!(answers[1].busy, [BusyTime { start: nine, end, kind }]);
        Ok(())
    }
}
