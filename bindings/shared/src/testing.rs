//! What hosts test their own stores with.

use std::{panic::AssertUnwindSafe, sync::Arc};

use calsync_testkit::store_conformance;
use futures_util::FutureExt;

use crate::{Code, Failure, host::Host, host_store::HostStore};

/// The names of the cases every store must pass.
pub fn store_cases() -> Vec<&'static str> {
    store_conformance::names()
}

/// Runs a case on a store of the host that is fresh and empty.
///
/// # Errors
///
/// [`Code::CheckFailed`] with what the case expected, [`Code::InvalidInput`] when there is no such case.
pub async fn check_store(case: String, host: Arc<dyn Host>) -> Result<String, Failure> {
    let store = Arc::new(HostStore::of(host));
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
