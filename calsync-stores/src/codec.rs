//! Forms that all databases keep values in.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use self::columns::{last_of, limited, signed, state, state_name, unsigned};
use calsync_core::store::{Result, StoreError, StoreErrorKind};
use serde::Serialize;

/// The JSON of a value.
pub(crate) fn to_json<T: Serialize + ?Sized>(operation: &'static str, value: &T) -> Result<String> {
    // The cause may quote the value.
    serde_json::to_string(value).map_err(|_| StoreError::new(StoreErrorKind::InvalidInput, operation))
}

/// Forms of columns.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod columns {
    use calsync_core::store::{BaseState, DueDoc, LaterDoc};

    /// Where a walk goes on after a page; `None` when that was its last.
    pub(crate) fn last_of(docs: &[LaterDoc], limit: usize) -> Option<DueDoc> {
        let last = docs.last().filter(|_| docs.len() >= limit)?;
        Some(DueDoc { tenant: last.tenant.clone(), key: last.doc.key.clone(), due: last.doc.due? })
    }

    /// Databases count in signed integers; no counter gets that far.
    pub(crate) fn unsigned(value: i64) -> u64 {
        u64::try_from(value).unwrap_or(0)
    }

    /// A number of the caller's, for a comparison: past the largest a database has, all rows are smaller.
    pub(crate) fn signed(value: u64) -> i64 {
        i64::try_from(value).unwrap_or(i64::MAX)
    }

    /// A database's form of a limit.
    pub(crate) fn limited(limit: usize) -> i64 {
        i64::try_from(limit).unwrap_or(i64::MAX)
    }

    /// The column form of a base's state.
    pub(crate) fn state_name(state: BaseState) -> &'static str {
        match state {
            BaseState::Linked => "linked",
            BaseState::Suppressed => "suppressed",
        }
    }

    /// The state of a column.
    pub(crate) fn state(name: &str) -> Option<BaseState> {
        [BaseState::Linked, BaseState::Suppressed].into_iter().find(|state| state_name(*state) == name)
    }
}
