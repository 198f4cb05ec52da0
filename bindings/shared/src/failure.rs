//! The one error of all bindings.

use calsync_core::{
    booking::BookingError,
    engine::EngineError,
    ical::{IcalError, PatchError},
    provider::{ErrorKind, ProviderError, Retry},
    store::{StoreError, StoreErrorKind},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::host::HostFailure;

/// What went wrong, as a word that never changes. Languages choose the class of an exception by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// An argument or a setting is wrong.
    InvalidInput,
    /// The provider does not offer it.
    Unsupported,
    /// The address is not allowed.
    Blocked,
    /// The credentials were refused.
    Unauthorized,
    /// The person said no to a connection.
    ConsentDenied,
    /// An administrator of the account has to allow it.
    NeedsAdmin,
    /// Another account came back than the one that is connected.
    WrongAccount,
    /// What the browser brought back belongs to no connection that was begun in this session.
    #[serde(rename = "oauth-state")]
    OAuthState,
    /// The account may not do that.
    Forbidden,
    /// The remote calendar is not there any more.
    CalendarGone,
    /// The item is not there.
    NotFound,
    /// The item has another version than expected.
    VersionMismatch,
    /// An item with this name or UID is there already.
    AlreadyExists,
    /// The content is refused and will be again.
    Refused,
    /// Too large, or over quota.
    TooLarge,
    /// The sync token is not valid any more.
    CursorInvalid,
    /// Too many requests.
    Throttled,
    /// Not reachable for now.
    Unavailable,
    /// The provider's answer makes no sense.
    Protocol,
    /// A bug in calsync.
    Internal,
    /// Another worker has the link.
    Busy,
    /// The plan would be another one now.
    PlanChanged,
    /// The link was joined to another calendar before.
    LinkMoved,
    /// There is no such link.
    UnknownLink,
    /// There is no such connection.
    UnknownConnection,
    /// There is no such question.
    UnknownMatch,
    /// There is no such conflict.
    UnknownConflict,
    /// The conflict is settled already.
    ConflictSettled,
    /// Nobody asks about this field.
    NotContested,
    /// There is no such run.
    UnknownRun,
    /// No write waits for this event.
    UnknownWrite,
    /// Somebody has the slot.
    SlotTaken,
    /// The terms offer no such slot.
    SlotNotOffered,
    /// There is no such booking.
    UnknownBooking,
    /// Somebody else changed the row meanwhile.
    StoreConflict,
    /// The lease belongs to somebody else now.
    StoreFenced,
    /// The store is busy or not reachable.
    StoreUnavailable,
    /// The store has no room.
    StoreFull,
    /// A row does not hold what was written.
    StoreCorrupt,
    /// The store refuses the call.
    StoreInvalidInput,
    /// The database failed.
    StoreFailed,
    /// The text is no calendar, or passes a limit.
    NotICalendar,
    /// The item cannot be read.
    Unreadable,
    /// The text has no such item.
    NoSuchItem,
    /// A method of the host failed.
    HostFailed,
    /// A method of the host gave something of another type.
    HostType,
    /// A method of the host never answered.
    HostSilent,
    /// The call was cancelled.
    Cancelled,
    /// The engine or the library was shut down.
    Closed,
    /// A store of the host does not do what a case of the conformance suite expects.
    CheckFailed,
}

/// A failed call. The message holds no secret and no event text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub code: Code,
    /// Whether trying again can help.
    pub retryable: bool,
    /// Not before so many milliseconds from now: the provider said so, or a link that is busy is free then if whoever has it is gone.
    pub retry_after_ms: Option<u64>,
    /// For people. English, without secrets and event text.
    pub message: String,
    /// What it is about: a method of the host, a link, a connection. Never event text.
    pub item: Option<String>,
    /// Until when somebody else has what it is about, at most.
    #[serde(skip)]
    until: Option<DateTime<Utc>>,
}

impl Failure {
    /// A failure that trying again does not mend.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            retryable: false,
            retry_after_ms: None,
            message: message.into(),
            item: None,
            until: None,
        }
    }

    /// Says how long to wait for what somebody else has, as it is now.
    #[must_use]
    pub(crate) fn told_at(mut self, now: DateTime<Utc>) -> Self {
        if let Some(until) = self.until {
            let wait = (until - now).num_milliseconds();
            self.retry_after_ms = self.retry_after_ms.or(Some(u64::try_from(wait).unwrap_or(0)));
        }
        self
    }

    /// Names what it is about.
    #[must_use]
    pub fn about(mut self, item: impl Into<String>) -> Self {
        self.item = Some(item.into());
        self
    }

    /// An argument that cannot be used.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidInput, message)
    }

    pub(crate) fn retrying(mut self, retry: Retry) -> Self {
        self.retryable = retry != Retry::Never;
        if let Retry::After(wait) = retry {
            self.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        }
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<&ErrorKind> for Code {
    fn from(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput => Self::InvalidInput,
            ErrorKind::Unsupported => Self::Unsupported,
            ErrorKind::Blocked => Self::Blocked,
            ErrorKind::Unauthorized => Self::Unauthorized,
            ErrorKind::Forbidden => Self::Forbidden,
            ErrorKind::CalendarGone => Self::CalendarGone,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::VersionMismatch => Self::VersionMismatch,
            ErrorKind::AlreadyExists { .. } => Self::AlreadyExists,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::TooLarge => Self::TooLarge,
            ErrorKind::CursorInvalid => Self::CursorInvalid,
            ErrorKind::Throttled => Self::Throttled,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Protocol => Self::Protocol,
            _ => Self::Internal,
        }
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        #[cfg(feature = "oauth")]
        if let Some(failure) = crate::oauth::of_provider(&error) {
            return failure;
        }
        Self::new(Code::from(&error.kind), error.to_string()).retrying(error.retry)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            if let Some(host) = source.downcast_ref::<HostFailure>() {
                return host.failure();
            }
            cause = source.source();
        }
        let code = match error.kind {
            StoreErrorKind::Conflict { .. } => Code::StoreConflict,
            StoreErrorKind::Fenced => Code::StoreFenced,
            StoreErrorKind::Unavailable => Code::StoreUnavailable,
            StoreErrorKind::Full => Code::StoreFull,
            StoreErrorKind::Corrupt => Code::StoreCorrupt,
            StoreErrorKind::InvalidInput => Code::StoreInvalidInput,
            _ => Code::StoreFailed,
        };
        Self::new(code, error.to_string()).retrying(error.retry())
    }
}

impl From<BookingError> for Failure {
    fn from(error: BookingError) -> Self {
        let retry = error.retry();
        let message = error.to_string();
        let code = match error {
            BookingError::Store(error) => return error.into(),
            BookingError::Taken => Code::SlotTaken,
            BookingError::NotOffered(_) => Code::SlotNotOffered,
            BookingError::Invalid(_) | BookingError::TooMuch { .. } | BookingError::IdTaken => {
                Code::InvalidInput
            }
            BookingError::Contended => Code::StoreConflict,
            BookingError::Unknown => Code::UnknownBooking,
            _ => Code::Internal,
        };
        Self::new(code, message).retrying(retry)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let retry = error.retry();
        let message = error.to_string();
        let until = match &error {
            EngineError::Busy { until } => Some(*until),
            _ => None,
        };
        let code = match error {
            EngineError::Provider(error) => return error.into(),
            EngineError::Store(error) => return error.into(),
            EngineError::Busy { .. } => Code::Busy,
            EngineError::PlanChanged { .. } => Code::PlanChanged,
            EngineError::LinkMoved { .. } => Code::LinkMoved,
            EngineError::CopyRules { .. } | EngineError::CopiesUnsaid { .. } => Code::InvalidInput,
            EngineError::UnknownMatch { .. } => Code::UnknownMatch,
            EngineError::UnknownConflict { .. } => Code::UnknownConflict,
            EngineError::ConflictSettled { .. } => Code::ConflictSettled,
            EngineError::NotContested { .. } => Code::NotContested,
            EngineError::UnknownRun { .. } => Code::UnknownRun,
            EngineError::UnknownWrite { .. } => Code::UnknownWrite,
            _ => Code::Internal,
        };
        Self { until, ..Self::new(code, message).retrying(retry) }
    }
}

impl From<IcalError> for Failure {
    fn from(error: IcalError) -> Self {
        let code = match error {
            IcalError::TooLarge { .. } | IcalError::TooDeep { .. } | IcalError::TooManyComponents { .. } => {
                Code::TooLarge
            }
            _ => Code::NotICalendar,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PatchError> for Failure {
    fn from(error: PatchError) -> Self {
        match error {
            PatchError::Unreadable(error) => error.into(),
            PatchError::NoSuchItem => Self::new(Code::NoSuchItem, error.to_string()),
            _ => Self::new(Code::Unreadable, error.to_string()),
        }
    }
}
