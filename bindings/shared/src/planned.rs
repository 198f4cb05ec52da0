//! `plan`: what becomes of pairs of events, for a host that keeps both sides itself.

use calsync_core::{
    merge::Bases,
    model::Event,
    plan::{Action, Agreed, DeletionGuard, Evidence, Pair, PairRules, Rules, Side, plan_pairs},
};
use serde::{Deserialize, Serialize};

use crate::{
    Failure, args,
    model::{ContestedField, EventModel, FieldModel, fields},
};

/// An event here and its item there, with what is known of both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanPair {
    /// What both sides held when they last agreed; absent when they never met.
    pub base: Option<EventModel>,
    /// What the remote side held then, where it stores the event in a form of its own. Default: [`base`](Self::base).
    pub remote_base: Option<EventModel>,
    /// The local side now. Absent: nothing was heard of it, so it is as the base says.
    pub local: Option<EventModel>,
    /// The remote side now. Absent: nothing was heard of it, so it is as the base says.
    pub remote: Option<EventModel>,
    /// The local event was deleted, and this speaks for it.
    pub local_gone: Option<Evidence>,
    /// The item was deleted, and this speaks for it: that it was not listed does not.
    pub remote_gone: Option<Evidence>,
    /// The pair is left alone, since a plan said `suppress`.
    pub parted: bool,
}

/// What is done about one pair, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What.
    pub action: Action,
    /// Why, in words for a person, without event text.
    pub reason: String,
    /// What the local side is to hold; absent: it stays as it is, or is deleted.
    pub local: Option<EventModel>,
    /// What the remote side is to hold; absent: it stays as it is, or is deleted.
    pub remote: Option<EventModel>,
    /// Fields that come in.
    pub to_local: Vec<FieldModel>,
    /// Fields that go out.
    pub to_remote: Vec<FieldModel>,
    /// Fields both sides changed to different values.
    pub contested: Vec<ContestedField>,
    /// Whether the local version is to be kept as an event of its own.
    pub keep_local_copy: bool,
    /// What speaks for a deletion.
    pub evidence: Option<Evidence>,
}

impl From<calsync_core::plan::Decision> for Decision {
    fn from(decision: calsync_core::plan::Decision) -> Self {
        let contested = decision.merge.contested.iter();
        Self {
            action: decision.action,
            reason: decision.reason.to_owned(),
            local: decision.local.map(EventModel::from),
            remote: decision.remote.map(EventModel::from),
            to_local: fields(&decision.merge.to_local),
            to_remote: fields(&decision.merge.to_remote),
            contested: contested
                .map(|c| ContestedField { field: FieldModel::from(&c.field), choice: c.choice })
                .collect(),
            keep_local_copy: decision.merge.keep_local_copy,
            evidence: decision.evidence,
        }
    }
}

/// What is done about pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// One for each pair, in the order given. Deletions are carried out last.
    pub decisions: Vec<Decision>,
    /// Whether the deletions wait for a person. All else goes on.
    pub held: bool,
}

/// A pair with events of the core.
struct Owned {
    bases: Option<(Event, Option<Event>)>,
    local: (Option<Event>, Option<Evidence>),
    remote: (Option<Event>, Option<Evidence>),
    parted: bool,
}

impl TryFrom<PlanPair> for Owned {
    type Error = Failure;

    fn try_from(pair: PlanPair) -> Result<Self, Failure> {
        if pair.local.is_some() && pair.local_gone.is_some()
            || pair.remote.is_some() && pair.remote_gone.is_some()
        {
            return Err(Failure::invalid("a side that was deleted holds nothing").about("plan"));
        }
        if pair.base.is_none() && pair.remote_base.is_some() {
            return Err(Failure::invalid("`remote_base` needs a `base`").about("plan"));
        }
        let remote_base = pair.remote_base.map(Event::from);
        Ok(Self {
            bases: pair.base.map(|base| (base.into(), remote_base)),
            local: (pair.local.map(Event::from), pair.local_gone),
            remote: (pair.remote.map(Event::from), pair.remote_gone),
            parted: pair.parted,
        })
    }
}

impl Owned {
    fn pair(&self) -> Pair<'_> {
        let agreed = match &self.bases {
            _ if self.parted => Agreed::Parted,
            None => Agreed::Never,
            Some((base, remote)) => {
                Agreed::On(Bases { local: base, remote: remote.as_ref().unwrap_or(base) })
            }
        };
        Pair { agreed, local: now(&self.local), remote: now(&self.remote) }
    }
}

fn now((event, gone): &(Option<Event>, Option<Evidence>)) -> Side<'_> {
    match (event, gone) {
        (_, Some(evidence)) => Side::Deleted(*evidence),
        (Some(event), None) => Side::Holds(event),
        (None, None) => Side::Silent,
    }
}

pub(crate) fn plan(args: args::PlanPairs) -> Result<Plan, Failure> {
    let pairs: Vec<Owned> = args.pairs.into_iter().map(Owned::try_from).collect::<Result<_, _>>()?;
    let pairs: Vec<Pair<'_>> = pairs.iter().map(Owned::pair).collect();
    let guard = DeletionGuard::default();
    let plan = plan_pairs(
        &pairs,
        &PairRules {
            rules: Rules { direction: args.direction, conflicts: args.conflicts, deletions: args.deletions },
            guard: DeletionGuard {
                count: args.guard_count.unwrap_or(guard.count),
                percent: args.guard_percent.unwrap_or(guard.percent),
                ..guard
            },
            joined: args.joined,
            recent: args.recent_deletions,
        },
    );
    Ok(Plan { decisions: plan.decisions.into_iter().map(Decision::from).collect(), held: plan.held })
}
