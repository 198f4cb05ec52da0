//! The core scenarios, as a table: what both sides agree on, and what is then done to them.

use calsync_core::{
    merge::{ConflictPolicy, DeletionPolicy},
    plan::Direction,
};

use super::script::{Dialect, Edit, LinkSetup, RemoteKind};

/// One situation a run can find.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// The link.
    pub link: LinkSetup,
    /// Edits before everything is in step, as (side, what, which).
    pub joined: &'static [(u8, Edit, u16)],
    /// Edits after that; what the run finds.
    pub then: &'static [(u8, Edit, u16)],
    /// The cursor is dead when the run begins.
    pub forgotten: bool,
}

/// A row of the table: name, policy, items on a page, what is joined, what is then done, whether the cursor is dead.
type Row = (&'static str, ConflictPolicy, u8, &'static [(u8, Edit, u16)], &'static [(u8, Edit, u16)], bool);

const HERE: u8 = 0;
const THERE: u8 = 1;

/// Each is played against each of the providers that can be written.
#[rustfmt::skip]
const TABLE: [Row; 16] = {
    use ConflictPolicy::{KeepBoth, LocalWins, Manual, NewestWins, RemoteWins};
    use Edit::*;
    const ONE: &[(u8, Edit, u16)] = &[(THERE, Create, 0)];
    const SERIES: &[(u8, Edit, u16)] = &[(HERE, CreateSeries, 0)];
    const MANY: &[(u8, Edit, u16)] =
        &[(THERE, Create, 0), (THERE, Create, 0), (HERE, Create, 0), (THERE, CreateSeries, 0), (HERE, CreateAllDay, 0)];
    [
        ("new here",                         RemoteWins, 100, &[],    &[(HERE, Create, 0)], false),
        ("new there",                        RemoteWins, 100, &[],    &[(THERE, Create, 0), (THERE, CreateAllDay, 0)], false),
        ("the same event on both sides",     RemoteWins, 100, &[],    &[(HERE, CreateBoth, 0)], false),
        ("edited here",                      RemoteWins, 100, ONE,    &[(HERE, Title, 0)], false),
        ("edited there",                     RemoteWins, 100, ONE,    &[(THERE, Location, 0)], false),
        ("edited on both sides",             RemoteWins, 100, ONE,    &[(HERE, Title, 0), (THERE, Location, 0)], false),
        ("the same field, remote wins",      RemoteWins, 100, ONE,    &[(HERE, Title, 0), (THERE, Title, 0)], false),
        ("the same field, local wins",       LocalWins,  100, ONE,    &[(HERE, Title, 0), (THERE, Title, 0)], false),
        ("the same field, both are kept",    KeepBoth,   100, ONE,    &[(HERE, Title, 0), (THERE, Title, 0)], false),
        ("deleted here",                     RemoteWins, 100, ONE,    &[(HERE, Delete, 0)], false),
        ("deleted there",                    RemoteWins, 100, ONE,    &[(THERE, Delete, 0)], false),
        ("deleted here, edited there",       NewestWins, 100, ONE,    &[(HERE, Delete, 0), (THERE, Title, 0)], false),
        ("edited here, deleted there",       NewestWins, 100, ONE,    &[(HERE, Title, 0), (THERE, Delete, 0)], false),
        ("instances of a series",            RemoteWins, 100, SERIES, &[(HERE, Instance, 0), (THERE, Exclude, 65535)], false),
        ("much at once, page by page",       Manual,     2,   MANY,
            &[(HERE, Title, 0), (THERE, Location, 1), (HERE, Delete, 2), (THERE, Delete, 3), (HERE, Create, 0), (THERE, Create, 0)], false),
        ("a dead cursor",                    RemoteWins, 2,   MANY,   &[(THERE, Delete, 1), (THERE, Title, 0), (HERE, Create, 0)], true),
    ]
};

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for dialect in [Dialect::CalDav, Dialect::Google, Dialect::Graph] {
        for (name, policy, page, joined, then, forgotten) in TABLE {
            all.push(Scenario {
                name: format!("{name} ({dialect:?})").to_lowercase(),
                link: LinkSetup {
                    dialect,
                    direction: Direction::TwoWay,
                    policy,
                    deletions: DeletionPolicy::ByConflicts,
                    page,
                    rewrites: false,
                    remote: RemoteKind::Model,
                },
                joined,
                then,
                forgotten,
            });
        }
    }
    all
}
