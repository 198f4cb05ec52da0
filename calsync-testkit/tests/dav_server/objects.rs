//! Reading and writing one object: scenarios 11 to 14 and 19.

use calsync_testkit::dav::{
    BadBody, ChunkedPut, DeleteMissing, ErrorBody, EtagProperty, Etags, EventEnd, GetEtag, IfMatch,
    IfMatchAny, IfNoneMatch, PutBody, PutEtag, PutName, Quirks, Racing, UidConflict,
};

use crate::client::*;

#[tokio::test]
async fn q11_etag_of_put() {
    for put_etag in
        [PutEtag::Strong, PutEtag::Missing, PutEtag::Weak, PutEtag::Unquoted, PutEtag::PercentEncoded]
    {
        let server = start(Quirks { put_etag, ..Quirks::default() });
        let answer = put(&server, "a.ics", &[], &event("a", "One")).await;
        let stored = server.etag("work", "a.ics").unwrap();
        let bare = stored.trim_matches('"').to_owned();
        let expected = match put_etag {
            PutEtag::Strong => Some(stored.clone()),
            PutEtag::Missing => None,
            PutEtag::Weak => Some(format!("W/{stored}")),
            PutEtag::Unquoted => Some(bare.clone()),
            PutEtag::PercentEncoded => Some(format!("%22{bare}%22")),
        };
        assert_eq!(answer.header("etag"), expected.as_deref(), "{put_etag:?}");
        let read = ask(&server, "GET", &format!("{WORK}a.ics"), &[], "").await;
        assert_eq!(read.header("etag"), Some(stored.as_str()), "GET has the real one");
        // Which of the answers can be sent back as it is.
        if let Some(sent) = answer.header("etag") {
            let works = matches!(put_etag, PutEtag::Strong | PutEtag::Unquoted);
            let status = put(&server, "a.ics", &[("If-Match", sent)], &event("a", "Two")).await.status;
            assert_eq!(status, if works { 204 } else { 412 }, "{put_etag:?}");
        }
    }
}

#[tokio::test]
async fn q11_etag_of_get_and_of_listings() {
    for (get_etag, suffix) in [(GetEtag::GzipSuffix, Some("-gzip\"")), (GetEtag::Missing, None)] {
        let server = start(Quirks { get_etag, etag_property: EtagProperty::Unquoted, ..Quirks::default() });
        let etag = server.put("work", "a.ics", &event("a", "One"));
        let read = ask(&server, "GET", &format!("{WORK}a.ics"), &[], "").await;
        let expected = suffix.map(|suffix| format!("{}{suffix}", etag.trim_end_matches('"')));
        assert_eq!(read.header("etag"), expected.as_deref());
        let listing = propfind(&server, WORK, "1", "<d:getetag/>").await;
        assert!(listing.has(&format!("<D:getetag>{}</D:getetag>", etag.trim_matches('"'))));
    }
}

#[tokio::test]
async fn q11_loop_12_etags_that_look_like_numbers_are_kept() {
    let server = start(Quirks::default());
    server.put("work", "a.ics", &event("a", "One"));
    for etag in ["\"0123\"", "1e5", "\"\"", "W/\"a\"", "\"12345678901234567890\""] {
        let token = server.sync_token("work").unwrap();
        server.set_etag("work", "a.ics", etag);
        assert!(sync(&server, &token).await.has(&format!("<D:getetag>{etag}</D:getetag>")), "{etag}");
    }
}

#[tokio::test]
async fn q11_rewritten_body() {
    let server = start(Quirks { put_body: PutBody::Rewritten, ..Quirks::default() });
    let sent = "BEGIN:VCALENDAR\nVERSION:2.0\nprodid:-//x//EN\nBEGIN:VEVENT\nuid:a\nSUMMARY:One\nDTSTART:20260310T090000Z\n\
                DURATION:PT90M\nATTENDEE;CN=\"A: B\":mailto:a@example.com\nBEGIN:VALARM\nTRIGGER:-PT60M\nACTION:DISPLAY\n\
                END:VALARM\nDTSTAMP:20260101T000000Z\nEND:VEVENT\nEND:VCALENDAR\n";
    let stored = "BEGIN:VCALENDAR\r\nPRODID:-//x//EN\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n\
                  ATTENDEE;CN=\"A: B\":mailto:a@example.com\r\nDTSTAMP:20260101T000000Z\r\n\
                  DTSTART:20260310T090000Z\r\nDURATION:PT1H30M\r\nSUMMARY:One\r\nUID:a\r\nBEGIN:VALARM\r\n\
                  ACTION:DISPLAY\r\nTRIGGER:-PT60M\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let answer = put(&server, "a.ics", &[("If-None-Match", "*")], sent).await;
    assert_eq!(server.get("work", "a.ics").unwrap(), stored);
    assert_eq!(answer.header("etag"), server.etag("work", "a.ics").as_deref(), "the tag of what is stored");
    let long = event("a", &"é".repeat(60));
    put(&server, "a.ics", &[], &long).await;
    let folded = server.get("work", "a.ics").unwrap();
    assert!(folded.split("\r\n").all(|line| line.len() <= 75));
    assert!(folded.replace("\r\n ", "").contains(&"é".repeat(60)));
}

#[tokio::test]
async fn q11_stored_under_another_name() {
    for (put_name, stored, old) in [(PutName::Uid, "uid-1", 410), (PutName::Eml, "a.EML", 410)] {
        let server = start(Quirks { put_name, ..Quirks::default() });
        let created = put(&server, "a.ics", &[("If-None-Match", "*")], &event("uid-1", "One")).await;
        assert_eq!(created.status, 201);
        assert_eq!(server.list("work")[0].0, stored);
        assert_eq!(sync(&server, "").await.entries(), [format!("{stored} propstat 200")]);
        assert_eq!(ask(&server, "GET", &format!("{WORK}a.ics"), &[], "").await.status, old);
        assert_eq!(ask(&server, "GET", &format!("{WORK}never.ics"), &[], "").await.status, 404);
        let etag = server.etag("work", stored).unwrap();
        let changed = put(&server, stored, &[("If-Match", &etag)], &event("uid-1", "Two")).await;
        assert_eq!((changed.status, server.list("work").len()), (204, 1), "the listed name stays");
    }
}

#[tokio::test]
async fn q12_if_none_match_ignored() {
    let server = start(Quirks { if_none_match: IfNoneMatch::Ignored, ..Quirks::default() });
    server.put("work", "a.ics", &event("a", "One"));
    let answer = put(&server, "a.ics", &[("If-None-Match", "*")], &event("a", "Overwritten")).await;
    assert_eq!(answer.status, 204);
    assert!(server.get("work", "a.ics").unwrap().contains("Overwritten"));
}

#[tokio::test]
async fn q12_if_match_any() {
    for (if_match_any, on_existing, on_missing) in
        [(IfMatchAny::Honoured, 204, 412), (IfMatchAny::Backwards, 412, 201), (IfMatchAny::Ignored, 204, 201)]
    {
        let server = start(Quirks { if_match_any, ..Quirks::default() });
        server.put("work", "a.ics", &event("a", "One"));
        let any = [("If-Match", "*")];
        assert_eq!(
            put(&server, "a.ics", &any, &event("a", "Two")).await.status,
            on_existing,
            "{if_match_any:?}"
        );
        assert_eq!(
            put(&server, "b.ics", &any, &event("b", "Two")).await.status,
            on_missing,
            "{if_match_any:?}"
        );
    }
}

#[tokio::test]
async fn q12_if_match_with_a_stale_tag() {
    for (if_match, existing, missing) in
        [(IfMatch::Honoured, 412, 412), (IfMatch::PassesWhenMissing, 412, 201), (IfMatch::Ignored, 204, 201)]
    {
        let server = start(Quirks { if_match_put: if_match, if_match_delete: if_match, ..Quirks::default() });
        server.put("work", "a.ics", &event("a", "One"));
        let stale = [("If-Match", "\"stale\"")];
        assert_eq!(put(&server, "a.ics", &stale, &event("a", "Two")).await.status, existing, "{if_match:?}");
        assert_eq!(put(&server, "b.ics", &stale, &event("b", "Two")).await.status, missing, "{if_match:?}");
        let deleted = ask(&server, "DELETE", &format!("{WORK}a.ics"), &stale, "").await;
        assert_eq!(deleted.status, existing, "{if_match:?}");
        assert_eq!(server.get("work", "a.ics").is_none(), if_match == IfMatch::Ignored);
    }
    let sogo = start(Quirks { if_match_delete: IfMatch::Ignored, ..Quirks::default() });
    sogo.put("work", "a.ics", &event("a", "One"));
    assert_eq!(put(&sogo, "a.ics", &[("If-Match", "\"stale\"")], &event("a", "Two")).await.status, 412);
}

#[tokio::test]
async fn q12_delete_of_what_is_gone() {
    for (delete_missing, status) in [(DeleteMissing::NotFound, 404), (DeleteMissing::PreconditionFailed, 412)]
    {
        let server = start(Quirks { delete_missing, ..Quirks::default() });
        let path = format!("{WORK}a.ics");
        assert_eq!(ask(&server, "DELETE", &path, &[("If-Match", "\"x\"")], "").await.status, status);
        assert_eq!(ask(&server, "DELETE", &path, &[], "").await.status, 404, "{delete_missing:?}");
        assert_eq!(ask(&server, "GET", &path, &[], "").await.status, 404);
    }
}

#[tokio::test]
async fn q12_two_winners() {
    for (racing, second, third) in [(Racing::OneWinner, 412, 412), (Racing::TwoWinners, 204, 412)] {
        let server = start(Quirks { racing, ..Quirks::default() });
        let etag = server.put("work", "a.ics", &event("a", "One"));
        let held = [("If-Match", etag.as_str())];
        assert_eq!(put(&server, "a.ics", &held, &event("a", "First")).await.status, 204);
        assert_eq!(put(&server, "a.ics", &held, &event("a", "Second")).await.status, second, "{racing:?}");
        assert_eq!(put(&server, "a.ics", &held, &event("a", "Third")).await.status, third, "{racing:?}");
    }
}

#[tokio::test]
async fn q13_refused_bodies() {
    for (bad_body, status, text) in [
        (BadBody::Precondition, 403, "<C:valid-calendar-data/>"),
        (BadBody::PreconditionFailed, 412, "<C:valid-calendar-data/>"),
        (BadBody::PlainPreconditionFailed, 412, "No calendar content"),
        (BadBody::BadRequest, 400, "Bad Request"),
        (BadBody::NotFound, 404, ""),
        (BadBody::Unsupported, 415, "<C:valid-calendar-data/>"),
        (BadBody::ServerError, 500, "<!DOCTYPE html>"),
        (BadBody::Accepted, 201, ""),
    ] {
        let server = start(Quirks { bad_body, ..Quirks::default() });
        let answer = put(&server, "a.ics", &[], "no calendar").await;
        assert_eq!(answer.status, status, "{bad_body:?}");
        assert!(answer.has(text), "{bad_body:?}");
        assert_eq!(server.list("work").len(), usize::from(status == 201));
    }
}

#[tokio::test]
async fn q13_bodies_refused_for_a_text_or_for_having_no_end() {
    let server = start(Quirks {
        refused_texts: vec!["RRULE:FREQ=HOURLY".to_owned()],
        event_end: EventEnd::Required,
        bad_body: BadBody::NotFound,
        ..Quirks::default()
    });
    let good = event("a", "One");
    for (body, status) in [
        (good.replace("SUMMARY", "RRULE:FREQ=HOURLY\r\nSUMMARY"), 404),
        (good.replace("DTEND:20260310T100000Z\r\n", ""), 404),
        (good.replace("DTEND:20260310T100000Z", "DURATION:PT1H"), 201),
    ] {
        assert_eq!(put(&server, "a.ics", &[], &body).await.status, status);
    }
}

#[tokio::test]
async fn q13_uid_conflicts() {
    let href = "<D:href>/dav/calendars/user/work/a.ics</D:href>";
    for (uid_conflict, status, text) in [
        (UidConflict::WithHref, 409, format!("<C:no-uid-conflict>{href}")),
        (UidConflict::WithoutHref, 409, "<C:no-uid-conflict/>".to_owned()),
        (UidConflict::Forbidden, 403, format!("<C:no-uid-conflict>{href}")),
        (UidConflict::PreconditionFailed, 412, format!("<C:no-uid-conflict>{href}")),
        (UidConflict::SchedulingObject, 403, format!("<C:unique-scheduling-object-resource>{href}")),
        (UidConflict::Bare, 409, String::new()),
        (UidConflict::Accepted, 201, String::new()),
    ] {
        let server = start(Quirks { uid_conflict, ..Quirks::default() });
        server.put("work", "a.ics", &event("a", "One"));
        let answer = put(&server, "b.ics", &[("If-None-Match", "*")], &event("a", "One")).await;
        assert_eq!(answer.status, status, "{uid_conflict:?}");
        assert!(answer.has(&text), "{uid_conflict:?}");
        assert_eq!(answer.body.is_empty(), text.is_empty(), "{uid_conflict:?}");
        assert_eq!(server.list("work").len(), if status == 201 { 2 } else { 1 });
    }
}

#[tokio::test]
async fn q13_chunked_put() {
    let body = event("a", "One");
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (chunked_put, status) in [(ChunkedPut::Accepted, 201), (ChunkedPut::Refused, 400)] {
        let server = start(Quirks { chunked_put, ..Quirks::default() });
        let headers = [AUTH, ("Transfer-Encoding", "chunked")];
        let answer =
            send(&server, "PUT", &format!("{WORK}a.ics"), &headers, chunked.as_bytes()).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(put(&server, "b.ics", &[], &event("b", "One")).await.status, 201);
    }
}

#[tokio::test]
async fn q14_etag_reuse_after_recreation() {
    let server = start(Quirks { etags: Etags::Counter, ..Quirks::default() });
    let path = format!("{WORK}a.ics");
    let created = put(&server, "a.ics", &[], &event("a", "One")).await;
    assert_eq!(created.header("etag"), Some("\"gcs00000000\""));
    let same = put(&server, "a.ics", &[], &event("a", "One")).await;
    assert_eq!(same.header("etag"), Some("\"gcs00000001\""), "an identical PUT moves the counter");
    let token = server.sync_token("work").unwrap();
    ask(&server, "DELETE", &path, &[], "").await;
    let again = put(&server, "a.ics", &[], &event("a", "Other")).await;
    assert_eq!(again.header("etag"), Some("\"gcs00000000\""));
    assert_eq!(sync(&server, &token).await.entries(), ["a.ics propstat 200"]);
}

#[tokio::test]
async fn q16_bodies_of_errors() {
    for (error_body, content_type, text) in [
        (ErrorBody::Xml, Some("application/xml; charset=utf-8"), "<D:error "),
        (ErrorBody::WrongNamespace, Some("application/xml; charset=utf-8"), "<X:error "),
        (ErrorBody::Html, Some("text/html; charset=utf-8"), "<!DOCTYPE html>"),
        (ErrorBody::Plain, Some("text/plain; charset=utf-8"), "refused"),
        (ErrorBody::Empty, None, ""),
    ] {
        let server = start(Quirks { error_body, ..Quirks::default() });
        let answer = sync(&server, "garbage").await;
        assert_eq!((answer.status, answer.header("content-type")), (403, content_type));
        assert!(answer.has(text), "{error_body:?}");
        assert_eq!(answer.has("xmlns:X=\"DAV\""), error_body == ErrorBody::WrongNamespace);
    }
}

#[tokio::test]
async fn q19_bodies_that_would_mail_can_be_counted() {
    let server = start(Quirks::default());
    let invitation = event("a", "One").replace("SUMMARY", "ATTENDEE:mailto:a@example.com\r\nSUMMARY");
    put(&server, "a.ics", &[], &invitation).await;
    put(&server, "b.ics", &[], &event("b", "Two")).await;
    let mailing = server.requests().iter().filter(|request| request.body_text().contains("ATTENDEE")).count();
    assert_eq!(mailing, 1);
}
