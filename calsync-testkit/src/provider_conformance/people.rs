//! Nobody is mailed without permission.

use calsync_core::provider::ErrorKind;

use super::{
    Sample, cases,
    check::{item, proposed, render, retitle, update, writes},
};

cases! {
    $ provider_conformance_people in people;

    /// A new event takes nobody along, and says so.
    async fn mail_a_new_event_invites_nobody(account) {
        writes(account)?;
        account.mails().await?;
        let event = Sample::Meeting.event();
        let rendered = render(account, &event, None).unwrap();
        assert!(rendered.losses.iter().any(|loss| loss.starts_with("participant")), "{:?}", rendered.losses);
        assert!(!rendered.payload.as_str().contains("bob@example.com"));
        let (id, payload) = proposed(account, &event, 1);
        let written = account.provider().create(&account.calendar(), &id, &payload).await.unwrap();
        assert!(item(account, &written.id).await.2.body().expect("a body").participants.is_empty());
        assert_eq!(account.mails().await?, 0);
        Ok(())
    }

    /// An edit of a meeting is either not told to anybody or refused.
    async fn mail_an_edit_of_a_meeting_is_told_to_nobody(account) {
        writes(account)?;
        account.mails().await?;
        let id = account.put(Sample::Meeting).await?;
        if let Err(refused) = update(account, &id, retitle("other")).await {
            assert!(matches!(refused.kind, ErrorKind::Refused | ErrorKind::Forbidden), "{refused}");
        }
        assert_eq!(account.mails().await?, 0);
        Ok(())
    }

    /// So is its deletion.
    async fn mail_a_deletion_of_a_meeting_is_told_to_nobody(account) {
        writes(account)?;
        account.mails().await?;
        let id = account.put(Sample::Meeting).await?;
        let (version, _, _) = item(account, &id).await;
        if let Err(refused) = account.provider().delete(&account.calendar(), &id, &version).await {
            assert!(matches!(refused.kind, ErrorKind::Refused | ErrorKind::Forbidden), "{refused}");
        }
        assert_eq!(account.mails().await?, 0);
        Ok(())
    }
}
