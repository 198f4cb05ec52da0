//! Bugs planted around the engine, to show that the checks see them.
//!
//! Each stands for a mistake an engine can make, and is made where the engine meets the world: a store that loses what the
//! engine should not have lost, a provider interface that does what the engine should not have done, a link that is not the one
//! that was agreed on. So the engine under test is the one that ships, byte for byte: no feature, no `cfg`, nothing that could
//! be left switched on.

use std::hash::{BuildHasher as _, RandomState};

use calsync_core::{
    model::{RemoteId, Version},
    provider::{
        ChangePage, ChangeScope, Covered, Cursor, ErrorKind, ItemChange, Payload, ProviderError, Result,
        Written,
    },
};

use super::{
    book::text,
    control::Control,
    provider::SimRemote,
    server::{Server, extra},
    world::SECRET,
};

macro_rules! plants {
    ($($(#[doc = $says:literal])+ $name:ident,)+) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Plant {
            $($(#[doc = $says])+ $name,)+
        }

        impl Plant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// What is wrong, in words.
            pub fn says(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($says,)+).trim_ascii(),)+
                }
            }
        }
    };
}

plants! {
    /// The cursor is kept before what it stands for is applied.
    CursorFirst,
    /// The pair is kept before the item is written.
    MappingFirst,
    /// A write that failed counts as done.
    FailureIsSuccess,
    /// A 404 to an update counts as done.
    NotFoundIsDone,
    /// A 409 to a creation counts as done.
    ConflictIsDone,
    /// An update goes out without `If-Match`.
    UpdateIgnoresVersion,
    /// A deletion goes out without `If-Match`.
    DeleteIgnoresVersion,
    /// A deletion beats an edit.
    DeleteBeatsEdit,
    /// The conflict policy is ignored and no conflict recorded.
    PolicyIgnored,
    /// The brake on deletions is off.
    BrakeOff,
    /// What is held is forgotten.
    HeldIsForgotten,
    /// A one-way link writes to its source.
    OneWayWritesBack,
    /// Only the first page is read.
    FirstPageOnly,
    /// The cursor moves past an item that was not read.
    CursorPastUnread,
    /// A listing that lacks an item counts as complete.
    PartialIsComplete,
    /// An item that could not be read counts as deleted.
    UnreadIsRemoved,
    /// An item that could not be fetched counts as gone.
    UnreadIsGone,
    /// An item that makes no sense counts as deleted.
    GarbledIsRemoved,
    /// A dead cursor counts as an empty calendar.
    DeadCursorIsEmpty,
    /// A failed listing counts as an empty calendar.
    ErrorIsEmpty,
    /// What left the window counts as deleted.
    WindowIsDeletion,
    /// Tombstones are passed over.
    TombstoneIgnored,
    /// Changed instances of a series are not written.
    OverridesNotWritten,
    /// An update drops what is not understood.
    UnknownDropped,
    /// An all-day event is written as midnight.
    DayIsMidnight,
    /// A creation whose answer was lost is made again under another name.
    RetriedBlindly,
    /// A second item is made under a UID that is taken.
    TwinsMade,
    /// A commit does not look whether its events were edited meanwhile.
    NoExpectations,
    /// The lease is neither waited for nor checked.
    NoLease,
    /// A decided write does not reach the outbox.
    OutboxDropped,
    /// A write that failed is forgotten.
    FailedWriteForgotten,
    /// What both sides agreed on is sometimes not kept.
    BaseDropped,
    /// After a push the base stays what it was.
    BaseNotUpdated,
    /// An echo is taken for an edit: the base of the remote side is not what was sent.
    EchoIsEdit,
    /// Conflicts are not recorded.
    ConflictDropped,
    /// The mark of local changes runs ahead of what is planned.
    SeenRunsAhead,
    /// What was edited while a write was under way counts as sent.
    SecondEditSwallowed,
    /// An event changed by the other side is not written here.
    LocalWriteDropped,
    /// Writes are not journaled.
    JournalDropped,
    /// The journal does not keep what was overwritten.
    BeforeDropped,
    /// What happened is forgotten before its time.
    FeedForgets,
    /// The feed is not told of conflicts.
    ConflictsUntold,
    /// People are written, and so mailed, although the link may not.
    PeopleAreWritten,
    /// An error quotes the item it is about.
    ErrorQuotesItem,
    /// An error names the address of the calendar.
    ErrorNamesAddress,
    /// What a provider can hold changes each time it is asked.
    ProjectionDrifts,
    /// One tenant sees the rows of another.
    TenantsShareRows,
    /// An older cursor is put back.
    CursorGoesBack,
    /// Every page is asked for ten times.
    AsksTooOften,
    /// What failed once fails for good.
    FailureSticks,
    /// A server that is not there counts as one that refuses the credentials.
    FailureIsRefusal,
    /// A read is waited for that never ends.
    NeverEnds,
    /// Something is decided by chance that nobody can draw again.
    ChanceDecides,
}

/// What a failed listing is taken for.
pub(crate) fn failed_listing(control: &Control, error: ProviderError, tick: u64) -> Result<ChangePage> {
    let empty = match error.kind {
        ErrorKind::CursorInvalid => control.has(Plant::DeadCursorIsEmpty),
        _ => control.has(Plant::ErrorIsEmpty),
    };
    if !empty {
        if control.has(Plant::FailureIsRefusal) && error.kind == ErrorKind::Unavailable {
            return Err(ProviderError::new(ErrorKind::Unauthorized, error.operation, "injected"));
        }
        let detail = match error.kind {
            _ if control.has(Plant::ErrorQuotesItem) => text(1),
            _ if control.has(Plant::ErrorNamesAddress) => format!("{SECRET}1"),
            _ => return Err(error),
        };
        return Err(ProviderError::new(error.kind, error.operation, detail));
    }
    Ok(ChangePage {
        changes: Vec::new(),
        scope: ChangeScope::Snapshot,
        cursor: Some(Cursor(format!("t{tick}"))),
        more: false,
        covered: Covered::ALL,
    })
}

/// What is read of a page.
pub(crate) fn page(control: &Control, page: &mut ChangePage, server: &Server) {
    let snapshot = page.scope != ChangeScope::Delta;
    let tick = server.tick;
    if page.more && control.has(Plant::FirstPageOnly) {
        page.more = false;
        page.cursor = Some(Cursor(format!("t{tick}")));
    }
    if snapshot && control.strikes(Plant::PartialIsComplete, 300) {
        page.changes.pop();
    }
    if page.scope == ChangeScope::PartialSnapshot && control.has(Plant::PartialIsComplete) {
        page.scope = ChangeScope::Snapshot;
    }
    if snapshot {
        return;
    }
    if control.strikes(Plant::CursorPastUnread, 300) {
        page.changes.pop();
    }
    if control.has(Plant::TombstoneIgnored) {
        page.changes.retain(|change| change.change != ItemChange::Removed);
    }
    if control.has(Plant::GarbledIsRemoved) {
        let is_garbled = |id: &RemoteId| server.items.get(id).is_some_and(|item| item.garbled.is_some());
        for change in page.changes.iter_mut().filter(|change| is_garbled(&change.id)) {
            change.change = ItemChange::Removed;
        }
    }
    if let Some(last) = page.changes.last_mut()
        && (control.strikes(Plant::UnreadIsRemoved, 300) || control.strikes(Plant::WindowIsDeletion, 100))
    {
        last.change = ItemChange::Removed;
    }
}

fn done(id: &RemoteId, payload: &Payload) -> Written {
    Written { id: id.clone(), version: Some(Version::from("v0")), payload: Some(payload.clone()) }
}

/// What the answer to a creation is taken for.
pub(crate) fn created(
    remote: &SimRemote,
    id: &RemoteId,
    payload: &Payload,
    result: Result<Written>,
) -> Result<Written> {
    let control = &remote.control;
    match result {
        Err(error) if error.is_ambiguous() && control.has(Plant::RetriedBlindly) => {
            let mut server = remote.server();
            let Ok(event) = server.read(payload) else { return Err(error) };
            let again = RemoteId::from(format!("{id}-again"));
            server.put(&again, extra(payload), &event);
            let version = server.items.get(&again).map(|item| item.version.clone());
            Ok(Written { id: again, version, payload: Some(payload.clone()) })
        }
        Err(ProviderError { kind: ErrorKind::AlreadyExists { .. }, .. })
            if control.has(Plant::ConflictIsDone) =>
        {
            Ok(done(id, payload))
        }
        Err(_) if control.strikes(Plant::FailureIsSuccess, 500) => Ok(done(id, payload)),
        Ok(_) if control.has(Plant::ChanceDecides) && by_chance() => {
            Err(ProviderError::new(ErrorKind::Unavailable, "create", "injected").maybe_applied())
        }
        result => result,
    }
}

/// One time in two, and another one the next time the same seed is played.
fn by_chance() -> bool {
    RandomState::new().hash_one(0).is_multiple_of(2)
}

/// What the answer to an update is taken for.
pub(crate) fn updated(
    remote: &SimRemote,
    id: &RemoteId,
    payload: &Payload,
    result: Result<Written>,
) -> Result<Written> {
    let control = &remote.control;
    match result {
        Err(ProviderError { kind: ErrorKind::NotFound, .. }) if control.has(Plant::NotFoundIsDone) => {
            Ok(done(id, payload))
        }
        Err(_) if control.strikes(Plant::FailureIsSuccess, 500) => Ok(done(id, payload)),
        result => result,
    }
}
