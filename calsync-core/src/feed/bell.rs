//! Says inside a process that a feed has grown.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use super::told_by;
use crate::{
    model::CalendarId,
    store::{Batch, StoreError, StoreErrorKind},
};

/// Whose feed it is: the tenant's and the calendar's name.
type Whose = (Arc<str>, CalendarId);

/// Somebody who waits.
#[derive(Default)]
struct Waiting {
    rung: bool,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Ears {
    number: u64,
    /// By whose feed, then by a number of their own: nothing is kept of a feed nobody listens to.
    waiting: HashMap<Whose, HashMap<u64, Waiting>>,
}

/// Rings when a feed of a store has grown. Clones ring and hear each other; each is of one tenant.
///
/// A hint, like all wake-ups: who hears it reads the store, and who reads the store needs no count of rings.
#[derive(Clone)]
pub struct Bell {
    ears: Arc<Mutex<Ears>>,
    tenant: Arc<str>,
}

impl Default for Bell {
    fn default() -> Self {
        Self { ears: Arc::default(), tenant: "".into() }
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Bell {
    /// The same bell for the feeds of another tenant; the one a bell is made with is `""`.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Self {
        Self { ears: Arc::clone(&self.ears), tenant: name.into() }
    }

    /// Wakes who listens to the feed of a calendar.
    pub fn ring(&self, calendar: &CalendarId) {
        let mut ears = lock(&self.ears);
        if ears.waiting.is_empty() {
            return;
        }
        let waiting = ears.waiting.get_mut(&(Arc::clone(&self.tenant), calendar.clone()));
        let wakers: Vec<Waker> = waiting.into_iter().flat_map(HashMap::values_mut).filter_map(rung).collect();
        drop(ears);
        // Whoever wakes runs code of the host's, which may listen or ring itself.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Rings for what a batch adds once the answer is dropped: however its commit ends, also when nobody waits for that any more or
    /// the answer was lost, but for a commit that is known to be refused ([`Ringing::ended`]). A ring for nothing costs a look.
    #[must_use]
    pub fn rings_after(&self, batch: &Batch) -> Ringing {
        Ringing { bell: self.clone(), calendars: told_by(batch).into_iter().cloned().collect() }
    }

    /// Wakes everybody, of every tenant: something changed, and nobody knows what.
    pub fn ring_all(&self) {
        let mut ears = lock(&self.ears);
        let all = ears.waiting.values_mut().flat_map(HashMap::values_mut);
        let wakers: Vec<Waker> = all.filter_map(rung).collect();
        drop(ears);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Listens to the feed of a calendar from now on, until it is dropped.
    pub fn listen(&self, calendar: &CalendarId) -> Ear {
        let whose = (Arc::clone(&self.tenant), calendar.clone());
        let mut ears = lock(&self.ears);
        ears.number += 1;
        let number = ears.number;
        ears.waiting.entry(whose.clone()).or_default().insert(number, Waiting::default());
        drop(ears);
        Ear { ears: Arc::clone(&self.ears), whose, number }
    }
}

/// It rang: who is to be woken.
fn rung(waiting: &mut Waiting) -> Option<Waker> {
    waiting.rung = true;
    waiting.waker.take()
}

/// Rings when it is dropped.
#[derive(Debug)]
pub struct Ringing {
    bell: Bell,
    calendars: Vec<CalendarId>,
}

impl Ringing {
    /// The commit has ended. Where it was refused nothing was written, and nothing rings.
    pub fn ended<T>(mut self, done: &Result<T, StoreError>) {
        let refused = |error: &StoreError| {
            use StoreErrorKind::{Conflict, Fenced, InvalidInput};
            matches!(error.kind, Conflict { .. } | Fenced | InvalidInput)
        };
        if done.as_ref().is_err_and(refused) {
            self.calendars.clear();
        }
    }
}

impl Drop for Ringing {
    fn drop(&mut self) {
        self.calendars.iter().for_each(|calendar| self.bell.ring(calendar));
    }
}

/// A thread that panicked leaves ears that are whole: no step of a change can be seen by itself.
fn lock(ears: &Mutex<Ears>) -> MutexGuard<'_, Ears> {
    ears.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hears a [`Bell`]. Dropping it leaves nothing behind.
pub struct Ear {
    ears: Arc<Mutex<Ears>>,
    whose: Whose,
    number: u64,
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear").field("calendar", &self.whose.1).finish_non_exhaustive()
    }
}

impl Ear {
    /// Forgets that it rang: what is read after this is as new as all rings before.
    pub fn forget(&mut self) {
        self.with(|waiting| waiting.rung = false);
    }

    /// Returns once it rang since [`forget`](Self::forget), or since the last time this returned. Dropping the future loses no
    /// ring.
    pub async fn rung(&mut self) {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let waits = self.with(|waiting| {
                let rung = std::mem::take(&mut waiting.rung);
                // The waker of before is dropped outside of the lock.
                (rung, if rung { None } else { waiting.waker.replace(waker) })
            });
            if waits.is_some_and(|(rung, _)| !rung) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    fn with<T>(&mut self, change: impl FnOnce(&mut Waiting) -> T) -> Option<T> {
        let mut ears = lock(&self.ears);
        ears.waiting.get_mut(&self.whose).and_then(|waiting| waiting.get_mut(&self.number)).map(change)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut ears = lock(&self.ears);
        let mut left = None;
        if let Some(waiting) = ears.waiting.get_mut(&self.whose) {
            left = waiting.remove(&self.number);
            if waiting.is_empty() {
                ears.waiting.remove(&self.whose);
            }
        }
        drop(ears);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_no_longer_listens_is_forgotten() {
        let bell = Bell::default();
        let (one, two) = (bell.listen(&"c".into()), bell.tenant("t").listen(&"c".into()));
        drop(one);
        assert_eq!(lock(&bell.ears).waiting.len(), 1);
        drop(two);
        assert!(lock(&bell.ears).waiting.is_empty());
    }
}
