//! The conformance suite of the store trait: what every [`Store`](calsync_core::store::Store) must do, whatever it keeps its rows in.
//!
//! ```
//! # use calsync_core::store::MemoryStore;
//! mod memory {
//!     # use calsync_core::store::MemoryStore;
//!     async fn fresh() -> MemoryStore {
//!         MemoryStore::new()
//!     }
//!     calsync_testkit::store_conformance!(fresh);
//! }
//! ```
//!
//! [`store_conformance!`](macro@crate::store_conformance) makes one `#[tokio::test]` of each case (the caller's crate needs `tokio` with `macros` and
//! `rt`). The argument is an async function or closure that returns a fresh, empty store; a store that needs a
//! directory or a container keeps it alive itself. Cases are also plain functions, for hosts with another test
//! runner: each takes the store and panics when it fails.
//!
//! Stores that keep change feeds ([`Store::feed`](calsync_core::store::Store::feed)) pass
//! [`feed_conformance!`](macro@crate::feed_conformance) as well.
//!
//! A case is declared once, by the macro `cases!`, which makes both the function and its entry in the list; none can
//! be left out of the list by mistake.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a case fails by panicking")]
#![allow(
    clippy::cloned_ref_to_slice_refs,
    reason = "`== [row.clone()]` reads better than the way around a clone that costs nothing here"
)]

pub mod batches;
pub mod channels;
mod check;
pub mod claims;
pub mod docs;
pub mod feeds;
pub mod leases;
pub mod lists;
pub mod logs;
pub mod opening;
pub mod owners;
pub mod pairs;
pub mod random;
pub mod revisions;
pub mod sample;
pub mod tenants;
pub mod values;

/// Declares the cases of one subject: each becomes a public function, and together they become the exported macro
/// `$list`, which makes a test of each. (`$dollar` is a way to write `$` in the macro that is made.)
macro_rules! cases {
    (
        $dollar:tt $list:ident in $module:ident;
        $( $(#[$doc:meta])* async fn $name:ident($store:ident: &S) $body:block )+
    ) => {
        $(
            $(#[$doc])*
            pub async fn $name<S>($store: &std::sync::Arc<S>)
            where
                S: calsync_core::store::Store + 'static,
            $body
        )+

        /// The names of these cases.
        pub const CASES: &[&str] = &[$(stringify!($name)),+];

        /// Runs the case with this name on a fresh, empty store, and says whether there is one.
        pub async fn run<S>(case: &str, store: &std::sync::Arc<S>) -> bool
        where
            S: calsync_core::store::Store + 'static,
        {
            match case {
                $(stringify!($name) => Box::pin($name(store)).await,)+
                _ => return false,
            }
            true
        }

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $list {
            ($dollar factory:expr) => {
                $(
                    #[::tokio::test]
                    async fn $name() {
                        let store = ::std::sync::Arc::new(($dollar factory)().await);
                        $dollar crate::store_conformance::$module::$name(&store).await;
                    }
                )+
            };
        }
    };
}
pub(crate) use cases;

/// Calls a macro with every subject of the suite.
macro_rules! subjects {
    ($call:ident) => {
        $call!(
            batches, channels, revisions, docs, leases, lists, logs, opening, owners, pairs, random, values
        )
    };
}

/// The names of all cases, for hosts with another test runner.
pub fn names() -> Vec<&'static str> {
    macro_rules! all {
        ($($subject:ident),+) => {
            [$($subject::CASES),+].concat()
        };
    }
    subjects!(all)
}

/// Runs the case with this name on a fresh, empty store; panics when it fails. Says whether there is such a case.
pub async fn run<S>(case: &str, store: &std::sync::Arc<S>) -> bool
where
    S: calsync_core::store::Store + 'static,
{
    macro_rules! any {
        ($($subject:ident),+) => {
            $($subject::run(case, store).await)||+
        };
    }
    subjects!(any)
}

/// Makes a test of every case of the suite; see [`store_conformance`](mod@crate::store_conformance).
#[macro_export]
macro_rules! store_conformance {
    ($factory:expr) => {
        $crate::store_conformance_batches!($factory);
        $crate::store_conformance_channels!($factory);
        $crate::store_conformance_revisions!($factory);
        $crate::store_conformance_docs!($factory);
        $crate::store_conformance_leases!($factory);
        $crate::store_conformance_lists!($factory);
        $crate::store_conformance_logs!($factory);
        $crate::store_conformance_opening!($factory);
        $crate::store_conformance_owners!($factory);
        $crate::store_conformance_pairs!($factory);
        $crate::store_conformance_random!($factory);
        $crate::store_conformance_values!($factory);
    };
}
