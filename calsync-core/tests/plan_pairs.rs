//! The plan of pairs without an engine.
//!
//! That every cell is decided as a link decides it is in `decide_table.rs`, who wins a field in the tests of the merge; here is what
//! is made of both: contents, reasons, the brake.
#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use calsync_core::{
    diff::{Field, Part},
    merge::{Bases, Choice, ConflictPolicy, DeletionPolicy},
    model::{Event, EventBody, EventTime, TimeSpan},
    plan::{
        Action, Agreed, Decision, DeletionGuard, Direction, Evidence, Pair, PairRules, Rules, Side,
        plan_pairs,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

fn event(title: &str) -> Event {
    let at = |hours| EventTime::Utc(DateTime::<Utc>::UNIX_EPOCH + TimeDelta::hours(hours));
    let mut body = EventBody::new(TimeSpan { start: at(9), end: at(10) });
    body.title = Some(title.to_owned());
    Event::single("u", body)
}

fn placed(title: &str, location: &str) -> Event {
    let mut event = event(title);
    event.master.as_mut().expect("it has one").location = Some(location.to_owned());
    event
}

fn on(base: &Event) -> Agreed<'_> {
    Agreed::On(Bases { local: base, remote: base })
}

fn rules(direction: Direction) -> PairRules {
    PairRules { rules: Rules { direction, ..Rules::default() }, ..PairRules::default() }
}

fn one(pair: Pair<'_>, rules: &PairRules) -> Decision {
    plan_pairs(&[pair], rules).decisions.pop().expect("one for each pair")
}

fn title() -> Field {
    Field::of(Part::Title)
}

#[test]
fn what_is_new_on_one_side_is_made_on_the_other_where_that_is_written() {
    let new = event("new");
    let here = Pair { agreed: Agreed::Never, local: Side::Holds(&new), remote: Side::Silent };
    let there = Pair { agreed: Agreed::Never, local: Side::Silent, remote: Side::Holds(&new) };
    for (direction, out, into) in [
        (Direction::TwoWay, Action::CreateRemote, Action::CreateLocal),
        (Direction::Export, Action::CreateRemote, Action::None),
        (Direction::Import, Action::None, Action::CreateLocal),
    ] {
        let (out_now, into_now) = (one(here, &rules(direction)), one(there, &rules(direction)));
        assert_eq!((out_now.action, into_now.action), (out, into), "{direction:?}");
        assert_eq!(out_now.remote, (out == Action::CreateRemote).then(|| new.clone()));
        assert_eq!(into_now.local, (into == Action::CreateLocal).then(|| new.clone()));
        assert_eq!((out_now.local, into_now.remote), (None, None));
    }
    assert_eq!(one(here, &rules(Direction::TwoWay)).reason, "it is new here");
    assert_eq!(one(here, &rules(Direction::Import)).reason, "it is only here, and nothing is written there");
}

#[test]
fn edits_of_different_fields_go_both_ways_and_the_policy_decides_the_same_one() {
    let (base, local, remote) = (event("base"), placed("mine", "here"), event("theirs"));
    let pair = Pair { agreed: on(&base), local: Side::Holds(&local), remote: Side::Holds(&remote) };
    let merged = one(pair, &rules(Direction::TwoWay));
    assert_eq!((merged.action, merged.reason), (Action::Merge, "both sides were edited"));
    assert_eq!(merged.local.as_ref(), Some(&placed("theirs", "here")));
    assert_eq!(merged.remote.as_ref(), Some(&placed("theirs", "here")));
    assert_eq!(merged.merge.contested.len(), 1);
    let mut open = rules(Direction::TwoWay);
    open.rules.conflicts = ConflictPolicy::Manual;
    let waiting = one(pair, &open);
    assert_eq!(waiting.local, None);
    assert_eq!(waiting.remote, Some(placed("theirs", "here")));
    assert_eq!(
        (&waiting.merge.contested[0].field, waiting.merge.contested[0].choice),
        (&title(), Choice::Open)
    );
    // The side that is right on a link that goes one way is so whatever the policy says, and the other is not written.
    let out = one(pair, &rules(Direction::Export));
    assert_eq!((out.local, out.remote), (None, Some(placed("mine", "here"))));
    let into = one(pair, &rules(Direction::Import));
    assert_eq!((into.local, into.remote), (Some(placed("theirs", "here")), None));
}

#[test]
fn a_side_nothing_was_heard_of_is_as_both_agreed() {
    let (base, edited) = (event("base"), event("edited"));
    let pair = Pair { agreed: on(&base), local: Side::Silent, remote: Side::Holds(&edited) };
    let merged = one(pair, &rules(Direction::TwoWay));
    assert_eq!((merged.action, merged.reason), (Action::Merge, "it was edited on the remote side"));
    assert_eq!((merged.local, merged.remote), (Some(edited), None));
    let silent = Pair { agreed: on(&base), local: Side::Silent, remote: Side::Silent };
    assert_eq!(one(silent, &rules(Direction::TwoWay)).action, Action::None);
}

#[test]
fn each_side_is_compared_with_its_own_base() {
    let (local, rewritten) = (event("Lunch"), event("LUNCH"));
    let agreed = Agreed::On(Bases { local: &local, remote: &rewritten });
    let pair = Pair { agreed, local: Side::Holds(&local), remote: Side::Holds(&rewritten) };
    assert_eq!(one(pair, &rules(Direction::TwoWay)).action, Action::None);
}

#[test]
fn an_edit_that_goes_nowhere_is_nothing_to_do() {
    let (base, edited) = (event("base"), event("edited"));
    let pair = Pair { agreed: on(&base), local: Side::Holds(&base), remote: Side::Holds(&edited) };
    let left = one(pair, &rules(Direction::Export));
    assert_eq!(left.action, Action::None);
    assert_eq!(left.reason, "the edit stays where it is: nothing is written to the other side");
    let alike = Pair { agreed: on(&base), local: Side::Holds(&edited), remote: Side::Holds(&edited) };
    let alike = one(alike, &rules(Direction::TwoWay));
    assert_eq!((alike.action, alike.reason), (Action::None, "both sides agree"));
}

#[test]
fn a_deletion_has_its_evidence_and_meets_an_edit_by_the_policy() {
    let (base, edited) = (event("base"), event("edited"));
    let gone = Side::Deleted(Evidence::NotFound);
    let rest = one(Pair { agreed: on(&base), local: Side::Silent, remote: gone }, &rules(Direction::TwoWay));
    assert_eq!((rest.action, rest.evidence), (Action::DeleteLocal, Some(Evidence::NotFound)));
    let pair = Pair { agreed: on(&base), local: Side::Holds(&edited), remote: gone };
    let kept = one(pair, &rules(Direction::TwoWay));
    assert_eq!((kept.action, kept.evidence), (Action::RestoreRemote, None));
    assert_eq!(kept.remote.as_ref(), Some(&edited));
    let mut delete = rules(Direction::TwoWay);
    delete.rules.deletions = DeletionPolicy::Delete;
    let deleted = one(pair, &delete);
    assert_eq!(deleted.action, Action::DeleteLocal);
    assert_eq!(deleted.reason, "it was deleted on the remote side, which wins over the edit here");
    let here = Side::Deleted(Evidence::DeletedHere);
    let back =
        one(Pair { agreed: on(&base), local: here, remote: Side::Holds(&edited) }, &rules(Direction::TwoWay));
    assert_eq!((back.action, back.local.as_ref()), (Action::RestoreLocal, Some(&edited)));
    let both = one(Pair { agreed: on(&base), local: here, remote: gone }, &rules(Direction::TwoWay));
    assert_eq!(both.action, Action::Forget);
}

#[test]
fn a_copy_that_was_deleted_returns_only_where_the_policy_names_its_source() {
    let base = event("base");
    let pair = Pair { agreed: on(&base), local: Side::Deleted(Evidence::DeletedHere), remote: Side::Silent };
    let mut import = rules(Direction::Import);
    assert_eq!(one(pair, &import).action, Action::Suppress);
    import.rules.deletions = DeletionPolicy::RemoteWins;
    let back = one(pair, &import);
    assert_eq!((back.action, back.local.as_ref()), (Action::RestoreLocal, Some(&base)));
    // Left alone from then on, until both are gone.
    let parted =
        Pair { agreed: Agreed::Parted, local: Side::Deleted(Evidence::DeletedHere), remote: Side::Silent };
    assert_eq!(one(parted, &import).action, Action::None);
    let gone = Pair { remote: Side::Deleted(Evidence::Reported), ..parted };
    assert_eq!(one(gone, &import).action, Action::Forget);
}

#[test]
fn what_comes_back_here_keeps_what_only_this_side_can_hold() {
    let (base, remote_base, edited) = (placed("base", "room 1"), event("base"), event("edited"));
    let agreed = Agreed::On(Bases { local: &base, remote: &remote_base });
    let gone = Side::Deleted(Evidence::DeletedHere);
    let survives = one(Pair { agreed, local: gone, remote: Side::Holds(&edited) }, &rules(Direction::TwoWay));
    assert_eq!((survives.action, survives.local), (Action::RestoreLocal, Some(placed("edited", "room 1"))));

    let mut returning = rules(Direction::Import);
    returning.rules.deletions = DeletionPolicy::RemoteWins;
    for (remote, back) in [(Side::Holds(&edited), placed("edited", "room 1")), (Side::Silent, base.clone())] {
        let returns = one(Pair { agreed, local: gone, remote }, &returning);
        assert_eq!((returns.action, returns.local), (Action::RestoreLocal, Some(back)));
    }
}

#[test]
fn the_brake_holds_deletions_and_nothing_else() {
    let (base, new) = (event("base"), event("new"));
    let gone = |evidence| Pair { agreed: on(&base), local: Side::Silent, remote: Side::Deleted(evidence) };
    let at_rest = Pair { agreed: on(&base), local: Side::Silent, remote: Side::Silent };
    let fresh = Pair { agreed: Agreed::Never, local: Side::Silent, remote: Side::Holds(&new) };
    let both = Direction::TwoWay;
    let held = |pairs: &[Pair<'_>], rules: &PairRules| plan_pairs(pairs, rules).held;
    // All of several, one of several, and the only one there is.
    assert!(held(&[gone(Evidence::Reported), gone(Evidence::Reported), fresh], &rules(both)));
    assert!(!held(&[gone(Evidence::Reported), at_rest], &rules(both)));
    assert!(!held(&[gone(Evidence::Reported), fresh], &rules(both)));
    // Pairs that were not given are there all the same.
    let known = PairRules { joined: Some(100), ..rules(both) };
    assert!(!held(&[gone(Evidence::Reported), gone(Evidence::Reported)], &known));
    // Many small steps are one large one.
    let guard = DeletionGuard { count: 3, percent: 2, ..DeletionGuard::default() };
    let strict = PairRules { guard, recent: 2, ..known };
    assert!(held(&[gone(Evidence::Reported), gone(Evidence::Reported)], &strict));
    assert!(!held(&[gone(Evidence::Reported), gone(Evidence::Reported)], &PairRules { recent: 0, ..strict }));
    // What the clock does to copies is no deletion anybody asks about.
    assert!(!held(&[gone(Evidence::OutsideWindow), gone(Evidence::OutsideWindow)], &rules(both)));
}
