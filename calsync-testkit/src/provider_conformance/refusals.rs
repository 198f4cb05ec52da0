//! What a service can answer instead of what was asked: each has its type, and nothing is done twice or lost.

use std::time::Duration;

use calsync_core::provider::{ErrorKind, Retry};

use super::{
    Sample, Trouble, cases,
    check::{Mirror, create, proposed, retitle, update, writes},
};

cases! {
    $ provider_conformance_refusals in refusals;

    /// A content that is refused is refused for good, and known not to be written.
    async fn a_refused_write_is_refused_for_good(account) {
        writes(account)?;
        account.trouble(Trouble::WriteRefused).await?;
        let refused = create(account, &Sample::Single(0).event(), 1).await.unwrap_err();
        assert_eq!((refused.kind.clone(), refused.retry), (ErrorKind::Refused, Retry::Never), "{refused}");
        assert!(!refused.is_ambiguous());
        assert_eq!(account.count().await, 0);
        // It was that one write: the next is taken.
        create(account, &Sample::Single(1).event(), 2).await.unwrap();
        Ok(())
    }

    /// So is one that the account may not do.
    async fn a_forbidden_write_is_forbidden(account) {
        writes(account)?;
        account.trouble(Trouble::WriteForbidden).await?;
        let refused = create(account, &Sample::Single(0).event(), 1).await.unwrap_err();
        assert_eq!((refused.kind.clone(), refused.retry), (ErrorKind::Forbidden, Retry::Never), "{refused}");
        assert!(!refused.is_ambiguous());
        assert_eq!(account.count().await, 0);
        Ok(())
    }

    /// A write that never arrived is not known not to have: it may be done again.
    async fn a_write_that_got_lost_is_done_again(account) {
        writes(account)?;
        let id = account.put(Sample::Single(0)).await?;
        account.trouble(Trouble::WriteDropped).await?;
        match update(account, &id, retitle("new")).await {
            // It may have been tried again where that is safe.
            Ok(_) => {}
            Err(lost) => {
                assert_eq!(lost.kind, ErrorKind::Unavailable, "{lost}");
                assert!(lost.is_ambiguous());
                update(account, &id, retitle("new")).await.unwrap();
            }
        }
        let mirror = Mirror::of(account).await;
        assert_eq!(mirror.shown(), ["2026-01-10T09:00Z/2026-01-10T10:00Z new"]);
        Ok(())
    }

    /// An update whose answer was lost is found done.
    async fn an_update_whose_answer_was_lost_is_found_done(account) {
        writes(account)?;
        let id = account.put(Sample::Single(0)).await?;
        account.trouble(Trouble::AnswerLost).await?;
        let lost = update(account, &id, retitle("new")).await.unwrap_err();
        assert!(lost.is_ambiguous(), "{lost}");
        let mirror = Mirror::of(account).await;
        assert_eq!(mirror.shown(), ["2026-01-10T09:00Z/2026-01-10T10:00Z new"]);
        Ok(())
    }

    /// Too many requests: the service's word on when to come back is passed on.
    async fn quo_throttling_says_when_to_come_back(account) {
        account.put(Sample::Single(0)).await?;
        account.trouble(Trouble::Throttled).await?;
        let mut mirror = Mirror::default();
        let throttled = mirror.try_pull(account).await.err().expect("too many requests");
        assert_eq!(
            (throttled.kind, throttled.retry),
            (ErrorKind::Throttled, Retry::After(Duration::from_secs(7)))
        );
        mirror.pull(account).await;
        assert_eq!(mirror.items.len(), 1);
        Ok(())
    }

    /// Credentials that are not accepted any more are a person's business, and no calendar is empty because of them.
    async fn auth_credentials_that_ended_are_said_to_have(account) {
        account.put(Sample::Single(0)).await?;
        let mut mirror = Mirror::of(account).await;
        account.trouble(Trouble::Unauthorized).await?;
        let ended = mirror.try_pull(account).await.err().expect("the credentials ended");
        assert_eq!((ended.kind, ended.retry), (ErrorKind::Unauthorized, Retry::Never));
        mirror.cursor = None;
        let ended = mirror.try_pull(account).await.err().expect("the credentials ended");
        assert_eq!(ended.kind, ErrorKind::Unauthorized);
        if account.provider().capabilities().write {
            let ended = create(account, &Sample::Single(1).event(), 1).await.unwrap_err();
            assert_eq!(ended.kind, ErrorKind::Unauthorized);
            assert!(!ended.is_ambiguous());
        }
        Ok(())
    }

    /// A calendar that is gone is not a calendar from which everything was deleted.
    async fn a_calendar_that_is_gone_is_not_empty(account) {
        let id = account.put(Sample::Single(0)).await?;
        let mut mirror = Mirror::of(account).await;
        let before = mirror.items[&id].version.clone();
        let (new, payload) = if account.provider().capabilities().write {
            proposed(account, &Sample::Single(1).event(), 1)
        } else {
            (id.clone(), calsync_core::provider::Payload::new(""))
        };
        account.trouble(Trouble::CalendarGone).await?;
        for cursor in [mirror.cursor.clone(), None] {
            mirror.cursor = cursor;
            let gone = mirror.try_pull(account).await.err().expect("the calendar is gone");
            assert_eq!(gone.kind, ErrorKind::CalendarGone);
        }
        if account.provider().capabilities().write {
            let gone = account.provider().create(&account.calendar(), &new, &payload).await.unwrap_err();
            assert_eq!(gone.kind, ErrorKind::CalendarGone);
            // What is in a calendar that comes back was not deleted.
            let version = before.expect("a version");
            let gone = account.provider().delete(&account.calendar(), &id, &version).await.unwrap_err();
            assert_eq!(gone.kind, ErrorKind::CalendarGone);
        }
        Ok(())
    }
}
