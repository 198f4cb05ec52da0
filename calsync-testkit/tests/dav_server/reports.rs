//! Multiget and queries: scenarios 9 and 10.

use calsync_testkit::dav::{
    Compression, MultigetCopies, MultigetEmpty, MultigetMissing, MultigetOrder, QueryDepth, Quirks, TimeRange,
};

use crate::client::*;

fn filled(quirks: Quirks) -> calsync_testkit::dav::DavServer {
    let server = start(quirks);
    for name in ["a", "b", "c"] {
        server.put("work", &format!("{name}.ics"), &event(name, &format!("Event {name}")));
    }
    server
}

#[tokio::test]
async fn q09_missing_hrefs() {
    for (multiget_missing, entries) in [
        (MultigetMissing::NotFound, &["a.ics propstat 200", "no.ics 404"][..]),
        (MultigetMissing::Omitted, &["a.ics propstat 200"]),
        (MultigetMissing::WithoutStatus, &["a.ics propstat 200", "no.ics none"]),
    ] {
        let server = filled(Quirks { multiget_missing, ..Quirks::default() });
        assert_eq!(multiget(&server, &["a.ics", "no.ics"]).await.entries(), entries);
    }
}

#[tokio::test]
async fn q09_order_and_copies() {
    let server = filled(Quirks { multiget_order: MultigetOrder::Reversed, ..Quirks::default() });
    assert_eq!(
        multiget(&server, &["a.ics", "b.ics"]).await.entries(),
        ["b.ics propstat 200", "a.ics propstat 200"]
    );
    let server = filled(Quirks { multiget_copies: MultigetCopies::Twice, ..Quirks::default() });
    assert_eq!(multiget(&server, &["a.ics", "no.ics"]).await.entries().len(), 4);
    let server = filled(Quirks::default());
    assert_eq!(
        multiget(&server, &["a.ics", "a.ics"]).await.entries().len(),
        2,
        "asked twice, answered twice"
    );
}

#[tokio::test]
async fn q09_empty_multiget() {
    let server = filled(Quirks { multiget_empty: MultigetEmpty::ServerError, ..Quirks::default() });
    assert_eq!(multiget(&server, &[]).await.status, 500);
    assert_eq!(multiget(&server, &["a.ics"]).await.status, 207);
}

#[tokio::test]
async fn q09_one_object_poisons_every_batch_it_is_in() {
    let server = filled(Quirks { poison: vec!["b.ics".to_owned()], ..Quirks::default() });
    assert_eq!(multiget(&server, &["a.ics", "b.ics", "c.ics"]).await.status, 500);
    assert_eq!(multiget(&server, &["b.ics"]).await.status, 500);
    assert_eq!(multiget(&server, &["a.ics", "c.ics"]).await.status, 207);
    assert_eq!(ask(&server, "GET", &format!("{WORK}b.ics"), &[], "").await.status, 200);
    assert_eq!(sync(&server, "").await.entries().len(), 3, "tags alone are fine");
    assert_eq!(sync_with(&server, "", "", "<c:calendar-data/>").await.status, 500);
}

#[tokio::test]
async fn q09_gzip_for_those_who_ask() {
    let server = filled(Quirks { compression: Compression::Gzip, ..Quirks::default() });
    let path = format!("{WORK}a.ics");
    let plain = ask(&server, "GET", &path, &[], "").await;
    assert_eq!((plain.header("content-encoding"), plain.text()), (None, event("a", "Event a")));
    let packed = ask(&server, "GET", &path, &[("Accept-Encoding", "gzip, deflate")], "").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    // One stored block: header, block header, data, checksum and length.
    let body = event("a", "Event a").into_bytes();
    assert_eq!(packed.body[..3], [0x1f, 0x8b, 8]);
    assert_eq!(packed.body[15..15 + body.len()], body);
    assert_eq!(packed.body[packed.body.len() - 4..], (body.len() as u32).to_le_bytes());
    assert_eq!(packed.header("etag"), plain.header("etag"));
}

#[tokio::test]
async fn q10_a_listed_object_that_is_never_there() {
    let server = filled(Quirks { ghosts: vec!["ghost.ics".to_owned()], ..Quirks::default() });
    let listing = propfind(&server, WORK, "1", "<d:getetag/>").await;
    assert!(listing.entries().contains(&"ghost.ics propstat 200".to_owned()));
    let initial = sync(&server, "").await;
    assert!(initial.entries().contains(&"ghost.ics propstat 200".to_owned()));
    assert!(initial.has("<D:getetag>\"ghost\"</D:getetag>"));
    assert_eq!(sync(&server, &initial.token()).await.entries().len(), 0);
    assert_eq!(multiget(&server, &["ghost.ics"]).await.entries(), ["ghost.ics 404"]);
    for method in ["GET", "DELETE"] {
        assert_eq!(ask(&server, method, &format!("{WORK}ghost.ics"), &[], "").await.status, 404);
    }
    assert_eq!(server.list("work").len(), 3);
}

#[tokio::test]
async fn depth_of_a_query() {
    let body = "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/></D:prop>\
                </C:calendar-query>";
    for (query_depth, status, entries) in
        [(QueryDepth::Any, 207, 3), (QueryDepth::Refused, 400, 0), (QueryDepth::Empty, 207, 0)]
    {
        let server = filled(Quirks { query_depth, ..Quirks::default() });
        for headers in [&[("Depth", "0")][..], &[]] {
            let answer = ask(&server, "REPORT", WORK, headers, body).await;
            assert_eq!((answer.status, answer.entries().len()), (status, entries), "{query_depth:?}");
        }
        let answer = ask(&server, "REPORT", WORK, &[("Depth", "1")], body).await;
        assert_eq!((answer.status, answer.entries().len()), (207, 3), "{query_depth:?}");
    }
}

#[tokio::test]
async fn time_ranges() {
    let range = "<C:time-range start=\"20270101T000000Z\" end=\"20270201T000000Z\"/>";
    for (time_range, status, entries) in
        [(TimeRange::Coarse, 207, 0), (TimeRange::Ignored, 207, 3), (TimeRange::ServerError, 500, 0)]
    {
        let server = filled(Quirks { time_range, ..Quirks::default() });
        let answer = query(&server, "VEVENT", range).await;
        assert_eq!((answer.status, answer.entries().len()), (status, entries), "{time_range:?}");
        assert_eq!(query(&server, "VEVENT", "").await.entries().len(), 3);
    }
}
