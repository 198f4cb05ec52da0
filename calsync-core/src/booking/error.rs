//! Why nothing was booked.

use crate::{
    provider::{Fault, Retry},
    store::StoreError,
};

/// A reservation that was not made. Messages hold no event text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BookingError {
    /// Somebody has the slot, or time around it that has to stay free.
    #[error("the slot is taken")]
    Taken,
    /// The terms offer no such slot, whoever asks.
    #[error("the slot is not offered: {0}")]
    NotOffered(&'static str),
    /// The call makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
    /// Too many calendars, or too long, for one commit: see [`ROWS_MAX`](super::ROWS_MAX).
    #[error(
        "too much at once: {rows} rows, and {max} fit into one commit; book fewer calendars or a shorter time"
    )]
    TooMuch {
        /// Rows it would touch.
        rows: usize,
        /// Rows it may.
        max: usize,
    },
    /// So many others booked close by at this moment that the decision was overtaken every time.
    #[error("too many others are booking close by at this moment")]
    Contended,
    /// Another event has the id that was given.
    #[error("the id names another event")]
    IdTaken,
    /// There is no such booking any more.
    #[error("there is no such booking")]
    Unknown,
    /// The store failed. What was asked for may have been written, unless the kind says otherwise; sending it again under
    /// the same [`Reservation::id`](super::Reservation::id) is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BookingError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Store(_) | Self::Contended => Fault::Store,
            Self::Taken
            | Self::NotOffered(_)
            | Self::Invalid(_)
            | Self::TooMuch { .. }
            | Self::IdTaken
            | Self::Unknown => Fault::Caller,
        }
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Store(error) => error.retry(),
            Self::Contended => Retry::Backoff,
            Self::Taken
            | Self::NotOffered(_)
            | Self::Invalid(_)
            | Self::TooMuch { .. }
            | Self::IdTaken
            | Self::Unknown => Retry::Never,
        }
    }
}
