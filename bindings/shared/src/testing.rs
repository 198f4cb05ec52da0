//! What hosts test with: the cases for their own stores, and emulators of the providers on this machine.

use std::{panic::AssertUnwindSafe, sync::Arc};

use calsync_testkit::store_conformance;
use futures_util::FutureExt;

pub use crate::emulator::Emulator;
use crate::{
    Code, Failure,
    args::Opening,
    dispatch,
    host::{Calling, Host, Patience},
    host_store::HostStore,
};

/// The names of the cases every store must pass.
pub fn store_cases() -> Vec<&'static str> {
    store_conformance::names()
}

/// Runs a case on a store of the host that is fresh and empty. `opening` is what an [`Engine`](crate::Engine) over it is made
/// with: it says what the store answers in one call, and how long each method may take. One that never answers fails the case.
///
/// # Errors
///
/// [`Code::CheckFailed`] with what the case expected, [`Code::InvalidInput`] when there is no such case or opening.
pub async fn check_store(case: String, opening: String, host: Arc<dyn Host>) -> Result<String, Failure> {
    let (_, asked) = dispatch::read::<Opening>("check_store", &opening)?.parts();
    let calling = Calling::new(Some(host), Patience::of(&asked));
    let store = Arc::new(HostStore::new(Some(calling), asked.in_one_call));
    match AssertUnwindSafe(store_conformance::run(&case, &store)).catch_unwind().await {
        Ok(true) => Ok("null".to_owned()),
        Ok(false) => Err(Failure::invalid("there is no such case").about(case)),
        Err(panic) => {
            let said = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            Err(Failure::new(Code::CheckFailed, said.unwrap_or_default()).about(case))
        }
    }
}
