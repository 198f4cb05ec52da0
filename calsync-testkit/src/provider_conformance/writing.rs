//! Creations, updates, deletions.

use calsync_core::provider::{ErrorKind, Retry};

use super::{
    Edit, Sample, Trouble, cases,
    check::{Mirror, create, fetch, fresh, item, lost, proposed, render, retitle, shown, update, writes},
};

cases! {
    $ provider_conformance_writing in writing;

    /// What is created is there, says what it was to say, and needs no further write.
    async fn what_is_created_is_read_back(account) {
        writes(account)?;
        for (number, sample) in (1..).zip([Sample::Single(0), Sample::AllDay, Sample::Zoned]) {
            let event = sample.event();
            let written = create(account, &event, number).await.unwrap();
            let (version, _, held) = item(account, &written.id).await;
            assert_eq!(shown(&held), sample.shown());
            assert_eq!(held.uid, event.uid, "the UID comes back");
            assert!(written.version.is_none_or(|written| written == version), "the version that was told");
            assert_eq!(lost(account, &event, &held), [""; 0]);
        }
        assert_eq!(account.count().await, 3);
        Ok(())
    }

    /// Rendering is a function, and the payload of a new item says what the item will say.
    async fn a_new_payload_can_be_read(account) {
        writes(account)?;
        for sample in [Sample::Single(0), Sample::AllDay, Sample::Zoned] {
            let event = sample.event();
            let payload = render(account, &event, None).unwrap().payload;
            assert_eq!(render(account, &event, None).unwrap().payload, payload);
            assert_eq!(shown(&account.provider().read(&payload).expect("an event")), sample.shown());
        }
        Ok(())
    }

    /// The name of a new item is known before it is written, and is another for another identifier.
    async fn a_name_is_known_before_the_write(account) {
        writes(account)?;
        let event = Sample::Single(0).event();
        let name = |number| account.provider().propose_id(&account.calendar(), &event, &fresh(number)).unwrap();
        assert_eq!(name(1), name(1));
        assert_ne!(name(1), name(2));
        // It finds the item, whatever the service calls it.
        let written = create(account, &event, 1).await.unwrap();
        let (id, held) = fetch(account, &name(1)).await.expect("the item by its proposed name");
        assert_eq!(id, written.id);
        assert!(held.event.is_some());
        assert!(fetch(account, &name(2)).await.is_none());
        Ok(())
    }

    /// The own write is in the next listing under the version it was answered with, so that it is known for what it is.
    async fn the_own_write_is_recognised(account) {
        writes(account)?;
        let mut mirror = Mirror::of(account).await;
        let written = create(account, &Sample::Single(0).event(), 1).await.unwrap();
        mirror.pull(account).await;
        let held = &mirror.items[&written.id];
        assert!(written.version.is_none_or(|version| Some(version) == held.version));
        Ok(())
    }

    /// A creation whose answer was lost may be done: it is found by its name, and done again it is still one item.
    async fn dup_a_creation_whose_answer_was_lost_is_one_item(account) {
        writes(account)?;
        let (id, payload) = proposed(account, &Sample::Single(0).event(), 1);
        account.trouble(Trouble::AnswerLost).await?;
        let lost = account.provider().create(&account.calendar(), &id, &payload).await.unwrap_err();
        assert!(lost.is_ambiguous(), "{lost}");
        let (found, _) = fetch(account, &id).await.expect("it was done");
        match account.provider().create(&account.calendar(), &id, &payload).await {
            Ok(written) => assert_eq!(written.id, found),
            Err(error) => assert!(matches!(error.kind, ErrorKind::AlreadyExists { .. }), "{error}"),
        }
        assert_eq!(account.count().await, 1);
        Ok(())
    }

    /// A name that is taken by something else is not taken away from it.
    async fn a_name_that_is_taken_is_refused(account) {
        writes(account)?;
        let first = create(account, &Sample::Single(0).event(), 1).await.unwrap();
        let mut other = Sample::Single(1).event();
        other.uid = "another".to_owned();
        let refused = create(account, &other, 1).await.unwrap_err();
        assert!(matches!(refused.kind, ErrorKind::AlreadyExists { .. }), "{refused}");
        assert_eq!(shown(&item(account, &first.id).await.2), Sample::Single(0).shown());
        assert_eq!(account.count().await, 1);
        Ok(())
    }

    /// A write that was given up half way, as when a process stops, can be done again.
    async fn a_write_given_up_half_way_can_be_done_again(account) {
        writes(account)?;
        let (id, payload) = proposed(account, &Sample::Single(0).event(), 1);
        let calendar = account.calendar();
        for _ in 0..3 {
            let mut write = account.provider().create(&calendar, &id, &payload);
            std::future::poll_fn(|context| {
                let _ = write.as_mut().poll(context);
                std::task::Poll::Ready(())
            })
            .await;
        }
        match account.provider().create(&calendar, &id, &payload).await {
            Ok(_) => {}
            Err(error) => assert!(matches!(error.kind, ErrorKind::AlreadyExists { .. }), "{error}"),
        }
        assert_eq!(account.count().await, 1);
        Ok(())
    }

    /// An update changes what it is to change, nothing else, and the version.
    async fn an_update_changes_what_it_says(account) {
        writes(account)?;
        let id = account.put(Sample::Single(0)).await?;
        let (before, _, _) = item(account, &id).await;
        let written = update(account, &id, retitle("new")).await.unwrap();
        let (after, _, event) = item(account, &id).await;
        assert_ne!(before, after);
        assert!(written.version.is_none_or(|written| written == after), "the version that was told");
        assert_eq!(shown(&event), ["2026-01-10T09:00Z/2026-01-10T10:00Z new"]);
        assert_eq!(event.body().expect("a body").location.as_deref(), Some("Room"));
        Ok(())
    }

    /// An update of what somebody else has changed meanwhile is refused, and nothing of theirs is lost.
    async fn an_update_of_what_changed_is_refused(account) {
        writes(account)?;
        let id = account.put(Sample::Single(0)).await?;
        let (version, payload, mut event) = item(account, &id).await;
        account.edit(&id, Edit::Title("theirs")).await?;
        retitle("ours")(&mut event);
        let ours = render(account, &event, Some(&payload)).unwrap().payload;
        let refused = account.provider().update(&account.calendar(), &id, &version, &ours).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::VersionMismatch);
        assert!(!refused.is_ambiguous());
        assert_eq!(shown(&item(account, &id).await.2), ["2026-01-10T09:00Z/2026-01-10T10:00Z theirs"]);
        Ok(())
    }

    /// An update of what is gone makes nothing.
    async fn an_update_of_what_is_gone_makes_nothing(account) {
        writes(account)?;
        let id = account.put(Sample::Single(0)).await?;
        let (version, payload, mut event) = item(account, &id).await;
        account.edit(&id, Edit::Delete).await?;
        retitle("ours")(&mut event);
        let ours = render(account, &event, Some(&payload)).unwrap().payload;
        let refused = account.provider().update(&account.calendar(), &id, &version, &ours).await.unwrap_err();
        // A service that keeps what is deleted says that it has another version.
        assert!(matches!(refused.kind, ErrorKind::NotFound | ErrorKind::VersionMismatch), "{refused}");
        assert_eq!(account.count().await, 0);
        Ok(())
    }

    /// What is deleted is gone, and deleting it again is no error.
    async fn a_deletion_can_be_done_twice(account) {
        writes(account)?;
        for sample in [Sample::Single(0), Sample::Series] {
            let id = account.put(sample).await?;
            let mut mirror = Mirror::of(account).await;
            let (version, _, _) = item(account, &id).await;
            for _ in 0..2 {
                account.provider().delete(&account.calendar(), &id, &version).await.unwrap();
            }
            assert_eq!(account.count().await, 0);
            mirror.pull(account).await;
            assert!(mirror.items.is_empty());
        }
        Ok(())
    }

    /// What somebody else has deleted is deleted: no error, either.
    async fn what_is_gone_already_is_deleted(account) {
        writes(account)?;
        let id = account.put(Sample::Single(0)).await?;
        let (version, _, _) = item(account, &id).await;
        account.edit(&id, Edit::Delete).await?;
        account.provider().delete(&account.calendar(), &id, &version).await.unwrap();
        Ok(())
    }

    /// What somebody else has changed is not deleted unseen.
    async fn a_deletion_of_what_changed_is_refused(account) {
        writes(account)?;
        for (sample, edit) in [
            (Sample::Single(0), Edit::Title("theirs")),
            (Sample::Series, Edit::InstanceTitle("theirs")),
        ] {
            let id = account.put(sample).await?;
            let (version, _, _) = item(account, &id).await;
            account.edit(&id, edit).await?;
            let refused = account.provider().delete(&account.calendar(), &id, &version).await.unwrap_err();
            assert_eq!((refused.kind, refused.retry), (ErrorKind::VersionMismatch, Retry::Never));
            assert!(fetch(account, &id).await.is_some());
        }
        Ok(())
    }
}
