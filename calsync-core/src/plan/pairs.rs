//! The plan of many pairs at once, for a host that keeps both sides itself.
//!
//! In: of each pair what both sides held when they last agreed, and what is known of each by now. Out: what each side is to
//! hold, and why. Pure: no engine, store, provider or clock. A run of the engine decides by the same table, merge and brake; what it
//! knows beside them (which events belong together, what a provider can hold, answers of people, windows, marks) is the
//! host's here.

use super::{
    Action, DeletionGuard, Evidence, LocalSide, Meeting, RemoteSide, Rules, Tally, Verdict, decide,
    here::{self, edited_there},
    reason,
};
use crate::{
    diff::changed_fields,
    merge::{Bases, Freshness, Merge, Sides, merge},
    model::Event,
};

/// What both sides of a pair agreed on last.
#[derive(Clone, Copy, Debug)]
pub enum Agreed<'a> {
    /// They never met.
    Never,
    /// They held this.
    On(Bases<'a>),
    /// They are left alone, since a plan said [`Action::Suppress`].
    Parted,
}

/// What is known of one side of a pair.
#[derive(Clone, Copy, Debug)]
pub enum Side<'a> {
    /// Nothing was heard of it: it is as both agreed, and where they never met there is none.
    Silent,
    /// What it holds now.
    Holds(&'a Event),
    /// It was deleted, and this speaks for it. That something was not listed is none of it.
    Deleted(Evidence),
}

/// An event here and its item there.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// What both agreed on.
    pub agreed: Agreed<'a>,
    /// The local side.
    pub local: Side<'a>,
    /// The remote side.
    pub remote: Side<'a>,
}

/// What decides about pairs.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairRules {
    /// Who wins, and which way changes go.
    pub rules: Rules,
    /// When deletions are held.
    pub guard: DeletionGuard,
    /// How many pairs are joined, those that were not given included. Default: those of the pairs given that are.
    pub joined: Option<usize>,
    /// Deletions carried out lately that nobody was asked about: see [`DeletionGuard::within`]. Default: none.
    pub recent: usize,
}

/// What is done about one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What. Never [`Action::Ask`]: which events belong together was decided by whoever made the pairs.
    pub action: Action,
    /// What the local side is to hold; `None`: it stays as it is, or is deleted.
    pub local: Option<Event>,
    /// What the remote side is to hold; `None`: it stays as it is, or is deleted.
    pub remote: Option<Event>,
    /// The merge of [`Action::Join`] and [`Action::Merge`], without the fields the direction carries nowhere; empty for all else.
    pub merge: Merge,
    /// Why, in words for a person, without event text.
    pub reason: &'static str,
    /// What speaks for a deletion; `None` for anything else.
    pub evidence: Option<Evidence>,
}

/// What is done about pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairPlan {
    /// One for each pair, in the order given. Deletions are carried out last.
    pub decisions: Vec<Decision>,
    /// Whether the deletions wait for a person. All else goes on.
    pub held: bool,
}

/// Decides about pairs.
///
/// What both hold once it is carried out is what they agreed on the next time; while a field of a pair is
/// [`Choice::Open`](crate::merge::Choice::Open), what they agreed on stays as it is. The side a one-way rule does not write
/// is left out of that: there the source alone says what was agreed on.
///
/// An event that was deleted here and comes back is what the local side held when both agreed, with what was edited there: what
/// was edited here in between, and then deleted, no argument holds. When a side was edited is what its event says, also
/// of a time that has not come.
pub fn plan_pairs(pairs: &[Pair<'_>], rules: &PairRules) -> PairPlan {
    let decisions: Vec<Decision> = pairs.iter().map(|pair| decided(pair, rules.rules)).collect();
    let counts =
        |decision: &&Decision| decision.action.deletes() && decision.evidence.is_some_and(Evidence::counts);
    let tally = Tally {
        planned: decisions.iter().filter(counts).count(),
        recent: rules.recent,
        joined: rules
            .joined
            .unwrap_or_else(|| pairs.iter().filter(|pair| matches!(pair.agreed, Agreed::On(_))).count()),
    };
    PairPlan { decisions, held: rules.guard.judge(tally) == Verdict::Hold }
}

/// A side before it is compared with the other.
struct Now<'a, S> {
    state: S,
    /// What it holds.
    event: Option<&'a Event>,
    evidence: Option<Evidence>,
}

/// `base`: what the side held when both agreed. The states are those of no event, of one at rest, of an edited one and of a
/// deleted one.
fn now<'a, S>(side: Side<'a>, base: Option<&'a Event>, parted: bool, states: [S; 4]) -> Now<'a, S> {
    let [absent, unchanged, changed, deleted] = states;
    match (side, base) {
        (Side::Deleted(evidence), _) => Now { state: deleted, event: None, evidence: Some(evidence) },
        (Side::Silent, Some(base)) => Now { state: unchanged, event: Some(base), evidence: None },
        (Side::Silent, None) if parted => Now { state: unchanged, event: None, evidence: None },
        (Side::Silent, None) => Now { state: absent, event: None, evidence: None },
        (Side::Holds(event), Some(base)) if changed_fields(base, event).is_empty() => {
            Now { state: unchanged, event: Some(event), evidence: None }
        }
        (Side::Holds(event), _) => Now { state: changed, event: Some(event), evidence: None },
    }
}

fn decided(pair: &Pair<'_>, rules: Rules) -> Decision {
    let (meeting, bases) = match pair.agreed {
        Agreed::Never => (Meeting::First, None),
        Agreed::On(bases) => (Meeting::Joined, Some(bases)),
        Agreed::Parted => (Meeting::Parted, None),
    };
    let parted = meeting == Meeting::Parted;
    let here = [LocalSide::Absent, LocalSide::Unchanged, LocalSide::Changed, LocalSide::Deleted];
    let there = [RemoteSide::Absent, RemoteSide::Unchanged, RemoteSide::Changed, RemoteSide::Removed];
    let local = now(pair.local, bases.map(|bases| bases.local), parted, here);
    let remote = now(pair.remote, bases.map(|bases| bases.remote), parted, there);
    let action = decide(meeting, local.state, remote.state, rules);
    let plain = |reason| Decision {
        action,
        local: None,
        remote: None,
        merge: Merge::default(),
        reason,
        evidence: None,
    };
    let to_local = |event, reason| Decision { local: event, ..plain(reason) };
    let to_remote = |reason| Decision { remote: local.event.cloned(), ..plain(reason) };
    match action {
        Action::Join | Action::Merge => match (local.event, remote.event) {
            (Some(local), Some(remote)) => merged(Sides { bases, local, remote }, plain(""), rules),
            // Only what holds something is joined or merged.
            _ => plain(reason::AGREED),
        },
        Action::CreateLocal => to_local(remote.event.cloned(), reason::NEW_THERE),
        Action::CreateRemote => to_remote(reason::NEW_HERE),
        Action::RestoreLocal => {
            let returns = rules.copies_return();
            let restored = bases.zip(remote.event).map(|(bases, there)| {
                // A copy that returns is as its source: nobody edited it.
                let edited = edited_there(Some(bases.remote), there).filter(|_| !returns);
                here::restored(bases.local, Some(bases.remote), there, edited)
            });
            to_local(restored, if returns { reason::RETURNS } else { reason::EDIT_THERE_SURVIVES })
        }
        Action::RestoreRemote if rules.copies_return() => to_remote(reason::RETURNS),
        Action::RestoreRemote => to_remote(reason::EDIT_HERE_SURVIVES),
        Action::DeleteLocal | Action::DeleteRemote => {
            let speaks = if action == Action::DeleteLocal { remote.evidence } else { local.evidence };
            let reason = reason::of_deletion(action, local.state, remote.state);
            Decision { evidence: speaks, ..plain(reason) }
        }
        Action::Suppress => plain(reason::of_suppressing(local.state)),
        Action::Forget => plain("both sides are gone"),
        Action::None | Action::Ask => plain(match meeting {
            Meeting::Parted => "the pair is left alone",
            Meeting::Joined => "neither side was edited",
            Meeting::First if local.event.is_some() => "it is only here, and nothing is written there",
            Meeting::First if remote.event.is_some() => "it is only there, and nothing is written here",
            Meeting::First => "there is nothing on either side",
        }),
    }
}

fn merged(sides: Sides<'_>, plain: Decision, rules: Rules) -> Decision {
    let (local, remote) = (sides.local, sides.remote);
    let choice = rules.choosing().choose(Freshness { local: local.updated(), remote: remote.updated() });
    let mut merge = merge(sides, |_| choice);
    let mut kept = false;
    if !rules.direction.imports() {
        kept |= !std::mem::take(&mut merge.to_local).is_empty();
    }
    if !rules.direction.exports() {
        kept |= !std::mem::take(&mut merge.to_remote).is_empty();
    }
    let edited = edited_there(sides.bases.map(|bases| bases.remote), remote);
    let joins = plain.action == Action::Join;
    let reason = match (merge.to_local.is_empty(), merge.to_remote.is_empty()) {
        _ if joins => reason::SAME_EVENT,
        (false, false) => reason::EDITED_BOTH,
        (false, true) => reason::EDITED_THERE,
        (true, false) => reason::EDITED_HERE,
        (true, true) if !merge.contested.is_empty() => reason::CONTESTED,
        (true, true) if kept => "the edit stays where it is: nothing is written to the other side",
        (true, true) => reason::AGREED,
    };
    let action = if joins || !merge.is_empty() { plain.action } else { Action::None };
    Decision {
        action,
        local: (!merge.to_local.is_empty()).then(|| here::merged(&merge, local, remote, edited)),
        remote: (!merge.to_remote.is_empty()).then(|| merge.apply_to_remote(local, remote)),
        merge,
        reason,
        ..plain
    }
}
