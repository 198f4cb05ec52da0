//! Sync tokens and sync answers: scenarios 7, 8 and 15.

use calsync_testkit::dav::{
    AnswerToken, BriefItems, ClientLimit, DeadEntries, DeletionStatus, InitialSync, PropertyEdits, Quirks,
    SelfEntry, SyncAnswers, SyncData, SyncDepth, SyncSupport, TokenForm, TokenProperty, Truncation,
    TruncationForm, UnknownToken,
};

use crate::client::*;

/// A server whose calendar has two objects, and had a third.
fn filled(quirks: Quirks) -> calsync_testkit::dav::DavServer {
    let server = start(quirks);
    server.put("work", "a.ics", &event("a", "One"));
    server.put("work", "b.ics", &event("b", "Two"));
    server.put("work", "dead.ics", &event("dead", "Gone"));
    server.delete("work", "dead.ics");
    server
}

#[tokio::test]
async fn q07_servers_without_token_or_ctag() {
    for (sync_support, token, ctag) in [
        (SyncSupport::TokenAndCtag, true, true),
        (SyncSupport::TokenOnly, true, false),
        (SyncSupport::CtagOnly, false, true),
        (SyncSupport::Neither, false, false),
    ] {
        let server = filled(Quirks { sync_support, ..Quirks::default() });
        let answer =
            propfind(&server, WORK, "0", "<d:sync-token/><cs:getctag/><d:supported-report-set/>").await;
        assert_eq!(answer.has("</D:sync-token>"), token, "{sync_support:?}");
        assert_eq!(answer.has("<D:sync-collection/>"), token);
        assert_eq!(answer.has("</CS:getctag>"), ctag);
        let report = sync(&server, "").await;
        assert_eq!(report.status, if token { 207 } else { 403 });
        assert_eq!(report.has("supported-report"), !token);
        let options = ask(&server, "OPTIONS", WORK, &[], "").await;
        assert_eq!(options.header("dav").unwrap().contains("sync-collection"), token);
        assert_eq!(propfind(&server, WORK, "1", "<d:getetag/>").await.entries().len(), 3, "listing works");
    }
}

#[tokio::test]
async fn q07_token_property() {
    for (token_property, expected) in [
        (TokenProperty::Present, "<D:sync-token>http"),
        (TokenProperty::Empty, "<D:sync-token/></D:prop><D:status>HTTP/1.1 200"),
        (TokenProperty::Missing, "<D:sync-token/></D:prop><D:status>HTTP/1.1 404"),
    ] {
        let server = filled(Quirks { token_property, ..Quirks::default() });
        assert!(propfind(&server, WORK, "0", "<d:sync-token/>").await.has(expected), "{token_property:?}");
        assert_eq!(sync(&server, "").await.status, 207);
    }
}

#[tokio::test]
async fn q07_unknown_token() {
    let living = &["a.ics propstat 200", "b.ics propstat 200"][..];
    let replayed = &["a.ics propstat 200", "b.ics propstat 200", "dead.ics 404"][..];
    for (unknown_token, status, precondition, entries) in [
        (UnknownToken::Forbidden, 403, true, &[][..]),
        (UnknownToken::PreconditionFailed, 412, true, &[]),
        (UnknownToken::Conflict, 409, true, &[]),
        (UnknownToken::BadRequest, 400, true, &[]),
        (UnknownToken::ServerError, 500, true, &[]),
        (UnknownToken::Gone, 410, false, &[]),
        (UnknownToken::FullList, 207, false, living),
        (UnknownToken::Replay, 207, false, replayed),
        (UnknownToken::Nothing, 207, false, &[]),
    ] {
        let server = filled(Quirks { unknown_token, ..Quirks::default() });
        let answer = sync(&server, "http://example.com/ns/sync/9999").await;
        assert_eq!(answer.status, status, "{unknown_token:?}");
        assert_eq!(answer.has("<D:valid-sync-token/>"), precondition, "{unknown_token:?}");
        assert_eq!(answer.entries(), entries, "{unknown_token:?}");
        if status == 207 {
            assert_eq!(answer.token(), server.sync_token("work").unwrap());
        }
        assert_eq!(sync(&server, "").await.entries(), living);
    }
}

#[tokio::test]
async fn q07_numeric_tokens_of_anywhere_are_accepted() {
    let server = filled(Quirks { token_form: TokenForm::BareNumber, ..Quirks::default() });
    let token = sync(&server, "").await.token();
    assert_eq!(token, "http://sabre.io/ns/sync/4");
    server.put("work", "c.ics", &event("c", "Three"));
    assert_eq!(sync(&server, &token).await.entries(), ["c.ics propstat 200"]);
    let future = sync(&server, "http://sabre.io/ns/sync/9999").await;
    assert_eq!((future.status, future.entries().len()), (207, 0));
    assert_eq!(sync(&server, "garbage").await.status, 403);
}

#[tokio::test]
async fn q07_empty_for_ever() {
    let server = filled(Quirks { sync_answers: SyncAnswers::AlwaysEmpty, ..Quirks::default() });
    let first = sync(&server, "").await;
    assert_eq!(first.entries().len(), 2);
    server.put("work", "c.ics", &event("c", "Three"));
    let second = sync(&server, &first.token()).await;
    assert_eq!((second.status, second.entries().len()), (207, 0));
}

#[tokio::test]
async fn q07_token_in_the_answer() {
    for (answer_token, expected) in [
        (AnswerToken::Fresh, "<D:sync-token>http://calsync.invalid/ns/sync/1-5</D:sync-token>"),
        (AnswerToken::Missing, "</D:response></D:multistatus>"),
        (AnswerToken::Empty, "<D:sync-token/>"),
        (AnswerToken::Repeated, "<D:sync-token>http://calsync.invalid/ns/sync/1-4</D:sync-token>"),
    ] {
        let server = filled(Quirks { answer_token, ..Quirks::default() });
        let token = server.sync_token("work").unwrap();
        server.put("work", "c.ics", &event("c", "Three"));
        let answer = sync(&server, &token).await;
        assert_eq!(answer.entries(), ["c.ics propstat 200"]);
        assert!(answer.has(expected), "{answer_token:?}");
    }
    let server = filled(Quirks { answer_token: AnswerToken::Repeated, ..Quirks::default() });
    let oldest = sync(&server, "").await.token();
    assert_eq!(sync(&server, &oldest).await.token(), oldest, "never gets on");
}

#[tokio::test]
async fn q07_truncated_answers() {
    for (form, first, pages) in [
        (TruncationForm::EntryWithError, &["a.ics propstat 200", "work 507"][..], 2),
        (TruncationForm::BareEntry, &["a.ics propstat 200", "work 507"], 2),
        (TruncationForm::Silent, &["a.ics propstat 200"], 1),
    ] {
        let server =
            filled(Quirks { truncation: Some(Truncation { entries: 1, form }), ..Quirks::default() });
        let mut answer = sync(&server, "").await;
        assert_eq!(answer.entries(), first, "{form:?}");
        assert_eq!(
            answer.has("<D:error><D:number-of-matches-within-limits/></D:error>"),
            form == TruncationForm::EntryWithError
        );
        let mut seen = 1;
        while answer.has("507") {
            answer = sync(&server, &answer.token()).await;
            seen += 1;
            assert!(seen < 10, "{form:?} gets on");
        }
        // The dead object is a change of its own once the sync is incremental.
        let expected = if form == TruncationForm::Silent { pages } else { pages + 1 };
        assert_eq!(seen, expected, "{form:?}");
        assert_eq!(answer.token(), server.sync_token("work").unwrap());
    }
    let truncation = Some(Truncation { entries: 1, form: TruncationForm::HttpStatus });
    let server = filled(Quirks { truncation, ..Quirks::default() });
    assert_eq!(sync(&server, "").await.status, 507);
    let truncation = Some(Truncation { entries: 0, form: TruncationForm::BareEntry });
    let stuck = filled(Quirks { truncation, ..Quirks::default() });
    let first = sync(&stuck, "").await;
    assert_eq!(sync(&stuck, &first.token()).await.token(), first.token(), "no progress");
}

#[tokio::test]
async fn q07_limit_sent_by_the_client() {
    let limit = "<limit><nresults>1</nresults></limit>";
    for (client_limit, status, entries) in [
        (ClientLimit::Honoured, 207, &["a.ics propstat 200", "work 507"][..]),
        (ClientLimit::Ignored, 207, &["a.ics propstat 200", "b.ics propstat 200"]),
        (ClientLimit::Silent, 207, &["a.ics propstat 200"]),
        (ClientLimit::Refused, 507, &[]),
    ] {
        let server = filled(Quirks { client_limit, ..Quirks::default() });
        let answer = sync_with(&server, "", limit, "").await;
        assert_eq!(
            (answer.status, answer.entries()),
            (status, entries.iter().map(|e| (*e).to_owned()).collect())
        );
        let newest = answer.token() == server.sync_token("work").unwrap();
        assert_eq!(
            newest,
            matches!(client_limit, ClientLimit::Silent | ClientLimit::Ignored),
            "{client_limit:?}"
        );
        assert_eq!(sync(&server, "").await.entries().len(), 2, "without limit nothing changes");
    }
}

#[tokio::test]
async fn q07_a_pruned_change_log_loses_changes_silently() {
    let server = filled(Quirks::default());
    let token = server.sync_token("work").unwrap();
    server.delete("work", "a.ics");
    server.put("work", "c.ics", &event("c", "Three"));
    server.prune_change_log("work");
    let answer = sync(&server, &token).await;
    assert_eq!((answer.status, answer.entries().len()), (207, 0));
    assert_eq!(
        propfind(&server, WORK, "1", "<d:getetag/>").await.entries()[1..],
        ["b.ics propstat 200", "c.ics propstat 200"]
    );
    assert_eq!(sync(&server, "").await.entries(), ["b.ics propstat 200", "c.ics propstat 200"]);
}

#[tokio::test]
async fn q08_initial_sync_with_dead_entries() {
    let server = filled(Quirks { initial_sync: InitialSync::WithDead, ..Quirks::default() });
    assert_eq!(
        sync(&server, "").await.entries(),
        ["a.ics propstat 200", "b.ics propstat 200", "dead.ics 404"]
    );
}

#[tokio::test]
async fn q08_status_of_deletions() {
    for (deletion_status, entry) in [
        (DeletionStatus::NotFound, "a.ics 404"),
        (DeletionStatus::Gone, "a.ics 410"),
        (DeletionStatus::Teapot, "a.ics 418"),
    ] {
        let server = filled(Quirks { deletion_status, ..Quirks::default() });
        let token = server.sync_token("work").unwrap();
        server.delete("work", "a.ics");
        assert_eq!(sync(&server, &token).await.entries(), [entry]);
    }
}

#[tokio::test]
async fn q08_deletions_in_one_response() {
    let server = filled(Quirks { dead_entries: DeadEntries::Grouped, ..Quirks::default() });
    let token = server.sync_token("work").unwrap();
    assert_eq!(sync(&server, &token).await.entries().len(), 0);
    server.delete("work", "a.ics");
    server.delete("work", "b.ics");
    let answer = sync(&server, &token).await;
    let expected = format!(
        "<D:response><D:href>{WORK}a.ics</D:href><D:href>{WORK}b.ics</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>"
    );
    assert!(answer.has(&expected), "{}", answer.text());
}

#[tokio::test]
async fn depth_of_a_sync() {
    let body = "<sync-collection xmlns=\"DAV:\"><sync-token/><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>";
    for (sync_depth, zero, one, none) in
        [(SyncDepth::Any, 207, 207, 207), (SyncDepth::Zero, 207, 400, 400), (SyncDepth::One, 400, 207, 400)]
    {
        let server = filled(Quirks { sync_depth, ..Quirks::default() });
        for (headers, status) in [(&[("Depth", "0")][..], zero), (&[("Depth", "1")], one), (&[], none)] {
            assert_eq!(
                ask(&server, "REPORT", WORK, headers, body).await.status,
                status,
                "{sync_depth:?} {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn q08_objects_created_and_deleted_in_between() {
    for (brief_items, expected) in [(BriefItems::Reported, 1), (BriefItems::Omitted, 0)] {
        let server = filled(Quirks { brief_items, ..Quirks::default() });
        let token = server.sync_token("work").unwrap();
        server.put("work", "c.ics", &event("c", "Three"));
        server.delete("work", "c.ics");
        assert_eq!(sync(&server, &token).await.entries().len(), expected, "{brief_items:?}");
        server.delete("work", "a.ics");
        assert_eq!(
            sync(&server, &token).await.entries().len(),
            expected + 1,
            "known objects are always reported"
        );
    }
}

#[tokio::test]
async fn q08_the_collection_as_an_entry() {
    for (self_entry, expected) in [
        (SelfEntry::MissingEtag, format!("<D:href>{WORK}</D:href><D:propstat><D:prop><D:getetag/></D:prop><D:status>HTTP/1.1 404")),
        (
            SelfEntry::MissingEtagWithoutSlash,
            "<D:href>/dav/calendars/user/work</D:href><D:propstat><D:prop><D:getetag/></D:prop><D:status>HTTP/1.1 404".to_owned(),
        ),
        (SelfEntry::Member, format!("<D:href>{WORK}</D:href><D:propstat><D:prop><D:getetag>\"")),
    ] {
        let server = filled(Quirks { self_entry, ..Quirks::default() });
        let answer = sync(&server, "").await;
        assert!(answer.has(&expected), "{self_entry:?}");
        assert_eq!(answer.entries().len(), 3);
    }
}

#[tokio::test]
async fn q08_the_collection_as_an_entry_after_a_property_edit() {
    let server = filled(Quirks {
        self_entry: SelfEntry::AfterPropertyEdit,
        property_edits: PropertyEdits::MoveToken,
        ..Quirks::default()
    });
    let token = server.sync_token("work").unwrap();
    assert_eq!(sync(&server, &token).await.entries().len(), 0);
    let body = "<propertyupdate xmlns=\"DAV:\"><set><prop><displayname>New</displayname></prop></set></propertyupdate>";
    ask(&server, "PROPPATCH", WORK, &[], body).await;
    let answer = sync(&server, &token).await;
    assert_eq!(answer.entries(), ["work propstat 404"]);
    assert_eq!(sync(&server, &answer.token()).await.entries().len(), 0);
}

#[tokio::test]
async fn data_in_a_sync_answer() {
    for (sync_data, given) in [(SyncData::Given, true), (SyncData::Absent, false)] {
        let server = filled(Quirks { sync_data, ..Quirks::default() });
        let answer = sync_with(&server, "", "", "<c:calendar-data/>").await;
        assert_eq!(answer.has("SUMMARY:One"), given);
        assert_eq!(answer.has("<C:calendar-data/></D:prop><D:status>HTTP/1.1 404"), !given);
    }
}

#[tokio::test]
async fn property_edits_move_the_token_or_not() {
    for (property_edits, moves) in [(PropertyEdits::Silent, false), (PropertyEdits::MoveToken, true)] {
        let server = filled(Quirks { property_edits, ..Quirks::default() });
        let token = server.sync_token("work").unwrap();
        let body = "<propertyupdate xmlns=\"DAV:\"><set><prop><displayname>New</displayname></prop></set></propertyupdate>";
        assert_eq!(ask(&server, "PROPPATCH", WORK, &[], body).await.status, 207);
        assert_eq!(server.sync_token("work").unwrap() != token, moves);
        assert_eq!(sync(&server, &token).await.entries().len(), 0);
    }
}

#[tokio::test]
async fn q15_recreated_collection_with_a_stale_token() {
    for (token_form, status) in [(TokenForm::Scoped, 403), (TokenForm::BareNumber, 207)] {
        let server = filled(Quirks { token_form, ..Quirks::default() });
        let token = server.sync_token("work").unwrap();
        server.recreate_calendar("work");
        server.put("work", "new.ics", &event("new", "New"));
        let answer = sync(&server, &token).await;
        assert_eq!((answer.status, answer.entries().len()), (status, 0), "{token_form:?}");
        assert_eq!(sync(&server, "").await.entries(), ["new.ics propstat 200"]);
        assert!(propfind(&server, WORK, "0", "<d:displayname/>").await.has("Work"));
    }
}
