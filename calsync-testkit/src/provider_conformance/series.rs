//! Series, written.

use calsync_core::model::{EventBody, Override, RecurrenceId, TimeSpan};

use super::{
    Edit, Sample, cases,
    check::{create, item, lost, shown, update, writes},
    sample::berlin,
};

cases! {
    $ provider_conformance_series in series;

    /// A series with an instance that moved and one that is cancelled is written whole, and is one item.
    async fn a_series_is_written_with_its_overrides(account) {
        writes(account)?;
        let event = Sample::Series.event();
        let written = create(account, &event, 1).await.unwrap();
        let (_, _, held) = item(account, &written.id).await;
        assert_eq!(shown(&held), Sample::Series.shown());
        assert_eq!(lost(account, &event, &held), [""; 0]);
        assert_eq!(account.count().await, 1);
        Ok(())
    }

    /// Instances are changed, cancelled and moved one after the other, and what others did to other instances stays.
    async fn instances_are_written_one_by_one(account) {
        writes(account)?;
        let id = account.put(Sample::Series).await?;
        let key = |month, day| RecurrenceId::of(&berlin(month, day, 10, 0));
        account.edit(&id, Edit::InstanceTitle("theirs")).await?;
        update(account, &id, |event| {
            event.overrides.insert(key(2, 9), Override::Excluded);
        })
        .await
        .unwrap();
        let expected = |last: &str| {
            let mut lines = vec![
                "2026-01-12T09:00Z/2026-01-12T10:00Z weekly".to_owned(),
                "2026-01-20T14:00Z/2026-01-20T15:00Z moved".to_owned(),
            ];
            lines.extend((!last.is_empty()).then(|| last.to_owned()));
            lines
        };
        let theirs = "2026-02-02T09:00Z/2026-02-02T10:00Z theirs";
        assert_eq!(shown(&item(account, &id).await.2), expected(theirs));
        // The same instance, by us: elsewhere on the same day, with another title.
        update(account, &id, |event| {
            let time = TimeSpan { start: berlin(2, 2, 12, 0), end: berlin(2, 2, 13, 0) };
            let body = EventBody { title: Some("ours".to_owned()), ..EventBody::new(time) };
            event.overrides.insert(key(2, 2), Override::Changed { body: Box::new(body), scope: Default::default() });
        })
        .await
        .unwrap();
        assert_eq!(
            shown(&item(account, &id).await.2),
            expected("2026-02-02T11:00Z/2026-02-02T12:00Z ours")
        );
        // And cancelled.
        update(account, &id, |event| {
            event.overrides.insert(key(2, 2), Override::Excluded);
        })
        .await
        .unwrap();
        assert_eq!(shown(&item(account, &id).await.2), expected(""));
        assert_eq!(account.count().await, 1);
        Ok(())
    }

    /// Another title of the series is another title of what has none of its own, and of nothing else.
    async fn the_series_is_written_and_its_instances_stay(account) {
        writes(account)?;
        let id = account.put(Sample::Series).await?;
        update(account, &id, |event| {
            event.master.as_mut().expect("a master").title = Some("team".to_owned());
        })
        .await
        .unwrap();
        assert_eq!(shown(&item(account, &id).await.2), [
            "2026-01-12T09:00Z/2026-01-12T10:00Z team",
            "2026-01-20T14:00Z/2026-01-20T15:00Z moved",
            "2026-02-02T09:00Z/2026-02-02T10:00Z team",
            "2026-02-09T09:00Z/2026-02-09T10:00Z team",
        ]);
        Ok(())
    }
}
