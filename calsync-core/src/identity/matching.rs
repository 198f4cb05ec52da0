//! Pairs of events: one to one, or left to a person.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::profile::{Confidence, Moment, Profile, confidence};

/// How sure a match must be, and how much is spent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MatchOptions {
    /// What joins a pair. Default 0.85.
    pub confidence: Confidence,
    /// How far a pair must be ahead of every other pair either of its events could make. Default 0.1.
    pub margin: Confidence,
    /// Pairs compared among events that begin at the same moment. Where there are more, only events with the same title
    /// are compared, and only one-to-one. Default 10,000.
    pub pairs_max: usize,
    /// Candidates named for one question. Default 10.
    pub candidates_max: usize,
}

impl MatchOptions {
    /// Joins by UID alone.
    pub fn uid_only() -> Self {
        Self { confidence: Confidence(u16::MAX), ..Self::default() }
    }
}

impl Default for MatchOptions {
    fn default() -> Self {
        Self { confidence: Confidence::SURE, margin: Confidence(100), pairs_max: 10_000, candidates_max: 10 }
    }
}

/// Two events that are the same, by their places in the lists that were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Joined {
    /// The local event.
    pub local: usize,
    /// The remote event.
    pub remote: usize,
    /// How sure that is.
    pub confidence: Confidence,
}

/// A remote event that may be one of several local ones, or one of several that may be the same local one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The remote event.
    pub remote: usize,
    /// The local events it may be, the likeliest first.
    pub locals: Vec<usize>,
}

/// What is the same, and what may be. No event is in both, and none twice among the joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// To be joined.
    pub joined: Vec<Joined>,
    /// For a person to answer.
    pub questions: Vec<Question>,
}

/// Finds the events that are the same. Whatever is in no pair and no question is a different event.
///
/// A pair is joined when it is sure enough and clearly surer than any other pair either event could make. Pairs that are
/// sure enough by themselves but not clearly so become questions. Only events that begin at the same moment are compared:
/// no others can be sure enough, so nothing is missed (a property test shows it).
pub fn match_events(locals: &[Profile], remotes: &[Profile], options: &MatchOptions) -> Matching {
    let mut buckets: BTreeMap<Moment, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (index, local) in locals.iter().enumerate() {
        buckets.entry(local.start).or_default().0.push(index);
    }
    for (index, remote) in remotes.iter().enumerate() {
        if let Some(bucket) = buckets.get_mut(&remote.start) {
            bucket.1.push(index);
        }
    }
    let mut matching = Matching::default();
    let sides = Sides { locals, remotes, options };
    for (here, there) in buckets.into_values() {
        if here.len().saturating_mul(there.len()) <= options.pairs_max {
            sides.compare(&here, &there, &mut matching);
        } else {
            sides.by_title(&here, &there, &mut matching);
        }
    }
    matching.joined.sort_unstable();
    matching.questions.sort_unstable();
    matching
}

/// A pair that is sure enough by itself.
#[derive(Clone, Copy)]
struct Edge {
    local: usize,
    remote: usize,
    confidence: Confidence,
}

struct Sides<'a> {
    locals: &'a [Profile],
    remotes: &'a [Profile],
    options: &'a MatchOptions,
}

impl Sides<'_> {
    fn compare(&self, here: &[usize], there: &[usize], matching: &mut Matching) {
        let mut edges = Vec::new();
        for &local in here {
            for &remote in there {
                let confidence = confidence(&self.locals[local], &self.remotes[remote]);
                if confidence >= self.options.confidence {
                    edges.push(Edge { local, remote, confidence });
                }
            }
        }
        let of_local = ranked(&edges, |edge| edge.local);
        let of_remote = ranked(&edges, |edge| edge.remote);
        // Without any margin two equal pairs would both be clear.
        let margin = self.options.margin.0.max(1);
        let clear = |edge: &Edge| {
            [of_local.get(&edge.local), of_remote.get(&edge.remote)].into_iter().flatten().all(
                |[best, second]| {
                    edge.confidence == *best && edge.confidence.0 >= second.0.saturating_add(margin)
                },
            )
        };
        let (sure, open): (Vec<Edge>, Vec<Edge>) = edges.into_iter().partition(clear);
        let mut rest: BTreeMap<usize, Vec<Edge>> = BTreeMap::new();
        for edge in open {
            // What is clearly somebody else's is no candidate.
            if !sure.iter().any(|taken| taken.local == edge.local || taken.remote == edge.remote) {
                rest.entry(edge.remote).or_default().push(edge);
            }
        }
        matching.joined.extend(sure.into_iter().map(|edge| Joined {
            local: edge.local,
            remote: edge.remote,
            confidence: edge.confidence,
        }));
        for (remote, mut edges) in rest {
            edges.sort_unstable_by_key(|edge| (std::cmp::Reverse(edge.confidence), edge.local));
            edges.truncate(self.options.candidates_max.max(1));
            let locals = edges.into_iter().map(|edge| edge.local).collect();
            matching.questions.push(Question { remote, locals });
        }
    }

    /// Too many events at one moment to compare each with each: those with the same title are the same when there is one
    /// on each side.
    fn by_title(&self, here: &[usize], there: &[usize], matching: &mut Matching) {
        let mut groups: BTreeMap<&str, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for &local in here {
            groups.entry(&self.locals[local].title).or_default().0.push(local);
        }
        for &remote in there {
            if let Some(group) = groups.get_mut(&*self.remotes[remote].title) {
                group.1.push(remote);
            }
        }
        for (locals, remotes) in groups.into_values() {
            if let ([local], [remote]) = (&locals[..], &remotes[..]) {
                self.compare(&[*local], &[*remote], matching);
                continue;
            }
            // Each question names a few neighbours, and all of them together as many events as they can.
            let most = self.options.candidates_max.max(1).min(locals.len());
            for (place, &remote) in remotes.iter().enumerate() {
                let first = (place * locals.len() / remotes.len()).min(locals.len() - most);
                let candidates = locals[first..first + most]
                    .iter()
                    .copied()
                    .filter(|&local| {
                        confidence(&self.locals[local], &self.remotes[remote]) >= self.options.confidence
                    })
                    .collect::<Vec<_>>();
                if !candidates.is_empty() {
                    matching.questions.push(Question { remote, locals: candidates });
                }
            }
        }
    }
}

/// The best and the second best confidence of each event.
fn ranked(edges: &[Edge], key: impl Fn(&Edge) -> usize) -> BTreeMap<usize, [Confidence; 2]> {
    let mut ranks: BTreeMap<usize, [Confidence; 2]> = BTreeMap::new();
    for edge in edges {
        let [best, second] = ranks.entry(key(edge)).or_default();
        if edge.confidence > *best {
            *second = *best;
            *best = edge.confidence;
        } else {
            *second = edge.confidence.max(*second);
        }
    }
    ranks
}
