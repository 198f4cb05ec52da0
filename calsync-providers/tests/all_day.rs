//! All-day events between the local side and Google and Microsoft: a date is a date, wherever and whenever it is read.
#![cfg(all(feature = "google", feature = "microsoft"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

mod emulated;

use calsync_core::{
    context::Clock as _,
    model::{Event, EventBody, EventTime, TimeSpan},
    zone::Zone,
};
use chrono::{Days, NaiveDate, TimeDelta};
use emulated::{Lab, Server, google, microsoft};
use serde_json::{Value, json};

/// One event there: its title, start and end as written, whether all day.
type Row = (String, String, String, bool);

impl Lab {
    async fn is_quiet(&self, case: &str) {
        let before = self.rows();
        self.rests(case).await;
        assert_eq!(self.rows(), before, "{case}");
    }

    fn rows(&self) -> Vec<Row> {
        let row = |event: &Value, title: &str| {
            let at = |name: &str| {
                let time = event[name]["date"].as_str().or(event[name]["dateTime"].as_str()).unwrap();
                time.trim_end_matches(".0000000").trim_end_matches("T00:00:00").to_owned()
            };
            let all_day = event["isAllDay"] == true || event["start"]["date"].is_string();
            (event[title].as_str().unwrap().to_owned(), at("start"), at("end"), all_day)
        };
        let mut rows: Vec<Row> = match &self.server {
            Server::Google(server) => {
                server.events("primary").iter().map(|event| row(event, "summary")).collect()
            }
            Server::Graph(server) => {
                let stored = server.events(&server.default_calendar());
                stored.iter().map(|stored| row(&stored.event, "subject")).collect()
            }
        };
        rows.sort();
        rows
    }

    /// What is here of an event with this title.
    async fn here(&self, title: &str) -> TimeSpan {
        let all = self.world.locals().await;
        let bodies = all.into_iter().filter_map(|record| record.event.master);
        bodies.into_iter().find(|body| body.title.as_deref() == Some(title)).expect("it came in").time
    }
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn all_day(title: &str, first: NaiveDate, last: NaiveDate) -> Event {
    let body = EventBody::new(TimeSpan::all_day(first, last));
    Event::single(format!("{title}@example.com"), EventBody { title: Some(title.to_owned()), ..body })
}

const ZONES: [&str; 4] = ["Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati", "UTC"];

/// AD-01, AD-08: both ways, in calendars of four zones, also with a zone on the date; and then there is nothing to do.
#[tokio::test]
async fn ad_01_ad_08_an_all_day_event_has_the_same_dates_on_both_sides_in_every_zone() {
    for zone in ZONES {
        for lab in [google(zone), microsoft(zone)] {
            lab.world.add(all_day("ours", date("2026-05-12"), date("2026-05-12"))).await;
            lab.world.add(all_day("trip", date("2026-03-28"), date("2026-03-30"))).await;
            match &lab.server {
                Server::Google(server) => {
                    server.put(
                        "primary",
                        json!({"summary": "theirs", "start": {"date": "2026-06-12", "timeZone": "America/New_York"},
                               "end": {"date": "2026-06-13", "timeZone": "America/New_York"}}),
                    );
                }
                Server::Graph(server) => {
                    let at = |day: &str| json!({"dateTime": format!("{day}T00:00:00"), "timeZone": "Pacific Standard Time"});
                    let event = json!({"subject": "theirs", "isAllDay": true, "start": at("2026-06-12"), "end": at("2026-06-13")});
                    server.add(&server.default_calendar(), &event).unwrap();
                }
            }
            lab.sync().await;
            assert_eq!(
                lab.here("theirs").await,
                TimeSpan::all_day(date("2026-06-12"), date("2026-06-12")),
                "{zone}"
            );
            let there = lab.rows();
            for (title, start, end) in
                [("ours", "2026-05-12", "2026-05-13"), ("trip", "2026-03-28", "2026-03-31")]
            {
                let row = (title.to_owned(), start.to_owned(), end.to_owned(), true);
                assert!(there.contains(&row), "{zone}: {row:?} in {there:?}");
            }
            lab.is_quiet(zone).await;
        }
    }
}

/// AD-02: a person far from Greenwich makes an event of tomorrow, at each hour of their day.
#[tokio::test]
async fn ad_02_tomorrow_is_tomorrow_at_every_hour_of_the_day() {
    for zone in ["Asia/Tokyo", "Pacific/Kiritimati", "Etc/GMT+12"] {
        for lab in [google(zone), microsoft(zone)] {
            let reader = Zone::from_iana(zone).unwrap();
            let mut expected = Vec::new();
            for hour in 0..24 {
                lab.world.clock.advance(TimeDelta::hours(1));
                let today = reader.to_local(lab.world.clock.now()).date();
                let tomorrow = today + Days::new(1);
                let title = format!("{hour:02}");
                lab.world.add(all_day(&title, tomorrow, tomorrow)).await;
                lab.sync().await;
                let end = tomorrow + Days::new(1);
                expected.push((title, tomorrow.to_string(), end.to_string(), true));
            }
            assert_eq!(lab.rows(), expected, "{zone}");
            lab.is_quiet(zone).await;
        }
    }
}

/// AD-04: an end that is the start, as feeds and old clients write it: one day here, and nothing is written back.
#[tokio::test]
async fn ad_04_an_event_of_no_length_at_google_is_one_day_and_stays_as_it_is() {
    let lab = google("Europe/Berlin");
    let Server::Google(server) = &lab.server else { unreachable!() };
    let day = json!({"date": "2026-03-25"});
    let id = server.put("primary", json!({"summary": "short", "start": day, "end": day}));
    let before = server.event("primary", &id);
    lab.sync().await;
    assert_eq!(lab.here("short").await, TimeSpan::all_day(date("2026-03-25"), date("2026-03-25")));
    lab.is_quiet("short").await;
    assert_eq!(server.event("primary", &id), before, "the source is untouched");
}

/// AD-05: midnight to midnight with a time stays timed, in the zone of the event, in UTC and in the reader's; a date stays a
/// date beside it.
#[tokio::test]
async fn ad_05_midnight_to_midnight_stays_timed_and_a_date_stays_a_date() {
    for zone in ZONES {
        for lab in [google(zone), microsoft(zone)] {
            let (day, next) = (date("2026-06-12"), date("2026-06-13"));
            let midnight = |day: NaiveDate| day.and_hms_opt(0, 0, 0).unwrap();
            for (title, of) in [("zoned", zone), ("berlin", "Europe/Berlin"), ("utc", "UTC")] {
                let of = Zone::from_iana(of).unwrap();
                let time = TimeSpan {
                    start: EventTime::zoned(midnight(day), of.clone()),
                    end: EventTime::zoned(midnight(next), of),
                };
                let body = EventBody { title: Some(title.to_owned()), ..EventBody::new(time) };
                lab.world.add(Event::single(format!("{title}@example.com"), body)).await;
            }
            lab.world.add(all_day("date", day, day)).await;
            match &lab.server {
                Server::Google(server) => {
                    let at = |day: &str| json!({"dateTime": format!("{day}T00:00:00Z"), "timeZone": zone});
                    let event =
                        json!({"summary": "theirs", "start": at("2026-07-01"), "end": at("2026-07-02")});
                    server.put("primary", event);
                }
                Server::Graph(server) => {
                    let at = |day: &str| json!({"dateTime": format!("{day}T00:00:00"), "timeZone": "UTC"});
                    let event =
                        json!({"subject": "theirs", "start": at("2026-07-01"), "end": at("2026-07-02")});
                    server.add(&server.default_calendar(), &event).unwrap();
                }
            }
            lab.sync().await;
            let timed: Vec<(String, bool)> =
                lab.rows().into_iter().map(|(title, _, _, all_day)| (title, all_day)).collect();
            let expected =
                [("berlin", false), ("date", true), ("theirs", false), ("utc", false), ("zoned", false)];
            assert_eq!(timed, expected.map(|(title, all_day)| (title.to_owned(), all_day)), "{zone}");
            assert!(!lab.here("theirs").await.is_all_day(), "{zone}");
            lab.is_quiet(zone).await;
        }
    }
}
