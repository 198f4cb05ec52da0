use std::sync::Arc;

use crate::{Code, Failure, Host};

fn left_out() -> Failure {
    Failure::new(Code::Unsupported, "this library was built without what hosts test with")
}

/// None.
pub fn store_cases() -> Vec<&'static str> {
    Vec::new()
}

/// Fails.
///
/// # Errors
///
/// [`Code::Unsupported`].
#[allow(clippy::unused_async, reason = "the same as where there is something to wait for")]
pub async fn check_store(_: String, _: String, _: Arc<dyn Host>) -> Result<String, Failure> {
    Err(left_out())
}

/// There is none.
#[derive(Debug)]
pub struct Emulator;

impl Emulator {
    /// Fails.
    ///
    /// # Errors
    ///
    /// [`Code::Unsupported`].
    pub fn start(_: &str) -> Result<Self, Failure> {
        Err(left_out())
    }

    /// Nothing.
    pub fn account(&self) -> &str {
        ""
    }

    /// Fails.
    ///
    /// # Errors
    ///
    /// [`Code::Unsupported`].
    pub fn ask(&self, _: &str, _: &str) -> Result<String, Failure> {
        Err(left_out())
    }
}
