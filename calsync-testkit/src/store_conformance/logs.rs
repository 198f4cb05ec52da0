//! Logs are cut at their old end.

use calsync_core::{
    model::{EventId, LinkId, RunId},
    store::{
        ConflictRecord, ConflictState, JournalEntry, Log, Record, RecordKind, RecordQuery, RunRecord,
        SettledBy, Settlement, Store, Write,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    cases,
    check::{batch, refused, write},
    sample::{self, at, put_base},
};

const LOGS: [(Log, RecordKind); 3] = [
    (Log::Runs, RecordKind::Run),
    (Log::Journal, RecordKind::Journal),
    (Log::ResolvedConflicts, RecordKind::Conflict),
];

/// A row of a log from a time; a conflict is decided.
fn row(log: Log, link: &LinkId, id: &str, at: DateTime<Utc>) -> Write {
    match log {
        Log::Runs => Write::PutRun(Box::new(RunRecord { started: at, ..sample::run(link, id) })),
        Log::Journal => {
            Write::PutJournal(Box::new(JournalEntry { at, ..sample::journal(link, id, "e", "run") }))
        }
        Log::ResolvedConflicts => Write::PutConflict(Box::new(ConflictRecord {
            at,
            state: ConflictState::Resolved,
            ..sample::conflict(link, id, "e", "run")
        })),
    }
}

fn purge(log: Log, link: &LinkId, before: DateTime<Utc>, limit: usize) -> Write {
    Write::PurgeLog { link: link.clone(), log, before, limit }
}

/// The ids that are left of a kind, by every way to ask for them.
async fn left(store: &impl Store, kind: RecordKind, link: &LinkId) -> Vec<String> {
    let (event, run) = (EventId::from("e"), RunId::from("run"));
    let mut answers = Vec::new();
    for (event, run) in [(None, None), (Some(&event), None), (None, Some(&run)), (Some(&event), Some(&run))] {
        let query = RecordQuery { kind, link, event, run, after: None, limit: usize::MAX };
        let found = store.records(query).await.unwrap();
        answers.push(
            found
                .iter()
                .map(|record| match record {
                    Record::Conflict(row) => row.id.clone(),
                    Record::Quarantine(row) => row.remote_id.to_string(),
                    Record::Run(row) => row.id.to_string(),
                    Record::Journal(row) => row.id.clone(),
                })
                .collect::<Vec<_>>(),
        );
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    answers.swap_remove(0)
}

cases! {
    $ store_conformance_logs in logs;

    /// The oldest rows go first, at most so many; what is as old as the limit or younger stays, as does every other
    /// link and log. A row that was written again counts with its new time.
    async fn logs_are_cut_at_their_old_end(store: &S) {
        let (link, other) = (LinkId::from("l"), LinkId::from("l/"));
        let micro = TimeDelta::microseconds(1);
        for (log, _) in LOGS {
            // Ids against the order of time: age decides.
            let rows = [
                ("f", DateTime::UNIX_EPOCH - micro),
                ("e", at(-9)),
                ("b", at(-5)),
                ("c", at(-5)),
                ("a", at(0) - micro),
                ("edge", at(0)),
                ("young", at(1)),
                ("renewed", at(-9)),
                ("renewed", at(5)),
            ];
            let mut writes: Vec<Write> = rows.iter().map(|(id, at)| row(log, &link, id, *at)).collect();
            writes.push(row(log, &other, "e", at(-9)));
            write(&**store, writes).await;
        }
        let steps: [(usize, usize, &[&str]); 5] = [
            (0, 0, &["a", "b", "c", "e", "edge", "f", "renewed", "young"]),
            (1, 1, &["a", "b", "c", "e", "edge", "renewed", "young"]),
            (2, 2, &["a", "c", "edge", "renewed", "young"]),
            (usize::MAX, 2, &["edge", "renewed", "young"]),
            (usize::MAX, 0, &["edge", "renewed", "young"]),
        ];
        for (n, (log, kind)) in LOGS.into_iter().enumerate() {
            for (limit, count, expected) in steps {
                let receipt = write(&**store, vec![purge(log, &link, at(0), limit)]).await;
                assert_eq!(receipt.purged, [count], "{log:?} by {limit}");
                assert_eq!(left(&**store, kind, &link).await, expected, "{log:?} by {limit}");
            }
            assert_eq!(left(&**store, kind, &other).await, ["e"], "of another link");
            for (_, later) in &LOGS[n + 1..] {
                assert_eq!(left(&**store, *later, &link).await.len(), steps[0].2.len(), "of another log");
            }
        }
        let receipt = write(&**store, LOGS.map(|(log, _)| purge(log, &link, at(9), 2)).to_vec()).await;
        assert_eq!(receipt.purged, [2, 2, 2], "one count for each, in the order of the batch");
    }

    /// A conflict waits for its person however old it is; decided, it goes.
    async fn open_conflicts_are_never_purged(store: &S) {
        let link = LinkId::from("l");
        let old = ConflictRecord { at: at(-1000), ..sample::conflict(&link, "c", "e", "run") };
        let with = |state| Write::PutConflict(Box::new(ConflictRecord { state, ..old.clone() }));
        let purge = || purge(Log::ResolvedConflicts, &link, at(0), usize::MAX);
        // Opened again after it was decided: open.
        for states in [&[ConflictState::Open][..], &[ConflictState::Resolved, ConflictState::Open]] {
            write(&**store, states.iter().copied().map(with).collect()).await;
            assert_eq!(write(&**store, vec![purge()]).await.purged, [0]);
            assert_eq!(left(&**store, RecordKind::Conflict, &link).await, ["c"]);
        }
        write(&**store, vec![with(ConflictState::Resolved)]).await;
        assert_eq!(write(&**store, vec![purge()]).await.purged, [1]);
        assert_eq!(left(&**store, RecordKind::Conflict, &link).await.len(), 0);
        // It is as old as its decision, not as the day it was found.
        let settled = Some(Settlement { by: SettledBy::Person, who: None, at: at(5) });
        let late = ConflictRecord { settled, state: ConflictState::Resolved, ..old.clone() };
        write(&**store, vec![Write::PutConflict(Box::new(late))]).await;
        assert_eq!(write(&**store, vec![purge()]).await.purged, [0]);
        // It may be written again under the same id.
        write(&**store, vec![with(ConflictState::Open)]).await;
        assert_eq!(write(&**store, vec![purge()]).await.purged, [0]);
    }

    /// Quarantine is no log: nothing cuts it. A purge that is part of a refused batch removes nothing.
    async fn purges_are_part_of_the_batch(store: &S) {
        let link = LinkId::from("l");
        let mut writes = vec![Write::PutQuarantine(Box::new(sample::quarantine(&link, "item")))];
        writes.extend(LOGS.map(|(log, _)| row(log, &link, "old", at(-9))));
        write(&**store, writes).await;
        let mut writes = LOGS.map(|(log, _)| purge(log, &link, at(0), 9)).to_vec();
        writes.extend([put_base(&link, "one", "e"), put_base(&link, "two", "e")]);
        refused(&**store, batch(writes)).await;
        for (_, kind) in LOGS {
            assert_eq!(left(&**store, kind, &link).await, ["old"]);
        }
        write(&**store, LOGS.map(|(log, _)| purge(log, &link, at(0), 9)).to_vec()).await;
        for (_, kind) in LOGS {
            assert_eq!(left(&**store, kind, &link).await.len(), 0);
        }
        assert_eq!(left(&**store, RecordKind::Quarantine, &link).await, ["item"]);
    }
}
