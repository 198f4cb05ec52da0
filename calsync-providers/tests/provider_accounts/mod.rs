//! The services of the conformance suite: an emulator each, and what somebody else does there.

pub(crate) mod caldav;
pub(crate) mod google;
pub(crate) mod ics;
pub(crate) mod microsoft;

use std::sync::Arc;

use calsync_providers::http::{HttpTransport, ReqwestOptions, ReqwestTransport};

fn transport() -> Arc<dyn HttpTransport> {
    Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap())
}
