//! The CalDAV provider against a scripted server that misbehaves the way real ones do.

#![cfg(feature = "caldav")]

mod caldav_support;

use std::sync::Arc;

use caldav_support::*;
use calsync_core::{
    model::{RemoteCalendarId, RemoteId},
    provider::{ChangeScope, ErrorKind, Fetched, ItemChange, Provider, PullMode, Retry},
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    http::{
        AddressPolicy, HttpError, HttpRequest, HttpResponse, HttpTransport,
        pace::{Pace, PacedTransport, TokioTimer},
    },
};
use calsync_testkit::dav::*;

#[tokio::test]
async fn the_whole_way_on_a_well_behaved_server() {
    let server = start(Quirks::default());
    let provider = provider(&server);
    let calendars = provider.calendars().await.unwrap();
    assert_eq!(calendars.len(), 1);
    assert_eq!(calendars[0].name, "Work");
    assert!(!calendars[0].read_only);
    let calendar = &calendars[0].id;

    let id = provider.propose_id(calendar, &event("a"), "0123abcd").unwrap();
    let written = provider.create(calendar, &id, &payload("a", "one")).await.unwrap();
    assert_eq!(written.id, id);
    let version = written.version.unwrap();

    let page = changes(&provider, calendar, None, PullMode::Incremental).await.unwrap();
    assert_eq!(page.scope, ChangeScope::Snapshot);
    assert_eq!(names(&page), ["0123abcd.ics"]);
    assert_eq!(page.changes[0].id, id);

    let fetched = provider.fetch(calendar, std::slice::from_ref(&id)).await.unwrap();
    let [Fetched::Found { version: read, payload: held, .. }] = fetched.as_slice() else { panic!() };
    assert_eq!(*read, Some(version.clone()));
    assert_eq!(provider.read(held).unwrap().uid, "a");

    let second = provider.update(calendar, &id, &version, &payload("a", "two")).await.unwrap();
    let second = second.version.unwrap();
    assert_ne!(second, version);
    let stale = provider.update(calendar, &id, &version, &payload("a", "three")).await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::VersionMismatch);

    let page = changes(&provider, calendar, page.cursor, PullMode::Incremental).await.unwrap();
    assert_eq!((page.scope, names(&page)), (ChangeScope::Delta, vec!["0123abcd.ics".to_owned()]));

    let stale = provider.delete(calendar, &id, &version).await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::VersionMismatch);
    provider.delete(calendar, &id, &second).await.unwrap();
    provider.delete(calendar, &id, &second).await.unwrap();
    let page = changes(&provider, calendar, page.cursor, PullMode::Incremental).await.unwrap();
    assert_eq!(page.changes[0].change, ItemChange::Removed);
}

// ---- 1-6: finding the calendars

#[tokio::test]
async fn quirk_01_credentials_are_sent_before_they_are_asked_for() {
    for anonymous in [
        Anonymous::UnauthenticatedPrincipal,
        Anonymous::SilentChallenge,
        Anonymous::ChallengeLowercase,
        Anonymous::ChallengeCombined,
        Anonymous::Open,
    ] {
        let server = start(Quirks { anonymous, ..Quirks::default() });
        let provider = provider(&server);
        assert_eq!(provider.calendars().await.unwrap().len(), 1, "{anonymous:?}");
        assert!(server.requests().iter().all(|request| request.header("authorization").is_some()));
    }
}

/// A network in which `dav.example.com` is this machine.
struct Named(Arc<dyn HttpTransport>);

#[async_trait::async_trait]
impl HttpTransport for Named {
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        assert_eq!(request.url.host_str(), Some("dav.example.com"));
        assert!(request.url.set_host(Some("127.0.0.1")).is_ok());
        self.0.send(request).await
    }
}

/// From everything on one server to the same on another.
fn moved_to(base: &str) -> Quirks {
    let base = base.trim_end_matches('/').to_owned();
    let redirect =
        Redirect { scope: RedirectScope::Everything, status: 301, base, path_prefix: String::new() };
    Quirks { redirect: Some(redirect), ..Quirks::default() }
}

#[tokio::test]
async fn quirk_02_redirects_within_the_site_are_followed_with_credentials() {
    let target = start(Quirks::default());
    let named = |server: &DavServer| server.url().replace("127.0.0.1", "dav.example.com");
    let server = start(moved_to(&named(&target)));
    let config = CalDavConfig::new(named(&server), "user", "secret");
    let provider = CalDavProvider::new(config, Arc::new(Named(transport()))).unwrap();
    let calendars = provider.calendars().await.unwrap();
    assert!(calendars[0].id.as_str().starts_with(&named(&target)));
    // The method, its body and its headers arrive as they were sent.
    let first = &target.requests()[0];
    assert_eq!((first.method.as_str(), first.header("depth")), ("PROPFIND", Some("0")));
    assert!(first.body_text().contains("current-user-principal"));
    assert!(first.header("authorization").is_some());
}

#[tokio::test]
async fn quirk_02_priv_06_a_redirect_to_another_port_of_an_address_gets_nothing() {
    let other = start(Quirks::default());
    let server = start(moved_to(&other.url()));
    let error = provider(&server).calendars().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Blocked, "{error}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_refused_connection_is_told_as_one_and_asked_for_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let clock = Arc::new(calsync_core::context::SystemClock);
    let paced = PacedTransport::new(transport(), "a", Pace::CALDAV, clock, Arc::new(TokioTimer));
    let provider = CalDavProvider::new(CalDavConfig::new(url, "user", "secret"), Arc::new(paced)).unwrap();
    for _ in 0..2 {
        let error = provider.calendars().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.detail.contains("refused"), "{error}");
    }
    assert_eq!(provider.requests(), 2);
}

#[tokio::test]
async fn the_first_failure_that_may_pass_is_told() {
    let server = start(Quirks::default());
    server.inject(Fault::status(503));
    server.inject(Fault::status(502).always());
    let error = provider(&server).calendars().await.unwrap_err();
    assert!(error.detail.contains("503"), "{error}");
}

#[tokio::test]
async fn quirk_02_priv_06_a_redirect_to_another_site_gets_nothing() {
    // The same machine under another name is another site.
    let evil = start(Quirks::default());
    for status in [301, 302, 307, 308] {
        let redirect = Redirect {
            scope: RedirectScope::Everything,
            status,
            base: evil.url().trim_end_matches('/').replace("127.0.0.1", "localhost"),
            path_prefix: String::new(),
        };
        let server = start(Quirks { redirect: Some(redirect), ..Quirks::default() });
        let error = provider(&server).calendars().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Blocked, "{error}");
    }
    assert!(evil.requests().is_empty());
}

#[tokio::test]
async fn quirk_03_a_303_never_turns_a_write_into_a_get() {
    let server = start(Quirks::default());
    let target = server.url().trim_end_matches('/').to_owned();
    let redirect =
        Redirect { scope: RedirectScope::Objects, status: 303, base: target, path_prefix: "/moved".into() };
    server.change_quirks(|quirks| quirks.redirect = Some(redirect));
    let provider = provider(&server);
    let error = provider.create(&work(&server), &id_of("a.ics"), &payload("a", "one")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert!(server.list("work").is_empty());
    assert!(server.requests().iter().all(|request| request.method == "PUT"));
}

#[tokio::test]
async fn quirk_03_redirect_loops_end() {
    let server = start(Quirks::default());
    server.inject(Fault::status(302).header("Location", "/round").always());
    assert!(provider(&server).calendars().await.is_err());
    // Seven places to look at, six hops each at the most.
    assert!(server.requests().len() <= 8 * 6, "{}", server.requests().len());
}

#[tokio::test]
async fn quirk_04_a_well_known_address_that_is_a_web_page_is_passed_over() {
    for well_known in [WellKnown::Html, WellKnown::NotFound, WellKnown::Found, WellKnown::WithoutSlash] {
        let server = start(Quirks { well_known, ..Quirks::default() });
        let config = CalDavConfig::new(format!("{}.well-known/caldav", server.url()), "user", "secret");
        let provider = CalDavProvider::new(config, transport()).unwrap();
        assert_eq!(provider.calendars().await.unwrap().len(), 1, "{well_known:?}");
    }
}

#[tokio::test]
async fn quirk_04_any_url_of_the_server_leads_to_its_calendars() {
    for path in
        ["", "dav/", "dav/principals/user/", "dav/calendars/user/", "dav/calendars/user/work/", "nothing/"]
    {
        let server = start(Quirks { principal_depth: PrincipalDepth::ZeroOnly, ..Quirks::default() });
        let config = CalDavConfig::new(format!("{}{path}", server.url()), "user", "secret");
        let provider = CalDavProvider::new(config, transport()).unwrap();
        assert_eq!(provider.calendars().await.unwrap()[0].id, work(&server), "{path}");
    }
}

#[tokio::test]
async fn quirk_05_only_calendars_are_calendars() {
    let server = start(Quirks { home_listing: HomeListing::WithNeighbours, ..Quirks::default() });
    server.add_calendar("tasks", "Tasks");
    server.set_components("tasks", &["VTODO"]);
    server.add_calendar("shared", "Shared");
    server.set_access("shared", Access::ReadOnly);
    let calendars = provider(&server).calendars().await.unwrap();
    let mut found: Vec<_> = calendars.iter().map(|c| (c.name.as_str(), c.read_only)).collect();
    found.sort_unstable();
    assert_eq!(found, [("Shared", true), ("Work", false)]);
}

#[tokio::test]
async fn quirk_05_privileges_that_are_not_told_are_taken_for_granted() {
    for privileges in [Privileges::All, Privileges::Missing] {
        let server = start(Quirks { privileges, ..Quirks::default() });
        assert!(!provider(&server).calendars().await.unwrap()[0].read_only, "{privileges:?}");
    }
}

#[tokio::test]
async fn quirk_06_several_homes_and_every_form_of_href() {
    for href_form in [HrefForm::Path, HrefForm::Url, HrefForm::Name] {
        for collection_slash in [CollectionSlash::Present, CollectionSlash::Absent] {
            let quirks = Quirks { homes: Homes::Two, href_form, collection_slash, ..Quirks::default() };
            let server = start(quirks);
            server.add_shared_calendar("team", "Team");
            server.put("work", "a.ics", &text("a", "one"));
            let provider = provider(&server);
            let calendars = provider.calendars().await.unwrap();
            assert_eq!(calendars.len(), 2, "{href_form:?} {collection_slash:?}");
            for mode in [PullMode::Incremental, PullMode::Snapshot] {
                let page = changes(&provider, &work(&server), None, mode).await.unwrap();
                assert_eq!(page.changes[0].id, id_of("a.ics"), "{href_form:?} {collection_slash:?}");
                assert_eq!(page.changes.len(), 1);
            }
        }
    }
}

#[tokio::test]
async fn what_was_discovered_is_not_asked_for_again() {
    let server = start(Quirks::default());
    let first = provider(&server);
    first.calendars().await.unwrap();
    let kept = serde_json::to_string(&*first.account().unwrap()).unwrap();
    assert!(!kept.contains("secret"));
    server.clear_requests();
    let config = CalDavConfig::new(server.url(), "user", "secret");
    let account = serde_json::from_str(&kept).unwrap();
    let second = CalDavProvider::with_account(config, transport(), account).unwrap();
    assert_eq!(second.calendars().await.unwrap().len(), 1);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(second.requests(), 1);
}

#[tokio::test]
async fn a_home_that_moved_is_found_again() {
    let server = start(Quirks::default());
    let first = provider(&server);
    first.discover().await.unwrap();
    let kept = serde_json::to_string(&*first.account().unwrap()).unwrap();
    let account =
        serde_json::from_str(&kept.replace("/dav/calendars/user/", "/dav/calendars/gone/")).unwrap();
    let config = CalDavConfig::new(server.url(), "user", "secret");
    let second = CalDavProvider::with_account(config, transport(), account).unwrap();
    assert_eq!(second.calendars().await.unwrap()[0].id, work(&server));
}

#[tokio::test]
async fn quirk_06_del_17_one_home_that_fails_hides_no_other() {
    for (status, kind) in [
        (403, ErrorKind::Forbidden),
        (404, ErrorKind::NotFound),
        (500, ErrorKind::Unavailable),
        (200, ErrorKind::Protocol),
    ] {
        let server = start(Quirks { homes: Homes::Two, ..Quirks::default() });
        server.add_shared_calendar("team", "Team");
        let provider = provider(&server);
        provider.discover().await.unwrap();
        server.inject(Fault::status(status).on_path("/shared/").always());
        let listed = provider.list_calendars().await.unwrap();
        let names: Vec<_> = listed.calendars.iter().map(|calendar| calendar.name.as_str()).collect();
        assert_eq!(names, ["Work"], "{status}");
        let failed: Vec<_> =
            listed.failed.iter().map(|home| (home.host.as_str(), home.error.kind.clone())).collect();
        assert_eq!(failed, [("127.0.0.1", kind)], "{status}");
        assert_eq!(provider.calendars().await.unwrap().len(), 1);
    }
    // All of them: an error, and not an account without calendars.
    let server = start(Quirks { homes: Homes::Two, ..Quirks::default() });
    let provider = provider(&server);
    provider.discover().await.unwrap();
    server.inject(Fault::status(403).on_body("supported-calendar-component-set").always());
    assert_eq!(provider.list_calendars().await.unwrap_err().kind, ErrorKind::Forbidden);
    // Wrong credentials are about the account.
    let server = start(Quirks { homes: Homes::Two, ..Quirks::default() });
    let provider = self::provider(&server);
    provider.discover().await.unwrap();
    server.inject(Fault::status(401).always());
    assert_eq!(provider.list_calendars().await.unwrap_err().kind, ErrorKind::Unauthorized);
}

// ---- 7, 8: tokens and sync answers

#[tokio::test]
async fn quirk_07_tok_02_every_refusal_of_a_token_is_told_as_such() {
    for unknown_token in [
        UnknownToken::Forbidden,
        UnknownToken::PreconditionFailed,
        UnknownToken::Conflict,
        UnknownToken::BadRequest,
        UnknownToken::Gone,
        UnknownToken::ServerError,
    ] {
        for error_body in [ErrorBody::Xml, ErrorBody::WrongNamespace] {
            let server = start(Quirks { unknown_token, error_body, ..Quirks::default() });
            server.put("work", "a.ics", &text("a", "one"));
            let provider = provider(&server);
            let first = pull(&provider, &work(&server), None).await.unwrap();
            server.put("work", "b.ics", &text("b", "two"));
            server.expire_tokens("work");
            let error = pull(&provider, &work(&server), first.cursor.clone()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::CursorInvalid, "{unknown_token:?}");
            // The way out: a snapshot, and its cursor works.
            let page = changes(&provider, &work(&server), first.cursor, PullMode::Snapshot).await.unwrap();
            assert_eq!((page.scope, names(&page)), (ChangeScope::Snapshot, strings(&["a.ics", "b.ics"])));
            let next = pull(&provider, &work(&server), page.cursor).await.unwrap();
            assert!(next.changes.is_empty());
        }
    }
}

#[tokio::test]
async fn quirk_07_what_a_token_hides_a_snapshot_shows() {
    let cases = [
        Quirks { unknown_token: UnknownToken::Nothing, ..Quirks::default() },
        Quirks { sync_answers: SyncAnswers::AlwaysEmpty, ..Quirks::default() },
        Quirks { token_form: TokenForm::BareNumber, ..Quirks::default() },
    ];
    for quirks in cases {
        let server = start(quirks.clone());
        server.put("work", "a.ics", &text("a", "one"));
        server.put("work", "b.ics", &text("b", "one"));
        let provider = provider(&server);
        let first = pull(&provider, &work(&server), None).await.unwrap();
        server.delete("work", "a.ics");
        server.put("work", "c.ics", &text("c", "one"));
        server.prune_change_log("work");
        let page = changes(&provider, &work(&server), first.cursor, PullMode::Snapshot).await.unwrap();
        assert_eq!(page.scope, ChangeScope::Snapshot, "{quirks:?}");
        assert_eq!(names(&page), ["b.ics", "c.ics"]);
    }
}

#[tokio::test]
async fn quirk_07_servers_without_a_usable_token_are_listed() {
    let cases = [
        Quirks { sync_support: SyncSupport::CtagOnly, ..Quirks::default() },
        Quirks { sync_support: SyncSupport::Neither, ..Quirks::default() },
        Quirks { answer_token: AnswerToken::Missing, ..Quirks::default() },
        Quirks { answer_token: AnswerToken::Empty, ..Quirks::default() },
        Quirks {
            answer_token: AnswerToken::Missing,
            token_property: TokenProperty::Empty,
            ..Quirks::default()
        },
        Quirks {
            sync_support: SyncSupport::TokenOnly,
            answer_token: AnswerToken::Missing,
            ..Quirks::default()
        },
    ];
    for quirks in cases {
        let server = start(quirks.clone());
        server.put("work", "a.ics", &text("a", "one"));
        let provider = provider(&server);
        let first = pull(&provider, &work(&server), None).await.unwrap();
        assert_eq!((first.scope, names(&first)), (ChangeScope::Snapshot, strings(&["a.ics"])), "{quirks:?}");
        server.clear_requests();
        let second = pull(&provider, &work(&server), first.cursor).await.unwrap();
        if quirks.sync_support == SyncSupport::Neither {
            assert_eq!(second.scope, ChangeScope::Snapshot);
        } else {
            assert_eq!((second.scope, second.changes.len()), (ChangeScope::Delta, 0), "{quirks:?}");
            assert_eq!(server.requests().len(), 1, "{quirks:?}");
        }
        server.put("work", "b.ics", &text("b", "one"));
        server.delete("work", "a.ics");
        let third = pull(&provider, &work(&server), second.cursor).await.unwrap();
        assert_eq!((third.scope, names(&third)), (ChangeScope::Snapshot, strings(&["b.ics"])), "{quirks:?}");
    }
}

#[tokio::test]
async fn quirk_07_no_request_ever_limits_a_sync() {
    for client_limit in [ClientLimit::Silent, ClientLimit::Refused] {
        let server = start(Quirks { client_limit, ..Quirks::default() });
        for n in 0..150 {
            server.put("work", &format!("{n:03}.ics"), &text(&n.to_string(), "one"));
        }
        let page = pull(&provider(&server), &work(&server), None).await.unwrap();
        assert_eq!((page.scope, page.changes.len()), (ChangeScope::Snapshot, 150), "{client_limit:?}");
    }
}

#[tokio::test]
async fn quirk_07_tok_03_truncated_answers_are_read_to_the_end() {
    for form in [TruncationForm::EntryWithError, TruncationForm::BareEntry] {
        let server = start(Quirks { truncation: Some(Truncation { entries: 4, form }), ..Quirks::default() });
        for n in 0..10 {
            server.put("work", &format!("{n}.ics"), &text(&n.to_string(), "one"));
        }
        let provider = provider(&server);
        let first = pull(&provider, &work(&server), None).await.unwrap();
        // Cut first listings have been seen to lack items, so their absence proves nothing.
        assert_eq!((first.scope, first.changes.len()), (ChangeScope::PartialSnapshot, 10), "{form:?}");
        for n in 0..9 {
            server.put("work", &format!("{n}.ics"), &text(&n.to_string(), "two"));
        }
        let second = pull(&provider, &work(&server), first.cursor).await.unwrap();
        assert_eq!((second.scope, second.changes.len()), (ChangeScope::Delta, 9), "{form:?}");
    }
}

#[tokio::test]
async fn quirk_07_a_server_that_truncates_for_ever_is_given_up() {
    let truncation = Some(Truncation { entries: 0, form: TruncationForm::EntryWithError });
    let server = start(Quirks::default());
    server.put("work", "a.ics", &text("a", "one"));
    let provider = provider(&server);
    let first = pull(&provider, &work(&server), None).await.unwrap();
    server.put("work", "b.ics", &text("b", "one"));
    server.change_quirks(|quirks| quirks.truncation = truncation);
    let error = pull(&provider, &work(&server), first.cursor).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CursorInvalid);
}

#[tokio::test]
async fn quirk_07_a_sync_refused_with_507_is_a_listing() {
    let truncation = Some(Truncation { entries: 2, form: TruncationForm::HttpStatus });
    let server = start(Quirks { truncation, ..Quirks::default() });
    for n in 0..5 {
        server.put("work", &format!("{n}.ics"), &text(&n.to_string(), "one"));
    }
    let page = pull(&provider(&server), &work(&server), None).await.unwrap();
    assert_eq!((page.scope, page.changes.len()), (ChangeScope::Snapshot, 5));
}

#[tokio::test]
async fn quirk_08_dead_entries_self_entries_and_teapots() {
    for self_entry in [SelfEntry::MissingEtag, SelfEntry::MissingEtagWithoutSlash, SelfEntry::Member] {
        for deletion_status in [DeletionStatus::NotFound, DeletionStatus::Gone, DeletionStatus::Teapot] {
            let quirks = Quirks {
                self_entry,
                deletion_status,
                initial_sync: InitialSync::WithDead,
                ..Quirks::default()
            };
            let server = start(quirks);
            for name in ["a", "b", "c"] {
                server.put("work", &format!("{name}.ics"), &text(name, "one"));
            }
            server.delete("work", "c.ics");
            let provider = provider(&server);
            let first = pull(&provider, &work(&server), None).await.unwrap();
            assert_eq!(names(&first), ["a.ics", "b.ics"], "{self_entry:?} {deletion_status:?}");
            server.delete("work", "a.ics");
            let second = pull(&provider, &work(&server), first.cursor).await.unwrap();
            assert_eq!(names(&second), ["a.ics"]);
            assert_eq!(second.changes[0].change, ItemChange::Removed);
        }
    }
}

#[tokio::test]
async fn a_pull_without_changes_is_one_small_request() {
    for sync_support in [SyncSupport::TokenAndCtag, SyncSupport::CtagOnly] {
        let server = start(Quirks { sync_support, ..Quirks::default() });
        for n in 0..20 {
            server.put("work", &format!("{n}.ics"), &text(&n.to_string(), "one"));
        }
        let provider = provider(&server);
        let first = pull(&provider, &work(&server), None).await.unwrap();
        server.clear_requests();
        let second = pull(&provider, &work(&server), first.cursor).await.unwrap();
        assert!(second.changes.is_empty());
        let requests = server.requests();
        let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
        let size = |headers: &[(String, String)], body: &[u8]| {
            headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>() + body.len()
        };
        let sent = size(&request.headers, &request.body) + request.path.len() + 20;
        let answered = size(&request.response_headers, &request.response) + 20;
        assert!(sent + answered < 1024, "{sent} + {answered}");
    }
}

// ---- 9, 10: payloads

#[tokio::test]
async fn quirk_09_each_item_asked_for_is_answered_once() {
    for missing in [MultigetMissing::NotFound, MultigetMissing::Omitted, MultigetMissing::WithoutStatus] {
        for compression in [Compression::None, Compression::Gzip] {
            let quirks = Quirks {
                multiget_missing: missing,
                multiget_order: MultigetOrder::Reversed,
                multiget_copies: MultigetCopies::Twice,
                multiget_empty: MultigetEmpty::ServerError,
                compression,
                ..Quirks::default()
            };
            let server = start(quirks);
            server.put("work", "a.ics", &text("a", "one"));
            server.put("work", "c.ics", &text("c", "three"));
            let provider = provider(&server);
            let ids = ["a.ics", "b.ics", "c.ics"].map(id_of);
            let fetched = provider.fetch(&work(&server), &ids).await.unwrap();
            assert_eq!(
                outcomes(&fetched),
                ["a.ics: found one", "b.ics: missing", "c.ics: found three"],
                "{missing:?}"
            );
            assert!(provider.fetch(&work(&server), &[]).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn quirk_09_one_poisoned_item_costs_itself_and_nobody_else() {
    let server = start(Quirks { poison: vec!["07.ics".into()], ..Quirks::default() });
    let ids: Vec<_> = (0..40).map(|n| id_of(&format!("{n:02}.ics"))).collect();
    for n in 0..40 {
        server.put("work", &format!("{n:02}.ics"), &text(&n.to_string(), "one"));
    }
    let provider = provider(&server);
    // GET still works.
    let fetched = provider.fetch(&work(&server), &ids).await.unwrap();
    assert!(fetched.iter().all(|fetched| matches!(fetched, Fetched::Found { version: Some(_), .. })));
    assert!(server.requests().len() <= 14, "{}", server.requests().len());
    // And where it does not, the item fails alone.
    server.inject(Fault::status(500).on_method("GET").on_path("07.ics").always());
    let fetched = outcomes(&provider.fetch(&work(&server), &ids).await.unwrap());
    assert_eq!(fetched.iter().filter(|outcome| outcome.ends_with("found one")).count(), 39);
    assert_eq!(fetched[7], "07.ics: failed Unavailable");
}

#[tokio::test]
async fn quirk_09_a_server_in_trouble_is_not_asked_for_every_item() {
    let server = start(Quirks::default());
    let ids: Vec<_> = (0..100).map(|n| id_of(&format!("{n:02}.ics"))).collect();
    server.inject(Fault::status(500).always());
    let provider = provider(&server);
    let error = provider.fetch(&work(&server), &ids).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(server.requests().len() < 40, "{}", server.requests().len());
}

#[tokio::test]
async fn quirk_09_characters_xml_forbids_do_not_hide_their_neighbours() {
    for illegal in [IllegalCharacters::Raw, IllegalCharacters::References] {
        let xml = XmlStyle { illegal, ..XmlStyle::default() };
        let server = start(Quirks { xml, ..Quirks::default() });
        server.put("work", "a.ics", &text("a", "bell\u{b}\u{1b}\u{fffe}end"));
        server.put("work", "b.ics", &text("b", "two"));
        let provider = provider(&server);
        let fetched = provider.fetch(&work(&server), &["a.ics", "b.ics"].map(id_of)).await.unwrap();
        assert_eq!(
            outcomes(&fetched),
            ["a.ics: found bell\u{b}\u{1b}\u{fffe}end", "b.ics: found two"],
            "{illegal:?}"
        );
        // What XML could not carry was read by itself, so that nothing is replaced in what is later written back.
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn quirk_10_an_item_that_is_listed_and_never_found_is_missing() {
    let server = start(Quirks { ghosts: vec!["ghost.ics".into()], ..Quirks::default() });
    server.put("work", "a.ics", &text("a", "one"));
    let provider = provider(&server);
    let page = pull(&provider, &work(&server), None).await.unwrap();
    assert_eq!(names(&page), ["a.ics", "ghost.ics"]);
    let ids: Vec<_> = page.changes.into_iter().map(|change| change.id).collect();
    let mut fetched = outcomes(&provider.fetch(&work(&server), &ids).await.unwrap());
    fetched.sort();
    assert_eq!(fetched, ["a.ics: found one", "ghost.ics: missing"]);
}

// ---- 11-14: writes

#[tokio::test]
async fn quirk_11_odd_tags_of_a_put_are_not_trusted_and_the_read_one_works() {
    for put_etag in [PutEtag::Missing, PutEtag::Weak, PutEtag::Unquoted, PutEtag::PercentEncoded] {
        for etag_property in [EtagProperty::Quoted, EtagProperty::Unquoted] {
            let server = start(Quirks { put_etag, etag_property, ..Quirks::default() });
            let provider = provider(&server);
            let (calendar, id) = (work(&server), id_of("a.ics"));
            let written = provider.create(&calendar, &id, &payload("a", "one")).await.unwrap();
            assert_eq!(written.version, None, "{put_etag:?}");
            let version = read_version(&provider, &calendar, &id).await;
            provider.update(&calendar, &id, &version, &payload("a", "two")).await.unwrap();
            let stale = provider.update(&calendar, &id, &version, &payload("a", "three")).await.unwrap_err();
            assert_eq!(stale.kind, ErrorKind::VersionMismatch, "{put_etag:?}");
            let version = read_version(&provider, &calendar, &id).await;
            provider.delete(&calendar, &id, &version).await.unwrap();
            assert!(server.list("work").is_empty());
        }
    }
}

#[tokio::test]
async fn quirk_11_one_version_has_one_spelling_wherever_it_is_read() {
    for get_etag in [GetEtag::Plain, GetEtag::GzipSuffix, GetEtag::Missing] {
        for etag_property in [EtagProperty::Quoted, EtagProperty::Unquoted] {
            let server =
                start(Quirks { get_etag, etag_property, poison: vec!["a.ics".into()], ..Quirks::default() });
            server.put("work", "a.ics", &text("a", "one"));
            let provider = provider(&server);
            // By GET, since the report fails; and by the listing.
            let read = read_version(&provider, &work(&server), &id_of("a.ics")).await;
            let page = changes(&provider, &work(&server), None, PullMode::Snapshot).await.unwrap();
            let ItemChange::Present { version, .. } = &page.changes[0].change else { panic!() };
            assert_eq!(version.as_ref(), Some(&read), "{get_etag:?} {etag_property:?}");
        }
    }
}

#[tokio::test]
async fn quirk_11_a_server_that_rewrites_is_read_back() {
    let server = start(Quirks { put_body: PutBody::Rewritten, ..Quirks::default() });
    let provider = provider(&server);
    let written = provider.create(&work(&server), &id_of("a.ics"), &payload("a", "one")).await.unwrap();
    assert_eq!(written.payload, None);
    assert_eq!(written.version, Some(read_version(&provider, &work(&server), &id_of("a.ics")).await));
}

#[tokio::test]
async fn quirk_11_del_13_an_item_stored_under_another_name_is_found_there() {
    for put_name in [PutName::Uid, PutName::Eml] {
        let server = start(Quirks { put_name, put_etag: PutEtag::Missing, ..Quirks::default() });
        let provider = provider(&server);
        let calendar = work(&server);
        let written = provider.create(&calendar, &id_of("a.ics"), &payload("uid-1", "one")).await.unwrap();
        let page = pull(&provider, &calendar, None).await.unwrap();
        assert_eq!(page.changes[0].id, written.id, "{put_name:?}");
        assert_ne!(written.id, id_of("a.ics"));
        let version = read_version(&provider, &calendar, &written.id).await;
        provider.delete(&calendar, &written.id, &version).await.unwrap();
        assert!(server.list("work").is_empty());
    }
}

#[tokio::test]
async fn quirk_12_a_stale_delete_is_refused_even_where_the_server_would_not() {
    let server = start(Quirks { if_match_delete: IfMatch::Ignored, ..Quirks::default() });
    let provider = provider(&server);
    let (calendar, id) = (work(&server), id_of("a.ics"));
    let old = provider.create(&calendar, &id, &payload("a", "one")).await.unwrap().version.unwrap();
    server.put("work", "a.ics", &text("a", "changed by somebody else"));
    let error = provider.delete(&calendar, &id, &old).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::VersionMismatch);
    assert_eq!(server.list("work").len(), 1);
}

#[tokio::test]
async fn quirk_12_conditions_are_always_real_tags() {
    let quirks = Quirks {
        if_match_any: IfMatchAny::Backwards,
        if_none_match: IfNoneMatch::Ignored,
        racing: Racing::TwoWinners,
        ..Quirks::default()
    };
    let server = start(quirks);
    let provider = provider(&server);
    let (calendar, id) = (work(&server), id_of("a.ics"));
    let version = provider.create(&calendar, &id, &payload("a", "one")).await.unwrap().version.unwrap();
    let version =
        provider.update(&calendar, &id, &version, &payload("a", "two")).await.unwrap().version.unwrap();
    provider.delete(&calendar, &id, &version).await.unwrap();
    for request in server.requests().iter().filter(|request| ["PUT", "DELETE"].contains(&&*request.method)) {
        assert_ne!(request.header("if-match"), Some("*"));
        assert!(request.header("if-match").is_some() || request.header("if-none-match") == Some("*"));
        assert!(request.header("expect").is_none() && request.header("transfer-encoding").is_none());
        assert!(request.method == "DELETE" || request.header("content-length").is_some());
    }
}

#[tokio::test]
async fn quirk_12_updating_what_is_gone_is_told_as_such() {
    for if_match_put in [IfMatch::Honoured, IfMatch::PassesWhenMissing] {
        let server = start(Quirks { if_match_put, ..Quirks::default() });
        let provider = provider(&server);
        let version = calsync_core::model::Version::from("\"old\"");
        let result = provider.update(&work(&server), &id_of("a.ics"), &version, &payload("a", "one")).await;
        match if_match_put {
            IfMatch::Honoured => assert_eq!(result.unwrap_err().kind, ErrorKind::NotFound),
            // The server creates it; nothing the client says can keep it from that.
            _ => assert!(result.is_ok()),
        }
    }
}

#[tokio::test]
async fn quirk_13_lup_04_refused_content_is_never_taken_for_a_conflict() {
    for bad_body in [
        BadBody::Precondition,
        BadBody::PreconditionFailed,
        BadBody::PlainPreconditionFailed,
        BadBody::BadRequest,
        BadBody::NotFound,
        BadBody::Unsupported,
    ] {
        let server = start(Quirks { bad_body, refused_texts: vec!["poison".into()], ..Quirks::default() });
        let provider = provider(&server);
        let (calendar, id) = (work(&server), id_of("a.ics"));
        let error = provider.create(&calendar, &id, &payload("a", "poison")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "create {bad_body:?}");
        let version = provider.create(&calendar, &id, &payload("a", "one")).await.unwrap().version.unwrap();
        let error = provider.update(&calendar, &id, &version, &payload("a", "poison")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "update {bad_body:?}");
        assert!(!error.is_ambiguous());
    }
    let server = start(Quirks {
        bad_body: BadBody::ServerError,
        refused_texts: vec!["poison".into()],
        ..Quirks::default()
    });
    let error =
        provider(&server).create(&work(&server), &id_of("a.ics"), &payload("a", "poison")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.is_ambiguous());
}

#[tokio::test]
async fn quirk_13_con_01_a_uid_that_is_taken_says_where() {
    for uid_conflict in [
        UidConflict::WithHref,
        UidConflict::WithoutHref,
        UidConflict::Forbidden,
        UidConflict::PreconditionFailed,
        UidConflict::SchedulingObject,
    ] {
        let server = start(Quirks { uid_conflict, ..Quirks::default() });
        server.put("work", "other.ics", &text("a", "one"));
        server.put("work", "more.ics", &text("aa", "one"));
        let error = provider(&server)
            .create(&work(&server), &id_of("a.ics"), &payload("a", "two"))
            .await
            .unwrap_err();
        let at = Some(id_of("other.ics"));
        assert_eq!(error.kind, ErrorKind::AlreadyExists { at }, "{uid_conflict:?}");
    }
}

#[tokio::test]
async fn quirk_13_a_bare_409_is_tried_again_later_unless_the_server_is_known_for_it() {
    let server = start(Quirks { uid_conflict: UidConflict::Bare, ..Quirks::default() });
    server.put("work", "other.ics", &text("a", "one"));
    let error =
        provider(&server).create(&work(&server), &id_of("a.ics"), &payload("a", "two")).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff));
}

#[tokio::test]
async fn con_01_a_create_whose_answer_is_lost_is_ambiguous_and_then_found() {
    let server = start(Quirks::default());
    let provider = provider(&server);
    let (calendar, id) = (work(&server), id_of("a.ics"));
    server.inject(Fault::drop_after().on_method("PUT"));
    let error = provider.create(&calendar, &id, &payload("a", "one")).await.unwrap_err();
    assert!(error.is_ambiguous());
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let error = provider.create(&calendar, &id, &payload("a", "one")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists { at: Some(id) });
    assert_eq!(server.list("work").len(), 1);
}

#[tokio::test]
async fn an_item_the_connection_breaks_on_is_too_large_where_the_server_says_so() {
    let max_resource_size = 70_000;
    let server = DavServer::start(DavOptions { max_resource_size, ..DavOptions::default() }).unwrap();
    let (provider, calendar, id) = (provider(&server), work(&server), id_of("a.ics"));
    let stored = provider.create(&calendar, &id, &payload("a", "one")).await.unwrap();
    let version = stored.version.unwrap();
    // What the item holds besides its title; whether the server was asked; what the failure is.
    for (title, asked, kind, ambiguous) in [
        (80_000, 1, ErrorKind::TooLarge, false),
        (68_000, 1, ErrorKind::Unavailable, true),
        (10, 0, ErrorKind::Unavailable, true),
    ] {
        let item = payload("a", &"x".repeat(title));
        for update in [false, true] {
            server.inject(Fault::drop_before().on_method("PUT"));
            let before = provider.requests();
            let error = match update {
                true => provider.update(&calendar, &id, &version, &item).await,
                false => provider.create(&calendar, &id_of("b.ics"), &item).await,
            }
            .unwrap_err();
            let found = (provider.requests() - before - 1, error.kind.clone(), error.is_ambiguous());
            assert_eq!(found, (asked, kind.clone(), ambiguous), "{title}, update: {update}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_never_stood_is_not_ambiguous() {
    let server = start(Quirks::default());
    let (provider, calendar) = (provider(&server), work(&server));
    drop(server);
    tokio::task::yield_now().await;
    let error = provider.create(&calendar, &id_of("a.ics"), &payload("a", "one")).await.unwrap_err();
    assert_eq!((error.kind.clone(), error.is_ambiguous()), (ErrorKind::Unavailable, false), "{error}");
}

#[tokio::test]
async fn quirk_14_a_tag_that_counts_from_the_start_again_is_looked_at() {
    let server = start(Quirks { etags: Etags::Counter, ..Quirks::default() });
    server.put("work", "a.ics", &text("a", "one"));
    let provider = provider(&server);
    let first = pull(&provider, &work(&server), None).await.unwrap();
    server.delete("work", "a.ics");
    server.put("work", "a.ics", &text("b", "another one"));
    let second = pull(&provider, &work(&server), first.cursor).await.unwrap();
    assert_eq!(second.changes[0].change, ItemChange::Present { version: None, payload: None });
}

// ---- 15-20

#[tokio::test]
async fn quirk_15_a_recreated_calendar_is_seen_by_the_token_or_by_a_snapshot() {
    for token_form in [TokenForm::Scoped, TokenForm::BareNumber] {
        let server = start(Quirks { token_form, ..Quirks::default() });
        server.put("work", "a.ics", &text("a", "one"));
        let provider = provider(&server);
        let first = pull(&provider, &work(&server), None).await.unwrap();
        server.recreate_calendar("work");
        let second = pull(&provider, &work(&server), first.cursor.clone()).await;
        if token_form == TokenForm::Scoped {
            assert_eq!(second.unwrap_err().kind, ErrorKind::CursorInvalid);
        }
        let page = changes(&provider, &work(&server), first.cursor, PullMode::Snapshot).await.unwrap();
        assert_eq!((page.scope, page.changes.len()), (ChangeScope::Snapshot, 0));
    }
}

#[tokio::test]
async fn del_17_a_calendar_that_is_gone_is_an_error_and_never_empty() {
    let server = start(Quirks::default());
    server.put("work", "a.ics", &text("a", "one"));
    let provider = provider(&server);
    let first = pull(&provider, &work(&server), None).await.unwrap();
    server.remove_calendar("work");
    for (cursor, mode) in
        [(None, PullMode::Incremental), (first.cursor, PullMode::Incremental), (None, PullMode::Snapshot)]
    {
        let error = changes(&provider, &work(&server), cursor, mode).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::CalendarGone);
    }
    let create = provider.create(&work(&server), &id_of("b.ics"), &payload("b", "x")).await.unwrap_err();
    assert_eq!(create.kind, ErrorKind::CalendarGone);
    let fetch = provider.fetch(&work(&server), &[id_of("a.ics")]).await.unwrap_err();
    assert_eq!(fetch.kind, ErrorKind::CalendarGone);
}

#[tokio::test]
async fn quirk_16_every_spelling_of_xml_reads_the_same() {
    for prefixes in
        [XmlPrefixes::Upper, XmlPrefixes::Lower, XmlPrefixes::Numbered, XmlPrefixes::DefaultNamespace]
    {
        for (text_form, layout, quotes, returns) in [
            (XmlText::Escaped, XmlLayout::Pretty, XmlQuotes::Escaped, XmlReturns::References),
            (XmlText::Cdata, XmlLayout::Compact, XmlQuotes::Literal, XmlReturns::Literal),
        ] {
            let xml = XmlStyle { prefixes, text: text_form, layout, quotes, returns, ..XmlStyle::default() };
            let server = start(Quirks { xml, ..Quirks::default() });
            server.put("work", "a.ics", &text("a", "R&D <1> \"x\""));
            let provider = provider(&server);
            let calendars = provider.calendars().await.unwrap();
            assert_eq!(calendars[0].name, "Work", "{prefixes:?} {text_form:?}");
            let page = pull(&provider, &calendars[0].id, None).await.unwrap();
            let fetched = provider.fetch(&calendars[0].id, &[page.changes[0].id.clone()]).await.unwrap();
            assert_eq!(outcomes(&fetched), ["a.ics: found R&D <1> \"x\""], "{prefixes:?} {text_form:?}");
        }
    }
}

#[tokio::test]
async fn quirk_16_errors_that_are_pages_text_or_nothing() {
    for error_body in [ErrorBody::Html, ErrorBody::Plain, ErrorBody::Empty] {
        let server = start(Quirks { error_body, ..Quirks::default() });
        let provider = provider(&server);
        // Without its reason, a 412 or 403 for a token cannot be taken for one by name: still never an empty answer.
        server.put("work", "a.ics", &text("a", "one"));
        let first = pull(&provider, &work(&server), None).await.unwrap();
        server.put("work", "b.ics", &text("b", "one"));
        server.expire_tokens("work");
        assert!(pull(&provider, &work(&server), first.cursor).await.is_err(), "{error_body:?}");
        let again = provider.create(&work(&server), &id_of("a.ics"), &payload("a", "x")).await.unwrap_err();
        assert_eq!(again.kind, ErrorKind::AlreadyExists { at: Some(id_of("a.ics")) });
    }
}

#[tokio::test]
async fn quirk_16_a_login_page_instead_of_an_answer_is_an_error() {
    let server = start(Quirks::default());
    server.put("work", "a.ics", &text("a", "one"));
    let provider = provider(&server);
    let first = pull(&provider, &work(&server), None).await.unwrap();
    server.inject(Fault::html().always());
    for mode in [PullMode::Incremental, PullMode::Snapshot] {
        let error = changes(&provider, &work(&server), first.cursor.clone(), mode).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Protocol, Retry::Backoff));
    }
    let fetched = provider.fetch(&work(&server), &[id_of("a.ics")]).await;
    assert!(fetched.is_err() || outcomes(&fetched.unwrap()) == ["a.ics: failed Protocol"]);
}

#[tokio::test]
async fn quirk_16_an_answer_cut_short_is_an_error() {
    let server = start(Quirks::default());
    server.put("work", "a.ics", &text("a", "one"));
    let provider = provider(&server);
    server.inject(Fault::truncate().on_body("sync-collection"));
    assert!(pull(&provider, &work(&server), None).await.is_err());
}

#[tokio::test]
async fn quirk_17_one_name_in_every_encoding_is_one_item() {
    let mut ids = Vec::new();
    for href_encoding in
        [HrefEncoding::Standard, HrefEncoding::Upper, HrefEncoding::Lower, HrefEncoding::Eager]
    {
        let options = DavOptions::with_quirks(Quirks { href_encoding, ..Quirks::default() })
            .credentials("ann@example.com", "secret");
        let server = DavServer::start(options).unwrap();
        server.put("work", "x~y.ics", &text("a", "one"));
        server.put("work", "a+b@c.ics", &text("b", "two"));
        let config = CalDavConfig::new(server.url(), "ann@example.com", "secret");
        let provider = CalDavProvider::new(config, transport()).unwrap();
        let calendar = provider.calendars().await.unwrap().remove(0).id;
        let page = pull(&provider, &calendar, None).await.unwrap();
        let listed: Vec<_> = page.changes.iter().map(|change| change.id.clone()).collect();
        let fetched = provider.fetch(&calendar, &listed).await.unwrap();
        assert!(fetched.iter().all(|fetched| matches!(fetched, Fetched::Found { .. })), "{href_encoding:?}");
        // One report was enough: each answer was recognised.
        assert!(server.requests().iter().all(|request| request.method != "GET"), "{href_encoding:?}");
        ids.push(listed.iter().any(|id| name(id) == "x~y.ics"));
    }
    assert_eq!(ids, [true; 4]);
}

/// A server that changes its spelling (an update, another front end) renames nothing, and is asked in its own spelling.
#[tokio::test]
async fn quirk_17_dup_04_another_spelling_is_no_other_item() {
    let server = start(Quirks::default());
    server.put("work", "a+b@c.ics", &text("a", "one"));
    let provider = provider(&server);
    let calendar = work(&server);
    let mut seen = Vec::new();
    for (href_encoding, spelling) in [
        (HrefEncoding::Standard, "/a+b@c.ics"),
        (HrefEncoding::Eager, "/a%2Bb%40c.ics"),
        (HrefEncoding::Lower, "/a%2bb%40c.ics"),
        (HrefEncoding::Upper, "/a%2Bb%40c.ics"),
    ] {
        server.change_quirks(|quirks| quirks.href_encoding = href_encoding);
        for mode in [PullMode::Incremental, PullMode::Snapshot] {
            let page = changes(&provider, &calendar, None, mode).await.unwrap();
            assert_eq!(page.changes.len(), 1);
            seen.push(page.changes[0].id.clone());
        }
        let id = seen[0].clone();
        let version = read_version(&provider, &calendar, &id).await;
        provider
            .update(&calendar, &id, &version, &payload("a", &format!("{href_encoding:?}")))
            .await
            .unwrap();
        let requests = server.requests();
        let put = requests.iter().rfind(|request| request.method == "PUT").unwrap();
        assert!(put.path.ends_with(spelling), "{} {spelling}", put.path);
        let report =
            requests.iter().rfind(|request| request.body_text().contains("calendar-multiget")).unwrap();
        assert!(report.body_text().contains(spelling), "{spelling}");
    }
    seen.dedup();
    assert_eq!(seen, [id_of("a%2Bb%40c.ics")]);
}

#[tokio::test]
async fn quirk_17_two_spellings_in_one_answer_are_one_item() {
    let server = start(Quirks::default());
    let item = |name: &str| {
        format!(
            "<D:response><D:href>/dav/calendars/user/work/{name}</D:href><D:propstat><D:prop><D:getetag>\"1x\"</D:getetag>\
             </D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )
    };
    let body = format!(
        "<D:multistatus xmlns:D=\"DAV:\">{}{}{}<D:sync-token>t:1</D:sync-token></D:multistatus>",
        item("a@b.ics"),
        item("a%40b.ics"),
        item("c%2fd.ics"),
    );
    server.inject(Fault::status(207).header("Content-Type", "application/xml").body(&body).always());
    let page = changes(&provider(&server), &work(&server), None, PullMode::Incremental).await.unwrap();
    assert_eq!(names(&page), ["a%40b.ics", "c%2Fd.ics"]);
    assert!(page.changes.iter().all(|change| matches!(
        &change.change,
        ItemChange::Present { version: Some(version), .. } if version.as_str().contains("1x")
    )));
}

#[tokio::test]
async fn quirk_18_what_may_be_tried_again_and_when() {
    let server = start(Quirks::default());
    let clock = Arc::new(FixedClock("1994-11-06T08:49:00Z".parse().unwrap()));
    let provider = provider(&server).with_clock(clock);
    let seconds = |seconds| Retry::After(std::time::Duration::from_secs(seconds));
    for (fault, kind, retry) in [
        (Fault::status(429).retry_after_seconds(17), ErrorKind::Throttled, seconds(17)),
        (Fault::status(429), ErrorKind::Throttled, Retry::Backoff),
        (Fault::status(503).retry_after_seconds(5), ErrorKind::Unavailable, seconds(5)),
        (
            Fault::status(503).retry_after_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            ErrorKind::Unavailable,
            seconds(37),
        ),
        (Fault::status(423), ErrorKind::Unavailable, Retry::Backoff),
        (Fault::status(502), ErrorKind::Unavailable, Retry::Backoff),
        (Fault::drop_before(), ErrorKind::Unavailable, Retry::Backoff),
    ] {
        server.inject(fault.clone());
        let error = changes(&provider, &work(&server), None, PullMode::Incremental).await.unwrap_err();
        assert_eq!((&error.kind, error.retry), (&kind, retry), "{fault:?}");
        server.clear_faults();
        server.inject(fault.on_method("PUT"));
        let error = provider.create(&work(&server), &id_of("a.ics"), &payload("a", "one")).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (kind, retry));
        assert!(server.list("work").is_empty());
    }
}

#[tokio::test]
async fn con_03_a_server_that_hangs_or_trickles_meets_a_deadline() {
    use std::time::Duration;
    for fault in [Fault::hang(), Fault::trickle(1, Duration::from_millis(40))] {
        let server = start(Quirks::default());
        let mut config = CalDavConfig::new(server.url(), "user", "secret");
        config.limits.stall = Duration::from_millis(200);
        config.limits.connect = Duration::from_millis(200);
        config.limits.total = Duration::from_millis(600);
        let provider = CalDavProvider::new(config, transport()).unwrap();
        server.inject(fault.on_body("sync-collection"));
        let error = changes(&provider, &work(&server), None, PullMode::Incremental).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff));
    }
}

#[tokio::test]
async fn attack_6_a_body_that_unpacks_beyond_the_limit_is_refused() {
    let server = start(Quirks { compression: Compression::Gzip, ..Quirks::default() });
    server.put("work", "a.ics", &text("a", &"x".repeat(200_000)));
    let mut config = CalDavConfig::new(server.url(), "user", "secret");
    config.limits.body_max = 100_000;
    let provider = CalDavProvider::new(config, transport()).unwrap();
    let fetched = provider.fetch(&work(&server), &[id_of("a.ics")]).await;
    match fetched {
        Ok(fetched) => assert_eq!(outcomes(&fetched), ["a.ics: failed TooLarge"]),
        Err(error) => assert_eq!(error.kind, ErrorKind::TooLarge),
    }
}

#[tokio::test]
async fn quirk_19_what_is_written_is_what_was_rendered() {
    let server = start(Quirks::default());
    let provider = provider(&server);
    let (calendar, id) = (work(&server), id_of("a.ics"));
    let version = provider.create(&calendar, &id, &payload("a", "one")).await.unwrap().version.unwrap();
    provider.delete(&calendar, &id, &version).await.unwrap();
    let requests = server.requests();
    assert!(requests.iter().all(|request| !request.body_text().contains("ATTENDEE")));
    let delete = requests.iter().find(|request| request.method == "DELETE").unwrap();
    assert_eq!(delete.header("schedule-reply"), Some("F"));
}

#[tokio::test]
async fn quirk_20_revoked_credentials_are_told_as_such_with_few_requests() {
    let server = start(Quirks::default());
    let provider = provider(&server);
    provider.calendars().await.unwrap();
    server.revoke_credentials();
    server.clear_requests();
    let error = changes(&provider, &work(&server), None, PullMode::Incremental).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unauthorized, Retry::Never));
    assert!(server.requests().len() <= 2);
}

#[tokio::test]
async fn quirk_20_auth_02_a_401_for_one_calendar_is_not_about_the_password() {
    let server = start(Quirks::default());
    let provider = provider(&server);
    provider.calendars().await.unwrap();
    server.inject(Fault::status(401).on_path("work/"));
    let error = changes(&provider, &work(&server), None, PullMode::Incremental).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    for fault in [Fault::status(500), Fault::drop_before()] {
        server.inject(fault.on_path("work/"));
        let error = changes(&provider, &work(&server), None, PullMode::Snapshot).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn auth_09_wrong_credentials_are_tried_twice_at_most() {
    let server = start(Quirks::default());
    for username in ["user", "user@example.com"] {
        server.clear_requests();
        let config = CalDavConfig::new(server.url(), username, "wrong");
        let provider = CalDavProvider::new(config, transport()).unwrap();
        assert_eq!(provider.calendars().await.unwrap_err().kind, ErrorKind::Unauthorized);
        assert!(server.requests().len() <= 2);
    }
    // The local part is the user name of many servers.
    let config = CalDavConfig::new(server.url(), "user@example.com", "secret");
    let provider = CalDavProvider::new(config, transport()).unwrap();
    assert_eq!(provider.calendars().await.unwrap().len(), 1);
}

#[tokio::test]
async fn attack_5_a_calendar_of_another_site_is_never_asked() {
    let server = start(Quirks::default());
    let provider = provider(&server);
    for url in ["https://evil.example.org/work/", "http://localhost:1/work/", "file:///etc/", "nonsense"] {
        let calendar = RemoteCalendarId::from(url);
        let error = changes(&provider, &calendar, None, PullMode::Incremental).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Blocked | ErrorKind::InvalidInput), "{url}");
    }
    assert_eq!(provider.requests(), 0);
}

#[tokio::test]
async fn attack_7_hostile_ids_and_versions_do_not_become_headers_or_other_paths() {
    let server = start(Quirks::default());
    let provider = provider(&server);
    let calendar = work(&server);
    let version = calsync_core::model::Version::from("\"a\"\r\nX-Evil: 1");
    let error =
        provider.update(&calendar, &id_of("a.ics"), &version, &payload("a", "one")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidInput);
    let id = RemoteId::from("https://evil.example.org/a.ics");
    let error = provider.create(&calendar, &id, &payload("a", "one")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Blocked);
    let mut hostile = event("../../../x?y#z\0%2F");
    for uid in ["../../../x?y#z\0%2F", "emoji🎉", &"long".repeat(3000)] {
        hostile.uid = uid.to_owned();
        let id = provider.propose_id(&calendar, &hostile, "0123").unwrap();
        assert_eq!(id, id_of("0123.ics"));
    }
    assert!(provider.propose_id(&calendar, &hostile, "../x").is_err());
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn attack_1_a_public_only_account_never_connects_to_this_machine() {
    let server = start(Quirks::default());
    let mut config = CalDavConfig::new(server.url(), "user", "secret");
    config.addresses = AddressPolicy::Public;
    let error = CalDavProvider::new(config, transport()).unwrap().calendars().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Blocked);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn priv_04_no_error_and_no_debug_shows_a_secret_or_a_path() {
    let server = start(Quirks::default());
    let config = CalDavConfig::new(server.url(), "user", "hunter2-canary");
    let provider = CalDavProvider::new(config.clone(), transport()).unwrap();
    let error = provider.calendars().await.unwrap_err();
    drop(server);
    let gone = provider.calendars().await.unwrap_err();
    let shown = format!("{error} {error:?} {gone} {gone:?} {provider:?} {config:?}");
    for canary in ["canary", "user", "127.0.0.1:", "dav/"] {
        assert!(!shown.contains(canary), "{canary}: {shown}");
    }
}

#[tokio::test]
async fn attack_5_a_principal_or_home_at_another_site_is_never_asked() {
    let evil = start(Quirks::default());
    let foreign = evil.url().replace("127.0.0.1", "localhost");
    for property in ["D:current-user-principal", "C:calendar-home-set"] {
        let server = start(Quirks::default());
        let body = format!(
            "<D:multistatus xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:response>\
             <D:href>/</D:href><D:propstat><D:prop><{property}><D:href>{foreign}dav/calendars/user/</D:href>\
             </{property}></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"
        );
        server.inject(Fault::status(207).body(&body).always());
        assert!(provider(&server).calendars().await.is_err(), "{property}");
    }
    assert!(evil.requests().is_empty());
}

#[tokio::test]
async fn attack_5_items_of_another_site_are_no_items() {
    let server = start(Quirks::default());
    let provider = provider(&server);
    let body = "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>https://evil.example.org/a.ics</D:href>\
        <D:propstat><D:prop><D:getetag>\"1\"</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status>\
        </D:propstat></D:response><D:sync-token>t</D:sync-token></D:multistatus>";
    server.inject(Fault::status(207).body(body).on_body("sync-collection"));
    let page = pull(&provider, &work(&server), None).await.unwrap();
    assert!(page.changes.is_empty());
    // What leads elsewhere may be what is missing here: its absence is no evidence.
    assert_eq!(page.scope, ChangeScope::PartialSnapshot);
    server.inject(Fault::status(207).body(body).on_body("sync-collection"));
    let cursor = Some(page.cursor.unwrap());
    let error = changes(&provider, &work(&server), cursor, PullMode::Incremental).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CursorInvalid);
}

#[tokio::test]
async fn auth_09_a_server_that_wants_digest_only_says_so() {
    let server = start(Quirks::default());
    server.inject(
        Fault::status(401)
            .header("WWW-Authenticate", "Digest realm=\"x\", qop=\"auth\", nonce=\"n\"")
            .always(),
    );
    let error = provider(&server).calendars().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(error.detail.contains("Digest"), "{error}");
}
