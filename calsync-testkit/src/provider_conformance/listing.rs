//! Listings of everything.

use calsync_core::provider::{ChangeScope, ErrorKind, ItemChange, PullMode};

use super::{
    Edit, Sample, Trouble, cases,
    check::{Mirror, pages},
};

cases! {
    $ provider_conformance_listing in listing;

    /// The calendar is in the list of calendars, and whether it can be written is said the same way in both places.
    async fn the_calendar_is_listed(account) {
        let calendars = account.provider().calendars().await.unwrap();
        let found = calendars.iter().find(|calendar| calendar.id == account.calendar()).expect("the calendar");
        assert_eq!(found.read_only, !account.provider().capabilities().write);
        Ok(())
    }

    /// Nothing is an answer too: the calendar is empty, and that is known.
    async fn an_empty_calendar_is_a_complete_listing(account) {
        let mirror = Mirror::of(account).await;
        assert!(mirror.items.is_empty());
        Ok(())
    }

    /// A first listing names everything there is, each item once.
    async fn a_first_listing_is_complete(account) {
        let mut put = std::collections::BTreeSet::new();
        for sample in [Sample::Single(0), Sample::AllDay, Sample::Zoned, Sample::Series, Sample::Single(1)] {
            put.insert(account.put(sample).await?);
        }
        let (listed, cursor) = pages(account, None, PullMode::Incremental).await.unwrap();
        assert!(listed.iter().all(|page| page.scope == ChangeScope::Snapshot));
        let named: Vec<_> = listed.iter().flat_map(|page| &page.changes).map(|change| change.id.clone()).collect();
        assert_eq!(named.len(), put.len(), "each once");
        assert_eq!(named.into_iter().collect::<std::collections::BTreeSet<_>>(), put);
        assert!(cursor.is_some(), "the next listing begins somewhere");
        Ok(())
    }

    /// What does not fit on a page is on the next.
    async fn a_long_listing_has_pages(account) {
        let most = account.page_max().ok_or(super::Cannot("list in pages"))?;
        assert!((1..=3).contains(&most), "pages of one to three items");
        let mut shown = Vec::new();
        for number in 0..7 {
            account.put(Sample::Single(number)).await?;
            shown.extend(Sample::Single(number).shown());
        }
        let mut mirror = Mirror::default();
        assert!(mirror.pull(account).await.pages >= 7usize.div_ceil(most));
        assert_eq!(mirror.shown(), shown);
        Ok(())
    }

    /// The audit: names and versions of everything, whatever the cursor says, and as the incremental listing has them.
    async fn a_snapshot_names_everything_again(account) {
        for number in 0..3 {
            account.put(Sample::Single(number)).await?;
        }
        let mirror = Mirror::of(account).await;
        let (audit, _) = pages(account, mirror.cursor.as_ref(), PullMode::Snapshot).await.unwrap();
        assert_eq!(audit[0].scope, ChangeScope::Snapshot);
        let named: Vec<_> = audit.iter().flat_map(|page| &page.changes).collect();
        assert_eq!(named.len(), 3);
        for change in named {
            let ItemChange::Present { version, .. } = &change.change else { panic!("{change:?}") };
            let known = &mirror.items[&change.id];
            assert!(version.is_none() || *version == known.version, "the same version under two names");
        }
        Ok(())
    }

    /// Half an answer is no answer: nothing is taken for deleted.
    async fn half_an_answer_is_an_error(account) {
        account.put(Sample::Single(0)).await?;
        account.put(Sample::Single(1)).await?;
        account.trouble(Trouble::ListingCut).await?;
        let mut mirror = Mirror::default();
        let cut = mirror.try_pull(account).await;
        assert!(cut.is_err(), "the listing was cut and nobody says so");
        // And it passes: the next one is whole.
        mirror.pull(account).await;
        assert_eq!(mirror.items.len(), 2);
        Ok(())
    }

    /// When a later page fails, the listing fails, and can be begun again.
    async fn a_page_that_fails_fails_the_listing(account) {
        account.page_max().ok_or(super::Cannot("list in pages"))?;
        for number in 0..7 {
            account.put(Sample::Single(number)).await?;
        }
        account.trouble(Trouble::SecondPageFails).await?;
        let mut mirror = Mirror::default();
        let failed = mirror.try_pull(account).await.err().expect("the second page fails");
        assert_eq!(failed.kind, ErrorKind::Unavailable);
        mirror.pull(account).await;
        assert_eq!(mirror.items.len(), 7);
        Ok(())
    }

    /// One item nobody can read costs nothing but itself.
    async fn one_bad_item_among_good_ones(account) {
        account.put(Sample::Single(0)).await?;
        let broken = account.put(Sample::Broken).await?;
        account.put(Sample::Single(1)).await?;
        let mut mirror = Mirror::of(account).await;
        let good = || [Sample::Single(0).shown(), Sample::Single(1).shown()].concat();
        assert_eq!(mirror.shown(), good());
        assert!(mirror.items[&broken].event.is_none(), "it is there, and says nothing");
        // Nor does it stand in the way later.
        account.edit(&broken, Edit::Delete).await?;
        mirror.pull(account).await;
        assert_eq!(mirror.shown(), good());
        assert!(!mirror.items.contains_key(&broken));
        Ok(())
    }
}
