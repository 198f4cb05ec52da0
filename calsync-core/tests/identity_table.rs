//! Which events of two sides are the same, as a table: `docs/identity.md` has it in words.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use calsync_core::{
    identity::{Confidence, MatchOptions, Matching, Profile, confidence, match_events},
    model::{Event, EventBody, EventTime, TimeSpan},
    recurrence::RuleEntry,
    zone::Zone,
};
use chrono::{NaiveDate, NaiveDateTime};

/// `day hour-hour title @place`, with a zone for the hours: `B` Berlin, `Z` UTC, `F` floating; `all-day` for the day.
fn read(text: &str) -> Event {
    let (text, rule) = text.split_once(" every ").map_or((text, None), |(text, rule)| (text, Some(rule)));
    let (text, place) = text.split_once(" @").map_or((text, None), |(text, place)| (text, Some(place)));
    let (day, text) = text.split_once(' ').expect("a day");
    let (hours, title) = text.split_once(' ').unwrap_or((text, ""));
    let date = NaiveDate::from_ymd_opt(2026, 2, day.parse().expect("a day")).expect("a date");
    let time = if hours == "all-day" {
        TimeSpan::all_day(date, date)
    } else {
        let (zone, hours) = hours.split_at(1);
        let (start, end) = hours.split_once('-').expect("hours");
        let at = |hour: &str| {
            let local = date.and_hms_opt(hour.parse().expect("an hour"), 0, 0).expect("a time");
            in_zone(zone, local)
        };
        TimeSpan { start: at(start), end: at(end) }
    };
    let mut event = Event::single("u", EventBody::new(time));
    let body = event.master.as_mut().expect("a master");
    body.title = (!title.is_empty()).then(|| title.to_owned());
    body.location = place.map(str::to_owned);
    event.rules.extend(rule.map(|rule| RuleEntry::read(&format!("FREQ={rule}"))));
    event
}

fn in_zone(zone: &str, local: NaiveDateTime) -> EventTime {
    match zone {
        "B" => EventTime::zoned(local, Zone::from_iana("Europe/Berlin").expect("a zone")),
        "Z" => EventTime::Utc(local.and_utc()),
        _ => EventTime::Floating(local),
    }
}

fn profiles(events: &[&str]) -> Vec<Profile> {
    events.iter().filter_map(|text| Profile::of(&read(text))).collect()
}

fn sure(a: &str, b: &str) -> Confidence {
    match (Profile::of(&read(a)), Profile::of(&read(b))) {
        (Some(a), Some(b)) => confidence(&a, &b),
        _ => Confidence::NONE,
    }
}

#[test]
fn dup_04_two_events_the_same_or_not() {
    #[rustfmt::skip]
    let table = [
        // one                              other                               the same
        ("1 B9-10 Dentist",                 "1 B9-10 Dentist",                  true),
        ("1 B9-10 Dentist @Main St 1",      "1 B9-10 dentist @main st. 1",      true),
        // Time: the same moment in any zone; another hour is another appointment.
        ("1 B9-10 Dentist",                 "1 Z8-9 Dentist",                   true),
        ("1 B9-10 Dentist",                 "1 B10-11 Dentist",                 false), // shifted by an hour
        ("1 B9-10 Dentist @Main St",        "1 B10-11 Dentist @Main St",        false),
        ("1 B9-10 Dentist",                 "1 B9-11 Dentist",                  true),  // it only lasts longer
        ("1 B9-10 Dentist",                 "2 B9-10 Dentist",                  false), // the same the day after
        ("1 B9-10 Dentist",                 "1 F9-10 Dentist",                  false), // nobody knows whose nine o'clock
        ("1 all-day Holiday",               "1 all-day Holiday",                true),
        ("1 all-day Holiday",               "2 all-day Holiday",                false),
        ("1 all-day Party",                 "1 B9-10 Party",                    false), // all-day against timed
        ("1 all-day Party",                 "1 Z0-1 Party",                     false),
        // Title: one more word or a slip of the pen; never another name or number.
        ("1 B9-10 Team meeting",            "1 B9-10 Weekly team meeting",      true),
        ("1 B9-10 Appointment",             "1 B9-10 Apointment",               true),
        ("1 B9-10 Dentist",                 "1 B9-10 Plumber",                  false),
        ("1 B9-10 Call Tim",                "1 B9-10 Call Tom",                 false),
        ("1 B9-10 Birthday Martin",         "1 B9-10 Birthday Martina",         false),
        ("1 B9-10 Piano Max",               "1 B9-10 Piano Mia",                false),
        ("1 B9-10 Lesson 1",                "1 B9-10 Lesson 2",                 false),
        ("1 B9-10 Math",                    "1 B9-10 Math exam",                false),
        // Unicode: forms of one text are one; letters that only look alike are not.
        ("1 B9-10 Café",                    "1 B9-10 Cafe\u{301}",              true),
        ("1 B9-10 Ｌｕｎｃｈ",              "1 B9-10 lunch",                    true),
        ("1 B9-10 \u{200b}Lunch\u{ad}",     "1 B9-10 Lunch",                    true),
        ("1 B9-10 \u{43e}ffice",            "1 B9-10 office",                   false),
        // Nothing to go by.
        ("1 B9-10",                         "1 B9-10",                          false), // empty titles
        ("1 B9-10 ...",                     "1 B9-10 ...",                      false),
        ("1 B9-10 Dentist",                 "1 B9-10",                          false),
        // Place.
        ("1 B9-10 Swimming @Pool A",        "1 B9-10 Swimming @Pool B",         false), // two children
        ("1 B9-10 Swimming @North pool",    "1 B9-10 Swimming @Lake",           false),
        ("1 B9-10 Swimming @North pool",    "1 B9-10 Swimming",                 true),
        // Series.
        ("1 B9-10 Standup every DAILY",     "1 B9-10 Standup every DAILY",      true),
        ("1 B9-10 Standup every DAILY",     "1 B9-10 Standup",                  false), // series against single
        ("1 B9-10 Standup every DAILY",     "1 B9-10 Standup every WEEKLY",     false),
    ];
    for (a, b, same) in table {
        let confidence = sure(a, b);
        assert_eq!(confidence >= Confidence::SURE, same, "{a} | {b}: {confidence}");
        assert_eq!(confidence, sure(b, a), "{a} | {b}");
    }
}

/// What becomes of whole calendars: pairs as `local-remote`, questions as `remote?locals`.
#[test]
fn dup_04_calendars_that_meet() {
    #[rustfmt::skip]
    let table: &[(&str, &[&str], &[&str], &str)] = &[
        ("the same daily title", &["1 B9-10 Standup", "2 B9-10 Standup"], &["2 B9-10 Standup", "1 B9-10 Standup"], "0-1 1-0"),
        ("one day more there", &["1 B9-10 Standup"], &["1 B9-10 Standup", "2 B9-10 Standup"], "0-0"),
        ("twice there", &["1 B9-10 Standup"], &["1 B9-10 Standup", "1 B9-10 Standup"], "0?0 1?0"),
        ("twice here", &["1 B9-10 Standup", "1 B9-10 Standup"], &["1 B9-10 Standup"], "0?0,1"),
        ("two by two", &["1 B9-10 Tea", "1 B9-10 Tea"], &["1 B9-10 Tea", "1 B9-10 Tea"], "0?0,1 1?0,1"),
        ("told apart by place", &["1 B9-10 Swim @A", "1 B9-10 Swim @B"], &["1 B9-10 Swim @B", "1 B9-10 Swim @A"], "0-1 1-0"),
        ("told apart by the exact title", &["1 B9-10 Team meeting", "1 B9-10 Weekly team meeting"],
            &["1 B9-10 Weekly team meeting", "1 B9-10 Team meeting"], "0-1 1-0"),
        ("an exact one leaves the like one alone", &["1 B9-10 Team meeting"],
            &["1 B9-10 Weekly team meeting", "1 B9-10 Team meeting"], "0-1"),
        ("told apart by the end, but not clearly", &["1 B9-10 Tea", "1 B9-11 Tea"], &["1 B9-10 Tea", "1 B9-11 Tea"], "0?0,1 1?1,0"),
        ("strangers", &["1 B9-10 Tea"], &["1 B9-10 Coffee"], ""),
        ("nothing here", &[], &["1 B9-10 Tea"], ""),
    ];
    for (what, here, there, expected) in table {
        let matching = match_events(&profiles(here), &profiles(there), &MatchOptions::default());
        assert_eq!(shown(&matching), *expected, "{what}");
    }
}

fn shown(matching: &Matching) -> String {
    let joined = matching.joined.iter().map(|pair| format!("{}-{}", pair.local, pair.remote));
    let questions = matching.questions.iter().map(|question| {
        let locals: Vec<String> = question.locals.iter().map(usize::to_string).collect();
        format!("{}?{}", question.remote, locals.join(","))
    });
    joined.chain(questions).collect::<Vec<_>>().join(" ")
}

/// I28: a hundred thousand events, all at one moment, cost no more than sorting them; and an event is asked about or left
/// alone, never joined by chance.
#[test]
fn i28_a_hundred_thousand_events_at_one_moment() {
    let with = |title: &dyn Fn(usize) -> String| -> Vec<Profile> {
        (0..100_000).filter_map(|n| Profile::of(&read(&format!("1 B9-10 {}", title(n))))).collect()
    };
    let (different, same) = (with(&|n| format!("Lesson {n}")), with(&|_| "Lesson".to_owned()));
    let matching = match_events(&different, &different, &MatchOptions::default());
    assert_eq!((matching.joined.len(), matching.questions.len()), (100_000, 0));
    assert!(matching.joined.iter().all(|pair| pair.local == pair.remote));
    let matching = match_events(&same, &same, &MatchOptions::default());
    assert_eq!((matching.joined.len(), matching.questions.len()), (0, 100_000));
    assert!(matching.questions.iter().all(|question| question.locals.len() == 10));
}

/// What is looked at is bounded, and texts that only begin alike are not equal.
#[test]
fn i28_long_titles() {
    let long = |end: &str| Profile::of(&read(&format!("1 B9-10 {}{end}", "word ".repeat(50_000))));
    let (a, b) = (long("a").expect("a title"), long("b").expect("a title"));
    assert_eq!(confidence(&a, &a), Confidence(1000));
    assert!(confidence(&a, &b) < Confidence::SURE);
}

/// PRIV-04: a profile shows nothing of the event.
#[test]
fn priv_04_a_profile_is_silent() {
    let profile = Profile::of(&read("1 B9-10 Secret @Hideout")).expect("a title");
    assert!(!format!("{profile:?}").contains("ecret"));
}
