//! Events with guests, a conference and attachments at Google: what stays as it is when something else is edited, and who is
//! told of what, once.

#![cfg(feature = "google")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod google_support;

use std::sync::Arc;

use calsync_core::{
    engine::{Link, SyncOptions},
    model::{
        Event, EventBody, EventTime, Override, OverrideScope, Participant, ParticipationStatus, Person,
        RecurrenceId, Role, RuleEntry, TimeSpan,
    },
    provider::PeoplePolicy,
    recurrence::ExpansionLimits,
    store::MemoryStore,
    zone::Zone,
};
use calsync_providers::google::GoogleProvider;
use calsync_testkit::{
    dav::{Fault, RecordedRequest},
    google::{GoogleQuirks, GoogleServer},
    world::{World, body},
};
use chrono::{NaiveDate, TimeDelta};
use google_support::{config, primary, start, with};
use serde_json::{Value, json};

fn berlin(day: u32, hour: u32) -> EventTime {
    let local = NaiveDate::from_ymd_opt(2026, 3, day).unwrap().and_hms_opt(hour, 0, 0).unwrap();
    EventTime::zoned(local, Zone::from_iana("Europe/Berlin").unwrap())
}

fn key(day: u32) -> RecurrenceId {
    RecurrenceId::of(&berlin(day, 9))
}

/// Daily at nine from the second of March, ten times, with everything that is easily lost.
fn rich(id: &str) -> Value {
    json!({
        "id": id, "iCalUID": format!("{id}@google.com"), "summary": "daily", "recurrence": ["RRULE:FREQ=DAILY;COUNT=10"],
        "start": {"dateTime": "2026-03-02T09:00:00+01:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": "Europe/Berlin"},
        "attendees": [{"email": "ben@example.com", "responseStatus": "accepted", "comment": "late", "brandNew": 1}],
        "conferenceData": {"conferenceId": "abc", "entryPoints": [{"entryPointType": "video", "uri": "https://meet.google.com/abc"}]},
        "attachments": [{"fileUrl": "https://drive.google.com/x", "title": "plan"}],
        "guestsCanModify": true, "brandNew": {"a": [1, null]},
    })
}

const KEPT: [&str; 5] = ["attendees", "conferenceData", "attachments", "guestsCanModify", "brandNew"];

struct Lab {
    server: GoogleServer,
    world: World,
    provider: GoogleProvider,
    link: Link,
}

impl Lab {
    fn new(people: PeoplePolicy) -> Self {
        let server = start(GoogleQuirks::default());
        let world = World::new(Arc::new(MemoryStore::default()), 7);
        let provider = with(config(&server)).with_clock(world.clock.clone());
        let link = Link::new("google", world.calendar.as_str(), primary()).with_people(people);
        Self { server, world, provider, link }
    }

    /// Some runs, each after what has to be waited for; the last has nothing to do.
    async fn settles(&self, case: &str) {
        for _ in 0..4 {
            self.world.clock.advance(TimeDelta::hours(1));
            let _ = self.world.engine.sync(&self.link, &self.provider, &SyncOptions::default()).await;
        }
        self.world.clock.advance(TimeDelta::hours(1));
        let report =
            self.world.engine.sync(&self.link, &self.provider, &SyncOptions::default()).await.unwrap();
        assert!(report.plan.operations.is_empty(), "{case}: {:?}", report.plan.operations);
    }

    fn writes(&self) -> Vec<RecordedRequest> {
        self.server.requests().into_iter().filter(|request| request.method != "GET").collect()
    }

    fn event(&self, id: &str) -> Value {
        self.server.event("primary", id).unwrap()
    }

    fn has_everything(&self, id: &str) {
        let (event, whole) = (self.event(id), rich("x"));
        for member in KEPT {
            assert_eq!(event[member], whole[member], "{id} {member}");
        }
    }
}

/// FLD-03: an instance of a series is edited here: its title, its time, its place. What Google has beside that is the same in
/// it as in the series, and the series itself is not written.
#[tokio::test]
async fn fld_03_an_instance_that_is_edited_keeps_its_guests_its_conference_and_what_nobody_knows() {
    for people in [PeoplePolicy::Withhold, PeoplePolicy::Write] {
        let lab = Lab::new(people);
        lab.server.put("primary", rich("abcde"));
        lab.settles("whole").await;
        let master = lab.event("abcde");
        lab.server.clear_requests();
        lab.world
            .edit("abcde@google.com", |event| {
                let whole = event.master.clone().unwrap();
                let time = TimeSpan { start: berlin(4, 15), end: berlin(4, 16) };
                let moved = EventBody { title: Some("moved".into()), time, ..whole };
                event
                    .overrides
                    .insert(key(4), Override::Changed { body: Box::new(moved), scope: OverrideScope::This });
            })
            .await;
        lab.settles("moved").await;
        let instance = "abcde_20260304T080000Z";
        assert_eq!(lab.event(instance)["summary"], "moved");
        lab.has_everything(instance);
        // An exception that is there already, edited again.
        lab.world
            .edit("abcde@google.com", |event| {
                let Some(Override::Changed { body, .. }) = event.overrides.get_mut(&key(4)) else { panic!() };
                body.location = Some("here".into());
            })
            .await;
        lab.settles("placed").await;
        assert_eq!(lab.event(instance)["location"], "here");
        lab.has_everything(instance);
        assert_eq!(lab.event("abcde"), master);
        let sent: Vec<(String, Value)> = lab
            .writes()
            .into_iter()
            .map(|sent| (sent.method.clone(), serde_json::from_str(&sent.body_text()).unwrap()))
            .collect();
        assert_eq!(sent.len(), 2, "{sent:?}");
        for (method, body) in &sent {
            assert_eq!(method, "PATCH");
            assert!(KEPT.iter().all(|member| body.get(member).is_none()), "{body}");
        }
        assert_eq!(lab.server.mails(), 0);
    }
}

/// FLD-03: a series is cut, here and there. The half that stays keeps what it has, and so does the one Google makes, through
/// every edit of either; a half that is made here is a new event, which takes nobody's guests along on a link that
/// writes none.
#[tokio::test]
async fn fld_03_both_halves_of_a_series_keep_what_they_have() {
    // Cut here.
    let lab = Lab::new(PeoplePolicy::Withhold);
    lab.server.put("primary", rich("abcde"));
    lab.settles("whole").await;
    lab.server.clear_requests();
    let whole = lab.world.local("abcde@google.com").await.event;
    let (before, after) = whole.split_at(key(7), "second half", &ExpansionLimits::default()).unwrap();
    lab.world.edit("abcde@google.com", |event| *event = before).await;
    lab.world.add(after).await;
    lab.settles("cut here").await;
    lab.has_everything("abcde");
    let half = |events: &[Value]| -> Value {
        events.iter().find(|event| event["id"] != "abcde").expect("the second half").clone()
    };
    let events = lab.server.events("primary");
    assert_eq!(events.len(), 2);
    assert!(half(&events).get("attendees").is_none() && half(&events).get("conferenceData").is_none());
    for uid in ["abcde@google.com", "second half"] {
        lab.world.edit(uid, |event| body(event).location = Some("here".into())).await;
    }
    lab.settles("both edited").await;
    lab.has_everything("abcde");
    assert!(lab.server.events("primary").iter().all(|event| event["location"] == "here"));
    assert_eq!(lab.server.mails(), 0);
    // None of it was sent: not even to say it again.
    for sent in lab.writes() {
        assert!(KEPT.iter().all(|member| !sent.body_text().contains(member)), "{}", sent.body_text());
    }

    // Cut at Google.
    let lab = Lab::new(PeoplePolicy::Withhold);
    lab.server.put("primary", rich("abcde"));
    lab.settles("whole").await;
    let rest = "abcde_R20260307T080000";
    lab.server.edit("primary", "abcde", |event| {
        event.insert("recurrence".into(), json!(["RRULE:FREQ=DAILY;UNTIL=20260306T225959Z"]));
    });
    let mut second = rich(rest);
    second["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
    for time in ["start", "end"] {
        let text = second[time]["dateTime"].as_str().unwrap().replace("03-02", "03-07");
        second[time]["dateTime"] = text.into();
    }
    lab.server.put("primary", second);
    lab.settles("cut there").await;
    for uid in ["abcde@google.com".to_owned(), format!("{rest}@google.com")] {
        lab.world
            .edit(&uid, |event| {
                body(event).title = Some("edited".into());
                let first = RecurrenceId::of(&event.master.as_ref().unwrap().time.start);
                event.overrides.insert(first, Override::Excluded);
            })
            .await;
    }
    lab.settles("both edited").await;
    for id in ["abcde", rest] {
        lab.has_everything(id);
        assert_eq!(lab.event(id)["summary"], "edited");
    }
    assert_eq!(lab.server.mails(), 0);
}

fn guest(address: &str) -> Participant {
    Participant {
        person: Person { address: address.to_owned(), name: None },
        status: ParticipationStatus::NeedsAction,
        role: Role::Required,
        expect_reply: false,
    }
}

fn single(uid: &str, title: &str) -> Event {
    let body = EventBody::new(TimeSpan { start: berlin(2, 9), end: berlin(2, 10) });
    Event::single(uid, EventBody { title: Some(title.to_owned()), ..body })
}

/// MAIL-11: whatever is sent that mails people, and whichever answer is lost on the way, each of them is mailed once.
#[tokio::test]
async fn mail_11_a_write_whose_answer_is_lost_mails_once() {
    for is_series in [false, true] {
        // 0: none is lost.
        for nth in 0..=4 {
            for step in ["create", "invite", "cancel"] {
                let case = format!("series: {is_series}, {step}, answer {nth} lost");
                let lab = Lab::new(PeoplePolicy::Write);
                // The first run writes no people.
                lab.settles("empty").await;
                let lose = |now: &str| {
                    if nth > 0 && now == step {
                        lab.server.inject(Fault::drop_after().nth(nth));
                    }
                };
                let mut event = single("met", "met");
                if is_series {
                    event.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=5"));
                }
                body(&mut event).participants.push(guest("ben@example.com"));
                lab.world.add(event).await;
                lose("create");
                lab.settles(&case).await;
                lab.server.clear_faults();
                assert_eq!(lab.server.mails(), 1, "{case}: created");
                // Of two guests each is told of the other.
                lab.world.edit("met", |event| body(event).participants.push(guest("eve@example.com"))).await;
                lose("invite");
                lab.settles(&case).await;
                lab.server.clear_faults();
                assert_eq!(lab.server.mails(), 3, "{case}: invited");
                lab.world.delete("met").await;
                lose("cancel");
                lab.settles(&case).await;
                assert_eq!(lab.server.mails(), 5, "{case}: cancelled");
                assert!(lab.server.events("primary").is_empty(), "{case}");
            }
        }
    }
}

/// MAIL-02: what an earlier run was to send with people is sent without any, once the link writes none, or what is to be made is
/// over. It is made and changed all the same, once, and here its guests stay. Where only one run writes none, it waits for the next.
#[tokio::test]
async fn mail_02_what_waits_mails_nobody_who_is_not_to_be_mailed_by_then() {
    for step in ["create", "update"] {
        // Nothing came of it, and the answer says so, does not come, or says that it never will.
        for fault in [Fault::status(503), Fault::drop_before(), Fault::status(403)] {
            for why in ["nothing changed", "the link", "the run", "it is over"] {
                for edited in [false, true] {
                    let case = format!("{step}, {:?}, {why}, edited: {edited}", fault.clone());
                    let mut lab = Lab::new(PeoplePolicy::Write);
                    lab.settles("empty").await;
                    let mut event = single("met", "met");
                    let invited = |event: &mut Event| body(event).participants.push(guest("ben@example.com"));
                    if step == "create" {
                        invited(&mut event);
                    }
                    lab.world.add(event).await;
                    if step == "update" {
                        lab.settles("made").await;
                        let changed = |event: &mut Event| {
                            body(event).title = Some("changed".to_owned());
                            invited(event);
                        };
                        lab.world.edit("met", changed).await;
                    }
                    for method in ["POST", "PATCH", "PUT"] {
                        lab.server.inject(fault.clone().on_method(method).always());
                    }
                    lab.world.clock.advance(TimeDelta::hours(1));
                    let _ = lab.world.engine.sync(&lab.link, &lab.provider, &SyncOptions::default()).await;
                    lab.server.clear_faults();
                    assert_eq!(lab.server.mails(), 0, "{case}: it is not there yet");
                    if edited {
                        lab.world.edit("met", |event| body(event).title = Some("changed".to_owned())).await;
                    }
                    lab.world.clock.advance(TimeDelta::hours(25));
                    let mut options = SyncOptions::default();
                    match why {
                        "the link" => lab.link = lab.link.with_people(PeoplePolicy::Withhold),
                        "the run" => options = options.withholding_people(),
                        "it is over" => lab.world.clock.advance(TimeDelta::days(200)),
                        _ => {}
                    }
                    for _ in 0..2 {
                        lab.world.clock.advance(TimeDelta::minutes(1));
                        lab.world.engine.sync(&lab.link, &lab.provider, &options).await.unwrap();
                    }
                    if why == "the run" {
                        assert_eq!(lab.server.mails(), 0, "{case}");
                    }
                    lab.settles(&case).await;
                    // To what is there already a guest is invited also when it is over.
                    let mails = match (step, why) {
                        (_, "nothing changed") | ("update", "it is over") => true,
                        // What was refused is decided anew with the edit, by the run that writes none.
                        ("create", "the run") => !(edited && fault == Fault::status(403)),
                        (_, "the run") => true,
                        _ => false,
                    };
                    assert_eq!(lab.server.mails(), usize::from(mails), "{case}");
                    let there = lab.server.events("primary");
                    assert_eq!(there.len(), 1, "{case}: {there:?}");
                    let title = if edited || step == "update" { "changed" } else { "met" };
                    assert_eq!(there[0]["summary"], title, "{case}");
                    assert_eq!(there[0].get("attendees").is_some(), mails, "{case}");
                    let here = lab.world.locals().await;
                    assert_eq!(here.len(), 1, "{case}");
                    assert_eq!(here[0].event.body().unwrap().participants.len(), 1, "{case}");
                }
            }
        }
    }
}

/// MAIL-11: who is invited to one instance of a series hears of that one, once; a link that writes no people invites nobody.
#[tokio::test]
async fn mail_11_a_guest_of_one_instance_is_told_of_that_one() {
    for nth in 0..=4 {
        for people in [PeoplePolicy::Withhold, PeoplePolicy::Write] {
            let case = format!("{people:?}, answer {nth} lost");
            let lab = Lab::new(people);
            lab.settles("empty").await;
            let mut event = single("series", "series");
            event.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=5"));
            lab.world.add(event).await;
            lab.settles("created").await;
            lab.server.clear_requests();
            lab.world
                .edit("series", |event| {
                    let time = TimeSpan { start: berlin(4, 9), end: berlin(4, 10) };
                    let mut met = EventBody { time, ..event.master.clone().unwrap() };
                    met.participants.push(guest("ben@example.com"));
                    event.overrides.insert(
                        key(4),
                        Override::Changed { body: Box::new(met), scope: OverrideScope::This },
                    );
                })
                .await;
            if nth > 0 {
                lab.server.inject(Fault::drop_after().nth(nth));
            }
            lab.settles(&case).await;
            let told: Vec<bool> =
                lab.writes().iter().map(|sent| sent.path.contains("sendUpdates=all")).collect();
            let invites = people == PeoplePolicy::Write;
            assert_eq!(lab.server.mails(), usize::from(invites), "{case}");
            assert_eq!(told, vec![true; usize::from(invites)], "{case}");
            let master =
                lab.server.events("primary").into_iter().find(|event| event.get("recurrence").is_some());
            assert!(master.unwrap().get("attendees").is_none(), "{case}");
        }
    }
}

/// MAIL-11: guests whose addresses are cloaked are told of nothing, also when the last one is no longer asked: the mail would come
/// back to the owner of the calendar.
#[tokio::test]
async fn mail_11_a_cloaked_guest_is_told_of_nothing() {
    let lab = Lab::new(PeoplePolicy::Write);
    lab.settles("empty").await;
    let guests = |event: &mut Event, addresses: &[&str]| {
        event.master.as_mut().unwrap().participants =
            addresses.iter().map(|address| guest(address)).collect();
    };
    let mut event = single("met", "met");
    guests(&mut event, &["ben_example.com@localhost"]);
    lab.world.add(event).await;
    lab.settles("created").await;
    for addresses in [&["ben_example.com@localhost", "ann_example.com@localhost"][..], &[]] {
        lab.world.edit("met", |event| guests(event, addresses)).await;
        lab.settles("edited").await;
        let held = lab.server.events("primary");
        let there = held[0].get("attendees").and_then(|all| all.as_array()).map_or(0, Vec::len);
        assert_eq!(there, addresses.len());
    }
    assert_eq!(lab.server.mails(), 0);
    assert!(lab.writes().iter().all(|sent| !sent.path.contains("sendUpdates=all")));
}

/// A series whose instances have guests of their own is called off by one deletion of the whole, which tells them on a link that
/// writes people, and nobody on one that does not.
#[tokio::test]
async fn mail_a_series_is_cancelled_with_a_word_to_its_guests_where_the_link_writes_people() {
    for people in [PeoplePolicy::Withhold, PeoplePolicy::Write] {
        let lab = Lab::new(people);
        lab.server.put("primary", rich("abcde"));
        lab.server.edit("primary", "abcde_20260304T080000Z", |event| {
            event.insert("summary".into(), "another".into());
        });
        lab.settles("there").await;
        lab.server.clear_requests();
        lab.world.delete("abcde@google.com").await;
        lab.settles("cancelled").await;
        assert!(lab.server.events("primary").is_empty());
        let told = people == PeoplePolicy::Write;
        let writes = lab.writes();
        assert_eq!(writes.len(), 1);
        let who = if told { "sendUpdates=all" } else { "sendUpdates=none" };
        assert!(
            writes[0].method == "DELETE" && writes[0].path.contains(who),
            "{people:?}: {}",
            writes[0].path
        );
        assert_eq!(lab.server.mails(), usize::from(told), "{people:?}");
    }
}
