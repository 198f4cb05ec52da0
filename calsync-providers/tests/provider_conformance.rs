//! The conformance suite of the provider trait on every provider there is: one table of cases for all of them.
//!
//! What a provider or its emulator cannot do is named here, case by case; everything else is judged.

#![cfg(all(feature = "caldav", feature = "google", feature = "ics", feature = "microsoft"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod provider_accounts;

mod caldav {
    use super::provider_accounts::caldav::CalDavAccount;

    async fn fresh() -> CalDavAccount {
        CalDavAccount::new()
    }

    calsync_testkit::provider_conformance!(fresh, cannot: [
        "a_long_listing_has_pages",
        "a_page_that_fails_fails_the_listing",
        "a_watch_is_granted_and_ended",
    ]);

    /// Servers that cut a first listing skip items between the pieces: what the pages leave out is no evidence, and
    /// cases that want evidence are judged on a server that does not cut.
    #[tokio::test]
    async fn a_listing_that_is_cut_by_the_server() {
        use calsync_testkit::provider_conformance::listing;
        listing::a_long_listing_has_pages(&CalDavAccount::with_page(Some(3))).await.unwrap();
        listing::a_page_that_fails_fails_the_listing(&CalDavAccount::with_page(Some(3))).await.unwrap();
    }
}

mod google {
    use super::provider_accounts::google::GoogleAccount;

    async fn fresh() -> GoogleAccount {
        GoogleAccount::new()
    }

    calsync_testkit::provider_conformance!(fresh);
}

mod microsoft {
    use super::provider_accounts::microsoft::MicrosoftAccount;

    async fn fresh() -> MicrosoftAccount {
        MicrosoftAccount::new().await
    }

    calsync_testkit::provider_conformance!(fresh);
}

mod ics {
    use super::provider_accounts::ics::IcsAccount;

    async fn fresh() -> IcsAccount {
        IcsAccount::new()
    }

    // A feed is read, whole each time.

    calsync_testkit::provider_conformance!(fresh, cannot: [
        "a_deletion_can_be_done_twice",
        "a_deletion_of_what_changed_is_refused",
        "a_forbidden_write_is_forbidden",
        "a_long_listing_has_pages",
        "a_lost_cursor_is_said_and_everything_is_listed",
        "a_name_is_known_before_the_write",
        "a_name_that_is_taken_is_refused",
        "a_new_payload_can_be_read",
        "a_page_that_fails_fails_the_listing",
        "a_refused_write_is_refused_for_good",
        "a_series_is_written_with_its_overrides",
        "a_watch_is_granted_and_ended",
        "a_write_given_up_half_way_can_be_done_again",
        "a_write_that_got_lost_is_done_again",
        "an_update_changes_what_it_says",
        "an_update_of_what_changed_is_refused",
        "an_update_of_what_is_gone_makes_nothing",
        "an_update_whose_answer_was_lost_is_found_done",
        "busy_times_are_answered_for_each_calendar",
        "dup_a_creation_whose_answer_was_lost_is_one_item",
        "instances_are_written_one_by_one",
        "mail_a_deletion_of_a_meeting_is_told_to_nobody",
        "mail_a_new_event_invites_nobody",
        "mail_an_edit_of_a_meeting_is_told_to_nobody",
        "the_own_write_is_recognised",
        "the_series_is_written_and_its_instances_stay",
        "what_is_created_is_read_back",
        "what_is_gone_already_is_deleted",
    ]);
}
