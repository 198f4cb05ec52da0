//! Where events go when links are put together: a graph that is looked at before any of them runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::CopyRules;
use crate::{
    pipeline::{Action, Filter, Pipeline},
    plan::Direction,
};

/// A link as the graph sees it.
#[derive(Clone, Copy, Debug)]
pub struct Joint<'a> {
    /// Its name.
    pub link: &'a str,
    /// The calendar in the store.
    pub calendar: &'a str,
    /// The account of the remote calendar: two accounts may name their calendars alike.
    pub account: &'a str,
    /// The remote calendar.
    pub remote: &'a str,
    /// Which way it goes.
    pub direction: Direction,
    /// What it copies, as [`Link::copies`](super::Link) says: without it a link that exports is busy-only.
    pub copies: Option<&'a CopyRules>,
}

/// Links that copy what they copied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the links {} make a circle: what {:?} copies comes back to it, and is copied again and again. Take one of them out, \
     or let one that imports leave copies out, with the filter not-copied",
    .links.join(" -> "),
    .links.first().map_or("", String::as_str)
)]
pub struct RuleCycle {
    /// Their names, in the order events go; the first one copies by rules.
    pub links: Vec<String>,
}

/// Looks for circles in which a link copies by rules.
///
/// Links that copy everything, whole, may be put together in any way: an event keeps its UID on every way round, is
/// joined where it comes back, and rests. A link that copies by rules makes another event of it, or the same one with
/// another title, so what comes back is copied again: a circle with such a link in it never rests. What a filter in it
/// leaves out would be deleted all the way round, back to where it was written.
///
/// The engine asks this of the links of a store by itself, as far as it knows them: a host that can tell all of them asks
/// before the first one runs.
///
/// An importing link with the filter [`Filter::NotCopied`] passes on only what people wrote: no circle goes through it.
///
/// # Errors
///
/// The shortest circle of the first link that is in one.
pub fn check_rules(joints: &[Joint<'_>]) -> Result<(), RuleCycle> {
    circles(joints).next().map_or(Ok(()), Err)
}

/// For each link that copies by rules, the shortest circle it is in.
pub(super) fn circles<'j>(joints: &'j [Joint<'_>]) -> impl Iterator<Item = RuleCycle> + 'j {
    joints.iter().enumerate().filter_map(|(start, joint)| {
        let ways = ways(joint);
        let [(from, to)] = ways[..] else { return None };
        // Without rules an export is busy-only.
        let whole =
            joint.copies.map_or(joint.direction != Direction::Export, |rules| rules.pipeline.is_whole());
        if whole {
            return None;
        }
        let back = path(joints, start, to, from)?;
        let names = std::iter::once(start).chain(back);
        Some(RuleCycle { links: names.map(|index| joints[index].link.to_owned()).collect() })
    })
}

/// A calendar here, or one there.
type Place<'a> = (Option<&'a str>, &'a str);

/// From where to where a link passes copies on.
fn ways<'a>(joint: &Joint<'a>) -> Vec<(Place<'a>, Place<'a>)> {
    let (here, there) = ((None, joint.calendar), (Some(joint.account), joint.remote.trim_end_matches('/')));
    match joint.direction {
        Direction::TwoWay => vec![(here, there), (there, here)],
        Direction::Export => vec![(here, there)],
        Direction::Import if joint.copies.is_some_and(|rules| leaves_copies_out(&rules.pipeline)) => {
            Vec::new()
        }
        Direction::Import => vec![(there, here)],
    }
}

pub(super) fn leaves_copies_out(pipeline: &Pipeline) -> bool {
    pipeline.steps.iter().any(|step| step.action == Action::Filter(Filter::NotCopied {}))
}

/// The shortest way over other links than one.
fn path(joints: &[Joint<'_>], except: usize, from: Place<'_>, to: Place<'_>) -> Option<Vec<usize>> {
    let mut reached = BTreeSet::from([from]);
    let mut came: BTreeMap<Place<'_>, (usize, Place<'_>)> = BTreeMap::new();
    let mut waiting = VecDeque::from([from]);
    while let Some(place) = waiting.pop_front() {
        if place == to {
            let mut links = Vec::new();
            let mut at = place;
            while let Some((link, before)) = came.get(&at) {
                links.push(*link);
                at = *before;
            }
            links.reverse();
            return Some(links);
        }
        for (index, joint) in joints.iter().enumerate().filter(|(index, _)| *index != except) {
            for (_, next) in ways(joint).into_iter().filter(|(start, _)| *start == place) {
                if reached.insert(next) {
                    came.insert(next, (index, place));
                    waiting.push_back(next);
                }
            }
        }
    }
    None
}
