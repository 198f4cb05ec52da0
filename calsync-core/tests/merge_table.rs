//! The three-way merge as a table.
//!
//! An event is written as words: `title=a` is a field of the event, `@1.title=a` one of the instance of day 1, `@1=no` an
//! excluded instance, `@1=yes` an added date, `@1+1` the instance of day 1 after the series moved to one hour later. `tag`,
//! `who` and `alarm` may come more than once. What is not there is not set.
//!
//! Each row: what it shows, base, local side, remote side, both sides after the merge when the remote side wins, and the
//! fields that were put to the policy. Rows without such fields come out the same whoever wins.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "helpers of tests may fail loudly")]

use std::collections::BTreeSet;

use calsync_core::{
    diff::{Field, Part},
    merge::{Bases, Choice, Sides, merge},
    model::{
        Alarm, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope, Participant,
        ParticipationStatus, Person, Privacy, RecurrenceId, Role, Status, TimeSpan, VirtualLocation,
    },
    recurrence::RuleEntry,
};
use calsync_testkit::events::canonical;
use chrono::{DateTime, TimeDelta, Utc};

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(1_767_571_200) + TimeDelta::hours(hours)
}

fn hour_from(hours: i64) -> TimeSpan {
    TimeSpan { start: EventTime::Utc(at(hours)), end: EventTime::Utc(at(hours + 1)) }
}

/// `@1` or `@1+1`.
fn instance(name: &str) -> (RecurrenceId, i64) {
    let (day, later) = name[1..].split_once('+').unwrap_or((&name[1..], "0"));
    let hours = day.parse::<i64>().expect("a day") * 24 + 9 + later.parse::<i64>().expect("hours");
    (RecurrenceId::Instant(at(hours)), hours)
}

fn event(words: &str) -> Event {
    let mut event = Event::single("u1", EventBody::new(hour_from(9)));
    for word in words.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match (key.strip_prefix('@').is_some(), key.split_once('.')) {
            (true, Some((name, key))) => {
                let (id, hours) = instance(name);
                let blank = || Override::Changed {
                    body: Box::new(EventBody::new(hour_from(hours))),
                    scope: OverrideScope::This,
                };
                if let Override::Changed { body, .. } = event.overrides.entry(id).or_insert_with(blank) {
                    set(body, key, value);
                }
            }
            (true, None) => {
                let value = if value == "no" { Override::Excluded } else { Override::Added { end: None } };
                event.overrides.insert(instance(key).0, value);
            }
            (false, _) => match (key, &mut event.master) {
                ("rule", _) => event.rules.push(RuleEntry::read(value)),
                ("nomaster", _) => event.master = None,
                (_, Some(body)) => set(body, key, value),
                (_, None) => panic!("{word} without a master"),
            },
        }
    }
    event
}

fn person(address: &str) -> Person {
    Person { address: format!("{address}@example.org"), name: None }
}

fn set(body: &mut EventBody, key: &str, value: &str) {
    let text = Some(value.to_owned());
    match key {
        "start" => body.time = hour_from(value.parse().expect("hours")),
        "title" => body.title = text,
        "text" => body.description = text,
        "place" => body.location = text,
        "geo" => body.geo = text,
        "url" => body.url = text,
        "online" => body.virtual_locations = vec![VirtualLocation { uri: value.to_owned(), name: None }],
        "status" => {
            body.status = Some(if value == "off" { Status::Cancelled } else { Status::Confirmed });
        }
        "busy" => {
            body.free_busy = Some(if value == "no" { FreeBusyStatus::Free } else { FreeBusyStatus::Busy });
        }
        "class" => {
            body.privacy = Some(if value == "private" { Privacy::Private } else { Privacy::Public });
        }
        "priority" => body.priority = value.parse().ok(),
        "color" => body.color = text,
        "organizer" => body.organizer = Some(person(value)),
        "tag" => {
            body.categories.insert(value.to_owned());
        }
        "who" => {
            let (name, answer) = value.split_once(':').unwrap_or((value, ""));
            body.participants.push(Participant {
                person: person(name),
                status: if answer == "yes" {
                    ParticipationStatus::Accepted
                } else {
                    ParticipationStatus::NeedsAction
                },
                role: Role::Required,
                expect_reply: false,
            });
        }
        "alarm" => {
            let (before, says) = value.split_once(':').unwrap_or((value, ""));
            let alarm = Alarm::display_before(before.parse().expect("seconds"));
            body.alarms.push(Alarm { description: (!says.is_empty()).then(|| says.to_owned()), ..alarm });
        }
        // Bookkeeping.
        "sequence" => body.sequence = value.parse().expect("a number"),
        other => panic!("no such field: {other}"),
    }
}

fn json(event: &Event) -> String {
    serde_json::to_string(&canonical(event)).expect("events are serialisable")
}

struct Row {
    why: &'static str,
    base: Option<(Event, Event)>,
    local: Event,
    remote: Event,
    merged: Event,
    contested: &'static str,
}

fn check(row: &Row) {
    let Row { why, base, local, remote, .. } = row;
    let bases = base.as_ref().map(|(local, remote)| Bases { local, remote });
    for choice in [Choice::Remote, Choice::Local] {
        let result = merge(Sides { bases, local, remote }, |_| choice);
        let contested: BTreeSet<String> = result.contested.iter().map(|c| c.field.to_string()).collect();
        let expected: BTreeSet<String> = row.contested.split_whitespace().map(str::to_owned).collect();
        assert_eq!(contested, expected, "{why}: contested");
        let (here, there) = (result.apply_to_local(local, remote), result.apply_to_remote(local, remote));
        assert_eq!(json(&here), json(&there), "{why}: the sides differ when {} wins", choice.name());
        if choice == Choice::Remote || row.contested.is_empty() {
            assert_eq!(json(&here), json(&row.merged), "{why}: merged when {} wins", choice.name());
        }
    }
    // While it waits for a person, nothing of a contested field moves.
    let open = merge(Sides { bases, local, remote }, |_| Choice::Open);
    for contested in &open.contested {
        assert!(!open.to_local.contains(&contested.field), "{why}: {} moved here", contested.field);
        assert!(!open.to_remote.contains(&contested.field), "{why}: {} moved there", contested.field);
    }
}

fn check_all(rows: &[(&'static str, &str, &str, &str, &str, &'static str)]) {
    for (why, base, local, remote, merged, contested) in rows {
        let base = event(base);
        check(&Row {
            why,
            base: Some((base.clone(), base)),
            local: event(local),
            remote: event(remote),
            merged: event(merged),
            contested,
        });
    }
}

#[test]
fn single_fields() {
    #[rustfmt::skip]
    check_all(&[
        // what it shows                 base            local             remote                 merged                     contested
        ("nobody edited",                "title=a",      "title=a",        "title=a",             "title=a",                 ""),
        ("edited here",                  "title=a",      "title=b",        "title=a",             "title=b",                 ""),
        ("edited there",                 "title=a",      "title=a",        "title=b",             "title=b",                 ""),
        ("the same edit on both sides",  "title=a",      "title=b",        "title=b",             "title=b",                 ""),
        ("different fields",             "title=a",      "title=b",        "title=a place=x",     "title=b place=x",         ""),
        ("the same field",               "title=a",      "title=b",        "title=c",             "title=c",                 "title"),
        ("one contested, one not",       "title=a",      "title=b text=t", "title=c place=x",     "title=c text=t place=x",  "title"),
        ("FLD-06: removed here",         "place=x",      "",               "place=x",             "",                        ""),
        ("FLD-06: removed there",        "place=x",      "place=x",        "",                    "",                        ""),
        ("removed here, edited there",   "place=x",      "",               "place=y",             "place=y",                 "location"),
        ("bookkeeping is no edit",       "title=a",      "title=b",        "title=a sequence=4",  "title=b",                 ""),
    ]);
}

#[test]
fn every_part_of_an_event() {
    let parts = [
        ("start=9", "start=10", "start=11", "time"),
        ("title=a", "title=b", "title=c", "title"),
        ("text=a", "text=b", "text=c", "description"),
        ("place=a", "place=b", "place=c", "location"),
        ("geo=1;2", "geo=1;3", "geo=1;4", "geo"),
        ("url=a", "url=b", "url=c", "url"),
        ("online=a", "online=b", "online=c", "virtual-locations"),
        ("", "status=on", "status=off", "status"),
        ("", "busy=yes", "busy=no", "free-busy"),
        ("", "class=public", "class=private", "privacy"),
        ("priority=1", "priority=2", "priority=3", "priority"),
        ("color=red", "color=blue", "color=green", "color"),
        ("organizer=anna", "organizer=ben", "organizer=cleo", "organizer"),
        ("rule=FREQ=DAILY", "rule=FREQ=DAILY;COUNT=2", "rule=FREQ=DAILY;COUNT=3", "rules"),
        ("who=anna", "who=anna:yes", "", "participant"),
        ("alarm=300:a", "alarm=300:b", "alarm=300:c", "alarm"),
    ];
    for (base, here, there, name) in parts {
        #[rustfmt::skip]
        check_all(&[
            ("edited here",       base, here, base,  here,  ""),
            ("edited there",      base, base, there, there, ""),
            ("the same edit",     base, here, here,  here,  ""),
            ("edited on both",    base, here, there, there, name),
            ("edited and put back", base, base, base, base, ""),
        ]);
    }
}

/// FLD-09: not set is not the default, and `CLASS` is not `TRANSP`.
#[test]
fn fld_09_class_and_transp_are_two_fields() {
    #[rustfmt::skip]
    check_all(&[
        ("CLASS here, TRANSP there", "",                       "class=private", "busy=no",             "class=private busy=no", ""),
        ("CLASS appears as PUBLIC",  "",                       "",              "class=public",        "class=public",          ""),
        ("CLASS goes away",          "class=public busy=yes",  "busy=yes",      "class=public busy=yes", "busy=yes",            ""),
    ]);
}

#[test]
fn sets_merge_by_member() {
    #[rustfmt::skip]
    check_all(&[
        ("a tag on each side",             "tag=a",        "tag=a tag=b",          "tag=a tag=c",            "tag=a tag=b tag=c",   ""),
        ("a tag removed, another added",   "tag=a",        "",                     "tag=a tag=b",            "tag=b",               ""),
        ("the same tag on both sides",     "",             "tag=a",                "tag=a",                  "tag=a",               ""),
        ("somebody invited on each side",  "who=anna",     "who=anna who=ben",     "who=anna who=cleo",      "who=anna who=ben who=cleo", ""),
        ("one answers, another is added",  "who=anna",     "who=anna:yes",         "who=anna who=ben",       "who=anna:yes who=ben", ""),
        ("one answers, another is removed","who=anna who=ben", "who=anna:yes who=ben", "who=anna",           "who=anna:yes",        ""),
        ("order of people is no edit",     "who=anna who=ben", "who=ben who=anna", "who=anna who=ben:yes",   "who=anna who=ben:yes", ""),
        ("both answer for the same one",   "who=anna",     "who=anna:yes",         "",                       "",                    "participant"),
        ("case of an address is no key",   "who=anna",     "who=ANNA:yes",         "who=anna who=ben",       "who=ANNA:yes who=ben", ""),
        ("an alarm on each side",          "alarm=300",    "alarm=300 alarm=600",  "alarm=300 alarm=900",    "alarm=300 alarm=600 alarm=900", ""),
        ("an alarm moved here",            "alarm=300",    "alarm=600",            "alarm=300",              "alarm=600",           ""),
        ("an alarm moved on both sides",   "alarm=300",    "alarm=600",            "alarm=900",              "alarm=600 alarm=900", ""),
        ("text of one alarm on each side", "alarm=300 alarm=600", "alarm=300:x alarm=600", "alarm=300 alarm=600:y", "alarm=300:x alarm=600:y", ""),
    ]);
}

#[test]
fn instances_merge_one_by_one() {
    const DAILY: &str = "rule=FREQ=DAILY title=a";
    let rows = [
        ("another instance each", "", "@1.title=b", "@2.title=c", "@1.title=b @2.title=c", ""),
        ("excluded here, another edited there", "", "@1=no", "@2.title=c", "@1=no @2.title=c", ""),
        ("excluded on both sides", "", "@1=no", "@1=no", "@1=no", ""),
        ("excluded here, edited there", "@1.title=a", "@1=no", "@1.title=b", "@1.title=b", "@1/override"),
        ("excluded here, made an exception there", "", "@1=no", "@1.title=b", "@1.title=b", "@1/override"),
        (
            "different fields of one instance",
            "@1.title=a",
            "@1.title=b",
            "@1.title=a @1.place=x",
            "@1.title=b @1.place=x",
            "",
        ),
        (
            "the same field of one instance",
            "@1.title=a",
            "@1.title=b",
            "@1.title=c",
            "@1.title=c",
            "@1/title",
        ),
        (
            "the same exception on both sides",
            "",
            "@1.title=b @1.sequence=1",
            "@1.title=b @1.sequence=7",
            "@1.title=b",
            "",
        ),
        (
            "an instance and the series",
            "@1.title=b",
            "title=s @1.title=b",
            "@1.title=b @1.place=x",
            "title=s @1.title=b @1.place=x",
            "",
        ),
        ("an added date each", "", "@8=yes", "@9=yes", "@8=yes @9=yes", ""),
        ("an added date, taken away there", "@8=yes", "@8=yes @9=yes", "", "@9=yes", ""),
        ("excluded here, cancelled there", "", "@1=no", "@1.status=off", "@1=no", ""),
        (
            "cancelled, then excluded there",
            "@1.status=off",
            "@1.status=off @2=no",
            "@1=no",
            "@1=no @2=no",
            "",
        ),
        (
            "the text of a cancelled one is no edit",
            "@1.status=off",
            "@1.status=off @1.title=b",
            "@1=no",
            "@1=no",
            "",
        ),
        (
            "cancelled here, edited there",
            "@1.title=a",
            "@1.title=a @1.status=off",
            "@1.title=b",
            "@1.title=b",
            "@1/override",
        ),
        (
            "taken back here with another text",
            "@1.status=off @1.title=a",
            "@1.title=b",
            "@1=no",
            "@1.title=b",
            "",
        ),
        ("an exclusion taken back here", "@1=no @2=no", "@2=no", "@1=no @2=no", "@2=no", ""),
    ];
    for (why, base, local, remote, merged, contested) in rows {
        let whole = |words: &str| event(&format!("{DAILY} {words}"));
        let contested = contested.replace("@1", &instance("@1").0.to_string());
        check(&Row {
            why,
            base: Some((whole(base), whole(base))),
            local: whole(local),
            remote: whole(remote),
            merged: whole(merged),
            contested: Box::leak(contested.into_boxed_str()),
        });
    }
}

/// REC-17: moving a series renames its instances, so that no mixture of both sides means anything.
#[test]
fn rec_17_a_moved_series_meets_instances_whole() {
    const DAILY: &str = "rule=FREQ=DAILY";
    let rows = [
        (
            "moved here, untouched there",
            "@1=no @2=no",
            "start=10 @1+1=no @2+1=no",
            "@1=no @2=no",
            "start=10 @1+1=no @2+1=no",
            "",
        ),
        (
            "moved here, title there",
            "@1=no",
            "start=10 @1+1=no",
            "title=b @1=no",
            "start=10 title=b @1+1=no",
            "",
        ),
        (
            "moved there, place here",
            "@1=no",
            "place=x @1=no",
            "start=10 @1+1=no",
            "start=10 place=x @1+1=no",
            "",
        ),
        (
            "moved here, an instance edited there",
            "@1=no @2.title=a",
            "start=10 @1+1=no @2+1.title=a",
            "@1=no @2.title=b",
            "@1=no @2.title=b",
            "time @1/override @1+1/override @2/override @2+1/override",
        ),
        (
            "moved there, an instance excluded here",
            "@1=no",
            "@1=no @2=no",
            "start=10 @1+1=no",
            "start=10 @1+1=no",
            "time @1/override @1+1/override @2/override",
        ),
        (
            "moved here with another title, an instance edited there with another place",
            "@2.title=a",
            "start=10 title=b @2+1.title=a",
            "place=x @2.title=c",
            "title=b place=x @2.title=c",
            "time @2/override @2+1/override",
        ),
        (
            "moved elsewhere on each side, an instance excluded there",
            "",
            "start=10",
            "start=11 @2+2=no",
            "start=11 @2+2=no",
            "time @2+2/override",
        ),
        (
            "moved elsewhere on each side, an instance excluded here",
            "",
            "start=10 @2+1=no",
            "start=11",
            "start=11",
            "time @2+1/override",
        ),
        (
            "moved elsewhere on each side, no instances",
            "",
            "start=10 title=b",
            "start=11",
            "start=11 title=b",
            "time",
        ),
        (
            "moved here, another rule there",
            "@1=no",
            "start=10 @1+1=no",
            "rule=FREQ=WEEKLY @1=no",
            "start=10 rule=FREQ=WEEKLY @1+1=no",
            "",
        ),
        (
            "moved to the same hour on both sides",
            "@1=no",
            "start=10 @1+1=no",
            "start=10 @1+1=no @2+1=no",
            "start=10 @1+1=no @2+1=no",
            "",
        ),
    ];
    for (why, base, local, remote, merged, contested) in rows {
        let whole = |words: &str| event(&format!("{DAILY} {words}"));
        let named = contested.split_whitespace().map(|field| match field.split_once('/') {
            Some((name, part)) => format!("{}/{part}", instance(name).0),
            None => field.to_owned(),
        });
        let contested = named.collect::<Vec<_>>().join(" ");
        check(&Row {
            why,
            base: Some((whole(base), whole(base))),
            local: whole(local),
            remote: whole(remote),
            merged: whole(merged),
            contested: Box::leak(contested.into_boxed_str()),
        });
    }
}

/// A master that came or went is decided whole, with its rules.
/// REC-17: one side spells out what the other leaves to the start, which is a Monday, the fifth of January. Moved by a day, both
/// repeat on the new one.
#[test]
fn rec_17_a_rule_goes_with_the_start_it_takes_its_day_from() {
    for (short, long) in [
        ("rule=FREQ=WEEKLY;COUNT=5", "rule=FREQ=WEEKLY;BYDAY=MO;COUNT=5"),
        ("rule=FREQ=MONTHLY;COUNT=5", "rule=FREQ=MONTHLY;BYMONTHDAY=5;COUNT=5"),
        ("rule=FREQ=YEARLY;COUNT=5", "rule=FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=5;COUNT=5"),
    ] {
        for (moved, other) in [(short, long), (long, short)] {
            let event = |rule: &str, words: &str| event(&format!("{rule} {words}"));
            let merged = event(moved, "start=33 title=b");
            let moved_here = Row {
                why: "moved here",
                base: Some((event(moved, ""), event(other, ""))),
                local: event(moved, "start=33"),
                remote: event(other, "title=b"),
                merged: merged.clone(),
                contested: "",
            };
            let moved_there = Row {
                why: "moved there",
                base: Some((event(other, ""), event(moved, ""))),
                local: event(other, "title=b"),
                remote: event(moved, "start=33"),
                merged,
                contested: "",
            };
            check(&moved_here);
            check(&moved_there);
        }
    }
}

#[test]
fn a_master_meets_everything_of_it_whole() {
    #[rustfmt::skip]
    let rows = [
        // what it shows                  base                               local                        remote                                      merged                                  contested
        ("gone here, edited there",       "title=a rule=FREQ=DAILY @1.title=x", "nomaster @1.title=x",    "title=b place=p rule=FREQ=DAILY @1.title=x", "title=b place=p rule=FREQ=DAILY @1.title=x", "master rules"),
        ("gone here, at rest there",      "title=a @1.title=x",              "nomaster @1.title=x",       "title=a @1.title=x",                       "nomaster @1.title=x",                  ""),
        ("gone here, an instance there",  "title=a @1.title=x",              "nomaster @1.title=x",       "title=a @1.title=y",                       "nomaster @1.title=y",                  ""),
        ("edited here, gone there",       "title=a @1.title=x",              "title=b @1.title=x",        "nomaster @1.title=x",                      "nomaster @1.title=x",                  "master"),
        ("came on both sides",            "nomaster @1.title=x",             "title=a @1.title=x",        "title=b @1.title=x",                       "title=b @1.title=x",                   "master"),
        ("gone on both sides, other rules here", "title=a rule=FREQ=DAILY @1.title=x", "nomaster rule=FREQ=WEEKLY @1.title=x", "nomaster rule=FREQ=DAILY @1.title=x", "nomaster rule=FREQ=WEEKLY @1.title=x", ""),
        ("gone on both sides, other rules on both", "title=a rule=FREQ=DAILY @1.title=x", "nomaster rule=FREQ=WEEKLY @1.title=x", "nomaster rule=FREQ=YEARLY @1.title=x", "nomaster rule=FREQ=YEARLY @1.title=x", "rules"),
        ("came on both sides alike",      "nomaster @1.title=x",             "title=a @1.title=x",        "title=a @1.title=x",                       "title=a @1.title=x",                   ""),
    ];
    check_all(&rows);
}

/// Of what only means something together, nothing is decided as long as anything of it is open.
#[test]
fn a_decision_about_half_a_moved_series_decides_nothing() {
    let base = event("rule=FREQ=DAILY title=a @1=no");
    let local = event("rule=FREQ=DAILY title=b start=10 @1+1=no");
    let remote = event("rule=FREQ=DAILY title=c @1=no @2=no");
    let bases = Some(Bases { local: &base, remote: &base });
    let half = merge(Sides { bases, local: &local, remote: &remote }, |field| match field.part {
        Part::Override => Choice::Open,
        _ => Choice::Local,
    });
    let open: Vec<_> = half.contested.iter().filter(|c| c.choice == Choice::Open).collect();
    assert_eq!(open.len(), 4, "the start and three instances");
    assert_eq!(
        half.to_remote,
        BTreeSet::from([Field::of(Part::Title)]),
        "the title is nobody else's business"
    );
    assert!(half.to_local.is_empty());
}

/// REC-17: a start of one side and an instance of the other: the instance has the name that it has from that start.
#[test]
fn rec_17_instances_of_one_side_are_named_by_the_start_of_the_other() {
    const DAILY: &str = "rule=FREQ=DAILY";
    #[rustfmt::skip]
    let rows = [
        // what it shows, base, local, remote, what is taken from the remote side ("time" or an instance), both sides after it
        ("the instance of the side that did not move", "@1=no @2.title=a", "start=10 @1+1=no @2+1.title=a", "@1=no @2.title=b",
            "@2 @2+1", "start=10 @1+1=no @2+1.title=b"),
        ("both versions of one instance", "@2.title=a", "start=10 @2+1.title=a", "@2.title=b",
            "@2", "start=10 @2+1.title=a"),
        ("neither version", "@2.title=a", "start=10 @2+1.title=a", "@2.title=b",
            "@2+1", "start=10"),
        ("both moved, an instance of the side that lost", "@2.title=a", "start=10 @2+1.title=b", "start=11 @2+2.title=c",
            "time @2", "start=11 @2+2.title=b"),
        ("excluded by the side that lost", "", "start=10 @2+1=no", "start=11 @3+2=no",
            "time @3+2", "start=11 @2+2=no @3+2=no"),
        ("both versions, both moved", "@2.title=a", "start=10 @2+1.title=b", "start=11 @2+2.title=c",
            "time @2 @2+2", "start=11 @2+2.title=c"),
    ];
    for (why, base, local, remote, there, after) in rows {
        let whole = |words: &str| event(&format!("{DAILY} {words}"));
        let (base, local, remote, after) = (whole(base), whole(local), whole(remote), whole(after));
        let bases = Some(Bases { local: &base, remote: &base });
        let taken = |field: &Field| {
            let is = |name: &str| match field.instance {
                Some(id) => name.starts_with('@') && instance(name).0 == id,
                None => name == field.to_string(),
            };
            if there.split_whitespace().any(is) { Choice::Remote } else { Choice::Local }
        };
        let merged = merge(Sides { bases, local: &local, remote: &remote }, taken);
        assert!(
            merged.contested.iter().all(|c| c.choice == taken(&c.field)),
            "{why}: {:?}",
            merged.contested
        );
        for side in [merged.apply_to_local(&local, &remote), merged.apply_to_remote(&local, &remote)] {
            // What an instance holds is whole, with its own time: only its name is new.
            assert_eq!(titles(&side), titles(&after), "{why}");
            assert_eq!(side.body().map(|body| &body.time), after.body().map(|body| &body.time), "{why}");
        }
    }
}

/// The names of the instances, with their titles.
fn titles(event: &Event) -> Vec<(RecurrenceId, Option<String>)> {
    let title = |value: &Override| match value {
        Override::Changed { body, .. } => body.title.clone(),
        Override::Excluded | Override::Added { .. } => None,
    };
    event.overrides.iter().map(|(id, value)| (*id, title(value))).collect()
}

/// The rules of a master that came or went go where it goes.
#[test]
fn the_rules_of_a_master_go_with_it() {
    let base = event("title=a rule=FREQ=DAILY @1.title=x");
    let local = event("nomaster @1.title=x");
    let remote = event("title=b rule=FREQ=DAILY @1.title=x");
    let bases = Some(Bases { local: &base, remote: &base });
    let merged = merge(Sides { bases, local: &local, remote: &remote }, |field| match field.part {
        Part::Rules => Choice::Local,
        _ => Choice::Remote,
    });
    let after = merged.apply_to_local(&local, &remote);
    assert_eq!(json(&after), json(&merged.apply_to_remote(&local, &remote)));
    assert_eq!(json(&after), json(&remote));
}

#[test]
fn without_a_base_only_different_values_are_contested() {
    #[rustfmt::skip]
    let rows = [
        // what it shows             local             remote                 merged                     contested
        ("the same event",           "title=a",        "title=a",             "title=a",                 ""),
        ("a value on one side only", "title=a text=t", "title=a place=x",     "title=a text=t place=x",  ""),
        ("two values",               "title=a",        "title=b",             "title=b",                 "title"),
        ("tags of both",             "tag=a",          "tag=b",               "tag=a tag=b",             ""),
        ("people of both",           "who=anna",       "who=ben",             "who=anna who=ben",        ""),
        ("two answers of one",       "who=anna:yes",   "who=anna",            "who=anna",                "participant"),
        ("two times",                "start=9",        "start=10",            "start=10",                "time"),
        ("a rule on one side only",  "rule=FREQ=DAILY", "",                   "rule=FREQ=DAILY",         ""),
        ("an exclusion on one side", "rule=FREQ=DAILY @1=no", "rule=FREQ=DAILY", "rule=FREQ=DAILY @1=no", ""),
    ];
    for (why, local, remote, merged, contested) in rows {
        check(&Row {
            why,
            base: None,
            local: event(local),
            remote: event(remote),
            merged: event(merged),
            contested,
        });
    }
}

/// LOOP-02: a provider that stores its own spelling has a base of its own, and the spelling is no edit of either side.
#[test]
fn loop_02_each_side_is_compared_with_its_own_base() {
    #[rustfmt::skip]
    let rows = [
        // what it shows        local base  remote base  local       remote      local after  remote after
        ("at rest",             "text=a",   "text=A",    "text=a",   "text=A",   "text=a",    "text=A"),
        ("edited here",         "text=a",   "text=A",    "text=b",   "text=A",   "text=b",    "text=b"),
        ("edited there",        "text=a",   "text=A",    "text=a",   "text=C",   "text=C",    "text=C"),
        ("other field here",    "text=a",   "text=A",    "text=a title=t", "text=A", "text=a title=t", "text=A title=t"),
        ("dropped by provider", "geo=1;2",  "",          "geo=1;2",  "title=t",  "geo=1;2 title=t", "title=t"),
    ];
    for (why, base_local, base_remote, local, remote, here, there) in rows {
        let (base_local, base_remote) = (event(base_local), event(base_remote));
        let (local, remote) = (event(local), event(remote));
        let bases = Some(Bases { local: &base_local, remote: &base_remote });
        let result = merge(Sides { bases, local: &local, remote: &remote }, |_| Choice::Remote);
        assert!(result.contested.is_empty(), "{why}");
        assert_eq!(json(&result.apply_to_local(&local, &remote)), json(&event(here)), "{why}: here");
        assert_eq!(json(&result.apply_to_remote(&local, &remote)), json(&event(there)), "{why}: there");
    }
}
