//! Filters and transforms: one test for each, beside those of inovex/CalendarSync, and the promises they keep together.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::borrow::Cow;

use calsync_core::{
    model::*,
    pipeline::{
        Addresses, CopiedField, Filter, Names, Pipeline, Start, Surroundings, Transform, translate_inovex,
    },
    provider::Declined,
    recurrence::ExpansionLimits,
    zone::Zone,
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

const OWNER: &str = "me@example.org";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn body(from: &str, to: &str) -> EventBody {
    EventBody::new(TimeSpan { start: EventTime::Utc(at(from)), end: EventTime::Utc(at(to)) })
}

fn participant(address: &str, name: Option<&str>, status: ParticipationStatus) -> Participant {
    Participant {
        person: Person { address: address.to_owned(), name: name.map(str::to_owned) },
        status,
        role: Role::Required,
        expect_reply: false,
    }
}

/// An event with something in every field.
fn rich() -> Event {
    let text = |text: &str| Some(text.to_owned());
    let mut body = body("2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z");
    body.title = text("Review of the merger");
    body.description = text("Bring the numbers");
    body.location = text("Room 4");
    body.geo = text("52.5;13.4");
    body.url = text("https://example.org/e");
    body.virtual_locations =
        vec![VirtualLocation { uri: "https://meet.example.org/x".to_owned(), name: None }];
    body.status = Some(Status::Confirmed);
    body.priority = Some(1);
    body.color = text("red");
    body.categories = ["Work".to_owned()].into();
    body.organizer = Some(Person { address: "boss@example.org".to_owned(), name: text("Boss") });
    body.participants = vec![
        participant(OWNER, Some("Me"), ParticipationStatus::Accepted),
        participant("you@example.org", Some("You"), ParticipationStatus::NeedsAction),
    ];
    body.alarms = vec![Alarm { description: text("Review of the merger"), ..Alarm::display_before(600) }];
    Event::single("u1", body)
}

fn apply<'e>(pipeline: &Pipeline, event: &'e Event) -> Option<Cow<'e, Event>> {
    let owner = [OWNER.to_owned()];
    let around =
        Surroundings { calendar: "work", calendar_name: "Anna", owner: &owner, ..Surroundings::default() };
    pipeline.compile().unwrap().apply(event, &around).unwrap()
}

fn passes(filter: Filter, event: &Event) -> bool {
    apply(&Pipeline::everything().with_filter("f", filter), event).is_some()
}

/// What a copy shows, given the steps.
fn copy(pipeline: Pipeline, event: &Event) -> EventBody {
    apply(&pipeline, event).unwrap().master.clone().unwrap()
}

fn read(json: Value) -> Pipeline {
    serde_json::from_value(json).unwrap()
}

fn filter(json: Value) -> Filter {
    serde_json::from_value(json).unwrap()
}

fn edited(edit: impl FnOnce(&mut EventBody)) -> Event {
    let mut event = rich();
    edit(event.master.as_mut().unwrap());
    event
}

/// PRIV-01: whoever sets nothing shows nothing.
#[test]
fn priv_01_a_copy_is_busy_only_until_fields_are_added() {
    let expected = EventBody {
        title: Some("Busy".to_owned()),
        free_busy: Some(FreeBusyStatus::Busy),
        status: Some(Status::Confirmed),
        ..body("2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z")
    };
    assert_eq!(copy(Pipeline::default(), &rich()), expected);
    assert_eq!(copy(read(json!({})), &rich()), expected);
    assert!(Pipeline::default().compile().unwrap().is_busy_only());
    let with_place =
        Pipeline::default().with_transform("where", Transform::Keep { fields: vec![CopiedField::Location] });
    assert!(!with_place.compile().unwrap().is_busy_only());
    let shown = copy(with_place, &rich());
    let place =
        EventBody { location: Some("Room 4".to_owned()), geo: Some("52.5;13.4".to_owned()), ..expected };
    assert_eq!(shown, place);
    // What takes no time blocks none.
    let free = edited(|body| body.free_busy = Some(FreeBusyStatus::Free));
    assert_eq!(apply(&Pipeline::default(), &free), None);
    assert!(apply(&read(json!({ "start": { "type": "bare" } })), &free).is_some());
}

/// Of an instance for itself, one for all later ones, and one whose series is not there; marked or not.
#[test]
fn priv_01_instances_of_all_kinds_leave_nothing_but_their_time() {
    let shown = rich();
    for privacy in [None, Some(Privacy::Private), Some(Privacy::Secret)] {
        for scope in [OverrideScope::This, OverrideScope::ThisAndFuture] {
            for has_master in [true, false] {
                let mut series = shown.clone();
                let mut own = shown.master.clone().unwrap();
                (own.privacy, own.title) = (privacy, Some("canary".to_owned()));
                let id = RecurrenceId::of(&own.time.start);
                series.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=3")];
                series.overrides.insert(id, Override::Changed { body: Box::new(own), scope });
                if !has_master {
                    (series.master, series.rules) = (None, Vec::new());
                }
                let copy = apply(&Pipeline::default(), &series).expect("it takes time").into_owned();
                let text = serde_json::to_string(&copy).unwrap();
                let known = serde_json::to_string(&shown.master).unwrap();
                assert!(!text.contains("canary"), "{privacy:?} {scope:?}: {text}");
                for field in ["description", "location", "geo"] {
                    assert!(known.contains(field) && !text.contains(field), "{field}: {text}");
                }
            }
        }
    }
}

#[test]
fn an_event_nothing_changes_is_borrowed() {
    let event = rich();
    assert!(matches!(apply(&Pipeline::everything(), &event), Some(Cow::Borrowed(_))));
}

#[test]
fn every_filter_lets_through_what_it_says() {
    use ParticipationStatus::{Accepted, Declined};
    let plain = rich();
    let all_day = {
        let day = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
        edited(|body| body.time = TimeSpan::all_day(day, day))
    };
    let declined = edited(|body| body.participants[0].status = Declined);
    let declined_by_other = edited(|body| body.participants[1].status = Declined);
    let mine =
        edited(|body| body.organizer = Some(Person { address: "ME@example.org".to_owned(), name: None }));
    let nobodys = edited(|body| body.organizer = None);
    let long = edited(|body| body.time.end = EventTime::Utc(at("2026-01-05T13:00:00Z")));
    let overnight = edited(|body| body.time.end = EventTime::Utc(at("2026-01-06T09:30:00Z")));
    let night = edited(|body| {
        *body = self::body("2026-01-05T23:00:00Z", "2026-01-06T05:00:00Z");
    });
    // On the clock of Berlin, which shows no half past two on that day in March, and two of them on that day in October.
    let changed = |month, day, fold| {
        edited(|body| {
            let local =
                |hour| NaiveDate::from_ymd_opt(2026, month, day).unwrap().and_hms_opt(hour, 30, 0).unwrap();
            let zone = Zone::from_iana("Europe/Berlin").unwrap();
            let start = EventTime::Zoned { local: local(2), zone: zone.clone(), fold };
            body.time = TimeSpan { start, end: EventTime::zoned(local(4), zone) };
        })
    };
    let (gap, twice) = (changed(3, 29, Fold::First), changed(10, 25, Fold::Second));
    let untitled = edited(|body| body.title = None);
    let free = edited(|body| body.free_busy = Some(FreeBusyStatus::Free));
    let accepted = edited(|body| body.participants[0].status = Accepted);
    let hours = |within: &str, all_day: &str, keep: &str| {
        json!({
            "type": "time-frame", "from": "08:00", "to": "12:00", "within": within, "all_day": all_day, "keep": keep,
        })
    };
    for (what, filter, event, expected) in [
        ("accepted", json!({"type": "not-declined"}), &accepted, true),
        ("declined", json!({"type": "not-declined"}), &declined, false),
        ("declined by somebody else", json!({"type": "not-declined"}), &declined_by_other, true),
        ("timed", json!({"type": "timed"}), &plain, true),
        ("all-day", json!({"type": "timed"}), &all_day, false),
        ("only all-day", json!({"type": "timed", "keep": "outside"}), &all_day, true),
        ("title", json!({"type": "title", "include": "^Review"}), &plain, true),
        ("title, case", json!({"type": "title", "include": "^review"}), &plain, false),
        ("title out", json!({"type": "title", "exclude": "(?i)MERGER$"}), &plain, false),
        ("no title", json!({"type": "title", "include": "."}), &untitled, false),
        ("no title, excluded words", json!({"type": "title", "exclude": "."}), &untitled, true),
        ("inside", json!({"type": "time-frame", "from": "09:00", "to": "10:00"}), &plain, true),
        ("ends after", json!({"type": "time-frame", "from": "09:00", "to": "09:59"}), &plain, false),
        ("begins before", json!({"type": "time-frame", "from": "09:01", "to": "12:00"}), &plain, false),
        (
            "not inside",
            json!({"type": "time-frame", "from": "08:00", "to": "18:00", "keep": "outside"}),
            &plain,
            false,
        ),
        (
            "monday",
            json!({"type": "time-frame", "from": "00:00", "to": "24:00", "days": ["mo"]}),
            &plain,
            true,
        ),
        (
            "no monday",
            json!({"type": "time-frame", "from": "00:00", "to": "24:00", "days": ["tu"]}),
            &plain,
            false,
        ),
        (
            "another clock",
            json!({"type": "time-frame", "from": "17:00", "to": "20:00", "zone": "Asia/Tokyo"}),
            &plain,
            true,
        ),
        (
            "both ends inside, the night between not",
            json!({"type": "time-frame", "from": "08:00", "to": "18:00"}),
            &overnight,
            false,
        ),
        ("over midnight", json!({"type": "time-frame", "from": "22:00", "to": "06:00"}), &night, true),
        (
            "over midnight, too long",
            json!({"type": "time-frame", "from": "22:00", "to": "04:00"}),
            &night,
            false,
        ),
        (
            "all-day in no hours",
            json!({"type": "time-frame", "from": "08:00", "to": "18:00"}),
            &all_day,
            false,
        ),
        (
            "all-day in all hours",
            json!({"type": "time-frame", "from": "00:00", "to": "24:00"}),
            &all_day,
            true,
        ),
        (
            "a time the clock leaves out is an hour later",
            json!({"type": "time-frame", "from": "03:00", "to": "05:00", "zone": "Europe/Berlin"}),
            &gap,
            true,
        ),
        (
            "the second of two",
            json!({"type": "time-frame", "from": "02:00", "to": "05:00", "zone": "Europe/Berlin"}),
            &twice,
            true,
        ),
        ("by the hours, all-day", hours("either-hour", "judge", "inside"), &all_day, false),
        ("by the hours, all-day passes", hours("either-hour", "pass", "inside"), &all_day, true),
        ("not in the hours, all-day passes", hours("both-hours", "pass", "outside"), &all_day, true),
        (
            "starts and ends in the hours, days apart",
            hours("both-hours", "judge", "inside"),
            &overnight,
            true,
        ),
        ("starts after the hours", hours("either-hour", "judge", "inside"), &night, false),
        ("starts in the hours, ends after", hours("either-hour", "judge", "inside"), &long, true),
        ("both in the hours", hours("both-hours", "judge", "inside"), &long, false),
        (
            "by the hours, on another day",
            json!({"type": "time-frame", "from": "8:00", "to": "12:00", "within": "either-hour", "days": ["tu"]}),
            &plain,
            false,
        ),
        ("category", json!({"type": "category", "include": ["work", "x"]}), &plain, true),
        ("category out", json!({"type": "category", "exclude": ["work"]}), &plain, false),
        ("other category", json!({"type": "category", "include": ["home"]}), &plain, false),
        ("status", json!({"type": "status", "exclude": ["tentative", "cancelled"]}), &plain, true),
        ("status out", json!({"type": "status", "exclude": ["confirmed"]}), &plain, false),
        ("busy", json!({"type": "busy", "only": "busy"}), &plain, true),
        ("free", json!({"type": "busy", "only": "busy"}), &free, false),
        ("calendar", json!({"type": "calendar", "include": ["work"]}), &plain, true),
        ("calendar out", json!({"type": "calendar", "exclude": ["work"]}), &plain, false),
        ("organizer", json!({"type": "organizer", "include": ["BOSS@example.org"]}), &plain, true),
        ("organizer out", json!({"type": "organizer", "exclude": ["boss@example.org"]}), &plain, false),
        (
            "organizer wanted, nobody there",
            json!({"type": "organizer", "include": ["boss@example.org"]}),
            &nobodys,
            false,
        ),
        ("attendee", json!({"type": "attendee", "include": ["YOU@example.org"]}), &plain, true),
        (
            "attendee who organises",
            json!({"type": "attendee", "include": ["boss@example.org"]}),
            &plain,
            true,
        ),
        ("attendee out", json!({"type": "attendee", "exclude": ["you@example.org"]}), &plain, false),
        (
            "attendee wanted, not there",
            json!({"type": "attendee", "include": ["eve@example.org"]}),
            &plain,
            false,
        ),
        ("duration", json!({"type": "duration", "at_least": 60, "at_most": 60}), &plain, true),
        ("too long", json!({"type": "duration", "at_most": 60}), &long, false),
        ("too short", json!({"type": "duration", "at_least": 61}), &plain, false),
        ("mine", json!({"type": "own-only"}), &mine, true),
        ("nobody's", json!({"type": "own-only"}), &nobodys, true),
        ("somebody else's", json!({"type": "own-only"}), &plain, false),
    ] {
        assert_eq!(passes(self::filter(filter), event), expected, "{what}");
    }
}

/// What each field of `keep` and `drop` is of an event: kept, that shows and nothing else; dropped, that is gone and nothing else.
#[test]
fn every_field_is_kept_and_dropped_alone() {
    use CopiedField::{
        Attendees, Busy, Categories, Color, Description, Location, MeetingLink, Priority, Privacy as Secrecy,
        Reminders, Status as Standing, Title,
    };
    let mut event = rich();
    let own = event.master.as_mut().unwrap();
    own.free_busy = Some(FreeBusyStatus::Free);
    own.privacy = Some(Privacy::Private);
    own.status = Some(Status::Tentative);
    let own = own.clone();
    let differing = |one: &EventBody, other: &EventBody| -> Vec<String> {
        let [one, other] = [one, other].map(|body| serde_json::to_value(body).unwrap());
        let names = one.as_object().unwrap().keys().chain(other.as_object().unwrap().keys());
        let names: std::collections::BTreeSet<&String> =
            names.filter(|name| one[*name] != other[*name]).collect();
        names.into_iter().cloned().collect()
    };
    let bare = copy(read(json!({"start": {"type": "bare"}})), &event);
    #[rustfmt::skip]
    let table: [(CopiedField, &[&str]); 12] = [
        (Title,       &["title"]),
        (Description, &["description"]),
        (Location,    &["geo", "location"]),
        (Attendees,   &["organizer", "participants"]),
        (Reminders,   &["alarms"]),
        (MeetingLink, &["url", "virtual_locations"]),
        (Categories,  &["categories"]),
        (Color,       &["color"]),
        (Standing,    &["status"]),
        (Busy,        &["free_busy"]),
        (Secrecy,     &["privacy"]),
        (Priority,    &["priority"]),
    ];
    let mut seen = Vec::new();
    for (field, expected) in table {
        let keep = Transform::Keep { fields: vec![field] };
        let kept = copy(read(json!({"start": {"type": "bare"}})).with_transform("t", keep), &event);
        assert_eq!(differing(&bare, &kept), expected, "kept: {field:?}");
        let drop = Transform::Drop { fields: vec![field] };
        let dropped = copy(Pipeline::everything().with_transform("t", drop), &event);
        assert_eq!(differing(&own, &dropped), expected, "dropped: {field:?}");
        seen.extend(expected.iter().map(|name| (*name).to_owned()));
    }
    seen.sort();
    assert_eq!(differing(&bare, &own), seen, "no field of an event is in none of them");
}

#[test]
fn every_transform_shows_what_it_says() {
    use Transform::*;
    let rich = rich();
    let own = rich.master.clone().unwrap();
    let shown =
        |transform| copy(read(json!({"start": {"type": "bare"}})).with_transform("t", transform), &rich);
    let bare = shown(Drop { fields: vec![] });
    let keep = |field| shown(Keep { fields: vec![field] });
    assert_eq!(keep(CopiedField::Title), EventBody { title: own.title.clone(), ..bare.clone() });
    assert_eq!(
        keep(CopiedField::Description),
        EventBody { description: own.description.clone(), ..bare.clone() }
    );
    assert_eq!(
        keep(CopiedField::Categories),
        EventBody { categories: own.categories.clone(), ..bare.clone() }
    );
    assert_eq!(keep(CopiedField::Color), EventBody { color: own.color.clone(), ..bare.clone() });
    assert_eq!(keep(CopiedField::Status), EventBody { status: own.status, ..bare.clone() });
    assert_eq!(keep(CopiedField::Priority), EventBody { priority: own.priority, ..bare.clone() });
    let link =
        EventBody { url: own.url.clone(), virtual_locations: own.virtual_locations.clone(), ..bare.clone() };
    assert_eq!(keep(CopiedField::MeetingLink), link);
    let people = EventBody {
        organizer: own.organizer.clone(),
        participants: own.participants.clone(),
        ..bare.clone()
    };
    assert_eq!(keep(CopiedField::Attendees), people);
    // Their text would be the title again.
    assert_eq!(
        keep(CopiedField::Reminders),
        EventBody { alarms: vec![Alarm::display_before(600)], ..bare.clone() }
    );

    let named = shown(KeepAttendees { names: Names::Address, addresses: Addresses::Real });
    assert_eq!(named.participants[1].person.name.as_deref(), Some("you@example.org"));
    let cloaked = shown(KeepAttendees { names: Names::Given, addresses: Addresses::Cloaked });
    let unreachable = |address, name| participant(address, Some(name), ParticipationStatus::NeedsAction);
    let guests =
        vec![unreachable("me_example.org@localhost", "Me"), unreachable("you_example.org@localhost", "You")];
    assert_eq!(cloaked, EventBody { participants: guests, ..bare.clone() });
    let title = |transform| shown(transform).title.unwrap();
    assert_eq!(title(PrefixTitle { prefix: "{{calendar_name}}: ".to_owned() }), "Anna: Busy");
    assert_eq!(title(ReplaceTitle { title: "[{{ title }}]".to_owned() }), "[Review of the merger]");
    assert_eq!(shown(SetColor { color: "blue".to_owned() }).color.as_deref(), Some("blue"));
    assert!(shown(AddCategories { categories: vec!["Copy".to_owned()] }).categories.contains("Copy"));
    assert_eq!(shown(SetReminders { minutes_before: vec![5] }).alarms, [Alarm::display_before(300)]);
    let padded = shown(PadTime { before: 30, after: 15 });
    assert_eq!(padded.time, body("2026-01-05T08:30:00Z", "2026-01-05T10:15:00Z").time);
    let linked = shown(MeetingLinkInDescription { before: None });
    assert_eq!(linked.description.as_deref(), Some("https://meet.example.org/x"));
    let before = "{{meeting_link}} of {{title}}: ".to_owned();
    let linked = shown(MeetingLinkInDescription { before: Some(before.clone()) });
    let expected = "https://meet.example.org/x of Review of the merger: ";
    assert_eq!(linked.description.as_deref(), Some(expected));
    let linkless = edited(|body| body.virtual_locations.clear());
    let unlinked =
        Pipeline::everything().with_transform("l", MeetingLinkInDescription { before: Some(before) });
    assert_eq!(copy(unlinked, &linkless).description.as_deref(), Some("Bring the numbers"));
    let cut = |characters| {
        let cut = Pipeline::everything().with_transform("c", CutDescription { characters });
        copy(cut, &edited(|body| body.description = Some("Größe".to_owned()))).description.unwrap()
    };
    assert_eq!([cut(5), cut(4), cut(3)], ["Größe", "G...", "..."]);

    let dropped = Pipeline::everything().with_transform(
        "d",
        Drop { fields: vec![CopiedField::Title, CopiedField::Attendees, CopiedField::Reminders] },
    );
    let dropped = copy(dropped, &rich);
    assert_eq!(
        dropped,
        EventBody { title: None, organizer: None, participants: vec![], alarms: vec![], ..own.clone() }
    );
    let scrubbed = Pipeline::everything().with_transform("b", BusyOnly { title: "Taken".to_owned() });
    let busy = copy(Pipeline { start: Start::BusyOnly { title: "Taken".to_owned() }, steps: vec![] }, &rich);
    assert_eq!(copy(scrubbed, &rich), busy);
}

/// Where the provider says what its owner declined, nobody has to say who that is.
#[test]
fn what_the_provider_says_is_declined_counts_instance_by_instance() {
    let mut event = series();
    let own = event.master.clone().unwrap();
    let changed = |start: &str| {
        let mut body = own.clone();
        body.title = Some(start.to_owned());
        Override::Changed { body: Box::new(body), scope: OverrideScope::This }
    };
    let key = |day: u8| RecurrenceId::Instant(at(&format!("2026-01-{day:02}T09:00:00Z")));
    event.overrides = [6, 7].map(|day| (key(day), changed("x"))).into();
    let pipeline = Pipeline::everything().with_filter("no", Filter::NotDeclined {});
    assert_eq!(pipeline.compile().unwrap().asks_for_the_owner(), Some("no"));
    let copy = |whole: bool, instances: &[(u8, bool)]| {
        let instances = instances.iter().map(|(day, declined)| (key(*day), *declined)).collect();
        let declined = Declined { whole, instances };
        let around = Surroundings { declined: Some(&declined), ..Surroundings::default() };
        let copy = pipeline.compile().unwrap().apply(&event, &around).unwrap()?;
        Some([6, 7].map(|day| copy.overrides[&key(day)] != Override::Excluded))
    };
    assert_eq!(copy(false, &[]), Some([true, true]));
    assert_eq!(copy(false, &[(6, true), (7, false)]), Some([false, true]));
    assert_eq!(copy(true, &[(7, false)]), None);
}

#[test]
fn steps_are_applied_in_their_order() {
    let prefix = Transform::PrefixTitle { prefix: "> ".to_owned() };
    let replace = Transform::ReplaceTitle { title: "x".to_owned() };
    let first = Pipeline::default().with_transform("p", prefix.clone()).with_transform("r", replace.clone());
    let last = Pipeline::default().with_transform("r", replace).with_transform("p", prefix);
    assert_eq!(copy(first, &rich()).title.as_deref(), Some("x"));
    assert_eq!(copy(last, &rich()).title.as_deref(), Some("> x"));
    // Filters see the event wherever they stand.
    let drop = Transform::Drop { fields: vec![CopiedField::Title] };
    let filter = Filter::Title { include: Some("Review".to_owned()), exclude: None };
    let late = Pipeline::everything().with_transform("d", drop).with_filter("f", filter);
    assert!(apply(&late, &rich()).is_some());
}

fn series() -> Event {
    let mut event = rich();
    event.rules.push(RuleEntry::read("FREQ=DAILY;UNTIL=20260110T090000Z"));
    let key = |day: &str| RecurrenceId::Instant(at(&format!("2026-01-{day}T09:00:00Z")));
    let instance = |edit: &dyn Fn(&mut EventBody)| {
        let mut body = event.master.clone().unwrap();
        body.time = self::body("2026-01-07T14:00:00Z", "2026-01-07T15:00:00Z").time;
        edit(&mut body);
        Override::Changed { body: Box::new(body), scope: OverrideScope::This }
    };
    let moved = instance(&|body| body.title = Some("Secret instance".to_owned()));
    let declined = instance(&|body| body.participants[0].status = ParticipationStatus::Declined);
    event.overrides = [(key("06"), Override::Excluded), (key("07"), moved), (key("08"), declined)].into();
    event
}

#[test]
fn instances_of_a_series_are_filtered_and_changed_one_by_one() {
    let event = series();
    let pipeline = Pipeline::default().with_filter("f", Filter::NotDeclined {});
    let shown = apply(&pipeline, &event).unwrap();
    let json = serde_json::to_string(&shown).unwrap();
    assert!(!json.contains("Secret") && !json.contains("Review"), "{json}");
    let starts = |event: &Event| {
        let window = at("2026-01-01T00:00:00Z")..at("2026-02-01T00:00:00Z");
        let (found, _) = event.instances(window, &Zone::UTC, &ExpansionLimits::default());
        found.iter().map(|one| one.time.start.local().format("%d %H:%M").to_string()).collect::<Vec<_>>()
    };
    assert_eq!(starts(&shown), ["05 09:00", "07 14:00", "09 09:00", "10 09:00"]);
    let padded = Pipeline::everything()
        .with_filter("f", Filter::NotDeclined {})
        .with_transform("p", Transform::PadTime { before: 30, after: 0 });
    assert_eq!(starts(&apply(&padded, &event).unwrap()), ["05 08:30", "07 13:30", "09 08:30", "10 08:30"]);
    // To another day a series does not move.
    let far = Pipeline::everything().with_transform("p", Transform::PadTime { before: 600, after: 0 });
    assert_eq!(starts(&apply(&far, &event).unwrap())[0], "05 09:00");
}

#[test]
fn what_keeps_an_event_out_has_a_name() {
    let pipeline = Pipeline::default()
        .with_filter("declined", Filter::NotDeclined {})
        .with_filter("long", Filter::Duration { at_least: Some(600), at_most: None });
    let compiled = pipeline.compile().unwrap();
    assert_eq!(compiled.refused_by(&rich(), &Surroundings::default()), Ok(Some("long")));
}

#[test]
fn a_pipeline_that_cannot_be_meant_is_refused() {
    let step = |name: &str, action: Value| {
        let transforms = ["replace-title", "cut-description"];
        let key = if transforms.iter().any(|name| action["type"] == *name) { "transform" } else { "filter" };
        json!({ "steps": [{ "name": name, key: action }] })
    };
    let long = "(".repeat(500) + &")".repeat(501);
    for (what, pipeline, expected) in [
        ("pattern", step("t", json!({"type": "title", "include": "("})), "no usable regular expression"),
        (
            "look-around",
            step("t", json!({"type": "title", "include": "(?=x)"})),
            "no usable regular expression",
        ),
        ("size", step("t", json!({"type": "title", "include": "(\\w{100}){100}{100}"})), "no usable regular"),
        ("length", step("t", json!({"type": "title", "include": long})), "passes the limit"),
        ("nothing asked", step("t", json!({"type": "title"})), "asks nothing"),
        ("template", step("t", json!({"type": "replace-title", "title": "{{name}}"})), "names \"name\""),
        ("template open", step("t", json!({"type": "replace-title", "title": "{{title"})), "without }}"),
        ("no name", step("", json!({"type": "own-only"})), "a name has"),
        (
            "minutes of hours",
            step("t", json!({"type": "time-frame", "from": "8:30", "to": "9:00", "within": "either-hour"})),
            "full ones",
        ),
        (
            "cut to nothing",
            step("t", json!({"type": "cut-description", "characters": 2})),
            "3 characters at least",
        ),
    ] {
        let error = read(pipeline).compile().unwrap_err().to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
    let twice = Pipeline::default().with_filter("a", Filter::OwnOnly {}).with_filter("a", Filter::OwnOnly {});
    assert!(twice.compile().unwrap_err().to_string().contains("another step"));
    for (what, json, expected) in [
        ("unknown key", json!({"stepz": []}), "stepz"),
        ("unknown filter", step("x", json!({"type": "titel"})), "titel"),
        ("unknown option", step("x", json!({"type": "title", "exlude": "x"})), "exlude"),
        ("neither", json!({"steps": [{"name": "x"}]}), "neither"),
        (
            "both",
            json!({"steps": [{"name": "x", "filter": {"type": "own-only"}, "transform": {"type": "busy-only"}}]}),
            "both",
        ),
        ("hour", step("x", json!({"type": "time-frame", "from": "25:00", "to": "26:00"})), "time of day"),
    ] {
        let error = serde_json::from_value::<Pipeline>(json).unwrap_err().to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
}

#[test]
fn a_title_a_linear_engine_takes_its_time_over_is_still_read_in_linear_time() {
    let hostile = edited(|body| body.title = Some("a".repeat(200_000) + "!"));
    assert!(!passes(filter(json!({"type": "title", "include": "^(a+)+$"})), &hostile));
}

// inovex/CalendarSync: docs/inovex.md names these.

fn inovex(transformations: Value, filters: Value) -> Pipeline {
    let translated = translate_inovex(&transformations, &filters).unwrap();
    assert_eq!((translated.lost, translated.unknown), (Vec::new(), Vec::new()));
    translated.pipeline
}

fn inovex_copy(transformers: Value) -> EventBody {
    copy(inovex(transformers, Value::Null), &rich())
}

fn inovex_passes(filter: Value, event: &Event) -> bool {
    apply(&inovex(Value::Null, json!([filter])), event).is_some()
}

fn bare_copy() -> EventBody {
    EventBody {
        title: Some("CalendarSync Event".to_owned()),
        ..body("2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z")
    }
}

#[test]
fn inovex_without_transformers_is_bare() {
    assert_eq!(inovex_copy(Value::Null), bare_copy());
}

/// Nobody can be reached by what a copy says.
#[test]
fn inovex_keep_attendees() {
    let kept = inovex_copy(json!([{"name": "KeepAttendees"}]));
    let guests = |one, other| {
        let unknown = ParticipationStatus::NeedsAction;
        vec![
            participant("me_example.org@localhost", Some(one), unknown),
            participant("you_example.org@localhost", Some(other), unknown),
        ]
    };
    assert_eq!(kept, EventBody { participants: guests("Me", "You"), ..bare_copy() });
    let named = inovex_copy(json!([{"name": "KeepAttendees", "config": {"UseEmailAsDisplayName": true}}]));
    assert_eq!(named.participants, guests(OWNER, "you@example.org"));
}

#[test]
fn inovex_keep_location() {
    assert_eq!(inovex_copy(json!([{"name": "KeepLocation"}])).location.as_deref(), Some("Room 4"));
}

#[test]
fn inovex_keep_reminders() {
    assert_eq!(inovex_copy(json!([{"name": "KeepReminders"}])).alarms, [Alarm::display_before(600)]);
}

#[test]
fn inovex_keep_description() {
    let kept = inovex_copy(json!([{"name": "KeepDescription"}]));
    assert_eq!(kept.description.as_deref(), Some("Bring the numbers"));
    for (characters, expected) in [(4_000, "é".repeat(4_000)), (4_001, "é".repeat(3_997) + "...")] {
        let long = edited(|body| body.description = Some("é".repeat(characters)));
        let list = json!([{"name": "KeepDescription"}]);
        assert_eq!(copy(inovex(list, Value::Null), &long).description.unwrap(), expected);
    }
}

#[test]
fn inovex_keep_meeting_link() {
    // In the order of CalendarSync, whatever that of the file.
    let kept = inovex_copy(json!([{"name": "KeepMeetingLink"}, {"name": "KeepDescription"}]));
    let headed = "original meeting link: https://meet.example.org/x\n\n############\n";
    assert_eq!(kept.description, Some(format!("{headed}Bring the numbers")));
    let alone = inovex_copy(json!([{"name": "KeepMeetingLink"}]));
    assert_eq!(alone.description.as_deref(), Some(headed));
    let linkless = edited(|body| body.virtual_locations.clear());
    let list = json!([{"name": "KeepMeetingLink"}]);
    assert_eq!(copy(inovex(list, Value::Null), &linkless).description, None);
}

#[test]
fn inovex_keep_title() {
    assert_eq!(inovex_copy(json!([{"name": "KeepTitle"}])).title.as_deref(), Some("Review of the merger"));
}

#[test]
fn inovex_prefix_title() {
    let title = |list| inovex_copy(list).title.unwrap();
    let prefix = json!({"name": "PrefixTitle", "config": {"Prefix": "[Work] "}});
    assert_eq!(title(json!([prefix, {"name": "KeepTitle"}])), "[Work] Review of the merger");
    assert_eq!(title(json!([prefix])), "[Work] CalendarSync Event");
    let braces = json!([{"name": "PrefixTitle", "config": {"Prefix": "{{title}} "}}]);
    assert_eq!(title(braces), "{{title}} CalendarSync Event");
    let braces = json!([{"name": "PrefixTitle", "config": {"Prefix": "{{{a}}} {{{{ "}}]);
    assert_eq!(title(braces), "{{{a}}} {{{{ CalendarSync Event", "as they are in the file");
}

#[test]
fn inovex_replace_title() {
    let title = |list| inovex_copy(list).title.unwrap();
    assert_eq!(title(json!([{"name": "ReplaceTitle"}])), "[CalendarSync Event]");
    let list = json!([{"name": "ReplaceTitle", "config": {"NewTitle": "Blocked"}}, {"name": "KeepTitle"}]);
    assert_eq!(title(list), "Blocked");
}

/// Events, by their times, and an all-day one last: which of them a filter keeps.
fn inovex_keeps(name: &str, start: u8, end: u8) -> Vec<&'static str> {
    let filter = json!({"name": name, "config": {"HourStart": start, "HourEnd": end}});
    let times = [
        "06:30-08:30",
        "17:30-18:30",
        "16:30-18:30",
        "12:15-12:45",
        "12:15-13:45",
        "05:00-06:59",
        "19:00-20:00",
        "07:00-19:00",
        "18:59-19:30",
    ];
    let mut kept: Vec<&str> = times
        .into_iter()
        .filter(|time| {
            let (from, to) = time.split_once('-').unwrap();
            let time = |at| format!("2026-01-05T{at}:00Z");
            inovex_passes(filter.clone(), &Event::single("u", body(&time(from), &time(to))))
        })
        .collect();
    let day = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
    let all_day = edited(|body| body.time = TimeSpan::all_day(day, day));
    kept.extend(inovex_passes(filter, &all_day).then_some("all-day"));
    kept
}

/// An event is kept that starts or ends in one of the hours, that of the end counted; and every all-day one.
#[test]
fn inovex_time_frame() {
    assert_eq!(
        inovex_keeps("TimeFrame", 8, 18),
        ["06:30-08:30", "17:30-18:30", "16:30-18:30", "12:15-12:45", "12:15-13:45", "18:59-19:30", "all-day"]
    );
    assert_eq!(inovex_keeps("TimeFrame", 12, 12), ["12:15-12:45", "12:15-13:45", "all-day"]);
    assert_eq!(inovex_keeps("TimeFrame", 0, 24).len(), 10);
    // There are no hours from the evening to the morning.
    assert_eq!(inovex_keeps("TimeFrame", 18, 8), ["all-day"]);
}

/// What differs: CalendarSync judges each instance by the clock of UTC, and copies this one in winter only. Here a series is
/// copied as one, judged by its first instance.
#[test]
fn inovex_time_frame_judges_a_series_by_its_first_instance() {
    let frame = || json!({"name": "TimeFrame", "config": {"HourStart": 8, "HourEnd": 18}});
    let berlin = |month: u32, minute: u32| {
        let local = NaiveDate::from_ymd_opt(2026, month, 5).unwrap().and_hms_opt(9, minute, 0).unwrap();
        EventTime::zoned(local, Zone::from_iana("Europe/Berlin").unwrap())
    };
    // By the clock of UTC half past eight in winter, and half past seven in summer.
    for (month, passes) in [(1, true), (7, false)] {
        let mut event =
            edited(|body| body.time = TimeSpan { start: berlin(month, 30), end: berlin(month, 45) });
        event.rules = vec![RuleEntry::read("FREQ=WEEKLY;COUNT=52")];
        assert_eq!(inovex_passes(frame(), &event), passes, "{month}");
    }
}

/// An event is hidden that starts at the first hour or later and ends in the last hour or earlier; no all-day one is.
#[test]
fn inovex_time_filter() {
    assert_eq!(
        inovex_keeps("TimeFilter", 8, 18),
        ["06:30-08:30", "05:00-06:59", "19:00-20:00", "07:00-19:00", "18:59-19:30", "all-day"]
    );
    let but_at_noon = [
        "06:30-08:30",
        "17:30-18:30",
        "16:30-18:30",
        "05:00-06:59",
        "19:00-20:00",
        "07:00-19:00",
        "18:59-19:30",
        "all-day",
    ];
    assert_eq!(inovex_keeps("TimeFilter", 12, 13), but_at_noon);
}

#[test]
fn inovex_declined_events() {
    let declined = edited(|body| body.participants[0].status = ParticipationStatus::Declined);
    assert!(!inovex_passes(json!({"name": "DeclinedEvents"}), &declined));
    assert!(inovex_passes(json!({"name": "DeclinedEvents"}), &rich()));
}

#[test]
fn inovex_all_day_events() {
    let day = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
    let all_day = edited(|body| body.time = TimeSpan::all_day(day, day));
    assert!(!inovex_passes(json!({"name": "AllDayEvents"}), &all_day));
    assert!(inovex_passes(json!({"name": "AllDayEvents"}), &rich()));
}

#[test]
fn inovex_regex_title() {
    let regex = |pattern: &str| json!({"name": "RegexTitle", "config": {"ExcludeRegexp": pattern}});
    assert!(!inovex_passes(regex(".*merger.*"), &rich()));
    assert!(inovex_passes(regex("lunch"), &rich()));
}

#[test]
fn inovex_says_what_it_cannot_carry_and_what_it_cannot_read() {
    let transformers = json!([{"name": "KeepTitle"}, {"name": "KeepColour"}]);
    let translated = translate_inovex(&transformers, &json!([{"name": "RegexTitle"}])).unwrap();
    assert_eq!(translated.pipeline.steps.len(), 1);
    assert_eq!(translated.lost.len(), 2);
    assert_eq!(translated.unknown, ["transformations[1]"]);
    assert!(
        translated
            .lost
            .iter()
            .any(|lost| lost.starts_with("transformations[1]: CalendarSync has no \"KeepColour\""))
    );
    for (what, list, place) in [
        ("no list", json!("KeepTitle"), "filters"),
        ("no name", json!([{"config": {}}]), "filters[0]"),
        ("config", json!([{"name": "RegexTitle", "config": []}]), "filters[0].config"),
        (
            "hour",
            json!([{"name": "TimeFrame", "config": {"HourStart": 25, "HourEnd": 3}}]),
            "filters[0].config.HourStart",
        ),
        ("no hour", json!([{"name": "TimeFrame", "config": {"HourStart": 5}}]), "filters[0].config.HourEnd"),
        (
            "text",
            json!([{"name": "RegexTitle", "config": {"ExcludeRegexp": 5}}]),
            "filters[0].config.ExcludeRegexp",
        ),
    ] {
        assert_eq!(translate_inovex(&Value::Null, &list).unwrap_err().place, place, "{what}");
    }
}

// The published schema.

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema/pipeline.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The part of JSON Schema the file uses; anything else in it fails the test.
fn is_valid(value: &Value, schema: &Value, root: &Value) -> bool {
    let object = schema.as_object().unwrap();
    object.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "$id" | "$defs" | "title" | "description" | "default" => true,
        "$ref" => {
            let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
            is_valid(value, &root["$defs"][name], root)
        }
        "oneOf" => rule.as_array().unwrap().iter().filter(|one| is_valid(value, one, root)).count() == 1,
        "anyOf" => rule.as_array().unwrap().iter().any(|one| is_valid(value, one, root)),
        "const" => value == rule,
        "enum" => rule.as_array().unwrap().contains(value),
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            other => panic!("type {other}"),
        },
        "properties" => {
            let known = rule.as_object().unwrap();
            value.as_object().is_none_or(|value| {
                value.iter().all(|(key, value)| known.get(key).is_none_or(|rule| is_valid(value, rule, root)))
            })
        }
        "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
        "additionalProperties" => {
            assert_eq!(rule, &json!(false));
            let known = object["properties"].as_object().unwrap();
            value.as_object().is_none_or(|value| value.keys().all(|key| known.contains_key(key)))
        }
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| is_valid(item, rule, root))),
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
        "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
        "minLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap())
        }
        "maxLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap())
        }
        "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
        "pattern" => {
            let pattern = Filter::Title { include: Some(rule.as_str().unwrap().to_owned()), exclude: None };
            value
                .as_str()
                .is_none_or(|text| passes(pattern, &edited(|body| body.title = Some(text.to_owned()))))
        }
        other => panic!("keyword {other}"),
    })
}

/// Every variant the schema knows, with its least and with all its properties.
fn samples(schema: &Value) -> Vec<Value> {
    fn sample(rule: &Value, root: &Value) -> Value {
        if let Some(name) = rule["$ref"].as_str() {
            return sample(&root["$defs"][name.strip_prefix("#/$defs/").unwrap()], root);
        }
        if let Some(forms) = rule["oneOf"].as_array() {
            return sample(&forms[1], root);
        }
        if let Some(values) = rule["enum"].as_array() {
            return values[0].clone();
        }
        match rule["type"].as_str() {
            Some("array") => json!([sample(&rule["items"], root)]),
            Some("integer") => rule["maximum"].clone(),
            Some("object") => json!({ "any": [1, true] }),
            _ if rule["pattern"].is_string() => json!("08:00"),
            _ => json!("Europe/Berlin"),
        }
    }
    let mut found = vec![json!({})];
    let variants = |list: &Value| list["oneOf"].as_array().unwrap().clone();
    let mut push = |wrap: &dyn Fn(Value) -> Value, variant: &Value| {
        // Of several that one of is asked for, the first.
        let asked = variant["anyOf"][0]["required"].as_array().cloned().unwrap_or_default();
        let required = [variant["required"].as_array().unwrap().clone(), asked].concat();
        let all = variant["properties"].as_object().unwrap();
        for wanted in [false, true] {
            let mut value = serde_json::Map::new();
            for (key, rule) in all.iter().filter(|(key, _)| wanted || required.contains(&json!(key))) {
                let constant = rule.get("const").cloned();
                value.insert(key.clone(), constant.unwrap_or_else(|| sample(rule, schema)));
            }
            found.push(wrap(Value::Object(value)));
        }
    };
    for variant in variants(&schema["properties"]["start"]) {
        push(&|start| json!({ "start": start }), &variant);
    }
    for kind in ["filter", "transform"] {
        for variant in variants(&schema["$defs"][kind]) {
            push(&|action| json!({"steps": [{"name": "a", kind: action}]}), &variant);
        }
    }
    found
}

#[test]
fn the_published_schema_says_what_is_read() {
    let schema = schema();
    let samples = samples(&schema);
    // Every kind of start, filter and transform: what is added to the code is missed here until it is in the schema.
    assert_eq!(samples.len(), 1 + 2 * (3 + 14 + 13));
    for sample in &samples {
        assert!(is_valid(sample, &schema, &schema), "{sample}");
        let read: Pipeline =
            serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{sample}: {error}"));
        let written = serde_json::to_value(&read).unwrap();
        assert!(is_valid(&written, &schema, &schema), "{written}");
        assert_eq!(serde_json::from_value::<Pipeline>(written).unwrap(), read);
        if !sample.to_string().contains("\"host\"") {
            read.compile().unwrap_or_else(|error| panic!("{sample}: {error}"));
        }
        // What is valid in every part but one is refused by both.
        let mut broken = sample.clone();
        let place = match broken.get_mut("steps") {
            Some(steps) => &mut steps[0],
            None => &mut broken,
        };
        place["surplus"] = json!(1);
        assert!(!is_valid(&broken, &schema, &schema), "{broken}");
        assert!(serde_json::from_value::<Pipeline>(broken).is_err());
    }
    for field in schema["$defs"]["field"]["enum"].as_array().unwrap() {
        serde_json::from_value::<CopiedField>(field.clone()).unwrap();
    }
    for (valid, value) in [
        (false, json!({"steps": [{"name": "a"}]})),
        (
            false,
            json!({"steps": [{"name": "a", "filter": {"type": "own-only"}, "transform": {"type": "busy-only"}}]}),
        ),
        (
            false,
            json!({"steps": [{"name": "a", "filter": {"type": "time-frame", "from": "8", "to": "9:00"}}]}),
        ),
        (
            false,
            json!({"steps": [{"name": "a", "filter": {"type": "time-frame", "from": "24:01", "to": "9:00"}}]}),
        ),
        (
            true,
            json!({"steps": [{"name": "a", "filter": {"type": "time-frame", "from": "8:5", "to": "24:00"}}]}),
        ),
        (false, json!({"steps": [{"name": "a", "transform": {"type": "pad-time", "before": -1}}]})),
        (false, json!({"start": "busy-only"})),
    ] {
        assert_eq!(is_valid(&value, &schema, &schema), valid, "{value}");
        assert_eq!(serde_json::from_value::<Pipeline>(value.clone()).is_ok(), valid, "{value}");
    }
}

/// What a form shows as the default is what leaving it out means.
#[test]
fn the_defaults_of_the_published_schema_are_those_of_the_code() {
    let schema = schema();
    let mut seen = 0;
    for sample in samples(&schema) {
        let read = |value: &Value| serde_json::from_value::<Pipeline>(value.clone()).unwrap();
        for kind in ["start", "filter", "transform"] {
            let place = if kind == "start" { "/start".to_owned() } else { format!("/steps/0/{kind}") };
            let Some(part) = sample.pointer(&place) else { continue };
            let list = if kind == "start" {
                &schema["properties"]["start"]["oneOf"]
            } else {
                &schema["$defs"][kind]["oneOf"]
            };
            let variants = list.as_array().unwrap();
            let variant =
                variants.iter().find(|one| one["properties"]["type"]["const"] == part["type"]).unwrap();
            for (key, rule) in variant["properties"].as_object().unwrap() {
                let Some(default) = rule.get("default") else { continue };
                let mut said = sample.clone();
                said.pointer_mut(&place).unwrap()[key] = default.clone();
                let mut unsaid = sample.clone();
                unsaid.pointer_mut(&place).unwrap().as_object_mut().unwrap().remove(key);
                assert_eq!(read(&said), read(&unsaid), "{key}: {sample}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
    let start = schema["properties"]["start"]["default"].clone();
    assert_eq!(read(json!({ "start": start, "steps": [] })), Pipeline::default());
}

/// A form that asks the schema offers nothing the engine refuses.
#[test]
fn what_the_code_refuses_the_published_schema_refuses() {
    let schema = schema();
    let filter = |filter: Value| json!({"steps": [{"name": "a", "filter": filter}]});
    let transform = |transform: Value| json!({"steps": [{"name": "a", "transform": transform}]});
    let color = |color: &str| transform(json!({"type": "set-color", "color": color}));
    let long = |characters| "é".repeat(characters);
    for (valid, value) in [
        (false, filter(json!({"type": "title"}))),
        (true, filter(json!({"type": "title", "exclude": ""}))),
        (true, filter(json!({"type": "title", "exclude": long(1_000)}))),
        (false, filter(json!({"type": "title", "exclude": long(1_001)}))),
        (false, filter(json!({"type": "title", "include": long(1_001)}))),
        (false, filter(json!({"type": "status", "exclude": []}))),
        (false, filter(json!({"type": "category"}))),
        (false, filter(json!({"type": "category", "include": [], "exclude": []}))),
        (true, filter(json!({"type": "category", "include": [], "exclude": ["x"]}))),
        (false, filter(json!({"type": "calendar", "include": []}))),
        (false, filter(json!({"type": "organizer"}))),
        (false, filter(json!({"type": "attendee", "exclude": []}))),
        (false, filter(json!({"type": "duration"}))),
        (true, filter(json!({"type": "duration", "at_most": 0}))),
        (true, filter(json!({"type": "time-frame", "from": "8:30", "to": "9:00"}))),
        (true, filter(json!({"type": "time-frame", "from": "8:0", "to": "24:00", "within": "both-hours"}))),
        (false, filter(json!({"type": "time-frame", "from": "8:30", "to": "9:00", "within": "both-hours"}))),
        (false, filter(json!({"type": "time-frame", "from": "8:00", "to": "9:01", "within": "either-hour"}))),
        (true, transform(json!({"type": "replace-title", "title": long(1_000)}))),
        (false, transform(json!({"type": "replace-title", "title": long(1_001)}))),
        (false, transform(json!({"type": "prefix-title", "prefix": long(1_001)}))),
        (false, transform(json!({"type": "meeting-link-in-description", "before": long(1_001)}))),
        (false, transform(json!({"type": "cut-description", "characters": 2}))),
        (true, transform(json!({"type": "cut-description", "characters": 3}))),
        (false, transform(json!({"type": "cut-description", "characters": 1_000_001}))),
        (true, color("purple")),
        (true, color("#00fF7a")),
        (false, color("nonsense")),
        (false, color("#fff")),
        (false, color("#00ff7g")),
        (true, json!({"steps": [{"name": long(100), "filter": {"type": "own-only"}}]})),
        (false, json!({"steps": [{"name": long(101), "filter": {"type": "own-only"}}]})),
        (false, json!({"steps": [{"name": "", "filter": {"type": "own-only"}}]})),
    ] {
        assert_eq!(is_valid(&value, &schema, &schema), valid, "{value}");
        assert_eq!(read(value.clone()).compile().is_ok(), valid, "{value}");
    }
}

#[test]
fn a_chain_of_five_is_a_pure_function() {
    let event = series();
    let pipeline = inovex(
        json!([{"name": "KeepTitle"}, {"name": "KeepLocation"}, {"name": "PrefixTitle", "config": {"Prefix": "x"}}]),
        json!([{"name": "DeclinedEvents"}, {"name": "TimeFrame", "config": {"HourStart": 0, "HourEnd": 24}}]),
    );
    assert_eq!(apply(&pipeline, &event), apply(&pipeline, &event));
    assert_eq!(pipeline.steps.len(), 5);
}
