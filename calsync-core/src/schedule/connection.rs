//! How a connection stands: what the entries of its links say together.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Entry, Status, Task, Timing};
use crate::model::LinkId;

/// How a connection stands: as the worst off of its links does. Several links of one account fail together, and a person asks
/// about the account.
///
/// From bad to worse: [`Waiting`](Status::Waiting), [`BackingOff`](Status::BackingOff), [`CircuitOpen`](Status::CircuitOpen),
/// [`NeedsReauth`](Status::NeedsReauth). A run that goes on says nothing, and a pause hides nothing: a link counts by how its last run
/// ended. [`Paused`](Status::Paused) is a connection whose links all are. [`Running`](Status::Running) it never is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionState {
    /// How it stands.
    pub status: Status,
    /// Since when: the earliest of the links that stand so, and of those that are paused the latest, since before it the
    /// connection was not. While all is well, the last success of the link whose last success is longest ago. `None`: it never ran.
    pub since: Option<DateTime<Utc>>,
    /// Why, in the words of the link that stands so for longest: no secret and no event text. `None` when nothing failed.
    pub reason: Option<String>,
    /// The links that stand so, by name.
    pub links: Vec<LinkId>,
}

impl ConnectionState {
    /// Folds the entries of a connection's links, of any of their tasks. `None`: there are none.
    pub fn of<'e>(entries: impl IntoIterator<Item = &'e Entry>, timing: &Timing) -> Option<Self> {
        let mut entries: Vec<&Entry> = entries.into_iter().collect();
        let syncs = || entries.iter().filter(|entry| matches!(entry.task, Task::Sync(_)));
        let all_paused = match syncs().count() {
            0 => entries.iter().all(|entry| entry.paused.is_some()),
            _ => syncs().all(|entry| entry.paused.is_some()),
        };
        // Of a link that runs, another task says something when it is worse off: a channel is renewed once a day.
        if syncs().count() > 0 {
            let worse = |entry: &Entry| rank(&entry.standing().status(timing)) > rank(&Status::Paused);
            entries.retain(|entry| matches!(entry.task, Task::Sync(_)) || (!all_paused && worse(entry)));
        }
        let stood = |entry: &Entry| {
            let entry = if all_paused { entry.clone() } else { entry.standing() };
            (entry.status(timing), entry.since(timing), entry.reason().map(ToOwned::to_owned))
        };
        let stand: Vec<_> = entries.iter().map(|entry| (entry.task.link(), stood(entry))).collect();
        let status = stand.iter().map(|(_, (status, ..))| status).max_by_key(|status| rank(status))?.clone();
        let mut same: Vec<_> = stand.into_iter().filter(|(_, (other, ..))| *other == status).collect();
        same.sort_by_key(|(_, (_, since, _))| (since.is_none(), *since));
        let first = if status == Status::Paused { same.last() } else { same.first() };
        let (since, reason) = first.map(|(_, (_, since, reason))| (*since, reason.clone()))?;
        let mut links: Vec<LinkId> = same.iter().filter_map(|(link, _)| link.cloned()).collect();
        links.sort();
        links.dedup();
        Some(Self { status, since, reason, links })
    }
}

/// The higher, the worse.
fn rank(status: &Status) -> u8 {
    match status {
        Status::Running | Status::Waiting => 0,
        Status::Paused => 1,
        Status::BackingOff => 2,
        Status::CircuitOpen => 3,
        Status::NeedsReauth => 4,
    }
}
