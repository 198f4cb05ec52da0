//! Without quirks.

use calsync_testkit::dav::{Access, DavOptions, DavServer, Quirks};

use crate::client::*;

#[tokio::test]
async fn a_client_finds_its_way_from_the_host_name_to_the_events() {
    let server = start(Quirks::default());
    server.put("work", "a.ics", &event("a", "One"));

    let well_known = send(&server, "PROPFIND", "/.well-known/caldav", &[], b"").await.unwrap();
    assert_eq!((well_known.status, well_known.header("location")), (301, Some("/dav/")));
    let context = propfind(&server, "/dav/", "0", "<d:current-user-principal/>").await;
    assert_eq!(context.status, 207);
    let principal = context.between("<D:current-user-principal><D:href>", "<");
    assert_eq!(principal, "/dav/principals/user/");
    let principal = propfind(&server, &principal, "0", "<c:calendar-home-set/><d:displayname/>").await;
    let home = principal.between("<C:calendar-home-set><D:href>", "<");
    assert_eq!(home, HOME);
    let home = propfind(&server, &home, "1", "<d:resourcetype/><d:displayname/>").await;
    assert_eq!(home.entries(), ["user propstat 200", "work propstat 200"]);
    assert!(home.has("<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"));
    assert!(home.has("<D:displayname>Work</D:displayname>"));
    let listing = propfind(&server, WORK, "1", "<d:getetag/><d:getcontenttype/>").await;
    assert_eq!(listing.entries(), ["work propstat 200", "a.ics propstat 200"]);
    let etag = server.etag("work", "a.ics").unwrap();
    assert!(listing.has(&format!("<D:getetag>{etag}</D:getetag>")));
    assert!(listing.has("component=VEVENT"));
}

#[tokio::test]
async fn calendar_properties_are_given_by_name_and_unknown_ones_are_missing() {
    let server = start(Quirks::default());
    let asked = "<d:sync-token/><cs:getctag/><d:supported-report-set/><c:supported-calendar-component-set/>\
                 <d:current-user-privilege-set/><c:max-resource-size/><a:calendar-color/><x:odd xmlns:x=\"urn:x\"/>";
    let answer = propfind(&server, WORK, "0", asked).await;
    let (found, missing) =
        answer.text().split_once("200 OK").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    for part in [
        "<D:sync-token>http://calsync.invalid/ns/sync/1-0</D:sync-token>",
        "<CS:getctag>\"1-0\"</CS:getctag>",
        "<D:report><D:sync-collection/></D:report>",
        "<C:comp name=\"VEVENT\"/>",
        "<D:privilege><D:write-content/></D:privilege>",
        "<C:max-resource-size>10000000</C:max-resource-size>",
    ] {
        assert!(found.contains(part), "{part}");
    }
    assert!(missing.contains("<A:calendar-color/>"));
    assert!(missing.contains("<X:odd xmlns:X=\"urn:x\"/>"));
    assert!(missing.contains("404 Not Found"));
    assert!(is_well_formed(&answer.text()));

    let all = ask(&server, "PROPFIND", WORK, &[("Depth", "0")], "").await;
    assert!(all.has("<D:resourcetype>") && !all.has("sync-token"), "allprop leaves out what must be named");
}

#[tokio::test]
async fn requests_without_or_with_wrong_credentials_are_challenged() {
    let server = start(Quirks::default());
    for headers in [&[][..], &[("Authorization", "Basic dXNlcjp3cm9uZw==")], &[("Authorization", "Bearer x")]]
    {
        let answer = send(&server, "PROPFIND", "/dav/", headers, b"").await.unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"calsync\", charset=\"UTF-8\""));
    }
    let lower = [("Authorization", "basic dXNlcjpzZWNyZXQ="), ("Depth", "0")];
    assert_eq!(send(&server, "PROPFIND", "/dav/", &lower, b"").await.unwrap().status, 207);
}

#[tokio::test]
async fn every_length_of_credentials_is_accepted() {
    for (password, header) in [("", "Basic dTo="), ("p", "Basic dTpw"), ("pä", "Basic dTpww6Q=")] {
        let server = DavServer::start(DavOptions::default().credentials("u", password)).unwrap();
        let answer = send(&server, "OPTIONS", "/", &[("Authorization", header)], b"").await.unwrap();
        assert_eq!(answer.status, 200, "{header}");
        assert!(answer.header("dav").unwrap().contains("calendar-access"));
    }
}

#[tokio::test]
async fn an_object_is_created_read_changed_and_deleted() {
    let server = start(Quirks::default());
    let body = event("a", "One");
    let created = put(&server, "a.ics", &[("If-None-Match", "*")], &body).await;
    assert_eq!(created.status, 201);
    let etag = created.header("etag").unwrap().to_owned();
    assert_eq!(server.get("work", "a.ics"), Some(body.clone()));
    assert_eq!(server.list("work"), [("a.ics".to_owned(), etag.clone(), body.clone())]);

    let path = format!("{WORK}a.ics");
    let read = ask(&server, "GET", &path, &[], "").await;
    assert_eq!((read.status, read.header("etag"), read.text()), (200, Some(etag.as_str()), body.clone()));
    let head = ask(&server, "HEAD", &path, &[], "").await;
    assert_eq!((head.status, head.header("etag"), head.body.len()), (200, Some(etag.as_str()), 0));
    assert_eq!(ask(&server, "GET", &path, &[("If-None-Match", &etag)], "").await.status, 304);

    assert_eq!(put(&server, "a.ics", &[("If-None-Match", "*")], &body).await.status, 412);
    assert_eq!(put(&server, "a.ics", &[("If-Match", "\"other\"")], &body).await.status, 412);
    assert_eq!(put(&server, "b.ics", &[("If-Match", "*")], &event("b", "Two")).await.status, 412);
    assert_eq!(put(&server, "a.ics", &[("If-Match", &format!("W/{etag}"))], &body).await.status, 412);
    let same = put(&server, "a.ics", &[("If-Match", &etag)], &body).await;
    assert_eq!(
        (same.status, same.header("etag")),
        (204, Some(etag.as_str())),
        "the same bytes keep their tag"
    );
    let list = format!("\"other\", {etag}");
    let changed = put(&server, "a.ics", &[("If-Match", &list)], &event("a", "Changed")).await;
    assert_eq!(changed.status, 204);
    assert_ne!(changed.header("etag"), Some(etag.as_str()));

    assert_eq!(ask(&server, "DELETE", &path, &[("If-Match", &etag)], "").await.status, 412);
    assert_eq!(ask(&server, "DELETE", &path, &[], "").await.status, 204);
    assert_eq!(ask(&server, "DELETE", &path, &[], "").await.status, 404);
    assert_eq!(ask(&server, "GET", &path, &[], "").await.status, 404);
    assert!(server.list("work").is_empty());
}

#[tokio::test]
async fn bodies_that_no_server_should_store_are_refused_with_their_precondition() {
    let server = start(Quirks::default());
    server.set_components("work", &["VEVENT"]);
    let good = event("a", "One");
    for (body, precondition) in [
        ("hello".to_owned(), "valid-calendar-data"),
        (String::new(), "valid-calendar-data"),
        (good.replace("END:VCALENDAR\r\n", ""), "valid-calendar-data"),
        (good.replace("VERSION:2.0", "METHOD:REQUEST"), "valid-calendar-object-resource"),
        (good.replace("UID:a\r\n", ""), "valid-calendar-object-resource"),
        (good.replace("VEVENT", "VTODO"), "supported-calendar-component"),
    ] {
        let answer = put(&server, "a.ics", &[], &body).await;
        assert_eq!(answer.status, 403, "{body}");
        assert!(answer.has("<D:error xmlns:D=\"DAV:\"") && answer.has(precondition), "{body}");
    }
    let two = good.replace("END:VCALENDAR\r\n", &event("b", "Two").replace("BEGIN:VCALENDAR\r\n", ""));
    assert_eq!(put(&server, "a.ics", &[], &two).await.status, 403);
    assert!(server.list("work").is_empty());
    assert_eq!(put(&server, "a.ics", &[], &good).await.status, 201);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let options = DavOptions { max_resource_size: 300, ..DavOptions::default() };
    let server = DavServer::start(options).unwrap();
    let answer = put(&server, "a.ics", &[], &event("a", &"x".repeat(300))).await;
    assert!(answer.status == 403 && answer.has("max-resource-size"));
    assert_eq!(put(&server, "a.ics", &[], &event("a", "x")).await.status, 201);
}

#[tokio::test]
async fn a_uid_is_stored_once_per_calendar() {
    let server = start(Quirks::default());
    server.add_calendar("other", "Other");
    put(&server, "a.ics", &[], &event("a", "One")).await;
    let answer = put(&server, "b.ics", &[], &event("a", "One")).await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.has("<C:no-uid-conflict><D:href>/dav/calendars/user/work/a.ics</D:href></C:no-uid-conflict>")
    );
    assert_eq!(put(&server, "a.ics", &[], &event("b", "One")).await.status, 409, "the UID may not change");
    let elsewhere = ask(&server, "PUT", "/dav/calendars/user/other/a.ics", &[], &event("a", "One")).await;
    assert_eq!(elsewhere.status, 201);
    assert_eq!(
        ask(&server, "PUT", "/dav/calendars/user/none/a.ics", &[], &event("a", "One")).await.status,
        409
    );
}

#[tokio::test]
async fn calendars_are_made_renamed_and_deleted() {
    let server = start(Quirks::default());
    let path = "/dav/calendars/user/new/";
    let body = "<c:mkcalendar xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><set><prop>\
                <displayname>A &amp; B</displayname><c:supported-calendar-component-set><c:comp name=\"VEVENT\"/>\
                </c:supported-calendar-component-set></prop></set></c:mkcalendar>";
    assert_eq!(ask(&server, "MKCALENDAR", path, &[], body).await.status, 201);
    assert_eq!(ask(&server, "MKCALENDAR", path, &[], body).await.status, 405);
    assert_eq!(server.calendars(), ["new", "work"]);
    let asked = "<d:displayname/><c:supported-calendar-component-set/>";
    let answer = propfind(&server, path, "0", asked).await;
    assert!(answer.has("<D:displayname>A &amp; B</D:displayname>"));
    assert!(answer.has("VEVENT") && !answer.has("VTODO"));

    let patch = |properties: &str| {
        format!(
            "<propertyupdate xmlns=\"DAV:\" xmlns:a=\"http://apple.com/ns/ical/\"><set><prop>{properties}</prop></set></propertyupdate>"
        )
    };
    let both = patch("<displayname>Renamed</displayname><a:calendar-color>#FF0000FF</a:calendar-color>");
    assert!(ask(&server, "PROPPATCH", path, &[], &both).await.has("200 OK"));
    let answer = propfind(&server, path, "0", "<d:displayname/><a:calendar-color/>").await;
    assert!(answer.has("<D:displayname>Renamed</D:displayname>") && answer.has("#FF0000FF"));
    let mixed = patch("<displayname>Again</displayname><getetag>x</getetag>");
    let answer = ask(&server, "PROPPATCH", path, &[], &mixed).await;
    assert!(answer.has("403 Forbidden") && answer.has("424 Failed Dependency"));
    assert!(propfind(&server, path, "0", "<d:displayname/>").await.has("Renamed"), "all or nothing");

    let collection = "<mkcol xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><set><prop><resourcetype>\
                      <collection/><c:calendar/></resourcetype></prop></set></mkcol>";
    assert_eq!(ask(&server, "MKCOL", "/dav/calendars/user/col/", &[], collection).await.status, 201);
    assert_eq!(ask(&server, "MKCOL", "/dav/calendars/user/dull/", &[], "").await.status, 403);
    assert_eq!(ask(&server, "DELETE", path, &[], "").await.status, 204);
    assert_eq!(propfind(&server, path, "0", "<d:displayname/>").await.status, 404);
    assert_eq!(server.calendars(), ["col", "work"]);
}

#[tokio::test]
async fn a_sync_reports_what_changed_since_its_token() {
    let server = start(Quirks::default());
    server.put("work", "a.ics", &event("a", "One"));
    server.put("work", "b.ics", &event("b", "Two"));
    let first = sync(&server, "").await;
    assert_eq!(first.entries(), ["a.ics propstat 200", "b.ics propstat 200"]);
    assert_eq!(sync(&server, &first.token()).await.entries(), [""; 0]);

    server.put("work", "a.ics", &event("a", "Changed"));
    server.delete("work", "b.ics");
    server.put("work", "c.ics", &event("c", "Brief"));
    server.delete("work", "c.ics");
    let second = sync(&server, &first.token()).await;
    assert_eq!(second.entries(), ["a.ics propstat 200", "b.ics 404", "c.ics 404"]);
    assert_ne!(second.token(), first.token());
    assert_eq!(second.token(), server.sync_token("work").unwrap());
    assert_eq!(sync(&server, "").await.entries(), ["a.ics propstat 200"]);

    server.put("work", "b.ics", &event("b", "Again"));
    assert_eq!(sync(&server, &first.token()).await.entries()[1..], ["c.ics 404", "b.ics propstat 200"]);
    let with_data = sync_with(&server, &second.token(), "", "<c:calendar-data/>").await;
    assert!(with_data.has("SUMMARY:Again"));

    let wrong = sync(&server, "http://calsync.invalid/ns/sync/1-99").await;
    assert!(wrong.status == 403 && wrong.has("<D:valid-sync-token/>"), "a token of the future");
    server.expire_tokens("work");
    assert_eq!(sync(&server, &first.token()).await.status, 403);
    assert_eq!(sync(&server, &server.sync_token("work").unwrap()).await.status, 207);
}

#[tokio::test]
async fn a_client_that_limits_a_sync_reads_it_in_pages() {
    let server = start(Quirks::default());
    for name in ["a", "b", "c"] {
        server.put("work", &format!("{name}.ics"), &event(name, "x"));
    }
    let limit = "<limit><nresults>2</nresults></limit>";
    let first = sync_with(&server, "", limit, "").await;
    assert_eq!(first.entries(), ["a.ics propstat 200", "b.ics propstat 200", "work 507"]);
    let second = sync_with(&server, &first.token(), limit, "").await;
    assert_eq!(second.entries(), ["c.ics propstat 200"]);
}

#[tokio::test]
async fn a_multiget_answers_every_href() {
    let server = start(Quirks::default());
    server.put("work", "a+b@c.ics", &event("a", "One"));
    server.add_calendar("other", "Other");
    server.put("other", "b.ics", &event("b", "Two"));
    let url = format!("{}dav/calendars/user/work/a%2bb%40c.ics", server.url());
    let elsewhere = "/dav/calendars/user/other/b.ics";
    let answer = multiget(&server, &["a%2Bb@c.ics", "no.ics", &url, elsewhere]).await;
    assert_eq!(
        answer.entries(),
        ["a+b@c.ics propstat 200", "no.ics 404", "a+b@c.ics propstat 200", "b.ics 404"]
    );
    assert!(answer.has("SUMMARY:One"));
    assert_eq!(multiget(&server, &[]).await.status, 207);
}

#[tokio::test]
async fn a_query_filters_by_component_property_and_coarsely_by_time() {
    let server = start(Quirks::default());
    server.put("work", "march.ics", &event("m@x", "In March"));
    server.put("work", "may.ics", &event("n@x", "In May").replace("202603", "202605"));
    server.put(
        "work",
        "series.ics",
        &event("s@x", "Series").replace("SUMMARY", "RRULE:FREQ=DAILY\r\nSUMMARY"),
    );
    server.put("work", "todo.ics", &event("t@x", "To do").replace("VEVENT", "VTODO"));
    let names = |answer: Answer| -> Vec<String> {
        answer.entries().iter().map(|entry| entry.split('.').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(query(&server, "VTODO", "").await), ["todo"]);
    assert_eq!(names(query(&server, "VEVENT", "").await), ["march", "may", "series"]);
    let uid = "<C:prop-filter name=\"UID\"><C:text-match>n@x</C:text-match></C:prop-filter>";
    assert_eq!(names(query(&server, "VEVENT", uid).await), ["may"]);
    for (start, end, expected) in [
        ("20260301T000000Z", "20260401T000000Z", &["march", "series"][..]),
        ("20260311T000000Z", "20260401T000000Z", &["march", "series"]),
        ("20260312T000000Z", "20260401T000000Z", &["series"]),
        ("20260401T000000Z", "20260601T000000Z", &["may", "series"]),
        ("20270101T000000Z", "20270201T000000Z", &["series"]),
    ] {
        let range = format!("<C:time-range start=\"{start}\" end=\"{end}\"/>");
        assert_eq!(names(query(&server, "VEVENT", &range).await), expected, "{start}");
    }
}

#[tokio::test]
async fn a_read_only_calendar_says_so_and_refuses_writes() {
    let server = start(Quirks::default());
    let etag = server.put("work", "a.ics", &event("a", "One"));
    server.set_access("work", Access::ReadOnly);
    let privileges = propfind(&server, WORK, "0", "<d:current-user-privilege-set/>").await;
    assert!(privileges.has("<D:read/>") && !privileges.has("<D:write"));
    let answer = put(&server, "a.ics", &[("If-Match", &etag)], &event("a", "Two")).await;
    assert!(answer.status == 403 && answer.has("need-privileges"));
    assert_eq!(ask(&server, "DELETE", &format!("{WORK}a.ics"), &[], "").await.status, 403);
    assert_eq!(server.list("work").len(), 1);
}

#[tokio::test]
async fn what_was_asked_and_answered_is_recorded() {
    let server = start(Quirks::default());
    put(&server, "a.ics", &[("If-None-Match", "*")], &event("a", "One")).await;
    ask(&server, "GET", &format!("{WORK}a.ics?x=1"), &[], "").await;
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].method, "PUT");
    assert_eq!(requests[0].header("if-none-match"), Some("*"));
    assert_eq!(requests[0].body_text(), event("a", "One"));
    assert_eq!((requests[0].status, requests[0].response.len()), (Some(201), 0));
    assert_eq!(requests[0].response_header("ETAG"), server.etag("work", "a.ics").as_deref());
    assert_eq!(requests[1].path, format!("{WORK}a.ics?x=1"));
    assert_eq!(requests[1].response_text(), event("a", "One"));
    let shown = format!("{requests:?}");
    assert!(!shown.contains("One") && !shown.contains("dXNlcjpzZWNyZXQ"), "no event text, no credentials");
    server.clear_requests();
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn records_are_bounded() {
    let server = DavServer::start(DavOptions { max_recorded: 2, ..DavOptions::default() }).unwrap();
    for path in ["/1", "/2", "/3"] {
        ask(&server, "GET", path, &[], "").await;
    }
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/2", "/3"]);
}

#[tokio::test]
async fn wrong_requests_get_errors_and_no_hang() {
    let server = start(Quirks::default());
    let nested = format!("{}{}", "<a>".repeat(5_000), "</a>".repeat(5_000));
    for (method, path, body, status) in [
        ("PROPFIND", "/dav/", "<not xml", 400),
        ("PROPFIND", "/dav/", nested.as_str(), 400),
        ("PROPFIND", "/elsewhere/", "", 404),
        ("PROPFIND", "/dav/calendars/somebody/", "", 404),
        ("REPORT", WORK, "", 400),
        ("REPORT", WORK, "<D:sync-collection xmlns:D=\"DAV:\">", 400),
        ("REPORT", HOME, "<D:sync-collection xmlns:D=\"DAV:\"/>", 403),
        ("REPORT", WORK, "<D:expand-property xmlns:D=\"DAV:\"/>", 403),
        ("REPORT", "/dav/calendars/user/none/", "<D:sync-collection xmlns:D=\"DAV:\"/>", 404),
        ("GET", WORK, "", 405),
        ("GET", "/%zz/%f", "", 404),
        ("POST", WORK, "", 405),
        ("DELETE", HOME, "", 403),
    ] {
        assert_eq!(
            ask(&server, method, path, &[("Depth", "0")], body).await.status,
            status,
            "{method} {path}"
        );
    }
    assert!(ask(&server, "PROPFIND", HOME, &[], "").await.has("propfind-finite-depth"));
}

#[tokio::test]
async fn a_server_is_shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    let server = start(Quirks::default());
    is_shared(&server);
    let etags: Vec<String> = std::thread::scope(|scope| {
        let names = ["a", "b", "c"];
        let server = &server;
        let threads = names.map(|name| scope.spawn(move || server.put("work", name, &event(name, "x"))));
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let listed: Vec<String> = server.list("work").into_iter().map(|(_, etag, _)| etag).collect();
    assert_eq!(listed, etags);
}

#[test]
fn a_server_needs_a_runtime_and_can_be_given_one() {
    assert!(DavServer::start(DavOptions::default()).is_err());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = DavServer::start_on(runtime.handle(), DavOptions::default()).unwrap();
    assert_eq!(runtime.block_on(ask(&server, "OPTIONS", "/", &[], "")).status, 200);
}

#[tokio::test]
async fn a_dropped_server_closes_its_connections() {
    let server = start(Quirks::default());
    let address = server.url().replace("http://", "").replace('/', "");
    let mut open = tokio::net::TcpStream::connect(address.clone()).await.unwrap();
    drop(server);
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut open, &mut rest).await;
    assert!(rest.is_empty());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
