//! Who is invited: nobody by a first run, and nobody to what is over, whatever the link says.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    context::Clock as _,
    engine::{Link, SyncOptions},
    model::{Event, EventTime, Participant, ParticipationStatus, Person, Role, Status, TimeSpan},
    provider::{ErrorKind, PeoplePolicy},
    recurrence::RuleEntry,
    store::{MatchAnswer, MemoryStore},
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::TimeDelta;

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    fn new() -> Self {
        let link = Link::new("home", "family", "memory");
        Self {
            world: World::new(Arc::new(MemoryStore::default()), 9),
            remote: MemoryRemote::default(),
            link: link.with_people(PeoplePolicy::Write),
        }
    }

    async fn sync(&self) {
        self.world.clock.advance(TimeDelta::seconds(30));
        let done = self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await;
        done.expect("the run goes through");
    }

    /// An event some days from now.
    fn event(&self, uid: &str, days: i64) -> Event {
        let mut event = event(uid, "x");
        let start = self.world.clock.now() + TimeDelta::days(days);
        let end = EventTime::Utc(start + TimeDelta::hours(1));
        body(&mut event).time = TimeSpan { start: EventTime::Utc(start), end };
        event
    }
}

/// MAIL-01, MAIL-02: what was there before the link invites nobody, on neither side of a two-way link, nor does it later.
#[tokio::test]
async fn mail_02_a_first_run_writes_no_people() {
    let lab = Lab::new();
    for n in 0..5 {
        lab.world.add(lab.event(&format!("here{n}"), n - 2)).await;
    }
    // The same event on both sides, with other guests.
    lab.world.add(lab.event("both", 3)).await;
    lab.remote.put("both", &lab.event("both", 3));
    for _ in 0..3 {
        lab.sync().await;
    }
    assert_eq!(lab.remote.items().len(), 6);
    assert_eq!(lab.remote.renders_with_people(), 0);
    // What is made from now on does.
    lab.world.add(lab.event("new", 3)).await;
    lab.sync().await;
    assert_eq!((lab.remote.items().len(), lab.remote.renders_with_people()), (7, 1));
}

/// MAIL-02: what the provider refused of a first run is offered again a day later as it was decided, and invites nobody either.
#[tokio::test]
async fn mail_02_what_was_refused_of_a_first_run_invites_nobody_later() {
    let lab = Lab::new();
    lab.world.add(lab.event("refused", 30)).await;
    lab.remote.fail("create", RemoteFault::Before(ErrorKind::Forbidden));
    lab.sync().await;
    assert_eq!(lab.remote.items().len(), 0);
    lab.world.clock.advance(TimeDelta::hours(25));
    for _ in 0..2 {
        lab.sync().await;
    }
    assert_eq!((lab.remote.items().len(), lab.remote.renders_with_people()), (1, 0));
}

fn with_guest(mut event: Event, address: &str, answer: ParticipationStatus) -> Event {
    let person = Person { address: address.to_owned(), name: None };
    let (role, expect_reply) = (Role::default(), false);
    body(&mut event).participants.retain(|known| known.person != person);
    body(&mut event).participants.push(Participant { person, status: answer, role, expect_reply });
    event
}

/// MAIL-02: what a guest answers later does not invite the guest to an item that was made without any.
#[tokio::test]
async fn mail_02_an_answer_after_the_first_run_invites_nobody() {
    let mut lab = Lab::new();
    // As the providers leave people out that are withheld.
    lab.remote = std::mem::take(&mut lab.remote).holding(|event| {
        let mut event = event.clone();
        body(&mut event).participants.clear();
        event
    });
    let invited = with_guest(lab.event("met", 3), "bob@example.com", ParticipationStatus::NeedsAction);
    lab.world.add(invited).await;
    lab.sync().await;
    let answer = |event: &mut Event| {
        *event = with_guest(event.clone(), "bob@example.com", ParticipationStatus::Accepted);
    };
    lab.world.edit("met", answer).await;
    for _ in 0..2 {
        lab.sync().await;
    }
    assert_eq!(lab.remote.renders_with_people(), 0);
    // Who is added by somebody is.
    let added = |event: &mut Event| {
        *event = with_guest(event.clone(), "eve@example.com", ParticipationStatus::NeedsAction);
    };
    lab.world.edit("met", added).await;
    lab.sync().await;
    assert_eq!(lab.remote.renders_with_people(), 1);
}

/// MAIL-02: what was cancelled before anybody was invited invites nobody, nor does what takes the place of a creation that was lost.
#[tokio::test]
async fn mail_02_nobody_is_invited_to_what_was_cancelled() {
    for sent_before in [false, true] {
        let lab = Lab::new();
        lab.sync().await;
        let cancel = |event: &mut Event| body(event).status = Some(Status::Cancelled);
        let mut meeting =
            with_guest(lab.event("off", 3), "bob@example.com", ParticipationStatus::NeedsAction);
        if !sent_before {
            cancel(&mut meeting);
        }
        lab.world.add(meeting).await;
        if sent_before {
            lab.remote.fail("create", RemoteFault::Lost);
            let _ = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
            lab.world.edit("off", cancel).await;
        }
        lab.world.clock.advance(TimeDelta::hours(1));
        let before = lab.remote.renders_with_people();
        lab.sync().await;
        assert_eq!(
            (lab.remote.items().len(), lab.remote.renders_with_people()),
            (1, before),
            "{sent_before}"
        );
        let made = lab.remote.items().into_values().next().expect("one");
        assert_eq!(made.body().and_then(|body| body.status), Some(Status::Cancelled), "{sent_before}");
    }
}

/// MAIL-02: what comes in late and is over invites nobody. What still takes place does.
#[tokio::test]
async fn mail_02_nobody_is_invited_to_what_is_over() {
    for (days, rule, invites) in [
        (-3, None, 0),
        (3, None, 1),
        (-30, Some("FREQ=DAILY;COUNT=5"), 0),
        (-30, Some("FREQ=DAILY;COUNT=50"), 1),
        (-30, Some("FREQ=DAILY"), 1),
        (-30, Some("FREQ=YEARLY;COUNT=2"), 1),
    ] {
        let lab = Lab::new();
        lab.sync().await;
        let mut event = lab.event("new", days);
        event.rules.extend(rule.map(RuleEntry::read));
        lab.world.add(event).await;
        lab.sync().await;
        assert_eq!(lab.remote.items().len(), 1);
        assert_eq!(lab.remote.renders_with_people(), invites, "{days} {rule:?}");
    }
}

/// MAIL-02: what a person was asked about was there before the link as well. Made there because it is none of the items there,
/// or because that item is gone, it invites nobody; what is made later does.
#[tokio::test]
async fn mail_02_what_a_question_was_about_invites_nobody() {
    for (answer, made) in [("none of these", 2), ("one of these", 1), ("gone", 2)] {
        let lab = Lab::new();
        let guests = |event| with_guest(event, "bob@example.com", ParticipationStatus::NeedsAction);
        // Two that may be the one there.
        for uid in ["a", "b"] {
            lab.world.add(guests(lab.event(uid, 3))).await;
        }
        lab.remote.put("r1", &guests(lab.event("theirs", 3)));
        lab.sync().await;
        let open = lab.world.engine.open_matches(&lab.link.id).await.expect("the store answers");
        assert_eq!(open.len(), 1, "{answer}");
        // The link has been at work for a while by then.
        lab.sync().await;
        let first = lab.world.local("a").await.id;
        let said = match answer {
            "none of these" => Some(MatchAnswer::KeepBoth),
            "gone" => None,
            _ => Some(MatchAnswer::Join(first)),
        };
        match said {
            Some(said) => {
                let done = lab.world.engine.answer(&lab.link, &open[0].remote_id, said).await;
                done.expect("it is asked");
            }
            None => lab.remote.remove("r1"),
        }
        let before = lab.remote.items().len();
        for _ in 0..3 {
            lab.sync().await;
        }
        assert_eq!(lab.remote.items().len(), before + made, "{answer}");
        assert_eq!(lab.remote.renders_with_people(), 0, "{answer}");
        lab.world.add(guests(lab.event("new", 3))).await;
        lab.sync().await;
        assert_eq!(lab.remote.renders_with_people(), 1, "{answer}");
    }
}
