//! Feeds as they are asked for: tokens, conditions, bodies out of a store.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, IdSource, RandomIds, SystemEntropy},
    engine::Hub,
    ical::{read::ReadOptions, read_calendar},
    model::*,
    pipeline::{Filter, Pipeline, Start, Transform},
    publish::{
        Detail, FeedCall, FeedForm, FeedOptions, FeedRequest, FeedTokenError, FeedTokens, Published,
        Publisher, Served, feed, free_busy,
    },
    secret::Secret,
    store::{Batch, DocQuery, MemoryStore, Result as StoreResult, Store, StoreError, StoreErrorKind},
};
use calsync_testkit::hooked_store::{HookedStore, Moment, StoreHook};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// A clock that stands until it is moved.
struct Standing(Mutex<DateTime<Utc>>);

impl Standing {
    fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Standing {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

struct Bench {
    store: Arc<MemoryStore>,
    clock: Arc<Standing>,
    hub: Hub,
    tokens: FeedTokens,
    calendar: CalendarId,
}

fn bench() -> Bench {
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(Standing(Mutex::new("2026-01-05T12:00:00Z".parse().unwrap())));
    let ids: Arc<dyn IdSource> = Arc::new(RandomIds::from_seed([3; 32]));
    let hub = Hub::new(store.clone(), clock.clone(), ids);
    let tokens = FeedTokens::new(store.clone(), clock.clone(), Arc::new(SystemEntropy));
    Bench { store, clock, hub, tokens, calendar: CalendarId::from("work") }
}

impl Bench {
    fn options(&self, detail: Detail) -> FeedOptions {
        let mut options = FeedOptions::new(self.clock.now(), Secret::new([0; 32]));
        options.detail = detail;
        options
    }

    fn published(&self, detail: Detail) -> Published {
        Published::new(self.calendar.clone(), self.options(detail))
    }

    fn publisher(&self, feeds: Vec<(&str, Published)>) -> Publisher {
        let publisher = Publisher::new(self.store.clone(), self.clock.clone(), self.tokens.clone());
        feeds.into_iter().fold(publisher, |publisher, (name, feed)| publisher.with_feed(name, feed))
    }
}

/// A feed of a calendar whose owner nobody names would show what they declined.
#[test]
fn a_feed_that_asks_what_its_owner_declined_needs_one() {
    let bench = bench();
    let pipeline = Pipeline::everything().with_filter("no", Filter::NotDeclined {});
    let error = bench.published(Detail::Details).through(&pipeline, "Work").err().unwrap();
    assert!(error.to_string().contains("has no owner"), "{error}");
    let mut options = bench.options(Detail::Details);
    options.owner = vec!["me@example.org".to_owned()];
    Published::new(bench.calendar.clone(), options).through(&pipeline, "Work").unwrap();
}

fn hour(number: i64) -> TimeSpan {
    let start = NaiveDate::from_ymd_opt(2026, 1, 6).unwrap().and_hms_opt(9, 0, 0).unwrap().and_utc();
    let start = start + TimeDelta::hours(number);
    TimeSpan { start: EventTime::Utc(start), end: EventTime::Utc(start + TimeDelta::minutes(30)) }
}

fn titled(uid: &str, number: i64, title: &str) -> Event {
    Event::single(uid, EventBody { title: Some(title.to_owned()), ..EventBody::new(hour(number)) })
}

fn get(token: &str) -> FeedCall<'_> {
    FeedCall { method: "GET", token, conditions: FeedRequest::default() }
}

async fn text(served: &mut Served) -> String {
    let mut text = Vec::new();
    if let Some(body) = &mut served.body {
        while let Some(chunk) = body.next().await.unwrap() {
            assert!(!chunk.is_empty());
            text.extend(chunk);
        }
        assert_eq!(body.next().await.unwrap(), None);
    }
    String::from_utf8(text).unwrap()
}

fn header<'a>(served: &'a Served, name: &str) -> Option<&'a str> {
    served.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn read(text: &str) -> Vec<Event> {
    let document = read_calendar(text, &ReadOptions::default()).unwrap();
    assert!(document.is_complete && document.quarantined.is_empty());
    document.items.into_iter().map(|item| item.event).collect()
}

#[tokio::test]
async fn a_subscriber_gets_the_feed_once_and_304_until_it_changes() {
    let bench = bench();
    for number in 0..450 {
        bench.hub.add(&bench.calendar, titled(&format!("u{number}"), number, "Review")).await.unwrap();
    }
    let token = bench.tokens.create("team").await.unwrap();
    let publisher = bench.publisher(vec![("team", bench.published(Detail::Details))]);
    let address = format!("{}.ics", token.expose());
    let mut first = publisher.respond(&get(&address)).await;
    assert_eq!((first.status, first.feed.as_deref()), (200, Some("team")));
    assert_eq!(header(&first, "content-type"), Some("text/calendar; charset=utf-8"));
    let records = bench.hub.events(&bench.calendar).await.unwrap();
    let whole = feed(records.iter().map(|record| &record.event), bench.options(Detail::Details));
    assert_eq!(text(&mut first).await.into_bytes(), whole.collect::<Vec<_>>().concat());

    let (tag, date) = (header(&first, "etag").unwrap(), header(&first, "last-modified").unwrap().to_owned());
    let known = FeedRequest { if_none_match: Some(tag), if_modified_since: None };
    let dated = FeedRequest { if_none_match: None, if_modified_since: Some(&date) };
    let asked = async |method, conditions| {
        let served = publisher.respond(&FeedCall { method, token: &address, conditions }).await;
        (served.status, served.body.is_some(), header(&served, "etag").map(str::to_owned))
    };
    assert_eq!(asked("GET", known).await, (304, false, Some(tag.to_owned())));
    assert_eq!(asked("GET", dated).await, (304, false, Some(tag.to_owned())));
    assert_eq!(asked("HEAD", FeedRequest::default()).await, (200, false, Some(tag.to_owned())));
    assert_eq!(asked("POST", FeedRequest::default()).await, (405, false, None));

    bench.clock.advance(TimeDelta::minutes(5));
    let last = records.last().unwrap();
    bench.hub.delete(&bench.calendar, &last.id, last.revision).await.unwrap();
    let (status, has_body, other) = asked("GET", known).await;
    assert!(status == 200 && has_body && other.as_deref() != Some(tag));
    assert_eq!(asked("GET", dated).await.0, 200);
    // Another process, which has looked at nothing so far, says the same.
    let again = bench.publisher(vec![("team", bench.published(Detail::Details))]);
    assert_eq!(header(&again.respond(&get(&address)).await, "etag"), other.as_deref());
}

/// PRIV-03: each audience has a feed and a token of its own; what is not, or no more, a token opens nothing, and nothing in
/// the answer tells which of the two it is.
#[tokio::test]
async fn priv_03_what_opens_nothing_looks_like_what_never_was() {
    let bench = bench();
    bench.hub.add(&bench.calendar, titled("u", 0, "Review")).await.unwrap();
    let (team, guests) =
        (bench.tokens.create("team").await.unwrap(), bench.tokens.create("guests").await.unwrap());
    let gone = bench.tokens.create("gone").await.unwrap();
    let publisher = bench.publisher(vec![
        ("team", bench.published(Detail::Details)),
        ("guests", bench.published(Detail::BusyOnly)),
    ]);
    for (token, shows) in [(&team, "SUMMARY:Review"), (&guests, "SUMMARY:Busy")] {
        assert!(text(&mut publisher.respond(&get(token.expose())).await).await.contains(shows));
    }
    let next = bench.tokens.rotate("team", TimeDelta::hours(1)).await.unwrap();
    for token in [&team, &next] {
        assert_eq!(publisher.respond(&get(token.expose())).await.status, 200);
    }
    bench.clock.advance(TimeDelta::hours(1));
    bench.tokens.revoke("guests").await.unwrap();
    let never = "0".repeat(64);
    let long = "x".repeat(100_000);
    let mut answers = BTreeSet::new();
    for (what, token) in [
        ("outlived", team.expose().as_str()),
        ("revoked", guests.expose()),
        ("of a feed that is published no more", gone.expose()),
        ("of nobody", &never),
        ("the name of a feed", "team"),
        ("empty", ""),
        ("only an ending", ".ics"),
        ("long", &long),
        ("cut", &next.expose()[..63]),
    ] {
        let served = publisher.respond(&get(token)).await;
        assert_eq!(served.status, 404, "{what}");
        assert!(served.body.is_none() && served.feed.is_none(), "{what}");
        answers.insert(format!("{served:?}"));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(publisher.respond(&get(next.expose())).await.status, 200);
}

#[tokio::test]
async fn priv_03_no_token_is_in_the_store_and_none_is_left_behind() {
    let bench = bench();
    let mut shown = vec![bench.tokens.create("team").await.unwrap()];
    assert!(matches!(bench.tokens.create("team").await, Err(FeedTokenError::Exists { .. })));
    for days in [7, 7, 0, 7] {
        shown.push(bench.tokens.rotate("team", TimeDelta::days(days)).await.unwrap());
    }
    let list = bench.tokens.list().await.unwrap();
    assert_eq!((list.len(), list[0].feed.as_str()), (1, "team"));
    assert_eq!(list[0].previous_until, Some(bench.clock.now() + TimeDelta::days(7)));
    let rows =
        async |space| bench.store.docs(space, DocQuery::Page { after: None, limit: 100 }).await.unwrap();
    let tokens = rows("feed-token").await;
    assert_eq!(tokens.len(), 2, "the present one, and the one before it");
    for doc in rows("feed").await.into_iter().chain(tokens) {
        let kept = format!("{} {}", doc.key, String::from_utf8(doc.value).unwrap());
        assert!(shown.iter().all(|token| !kept.contains(token.expose())), "{kept}");
    }
    bench.tokens.revoke("team").await.unwrap();
    assert_eq!((rows("feed").await.len(), rows("feed-token").await.len()), (0, 0));
    for answer in
        [bench.tokens.revoke("team").await.err(), bench.tokens.rotate("team", TimeDelta::zero()).await.err()]
    {
        assert!(matches!(answer, Some(FeedTokenError::Unknown { .. })));
    }
}

/// However an event is edited while the feed goes out, it is in it, and once.
#[tokio::test]
async fn what_is_edited_meanwhile_is_sent_once() {
    let bench = bench();
    let mut ids = Vec::new();
    for number in 0..1_000 {
        let event = titled(&format!("u{number}"), number, "before");
        ids.push(bench.hub.add(&bench.calendar, event).await.unwrap());
    }
    let token = bench.tokens.create("team").await.unwrap();
    let publisher = bench.publisher(vec![("team", bench.published(Detail::Details))]);
    let mut served = publisher.respond(&get(token.expose())).await;
    let body = served.body.as_mut().unwrap();
    let mut text = body.next().await.unwrap().unwrap();
    let edit = async |number: usize| {
        let known = bench.store.events(&bench.calendar, &ids[number..=number]).await.unwrap();
        let event = titled(&format!("u{number}"), i64::try_from(number).unwrap(), "after");
        bench.hub.update(&bench.calendar, &ids[number], known[0].revision, event).await.unwrap();
    };
    // One that is sent already, one that is not, one twice, and a new one.
    for number in [0, 900, 950, 950] {
        edit(number).await;
    }
    bench.hub.add(&bench.calendar, titled("new", 0, "after")).await.unwrap();
    while let Some(chunk) = body.next().await.unwrap() {
        text.extend(chunk);
    }
    let events = read(&String::from_utf8(text).unwrap());
    let uids: BTreeSet<&str> = events.iter().map(|event| event.uid.as_str()).collect();
    assert_eq!((events.len(), uids.len()), (1_001, 1_001));
    let title = |uid: &str| {
        let event = events.iter().find(|event| event.uid == uid).unwrap();
        event.body().unwrap().title.clone().unwrap()
    };
    assert_eq!([title("u0"), title("u900"), title("u950")], ["before", "after", "after"]);
}

#[tokio::test]
async fn busy_times_are_served_as_they_are_published() {
    let bench = bench();
    for number in 0..300 {
        bench.hub.add(&bench.calendar, titled(&format!("u{number}"), number * 2, "canary")).await.unwrap();
    }
    let token = bench.tokens.create("machines").await.unwrap();
    let publisher =
        bench.publisher(vec![("machines", bench.published(Detail::BusyOnly).in_form(FeedForm::FreeBusy))]);
    let found = text(&mut publisher.respond(&get(token.expose())).await).await;
    let records = bench.hub.events(&bench.calendar).await.unwrap();
    let whole = free_busy(records.iter().map(|record| &record.event), &bench.options(Detail::BusyOnly));
    let times = |text: &str| {
        text.lines().filter(|line| line.starts_with("FREEBUSY")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(times(&found), times(&whole));
    assert_eq!(times(&found).len(), 300);
    assert!(!found.contains("canary"));
}

/// A feed for a project, or for a person: filters choose, transforms change, and what is private stays so.
#[tokio::test]
async fn priv_01_filters_and_transforms_show_nothing_that_is_private() {
    let bench = bench();
    let body = |title: &str, privacy| EventBody {
        title: Some(title.to_owned()),
        categories: ["alpha".to_owned()].into(),
        privacy,
        ..EventBody::new(hour(0))
    };
    let mut series = Event::single("series", body("Plan alpha", None));
    series.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=4")];
    for (days, privacy) in [(1, Privacy::Private), (2, Privacy::Secret)] {
        let mut moved = body("canary instance", Some(privacy));
        let at = hour(24 * days).start;
        moved.time = hour(24 * days + 1);
        let changed = Override::Changed { body: Box::new(moved), scope: OverrideScope::This };
        series.overrides.insert(RecurrenceId::of(&at), changed);
    }
    for event in [
        series,
        Event::single("private", body("canary private", Some(Privacy::Private))),
        Event::single("secret", body("canary secret", Some(Privacy::Secret))),
        titled("other", 3, "Plan beta"),
    ] {
        bench.hub.add(&bench.calendar, event).await.unwrap();
    }
    let token = bench.tokens.create("alpha").await.unwrap();
    let everything = Start::Everything {};
    let bare = Start::Bare { title: "Busy".to_owned() };
    for (start, pad) in [(&everything, 0), (&bare, 0), (&everything, 10), (&bare, 10)] {
        let mut pipeline = Pipeline { start: start.clone(), steps: Vec::new() }
            .with_filter(
                "alpha",
                serde_json::from_str::<Filter>(r#"{"type":"category","include":["alpha"]}"#).unwrap(),
            )
            .with_transform(
                "title",
                serde_json::from_str::<Transform>(r#"{"type":"keep","fields":["title"]}"#).unwrap(),
            )
            .with_transform(
                "whose",
                serde_json::from_str::<Transform>(
                    r#"{"type":"prefix-title","prefix":"[{{calendar_name}}] "}"#,
                )
                .unwrap(),
            );
        if pad > 0 {
            let padded = format!(r#"{{"type":"pad-time","before":{pad},"after":0}}"#);
            pipeline = pipeline.with_transform("pad", serde_json::from_str::<Transform>(&padded).unwrap());
        }
        let published = bench.published(Detail::Details).through(&pipeline, "Anna").unwrap();
        let publisher = bench.publisher(vec![("alpha", published)]);
        let found = text(&mut publisher.respond(&get(token.expose())).await).await;
        assert!(!found.contains("canary"), "{found}");
        assert!(!found.contains("beta") && found.contains("SUMMARY:[Anna] Plan alpha"), "{found}");
        let events = read(&found);
        assert_eq!(events.len(), 2, "{found}");
        let series = events.iter().find(|event| !event.overrides.is_empty()).unwrap();
        // Its own UID only where the feed shows it whole.
        assert_eq!(series.uid == "series", start == &everything, "{start:?}: {found}");
        assert_eq!(found.contains("UID:series"), start == &everything, "{start:?}: {found}");
        let kinds: Vec<bool> =
            series.overrides.values().map(|one| matches!(one, Override::Changed { .. })).collect();
        assert_eq!(kinds, [true, false], "one busy, one left out: {found}");
    }
    // What the feed is said to be made of is part of what a copy is compared with.
    let tag = async |published: Published| {
        let publisher = bench.publisher(vec![("alpha", published)]);
        header(&publisher.respond(&get(token.expose())).await, "etag").unwrap().to_owned()
    };
    let plain = || bench.published(Detail::Details);
    let filter = serde_json::from_str::<Filter>(r#"{"type":"category","include":["alpha"]}"#).unwrap();
    let chosen = Pipeline::everything().with_filter("alpha", filter);
    let mut named = bench.options(Detail::Details);
    named.name = Some("Alpha".to_owned());
    let tags = BTreeSet::from([
        tag(plain()).await,
        tag(bench.published(Detail::BusyOnly)).await,
        tag(plain().in_form(FeedForm::FreeBusy)).await,
        tag(plain().through(&chosen, "Anna").unwrap()).await,
        tag(plain().through(&chosen, "Ben").unwrap()).await,
        tag(Published::new(bench.calendar.clone(), named)).await,
    ]);
    assert_eq!(tags.len(), 6);
    assert_eq!(tag(plain()).await, tag(plain()).await);
}

/// A feed that shows less than before is fetched again also by whoever asks by date alone.
#[tokio::test]
async fn a_feed_is_not_older_than_its_definition() {
    let bench = bench();
    let token = bench.tokens.create("team").await.unwrap();
    let since = bench.clock.now() - TimeDelta::hours(1);
    bench.hub.add(&bench.calendar, titled("u", 0, "Review")).await.unwrap();
    bench.clock.advance(TimeDelta::hours(2));
    let asked = async |detail: Detail, since: DateTime<Utc>, date: &str| {
        let publisher = bench.publisher(vec![("team", bench.published(detail).since(since))]);
        let conditions = FeedRequest { if_none_match: None, if_modified_since: Some(date) };
        let served = publisher.respond(&FeedCall { method: "GET", token: token.expose(), conditions }).await;
        (served.status, served.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("last-modified")))
    };
    let before = "Mon, 05 Jan 2026 12:30:00 GMT";
    assert_eq!(asked(Detail::Details, since, before).await, (304, true));
    assert_eq!(asked(Detail::Details, bench.clock.now(), before).await, (200, true));
    assert_eq!(asked(Detail::BusyOnly, since, before).await, (200, true));
}

/// PRIV-01: whoever asks by date alone gets a feed that does not show everything once for each change of what it shows, and cannot tell
/// by the date when something was edited that it does not show.
#[tokio::test]
async fn priv_01_the_date_of_a_feed_is_when_what_it_shows_changed() {
    let filter = serde_json::from_str::<Filter>(r#"{"type":"title","exclude":"secret"}"#).unwrap();
    let chosen = Pipeline::everything().with_filter("no secrets", filter);
    let kinds: [fn(&Bench, &Pipeline) -> Published; 3] = [
        |bench, _| bench.published(Detail::BusyOnly),
        |bench, _| bench.published(Detail::BusyOnly).in_form(FeedForm::FreeBusy),
        |bench, chosen| bench.published(Detail::Details).through(chosen, "Anna").unwrap(),
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let bench = bench();
        let token = bench.tokens.create("team").await.unwrap();
        // More than a page, so that an edit changes the order.
        for number in 0..250 {
            bench.hub.add(&bench.calendar, titled(&format!("u{number}"), number, "secret")).await.unwrap();
        }
        bench.hub.add(&bench.calendar, titled("shown", 300, "Review")).await.unwrap();
        let publisher = bench.publisher(vec![("team", kind(&bench, &chosen))]);
        let asked = async |if_modified_since: Option<&str>| {
            let conditions = FeedRequest { if_none_match: None, if_modified_since };
            let served =
                publisher.respond(&FeedCall { method: "GET", token: token.expose(), conditions }).await;
            let [tag, date] = ["etag", "last-modified"].map(|name| header(&served, name).unwrap().to_owned());
            (served.status, tag, date)
        };
        let edit = async |uid: &str, event: Event| {
            let records = bench.hub.events(&bench.calendar).await.unwrap();
            let record = records.into_iter().find(|record| record.event.uid == uid).unwrap();
            bench.hub.update(&bench.calendar, &record.id, record.revision, event).await.unwrap();
        };
        let (status, tag, date) = asked(None).await;
        assert_eq!((status, asked(Some(&date)).await), (200, (304, tag.clone(), date.clone())), "{number}");
        bench.clock.advance(TimeDelta::hours(1));
        edit("u7", titled("u7", 7, "still secret")).await;
        let hidden = asked(Some(&date)).await;
        assert!(hidden.0 == 304 && hidden.1 != tag && hidden.2 == date, "{number}: {hidden:?}");
        assert_eq!(asked(None).await.2, date, "{number}");
        bench.clock.advance(TimeDelta::hours(1));
        // Twice within a second: both are told.
        let mut dates = vec![date];
        for hour in [301, 302] {
            edit("shown", titled("shown", hour, "Review")).await;
            let moved = asked(dates.last().map(String::as_str)).await;
            assert_eq!(moved.0, 200, "{number}");
            assert!(!dates.contains(&moved.2));
            dates.push(moved.2);
        }
        assert_eq!(asked(dates.last().map(String::as_str)).await.0, 304, "{number}");
        let known =
            FeedRequest { if_none_match: Some(&asked(None).await.1), if_modified_since: Some(&dates[0]) };
        let call = FeedCall { method: "GET", token: token.expose(), conditions: known };
        assert_eq!(publisher.respond(&call).await.status, 304, "the tag comes first");
    }
}

/// The marks stay with their instances when padding moves their names onto each other.
#[tokio::test]
async fn priv_01_padding_does_not_swap_the_marks_of_instances() {
    let minutes = |minutes: i64| {
        let EventTime::Utc(first) = hour(0).start else { panic!() };
        EventTime::Utc(first + TimeDelta::minutes(minutes))
    };
    let instance = |from: i64, title: &str, privacy: Option<Privacy>| {
        let time = TimeSpan { start: minutes(from), end: minutes(from + 10) };
        let body = EventBody { title: Some(title.to_owned()), privacy, ..EventBody::new(time) };
        (
            RecurrenceId::of(&minutes(from)),
            Override::Changed { body: Box::new(body), scope: OverrideScope::This },
        )
    };
    for (first, second) in [(Some(Privacy::Public), Some(Privacy::Private)), (Some(Privacy::Private), None)] {
        let bench = bench();
        let mut event = Event { master: None, ..titled("u", 0, "") };
        let name = |privacy| if privacy == Some(Privacy::Private) { "canary" } else { "open" };
        // Fifteen minutes apart, and padded by as much.
        event.overrides.extend([instance(0, name(first), first), instance(15, name(second), second)]);
        event.overrides.extend([instance(60, "open", Some(Privacy::Public))]);
        bench.hub.add(&bench.calendar, event).await.unwrap();
        let token = bench.tokens.create("team").await.unwrap();
        let pad = Transform::PadTime { before: 15, after: 0 };
        let pipeline = Pipeline::everything().with_transform("pad", pad);
        let feed = bench.published(Detail::Details).through(&pipeline, "Work").unwrap();
        let publisher = bench.publisher(vec![("team", feed)]);
        let text = text(&mut publisher.respond(&get(token.expose())).await).await;
        assert!(!text.contains("canary"), "{first:?}, {second:?}: {text}");
        let private_first = first == Some(Privacy::Private);
        assert_eq!(text.matches("SUMMARY:open").count(), if private_first { 0 } else { 2 }, "{text}");
    }
}

/// A backup is put back, and the same revisions are given out again: whoever has the text of before must not be told that it
/// is as good, neither by the publisher that was running nor by a new one.
#[tokio::test]
async fn a_store_that_was_restored_is_not_taken_for_the_one_before() {
    let before = bench();
    let token = before.tokens.create("team").await.unwrap();
    let after = Bench { store: Arc::new(MemoryStore::default()), ..bench() };
    let ids: Arc<dyn IdSource> = Arc::new(RandomIds::from_seed([9; 32]));
    let after_hub = Hub::new(after.store.clone(), before.clock.clone(), ids);
    let mut writes = Vec::new();
    for space in ["feed", "feed-token"] {
        let kept = before.store.docs(space, DocQuery::Page { after: None, limit: 100 }).await.unwrap();
        assert!(!kept.is_empty(), "what the tokens are kept as");
        writes.extend(kept.into_iter().map(calsync_core::store::Write::PutDoc));
    }
    after.store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    for number in 0..450 {
        before.hub.add(&before.calendar, titled(&format!("u{number}"), number, "Before")).await.unwrap();
    }
    let swapped = Arc::new(HookedStore::new(before.store.clone(), ()));
    let publisher = |_: ()| {
        let tokens = FeedTokens::new(swapped.clone(), before.clock.clone(), Arc::new(SystemEntropy));
        Publisher::new(swapped.clone(), before.clock.clone(), tokens)
            .with_feed("team", before.published(Detail::Details).since(before.clock.now()))
    };
    let running = publisher(());
    let first = running.respond(&get(token.expose())).await;
    let (tag, date) = (header(&first, "etag").unwrap(), header(&first, "last-modified").unwrap());
    before.clock.advance(TimeDelta::hours(1));
    for number in 0..450 {
        after_hub.add(&before.calendar, titled(&format!("u{number}"), number, "After")).await.unwrap();
    }
    let ask = async |publisher: &Publisher, if_none_match, if_modified_since| {
        let conditions = FeedRequest { if_none_match, if_modified_since };
        publisher.respond(&FeedCall { method: "GET", token: token.expose(), conditions }).await
    };
    assert_eq!(ask(&running, Some(tag), None).await.status, 304);
    swapped.swap(after.store.clone());
    assert_eq!(ask(&running, None, Some(date)).await.status, 200, "by date");
    let mut again = ask(&running, Some(tag), None).await;
    assert_eq!(again.status, 200);
    assert!(text(&mut again).await.contains("SUMMARY:After"));
    let new = publisher(());
    let other = ask(&new, Some(tag), None).await;
    assert_eq!((other.status, header(&other, "etag")), (200, header(&again, "etag")), "the same for both");
    assert_eq!(ask(&new, header(&other, "etag"), None).await.status, 304);
    // An edit of the very last change is no restored store.
    let records = after_hub.events(&before.calendar).await.unwrap();
    let last = records.into_iter().max_by_key(|record| record.revision).unwrap();
    let edited = titled(&last.event.uid, 0, "Edited");
    after_hub.update(&before.calendar, &last.id, last.revision, edited).await.unwrap();
    let edited = ask(&running, header(&other, "etag"), None).await;
    assert_eq!((edited.status, header(&edited, "etag") == header(&other, "etag")), (200, false));
}

/// Lets so many reads pass, and then none. An answer asks for nothing but events and documents, and writes nothing.
struct Failing(AtomicUsize);

#[async_trait]
impl StoreHook for Failing {
    async fn at(&self, moment: Moment<'_>) -> StoreResult<()> {
        let Moment::Before(call) = moment else { return Ok(()) };
        assert!(["events_since", "docs"].contains(&call), "{call}");
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(|_| ()).map_err(|_| StoreError::new(StoreErrorKind::Unavailable, "read"))
    }
}

/// Where a store fails, at whatever read, nobody gets a feed that only looks whole: its subscribers would delete what is
/// not in it.
#[tokio::test]
async fn a_store_that_fails_cuts_the_feed_off() {
    let bench = bench();
    for number in 0..500 {
        bench.hub.add(&bench.calendar, titled(&format!("u{number}"), number, "Review")).await.unwrap();
    }
    let token = bench.tokens.create("team").await.unwrap();
    let mut ends = BTreeSet::new();
    for reads in 0..9 {
        let store = Arc::new(HookedStore::new(bench.store.clone(), Failing(AtomicUsize::new(reads))));
        let tokens = FeedTokens::new(store.clone(), bench.clock.clone(), Arc::new(SystemEntropy));
        let publisher = Publisher::new(store, bench.clock.clone(), tokens)
            .with_feed("team", bench.published(Detail::Details));
        let mut served = publisher.respond(&get(token.expose())).await;
        let Some(body) = &mut served.body else {
            assert_eq!((served.status, header(&served, "retry-after")), (503, Some("60")));
            assert!(served.problem.is_some());
            ends.insert("unavailable");
            continue;
        };
        let mut text = Vec::new();
        let end = loop {
            match body.next().await {
                Ok(Some(chunk)) => text.extend(chunk),
                Ok(None) => break "whole",
                Err(_) => break "cut off",
            }
        };
        assert_eq!(text.ends_with(b"END:VCALENDAR\r\n"), end == "whole", "{reads}");
        ends.insert(end);
    }
    assert_eq!(ends.len(), 3, "{ends:?}");
}
