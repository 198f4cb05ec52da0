//! Published feeds: what subscribers read out of them, and what they never see.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, sync::Arc};

use calsync_core::{
    context::Entropy,
    ical::{read::ReadOptions, read_calendar},
    model::*,
    publish::{
        BusyOnly, Detail, FeedOptions, FeedRequest, TokenRing, Validators, answer, busy_only, feed,
        free_busy, validators,
    },
    recurrence::ExpansionLimits,
    secret::Secret,
    zone::{CustomZone, Observance, ObservanceKind, Zone},
};
use calsync_testkit::{
    availability_oracle::{OWNER, availability_case},
    canary,
};
use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn options(now: &str, detail: Detail) -> FeedOptions {
    let mut options = FeedOptions::new(at(now), Secret::new([7; 32]));
    options.detail = detail;
    options.name = Some("Team; \"A\"".to_owned());
    options
}

fn text_of(events: &[Event], options: &FeedOptions) -> String {
    String::from_utf8(feed(events, options.clone()).collect::<Vec<_>>().concat()).unwrap()
}

fn read(text: &str) -> Vec<Event> {
    let document = read_calendar(text, &ReadOptions::default()).unwrap();
    assert!(document.is_complete && document.quarantined.is_empty());
    document.items.into_iter().map(|item| item.event).collect()
}

/// Starts and ends in a window, by UID.
fn instances(
    events: &[Event],
    window: &std::ops::Range<DateTime<Utc>>,
) -> BTreeMap<String, Vec<(DateTime<Utc>, DateTime<Utc>)>> {
    let zone = Zone::UTC;
    let of = |event: &Event| {
        let (found, report) = event.instances(window.clone(), &zone, &ExpansionLimits::default());
        assert!(report.is_complete());
        let span = |found: &calsync_core::recurrence::EventInstance<'_>| {
            (found.time.start.instant(&zone), found.time.end.instant(&zone))
        };
        (event.uid.clone(), found.iter().map(span).collect::<Vec<_>>())
    };
    events.iter().map(of).filter(|(_, spans)| !spans.is_empty()).collect()
}

/// Two years of drawn events, with UIDs of their own.
fn drawn(seed: u64) -> (Vec<Event>, DateTime<Utc>) {
    let case = availability_case(seed);
    let events = case.calendars.into_iter().flat_map(|calendar| calendar.events).enumerate();
    let numbered = events.map(|(number, event)| Event { uid: format!("{seed}-{number}"), ..event });
    (numbered.collect(), case.question.window.start)
}

#[test]
fn a_feed_reads_back_to_the_same_instances_over_two_years() {
    let mut compared = 0;
    for seed in 0..400 {
        let (events, now) = drawn(seed);
        let mut options = options("2026-01-01T00:00:00Z", Detail::Details);
        options.now = now;
        (options.back, options.ahead) = (TimeDelta::days(365), TimeDelta::days(365));
        let window = options.window();
        let right = instances(&events, &window);
        let found = instances(&read(&text_of(&events, &options)), &window);
        assert_eq!(right, found, "seed {seed}");
        compared += right.values().map(Vec::len).sum::<usize>();
    }
    assert!(compared > 20_000, "{compared}");
}

#[test]
fn a_busy_only_feed_is_busy_when_the_owner_is() {
    use calsync_core::availability::{BusyOptions, busy_times};
    for seed in 0..400 {
        let (events, now) = drawn(seed);
        let mut options = options("2026-01-01T00:00:00Z", Detail::BusyOnly);
        options.now = now;
        options.owner = vec![OWNER.to_owned()];
        let mut how = BusyOptions::new(options.window(), Zone::UTC);
        how.owner.clone_from(&options.owner);
        let published = read(&text_of(&events, &options));
        assert_eq!(busy_times(&events, &how).times, busy_times(&published, &how).times, "seed {seed}");
    }
}

/// RFC 7986 section 5.9: `COLOR` is a CSS name, and programs refuse what is none.
#[test]
fn a_feed_names_colours() {
    let event = |uid: &str, color: &str| {
        let time = |hour| EventTime::Utc(at("2026-01-05T00:00:00Z") + TimeDelta::hours(hour));
        let mut body = EventBody::new(TimeSpan { start: time(9), end: time(10) });
        body.color = Some(color.to_owned());
        Event::single(uid, body)
    };
    let mut options = options("2026-01-01T00:00:00Z", Detail::Details);
    options.color = Some("#FF0001".to_owned());
    let events = [event("a", "#dc2127"), event("b", "Navy"), event("c", "x"), event("d", "#12345")];
    let text = text_of(&events, &options);
    let colors: Vec<&str> = text.lines().filter(|line| line.starts_with("COLOR")).collect();
    assert_eq!(colors, ["COLOR:red", "COLOR:crimson", "COLOR:Navy"]);
}

const CANARY: &str = "canary";

/// An event with the canary in every place there is.
fn canary_event() -> Event {
    let text = |what: &str| Some(format!("{CANARY}-{what}"));
    let local = |hour| NaiveDate::from_ymd_opt(2026, 1, 7).unwrap().and_hms_opt(hour, 0, 0).unwrap();
    let observance = Observance {
        kind: ObservanceKind::Standard,
        start: local(0),
        offset_from: 3600,
        offset_to: 3600,
        rule: None,
        rdates: Vec::new(),
        name: text("abbreviation"),
    };
    let zone = Zone::Custom(Arc::new(CustomZone::new(text("zone").unwrap(), vec![observance]).unwrap()));
    let time = |from, to| TimeSpan {
        start: EventTime::zoned(local(from), zone.clone()),
        end: EventTime::zoned(local(to), zone.clone()),
    };
    let person = |what: &str| Person { address: text(what).unwrap() + "@example.org", name: text(what) };
    let full = |from, to| EventBody {
        title: text("title"),
        description: text("description"),
        location: text("location"),
        geo: text("geo"),
        url: text("url"),
        virtual_locations: vec![VirtualLocation { uri: text("conference").unwrap(), name: text("room") }],
        privacy: Some(Privacy::Private),
        priority: Some(7),
        color: text("color"),
        categories: [text("category").unwrap()].into(),
        organizer: Some(person("organizer")),
        participants: vec![Participant {
            person: person("guest"),
            status: ParticipationStatus::Accepted,
            role: Role::Required,
            expect_reply: true,
        }],
        alarms: vec![Alarm { description: text("alarm"), ..Alarm::display_before(600) }],
        created: Some(at("2025-03-04T05:06:07Z")),
        updated: Some(at("2025-03-04T05:06:08Z")),
        ..EventBody::new(time(from, to))
    };
    let mut event = Event::single(text("uid").unwrap(), full(9, 10));
    event.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=5;X-CANARY=canary"), RuleEntry::read("FREQ=canary")];
    let tomorrow = |hour| EventTime::zoned(local(hour) + TimeDelta::days(1), zone.clone());
    let mut moved = full(9, 10);
    moved.time = TimeSpan { start: tomorrow(15), end: tomorrow(16) };
    let changed = Override::Changed { body: Box::new(moved), scope: OverrideScope::This };
    event.overrides.insert(RecurrenceId::of(&tomorrow(9)), changed);
    let added = RecurrenceId::of(&tomorrow(20));
    event.overrides.insert(added, Override::Added { end: Some(tomorrow(21)) });
    event.lineage = Some(Lineage { uid: text("lineage").unwrap(), how: Descent::Copy });
    event
}

/// PRIV-01: what is not asked for is not shown.
#[test]
fn priv_01_a_private_event_leaves_nothing_but_its_time() {
    let event = canary_event();
    let now = "2026-01-05T12:00:00Z";
    for detail in [Detail::BusyOnly, Detail::Details] {
        let text = text_of(std::slice::from_ref(&event), &options(now, detail));
        canary::assert_none("feed", &text);
        let published = read(&text);
        let mut how = calsync_core::availability::BusyOptions::new(options(now, detail).window(), Zone::UTC);
        how.owner = vec![];
        let times = |events: &[Event]| calsync_core::availability::busy_times(events, &how).times;
        assert_eq!(times(&published), times(std::slice::from_ref(&event)));
    }
    // The default of whoever sets nothing.
    assert_eq!(FeedOptions::new(at(now), Secret::new([1; 32])).detail, Detail::BusyOnly);
    canary::assert_none("free-busy", free_busy([&event], &options(now, Detail::BusyOnly)));
    let reduced = busy_only(&event, &BusyOnly { title: "Busy", key: Some(&[7; 32]), owner: &[] });
    let json = serde_json::to_string(&reduced).unwrap();
    assert!(!json.contains(CANARY) && !json.contains("2025-03-04"), "{json}");
    canary::assert_none("debug", format!("{reduced:?}{:?}", options(now, Detail::BusyOnly)));
}

#[test]
fn what_is_secret_is_not_there_at_all() {
    let mut event = canary_event();
    event.master.as_mut().unwrap().privacy = Some(Privacy::Secret);
    for detail in [Detail::BusyOnly, Detail::Details] {
        assert_eq!(
            read(&text_of(std::slice::from_ref(&event), &options("2026-01-05T12:00:00Z", detail))),
            []
        );
    }
}

/// One secret instance of a series that is not.
#[test]
fn what_is_secret_of_a_series_takes_no_time_either() {
    let at = |hour: u32| EventTime::Utc(at(&format!("2026-01-07T{hour:02}:00:00Z")));
    let span = |from, to| TimeSpan { start: at(from), end: at(to) };
    let mut series = Event::single("u", EventBody::new(span(9, 10)));
    series.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=2")];
    let secret = EventBody { privacy: Some(Privacy::Secret), ..EventBody::new(span(15, 16)) };
    let changed = Override::Changed { body: Box::new(secret), scope: OverrideScope::This };
    series.overrides.insert(RecurrenceId::of(&at(9)), changed);
    let options = options("2026-01-05T00:00:00Z", Detail::BusyOnly);
    let times = free_busy([&series], &options);
    let lines: Vec<_> = times.lines().filter(|line| line.starts_with("FREEBUSY")).collect();
    assert_eq!(lines, ["FREEBUSY;FBTYPE=BUSY:20260108T090000Z/20260108T100000Z"]);
    assert!(!text_of(&[series], &options).contains("T150000"));
}

/// An instance and all later ones, of a series that is cut there, by number or by date, in the middle or at its start; and
/// instances without their series.
#[test]
fn priv_01_what_is_secret_from_an_instance_on_is_not_there_either() {
    let day = |day: u32| RecurrenceId::of(&EventTime::Utc(at(&format!("2026-01-{day:02}T09:00:00Z"))));
    let body = |day: u32, title: &str, privacy: Option<Privacy>| {
        let at = |hour: u32| EventTime::Utc(at(&format!("2026-01-{day:02}T{hour:02}:00:00Z")));
        let title = Some(title.to_owned());
        EventBody { title, privacy, ..EventBody::new(TimeSpan { start: at(9), end: at(10) }) }
    };
    let changed = |day: u32, title: &str, privacy: Option<Privacy>, scope: OverrideScope| Override::Changed {
        body: Box::new(body(day, title, privacy)),
        scope,
    };
    let secret = |day: u32, scope| changed(day, "canary", Some(Privacy::Secret), scope);
    let series = |rule: &str| {
        let mut series = Event::single("u", body(6, "public", None));
        series.rules = vec![RuleEntry::read(rule)];
        series
    };
    let with = |mut event: Event, overrides: Vec<(u32, Override)>| {
        event.overrides.extend(overrides.into_iter().map(|(number, instance)| (day(number), instance)));
        event
    };
    let (this, on) = (OverrideScope::This, OverrideScope::ThisAndFuture);
    let loose = || Event { master: None, ..Event::single("u", body(6, "public", None)) };
    #[rustfmt::skip]
    let table = [
        ("endless",              with(series("FREQ=DAILY"), vec![(8, secret(8, on))]), vec![6, 7]),
        ("by number",            with(series("FREQ=DAILY;COUNT=9"), vec![(8, secret(8, on))]), vec![6, 7]),
        ("edited before",        with(series("FREQ=DAILY;COUNT=9"), vec![(7, changed(7, "public", None, this)), (8, secret(8, on))]), vec![6, 7]),
        ("taken out before",     with(series("FREQ=DAILY"), vec![(6, Override::Excluded), (8, secret(8, on))]), vec![7]),
        ("from the first on",    with(series("FREQ=DAILY"), vec![(6, secret(6, on))]), vec![]),
        ("no instance of it",    with(series("FREQ=WEEKLY"), vec![(8, secret(8, on))]), vec![]),
        ("one, then all",        with(series("FREQ=DAILY"), vec![(7, secret(7, this)), (9, secret(9, on))]), vec![6, 8]),
        ("an unclear rule",      with(series("FREQ=DAILY;INTERVAL=0"), vec![(8, secret(8, on))]), vec![]),
        ("loose, all of them",   with(loose(), vec![(7, secret(7, this)), (9, secret(9, on))]), vec![]),
        ("loose, the first",     with(loose(), vec![(7, secret(7, this)), (9, changed(9, "public", None, this))]), vec![9]),
        ("loose, the last",      with(loose(), vec![(7, changed(7, "public", None, this)), (9, secret(9, on))]), vec![7]),
    ];
    for (what, event, expected) in table {
        for detail in [Detail::BusyOnly, Detail::Details] {
            let text = text_of(std::slice::from_ref(&event), &options("2026-01-05T12:00:00Z", detail));
            canary::assert_none(what, &text);
            let window = at("2026-01-05T00:00:00Z")..at("2026-01-20T00:00:00Z");
            let mut days: Vec<u32> = read(&text)
                .iter()
                .flat_map(|event| {
                    let (instances, _) =
                        event.instances(window.clone(), &Zone::UTC, &ExpansionLimits::default());
                    instances.iter().map(|one| one.time.start.local().day()).collect::<Vec<_>>()
                })
                .collect();
            days.sort_unstable();
            assert_eq!(days, expected, "{what}, {detail:?}");
        }
        let times = free_busy([&event], &options("2026-01-05T12:00:00Z", Detail::BusyOnly));
        let lines =
            times.lines().filter(|line| line.starts_with("FREEBUSY")).flat_map(|line| line.split(','));
        assert_eq!(lines.count(), expected.len(), "{what}: {times}");
    }
}

#[test]
fn hidden_uids_stay_and_differ_between_feeds() {
    let uid = |key: [u8; 32]| {
        let mut options = options("2026-01-05T12:00:00Z", Detail::BusyOnly);
        options.key = Secret::new(key);
        read(&text_of(&[canary_event()], &options))[0].uid.clone()
    };
    assert_eq!(uid([1; 32]), uid([1; 32]));
    assert_ne!(uid([1; 32]), uid([2; 32]));
}

#[test]
fn a_feed_is_the_same_all_day_and_never_empty() {
    let events = [canary_event()];
    let morning = options("2026-01-05T06:00:00Z", Detail::BusyOnly);
    let evening = options("2026-01-05T22:00:00Z", Detail::BusyOnly);
    assert_eq!(text_of(&events, &morning), text_of(&events, &evening));
    let empty = text_of(&[], &morning);
    assert!(empty.contains("BEGIN:VTIMEZONE") && empty.contains("REFRESH-INTERVAL;VALUE=DURATION:PT1H"));
    assert!(empty.contains("X-WR-CALNAME:Team\\; \"A\"") && empty.ends_with("END:VCALENDAR\r\n"));
}

#[test]
fn a_series_in_the_window_is_published_whole_and_others_are_left_out() {
    let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap();
    let all_day = |uid: &str, date| Event::single(uid, EventBody::new(TimeSpan::all_day(date, date)));
    let mut series = all_day("series", NaiveDate::from_ymd_opt(2019, 3, 4).unwrap());
    series.rules.push(RuleEntry::read("FREQ=WEEKLY"));
    let mut ended = all_day("ended", NaiveDate::from_ymd_opt(2019, 3, 4).unwrap());
    ended.rules.push(RuleEntry::read("FREQ=WEEKLY;COUNT=3"));
    let events = [
        series,
        ended,
        all_day("too old", day(1, 1)),
        all_day("old", day(2, 20)),
        all_day("soon", day(6, 1)),
        all_day("too far", day(12, 1)),
    ];
    let published = read(&text_of(&events, &options("2026-03-10T00:00:00Z", Detail::Details)));
    let uids: Vec<_> = published.iter().map(|event| event.uid.as_str()).collect();
    assert_eq!(uids, ["series", "old", "soon"]);
    assert_eq!(published[0].rules.len(), 1);
}

/// 30 days back and 180 ahead, whole days: one day more on either side is out.
#[test]
fn the_window_ends_where_it_says() {
    let now: NaiveDate = "2026-03-10".parse().unwrap();
    let event = |days: i64| {
        let date = now + TimeDelta::days(days);
        Event::single(format!("{days}"), EventBody::new(TimeSpan::all_day(date, date)))
    };
    let events: Vec<Event> = (-40..=-20).chain(170..=190).map(event).collect();
    let published = read(&text_of(&events, &options("2026-03-10T00:00:00Z", Detail::Details)));
    let days: Vec<i64> = published.iter().map(|event| event.uid.parse().unwrap()).collect();
    let expected: Vec<i64> = (-30..=-20).chain(170..=179).collect();
    assert_eq!(days, expected);
}

/// What Google, Apple and Outlook look for beyond RFC 5545.
#[test]
fn what_subscribers_look_for_is_there() {
    let date: NaiveDate = "2026-03-10".parse().unwrap();
    let mut options = options("2026-03-10T00:00:00Z", Detail::Details);
    options.description = Some("Who is where".to_owned());
    options.zone = Zone::from_iana("Europe/Berlin").unwrap();
    let of = |change: &dyn Fn(&mut EventBody)| {
        let mut body = EventBody::new(TimeSpan::all_day(date, date));
        change(&mut body);
        text_of(&[Event::single("u", body)], &options)
    };
    let text = of(&|_| {});
    for line in [
        "VERSION:2.0",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "X-WR-CALDESC:Who is where",
        "X-WR-TIMEZONE:Europe/Berlin",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
        "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
        "X-MICROSOFT-CDO-BUSYSTATUS:BUSY",
    ] {
        assert_eq!(text.split("\r\n").filter(|found| *found == line).count(), 1, "{line}\n{text}");
    }
    let busy = |change: &dyn Fn(&mut EventBody)| {
        let text = of(change);
        let line = text.split("\r\n").find_map(|line| line.strip_prefix("X-MICROSOFT-CDO-BUSYSTATUS:"));
        line.unwrap().to_owned()
    };
    assert_eq!(busy(&|body| body.free_busy = Some(FreeBusyStatus::Free)), "FREE");
    assert_eq!(busy(&|body| body.status = Some(Status::Tentative)), "TENTATIVE");
    assert_eq!(busy(&|body| body.status = Some(Status::Cancelled)), "FREE");
}

#[test]
fn a_large_feed_comes_in_chunks_and_defines_a_zone_once() {
    let berlin = Zone::from_iana("Europe/Berlin").unwrap();
    let start = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap().and_hms_opt(9, 0, 0).unwrap();
    let one = |number: i64| {
        let local = start + TimeDelta::hours(number);
        let time = TimeSpan {
            start: EventTime::zoned(local, berlin.clone()),
            end: EventTime::zoned(local + TimeDelta::hours(1), berlin.clone()),
        };
        Event::single(format!("u{number}"), EventBody::new(time))
    };
    let options = options("2026-03-01T00:00:00Z", Detail::Details);
    let chunks: Vec<Vec<u8>> = feed((0..2_000).map(one), options).collect();
    assert!(chunks.len() > 10 && chunks.iter().all(|chunk| chunk.len() < 20_000));
    let text = String::from_utf8(chunks.concat()).unwrap();
    assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 1);
    assert_eq!(read(&text).len(), 2_000);
    assert!(text.split("\r\n").all(|line| line.len() <= 75));
}

#[test]
fn busy_times_are_merged_and_in_utc() {
    let berlin = Zone::from_iana("Europe/Berlin").unwrap();
    let local = |hour| NaiveDate::from_ymd_opt(2026, 1, 7).unwrap().and_hms_opt(hour, 0, 0).unwrap();
    let one = |from, to, status| {
        let time = TimeSpan {
            start: EventTime::zoned(local(from), berlin.clone()),
            end: EventTime::zoned(local(to), berlin.clone()),
        };
        Event::single("u", EventBody { status, ..EventBody::new(time) })
    };
    let events = [
        one(9, 11, None),
        one(10, 12, None),
        one(11, 14, Some(Status::Tentative)),
        one(20, 22, Some(Status::Cancelled)),
    ];
    let text = free_busy(&events, &options("2026-01-05T00:00:00Z", Detail::BusyOnly));
    assert!(!text.contains("METHOD"), "a method asks for an organizer (RFC 5546 section 3.3.1)");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("FREEBUSY")).collect();
    assert_eq!(
        lines,
        [
            "FREEBUSY;FBTYPE=BUSY:20260107T080000Z/20260107T110000Z",
            "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260107T110000Z/20260107T130000Z",
        ]
    );
}

#[test]
fn conditional_requests() {
    let options = options("2026-01-05T12:00:00Z", Detail::BusyOnly);
    let changed = Some(at("2026-01-05T08:30:00.7Z"));
    let current = validators([canary_event()], options.clone(), changed);
    let tag = current.etag.clone();
    let weak = format!("\"other\", W/{tag}");
    let request = |etag, since| FeedRequest { if_none_match: etag, if_modified_since: since };
    let (before, same) = ("Mon, 05 Jan 2026 08:29:59 GMT", "Mon, 05 Jan 2026 08:30:00 GMT");
    for (what, request, status) in [
        ("first", request(None, None), 200),
        ("same tag", request(Some(&tag), None), 304),
        ("weakened tag in a list", request(Some(&weak), None), 304),
        ("any", request(Some("*"), None), 304),
        ("another tag", request(Some("\"x\""), None), 200),
        ("another tag, same date: the tag counts", request(Some("\"x\""), Some(same)), 200),
        ("older date", request(None, Some(before)), 200),
        ("same date", request(None, Some(same)), 304),
        ("no date", request(None, Some("yesterday")), 200),
    ] {
        let answer = answer(&request, &current, &options);
        assert_eq!(answer.status, status, "{what}");
        assert!(answer.headers.contains(&("etag", tag.clone())), "{what}");
        assert!(answer.headers.contains(&("last-modified", same.to_owned())), "{what}");
        assert_eq!(answer.headers.iter().any(|(name, _)| *name == "content-type"), status == 200, "{what}");
    }
    // A change that leaves no event behind changes the tag too.
    assert_ne!(validators([] as [Event; 0], options.clone(), changed).etag, tag);
    let revision = |revision: &str| Validators::of_revision(revision, "1", changed, &options).etag;
    assert_eq!(revision("41"), revision("41"));
    assert_ne!(revision("41"), revision("42"));
}

struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        Ok(())
    }
}

/// PRIV-03: each audience has a token of its own, it can be changed, and another one opens nothing.
#[test]
fn priv_03_tokens_rotate_and_are_kept_hashed() {
    let entropy = Counting(std::sync::atomic::AtomicU8::new(1));
    let now = at("2026-01-05T12:00:00Z");
    let (mut guests, first) = TokenRing::issue(&entropy).unwrap();
    let (owner, other) = TokenRing::issue(&entropy).unwrap();
    assert_eq!(first.expose().len(), 64);
    assert!(guests.accepts(first.expose(), now) && guests.accepts(&format!("{}.ics", first.expose()), now));
    assert!(!guests.accepts(other.expose(), now) && !owner.accepts(first.expose(), now));
    assert!(!guests.accepts("", now) && !guests.accepts(&first.expose()[1..], now));

    let second = guests.rotate(&entropy, now, TimeDelta::days(1)).unwrap();
    assert!(
        guests.accepts(second.expose(), now) && guests.accepts(first.expose(), now + TimeDelta::hours(23))
    );
    assert!(!guests.accepts(first.expose(), now + TimeDelta::days(1)));
    let kept = serde_json::to_string(&guests).unwrap();
    assert!(!kept.contains(second.expose()) && !kept.contains(first.expose()));
    assert_eq!(serde_json::from_str::<TokenRing>(&kept).unwrap(), guests);

    let third = guests.rotate(&entropy, now, TimeDelta::zero()).unwrap();
    assert!(guests.accepts(third.expose(), now) && !guests.accepts(second.expose(), now));
}
