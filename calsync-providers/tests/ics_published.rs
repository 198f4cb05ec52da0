//! What is published comes back through a subscription: the same instances, over two years.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod ics_common;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use calsync_core::{
    context::{Clock, SystemEntropy},
    engine::{Link, SeenItem, SeenState, SyncOptions, SyncReport},
    ical::{read::ReadOptions, read_calendar},
    model::{CalendarId, Event},
    pipeline::{Pipeline, Start},
    plan::Direction,
    provider::UnreadKind,
    publish::{
        BusyOnly, Detail, FeedCall, FeedOptions, FeedTokens, Published, Publisher, busy_only, feed,
        remember_feed_key,
    },
    recurrence::ExpansionLimits,
    secret::Secret,
    store::{DocQuery, MemoryStore},
    zone::Zone,
};
use calsync_providers::ics::{IcsConfig, IcsProvider};
use calsync_testkit::{availability_oracle::availability_case, world::World};
use chrono::{DateTime, TimeDelta, Utc};
use ics_common::{Fake, URL, answer, event};

type Spans = BTreeMap<String, Vec<(DateTime<Utc>, DateTime<Utc>)>>;

fn instances<'e>(
    events: impl IntoIterator<Item = &'e Event>,
    window: &std::ops::Range<DateTime<Utc>>,
) -> Spans {
    let of = |event: &Event| {
        let (found, _) = event.instances(window.clone(), &Zone::UTC, &ExpansionLimits::default());
        let span = |found: &calsync_core::recurrence::EventInstance<'_>| {
            (found.time.start.instant(&Zone::UTC), found.time.end.instant(&Zone::UTC))
        };
        (event.uid.clone(), found.iter().map(span).collect::<Vec<_>>())
    };
    events.into_iter().map(of).filter(|(_, spans)| !spans.is_empty()).collect()
}

#[tokio::test]
async fn a_published_calendar_comes_back_the_same() {
    let mut compared = 0;
    for (seed, detail) in (0..60).flat_map(|seed| [(seed, Detail::Details), (seed, Detail::BusyOnly)]) {
        let case = availability_case(seed);
        let events: Vec<Event> = case
            .calendars
            .into_iter()
            .flat_map(|calendar| calendar.events)
            .enumerate()
            .map(|(number, event)| Event { uid: format!("{seed}-{number}"), ..event })
            .collect();
        let mut options = FeedOptions::new(case.question.window.start, Secret::new([7; 32]));
        options.detail = detail;
        // A feed of busy times shows what takes time, under UIDs of its own.
        let how = BusyOnly { title: "Busy", key: Some(options.key.expose()), owner: &[] };
        let shown: Vec<Event> = match detail {
            Detail::Details => events.clone(),
            Detail::BusyOnly => events.iter().filter_map(|event| busy_only(event, &how)).collect(),
        };
        (options.back, options.ahead) = (TimeDelta::days(365), TimeDelta::days(365));
        let window = options.window();
        let text = feed(&events, options).collect::<Vec<_>>().concat();

        let world = World::new(Arc::new(MemoryStore::default()), 1);
        let fake = Fake::new(move |_, _| Ok(answer(200, &[], &text)));
        let provider = IcsProvider::new(IcsConfig::new(URL), fake, world.clock.clone()).unwrap();
        let link =
            Link::new("feed", "family", provider.calendar().as_str()).with_direction(Direction::Import);
        let report = world.engine.sync(&link, &provider, &SyncOptions::default()).await.unwrap();
        assert_eq!(report.counts.quarantined, 0, "seed {seed}");
        let quiet = world.engine.sync(&link, &provider, &SyncOptions::default()).await.unwrap();
        assert!(quiet.plan.operations.is_empty(), "seed {seed}");
        let read = world.locals().await;
        let right = instances(&shown, &window);
        assert_eq!(right, instances(read.iter().map(|record| &record.event), &window), "seed {seed}");
        compared += right.values().map(Vec::len).sum::<usize>();
    }
    assert!(compared > 3_000, "{compared}");
}

/// A calendar whose feeds are subscribed to, also by itself.
struct Circle {
    world: World,
    published: BTreeMap<&'static str, Arc<Mutex<Vec<u8>>>>,
}

impl Circle {
    async fn new() -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 1);
        for day in 10..16 {
            let text = ics_common::feed(&event(&format!("own-{day}"), day, "canary"));
            let document = read_calendar(&text, &ReadOptions::default()).unwrap();
            world.add(document.items[0].event.clone()).await;
        }
        Self { world, published: BTreeMap::new() }
    }

    /// Subscribes to a feed, into a calendar.
    fn subscribe(&mut self, feed: &'static str, calendar: &str) -> (IcsProvider, Link) {
        let body = self.published.entry(feed).or_default().clone();
        let fake = Fake::new(move |_, _| Ok(answer(200, &[], &*body.lock().unwrap())));
        let config = IcsConfig::new(format!("https://feeds.example.com/{feed}.ics"));
        let provider = IcsProvider::new(config, fake, self.world.clock.clone()).unwrap();
        let link = Link::new(format!("{feed} in {calendar}"), calendar, provider.calendar().as_str())
            .with_direction(Direction::Import);
        (provider, link)
    }

    fn publish(&self, feed: &str, text: Vec<u8>) {
        *self.published[feed].lock().unwrap() = text;
    }

    async fn events(&self, calendar: &str) -> Vec<Event> {
        let records = self.world.hub.events(&CalendarId::from(calendar)).await.unwrap();
        records.into_iter().map(|record| record.event).collect()
    }

    async fn sync(&self, (provider, link): &(IcsProvider, Link)) -> SyncReport {
        self.world.clock.advance(TimeDelta::hours(1));
        self.world.engine.sync(link, provider, &SyncOptions::default()).await.unwrap()
    }
}

/// LOOP-09: a feed of a calendar, subscribed to in that calendar, does not add the whole of it once more with every run.
#[tokio::test]
async fn loop_09_a_feed_of_the_calendar_it_is_brought_in_to_adds_nothing() {
    let bare = Pipeline { start: Start::BusyOnly { title: "Taken".to_owned() }, steps: Vec::new() };
    for (what, detail, pipeline) in [
        ("busy-only", Detail::BusyOnly, None),
        ("reduced by its steps", Detail::Details, Some(bare.clone())),
        ("reduced twice", Detail::BusyOnly, Some(bare)),
        ("whole", Detail::Details, None),
    ] {
        let mut circle = Circle::new().await;
        let link = circle.subscribe("own", "family");
        let clock = circle.world.clock.clone();
        let tokens = FeedTokens::new(circle.world.store.clone(), clock.clone(), Arc::new(SystemEntropy));
        let token = tokens.create("own").await.unwrap();
        let mut options = FeedOptions::new(clock.now(), Secret::new([0; 32]));
        options.detail = detail;
        let mut published = Published::new(circle.world.calendar.clone(), options);
        if let Some(pipeline) = &pipeline {
            published = published.through(pipeline, "family").unwrap();
        }
        let publisher = Publisher::new(circle.world.store.clone(), clock, tokens).with_feed("own", published);
        for _ in 0..4 {
            let call = FeedCall { method: "GET", token: token.expose(), ..FeedCall::default() };
            let mut body = publisher.respond(&call).await.body.unwrap();
            let mut text = Vec::new();
            while let Some(chunk) = body.next().await.unwrap() {
                text.extend(chunk);
            }
            circle.publish("own", text);
            let report = circle.sync(&link).await;
            assert_eq!((report.counts.created, report.counts.quarantined), (0, 0), "{what}");
            let events = circle.events("family").await;
            assert_eq!(events.len(), 6, "{what}");
            assert!(events.iter().all(|event| event.body().unwrap().title.as_deref() == Some("canary")));
        }
    }
}

/// LOOP-09: the same for a file whose secret the host keeps, and by way of another calendar of the store. Elsewhere the feed is
/// one like any other, and nobody can tell from it whose it is.
#[tokio::test]
async fn loop_09_an_own_feed_is_known_in_the_calendar_it_is_of_and_nowhere_else() {
    let (first, second) = (Secret::new([7; 32]), Secret::new([8; 32]));
    let mut circle = Circle::new().await;
    let own = circle.subscribe("first", "family");
    let other = circle.subscribe("first", "other");
    let back = circle.subscribe("second", "family");
    for key in [&first, &second, &second] {
        remember_feed_key(&*circle.world.store, key).await.unwrap();
    }
    let kept = circle.world.store.docs("feed-key", DocQuery::Page { after: None, limit: 10 }).await.unwrap();
    assert_eq!(kept.len(), 2, "each once");
    for _ in 0..4 {
        for (name, calendar, key, readers) in
            [("first", "family", &first, vec![&own, &other]), ("second", "other", &second, vec![&back])]
        {
            let options = FeedOptions::new(circle.world.clock.now(), key.clone());
            circle.publish(name, feed(circle.events(calendar).await, options).collect::<Vec<_>>().concat());
            for link in readers {
                circle.sync(link).await;
            }
        }
        assert_eq!((circle.events("family").await.len(), circle.events("other").await.len()), (6, 6));
    }
    // The item is found by what the feed calls it, with the reason, and without a word of the event.
    let uid = circle.events("other").await[0].uid.clone();
    let found = circle.world.engine.explain_item(std::slice::from_ref(&own.1), &uid).await.unwrap();
    let [SeenItem { state: SeenState::SetAside { kind: UnreadKind::OwnFeed, reason }, .. }] = &found[..]
    else {
        panic!("{found:?}")
    };
    assert!(reason.contains("published from this calendar") && !reason.contains("canary"), "{reason}");

    // A store that does not know the secret sees a feed of six events.
    let mut stranger = Circle::new().await;
    let link = stranger.subscribe("first", "family");
    stranger.publish("first", circle.published["first"].lock().unwrap().clone());
    stranger.sync(&link).await;
    assert_eq!(stranger.events("family").await.len(), 12);
}
