use std::sync::Arc;

use crate::{
    Code, Engine, Failure,
    args::{BeginOAuth, Connect, FinishOAuth, OAuthClient},
};

/// There is none.
pub(crate) enum Access {}

fn left_out() -> Failure {
    Failure::new(Code::Unsupported, "this library was built without OAuth")
}

impl Engine {
    #[allow(clippy::unused_async, reason = "the same as where there is something to wait for")]
    pub(crate) async fn begin_oauth(&self, _: BeginOAuth) -> Result<String, Failure> {
        Err(left_out())
    }

    #[allow(clippy::unused_async, reason = "the same as where there is something to wait for")]
    pub(crate) async fn finish_oauth(&self, _: FinishOAuth) -> Result<(), Failure> {
        Err(left_out())
    }

    #[allow(clippy::unused_async, reason = "the same as where there is something to wait for")]
    pub(crate) async fn access(&self, _: &OAuthClient, _: &Connect) -> Result<Arc<Access>, Failure> {
        Err(left_out())
    }
}

#[allow(clippy::unused_async, reason = "the same as where there is something to wait for")]
pub(crate) async fn forget(access: &Access) -> Result<bool, Failure> {
    match *access {}
}
