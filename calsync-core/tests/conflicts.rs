//! Open conflicts from run to run: kept, answered field by field, settled, and told about.
#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use calsync_core::{
    context::Clock,
    diff::{Field, Part},
    engine::{Answer, EngineError, Link, Moment, SyncOptions, SyncReport, What, conflicts_csv},
    ical::{WriteOptions, write_new},
    merge::{Choice, ConflictPolicy, ContestedEvent, DeletionPolicy, Resolution, ResolverError},
    model::{
        Descent, Event, EventBody, Override, OverrideScope, Participant, ParticipationStatus, Person,
        RecurrenceId, RemoteId, Role,
    },
    provider::PeoplePolicy,
    recurrence::RuleEntry,
    store::{AnswerState, ConflictRecord, ConflictState, MemoryStore, SettledBy, Take},
};
use calsync_testkit::{
    events::shift,
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

type Texts<'a> = (&'a str, &'a str);

impl Lab {
    fn new(policy: ConflictPolicy) -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 1);
        let link = Link::new("home", "family", "memory").with_conflicts(policy);
        Self { world, remote: MemoryRemote::default(), link }
    }

    /// Title and place are contested: (lunch, kitchen) became (here, hall) and (there, garden).
    async fn contested(policy: ConflictPolicy) -> Self {
        let lab = Self::new(policy);
        lab.remote_is(("lunch", "kitchen"));
        lab.sync().await;
        lab.local_is(("here", "hall")).await;
        lab.remote_is(("there", "garden"));
        lab.sync().await;
        lab
    }

    async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        let report = self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await;
        report.expect("the run goes through")
    }

    /// Nothing is left to do.
    async fn quiet(&self) {
        let writes = self.remote.writes();
        let report = self.sync().await;
        assert!(report.plan.operations.is_empty(), "{:?}", report.plan.operations);
        assert_eq!(self.remote.writes(), writes);
    }

    fn item(&self) -> Event {
        self.remote.get(&RemoteId::from("r1")).expect("there")
    }

    fn remote_edit(&self, change: impl FnOnce(&mut EventBody)) {
        let mut item = self.item();
        change(body(&mut item));
        self.remote.put("r1", &item);
    }

    fn remote_is(&self, (title, place): Texts<'_>) {
        let mut item = event("u1", title);
        body(&mut item).location = Some(place.to_owned());
        self.remote.put("r1", &item);
    }

    async fn local_edit(&self, change: impl FnOnce(&mut EventBody)) {
        self.world.edit("u1", |event| change(body(event))).await;
    }

    async fn local_is(&self, (title, place): Texts<'_>) {
        self.local_edit(|body| {
            body.title = Some(title.to_owned());
            body.location = Some(place.to_owned());
        })
        .await;
    }

    /// Title and place of both sides.
    async fn sides(&self) -> [(String, String); 2] {
        [self.world.local("u1").await.event, self.item()].map(|event| {
            let body = event.body().expect("content").clone();
            (body.title.unwrap_or_default(), body.location.unwrap_or_default())
        })
    }

    async fn are(&self, local: Texts<'_>, remote: Texts<'_>, when: &str) {
        let sides = self.sides().await;
        let sides = sides.each_ref().map(|(title, place)| (title.as_str(), place.as_str()));
        assert_eq!(sides, [local, remote], "{when}");
    }

    async fn conflicts(&self) -> Vec<ConflictRecord> {
        self.world.hub.conflicts(&self.link.id).await.expect("the store answers")
    }

    /// The only conflict.
    async fn conflict(&self) -> ConflictRecord {
        let mut all = self.conflicts().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    async fn answer(&self, answer: Answer) -> Result<ConflictRecord, EngineError> {
        let id = self.conflict().await.id;
        self.world.hub.answer(&self.link.id, &id, answer).await
    }
}

fn title() -> Field {
    Field::of(Part::Title)
}

fn place() -> Field {
    Field::of(Part::Location)
}

/// Field and outcome, in order.
fn outcomes(record: &ConflictRecord) -> Vec<(String, &str)> {
    record.fields.iter().map(|field| (field.field.to_string(), field.outcome.as_str())).collect()
}

type Outcomes = [(&'static str, &'static str); 2];

const BOTH_OPEN: Outcomes = [("title", "open"), ("location", "open")];

fn is(record: &ConflictRecord, expected: [(&str, &str); 2]) {
    let found = outcomes(record);
    let found: Vec<_> = found.iter().map(|(field, outcome)| (field.as_str(), *outcome)).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_open_conflict_holds_both_whole_versions_and_nobody_wins() {
    let lab = Lab::contested(ConflictPolicy::Manual).await;
    lab.are(("here", "hall"), ("there", "garden"), "found").await;
    let record = lab.conflict().await;
    is(&record, BOTH_OPEN);
    assert_eq!(record.state, ConflictState::Open);
    let title = |event: &Option<Box<Event>>| event.as_deref().and_then(|e| e.body()?.title.clone());
    assert_eq!(
        (title(&record.local).as_deref(), title(&record.remote).as_deref()),
        (Some("here"), Some("there"))
    );
    lab.quiet().await;
}

/// A write of another field that is confirmed meanwhile does not decide the open one: whichever side edits it next, it
/// stays open.
#[tokio::test]
async fn a_confirmed_write_leaves_open_fields_open() {
    for side in ["local", "remote"] {
        let lab = Lab::contested(ConflictPolicy::Manual).await;
        lab.local_edit(|body| body.description = Some("bring cake".to_owned())).await;
        let report = lab.sync().await;
        assert_eq!(report.counts.pushed, 1);
        assert_eq!(lab.item().body().and_then(|body| body.description.as_deref()), Some("bring cake"));
        lab.are(("here", "hall"), ("there", "garden"), "after the write").await;
        if side == "local" {
            lab.local_edit(|body| body.title = Some("new".to_owned())).await;
            lab.sync().await;
            lab.are(("new", "hall"), ("there", "garden"), "edited here").await;
        } else {
            lab.remote_edit(|body| body.title = Some("new".to_owned()));
            lab.sync().await;
            lab.are(("here", "hall"), ("new", "garden"), "edited there").await;
        }
        lab.quiet().await;
        is(&lab.conflict().await, BOTH_OPEN);
    }
}

/// However often a pair with an open conflict is looked at, it is one record, with the values of now.
#[tokio::test]
async fn an_open_conflict_is_recorded_once() {
    let lab = Lab::contested(ConflictPolicy::Manual).await;
    let first = lab.conflict().await;
    for n in 0..3 {
        lab.local_edit(|body| body.description = Some(format!("{n}"))).await;
        lab.sync().await;
        lab.remote_edit(|body| body.url = Some(format!("https://example.org/{n}")));
        lab.sync().await;
    }
    assert_eq!(lab.conflict().await.id, first.id);
    lab.remote_edit(|body| body.title = Some("third".to_owned()));
    lab.sync().await;
    lab.local_edit(|body| body.location = Some("attic".to_owned())).await;
    lab.sync().await;
    let record = lab.conflict().await;
    assert_eq!((record.id.clone(), record.at), (first.id, first.at));
    let values: Vec<_> =
        record.fields.iter().map(|f| [&f.base, &f.local, &f.remote].map(|v| v.as_str())).collect();
    assert_eq!(
        values,
        [[Some("lunch"), Some("here"), Some("third")], [Some("kitchen"), Some("attic"), Some("garden")],]
    );
    is(&record, BOTH_OPEN);
}

/// A field that comes to be contested while others wait is a conflict of its own.
#[tokio::test]
async fn a_new_question_is_a_new_record() {
    let lab = Lab::contested(ConflictPolicy::Manual).await;
    lab.local_edit(|body| body.color = Some("red".to_owned())).await;
    lab.remote_edit(|body| body.color = Some("blue".to_owned()));
    lab.sync().await;
    let all = lab.conflicts().await;
    assert_eq!(all.len(), 2);
    is(&all[0], BOTH_OPEN);
    assert_eq!(outcomes(&all[1]), [("color".to_owned(), "open")]);
}

#[tokio::test]
async fn a_conflict_ends_when_both_sides_come_to_agree() {
    type Row<'a> = (&'a str, Option<Texts<'a>>, Option<Texts<'a>>, Texts<'a>, Outcomes);
    let table: [Row<'_>; 5] = [
        (
            "the local side takes the remote values",
            Some(("there", "garden")),
            None,
            ("there", "garden"),
            [("title", "agreed"), ("location", "agreed")],
        ),
        (
            "the remote side takes the local values",
            None,
            Some(("here", "hall")),
            ("here", "hall"),
            [("title", "agreed"), ("location", "agreed")],
        ),
        (
            "both come to a third",
            Some(("brunch", "roof")),
            Some(("brunch", "roof")),
            ("brunch", "roof"),
            [("title", "agreed"), ("location", "agreed")],
        ),
        (
            "one takes a field back, the other the other one",
            Some(("lunch", "hall")),
            Some(("there", "kitchen")),
            ("there", "hall"),
            [("title", "remote"), ("location", "local")],
        ),
        (
            "both take everything back",
            Some(("lunch", "kitchen")),
            Some(("lunch", "kitchen")),
            ("lunch", "kitchen"),
            [("title", "agreed"), ("location", "agreed")],
        ),
    ];
    for (why, local, remote, after, expected) in table {
        let lab = Lab::contested(ConflictPolicy::Manual).await;
        if let Some(local) = local {
            lab.local_is(local).await;
        }
        if let Some(remote) = remote {
            lab.remote_is(remote);
        }
        lab.sync().await;
        lab.are(after, after, why).await;
        let record = lab.conflict().await;
        assert_eq!(record.state, ConflictState::Resolved, "{why}");
        is(&record, expected);
        let settled = record.settled.expect("it says who");
        assert_eq!((settled.by, settled.who), (SettledBy::Edits, None), "{why}");
        lab.quiet().await;
        // From here on it is an ordinary pair.
        lab.local_edit(|body| body.title = Some("next".to_owned())).await;
        lab.sync().await;
        assert_eq!(lab.sides().await[1].0, "next", "{why}");
        assert_eq!(lab.conflicts().await.len(), 1, "{why}");
    }
}

#[tokio::test]
async fn an_answer_is_carried_out_field_by_field() {
    type Row<'a> = (&'a str, Answer, Texts<'a>, Texts<'a>, Outcomes);
    let table: [Row<'_>; 4] = [
        (
            "all from here",
            Answer::by("anna").taking(Take::Local),
            ("here", "hall"),
            ("here", "hall"),
            [("title", "local"), ("location", "local")],
        ),
        (
            "all from there",
            Answer::by("anna").taking(Take::Remote),
            ("there", "garden"),
            ("there", "garden"),
            [("title", "remote"), ("location", "remote")],
        ),
        (
            "one of each",
            Answer::by("anna").taking(Take::Remote).field(title(), Take::Local),
            ("here", "garden"),
            ("here", "garden"),
            [("title", "local"), ("location", "remote")],
        ),
        (
            "one, and the other waits",
            Answer::by("anna").field(place(), Take::Remote),
            ("here", "garden"),
            ("there", "garden"),
            [("title", "open"), ("location", "remote")],
        ),
    ];
    for (why, answer, local, remote, expected) in table {
        let lab = Lab::contested(ConflictPolicy::Manual).await;
        lab.answer(answer).await.expect("accepted");
        lab.are(("here", "hall"), ("there", "garden"), "nothing happens before the run").await;
        let answered = lab.conflict().await.answers[0].at;
        lab.sync().await;
        lab.are(local, remote, why).await;
        let record = lab.conflict().await;
        is(&record, expected);
        assert_eq!(record.answers.len(), 1, "{why}");
        assert_eq!((record.answers[0].state, record.answers[0].who.as_str()), (AnswerState::Applied, "anna"));
        for field in record.fields.iter().filter(|field| field.outcome != "open") {
            let settled = field.settled.clone().expect("it says who");
            assert_eq!((settled.by, settled.who.as_deref()), (SettledBy::Person, Some("anna")), "{why}");
            assert!(settled.at > answered, "{why}");
        }
        let open = expected.iter().any(|(_, outcome)| *outcome == "open");
        assert_eq!(record.state == ConflictState::Open, open, "{why}");
        lab.quiet().await;
    }
}

/// Answers to what one side changed meanwhile are answers to another question.
/// What was contested, under which policy, and who settled it, is in what is told of the event, without its text.
#[tokio::test]
async fn a_conflict_and_who_settled_it_are_explained() {
    let lab = Lab::contested(ConflictPolicy::Manual).await;
    let told = async || {
        let record = lab.world.locals().await.pop().expect("the event");
        let links = std::slice::from_ref(&lab.link);
        lab.world.engine.explain(links, &record).await.expect("explains").timeline
    };
    let conflict = lab.conflict().await.id;
    let contested = |moments: &[Moment], is_open: bool| {
        moments.iter().any(|moment| match &moment.what {
            What::Conflicted { conflict: of, fields, policy, open } => {
                let fields: Vec<&Field> = fields.iter().map(|(field, _)| field).collect();
                *of == conflict && fields == [&title(), &place()] && policy == "manual" && *open == is_open
            }
            _ => false,
        })
    };
    let settled = |moments: &[Moment]| {
        moments.iter().any(|moment| match &moment.what {
            What::Settled { conflict: of, by, who } => {
                *of == conflict && *by == SettledBy::Person && who.as_deref() == Some("anna")
            }
            _ => false,
        })
    };
    let before = told().await;
    assert!(contested(&before, true) && !settled(&before), "{before:?}");
    lab.answer(Answer::by("anna").taking(Take::Remote)).await.expect("accepted");
    lab.sync().await;
    let after = told().await;
    assert!(contested(&after, false) && settled(&after), "{after:?}");
    let text = format!("{after:?}");
    assert!(["here", "hall", "there", "garden"].iter().all(|secret| !text.contains(secret)), "{text}");
}

#[tokio::test]
async fn a_late_answer_is_looked_at_again() {
    let answers = || Answer::by("anna").taking(Take::Local);
    type Row<'a> = (&'a str, [Texts<'a>; 2], [Texts<'a>; 2], Outcomes, AnswerState);
    let table: [Row<'_>; 5] = [
        // why, edited here, edited there, here after, there after
        (
            "the remote side changed one field",
            [("here", "hall"), ("third", "garden")],
            [("here", "hall"), ("third", "hall")],
            [("title", "open"), ("location", "local")],
            AnswerState::Applied,
        ),
        (
            "the local side changed one field",
            [("third", "hall"), ("there", "garden")],
            [("third", "hall"), ("there", "hall")],
            [("title", "open"), ("location", "local")],
            AnswerState::Applied,
        ),
        (
            "everything changed",
            [("a", "b"), ("c", "d")],
            [("a", "b"), ("c", "d")],
            BOTH_OPEN,
            AnswerState::Stale,
        ),
        (
            "both came to agree",
            [("same", "same"), ("same", "same")],
            [("same", "same"), ("same", "same")],
            [("title", "agreed"), ("location", "agreed")],
            AnswerState::Stale,
        ),
        (
            "nothing that was asked changed",
            [("here", "hall"), ("there", "garden")],
            [("here", "hall"), ("here", "hall")],
            [("title", "local"), ("location", "local")],
            AnswerState::Applied,
        ),
    ];
    for (why, [here, there], [local, remote], expected, state) in table {
        let lab = Lab::contested(ConflictPolicy::Manual).await;
        lab.answer(answers()).await.expect("accepted");
        lab.local_is(here).await;
        lab.remote_is(there);
        lab.sync().await;
        lab.are(local, remote, why).await;
        let record = lab.conflict().await;
        is(&record, expected);
        assert_eq!(record.answers[0].state, state, "{why}");
        lab.quiet().await;
        if record.state == ConflictState::Open {
            // What is open now can be answered now.
            lab.answer(answers()).await.expect("accepted");
            lab.sync().await;
            lab.are(local, local, why).await;
            assert_eq!(lab.conflict().await.state, ConflictState::Resolved, "{why}");
            lab.quiet().await;
        }
    }
}

/// A daily series with an instance of its own, moved by some hours.
fn series(title: &str, hours: i64, instance: &str) -> Event {
    let mut series = event("u1", title);
    series.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=5"));
    let mut own = body(&mut series).clone();
    own.title = Some(instance.to_owned());
    let start = own.time.start.absolute().expect("an instant");
    let value = Override::Changed { body: Box::new(own), scope: OverrideScope::This };
    series.overrides.insert(RecurrenceId::Instant(start + TimeDelta::days(1)), value);
    shift(&mut series, TimeDelta::hours(hours));
    series
}

/// The start, title and instances of a series.
fn shown(event: &Event) -> (String, Option<String>, Vec<(String, Option<String>)>) {
    let master = event.master.as_ref().expect("a series");
    let title = |value: &Override| match value {
        Override::Changed { body, .. } => body.title.clone(),
        Override::Excluded | Override::Added { .. } => None,
    };
    let instances = event.overrides.iter().map(|(id, value)| (id.to_string(), title(value))).collect();
    (RecurrenceId::of(&master.time.start).to_string(), master.title.clone(), instances)
}

/// I24: a series moved on both sides, answered field by field, at once or bit by bit: the run after the last answer carries all
/// of it out, and nobody is asked again.
#[tokio::test]
async fn i24_a_series_moved_on_both_sides_is_answered_field_by_field() {
    type Row<'a> = (&'a str, [Take; 5], (&'a str, &'a str, &'a str, &'a str));
    let (local, remote) = (Take::Local, Take::Remote);
    let table: [Row<'_>; 4] = [
        // time, title, then the instance by its old name, the one from here and the one from there
        (
            "both instances",
            [remote, local, remote, local, remote],
            ("20260201T110000Z", "here", "20260202T110000Z", "there too"),
        ),
        (
            "that of the other side",
            [remote, local, remote, local, local],
            ("20260201T110000Z", "here", "20260202T110000Z", "here too"),
        ),
        (
            "the start from here",
            [local, remote, local, remote, remote],
            ("20260201T100000Z", "there", "20260202T100000Z", "there too"),
        ),
        (
            "all from there",
            [remote, remote, remote, remote, remote],
            ("20260201T110000Z", "there", "20260202T110000Z", "there too"),
        ),
    ];
    for (why, takes, (start, title, instance, own)) in table {
        for bit_by_bit in [false, true] {
            let lab = Lab::new(ConflictPolicy::Manual);
            lab.remote.put("r1", &series("lunch", 0, "lunch too"));
            lab.sync().await;
            lab.world.edit("u1", |event| *event = series("here", 1, "here too")).await;
            lab.remote.put("r1", &series("there", 2, "there too"));
            lab.sync().await;
            let fields: Vec<Field> = lab.conflict().await.fields.into_iter().map(|f| f.field).collect();
            assert_eq!(fields.len(), takes.len(), "{why}: {fields:?}");
            let answers = fields.into_iter().zip(takes);
            if bit_by_bit {
                for (field, take) in answers {
                    assert_eq!(lab.conflict().await.state, ConflictState::Open, "{why}");
                    assert!(!lab.conflict().await.is_answered(), "{why}: more is asked");
                    lab.answer(Answer::by("anna").field(field, take)).await.expect("accepted");
                    lab.sync().await;
                }
            } else {
                let whole =
                    answers.fold(Answer::by("anna"), |answer, (field, take)| answer.field(field, take));
                lab.answer(whole).await.expect("accepted");
                assert!(lab.conflict().await.is_answered(), "{why}");
                lab.sync().await;
            }
            let record = lab.conflict().await;
            assert_eq!(record.state, ConflictState::Resolved, "{why}");
            assert!(record.answers.iter().all(|answer| answer.state == AnswerState::Applied), "{why}");
            for (field, take) in record.fields.iter().zip(takes) {
                let name = if take == local { "local" } else { "remote" };
                assert_eq!(field.outcome, name, "{why}: {}", field.field);
            }
            let instances = vec![(instance.to_owned(), Some(own.to_owned()))];
            let expected = (start.to_owned(), Some(title.to_owned()), instances);
            assert_eq!(shown(&lab.world.local("u1").await.event), expected, "{why}: here");
            assert_eq!(shown(&lab.item()), expected, "{why}: there");
            lab.quiet().await;
        }
    }
}

/// The remote side changes between the decision and the write: the server refuses the write, and what was answered is
/// open again with the new value.
#[tokio::test]
async fn an_answer_that_met_a_newer_version_is_asked_again() {
    let lab = Lab::contested(ConflictPolicy::Manual).await;
    lab.answer(Answer::by("anna").taking(Take::Local)).await.expect("accepted");
    // Unannounced: the pull does not see it, and the write names the version before.
    let mut third = lab.item();
    body(&mut third).title = Some("third".to_owned());
    lab.remote.put_unannounced("r1", &third);
    lab.sync().await;
    lab.are(("here", "hall"), ("third", "hall"), "the other field was answered").await;
    let all = lab.conflicts().await;
    assert_eq!(all.iter().filter(|record| record.state == ConflictState::Open).count(), 1);
    lab.quiet().await;
}

#[tokio::test]
async fn whoever_answers_last_is_heard() {
    let lab = Lab::contested(ConflictPolicy::Manual).await;
    lab.answer(Answer::by("anna").taking(Take::Local)).await.expect("accepted");
    lab.answer(Answer::by("ben").field(title(), Take::Remote)).await.expect("accepted");
    lab.sync().await;
    lab.are(("there", "hall"), ("there", "hall"), "title by ben, place by anna").await;
    let record = lab.conflict().await;
    let who: Vec<_> = record.fields.iter().map(|f| f.settled.clone().and_then(|s| s.who)).collect();
    assert_eq!(who, [Some("ben".to_owned()), Some("anna".to_owned())]);
}

#[tokio::test]
async fn what_is_not_asked_cannot_be_answered() {
    let lab = Lab::contested(ConflictPolicy::Manual).await;
    let error = lab.answer(Answer::by("anna").field(Field::of(Part::Color), Take::Local)).await;
    assert!(matches!(error, Err(EngineError::NotContested { .. })));
    let error = lab.answer(Answer::by("anna")).await;
    assert!(matches!(error, Err(EngineError::NotContested { .. })));
    let error = lab.world.hub.answer(&lab.link.id, "no such", Answer::by("anna").taking(Take::Local)).await;
    assert!(matches!(error, Err(EngineError::UnknownConflict { .. })));
    lab.local_is(("there", "garden")).await;
    lab.sync().await;
    let error = lab.answer(Answer::by("anna").taking(Take::Local)).await;
    assert!(matches!(error, Err(EngineError::ConflictSettled { .. })));
}

/// A conflict of a pair that ends has nobody left to answer it.
#[tokio::test]
async fn a_conflict_ends_with_its_event() {
    for (why, local, remote) in
        [("deleted here", true, false), ("deleted there", false, true), ("both", true, true)]
    {
        for policy in [DeletionPolicy::KeepEdit, DeletionPolicy::Delete] {
            let mut lab = Lab::contested(ConflictPolicy::Manual).await;
            lab.link = lab.link.with_deletions(policy);
            if local {
                lab.world.delete("u1").await;
            }
            if remote {
                lab.remote.remove("r1");
            }
            lab.sync().await;
            lab.quiet().await;
            let open = lab.conflicts().await.into_iter().filter(|r| r.state == ConflictState::Open).count();
            assert_eq!(open, 0, "{why} {policy:?}");
            let there = usize::from(policy == DeletionPolicy::KeepEdit && !(local && remote));
            assert_eq!(
                (lab.world.locals().await.len(), lab.remote.items().len()),
                (there, there),
                "{why} {policy:?}"
            );
        }
    }
}

/// Another policy decides what the one before left open, at the next look.
#[tokio::test]
async fn a_new_policy_settles_what_waits() {
    let mut lab = Lab::contested(ConflictPolicy::Manual).await;
    lab.link = lab.link.with_conflicts(ConflictPolicy::LocalWins);
    lab.local_edit(|body| body.description = Some("x".to_owned())).await;
    lab.sync().await;
    lab.are(("here", "hall"), ("here", "hall"), "local wins").await;
    let record = lab.conflict().await;
    is(&record, [("title", "local"), ("location", "local")]);
    assert_eq!(record.settled.map(|settled| settled.by), Some(SettledBy::Policy));
    lab.quiet().await;
}

/// The host's resolver: asked with the base and both sides; what it does not decide, panics or fails at waits.
#[tokio::test]
async fn the_hosts_resolver_decides_or_a_person_does() {
    for (local, decided) in [("panic", false), ("error", false), ("here", true)] {
        let mut lab = Lab::new(ConflictPolicy::Resolver);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let resolver = move |conflict: &ContestedEvent<'_>| -> Result<Resolution, ResolverError> {
            count.fetch_add(1, Ordering::Relaxed);
            let title = |event: &Event| event.body().and_then(|body| body.title.clone()).unwrap_or_default();
            assert_eq!(title(conflict.base.expect("they have agreed before")), "lunch");
            assert_eq!(title(conflict.remote), "there");
            match title(conflict.local).as_str() {
                "panic" => panic!("a bug of the host"),
                "error" => Err("no idea".into()),
                _ => Ok(Resolution::from([(conflict.fields[0].clone(), Choice::Local)])),
            }
        };
        lab.world.engine = lab.world.engine.clone().with_resolver(Arc::new(resolver));
        lab.remote_is(("lunch", "kitchen"));
        lab.sync().await;
        lab.local_is((local, "hall")).await;
        lab.remote_is(("there", "garden"));
        lab.sync().await;
        assert!(asked.load(Ordering::Relaxed) > 0);
        let record = lab.conflict().await;
        if decided {
            is(&record, [("title", "local"), ("location", "open")]);
            assert_eq!(record.fields[0].settled.as_ref().map(|s| s.by), Some(SettledBy::Resolver));
            lab.are(("here", "hall"), ("here", "garden"), "one field was decided").await;
        } else {
            is(&record, BOTH_OPEN);
            lab.are((local, "hall"), ("there", "garden"), "nothing was decided").await;
        }
        lab.quiet().await;
        lab.answer(Answer::by("anna").taking(Take::Remote)).await.expect("accepted");
        lab.sync().await;
        let title = if decided { "here" } else { "there" };
        lab.are((title, "garden"), (title, "garden"), "a person decided the rest").await;
        lab.quiet().await;
    }
}

/// I05: what lost stays in its record, also when a field beside it that waits is edited again.
#[tokio::test]
async fn i05_what_lost_stays_in_its_record() {
    let mut lab = Lab::new(ConflictPolicy::Resolver);
    let resolver = |conflict: &ContestedEvent<'_>| -> Result<Resolution, ResolverError> {
        let title = conflict.fields.iter().find(|field| field.to_string() == "title").cloned();
        Ok(title.into_iter().map(|title| (title, Choice::Remote)).collect())
    };
    lab.world.engine = lab.world.engine.clone().with_resolver(Arc::new(resolver));
    lab.remote_is(("lunch", "kitchen"));
    lab.sync().await;
    lab.local_is(("here", "hall")).await;
    lab.remote_is(("there", "garden"));
    lab.sync().await;
    lab.remote_edit(|body| body.location = Some("roof".to_owned()));
    lab.sync().await;
    let record = lab.conflict().await;
    is(&record, [("title", "remote"), ("location", "open")]);
    let texts = |event: &Option<Box<Event>>| {
        let body = event.as_deref().and_then(Event::body).expect("a whole version");
        (body.title.clone().unwrap_or_default(), body.location.clone().unwrap_or_default())
    };
    assert_eq!(texts(&record.local), ("here".to_owned(), "hall".to_owned()));
    assert_eq!(texts(&record.remote), ("there".to_owned(), "roof".to_owned()));
    lab.quiet().await;
}

/// I05: what was edited while it waited is in the record when the resolver decides about it.
#[tokio::test]
async fn i05_what_was_edited_while_it_waited_is_in_the_record() {
    let mut lab = Lab::new(ConflictPolicy::Resolver);
    let resolver = |conflict: &ContestedEvent<'_>| -> Result<Resolution, ResolverError> {
        let place = conflict.remote.body().and_then(|body| body.location.as_deref());
        let decided = conflict.fields.iter().filter(|_| place == Some("roof"));
        Ok(decided.map(|field| (field.clone(), Choice::Local)).collect())
    };
    lab.world.engine = lab.world.engine.clone().with_resolver(Arc::new(resolver));
    lab.remote_is(("lunch", "kitchen"));
    lab.sync().await;
    lab.local_is(("here", "hall")).await;
    lab.remote_is(("there", "garden"));
    lab.sync().await;
    is(&lab.conflict().await, BOTH_OPEN);
    lab.remote_is(("elsewhere", "roof"));
    lab.sync().await;
    let record = lab.conflict().await;
    is(&record, [("title", "local"), ("location", "local")]);
    let remote = record.remote.as_deref().and_then(Event::body).expect("a whole version");
    assert_eq!((remote.title.as_deref(), remote.location.as_deref()), (Some("elsewhere"), Some("roof")));
    assert!(record.fields.iter().any(|field| field.remote == serde_json::json!("elsewhere")));
    lab.are(("here", "hall"), ("here", "hall"), "the resolver decided").await;
    lab.quiet().await;
}

/// Without a resolver, its policy is the manual one.
#[tokio::test]
async fn without_a_resolver_conflicts_wait() {
    let lab = Lab::contested(ConflictPolicy::Resolver).await;
    is(&lab.conflict().await, BOTH_OPEN);
    lab.quiet().await;
}

/// MAIL: both versions are kept, and the copy is a new event that invites nobody, also where the link writes people.
#[tokio::test]
async fn a_kept_copy_has_a_new_uid_its_lineage_and_no_people() {
    let mut lab = Lab::new(ConflictPolicy::KeepBoth);
    lab.link = lab.link.with_people(PeoplePolicy::Write);
    let mut lunch = event("u1", "lunch");
    let anna = Person { address: "anna@example.org".to_owned(), name: None };
    body(&mut lunch).organizer = Some(anna.clone());
    body(&mut lunch).participants = vec![Participant {
        person: anna,
        status: ParticipationStatus::Accepted,
        role: Role::Required,
        expect_reply: true,
    }];
    lab.remote.put("r1", &lunch);
    lab.sync().await;
    lab.local_edit(|body| body.title = Some("here".to_owned())).await;
    lab.remote_edit(|body| body.title = Some("there".to_owned()));
    lab.sync().await;
    lab.quiet().await;
    let items = lab.remote.items();
    assert_eq!(items.len(), 2);
    for item in items.values() {
        let body = item.body().expect("content");
        if item.uid == "u1" {
            assert_eq!((body.title.as_deref(), body.participants.len()), (Some("there"), 1));
            assert!(item.lineage.is_none());
        } else {
            assert_eq!((body.title.as_deref(), body.participants.len()), (Some("here"), 0));
            assert!(body.organizer.is_none());
            let lineage = item.lineage.clone().expect("it says what it is a copy of");
            assert_eq!((lineage.uid.as_str(), lineage.how), ("u1", Descent::Copy));
            let text = write_new(item, &WriteOptions::new(lab.world.clock.now()));
            assert!(text.contains("\r\nRELATED-TO;RELTYPE=SIBLING:u1\r\n"), "{text}");
        }
    }
    let record = lab.conflict().await;
    assert_eq!(outcomes(&record), [("title".to_owned(), "both")]);
    let copy = record.copy.expect("it says where the local version is");
    assert!(lab.world.locals().await.iter().any(|event| event.id == copy && event.event.uid != "u1"));
}

#[tokio::test]
async fn the_history_is_a_table() {
    let lab = Lab::contested(ConflictPolicy::Manual).await;
    lab.local_edit(|body| body.title = Some("=HYPERLINK(\"https://example.org\")".to_owned())).await;
    lab.sync().await;
    lab.answer(Answer::by("anna").field(place(), Take::Remote)).await.expect("accepted");
    lab.sync().await;
    let csv = conflicts_csv(&lab.conflicts().await);
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("\"conflict\",\"at\",\"link\","));
    assert!(lines[1].contains(
        "\"title\",\"lunch\",\"'=HYPERLINK(\"\"https://example.org\"\")\",\"there\",\"open\",\"\",\"\",\"\","
    ));
    assert!(
        lines[2].contains("\"location\",\"kitchen\",\"hall\",\"garden\",\"remote\",\"person\",\"anna\",")
    );
    let json = serde_json::to_value(lab.conflicts().await).expect("serialisable");
    assert_eq!(json[0]["fields"][1]["settled"]["who"], "anna");
    let back: Vec<ConflictRecord> = serde_json::from_value(json).expect("it reads what it wrote");
    assert_eq!(back, lab.conflicts().await);
}
