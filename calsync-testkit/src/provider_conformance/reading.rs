//! What items say.

use calsync_core::model::{EventTime, RemoteId};

use super::{
    Account, Cannot, Sample, cases,
    check::{fetch_all, held_event, shown},
};

async fn reads(account: &dyn Account, sample: Sample) -> Result<calsync_core::model::Event, Cannot> {
    let id = account.put(sample).await?;
    let event = held_event(account, &id).await;
    assert_eq!(shown(&event), sample.shown());
    Ok(event)
}

cases! {
    $ provider_conformance_reading in reading;

    /// An instant stays one.
    async fn an_hour_is_read(account) {
        let event = reads(account, Sample::Single(0)).await?;
        let body = event.body().expect("a body");
        assert_eq!(body.location.as_deref(), Some("Room"));
        assert!(!body.time.is_all_day() && event.rules.is_empty() && event.overrides.is_empty());
        Ok(())
    }

    /// Whole days are dates, whatever zone anybody is in.
    async fn all_01_whole_days_are_dates(account) {
        let event = reads(account, Sample::AllDay).await?;
        assert!(matches!(event.body().expect("a body").time.start, EventTime::Date(_)));
        Ok(())
    }

    /// A time in a zone keeps the zone: it is read where the clocks have just changed.
    async fn a_zone_is_kept(account) {
        let event = reads(account, Sample::Zoned).await?;
        let start = &event.body().expect("a body").time.start;
        assert_eq!(start.zone().map(|zone| zone.name().to_owned()).as_deref(), Some("Europe/Berlin"));
        Ok(())
    }

    /// A series is one item, with the instance that moved and the one that is cancelled.
    async fn a_series_is_one_item(account) {
        let event = reads(account, Sample::Series).await?;
        assert_eq!((event.rules.len(), event.overrides.len()), (1, 2));
        assert_eq!(account.count().await, 1);
        Ok(())
    }

    /// Reading the same payload twice gives the same event, and reducing what was reduced changes nothing.
    async fn reading_is_a_function(account) {
        for sample in [Sample::Single(0), Sample::AllDay, Sample::Zoned, Sample::Series] {
            let id = account.put(sample).await?;
            let (_, held) = fetch_all(account, &[id]).await.pop().expect("an answer");
            let payload = held.expect("an item").payload.expect("a payload");
            let provider = account.provider();
            let event = provider.read(&payload).expect("an event");
            assert_eq!(provider.read(&payload).expect("an event"), event);
            let once = provider.project(&event).into_owned();
            assert_eq!(*provider.project(&once), once);
        }
        Ok(())
    }

    /// What is not there is missing, and does not keep anybody from having the rest.
    async fn what_is_missing_is_said_to_be(account) {
        let there = account.put(Sample::Single(0)).await?;
        // A name the service could have given.
        let gone = account.put(Sample::Single(1)).await?;
        account.edit(&gone, super::Edit::Delete).await?;
        let found: Vec<(RemoteId, bool)> = fetch_all(account, &[gone.clone(), there.clone()])
            .await
            .into_iter()
            .map(|(id, held)| (id, held.is_some()))
            .collect();
        assert!(found.contains(&(there, true)) && found.contains(&(gone, false)), "{found:?}");
        Ok(())
    }

    /// An item has one version, whoever says it: the listing or the answer to a question.
    async fn a_listing_and_a_question_agree_on_versions(account) {
        for sample in [Sample::Single(0), Sample::Series] {
            account.put(sample).await?;
        }
        let mirror = super::check::Mirror::of(account).await;
        let ids: Vec<RemoteId> = mirror.items.keys().cloned().collect();
        for (id, held) in fetch_all(account, &ids).await {
            let held = held.expect("it is there");
            assert_eq!(held.version, mirror.items[&id].version);
        }
        Ok(())
    }
}
