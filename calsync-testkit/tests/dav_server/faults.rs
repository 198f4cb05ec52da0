//! Faults of the network and of front ends: scenario 18, and lost, broken and slow answers.

use std::io::ErrorKind;
use std::time::Duration;

use calsync_testkit::dav::{Edit, Fault, FaultAction, Quirks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::*;

#[tokio::test]
async fn q18_statuses_with_both_forms_of_retry_after() {
    let server = start(Quirks::default());
    server.inject(Fault::status(429).retry_after_seconds(120));
    server.inject(Fault::status(503).retry_after_date("Sun, 06 Nov 1994 08:49:37 GMT"));
    server.inject(Fault::status(423).body("locked"));
    for (status, retry_after) in
        [(429, Some("120")), (503, Some("Sun, 06 Nov 1994 08:49:37 GMT")), (423, None), (201, None)]
    {
        let answer = put(&server, "a.ics", &[], &event("a", "One")).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, retry_after));
        assert_eq!(server.list("work").len(), usize::from(status == 201), "a refused request has no effect");
    }
    assert_eq!(server.pending_faults(), 0);
}

#[tokio::test]
async fn faults_act_on_what_they_match_and_as_often_as_told() {
    let server = start(Quirks::default());
    server.inject(Fault::status(500).on_method("put").on_path("b.ics").nth(2).times(2));
    server.inject(Fault::status(502).on_body("sync-collection").always());
    let mut statuses = Vec::new();
    for name in ["a.ics", "b.ics", "a.ics", "b.ics", "b.ics", "b.ics"] {
        statuses.push(put(&server, name, &[], &event(name, "One")).await.status);
    }
    assert_eq!(statuses, [201, 201, 204, 500, 500, 204]);
    for _ in 0..3 {
        assert_eq!(sync(&server, "").await.status, 502);
    }
    assert_eq!(multiget(&server, &["a.ics"]).await.status, 207);
    assert_eq!(server.pending_faults(), 1);
    server.clear_faults();
    assert_eq!(sync(&server, "").await.status, 207);
}

#[tokio::test]
async fn lup_01_somebody_else_writes_in_between() {
    let server = start(Quirks::default());
    let etag = server.put("work", "a.ics", &event("a", "One"));
    server.inject(Fault::edit_before(Edit::put("work", "a.ics", &event("a", "Theirs"))).on_method("PUT"));
    let ours = put(&server, "a.ics", &[("If-Match", &etag)], &event("a", "Ours")).await;
    assert_eq!(ours.status, 412);
    assert!(server.get("work", "a.ics").unwrap().contains("Theirs"));

    server.inject(Fault::edit_after(Edit::delete("work", "a.ics")).on_method("REPORT"));
    let answer = sync(&server, "").await;
    assert_eq!(answer.entries(), ["a.ics propstat 200"], "listed");
    assert_eq!(multiget(&server, &["a.ics"]).await.entries(), ["a.ics 404"], "and gone");
    assert_eq!(sync(&server, &answer.token()).await.entries(), ["a.ics 404"]);
}

#[tokio::test]
async fn a_lost_request_and_a_lost_answer() {
    let server = start(Quirks::default());
    let path = format!("{WORK}a.ics");
    let body = event("a", "One");
    server.inject(Fault::drop_before());
    assert!(send(&server, "PUT", &path, &[AUTH], body.as_bytes()).await.is_none());
    assert!(server.list("work").is_empty());
    server.inject(Fault::drop_after());
    assert!(send(&server, "PUT", &path, &[AUTH], body.as_bytes()).await.is_none());
    assert_eq!(server.get("work", "a.ics"), Some(body.clone()), "it took effect");
    assert_eq!(put(&server, "a.ics", &[("If-None-Match", "*")], &body).await.status, 412);
    let statuses: Vec<_> = server.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [None, None, Some(412)]);
}

#[tokio::test]
async fn a_body_that_breaks_off_half_way() {
    let server = start(Quirks::default());
    let body = event("a", &"x".repeat(100_000));
    server.put("work", "a.ics", &body);
    server.inject(Fault::truncate());
    let path = format!("{WORK}a.ics");
    let answer = ask(&server, "GET", &path, &[], "").await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, Some(body.len().to_string().as_str()))
    );
    assert!(!answer.is_complete());
    assert_eq!(answer.text(), body[..body.len() / 2]);
    assert!(ask(&server, "GET", &path, &[], "").await.is_complete());
}

#[tokio::test]
async fn a_web_page_instead_of_an_answer() {
    let server = start(Quirks::default());
    server.inject(Fault::html());
    let answer = sync(&server, "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(answer.has("<form>"));
}

#[tokio::test]
async fn an_answer_that_never_comes() {
    let server = start(Quirks::default());
    let path = format!("{WORK}a.ics");
    for (action, stored) in [(FaultAction::HangBefore, 0), (FaultAction::HangAfter, 1)] {
        server.inject(Fault::new(action.clone()));
        let body = event("a", "One");
        let asked = send(&server, "PUT", &path, &[AUTH], body.as_bytes());
        let others = async {
            while server.pending_faults() > 0 {
                tokio::task::yield_now().await;
            }
            // Answered after it would have been.
            assert_eq!(propfind(&server, WORK, "0", "<d:displayname/>").await.status, 207);
        };
        tokio::select! {
            _ = asked => panic!("answered"),
            () = others => {}
        }
        assert_eq!(server.list("work").len(), stored, "{action:?}");
    }
    assert_eq!(put(&server, "a.ics", &[], &event("a", "Two")).await.status, 204);
}

#[tokio::test]
async fn a_body_that_trickles() {
    let server = start(Quirks::default());
    server.put("work", "a.ics", &event("a", "One"));
    let path = format!("{WORK}a.ics");
    server.inject(Fault::trickle(40, Duration::from_millis(1)));
    let answer = ask(&server, "GET", &path, &[], "").await;
    assert!(answer.is_complete());
    assert_eq!(answer.text(), event("a", "One"));

    server.inject(Fault::trickle(40, Duration::from_secs(3600)));
    let address = server.url().replace("http://", "").replace('/', "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{}: {}\r\n\r\n", AUTH.0, AUTH.1);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert_eq!(propfind(&server, WORK, "0", "<d:displayname/>").await.status, 207);
    let body = stream.try_read(&mut [0; 64]).map_err(|error| error.kind());
    assert_eq!(body, Err(ErrorKind::WouldBlock), "the head is there, the first piece is not");
}
