//! The parts of series that the pages of one listing bring, until the last page puts them together.
//!
//! Google promises no order: an exception may come pages before its master. They are held by the provider while one pull
//! goes on; a cursor in the middle of a pull names them, and is of no use to another process (which begins anew).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use super::wire::Object;

/// Pulls that may be in the middle of their pages at once. One more ends the oldest.
const ROUNDS_MAX: usize = 16;

/// What one pull has seen of series.
#[derive(Default)]
pub(crate) struct Round {
    /// Masters by id.
    pub(crate) masters: BTreeMap<String, Object>,
    /// Exceptions by the id of their master.
    pub(crate) exceptions: BTreeMap<String, Vec<Object>>,
    /// What was listed as deleted: the exceptions of such a master are gone with it, listed or not.
    pub(crate) cancelled: BTreeSet<String>,
    /// Series too many to be held: they are asked for by id.
    pub(crate) unheld: BTreeSet<String>,
    /// Something was listed that cannot be named.
    pub(crate) incomplete: bool,
    bytes: usize,
}

impl Round {
    /// Keeps a master or an exception of `series`, while there is room.
    pub(crate) fn keep(&mut self, series: &str, part: Object, is_master: bool, bytes_max: usize) {
        let size = size(&part);
        if self.unheld.contains(series) || self.bytes + size > bytes_max {
            self.masters.remove(series);
            self.exceptions.remove(series);
            self.unheld.insert(series.to_owned());
            return;
        }
        self.bytes += size;
        if is_master {
            self.masters.insert(series.to_owned(), part);
        } else {
            self.exceptions.entry(series.to_owned()).or_default().push(part);
        }
    }
}

/// About what it takes in memory.
pub(crate) fn size(part: &Object) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len() + 32,
            Value::Array(values) => values.iter().map(of).sum::<usize>() + 32,
            Value::Object(members) => size(members),
            _ => 32,
        }
    }
    part.iter().map(|(name, value)| name.len() + 32 + of(value)).sum::<usize>() + 64
}

/// Pulls in the middle of their pages.
#[derive(Default)]
pub(crate) struct Rounds(Mutex<(u64, BTreeMap<u64, Round>)>);

impl Rounds {
    /// Takes what the pages before have left. `None` when it is not there: another process began the pull.
    pub(crate) fn take(&self, number: u64) -> Option<Round> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&number)
    }

    /// Keeps it for the next page.
    pub(crate) fn put(&self, round: Round) -> u64 {
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.0 = rounds.0.wrapping_add(1);
        let number = rounds.0;
        rounds.1.insert(number, round);
        while rounds.1.len() > ROUNDS_MAX {
            rounds.1.pop_first();
        }
        number
    }
}
