//! Links that copy by rules: what goes out, what never does, and what happens when the rules change.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{
        CopyEdits, CopyRules, EngineError, Link, Moment, SeenState, SyncOptions, SyncReport, WayState, What,
        history, history_csv,
    },
    model::*,
    pipeline::{CopiedField, Filter, Pipeline, Transform},
    plan::{Action, Direction, Evidence},
    provider::ErrorKind,
    store::{EventRecord, JournalOp, MemoryStore, RecordKind, RecordQuery, Revision},
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
    fn new(direction: Direction, pipeline: Pipeline) -> Self {
        let link = Link::new("mirror", "family", "memory").with_direction(direction);
        let link = link.with_copies(CopyRules::new(pipeline));
        Self { world: World::new(Arc::new(MemoryStore::default()), 5), remote: MemoryRemote::default(), link }
    }

    async fn exporting(count: usize, pipeline: Pipeline) -> Self {
        let lab = Self::new(Direction::Export, pipeline);
        for n in 0..count {
            lab.world.add(private(n)).await;
        }
        lab.settle().await;
        lab
    }

    async fn importing(count: usize, pipeline: Pipeline) -> Self {
        let lab = Self::new(Direction::Import, pipeline);
        for n in 0..count {
            lab.remote.put(&format!("r{n}"), &private(n));
        }
        lab.settle().await;
        lab
    }

    fn change(&mut self, pipeline: Pipeline) {
        self.link.copies = Some(CopyRules::new(pipeline));
    }

    async fn run(&self, options: SyncOptions) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        self.world.engine.sync(&self.link, &self.remote, &options).await.expect("the run goes through")
    }

    /// A run that may fail, hours after the last; what it holds back is approved.
    async fn attempt(&self) {
        self.world.clock.advance(TimeDelta::hours(6));
        let sync = |options| async move { self.world.engine.sync(&self.link, &self.remote, &options).await };
        if let Ok(report) = sync(SyncOptions::default()).await
            && report.plan.held
        {
            let _ = sync(SyncOptions::default().approving(report.plan_id)).await;
        }
    }

    async fn sync(&self) -> SyncReport {
        self.run(SyncOptions::default()).await
    }

    /// A run, and one after it that does nothing.
    async fn settle(&self) -> SyncReport {
        let report = self.sync().await;
        let writes = self.remote.writes();
        let quiet = self.sync().await;
        assert!(quiet.plan.operations.is_empty(), "{:?}", quiet.plan.operations);
        assert_eq!(self.remote.writes(), writes, "quiet");
        report
    }

    /// The copies, by their start.
    fn copies(&self) -> Vec<Event> {
        let mut all: Vec<Event> = self.remote.items().into_values().collect();
        all.sort_by_key(|event| event.body().unwrap().time.start.absolute());
        all
    }

    fn bytes(&self) -> String {
        serde_json::to_string(&self.remote.items()).unwrap()
    }

    async fn here(&self) -> usize {
        self.world.locals().await.len()
    }
}

/// An event with things to hide; each at an hour of its own.
fn private(n: usize) -> Event {
    let mut event = event(&format!("canary-uid-{n}"), &format!("canary title {n}"));
    let body = body(&mut event);
    let by = TimeDelta::hours(i64::try_from(n).unwrap());
    for time in [&mut body.time.start, &mut body.time.end] {
        *time = EventTime::Utc(time.absolute().unwrap() + by);
    }
    body.description = Some("canary description".to_owned());
    body.location = Some("canary location".to_owned());
    body.categories = ["canary".to_owned()].into();
    body.alarms = vec![Alarm { description: Some("canary alarm".to_owned()), ..Alarm::display_before(60) }];
    body.organizer = Some(Person { address: "canary@example.org".to_owned(), name: None });
    event
}

fn titled(title: &str) -> impl FnOnce(&mut Event) + use<> {
    let title = title.to_owned();
    |event| body(event).title = Some(title)
}

fn not_titled(pattern: &str) -> Filter {
    Filter::Title { include: None, exclude: Some(pattern.to_owned()) }
}

fn keeping(fields: &[CopiedField]) -> Pipeline {
    Pipeline::default().with_transform("fields", Transform::Keep { fields: fields.to_vec() })
}

/// PRIV-01: a copy shows the time until more is asked for, whatever happens to its event.
#[tokio::test]
async fn priv_01_nothing_private_reaches_a_busy_only_copy() {
    let lab = Lab::exporting(3, Pipeline::default()).await;
    let title = |event: &Event| event.body().unwrap().title.clone();
    assert_eq!(lab.copies().iter().map(title).collect::<Vec<_>>(), vec![Some("Busy".to_owned()); 3]);
    assert!(!lab.bytes().contains("canary"), "{}", lab.bytes());

    let writes = lab.remote.writes();
    lab.world.edit("canary-uid-0", titled("another canary")).await;
    lab.world.edit("canary-uid-1", |event| body(event).description = None).await;
    let report = lab.settle().await;
    assert_eq!(lab.remote.writes(), writes, "what is not shown is no change: {:?}", report.plan.operations);

    lab.world
        .edit("canary-uid-0", |event| {
            body(event).time.end = EventTime::Utc("2026-02-01T12:00:00Z".parse().unwrap());
        })
        .await;
    lab.settle().await;
    assert_eq!(lab.remote.writes(), writes + 1);
    assert!(lab.bytes().contains("2026-02-01T12:00:00Z") && !lab.bytes().contains("canary"));
    lab.world.delete("canary-uid-2").await;
    lab.settle().await;
    assert_eq!(lab.copies().len(), 2);
    let report = format!("{:?}", lab.sync().await);
    assert!(!report.contains("canary title") && !format!("{:?}", lab.link).contains("canary"));
}

/// PRIV-01: a link that exports and says nothing of its copies shows when somebody is busy; whole events are asked for. A
/// link that imports, or goes both ways, is whole, and its source is never reduced.
#[tokio::test]
async fn priv_01_an_export_that_says_nothing_is_busy_only() {
    for (direction, rules, shows) in [
        (Direction::Export, None, false),
        (Direction::Export, Some(CopyRules::new(Pipeline::default())), false),
        (Direction::Export, Some(CopyRules::everything()), true),
        (Direction::TwoWay, None, true),
        (Direction::TwoWay, Some(CopyRules::everything()), true),
    ] {
        let mut lab = Lab::new(direction, Pipeline::default());
        lab.link.copies = rules.clone();
        lab.world.add(private(0)).await;
        let planned = lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.unwrap();
        assert_eq!((planned.plan.operations.len(), lab.copies().len()), (1, 0));
        lab.settle().await;
        assert_eq!(lab.copies().len(), 1);
        assert_eq!(lab.bytes().contains("canary"), shows, "{direction:?} {rules:?}: {}", lab.bytes());
    }
    // What comes in from somebody's calendar and goes out to another: the source keeps every word.
    let world = World::new(Arc::new(MemoryStore::default()), 5);
    let (source, copy) = (MemoryRemote::default(), MemoryRemote::default());
    source.put("r0", &private(0));
    for _ in 0..3 {
        for (name, direction, remote) in
            [("source", Direction::TwoWay, &source), ("copy", Direction::Export, &copy)]
        {
            let link = Link::new(name, "family", "memory").with_direction(direction);
            world.clock.advance(TimeDelta::seconds(30));
            world.engine.sync(&link, remote, &SyncOptions::default()).await.unwrap();
        }
    }
    assert_eq!(source.items().into_values().collect::<Vec<_>>(), [private(0)]);
    assert_eq!((source.writes(), copy.items().len()), (0, 1));
    let bytes = serde_json::to_string(&copy.items()).unwrap();
    assert!(bytes.contains("Busy") && !bytes.contains("canary"), "{bytes}");
}

/// What is whole there is not reduced because nobody said anything: a link that was whole, or that comes from another
/// direction, whose items are the source's own. What is said is done, and is in the plan first.
#[tokio::test]
async fn priv_01_nothing_that_is_whole_is_reduced_unasked() {
    for before in [Direction::Export, Direction::TwoWay, Direction::Import] {
        let mut lab = Lab::new(before, Pipeline::everything());
        lab.remote.put("r0", &private(0));
        lab.world.add(private(1)).await;
        lab.settle().await;
        let there = lab.remote.items();
        lab.link = lab.link.clone().with_direction(Direction::Export);
        lab.link.copies = None;
        for _ in 0..2 {
            let sync = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
            assert!(matches!(sync, Err(EngineError::CopiesUnsaid { .. })), "{before:?}: {sync:?}");
            let plan = lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await;
            assert!(matches!(plan, Err(EngineError::CopiesUnsaid { .. })), "{before:?}: {plan:?}");
        }
        assert_eq!(lab.remote.items(), there);
        lab.link.copies = Some(CopyRules::everything());
        lab.sync().await;
        lab.settle().await;
        assert!(there.keys().all(|id| lab.remote.items().get(id) == there.get(id)), "{before:?}");
    }
    let mut lab = Lab::exporting(2, Pipeline::everything()).await;
    lab.change(Pipeline::default());
    let planned = lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.unwrap();
    let remade = Some(Evidence::MadeAgain);
    let scrubs = planned.plan.operations.iter().filter(|operation| operation.evidence == remade);
    assert_eq!(scrubs.count(), 2, "{:?}", planned.plan.operations);
    assert!(lab.bytes().contains("canary title"));
    lab.settle().await;
    assert!(!lab.bytes().contains("canary"), "{}", lab.bytes());
}

/// PRIV-01, PRIV-04: what is told about private events (why a copy is as it is, what happened, what failed) holds nothing of them.
#[tokio::test]
async fn priv_01_priv_04_nothing_private_is_in_what_is_explained_or_exported() {
    let mut lab = Lab::exporting(4, Pipeline::default()).await;
    lab.remote.fail("update", RemoteFault::Before(ErrorKind::Refused));
    lab.world
        .edit("canary-uid-0", |event| {
            body(event).time.end = EventTime::Utc("2026-02-01T12:00:00Z".parse().unwrap())
        })
        .await;
    lab.world.edit("canary-uid-1", titled("another canary")).await;
    lab.attempt().await;
    lab.change(Pipeline::default().with_filter("no lunch", not_titled("canary title 2")));
    lab.world.delete("canary-uid-3").await;
    lab.attempt().await;
    lab.attempt().await;
    let (mut told, mut moments) = (String::new(), 0);
    let links = [lab.link.clone()];
    for record in lab.world.store.events_since(&lab.link.calendar, Revision::default(), 99).await.unwrap() {
        let explained = lab.world.engine.explain(&links, &record).await.unwrap();
        moments += explained.timeline.len();
        told.push_str(&serde_json::to_string(&explained).unwrap());
        told.push_str(&format!("{explained:?}"));
        let sources = lab.world.engine.sources(&links, &[record.id]).await.unwrap();
        told.push_str(&format!("{sources:?}"));
    }
    assert!(moments >= 8, "{told}");
    let mut records = Vec::new();
    for kind in [RecordKind::Run, RecordKind::Journal, RecordKind::Conflict, RecordKind::Quarantine] {
        let query = RecordQuery { kind, link: &lab.link.id, event: None, run: None, after: None, limit: 999 };
        records.extend(lab.world.store.records(query).await.unwrap());
    }
    let history = history(&records);
    assert!(history.len() > 8);
    told.push_str(&history_csv(&history));
    told.push_str(&serde_json::to_string(&history).unwrap());
    // The step is named as whoever wrote it named it, and its pattern is not told.
    assert!(told.contains("no lunch") && !told.contains("canary"), "{told}");
}

/// From which link an event came is known after its journal is cut, however often either side is edited, and is asked for by the
/// page.
#[tokio::test]
async fn where_events_came_from_is_known_for_as_long_as_they_live() {
    let world = World::new(Arc::new(MemoryStore::default()), 5);
    let remotes: [MemoryRemote; 4] = std::array::from_fn(|_| MemoryRemote::default());
    let link = |name: &str, direction| Link::new(name, "family", name).with_direction(direction);
    let links = [
        link("work", Direction::Import),
        link("school", Direction::Import),
        link("phone", Direction::TwoWay),
        link("wall", Direction::Export),
    ];
    let pass = async || {
        for (link, remote) in links.iter().zip(&remotes) {
            world.clock.advance(TimeDelta::seconds(30));
            world.engine.sync(link, remote, &SyncOptions::default()).await.unwrap();
        }
    };
    for n in 0..7 {
        remotes[0].put(&format!("w{n}"), &private(n));
    }
    remotes[1].put("s0", &event("lesson", "Lesson"));
    world.add(event("own", "own")).await;
    pass().await;
    remotes[0].put("w0", &event("canary-uid-0", "edited there"));
    world.edit("lesson", titled("edited here")).await;
    for _ in 0..3 {
        world.clock.advance(TimeDelta::days(60));
        pass().await;
        pass().await;
    }
    let journal = world
        .store
        .records(RecordQuery {
            kind: RecordKind::Journal,
            link: &links[0].id,
            event: None,
            run: None,
            after: None,
            limit: 9,
        })
        .await
        .unwrap();
    assert!(journal.is_empty(), "it is cut: {journal:?}");

    let of = async |uid: &str| {
        let id = world.local(uid).await.id;
        let found = world.engine.sources(&links, &[id]).await.unwrap();
        found.into_iter().map(|source| format!("{} {:?}", source.link, source.role)).collect::<Vec<_>>()
    };
    assert_eq!(of("canary-uid-0").await, ["work Origin", "phone Shared", "wall Copy"]);
    assert_eq!(of("lesson").await, ["school Origin", "phone Shared", "wall Copy"]);
    assert_eq!(of("own").await, ["phone Shared", "wall Copy"]);
    let ids: Vec<EventId> = world.locals().await.into_iter().map(|record| record.id).collect();
    assert_eq!(world.engine.sources(&links, &ids).await.unwrap().len(), 7 + 1 + 9 + 9);
    let (mut after, mut items) = (None, Vec::new());
    loop {
        let page = world.engine.events_of(&links[0], after.as_ref(), 3).await.unwrap();
        assert!(page.len() <= 3 && page.iter().all(|source| source.remote.as_str() == "work"));
        let Some(last) = page.last() else { break };
        after = Some(last.item.clone());
        items.extend(page.into_iter().map(|source| source.item.to_string()));
    }
    assert_eq!(items, ["w0", "w1", "w2", "w3", "w4", "w5", "w6"]);
}

#[tokio::test]
async fn what_leaves_the_filter_is_deleted_at_the_copy_and_nowhere_else() {
    let pipeline = Pipeline::everything().with_filter("no lunch", not_titled("lunch"));
    let lab = Lab::exporting(5, pipeline).await;
    lab.world.add(event("u9", "lunch with canary")).await;
    lab.settle().await;
    assert_eq!((lab.here().await, lab.copies().len()), (6, 5), "it never went out");

    lab.world.edit("canary-uid-0", titled("lunch")).await;
    let report = lab.settle().await;
    let deletion = &report.plan.operations[0];
    assert_eq!((report.plan.operations.len(), deletion.action), (1, Action::DeleteRemote));
    assert_eq!(deletion.evidence, Some(Evidence::LeftOut));
    assert!(deletion.reason.contains("pipeline"), "{}", deletion.reason);
    assert_eq!((lab.here().await, lab.copies().len()), (6, 4));

    lab.world.edit("canary-uid-0", titled("dinner")).await;
    lab.settle().await;
    assert_eq!((lab.here().await, lab.copies().len()), (6, 5), "it is copied again");
}

/// DEL-11: a filter that is changed and changed back deletes nothing here, and copies only as far as the brake lets it.
#[tokio::test]
async fn del_11_a_changed_filter_counts_as_deletions_of_copies() {
    let mut lab = Lab::exporting(20, Pipeline::everything()).await;
    for n in 0..15 {
        lab.world.edit(&format!("canary-uid-{n}"), titled("x")).await;
    }
    lab.settle().await;
    lab.change(Pipeline::everything().with_filter("no x", not_titled("^x$")));
    let report = lab.sync().await;
    assert!(report.plan.held, "fifteen of twenty at once");
    assert_eq!((lab.here().await, lab.copies().len()), (20, 20));

    // Changed back before anybody approved: as if nothing had been.
    lab.change(Pipeline::everything());
    let report = lab.settle().await;
    assert!(!report.plan.held && report.plan.operations.is_empty(), "{:?}", report.plan.operations);

    lab.change(Pipeline::everything().with_filter("no x", not_titled("^x$")));
    let held = lab.sync().await;
    lab.run(SyncOptions::default().approving(held.plan_id)).await;
    lab.settle().await;
    assert_eq!((lab.here().await, lab.copies().len()), (20, 5));
    lab.change(Pipeline::everything());
    lab.settle().await;
    assert_eq!((lab.here().await, lab.copies().len()), (20, 20), "what is let through again is copied again");
}

#[tokio::test]
async fn a_downgrade_scrubs_what_was_written_before() {
    let all = [
        CopiedField::Title,
        CopiedField::Description,
        CopiedField::Location,
        CopiedField::Reminders,
        CopiedField::Categories,
    ];
    let mut lab = Lab::exporting(3, keeping(&all)).await;
    assert!(lab.bytes().contains("canary title") && lab.bytes().contains("canary location"));
    lab.change(keeping(&[CopiedField::Location]));
    lab.settle().await;
    assert!(lab.bytes().contains("canary location"));
    assert!(!lab.bytes().contains("canary title") && !lab.bytes().contains("canary description"));
    lab.change(Pipeline::default());
    lab.settle().await;
    assert!(!lab.bytes().contains("canary"), "{}", lab.bytes());
    assert_eq!(lab.copies().len(), 3);
    // And back up.
    lab.change(keeping(&all));
    lab.settle().await;
    assert!(lab.bytes().contains("canary title 2"));
    assert_eq!(lab.here().await, 3);
}

#[tokio::test]
async fn a_scrub_that_was_interrupted_is_finished() {
    let mut lab = Lab::exporting(3, keeping(&[CopiedField::Title])).await;
    lab.change(Pipeline::default());
    lab.remote.fail("update", RemoteFault::Before(ErrorKind::Unavailable));
    lab.remote.fail("update", RemoteFault::After);
    let _ = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
    for _ in 0..4 {
        lab.world.clock.advance(TimeDelta::hours(2));
        lab.sync().await;
    }
    lab.settle().await;
    assert!(!lab.bytes().contains("canary"), "{}", lab.bytes());
}

/// PRIV-01: what waits to be made under rules that show more is made under those that hold when it goes out, whether it
/// was never sent, or sent and its answer lost.
#[tokio::test]
async fn priv_01_what_waits_is_made_under_the_rules_of_its_day() {
    for fault in [RemoteFault::Before(ErrorKind::Unavailable), RemoteFault::After] {
        for said in [None, Some(CopyRules::new(Pipeline::default()))] {
            let mut lab = Lab::exporting(3, keeping(&[CopiedField::Title])).await;
            for n in 3..6 {
                lab.world.add(private(n)).await;
                lab.remote.fail("create", fault.clone());
            }
            lab.attempt().await;
            lab.link.copies.clone_from(&said);
            for _ in 0..4 {
                lab.attempt().await;
            }
            lab.settle().await;
            assert_eq!(lab.copies().len(), 6, "{fault:?}");
            assert!(!lab.bytes().contains("canary"), "{fault:?}: {}", lab.bytes());
        }
    }
}

/// PRIV-01: some copies were widened when the run ended, and then nobody wants that any more. What is there is not taken for
/// what it was before; also where the very first run of a link ended like that.
#[tokio::test]
async fn priv_01_a_widening_that_was_interrupted_and_taken_back_is_noticed() {
    let mut lab = Lab::exporting(4, Pipeline::default()).await;
    lab.link = lab.link.with_commit_every(1);
    lab.link.copies = Some(CopyRules::everything());
    for _ in 0..3 {
        lab.remote.fail("update", RemoteFault::After);
    }
    let _ = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
    assert!(lab.bytes().contains("canary"), "some were widened");
    lab.link.copies = None;
    let refused = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
    assert!(matches!(refused, Err(EngineError::CopiesUnsaid { .. })), "{refused:?}");
    lab.change(Pipeline::default());
    for _ in 0..4 {
        lab.attempt().await;
    }
    lab.settle().await;
    assert!(!lab.bytes().contains("canary"), "{}", lab.bytes());

    let mut first = Lab::new(Direction::Export, Pipeline::default());
    first.link.copies = Some(CopyRules::everything());
    first.world.add(private(0)).await;
    first.remote.fail("create", RemoteFault::After);
    let _ = first.world.engine.sync(&first.link, &first.remote, &SyncOptions::default()).await;
    first.link.copies = None;
    let refused = first.world.engine.sync(&first.link, &first.remote, &SyncOptions::default()).await;
    assert!(matches!(refused, Err(EngineError::CopiesUnsaid { .. })), "{refused:?}");
}

#[tokio::test]
async fn edits_of_a_copy_do_not_come_back() {
    let lab = Lab::exporting(2, keeping(&[CopiedField::Location])).await;
    let before = lab.world.local("canary-uid-0").await.event;
    let (id, mut copy) = lab.remote.items().into_iter().next().unwrap();
    body(&mut copy).title = Some("edited there".to_owned());
    body(&mut copy).description = Some("written there".to_owned());
    lab.remote.put(id.as_str(), &copy);
    lab.settle().await;
    assert_eq!(lab.world.local("canary-uid-0").await.event, before);
    assert_eq!(lab.here().await, 2);
    // What is edited here still arrives.
    lab.world.edit("canary-uid-0", |event| body(event).location = Some("elsewhere".to_owned())).await;
    lab.world.edit("canary-uid-1", |event| body(event).location = Some("elsewhere".to_owned())).await;
    lab.settle().await;
    assert_eq!(lab.bytes().matches("elsewhere").count(), 2);
    assert_eq!(
        lab.world.local("canary-uid-0").await.event.body().unwrap().title,
        before.body().unwrap().title
    );
}

#[tokio::test]
async fn an_edited_copy_is_restored_where_the_link_says_so() {
    let mut lab = Lab::exporting(2, keeping(&[CopiedField::Location])).await;
    lab.link.edits = CopyEdits::Restore;
    let (id, original) = lab.remote.items().into_iter().next().unwrap();
    let mut edited = original.clone();
    body(&mut edited).title = Some("edited there".to_owned());
    body(&mut edited).description = Some("written there".to_owned());
    lab.remote.put(id.as_str(), &edited);
    // The write fails at first, and is not forgotten.
    lab.remote.fail("update", RemoteFault::Before(ErrorKind::Unavailable));
    lab.attempt().await;
    lab.attempt().await;
    assert_eq!(lab.remote.items()[&id].body().unwrap().title, original.body().unwrap().title);
    assert_eq!(lab.remote.items()[&id].body().unwrap().description, None);
    lab.settle().await;
    // What the copy is edited to at the same time as its event does not last either.
    lab.remote.put(id.as_str(), &edited);
    for uid in ["canary-uid-0", "canary-uid-1"] {
        lab.world.edit(uid, |event| body(event).location = Some("elsewhere".to_owned())).await;
    }
    lab.settle().await;
    assert_eq!(lab.bytes().matches("elsewhere").count(), 2);
    assert!(!lab.bytes().contains("edited there"));
    // A copy that was deleted does not come back.
    lab.remote.remove(id.as_str());
    lab.settle().await;
    assert_eq!((lab.copies().len(), lab.here().await), (1, 2));
}

#[tokio::test]
async fn an_edited_copy_is_on_its_own_where_the_link_says_so() {
    let mut lab = Lab::exporting(2, keeping(&[CopiedField::Location])).await;
    lab.link.edits = CopyEdits::Detach;
    let (id, mut copy) = lab.remote.items().into_iter().next().unwrap();
    body(&mut copy).title = Some("edited there".to_owned());
    lab.remote.put(id.as_str(), &copy);
    let report = lab.settle().await;
    assert_eq!(report.plan.operations.len(), 1);
    assert_eq!(report.plan.operations[0].action, Action::Suppress);
    for uid in ["canary-uid-0", "canary-uid-1"] {
        lab.world.edit(uid, |event| body(event).location = Some("elsewhere".to_owned())).await;
    }
    lab.settle().await;
    assert_eq!(lab.bytes().matches("elsewhere").count(), 1, "the other one is still a copy");
    for uid in ["canary-uid-0", "canary-uid-1"] {
        lab.world.delete(uid).await;
    }
    let held = lab.sync().await;
    lab.run(SyncOptions::default().approving(held.plan_id)).await;
    lab.settle().await;
    assert_eq!(lab.remote.items().into_keys().collect::<Vec<_>>(), [id]);
    assert_eq!(lab.copies()[0], copy);
}

#[tokio::test]
async fn an_edit_of_what_was_brought_in_follows_the_same_policy() {
    for (edits, title, later) in [
        (CopyEdits::Leave, "mine", "mine"),
        (CopyEdits::Restore, "Private 0", "renamed there"),
        (CopyEdits::Detach, "mine", "mine"),
    ] {
        let mut lab = Lab::importing(1, Pipeline::everything()).await;
        lab.link.edits = edits;
        let mut there = private(0);
        body(&mut there).title = Some("Private 0".to_owned());
        lab.remote.put("r0", &there);
        lab.settle().await;
        lab.world.edit("canary-uid-0", titled("mine")).await;
        lab.settle().await;
        let shown = |event: Event| event.body().unwrap().title.clone().unwrap();
        assert_eq!(shown(lab.world.local("canary-uid-0").await.event), title, "{edits:?}");
        body(&mut there).location = Some("moved".to_owned());
        if edits == CopyEdits::Restore {
            body(&mut there).title = Some("renamed there".to_owned());
        }
        lab.remote.put("r0", &there);
        lab.settle().await;
        let after = lab.world.local("canary-uid-0").await.event;
        let moved = after.body().unwrap().location.as_deref() == Some("moved");
        assert_eq!((shown(after), moved), (later.to_owned(), edits != CopyEdits::Detach), "{edits:?}");
        assert_eq!(lab.remote.writes(), 0);
    }
}

#[tokio::test]
async fn a_title_with_a_prefix_stays_at_one() {
    let pipeline = keeping(&[CopiedField::Title])
        .with_transform("whose", Transform::PrefixTitle { prefix: "[{{calendar_name}}] ".to_owned() });
    let mut lab = Lab::new(Direction::Export, pipeline);
    lab.link.copies.as_mut().unwrap().calendar_name = "Anna".to_owned();
    lab.world.add(event("u", "tea")).await;
    lab.settle().await;
    lab.world.edit("u", titled("coffee")).await;
    lab.settle().await;
    assert_eq!(lab.copies()[0].body().unwrap().title.as_deref(), Some("[Anna] coffee"));
    lab.remote.forget_cursors();
    lab.settle().await;
    assert_eq!(lab.copies()[0].body().unwrap().title.as_deref(), Some("[Anna] coffee"));
}

/// LOOP-09: two mirrors between two calendars come to rest, and copies are not copied back where that is said.
#[tokio::test]
async fn loop_09_a_mirror_into_a_calendar_that_is_mirrored_back_comes_to_rest() {
    let world = World::new(Arc::new(MemoryStore::default()), 6);
    let (work, home) = (MemoryRemote::default(), MemoryRemote::default());
    let link = |id: &str, calendar: &str, direction| Link::new(id, calendar, id).with_direction(direction);
    let busy = CopyRules::new(Pipeline::default());
    let links = [
        (link("work", "from-work", Direction::Import), &work),
        (link("work-to-home", "from-work", Direction::Export).with_copies(busy.clone()), &home),
    ];
    for n in 0..3 {
        work.put(&format!("w{n}"), &private(n));
    }
    for _ in 0..4 {
        for (link, remote) in &links {
            world.clock.advance(TimeDelta::seconds(30));
            world.engine.sync(link, *remote, &SyncOptions::default()).await.unwrap();
        }
    }
    assert_eq!((work.items().len(), home.items().len(), work.writes()), (3, 3, 0));
    assert!(!serde_json::to_string(&home.items()).unwrap().contains("canary"));
}

#[tokio::test]
async fn copies_are_found_again_when_what_the_link_knew_is_lost() {
    let lab = Lab::exporting(4, Pipeline::default()).await;
    let lost = Lab {
        world: World::new(Arc::new(MemoryStore::default()), 9),
        remote: lab.remote,
        link: lab.link.clone(),
    };
    for n in 0..4 {
        lost.world.add(private(n)).await;
    }
    lost.settle().await;
    assert_eq!((lost.here().await, lost.copies().len()), (4, 4), "joined, not doubled");
    lost.world.delete("canary-uid-0").await;
    lost.settle().await;
    assert_eq!(lost.copies().len(), 3);
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_copy() {
    let lab = Lab::new(Direction::Export, Pipeline::default());
    lab.world.add(private(0)).await;
    lab.remote.fail("create", RemoteFault::After);
    let _ = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
    for _ in 0..3 {
        lab.world.clock.advance(TimeDelta::hours(1));
        lab.sync().await;
    }
    lab.settle().await;
    assert_eq!(lab.copies().len(), 1);
}

#[tokio::test]
async fn an_import_brings_in_what_its_pipeline_lets_through() {
    let pipeline = Pipeline::everything()
        .with_filter("no lunch", not_titled("lunch"))
        .with_transform("no text", Transform::Drop { fields: vec![CopiedField::Description] });
    let lab = Lab::importing(5, pipeline).await;
    assert_eq!(lab.here().await, 5);
    assert!(lab.world.locals().await.iter().all(|record| record.event.body().unwrap().description.is_none()));
    lab.remote.put("r9", &event("u9", "lunch"));
    let report = lab.settle().await;
    assert_eq!((lab.here().await, report.counts.quarantined), (5, 0), "left alone, and no fault");

    let mut lunch = private(0);
    titled("lunch")(&mut lunch);
    lab.remote.put("r0", &lunch);
    let report = lab.settle().await;
    assert_eq!(report.plan.operations.len(), 1, "{:?}", report.plan.operations);
    let deletion = &report.plan.operations[0];
    assert_eq!((deletion.action, deletion.evidence), (Action::DeleteLocal, Some(Evidence::LeftOut)));
    assert!(deletion.reason.contains("pipeline"));
    assert_eq!((lab.here().await, report.counts.conflicts), (4, 0));
    assert_eq!((lab.remote.items().len(), lab.remote.writes()), (6, 0), "the source is not touched");

    lab.remote.put("r0", &private(0));
    lab.settle().await;
    assert_eq!(lab.here().await, 5, "it is back");
}

#[tokio::test]
async fn changed_rules_of_an_import_bring_in_put_out_and_scrub() {
    let mut lab = Lab::importing(6, Pipeline::everything()).await;
    for n in 0..2 {
        let mut lunch = private(n);
        titled("lunch")(&mut lunch);
        lab.remote.put(&format!("r{n}"), &lunch);
    }
    lab.settle().await;
    lab.change(Pipeline::default().with_filter("no lunch", not_titled("lunch")));
    lab.settle().await;
    assert_eq!(lab.here().await, 4);
    let text = serde_json::to_string(
        &lab.world.locals().await.iter().map(|one| one.event.clone()).collect::<Vec<_>>(),
    )
    .unwrap();
    assert!(!text.contains("canary title") && !text.contains("canary location"), "{text}");
    lab.change(Pipeline::everything());
    lab.settle().await;
    assert_eq!(lab.here().await, 6);
    assert_eq!(
        lab.world.local("canary-uid-3").await.event.body().unwrap().title.as_deref(),
        Some("canary title 3")
    );
    assert_eq!(lab.remote.writes(), 0);
}

#[tokio::test]
async fn a_filter_that_leaves_out_a_whole_import_is_held() {
    let mut lab = Lab::importing(20, Pipeline::everything()).await;
    lab.change(Pipeline::everything().with_filter("none", not_titled("canary")));
    let report = lab.sync().await;
    assert!(report.plan.held && lab.here().await == 20);
    lab.change(Pipeline::everything());
    let report = lab.settle().await;
    assert!(!report.plan.held && lab.here().await == 20);
}

#[tokio::test]
async fn a_preview_says_what_changed_rules_will_do() {
    let mut lab = Lab::exporting(3, keeping(&[CopiedField::Title])).await;
    lab.change(Pipeline::default());
    let preview = lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.unwrap();
    assert_eq!(preview.plan.operations.len(), 3);
    assert!(lab.bytes().contains("canary title"), "nothing is written");
    let applied =
        lab.world.engine.apply(&lab.link, &lab.remote, &preview.plan, &SyncOptions::default()).await;
    applied.unwrap();
    assert!(!lab.bytes().contains("canary"));
}

#[tokio::test]
async fn rules_that_cannot_be_used_are_refused_before_anything_is_read() {
    let bad = Pipeline::default().with_filter("typo", not_titled("("));
    // Of a calendar of nobody's it would keep out nothing.
    let ownerless = || Pipeline::everything().with_filter("no", Filter::NotDeclined {});
    for (direction, pipeline, expected) in [
        (Direction::TwoWay, Pipeline::default(), "goes one way"),
        (Direction::Export, bad, "step \"typo\""),
        (Direction::Export, ownerless(), "nobody says who that is"),
        (Direction::Import, ownerless(), "nobody says who that is"),
    ] {
        let lab = Lab::new(direction, pipeline);
        lab.world.add(private(0)).await;
        let error = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await.unwrap_err();
        assert!(
            matches!(&error, EngineError::CopyRules { .. }) && error.to_string().contains(expected),
            "{error}"
        );
        assert_eq!(lab.copies().len(), 0);
    }
}

#[tokio::test]
async fn what_a_pipeline_put_out_can_be_undone_without_harm() {
    let pipeline = Pipeline::everything().with_filter("no lunch", not_titled("lunch"));
    let lab = Lab::exporting(3, pipeline).await;
    lab.world.edit("canary-uid-0", titled("lunch")).await;
    let report = lab.sync().await;
    assert_eq!(lab.copies().len(), 2);
    lab.world.engine.undo(&lab.link, &lab.remote, &report.run).await.unwrap();
    for _ in 0..3 {
        lab.sync().await;
    }
    lab.settle().await;
    assert_eq!((lab.here().await, lab.copies().len()), (3, 2), "the pipeline still says no");
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// The rule of a series means other days when it begins on another one: its copy begins when it does, and the plan says so.
#[tokio::test]
async fn a_series_that_cannot_be_padded_is_a_loss_of_the_plan() {
    let pad = Transform::PadTime { before: 30, after: 0 };
    for (hour, series, lost) in [(9, true, false), (0, true, true), (0, false, false)] {
        let lab = Lab::new(Direction::Export, Pipeline::default().with_transform("pad", pad.clone()));
        let mut event = private(0);
        let own = body(&mut event);
        let at = |hour: i64| {
            EventTime::Utc(
                "2026-03-02T00:15:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap()
                    + TimeDelta::hours(hour),
            )
        };
        own.time = TimeSpan { start: at(hour), end: at(hour + 1) };
        if series {
            event.rules = vec![RuleEntry::read("FREQ=WEEKLY;COUNT=3")];
        }
        lab.world.add(event).await;
        let report = lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.unwrap();
        let losses: Vec<String> =
            report.plan.operations.iter().flat_map(|operation| operation.losses.clone()).collect();
        assert_eq!(losses.contains(&"padding".to_owned()), lost, "{hour} {series}: {losses:?}");
    }
}

/// Pipelines a walk changes between: how they show a title, if at all.
fn pipelines() -> [Pipeline; 4] {
    let no_x = not_titled("^x");
    [
        Pipeline::default(),
        Pipeline::default().with_filter("no x", no_x.clone()),
        keeping(&[CopiedField::Title]).with_filter("no x", no_x),
        keeping(&[CopiedField::Title])
            .with_transform("p", Transform::PrefixTitle { prefix: "> ".to_owned() })
            .with_transform("pad", Transform::PadTime { before: 10, after: 5 }),
    ]
}

/// Edits on both sides, changes of the rules, lost answers and lost cursors, in any order: nothing is lost here, and at
/// the end each copy is what the rules make of its event, but for those somebody deleted there.
#[tokio::test]
async fn random_walks_come_to_what_the_rules_say() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let mut lab = Lab::exporting(4, pipelines()[usize::try_from(random.below(4)).unwrap()].clone()).await;
        lab.link.guard.count = 1_000;
        let mut uids: Vec<String> = (0..4).map(|n| format!("canary-uid-{n}")).collect();
        let mut deleted_there = 0;
        for step in 4..24 {
            let which = usize::try_from(random.below(uids.len().max(1) as u64)).unwrap();
            match random.below(10) {
                0..3 if !uids.is_empty() => {
                    let title =
                        ["x", "xx", "canary y", "canary z"][usize::try_from(random.below(4)).unwrap()];
                    lab.world.edit(&uids[which], titled(title)).await;
                }
                3 if !uids.is_empty() => {
                    let by = TimeDelta::minutes(i64::try_from(random.below(30)).unwrap());
                    lab.world
                        .edit(&uids[which], |event| {
                            let body = body(event);
                            let end = body.time.end.absolute().unwrap() + by;
                            body.time.end = EventTime::Utc(end);
                        })
                        .await;
                }
                4 if uids.len() > 1 => lab.world.delete(&uids.swap_remove(which)).await,
                5 => {
                    lab.world.add(private(step)).await;
                    uids.push(format!("canary-uid-{step}"));
                }
                6 => lab.change(pipelines()[usize::try_from(random.below(4)).unwrap()].clone()),
                7 => {
                    if let Some((id, mut copy)) = lab.remote.items().into_iter().next() {
                        body(&mut copy).description = Some("edited there".to_owned());
                        lab.remote.put(id.as_str(), &copy);
                    }
                }
                8 => {
                    let operation = ["create", "update", "delete"][usize::try_from(random.below(3)).unwrap()];
                    lab.remote.fail(operation, RemoteFault::After);
                }
                _ if random.below(4) == 0 => {
                    if let Some(id) = lab.remote.items().into_keys().last() {
                        lab.remote.remove(id.as_str());
                        deleted_there += 1;
                    }
                }
                _ => lab.remote.forget_cursors(),
            }
            if random.below(2) == 0 {
                lab.attempt().await;
            }
        }
        for _ in 0..8 {
            lab.attempt().await;
        }
        let quiet = lab.sync().await;
        assert!(quiet.plan.operations.is_empty(), "seed {seed}: {:?}", quiet.plan.operations);
        assert_eq!(lab.here().await, uids.len(), "seed {seed}: nothing is deleted here");

        let rules = lab.link.copies.clone().unwrap();
        let compiled = rules.pipeline.compile().unwrap();
        let expected: Vec<(TimeSpan, Option<String>)> = lab
            .world
            .locals()
            .await
            .iter()
            .filter_map(|record| {
                let copy = compiled.apply(&record.event, &Default::default()).unwrap()?;
                let body = copy.body()?;
                Some((body.time.clone(), body.title.clone()))
            })
            .collect();
        let copies = lab.copies();
        assert!(
            copies.len() <= expected.len() && copies.len() + deleted_there >= expected.len(),
            "seed {seed}: {} copies of {}, {deleted_there} deleted there",
            copies.len(),
            expected.len()
        );
        for copy in &copies {
            let body = copy.body().unwrap();
            let shown = (body.time.clone(), body.title.clone());
            assert!(expected.contains(&shown), "seed {seed}: {:?} is no copy of {expected:?}", shown);
        }
        if rules.pipeline.compile().unwrap().is_busy_only() {
            assert!(!lab.bytes().contains("canary"), "seed {seed}: {}", lab.bytes());
        }
    }
}

#[tokio::test]
async fn an_event_is_explained_by_what_each_link_makes_of_it() {
    let pipeline = keeping(&[CopiedField::Title])
        .with_filter("no lunches", Filter::Title { include: None, exclude: Some("lunch".to_owned()) })
        .with_transform("whose", Transform::PrefixTitle { prefix: "[A] ".to_owned() });
    let mut lab = Lab::new(Direction::Export, pipeline);
    lab.link.edits = CopyEdits::Restore;
    let other = Link::new("other", "family", "elsewhere");
    for title in ["lunch", "tea"] {
        lab.world.add(event(title, title)).await;
    }
    lab.settle().await;
    lab.world.edit("tea", titled("coffee")).await;
    lab.settle().await;
    let (id, mut copy) = lab.remote.items().into_iter().next().unwrap();
    body(&mut copy).title = Some("written there".to_owned());
    lab.remote.put(id.as_str(), &copy);
    lab.settle().await;

    let links = [lab.link.clone(), other];
    let explain = |record: EventRecord| {
        let (engine, links) = (&lab.world.engine, &links);
        async move { engine.explain(links, &record).await.unwrap() }
    };
    let kept_out = explain(lab.world.local("lunch").await).await;
    assert_eq!(kept_out.ways[0].state, WayState::LeftOut { step: Some("no lunches".to_owned()) });
    let [seen, filtered] = &kept_out.timeline[..] else { panic!("{:?}", kept_out.timeline) };
    assert_eq!((&seen.what, &seen.link, &seen.run), (&What::Seen {}, &None, &None));
    assert_eq!(filtered.what, What::Filtered { step: Some("no lunches".to_owned()) });
    assert!(filtered.link.as_ref() == Some(&lab.link.id) && seen.at < filtered.at);
    // Rules that no run went by yet kept nothing out.
    let mut otherwise = lab.link.clone();
    otherwise.copies.as_mut().unwrap().pipeline.steps[1].name = "other".to_owned();
    let record = lab.world.local("lunch").await;
    let planned = lab.world.engine.explain(&[otherwise], &record).await.unwrap();
    assert_eq!(planned.timeline.len(), 1, "{:?}", planned.timeline);
    let copied = explain(lab.world.local("tea").await).await;
    assert_eq!(copied.ways[0].state, WayState::InStep {});
    assert_eq!(copied.ways[0].remote_id.as_ref(), Some(&id));
    assert_eq!(copied.ways[0].transforms.last().map(String::as_str), Some("whose"));
    assert_eq!(copied.ways[1].state, WayState::NotJoined {});
    let done: Vec<(JournalOp, &str)> = copied
        .timeline
        .iter()
        .map(|moment| match &moment.what {
            What::Done { op, reason, .. } => (*op, reason.as_str()),
            What::Echoed { op } => (*op, "echoed"),
            What::Seen {} => (JournalOp::Kept, "seen"),
            What::Mapped { item } if *item == id => (JournalOp::Kept, "mapped"),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (JournalOp::Kept, "seen"),
        (JournalOp::RemoteCreate, "it is new here"),
        (JournalOp::Kept, "mapped"),
        (JournalOp::RemoteCreate, "echoed"),
        (JournalOp::RemoteUpdate, "it was edited here"),
        (JournalOp::RemoteUpdate, "echoed"),
        (JournalOp::RemoteUpdate, "the copy was edited there, and is restored"),
        (JournalOp::RemoteUpdate, "echoed"),
    ];
    assert_eq!(done, expected);
    let text = serde_json::to_string(&copied).unwrap();
    assert!(!text.contains("coffee") && !text.contains("written there"), "{text}");
}

/// What comes back of a write is told once it was seen, and not where somebody was there first. No row is written for it.
#[tokio::test]
async fn an_echo_is_told_once_it_was_seen() {
    async fn told(lab: &Lab) -> String {
        let record = lab.world.local("tea").await;
        let explained = lab.world.engine.explain(std::slice::from_ref(&lab.link), &record).await.unwrap();
        let what = |moment: &Moment| match &moment.what {
            What::Done { op, .. } => Some(format!("{op:?}")),
            What::Echoed { op } => Some(format!("{op:?} echoed")),
            What::Seen {} | What::Mapped { .. } => None,
            other => panic!("{other:?}"),
        };
        explained.timeline.iter().filter_map(what).collect::<Vec<_>>().join(", ")
    }
    for incremental in [true, false] {
        let mut lab = Lab::new(Direction::Export, keeping(&[CopiedField::Title]));
        lab.remote = lab.remote.with_capabilities(|can| can.pull_incremental = incremental);
        lab.world.add(event("tea", "tea")).await;
        lab.sync().await;
        if !incremental {
            assert_eq!(told(&lab).await, "RemoteCreate", "nobody has looked since");
            // A run that failed saw nothing.
            lab.remote.fail("changes", RemoteFault::Before(ErrorKind::Unavailable));
            lab.world.clock.advance(TimeDelta::hours(1));
            lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await.unwrap_err();
            assert_eq!(told(&lab).await, "RemoteCreate");
            lab.sync().await;
        }
        assert_eq!(told(&lab).await, "RemoteCreate, RemoteCreate echoed");
        lab.sync().await;
        assert_eq!(told(&lab).await, "RemoteCreate, RemoteCreate echoed");
    }
    // Edited there before anybody looked: what the next run finds is that edit.
    let mut lab = Lab::new(Direction::Export, keeping(&[CopiedField::Title]));
    lab.remote = lab.remote.with_capabilities(|can| can.pull_incremental = false);
    lab.link.edits = CopyEdits::Restore;
    lab.world.add(event("tea", "tea")).await;
    lab.sync().await;
    let (id, mut copy) = lab.remote.items().into_iter().next().unwrap();
    body(&mut copy).title = Some("written there".to_owned());
    lab.remote.put(id.as_str(), &copy);
    lab.sync().await;
    lab.sync().await;
    let told = told(&lab).await;
    assert!(told.starts_with("RemoteCreate, ") && !told.contains("RemoteCreate echoed"), "{told}");
}

/// What an import leaves out is found by its UID and by its name there, with the step that keeps it out; of the events whose
/// items are let through no more the journal says the same.
#[tokio::test]
async fn what_an_import_leaves_out_is_explained_by_the_step() {
    let pipeline = Pipeline::everything().with_filter("no lunches", not_titled("lunch"));
    let mut lab = Lab::new(Direction::Import, pipeline);
    for (id, title) in [("r1", "lunch"), ("r2", "tea")] {
        lab.remote.put(id, &event(title, title));
    }
    lab.settle().await;
    let links = [lab.link.clone()];
    let seen = async |wanted: &str| lab.world.engine.explain_item(&links, wanted).await.unwrap();
    for wanted in ["lunch", "r1"] {
        let found = seen(wanted).await;
        assert_eq!(found.len(), 1, "{wanted}");
        assert_eq!(found[0].remote_id.as_str(), "r1");
        assert_eq!(found[0].state, SeenState::LeftOut { step: Some("no lunches".to_owned()) });
    }
    assert!(seen("tea").await.is_empty() && seen("r2").await.is_empty() && seen("other").await.is_empty());
    let query = RecordQuery {
        kind: RecordKind::Quarantine,
        link: &lab.link.id,
        event: None,
        run: None,
        after: None,
        limit: 9,
    };
    let rows = lab.world.store.records(query).await.unwrap();
    assert!(!format!("{rows:?}").contains("\"lunch\""), "neither its title nor its UID is kept: {rows:?}");
    let tea = lab.world.local("tea").await;
    let came = lab.world.engine.explain(&links, &tea).await.unwrap().timeline;
    let item = RemoteId::from("r2");
    assert_eq!((&came[0].what, &came[0].link), (&What::Seen {}, &Some(lab.link.id.clone())));
    assert!(matches!(&came[1].what, What::Done { op: JournalOp::LocalCreate, .. }), "{came:?}");
    assert_eq!((&came[2].what, came.len()), (&What::Mapped { item }, 3));
    assert!(came.iter().all(|moment| moment.run == came[0].run && moment.run.is_some()), "{came:?}");
    let since = seen("lunch").await[0].since;
    lab.settle().await;
    assert_eq!(seen("lunch").await[0].since, since, "a run that sees it again writes nothing");

    let both = Pipeline::everything().with_filter("no lunches", not_titled("lunch|tea"));
    lab.link.copies = Some(CopyRules::new(both.with_filter("never asked", not_titled("nothing"))));
    lab.sync().await;
    let all = lab.world.store.events_since(&lab.world.calendar, Default::default(), 9).await.unwrap();
    let gone = all.into_iter().find(|record| record.event.uid == "tea").unwrap();
    let explained = lab.world.engine.explain(std::slice::from_ref(&lab.link), &gone).await.unwrap();
    let last = explained.timeline.last().unwrap();
    let What::Done { op, reason, evidence, .. } = &last.what else { panic!("{last:?}") };
    assert_eq!((*op, *evidence), (JournalOp::LocalDelete, Some(Evidence::LeftOut)));
    assert!(reason.contains("\"no lunches\""), "{reason}");
}

/// The same where a copy goes.
#[tokio::test]
async fn a_copy_that_goes_says_by_which_step() {
    let mut lab = Lab::exporting(2, keeping(&[CopiedField::Title])).await;
    lab.change(keeping(&[CopiedField::Title]).with_filter("not the first", not_titled("title 0")));
    lab.sync().await;
    let record = lab.world.local("canary-uid-0").await;
    let explained = lab.world.engine.explain(std::slice::from_ref(&lab.link), &record).await.unwrap();
    assert_eq!(explained.ways[0].state, WayState::LeftOut { step: Some("not the first".to_owned()) });
    let reasons = explained.timeline.iter().filter_map(|moment| match &moment.what {
        What::Done { op: JournalOp::RemoteDelete, reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    let expected = "the step \"not the first\" of the link's pipeline lets it through no more";
    assert_eq!(reasons.collect::<Vec<_>>(), [expected]);
}
