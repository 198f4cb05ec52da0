//! Listings of what changed.

use calsync_core::{
    model::RemoteId,
    provider::{ChangeScope, ChangesRequest, Cursor, ErrorKind, PullMode},
};

use super::{
    Account, Cannot, Edit, Sample, Trouble, cases,
    check::{Mirror, Pulled},
};

/// A listing of what changed is of nothing else, where the provider claims to do that.
fn only(account: &dyn Account, pulled: &Pulled, id: &RemoteId) {
    if account.provider().capabilities().pull_incremental {
        assert_eq!(pulled.scope, ChangeScope::Delta);
        assert_eq!(pulled.named.iter().collect::<Vec<_>>(), [id], "what changed and nothing else");
    }
}

/// Edits of one item, each seen by the next listing.
async fn follow(account: &dyn Account, sample: Sample, edits: &[(Edit, &[&str])]) -> Result<(), Cannot> {
    account.put(Sample::Single(9)).await?;
    let id = account.put(sample).await?;
    let mut mirror = Mirror::of(account).await;
    for (edit, expected) in edits {
        let before = mirror.items.get(&id).and_then(|held| held.version.clone());
        account.edit(&id, *edit).await?;
        let pulled = mirror.pull(account).await;
        only(account, &pulled, &id);
        let mut shown = Sample::Single(9).shown();
        shown.extend(expected.iter().map(ToString::to_string));
        shown.sort();
        assert_eq!(mirror.shown(), shown, "after {edit:?}");
        let after = mirror.items.get(&id).and_then(|held| held.version.clone());
        assert_ne!(before, after, "another content has another version");
    }
    Ok(())
}

cases! {
    $ provider_conformance_incremental in incremental;

    /// When nothing happened, nothing is said, in one request or two.
    async fn nothing_new_is_nothing(account) {
        account.put(Sample::Single(0)).await?;
        account.put(Sample::Series).await?;
        let mut mirror = Mirror::of(account).await;
        let shown = mirror.shown();
        for _ in 0..2 {
            let before = account.provider().requests();
            let pulled = mirror.pull(account).await;
            assert!(account.provider().requests() - before <= 2, "asking for nothing new is cheap");
            if account.provider().capabilities().pull_incremental {
                assert_eq!((pulled.scope, pulled.named.len()), (ChangeScope::Delta, 0));
            }
            assert_eq!(mirror.shown(), shown);
        }
        Ok(())
    }

    /// What somebody else creates is named.
    async fn a_new_item_is_named(account) {
        account.put(Sample::Single(0)).await?;
        let mut mirror = Mirror::of(account).await;
        let id = account.put(Sample::Single(1)).await?;
        let pulled = mirror.pull(account).await;
        only(account, &pulled, &id);
        assert_eq!(mirror.shown(), [Sample::Single(0).shown(), Sample::Single(1).shown()].concat());
        Ok(())
    }

    /// What somebody else edits is named, with another version; and what is deleted is named as gone.
    async fn an_edit_and_a_deletion_are_named(account) {
        follow(account, Sample::Single(0), &[
            (Edit::Title("once"), &["2026-01-10T09:00Z/2026-01-10T10:00Z once"]),
            (Edit::Title("twice"), &["2026-01-10T09:00Z/2026-01-10T10:00Z twice"]),
            (Edit::Delete, &[]),
        ]).await
    }

    /// The same for a series: its title, one instance, one instance less.
    async fn edits_of_a_series_are_named(account) {
        follow(account, Sample::Series, &[
            (Edit::Title("team"), &[
                "2026-01-12T09:00Z/2026-01-12T10:00Z team", "2026-01-20T14:00Z/2026-01-20T15:00Z moved",
                "2026-02-02T09:00Z/2026-02-02T10:00Z team", "2026-02-09T09:00Z/2026-02-09T10:00Z team",
            ]),
            (Edit::InstanceTitle("alone"), &[
                "2026-01-12T09:00Z/2026-01-12T10:00Z team", "2026-01-20T14:00Z/2026-01-20T15:00Z moved",
                "2026-02-02T09:00Z/2026-02-02T10:00Z alone", "2026-02-09T09:00Z/2026-02-09T10:00Z team",
            ]),
            (Edit::CancelInstance, &[
                "2026-01-12T09:00Z/2026-01-12T10:00Z team", "2026-01-20T14:00Z/2026-01-20T15:00Z moved",
                "2026-02-02T09:00Z/2026-02-02T10:00Z alone",
            ]),
            (Edit::Delete, &[]),
        ]).await
    }

    /// Everything that happened between two listings is in the second, as it ended.
    async fn much_at_once_is_told_as_it_ended(account) {
        let mut ids = Vec::new();
        for number in 0..4 {
            ids.push(account.put(Sample::Single(number)).await?);
        }
        let mut mirror = Mirror::of(account).await;
        account.edit(&ids[0], Edit::Title("first")).await?;
        account.edit(&ids[0], Edit::Title("last")).await?;
        account.edit(&ids[1], Edit::Title("in vain")).await?;
        account.edit(&ids[1], Edit::Delete).await?;
        let brief = account.put(Sample::Single(5)).await?;
        account.edit(&brief, Edit::Delete).await?;
        account.put(Sample::AllDay).await?;
        mirror.pull(account).await;
        let mut shown = vec!["2026-01-10T09:00Z/2026-01-10T10:00Z last".to_owned()];
        shown.extend([Sample::Single(2).shown(), Sample::Single(3).shown(), Sample::AllDay.shown()].concat());
        assert_eq!(mirror.shown(), shown);
        Ok(())
    }

    /// A cursor that is lost is said to be, and then a listing of everything is evidence of what is gone.
    async fn a_lost_cursor_is_said_and_everything_is_listed(account) {
        let gone = account.put(Sample::Single(0)).await?;
        account.put(Sample::Single(1)).await?;
        let mut mirror = Mirror::of(account).await;
        account.edit(&gone, Edit::Delete).await?;
        account.put(Sample::Single(2)).await?;
        account.trouble(Trouble::CursorsLost).await?;
        let lost = mirror.try_pull(account).await.err().expect("the cursor is lost");
        assert_eq!(lost.kind, ErrorKind::CursorInvalid);
        mirror.cursor = None;
        assert_eq!(mirror.pull(account).await.scope, ChangeScope::Snapshot);
        assert_eq!(mirror.shown(), [Sample::Single(1).shown(), Sample::Single(2).shown()].concat());
        // And the new one works.
        mirror.pull(account).await;
        assert_eq!(mirror.items.len(), 2);
        Ok(())
    }

    /// Something that was never a cursor is refused as one: no panic, and no listing of nothing.
    async fn what_is_no_cursor_is_refused(account) {
        account.put(Sample::Single(0)).await?;
        for text in ["", "nonsense", "{}", "{\"token\":\"\u{0}\"}", "null", "[[[[[[[["] {
            let cursor = Cursor(text.to_owned());
            let request = ChangesRequest { cursor: Some(&cursor), mode: PullMode::Incremental };
            let refused = account.provider().changes(&account.calendar(), request).await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::CursorInvalid, "{text:?}");
        }
        Ok(())
    }

    /// The same cursor can be used again: what was told once is told again to whoever did not keep it.
    async fn a_cursor_can_be_used_again(account) {
        let id = account.put(Sample::Single(0)).await?;
        let mut mirror = Mirror::of(account).await;
        let cursor = mirror.cursor.clone();
        account.edit(&id, Edit::Title("told")).await?;
        for _ in 0..2 {
            mirror.cursor.clone_from(&cursor);
            mirror.pull(account).await;
            assert_eq!(mirror.shown(), ["2026-01-10T09:00Z/2026-01-10T10:00Z told"]);
        }
        Ok(())
    }
}
