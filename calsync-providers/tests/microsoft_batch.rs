//! Writes to Microsoft Graph that are due at the same time: what is in their batch, and what every answer to it means.
#![cfg(feature = "microsoft")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use calsync_core::{
    model::{Event, EventBody, EventTime, RemoteCalendarId, RemoteId, TimeSpan, Version},
    provider::{
        ChangesRequest, Fetched, Payload, PeoplePolicy, Provider, ProviderError, RenderRequest, Retry,
        Written,
    },
};
use calsync_providers::{
    http::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpTransport, Secret, TokenSource},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use calsync_testkit::world::VirtualClock;
use chrono::NaiveDate;
use futures_util::{FutureExt, future::join_all};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// What the service does with a request.
enum Answer {
    Json(u16, Value),
    Text(u16, &'static str),
    Limited(u16, &'static str),
    Lost,
    NotSent,
}

/// Answers in order, and what was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<(String, Value, u32)>>,
}

#[async_trait]
impl HttpTransport for Script {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let asked = format!("{} {}", request.method, request.url.path().trim_start_matches("/v1.0/"));
        self.asked.lock().unwrap().push((asked, body, request.cost));
        let answer = self.answers.lock().unwrap().pop_front();
        let mut headers = HeaderMap::new();
        let (status, body) = match answer.expect("one more request than answers") {
            Answer::Json(status, body) => (status, body.to_string()),
            Answer::Text(status, body) => (status, body.to_owned()),
            Answer::Limited(status, wait) => {
                headers.insert("retry-after", wait.parse().unwrap());
                (status, String::new())
            }
            Answer::Lost => return Err(HttpError::maybe_sent(HttpErrorKind::Interrupted, "broken")),
            Answer::NotSent => return Err(HttpError::not_sent(HttpErrorKind::Connect, "no way")),
        };
        Ok(HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into_bytes() })
    }
}

impl Script {
    /// The requests so far; of a batch, what is in it.
    fn asked(&self) -> Vec<String> {
        let shown = |(line, body, _): &(String, Value, u32)| match body["requests"].as_array() {
            Some(parts) => {
                let parts: Vec<_> =
                    parts.iter().map(|part| part["method"].as_str().unwrap().to_owned()).collect();
                format!("batch of {}", parts.join(" "))
            }
            None => line.clone(),
        };
        self.asked.lock().unwrap().iter().map(shown).collect()
    }
}

struct Lab {
    script: Arc<Script>,
    provider: MicrosoftProvider,
    calendar: RemoteCalendarId,
}

fn lab(answers: Vec<Answer>) -> Lab {
    lab_with(answers, Arc::new(Secret::from("secret")))
}

fn lab_with(answers: Vec<Answer>, tokens: Arc<dyn TokenSource>) -> Lab {
    let script = Arc::new(Script { answers: Mutex::new(answers.into()), ..Script::default() });
    let provider = MicrosoftProvider::new(MicrosoftConfig::new(tokens), script.clone()).unwrap();
    let provider = provider.with_clock(Arc::new(VirtualClock::default()));
    Lab { script, provider, calendar: RemoteCalendarId::from("c") }
}

impl Lab {
    fn payload(&self, text: &str) -> Payload {
        let at = |hour: u32| {
            let day = NaiveDate::from_ymd_opt(2026, 1, 6).unwrap();
            EventTime::Utc(day.and_hms_opt(hour, 0, 0).unwrap().and_utc())
        };
        let body = EventBody {
            description: Some(text.to_owned()),
            ..EventBody::new(TimeSpan { start: at(9), end: at(10) })
        };
        let event = Event::single("u", body);
        let now = "2026-01-05T12:00:00Z".parse().unwrap();
        let request = RenderRequest { event: &event, original: None, now, people: PeoplePolicy::Withhold };
        self.provider.render(request).unwrap().payload
    }

    async fn create(&self, n: usize) -> Result<Written, ProviderError> {
        let id = RemoteId::from(format!("new:fresh{n}"));
        self.provider.create(&self.calendar, &id, &self.payload("t")).await
    }

    /// Three creations at once.
    async fn three(&self) -> [String; 3] {
        let all = join_all((0..3).map(|n| self.create(n))).await;
        let told: Vec<String> = all
            .into_iter()
            .map(|written| told(written.map(|written| written.id.as_str().to_owned())))
            .collect();
        told.try_into().unwrap()
    }
}

/// The outcome as a word or two.
fn told(result: Result<String, ProviderError>) -> String {
    match result {
        Ok(id) => id,
        Err(error) => {
            let retry = match error.retry {
                Retry::Never => String::new(),
                Retry::Backoff => " backoff".to_owned(),
                Retry::After(wait) => format!(" after {} ms", wait.as_millis()),
            };
            let kind = format!("{:?}", error.kind);
            format!("{kind}{retry}{}", if error.is_ambiguous() { ", maybe applied" } else { "" })
        }
    }
}

fn made(n: usize) -> Value {
    json!({"id": n.to_string(), "status": 201, "headers": {}, "body": {"id": format!("e{n}"), "@odata.etag": "W/\"1\""}})
}

fn batch(parts: &[Value]) -> Answer {
    Answer::Json(200, json!({ "responses": parts }))
}

#[tokio::test]
async fn a_part_is_a_whole_request_and_is_told_by_its_id() {
    let lab = lab(vec![batch(&[made(2), made(0), made(1)])]);
    assert_eq!(lab.three().await, ["e0", "e1", "e2"]);
    let asked = lab.script.asked.lock().unwrap();
    let [(line, body, cost)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((line.as_str(), *cost), ("POST $batch", 3));
    for (n, part) in body["requests"].as_array().unwrap().iter().enumerate() {
        assert_eq!(part["id"], n.to_string());
        assert_eq!((&part["method"], &part["url"]), (&json!("POST"), &json!("/me/calendars/c/events")));
        assert_eq!(part["headers"]["Content-Type"], "application/json");
        assert_eq!(part["headers"]["Prefer"], "IdType=\"ImmutableId\", outlook.timezone=\"UTC\"");
        assert_eq!(part["body"]["transactionId"], format!("fresh{n}"));
        assert!(part.get("dependsOn").is_none());
    }
}

/// One write is no batch, and one that nobody waits for any more is not sent.
#[tokio::test]
async fn one_by_itself_is_sent_by_itself() {
    let lab = lab(vec![Answer::Json(201, json!({"id": "e0"}))]);
    assert_eq!(told(lab.create(0).await.map(|written| written.id.as_str().to_owned())), "e0");
    assert_eq!(lab.script.asked(), ["POST me/calendars/c/events"]);

    let lab = self::lab(vec![Answer::Json(201, json!({"id": "e1"}))]);
    assert!(lab.create(0).now_or_never().is_none());
    assert_eq!(lab.create(1).await.unwrap().id.as_str(), "e1");
    assert_eq!(lab.script.asked(), ["POST me/calendars/c/events"]);
}

#[tokio::test]
async fn quo_03_every_answer_to_a_part_concerns_that_part_only() {
    let error = |code: &str| json!({"error": {"code": code, "message": "m"}});
    let with = |status: Value, headers: Value, body: Value| {
        vec![json!({"id": "1", "status": status, "headers": headers, "body": body})]
    };
    let throttled =
        |wait: Value| with(json!(429), json!({"Retry-After": wait}), error("ApplicationThrottled"));
    let plain = |status: u16, code: &str| with(json!(status), json!({}), error(code));
    let cases: Vec<(Vec<Value>, &str)> = vec![
        (throttled(json!("10")), "Throttled after 10000 ms"),
        (throttled(json!(10)), "Throttled after 10000 ms"),
        (throttled(json!(2.128)), "Throttled after 2128 ms"),
        (throttled(json!("2.128")), "Throttled after 2128 ms"),
        (throttled(json!("Mon, 05 Jan 2026 12:01:00 GMT")), "Throttled after 60000 ms"),
        (throttled(json!(["soon"])), "Throttled backoff"),
        (plain(400, "ErrorPropertyValidationFailure"), "Refused"),
        (plain(403, "ErrorAccessDenied"), "Forbidden"),
        (plain(404, "ErrorItemNotFound"), "CalendarGone"),
        (plain(409, "ConcurrentItemSave"), "Unavailable backoff"),
        (plain(409, "ErrorFolderExists"), "AlreadyExists { at: None }"),
        (plain(412, "ErrorIrresolvableConflict"), "VersionMismatch"),
        (plain(413, ""), "TooLarge"),
        (plain(423, "locked"), "Unavailable backoff"),
        (plain(424, "FailedDependency"), "Unavailable backoff"),
        (plain(500, "ErrorInternalServerError"), "Unavailable backoff, maybe applied"),
        (plain(502, ""), "Unavailable backoff, maybe applied"),
        (plain(503, "ErrorServerBusy"), "Unavailable backoff"),
        (plain(504, "UnknownError"), "Unavailable backoff, maybe applied"),
        (plain(507, "ErrorQuotaExceeded"), "TooLarge"),
        // A body that is base64 or nothing at all.
        (with(json!(400), json!({}), json!("PGh0bWw+")), "Refused"),
        (with(json!(429), json!(null), json!(null)), "Throttled backoff"),
        (with(json!(201), json!({}), json!("PGh0bWw+")), "Protocol, maybe applied"),
        (with(json!(201), json!({}), json!({"subject": "t"})), "Protocol, maybe applied"),
        (with(json!(201), json!([]), json!({"id": 7})), "Protocol, maybe applied"),
        // No answer, or none that can be believed.
        (vec![], "Unavailable backoff, maybe applied"),
        (with(json!("201"), json!({}), json!({"id": "e1"})), "Unavailable backoff, maybe applied"),
        (with(json!(null), json!({}), json!({"id": "e1"})), "Unavailable backoff, maybe applied"),
        (with(json!(7), json!({}), json!({"id": "e1"})), "Unavailable backoff, maybe applied"),
        (with(json!(99_999), json!({}), json!({"id": "e1"})), "Unavailable backoff, maybe applied"),
        (vec![made(1), plain(429, "x").remove(0)], "Unavailable backoff, maybe applied"),
        (vec![json!({"status": 201, "body": {"id": "e1"}})], "Unavailable backoff, maybe applied"),
        (vec![json!({"id": 1, "status": 201, "body": {"id": "e1"}})], "Unavailable backoff, maybe applied"),
        (
            vec![json!(null), json!("1"), json!({"id": "17", "status": 201})],
            "Unavailable backoff, maybe applied",
        ),
    ];
    for (middle, expected) in cases {
        let shown = json!(middle).to_string();
        let mut parts = vec![made(2)];
        parts.extend(middle);
        parts.push(made(0));
        let lab = lab(vec![batch(&parts)]);
        assert_eq!(lab.three().await, ["e0", expected, "e2"], "{shown}");
        assert_eq!(lab.script.asked(), ["batch of POST POST POST"]);
    }
}

#[tokio::test]
async fn quo_03_a_batch_that_fails_as_a_whole_leaves_every_part_open_or_unsent() {
    let all = |what: &'static str| [what; 3];
    for (answer, expected) in [
        (Answer::Lost, "Unavailable backoff, maybe applied"),
        (Answer::NotSent, "Unavailable backoff"),
        (Answer::Text(200, "<html>sign in</html>"), "Unavailable backoff, maybe applied"),
        (Answer::Json(200, json!({})), "Unavailable backoff, maybe applied"),
        (Answer::Json(200, json!({"responses": null})), "Unavailable backoff, maybe applied"),
        (Answer::Json(200, json!({"responses": {"0": made(0)}})), "Unavailable backoff, maybe applied"),
        (Answer::Json(200, json!([made(0)])), "Unavailable backoff, maybe applied"),
        (Answer::Text(500, ""), "Unavailable backoff, maybe applied"),
        (Answer::Text(502, "<html>"), "Unavailable backoff, maybe applied"),
        (Answer::Text(503, ""), "Unavailable backoff"),
        (Answer::Text(504, ""), "Unavailable backoff, maybe applied"),
        (Answer::Limited(503, "7"), "Unavailable after 7000 ms"),
        (Answer::Limited(429, "7"), "Throttled after 7000 ms"),
        (Answer::Text(401, ""), "Unauthorized"),
        (Answer::Text(403, ""), "Forbidden"),
    ] {
        let lab = lab(vec![answer]);
        assert_eq!(lab.three().await, all(expected));
        assert_eq!(lab.script.asked(), ["batch of POST POST POST"]);
    }
}

/// A batch that is refused for what is in one of them does not keep the others from being written.
#[tokio::test]
async fn bad_one_bad_request_spoils_no_other_of_its_batch() {
    for status in [400, 404, 405, 409, 412, 413, 415, 422, 501] {
        let one = |n: usize| Answer::Json(201, json!({"id": format!("e{n}")}));
        let lab = lab(vec![Answer::Text(status, ""), one(0), Answer::Text(400, ""), one(2)]);
        assert_eq!(lab.three().await, ["e0", "Refused", "e2"], "{status}");
    }
    // And where nobody answers any more, nobody goes on asking.
    let lab = lab(vec![Answer::Text(400, ""), Answer::Json(201, json!({"id": "e0"})), Answer::Lost]);
    assert_eq!(lab.three().await, ["e0", "Unavailable backoff, maybe applied", "Unavailable backoff"],);
}

/// One token after the other.
struct Tokens(Mutex<Vec<&'static str>>);

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> Result<Secret, ProviderError> {
        Ok(Secret::from(*self.0.lock().unwrap().last().unwrap()))
    }

    async fn rejected(&self, _: &Secret) -> Result<(), ProviderError> {
        self.0.lock().unwrap().pop();
        Ok(())
    }
}

#[tokio::test]
async fn auth_a_part_that_is_refused_for_its_token_is_sent_again_with_another_one() {
    let refused =
        json!({"id": "1", "status": 401, "body": {"error": {"code": "InvalidAuthenticationToken"}}});
    let answers = vec![
        batch(&[made(0), refused, made(2)]),
        Answer::Text(401, ""),
        Answer::Json(201, json!({"id": "e1"})),
    ];
    let lab = lab_with(answers, Arc::new(Tokens(Mutex::new(vec!["fresh", "old"]))));
    assert_eq!(lab.three().await, ["e0", "e1", "e2"]);
}

#[tokio::test]
async fn changes_and_deletions_carry_their_condition_and_share_a_batch() {
    let (first, second) = (RemoteId::from("a/="), RemoteId::from("b"));
    let held = json!({"id": "a/=", "type": "singleInstance", "@odata.etag": "W/\"1\"", "subject": "t",
        "start": {"dateTime": "2026-01-06T09:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-01-06T10:00:00.0000000", "timeZone": "UTC"}});
    let answers = vec![
        Answer::Json(200, held.clone()),
        batch(&[
            json!({"id": "1", "status": 200, "body": {"id": "b", "@odata.etag": "W/\"7\""}}),
            json!({"id": "0", "status": 200, "body": {"id": "a/=", "@odata.etag": "W/\"2\""}}),
        ]),
        Answer::Json(204, json!(null)),
    ];
    let lab = lab(answers);
    let fetched = lab.provider.fetch(&lab.calendar, std::slice::from_ref(&first)).await.unwrap().remove(0);
    let Fetched::Found { payload, version: Some(version), .. } = fetched else { panic!("{fetched:?}") };
    let mut event = lab.provider.read(&payload).unwrap();
    event.master.as_mut().unwrap().title = Some("other".to_owned());
    let now = "2026-01-05T12:00:00Z".parse().unwrap();
    let request =
        RenderRequest { event: &event, original: Some(&payload), now, people: PeoplePolicy::Withhold };
    let rendered = lab.provider.render(request).unwrap();
    let gone = Version::from("W/\"7\"");
    let (updated, deleted) = futures_util::future::join(
        lab.provider.update(&lab.calendar, &first, &version, &rendered.payload),
        lab.provider.delete(&lab.calendar, &second, &gone),
    )
    .await;
    assert_eq!(updated.unwrap().version, Some(Version::from("W/\"2\"")));
    deleted.unwrap();
    assert_eq!(lab.script.asked(), ["GET me/events/a%2F%3D", "batch of PATCH GET", "DELETE me/events/b"]);
    let asked = lab.script.asked.lock().unwrap();
    let patch = &asked[1].1["requests"][0];
    assert_eq!(patch["url"], "/me/events/a%2F%3D");
    assert_eq!(patch["headers"]["If-Match"], "W/\"1\"");
    assert_eq!(patch["body"], json!({"subject": "other"}));
}

/// A read beside a write that may have been applied is no write, and a tag that would break a header is not sent.
#[tokio::test]
async fn what_was_only_read_is_not_open_afterwards() {
    let lab = lab(vec![Answer::Lost]);
    let id = RemoteId::from("b");
    let version = Version::from("W/\"7\"");
    let (created, deleted) =
        futures_util::future::join(lab.create(0), lab.provider.delete(&lab.calendar, &id, &version)).await;
    assert_eq!(told(created.map(|_| String::new())), "Unavailable backoff, maybe applied");
    assert_eq!(told(deleted.map(|()| String::new())), "Unavailable backoff");
    assert_eq!(lab.script.asked(), ["batch of POST GET"]);

    let broken = json!({"id": "b", "type": "singleInstance", "@odata.etag": "W/\"1\"\r\nX: y"});
    let lab = self::lab(vec![Answer::Json(200, broken)]);
    let version = Version::from("W/\"1\"\r\nX: y");
    let refused = lab.provider.delete(&lab.calendar, &id, &version).await;
    assert_eq!(told(refused.map(|()| String::new())), "InvalidInput");
    assert_eq!(lab.script.asked(), ["GET me/events/b"]);
}

/// Twenty go in one, and what would be larger than the service takes goes in several.
#[tokio::test]
async fn a_batch_is_no_larger_than_the_service_takes() {
    let lab = lab(vec![
        batch(&(0..20).map(made).collect::<Vec<_>>()),
        batch(&(0..20).map(made).collect::<Vec<_>>()),
        batch(&(0..5).map(made).collect::<Vec<_>>()),
    ]);
    let all = join_all((0..45).map(|n| lab.create(n))).await;
    assert!(all.iter().all(Result::is_ok));
    let sizes: Vec<u32> = lab.script.asked.lock().unwrap().iter().map(|(_, _, cost)| *cost).collect();
    assert_eq!(sizes, [20, 20, 5]);
    assert_eq!(lab.provider.capabilities().requests_max, 20);

    let one = || Answer::Json(201, json!({"id": "e"}));
    let lab = self::lab(vec![batch(&[made(0), made(1)]), batch(&[made(0), made(1)]), one()]);
    let long = lab.payload(&"x".repeat(1_400_000));
    let ids: Vec<RemoteId> = (0..5).map(|n| RemoteId::from(format!("new:f{n}"))).collect();
    let all = join_all(ids.iter().map(|id| lab.provider.create(&lab.calendar, id, &long))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(
        lab.script.asked(),
        ["batch of POST POST", "batch of POST POST", "POST me/calendars/c/events"]
    );
}

/// Pages are as large as the service allows, and smaller where such a page is larger than we take.
#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    struct Large(Mutex<Vec<String>>);
    #[async_trait]
    impl HttpTransport for Large {
        async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
            let prefer = request.headers["prefer"].to_str().unwrap();
            let size = prefer.rsplit_once('=').unwrap().1.to_owned();
            let path = request.url.path().rsplit('/').next().unwrap();
            let top =
                request.url.query().and_then(|query| query.split('&').find(|pair| pair.starts_with("$top")));
            self.0.lock().unwrap().push(format!("{path} {size} {}", top.unwrap_or_default()));
            if size.parse::<usize>().unwrap() > 10 {
                return Err(HttpError::maybe_sent(HttpErrorKind::TooLarge, "too large"));
            }
            let body = match path {
                "delta" => json!({"value": [], "@odata.deltaLink": "https://graph.microsoft.com/v1.0/x?d=1"}),
                _ => json!({"value": []}),
            };
            let body = body.to_string().into_bytes();
            Ok(HttpResponse { status: StatusCode::OK, headers: HeaderMap::new(), body })
        }
    }
    let large = Arc::new(Large(Mutex::default()));
    let provider =
        MicrosoftProvider::new(MicrosoftConfig::new(Arc::new(Secret::from("x"))), large.clone()).unwrap();
    let calendar = RemoteCalendarId::from("c");
    let page = provider.changes(&calendar, ChangesRequest::default()).await.unwrap();
    let request = ChangesRequest { cursor: page.cursor.as_ref(), ..ChangesRequest::default() };
    provider.changes(&calendar, request).await.unwrap();
    assert_eq!(*large.0.lock().unwrap(), ["delta 1000 ", "delta 100 ", "delta 10 ", "events 10 $top=10"]);
}

fn link(path: &str) -> String {
    format!("https://graph.microsoft.com/v1.0/{path}")
}

/// TOK-03: the page that names an item looked for may come after an empty one, and the exceptions of a series on several.
#[tokio::test]
async fn tok_03_every_page_is_read_of_what_is_asked_for_by_name() {
    let series = json!({
        "id": "e0", "@odata.etag": "W/\"1\"", "type": "seriesMaster",
        "singleValueExtendedProperties": [{"value": "fresh0",
            "id": "String {00020329-0000-0000-C000-000000000046} Name calsync.create"}],
        "exceptionOccurrences": [{"id": "x1"}],
        "exceptionOccurrences@odata.nextLink": link("me/events/e0/exceptionOccurrences?$skip=1"),
    });
    let lab = lab(vec![
        Answer::Json(200, json!({"value": [], "@odata.nextLink": link("me/calendars/c/events?$skip=0")})),
        Answer::Json(200, json!({"value": [{"id": "e0"}]})),
        Answer::Json(200, series),
        Answer::Json(
            200,
            json!({"value": [], "@odata.nextLink": link("me/events/e0/exceptionOccurrences?$skip=2")}),
        ),
        Answer::Json(200, json!({"value": [{"id": "x2"}]})),
    ]);
    let found = lab.provider.fetch(&lab.calendar, &[RemoteId::from("new:fresh0")]).await.unwrap();
    let [Fetched::Renamed { id, payload, .. }] = &found[..] else { panic!("{found:?}") };
    assert_eq!(id.as_str(), "e0");
    let item: Value = serde_json::from_str(payload.as_str()).unwrap();
    assert_eq!(item["exceptionOccurrences"], json!([{"id": "x1"}, {"id": "x2"}]));
    assert!(item.get("exceptionOccurrences@odata.nextLink").is_none());
}
