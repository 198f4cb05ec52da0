//! The conformance suite on the provider that keeps everything in memory; and wrong providers, which it must catch.

use calsync_testkit::provider_conformance::MemoryAccount;

async fn fresh() -> MemoryAccount {
    MemoryAccount::default()
}

calsync_testkit::provider_conformance!(fresh, cannot: [
    "a_calendar_that_is_gone_is_not_empty",
    "a_page_that_fails_fails_the_listing",
    "a_watch_is_granted_and_ended",
    "a_write_that_got_lost_is_done_again",
    "auth_credentials_that_ended_are_said_to_have",
    "busy_times_are_answered_for_each_calendar",
    "mail_a_deletion_of_a_meeting_is_told_to_nobody",
    "mail_a_new_event_invites_nobody",
    "mail_an_edit_of_a_meeting_is_told_to_nobody",
    "quo_throttling_says_when_to_come_back",
]);
