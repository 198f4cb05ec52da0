//! A side whose server is an emulator: what people do there, and what is there, told without the provider.

use calsync_core::model::{Event, RemoteId};

use crate::{dav::RecordedRequest, listen::RawReply};

/// What happens within one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Every other page is empty.
    EmptyPages,
    /// The first of several requests in one fails.
    OneFails,
}

/// What a server holds of an event.
pub(crate) struct Held {
    pub(crate) id: RemoteId,
    /// Different after every change.
    pub(crate) version: String,
    /// What only the server understands.
    pub(crate) extra: String,
    pub(crate) event: Event,
    /// Nobody can read it at the moment; `event` is what it was.
    pub(crate) garbled: bool,
    /// It is being made, and not whole yet.
    pub(crate) half_made: bool,
}

/// A server that answers HTTP, and lets people at its events.
pub(crate) trait Emulated: Send + Sync {
    /// The root of the service.
    fn root(&self) -> String;
    /// The calendar there.
    fn calendar(&self) -> String;
    /// Counts everything that changes.
    fn stamp(&self) -> u64;
    /// Everything in the calendar.
    fn held(&self) -> Vec<Held>;
    /// Serves a request.
    fn serve(&self, request: RecordedRequest, special: Option<Kind>) -> Option<RawReply>;
    /// Somebody makes an event. Where the server gives the names, this one is not used.
    fn create(&self, name: &str, extra: &str, event: &Event);
    /// Somebody makes an event say something else.
    fn edit(&self, id: &RemoteId, before: &Event, after: &Event);
    /// Somebody deletes an event.
    fn remove(&self, id: &RemoteId);
    /// Whatever tokens there are die.
    fn forget_tokens(&self);
    /// An event becomes something nobody can read.
    fn garble(&self, id: &RemoteId);
    /// What could not be read can be read again.
    fn mend(&self);
}
