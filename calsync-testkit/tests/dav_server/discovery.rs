//! Authentication, redirects and discovery: scenarios 1 to 6 and 20.

use calsync_testkit::dav::{
    Anonymous, HomeListing, Homes, HrefForm, PrincipalDepth, Privileges, Quirks, Redirect, RedirectScope,
    WellKnown,
};

use crate::client::*;

#[tokio::test]
async fn q01_anonymous_requests() {
    for (anonymous, status, challenge) in [
        (Anonymous::Challenge, 401, Some("Basic realm=\"calsync\", charset=\"UTF-8\"")),
        (Anonymous::ChallengeLowercase, 401, Some("basic realm=\"calsync\"")),
        (
            Anonymous::ChallengeCombined,
            401,
            Some("X-MobileMe-AuthToken realm=\"calsync\", Basic realm=\"calsync\""),
        ),
        (Anonymous::SilentChallenge, 401, None),
        (Anonymous::UnauthenticatedPrincipal, 207, None),
        (Anonymous::Open, 207, None),
    ] {
        let server = start(Quirks { anonymous, ..Quirks::default() });
        let body = propfind_body("<d:current-user-principal/><c:calendar-home-set/>");
        let answer = send(&server, "PROPFIND", "/dav/", &[("Depth", "0")], body.as_bytes()).await.unwrap();
        assert_eq!((answer.status, answer.header("www-authenticate")), (status, challenge), "{anonymous:?}");
        let nobody = "<D:current-user-principal><D:unauthenticated/></D:current-user-principal>";
        assert_eq!(answer.has(nobody), anonymous == Anonymous::UnauthenticatedPrincipal);
        let logged_in = propfind(&server, "/dav/", "0", "<d:current-user-principal/>").await;
        assert!(logged_in.has("<D:href>/dav/principals/user/</D:href>"), "{anonymous:?}");
    }
    let server = start(Quirks { anonymous: Anonymous::UnauthenticatedPrincipal, ..Quirks::default() });
    assert_eq!(send(&server, "REPORT", WORK, &[], b"").await.unwrap().status, 401);
}

#[tokio::test]
async fn q02_redirect_to_another_port() {
    let target = start(Quirks::default());
    let redirect = Redirect {
        scope: RedirectScope::Everything,
        status: 302,
        base: target.url().trim_end_matches('/').to_owned(),
        path_prefix: String::new(),
    };
    let server = start(Quirks { redirect: Some(redirect), ..Quirks::default() });
    for (path, location) in [
        ("/.well-known/caldav", "dav/"),
        ("/dav/calendars/user/work/a%20b.ics?x=1", "dav/calendars/user/work/a%20b.ics?x=1"),
    ] {
        let answer = send(&server, "PROPFIND", path, &[], b"").await.unwrap();
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("location"), Some(format!("{}{location}", target.url()).as_str()));
    }
}

#[tokio::test]
async fn q03_redirects_of_parts_of_the_server_with_any_status() {
    for (scope, status, caught) in [
        (RedirectScope::Objects, 303, &["/dav/calendars/user/work/a.ics"][..]),
        (RedirectScope::Collections, 307, &[HOME, WORK]),
        (RedirectScope::WellKnown, 308, &["/.well-known/caldav"]),
    ] {
        let redirect = Redirect { scope, status, base: String::new(), path_prefix: "/moved".to_owned() };
        let server = start(Quirks { redirect: Some(redirect), ..Quirks::default() });
        server.put("work", "a.ics", &event("a", "One"));
        for path in ["/.well-known/caldav", "/dav/", HOME, WORK, "/dav/calendars/user/work/a.ics"] {
            let answer = propfind(&server, path, "0", "<d:resourcetype/>").await;
            if caught.contains(&path) {
                assert_eq!(answer.status, status, "{path}");
                let location = answer.header("location").unwrap();
                assert!(location.starts_with("/moved/dav/"), "{location}");
                assert_eq!(
                    propfind(&server, location, "0", "<d:resourcetype/>").await.status,
                    207,
                    "{location}"
                );
            } else if path != "/.well-known/caldav" {
                assert_eq!(answer.status, 207, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn q04_well_known_addresses() {
    for (well_known, status, location, html) in [
        (WellKnown::Redirect, 301, Some("/dav/"), false),
        (WellKnown::Found, 302, Some("/dav/"), false),
        (WellKnown::Html, 200, None, true),
        (WellKnown::NotFound, 404, None, false),
    ] {
        let server = start(Quirks { well_known, ..Quirks::default() });
        let answer = send(&server, "PROPFIND", "/.well-known/caldav", &[], b"").await.unwrap();
        assert_eq!((answer.status, answer.header("location")), (status, location));
        assert_eq!(answer.has("<!DOCTYPE html>"), html);
    }
    let server = start(Quirks { well_known: WellKnown::WithoutSlash, ..Quirks::default() });
    let answer = send(&server, "PROPFIND", "/.well-known/caldav", &[], b"").await.unwrap();
    assert_eq!(answer.header("location"), Some(format!("{}dav", server.url()).as_str()));
    assert_eq!(propfind(&server, "/dav", "0", "<d:resourcetype/>").await.status, 207);
}

#[tokio::test]
async fn q05_home_with_things_that_are_no_calendars() {
    let server = start(Quirks { home_listing: HomeListing::WithNeighbours, ..Quirks::default() });
    server.add_calendar("zoo", "Zoo");
    let answer = propfind(&server, HOME, "1", "<d:resourcetype/><cs:source/>").await;
    let names: Vec<String> =
        answer.entries().iter().map(|entry| entry.replace(" propstat 200", "")).collect();
    let others = [
        "inbox",
        "outbox",
        "notifications",
        "calendar-proxy-read",
        "calendar-proxy-write",
        "subscription",
        "forbidden 403",
        "personal.ics",
    ];
    assert_eq!(names, [&["user", "work", "zoo"], &others[..]].concat());
    assert!(answer.has("<C:calendar/><C:schedule-outbox/>"), "a calendar with a second mark");
    assert_eq!(answer.text().matches("<C:calendar/>").count(), 2);
    assert!(answer.has("<CS:subscribed/>") && answer.has("<CS:source><D:href>https://example.com/feed.ics"));
    assert!(answer.has("<D:resourcetype/>"), "the pseudo file");
    assert!(is_well_formed(&answer.text()));
}

#[tokio::test]
async fn q06_several_homes_and_absolute_hrefs() {
    let server = start(Quirks { homes: Homes::Two, href_form: HrefForm::Url, ..Quirks::default() });
    server.add_shared_calendar("team", "Team");
    let answer = propfind(&server, "/dav/principals/user/", "0", "<c:calendar-home-set/>").await;
    let base = server.url();
    let homes = format!(
        "<D:href>{base}dav/calendars/user/</D:href><D:href>{base}dav/shared/user/</D:href></C:calendar-home-set>"
    );
    assert!(answer.has(&homes));
    assert_eq!(propfind(&server, HOME, "1", "<d:displayname/>").await.entries().len(), 2);
    let shared = propfind(&server, "/dav/shared/user/", "1", "<d:resourcetype/>").await;
    assert_eq!(shared.entries(), ["user propstat 200", "team propstat 200"]);
    let made = ask(&server, "PUT", "/dav/shared/user/team/a.ics", &[], &event("a", "One")).await;
    assert_eq!((made.status, server.list("team").len()), (201, 1));
    assert_eq!(propfind(&server, "/dav/calendars/user/team/", "0", "<d:resourcetype/>").await.status, 404);

    let one = start(Quirks::default());
    assert!(!propfind(&one, "/dav/principals/user/", "0", "<c:calendar-home-set/>").await.has("shared"));
}

#[tokio::test]
async fn principal_that_refuses_depth_one() {
    let server = start(Quirks { principal_depth: PrincipalDepth::ZeroOnly, ..Quirks::default() });
    assert_eq!(propfind(&server, "/dav/principals/user/", "1", "<d:displayname/>").await.status, 400);
    assert_eq!(propfind(&server, "/dav/principals/user/", "0", "<d:displayname/>").await.status, 207);
    assert_eq!(propfind(&server, HOME, "1", "<d:displayname/>").await.status, 207);
}

#[tokio::test]
async fn privileges() {
    for (privileges, expected) in [
        (Privileges::Listed, "<D:privilege><D:write/></D:privilege>"),
        (Privileges::All, "<D:privilege><D:all/></D:privilege></D:current-user-privilege-set>"),
        (Privileges::Missing, "<D:current-user-privilege-set/></D:prop><D:status>HTTP/1.1 404"),
    ] {
        let server = start(Quirks { privileges, ..Quirks::default() });
        let answer = propfind(&server, WORK, "0", "<d:current-user-privilege-set/>").await;
        assert!(answer.has(expected), "{privileges:?}");
    }
}

#[tokio::test]
async fn q20_password_revoked_after_success() {
    let server = start(Quirks { revoke_after: Some(2), ..Quirks::default() });
    for status in [207, 207, 401, 401] {
        assert_eq!(propfind(&server, WORK, "0", "<d:displayname/>").await.status, status);
    }
    server.restore_credentials();
    assert_eq!(propfind(&server, WORK, "0", "<d:displayname/>").await.status, 207);
    server.revoke_credentials();
    assert_eq!(propfind(&server, WORK, "0", "<d:displayname/>").await.status, 401);
}
