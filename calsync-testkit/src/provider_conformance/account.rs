//! What the suite needs of a service: the provider, and a way to act behind its back.

use async_trait::async_trait;
use calsync_core::{
    model::{RemoteCalendarId, RemoteId},
    provider::Provider,
};

use super::Sample;

/// The account, or the test's way into the service, does not have what a case needs. Holds what that is, as it follows
/// "cannot": `lose an answer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cannot(pub &'static str);

/// What somebody else does to an item, in an application of the service's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edit {
    /// Gives the event, or the whole series, another title.
    Title(&'static str),
    /// Gives one instance of [`Sample::Series`], the one of 2026-02-02, another title.
    InstanceTitle(&'static str),
    /// Cancels one instance of [`Sample::Series`], the one of 2026-02-09.
    CancelInstance,
    /// Deletes the item.
    Delete,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Every cursor given out so far is forgotten.
    CursorsLost,
    /// The answer to the next listing ends in the middle.
    ListingCut,
    /// The second page of the next listing cannot be had.
    SecondPageFails,
    /// The next write has its effect, and its answer never arrives.
    AnswerLost,
    /// The connection is closed before the next write has any effect.
    WriteDropped,
    /// The next write is refused for its content.
    WriteRefused,
    /// The next write is refused because the account may not write.
    WriteForbidden,
    /// The next request comes too soon: the service asks for 7 seconds of patience.
    Throttled,
    /// From now on the credentials are not accepted any more.
    Unauthorized,
    /// The calendar is deleted, with everything in it.
    CalendarGone,
}

/// An account at a service, with one calendar that is empty to begin with, and what happens there without the provider.
///
/// The samples have to be stored in the service's own form, not through the provider: a provider that misreads what it
/// miswrites would pass otherwise.
#[async_trait]
pub trait Account: Send + Sync {
    /// The provider to judge.
    fn provider(&self) -> &dyn Provider;

    /// The calendar the samples go to.
    fn calendar(&self) -> RemoteCalendarId;

    /// How the calendar is named where busy times are asked for. Default: as everywhere else.
    fn busy_name(&self) -> RemoteCalendarId {
        self.calendar()
    }

    /// The most items of a page, as the account is set up: three at most, so that listings have several. `None` where
    /// a listing is always one page.
    fn page_max(&self) -> Option<usize> {
        None
    }

    /// Somebody else stores an item; returns its name.
    ///
    /// # Errors
    ///
    /// When the service has nothing like it.
    async fn put(&self, sample: Sample) -> Result<RemoteId, Cannot>;

    /// Somebody else changes an item.
    ///
    /// # Errors
    ///
    /// When the service has nothing like it.
    async fn edit(&self, id: &RemoteId, edit: Edit) -> Result<(), Cannot>;

    /// Makes something go wrong.
    ///
    /// # Errors
    ///
    /// When that cannot be arranged.
    async fn trouble(&self, trouble: Trouble) -> Result<(), Cannot>;

    /// How many items the calendar holds, by the service's own count. A series is one.
    async fn count(&self) -> usize;

    /// How many mails the service sent to people because of what the provider did.
    ///
    /// # Errors
    ///
    /// When the service cannot tell.
    async fn mails(&self) -> Result<u64, Cannot> {
        Err(Cannot("count mails"))
    }

    /// An address the service may call when the calendar changes.
    ///
    /// # Errors
    ///
    /// When there is none.
    async fn callback(&self) -> Result<String, Cannot> {
        Err(Cannot("be called"))
    }
}
