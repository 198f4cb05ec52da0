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
    /// Another link of the calendar, whose runs come before.
    pub source: Option<LinkSetup>,
    /// Edits before everything is in step, as (side, what, which).
    pub joined: &'static [(u8, Edit, u16)],
    /// Edits after that; what the run finds.
    pub then: &'static [(u8, Edit, u16)],
    /// The cursor is dead when the run begins.
    pub forgotten: bool,
}

impl Scenario {
    /// Whether anybody makes a series.
    pub(crate) fn has_series(&self) -> bool {
        let makes = |(_, edit, _): &(u8, Edit, u16)| matches!(edit, Edit::CreateSeries | Edit::Split);
        self.joined.iter().chain(self.then).any(makes)
    }
}

/// A row of the table: name, policy, items on a page, what is joined, what is then done, whether the cursor is dead.
type Row = (&'static str, ConflictPolicy, u8, &'static [(u8, Edit, u16)], &'static [(u8, Edit, u16)], bool);

const HERE: u8 = 0;
const THERE: u8 = 1;
/// At the other end of the other link.
const SOURCE: u8 = 2;

/// Each is played against each of the providers that can be written.
#[rustfmt::skip]
const TABLE: [Row; 18] = {
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
        ("another rule for a series",        RemoteWins, 100, SERIES, &[(HERE, Rule, 7)], false),
        ("this and following there",         RemoteWins, 100, SERIES, &[(THERE, Split, 32768)], false),
        ("much at once, page by page",       Manual,     2,   MANY,
            &[(HERE, Title, 0), (THERE, Location, 1), (HERE, Delete, 2), (THERE, Delete, 3), (HERE, Create, 0), (THERE, Create, 0)], false),
        ("a dead cursor",                    RemoteWins, 2,   MANY,   &[(THERE, Delete, 1), (THERE, Title, 0), (HERE, Create, 0)], true),
    ]
};

/// A row about copies: name, direction, who is right about deletions, what is joined, what is then done.
type CopyRow =
    (&'static str, Direction, DeletionPolicy, &'static [(u8, Edit, u16)], &'static [(u8, Edit, u16)]);

/// Links that go one way. Those that import are played against a feed as well.
#[rustfmt::skip]
const COPIES: [CopyRow; 7] = {
    use DeletionPolicy::{ByConflicts, LocalWins, RemoteWins};
    use Direction::{Export, Import};
    use Edit::*;
    const TWO_HERE: &[(u8, Edit, u16)] = &[(HERE, Create, 0), (HERE, CreateSeries, 0)];
    const TWO_THERE: &[(u8, Edit, u16)] = &[(THERE, Create, 0), (THERE, CreateSeries, 0)];
    const TWO_AWAY: &[(u8, Edit, u16)] = &[(SOURCE, Create, 0), (SOURCE, Create, 0)];
    [
        ("copies there follow",              Export, ByConflicts, TWO_HERE,  &[(HERE, Title, 0), (HERE, Rule, 65535), (HERE, Create, 0)]),
        ("copies there, edited and deleted", Export, LocalWins,   TWO_HERE,  &[(THERE, Title, 65535), (THERE, Delete, 0)]),
        ("the source of a copy there goes",  Export, ByConflicts, TWO_HERE,  &[(HERE, Delete, 0), (HERE, Location, 0)]),
        ("copies here follow",               Import, ByConflicts, TWO_THERE, &[(THERE, Title, 0), (THERE, Instance, 65535), (THERE, Create, 0)]),
        ("copies here, edited and deleted",  Import, RemoteWins,  TWO_THERE, &[(HERE, Title, 65535), (HERE, Delete, 0), (THERE, Location, 65535)]),
        ("the source of a copy here goes",   Import, ByConflicts, TWO_THERE, &[(THERE, Delete, 0), (THERE, Title, 0)]),
        ("from a calendar through this one", Export, ByConflicts, TWO_AWAY,  &[(SOURCE, Title, 0), (SOURCE, Delete, 65535), (SOURCE, CreateSeries, 0)]),
    ]
};

/// All of them: of a link that goes both ways, and of copies.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for dialect in [Dialect::CalDav, Dialect::Google, Dialect::Graph] {
        for (name, policy, page, joined, then, forgotten) in TABLE {
            let link = LinkSetup { policy, page, ..link(dialect, Direction::TwoWay) };
            all.push(Scenario { name: named(name, dialect), link, source: None, joined, then, forgotten });
        }
    }
    for dialect in [Dialect::CalDav, Dialect::Google, Dialect::Graph, Dialect::Feed] {
        for (name, direction, deletions, joined, then) in COPIES {
            if dialect == Dialect::Feed && direction != Direction::Import {
                continue;
            }
            let is_away = joined.iter().any(|(side, ..)| *side == SOURCE);
            all.push(Scenario {
                name: named(name, dialect),
                link: LinkSetup { deletions, ..link(dialect, direction) },
                source: is_away.then(|| link(Dialect::CalDav, Direction::Import)),
                joined,
                then,
                forgotten: false,
            });
        }
    }
    all
}

fn named(name: &str, dialect: Dialect) -> String {
    format!("{name} ({dialect:?})").to_lowercase()
}

fn link(dialect: Dialect, direction: Direction) -> LinkSetup {
    LinkSetup {
        dialect,
        direction,
        policy: ConflictPolicy::RemoteWins,
        deletions: DeletionPolicy::ByConflicts,
        page: 100,
        rewrites: false,
        remote: RemoteKind::Model,
    }
}
