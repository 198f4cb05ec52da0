//! An ordered table that can take back what was done to it.

use std::{collections::BTreeMap, ops::Bound};

/// Rows by key, and what the current batch did to them.
#[derive(Clone)]
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    /// Every change since the last [`Table::keep`], with the row as it was.
    undo: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), undo: Vec::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// All rows, by key.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.values()
    }

    /// The rows from a key on, by key.
    pub(super) fn from(&self, start: Bound<K>) -> impl Iterator<Item = (&K, &V)> {
        self.rows.range((start, Bound::Unbounded))
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        let before = self.rows.insert(key.clone(), value);
        self.undo.push((key, before));
    }

    pub(super) fn delete(&mut self, key: &K) -> Option<V> {
        let before = self.rows.remove(key)?;
        self.undo.push((key.clone(), Some(before.clone())));
        Some(before)
    }

    /// Makes the changes final.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back all changes since the last [`Table::keep`].
    pub(super) fn roll_back(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }
}

/// Where the rows of one owner start, after `after` when there is one. `first` is the smallest key there can be.
pub(super) fn start<O: Clone, K: Clone>(owner: &O, after: Option<&K>, first: K) -> Bound<(O, K)> {
    match after {
        Some(key) => Bound::Excluded((owner.clone(), key.clone())),
        None => Bound::Included((owner.clone(), first)),
    }
}
