//! Every cell of the decision about a pair, as a table.
//!
//! A row is a state of base, local and remote side; its columns are the directions. `edit` stands for what becomes of an
//! edit against a deletion, which the second table says for every pair of policies; `copy` for a copy that was deleted, which
//! comes back where the policy for deletions names the side of its source.
#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::collections::BTreeMap;

use calsync_core::{
    diff::{Field, Part},
    merge::{Choice, ConflictPolicy, DeletionPolicy, Freshness},
    plan::{
        Action, DeletionGuard,
        Direction::{self, Export, Import, TwoWay},
        LocalSide, Meeting, Operation, Plan, RemoteSide, Rules, Tally, Verdict, decide,
    },
};

use calsync_core::store::Revision;
use chrono::DateTime;

/// base, local, remote: two-way, import, export.
const CELLS: &str = "
    first  absent    absent    : none           none          none
    first  absent    unchanged : create-local   create-local  none
    first  absent    changed   : create-local   create-local  none
    first  absent    removed   : none           none          none
    first  unchanged absent    : create-remote  none          create-remote
    first  unchanged unchanged : join           join          join
    first  unchanged changed   : join           join          join
    first  unchanged removed   : create-remote  none          create-remote
    first  changed   absent    : create-remote  none          create-remote
    first  changed   unchanged : join           join          join
    first  changed   changed   : join           join          join
    first  changed   removed   : create-remote  none          create-remote
    first  deleted   absent    : none           none          none
    first  deleted   unchanged : create-local   create-local  none
    first  deleted   changed   : create-local   create-local  none
    first  deleted   removed   : none           none          none

    joined absent    absent    : forget         forget        forget
    joined absent    unchanged : delete-remote  copy-here     delete-remote
    joined absent    changed   : edit-remote    copy-here     delete-remote
    joined absent    removed   : forget         forget        forget
    joined unchanged absent    : delete-local   delete-local  copy-there
    joined unchanged unchanged : none           none          none
    joined unchanged changed   : merge          merge         merge
    joined unchanged removed   : delete-local   delete-local  copy-there
    joined changed   absent    : edit-local     delete-local  copy-there
    joined changed   unchanged : merge          merge         merge
    joined changed   changed   : merge          merge         merge
    joined changed   removed   : edit-local     delete-local  copy-there
    joined deleted   absent    : forget         forget        forget
    joined deleted   unchanged : delete-remote  copy-here     delete-remote
    joined deleted   changed   : edit-remote    copy-here     delete-remote
    joined deleted   removed   : forget         forget        forget

    parted absent    absent    : forget         forget        forget
    parted absent    unchanged : none           none          none
    parted absent    changed   : none           none          none
    parted absent    removed   : forget         forget        forget
    parted unchanged absent    : none           none          none
    parted unchanged unchanged : none           none          none
    parted unchanged changed   : none           none          none
    parted unchanged removed   : none           none          none
    parted changed   absent    : none           none          none
    parted changed   unchanged : none           none          none
    parted changed   changed   : none           none          none
    parted changed   removed   : none           none          none
    parted deleted   absent    : forget         forget        forget
    parted deleted   unchanged : none           none          none
    parted deleted   changed   : none           none          none
    parted deleted   removed   : forget         forget        forget
";

/// conflicts, deletions: edit here against deletion there, deletion here against edit there.
const DELETIONS: &str = "
    remote-wins by-conflicts : delete-local    restore-local
    local-wins  by-conflicts : restore-remote  delete-remote
    newest-wins by-conflicts : restore-remote  restore-local
    keep-both   by-conflicts : restore-remote  restore-local
    manual      by-conflicts : restore-remote  restore-local
    resolver    by-conflicts : restore-remote  restore-local
    remote-wins keep-edit    : restore-remote  restore-local
    local-wins  keep-edit    : restore-remote  restore-local
    newest-wins keep-edit    : restore-remote  restore-local
    keep-both   keep-edit    : restore-remote  restore-local
    manual      keep-edit    : restore-remote  restore-local
    resolver    keep-edit    : restore-remote  restore-local
    remote-wins delete       : delete-local    delete-remote
    local-wins  delete       : delete-local    delete-remote
    newest-wins delete       : delete-local    delete-remote
    keep-both   delete       : delete-local    delete-remote
    manual      delete       : delete-local    delete-remote
    resolver    delete       : delete-local    delete-remote
    remote-wins remote-wins  : delete-local    restore-local
    local-wins  remote-wins  : delete-local    restore-local
    newest-wins remote-wins  : delete-local    restore-local
    keep-both   remote-wins  : delete-local    restore-local
    manual      remote-wins  : delete-local    restore-local
    resolver    remote-wins  : delete-local    restore-local
    remote-wins local-wins   : restore-remote  delete-remote
    local-wins  local-wins   : restore-remote  delete-remote
    newest-wins local-wins   : restore-remote  delete-remote
    keep-both   local-wins   : restore-remote  delete-remote
    manual      local-wins   : restore-remote  delete-remote
    resolver    local-wins   : restore-remote  delete-remote
";

const POLICIES: [ConflictPolicy; 6] = [
    ConflictPolicy::RemoteWins,
    ConflictPolicy::LocalWins,
    ConflictPolicy::NewestWins,
    ConflictPolicy::KeepBoth,
    ConflictPolicy::Manual,
    ConflictPolicy::Resolver,
];
const DELETION_POLICIES: [DeletionPolicy; 5] = [
    DeletionPolicy::ByConflicts,
    DeletionPolicy::KeepEdit,
    DeletionPolicy::Delete,
    DeletionPolicy::RemoteWins,
    DeletionPolicy::LocalWins,
];
const MEETINGS: [(&str, Meeting); 3] =
    [("first", Meeting::First), ("joined", Meeting::Joined), ("parted", Meeting::Parted)];
const LOCALS: [(&str, LocalSide); 4] = [
    ("absent", LocalSide::Absent),
    ("unchanged", LocalSide::Unchanged),
    ("changed", LocalSide::Changed),
    ("deleted", LocalSide::Deleted),
];
const REMOTES: [(&str, RemoteSide); 4] = [
    ("absent", RemoteSide::Absent),
    ("unchanged", RemoteSide::Unchanged),
    ("changed", RemoteSide::Changed),
    ("removed", RemoteSide::Removed),
];
const DIRECTIONS: [Direction; 3] = [TwoWay, Import, Export];

fn rows(table: &'static str) -> BTreeMap<Vec<&'static str>, Vec<&'static str>> {
    let mut rows = BTreeMap::new();
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let (state, outcome) = line.split_once(':').expect("state: outcome");
        let state: Vec<_> = state.split_whitespace().collect();
        assert!(rows.insert(state, outcome.split_whitespace().collect()).is_none(), "twice: {line}");
    }
    rows
}

fn name(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).expect("a word").as_str().expect("a word").to_owned()
}

/// Every state, direction and policy is in the table, and comes out as it says there.
#[test]
fn every_cell_is_as_the_table_says() {
    let (cells, deletions) = (rows(CELLS), rows(DELETIONS));
    let mut checked = 0;
    for (meeting_name, meeting) in MEETINGS {
        for (local_name, local) in LOCALS {
            for (remote_name, remote) in REMOTES {
                let row = &cells[&vec![meeting_name, local_name, remote_name]];
                for (direction, expected) in DIRECTIONS.into_iter().zip(row) {
                    for conflicts in POLICIES {
                        for deletion in DELETION_POLICIES {
                            let policies = [name(conflicts), name(deletion)];
                            let sides = &deletions[&vec![&*policies[0], &*policies[1]]];
                            let expected = match *expected {
                                "edit-local" => sides[0],
                                "edit-remote" => sides[1],
                                "copy-here" if deletion == DeletionPolicy::RemoteWins => "restore-local",
                                "copy-there" if deletion == DeletionPolicy::LocalWins => "restore-remote",
                                "copy-here" | "copy-there" => "suppress",
                                other => other,
                            };
                            let rules = Rules { direction, conflicts, deletions: deletion };
                            let action = decide(meeting, local, remote, rules);
                            assert_eq!(
                                name(action),
                                expected,
                                "{meeting_name} {local_name} {remote_name} {rules:?}"
                            );
                            checked += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!((cells.len(), deletions.len()), (3 * 4 * 4, 6 * 5), "the table has other rows");
    assert_eq!(checked, 3 * 4 * 4 * 3 * 6 * 5);
}

fn every_cell(mut check: impl FnMut(Meeting, LocalSide, RemoteSide, Rules, Action)) {
    for (_, meeting) in MEETINGS {
        for (_, local) in LOCALS {
            for (_, remote) in REMOTES {
                for direction in DIRECTIONS {
                    for conflicts in POLICIES {
                        for deletions in DELETION_POLICIES {
                            let rules = Rules { direction, conflicts, deletions };
                            check(meeting, local, remote, rules, decide(meeting, local, remote, rules));
                        }
                    }
                }
            }
        }
    }
}

/// MAIL-05, I13: whatever happens, a one-way link never writes to its source.
#[test]
fn one_way_links_never_write_to_their_source() {
    let writes_remote = [Action::CreateRemote, Action::DeleteRemote, Action::RestoreRemote];
    let writes_local = [Action::CreateLocal, Action::DeleteLocal, Action::RestoreLocal];
    every_cell(|_, _, _, rules, action| match rules.direction {
        Import => assert!(!writes_remote.contains(&action), "{rules:?}"),
        Export => assert!(!writes_local.contains(&action), "{rules:?}"),
        TwoWay => {}
    });
}

/// I06: only what was joined is deleted, only where the other side is gone, and nothing is made where something is.
#[test]
fn only_what_was_joined_is_deleted() {
    every_cell(|meeting, local, remote, rules, action| {
        let cell = format!("{meeting:?} {local:?} {remote:?} {rules:?}: {action:?}");
        let local_gone = matches!(local, LocalSide::Absent | LocalSide::Deleted);
        let remote_gone = matches!(remote, RemoteSide::Absent | RemoteSide::Removed);
        match action {
            Action::DeleteLocal => {
                assert!(meeting == Meeting::Joined && remote_gone && !local_gone, "{cell}");
            }
            Action::DeleteRemote => {
                assert!(meeting == Meeting::Joined && local_gone && !remote_gone, "{cell}");
            }
            Action::CreateLocal | Action::RestoreLocal => assert!(local_gone && !remote_gone, "{cell}"),
            Action::CreateRemote | Action::RestoreRemote => assert!(remote_gone && !local_gone, "{cell}"),
            Action::Join => assert!(meeting == Meeting::First && !local_gone && !remote_gone, "{cell}"),
            Action::Merge => assert!(meeting == Meeting::Joined && !local_gone && !remote_gone, "{cell}"),
            Action::Forget => assert!(meeting != Meeting::First && local_gone && remote_gone, "{cell}"),
            Action::Suppress => assert!(meeting == Meeting::Joined && rules.direction != TwoWay, "{cell}"),
            Action::None => {}
            Action::Ask => panic!("{cell}: only matching asks"),
        }
    });
}

/// I09: with the default rule for deletions, no policy for fields gives up an edit.
#[test]
fn i09_edit_beats_delete_by_default() {
    every_cell(|meeting, local, remote, rules, action| {
        let against = meeting == Meeting::Joined
            && (local == LocalSide::Changed && remote == RemoteSide::Removed
                || local == LocalSide::Deleted && remote == RemoteSide::Changed);
        if against && rules.direction == TwoWay && rules.deletions == DeletionPolicy::default() {
            assert!(matches!(action, Action::RestoreLocal | Action::RestoreRemote), "{rules:?}");
        }
    });
}

#[test]
fn a_direction_says_which_side_may_be_written() {
    let table = [(TwoWay, true, true), (Import, true, false), (Export, false, true)];
    for (direction, imports, exports) in table {
        assert_eq!((direction.imports(), direction.exports()), (imports, exports), "{direction:?}");
    }
}

/// What a person approves is told apart by everything that would make it another decision, and by nothing else.
#[test]
fn a_plan_is_named_by_its_decisions() {
    let operation = |action, id: &str| Operation {
        action,
        event_id: Some(id.into()),
        remote_id: Some("r".into()),
        version: Some("v".into()),
        to_local: Vec::new(),
        to_remote: Vec::new(),
        contested: Vec::new(),
        losses: Vec::new(),
        reason: "because".to_owned(),
        revision: Some(Revision(1)),
        evidence: None,
    };
    let plan = |operations| Plan { link: "l".into(), operations, held: false };
    let base = plan(vec![operation(Action::DeleteLocal, "a"), operation(Action::Merge, "b")]);
    assert_eq!((base.deletions(), base.id().0.len()), (1, 16));
    assert_eq!(format!("{} {:?}", base.id(), base.id()), format!("{0} PlanId({0})", base.id().0));
    assert_ne!(base.id(), base.deletions_id());
    let more = plan(vec![operation(Action::DeleteLocal, "a"), operation(Action::Merge, "c")]);
    assert_eq!(base.deletions_id(), more.deletions_id(), "other changes do not alter what is approved");
    assert_ne!(base.id(), more.id());
    let two = plan(vec![operation(Action::DeleteLocal, "a"), operation(Action::DeleteRemote, "b")]);
    assert_eq!(two.deletions(), 2);
    assert_ne!(base.deletions_id(), two.deletions_id());
    let changes: [fn(&mut Operation); 7] = [
        |o| o.action = Action::DeleteRemote,
        |o| o.event_id = None,
        |o| o.remote_id = Some("s".into()),
        |o| o.version = None,
        |o| o.revision = Some(Revision(2)),
        |o| o.to_local = vec![Field::of(Part::Title)],
        |o| o.to_remote = vec![Field::of(Part::Title)],
    ];
    for change in changes {
        let mut other = base.clone();
        change(&mut other.operations[0]);
        assert_ne!(other.id(), base.id());
    }
    // Lengths are part of a name, so that no two ids run into each other.
    let mut a = operation(Action::Merge, "a");
    (a.event_id, a.remote_id) = (Some("a 1:r".into()), Some("b".into()));
    let mut b = operation(Action::Merge, "a");
    (b.event_id, b.remote_id) = (Some("a".into()), Some("r 1:b".into()));
    assert_ne!(plan(vec![a]).id(), plan(vec![b]).id());
    let mut worded = base.clone();
    worded.operations[0].reason = "for another reason".to_owned();
    assert_eq!(worded.id(), base.id(), "words are no decision");
    let elsewhere = Plan { link: "m".into(), ..base.clone() };
    assert_ne!(elsewhere.id(), base.id());
}

#[test]
fn deletions_are_held_when_they_are_many_or_all() {
    #[rustfmt::skip]
    let table = [
        // planned, recent, joined, verdict
        (0, 0, 0, Verdict::Pass),
        (0, 0, 1, Verdict::Pass),
        (1, 0, 1, Verdict::Pass),
        (2, 0, 2, Verdict::Hold),
        (2, 0, 3, Verdict::Pass),
        (3, 0, 2, Verdict::Hold),
        (10, 0, 11, Verdict::Pass),
        (11, 0, 12, Verdict::Hold),
        (11, 0, 55, Verdict::Pass),
        (11, 0, 54, Verdict::Hold),
        (241, 0, 241, Verdict::Hold),
        (100, 0, 10_000, Verdict::Pass),
        (2_000, 0, 10_000, Verdict::Pass),
        (2_001, 0, 10_000, Verdict::Hold),
        (usize::MAX, 0, usize::MAX, Verdict::Hold),
        // In slices: 54 pairs of which 10 are gone already.
        (1, 10, 44, Verdict::Hold),
        (1, 10, 45, Verdict::Pass),
        (0, 30, 1, Verdict::Pass),
        // The last of three, the others went one by one.
        (1, 2, 1, Verdict::Hold),
        (1, 1, 2, Verdict::Pass),
    ];
    for (planned, recent, joined, verdict) in table {
        let tally = Tally { planned, recent, joined };
        assert_eq!(DeletionGuard::default().judge(tally), verdict, "{tally:?}");
    }
}

/// However deletions are cut into slices, as many go through as in one piece at the most.
#[test]
fn slices_do_not_slip_through() {
    let guard = DeletionGuard::default();
    for size in [1_usize, 2, 3, 5, 8, 10, 11, 12, 20, 50, 54, 55, 56, 100, 1000] {
        for slice in [1_usize, 2, 3, 7, 10, 11, 50] {
            let mut gone = 0;
            while gone < size {
                let tally = Tally { planned: slice.min(size - gone), recent: gone, joined: size - gone };
                if guard.judge(tally) == Verdict::Hold {
                    break;
                }
                gone += tally.planned;
            }
            let whole = (0..=size)
                .filter(|&planned| guard.judge(Tally { planned, recent: 0, joined: size }) == Verdict::Pass)
                .max();
            assert!(Some(gone) <= whole, "{gone} of {size} in slices of {slice}, {whole:?} at once");
        }
    }
}

/// Times in milliseconds; what does not tell its time is `None`.
#[test]
fn who_wins_a_field() {
    use Choice::*;
    #[rustfmt::skip]
    let table = [
        // local,       remote,       remote-wins, local-wins, newest-wins, keep-both, manual, resolver
        (Some(10_000),  Some(20_000), [Remote,     Local,      Remote,      Both,      Open,   Open]),
        (Some(20_000),  Some(10_000), [Remote,     Local,      Local,       Both,      Open,   Open]),
        (Some(10_000),  Some(10_000), [Remote,     Local,      Remote,      Both,      Open,   Open]),
        // Within five seconds nobody is newer, and the remote side's value stays.
        (Some(15_000),  Some(10_000), [Remote,     Local,      Remote,      Both,      Open,   Open]),
        (Some(15_001),  Some(10_000), [Remote,     Local,      Local,       Both,      Open,   Open]),
        (Some(10_000),  Some(15_001), [Remote,     Local,      Remote,      Both,      Open,   Open]),
        // A side that does not tell.
        (None,          Some(10_000), [Remote,     Local,      Remote,      Both,      Open,   Open]),
        (Some(10_000),  None,         [Remote,     Local,      Remote,      Both,      Open,   Open]),
        (None,          None,         [Remote,     Local,      Remote,      Both,      Open,   Open]),
        // The ends of time.
        (Some(8_210_266_876_799_000), Some(-8_334_601_228_800_000), [Remote, Local, Local, Both, Open, Open]),
    ];
    let policies = [
        ("remote-wins", ConflictPolicy::RemoteWins),
        ("local-wins", ConflictPolicy::LocalWins),
        ("newest-wins", ConflictPolicy::NewestWins),
        ("keep-both", ConflictPolicy::KeepBoth),
        ("manual", ConflictPolicy::Manual),
        ("resolver", ConflictPolicy::Resolver),
    ];
    for (local, remote, expected) in table {
        let time = |at: Option<i64>| at.and_then(DateTime::from_timestamp_millis);
        let freshness = Freshness { local: time(local), remote: time(remote) };
        for ((name, policy), expected) in policies.into_iter().zip(expected) {
            assert_eq!(policy.choose(freshness), expected, "{name} {local:?} {remote:?}");
            assert_eq!(policy.name(), name);
            assert_eq!(serde_json::to_value(policy).ok(), Some(name.into()));
        }
    }
    for choice in [Local, Remote, Both, Open] {
        assert_eq!(serde_json::to_value(choice).ok(), Some(choice.name().into()));
    }
}
