//! The conformance suite of the provider trait: what every [`Provider`](calsync_core::provider::Provider) must do, whatever
//! service it speaks to.
//!
//! A host that writes a provider of its own gives the suite an [`Account`]: the provider, and a way to act on the service
//! behind its back. `docs/provider-contract.md` says how, step by step.
//!
//! ```
//! # use calsync_testkit::{provider_conformance::MemoryAccount, remote::MemoryRemote};
//! mod memory {
//!     # use calsync_testkit::provider_conformance::MemoryAccount;
//!     async fn fresh() -> MemoryAccount {
//!         MemoryAccount::default()
//!     }
//!     calsync_testkit::provider_conformance!(fresh, cannot: ["a_watch_is_granted_and_ended"]);
//! }
//! ```
//!
//! [`provider_conformance!`](macro@crate::provider_conformance) makes one `#[tokio::test]` of each case (the caller's crate
//! needs `tokio` with `macros` and `rt`). The first argument is an async function or closure that returns a fresh account
//! with an empty calendar. `cannot` names the cases that ask for something the service, or the test's way into it, does
//! not have ([`Cannot`]): they must say so, and no other case may, so that no case is left out by mistake.
//!
//! A case is declared once, by the macro `cases!`, which makes both the function and its entry in the list. Cases are
//! also plain functions, for hosts with another test runner: [`run`] runs one by its name and panics when it fails.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a case fails by panicking")]

mod account;
mod check;
pub mod extras;
pub mod incremental;
pub mod listing;
mod memory;
pub mod people;
pub mod reading;
pub mod refusals;
mod sample;
pub mod series;
pub mod writing;

pub use account::{Account, Cannot, Edit, Trouble};
pub use memory::MemoryAccount;
pub use sample::{Sample, icalendar};

/// How a case ended that did not fail: it passed, or the account cannot do what it needs.
pub type Verdict = Result<(), Cannot>;

/// Declares the cases of one subject: each becomes a public function, and together they become the exported macro
/// `$list`, which makes a test of each. (`$dollar` is a way to write `$` in the macro that is made.)
macro_rules! cases {
    (
        $dollar:tt $list:ident in $module:ident;
        $( $(#[$doc:meta])* async fn $name:ident($account:ident) $body:block )+
    ) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// When the account cannot do what the case needs. The case panics when it fails.
            pub async fn $name($account: &dyn $crate::provider_conformance::Account) -> $crate::provider_conformance::Verdict
            $body
        )+

        /// The names of these cases.
        pub const CASES: &[&str] = &[$(stringify!($name)),+];

        pub(super) async fn run(
            case: &str,
            account: &dyn $crate::provider_conformance::Account,
        ) -> Option<$crate::provider_conformance::Verdict> {
            match case {
                $(stringify!($name) => Some(Box::pin($name(account)).await),)+
                _ => None,
            }
        }

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $list {
            ($dollar factory:expr, $dollar cannot:expr) => {
                $(
                    #[::tokio::test]
                    async fn $name() {
                        let account = ($dollar factory)().await;
                        let verdict = $dollar crate::provider_conformance::$module::$name(&account).await;
                        $dollar crate::provider_conformance::judge(stringify!($name), verdict, $dollar cannot);
                    }
                )+
            };
        }
    };
}
use cases;

/// Calls a macro with every subject of the suite.
macro_rules! subjects {
    ($call:ident) => {
        $call!(extras, incremental, listing, people, reading, refusals, series, writing)
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

/// Runs the case with this name on a fresh account; panics when it fails. `None` when there is no such case.
pub async fn run(case: &str, account: &dyn Account) -> Option<Verdict> {
    macro_rules! any {
        ($($subject:ident),+) => {
            $(if let Some(verdict) = $subject::run(case, account).await {
                return Some(verdict);
            })+
        };
    }
    subjects!(any);
    None
}

/// Panics when a case was not judged although it should have been, or the other way round.
///
/// # Panics
///
/// See above: this is how a test fails.
#[doc(hidden)]
pub fn judge(case: &str, verdict: Verdict, cannot: &[&str]) {
    let all = names();
    assert!(cannot.iter().all(|name| all.contains(name)), "`cannot` names a case there is not");
    match verdict {
        Ok(()) => assert!(!cannot.contains(&case), "{case} can be judged: take it off `cannot`"),
        Err(Cannot(what)) => {
            assert!(cannot.contains(&case), "{case} was not judged: the account cannot {what}")
        }
    }
}

/// Makes a test of every case of the suite; see [`provider_conformance`](mod@crate::provider_conformance).
#[macro_export]
macro_rules! provider_conformance {
    ($factory:expr) => {
        $crate::provider_conformance!($factory, cannot: []);
    };
    ($factory:expr, cannot: [$($cannot:literal),* $(,)?]) => {
        const CANNOT: &[&str] = &[$($cannot),*];
        $crate::provider_conformance_extras!($factory, CANNOT);
        $crate::provider_conformance_incremental!($factory, CANNOT);
        $crate::provider_conformance_listing!($factory, CANNOT);
        $crate::provider_conformance_people!($factory, CANNOT);
        $crate::provider_conformance_reading!($factory, CANNOT);
        $crate::provider_conformance_refusals!($factory, CANNOT);
        $crate::provider_conformance_series!($factory, CANNOT);
        $crate::provider_conformance_writing!($factory, CANNOT);
    };
}
