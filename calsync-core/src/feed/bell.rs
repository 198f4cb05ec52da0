//! Says inside a process that a feed has grown.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use crate::model::CalendarId;

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
        if let Some(waiting) = ears.waiting.get_mut(&(Arc::clone(&self.tenant), calendar.clone())) {
            waiting.values_mut().for_each(wake);
        }
    }

    /// Wakes everybody, of every tenant: something changed, and nobody knows what.
    pub fn ring_all(&self) {
        lock(&self.ears).waiting.values_mut().flat_map(HashMap::values_mut).for_each(wake);
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

fn wake(waiting: &mut Waiting) {
    waiting.rung = true;
    if let Some(waker) = waiting.waker.take() {
        waker.wake();
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
            let rung = self.with(|waiting| {
                if std::mem::take(&mut waiting.rung) {
                    return true;
                }
                waiting.waker = Some(context.waker().clone());
                false
            });
            if rung == Some(false) { Poll::Pending } else { Poll::Ready(()) }
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
        if let Some(waiting) = ears.waiting.get_mut(&self.whose) {
            waiting.remove(&self.number);
            if waiting.is_empty() {
                ears.waiting.remove(&self.whose);
            }
        }
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
