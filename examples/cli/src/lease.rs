//! Links that another process is at.

use calsync_core::{engine::EngineError, model::LinkId};

use crate::{app::App, output::tell};

/// How long a link that another process works on is waited for: two lives of a lease.
const PATIENCE: chrono::TimeDelta = chrono::TimeDelta::seconds(20);

/// Does something to a link as soon as nobody else is at it. A process that was killed leaves its lease behind for some
/// seconds; one that works renews it, and is not waited for without end.
pub(crate) async fn when_free<T>(
    app: &App,
    link: &LinkId,
    mut work: impl AsyncFnMut() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let give_up = app.clock.now() + PATIENCE;
    loop {
        match work().await {
            Err(EngineError::Busy { until }) if app.clock.now() < give_up => {
                let wait = (until - app.clock.now()).max(chrono::TimeDelta::milliseconds(100));
                tell(&format!(
                    "link {link}: another process is at it, or died there; waiting {} s for its lease",
                    wait.num_seconds() + 1
                ));
                tokio::time::sleep(wait.to_std().unwrap_or_default()).await;
            }
            done => return done,
        }
    }
}
