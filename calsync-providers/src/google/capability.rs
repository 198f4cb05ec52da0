//! What Google Calendar can do.

use calsync_core::provider::Capabilities;

use super::config::GoogleConfig;

pub(crate) fn capabilities(config: &GoogleConfig) -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.pull_incremental = true;
    capabilities.pull_with_payload = true;
    capabilities.write = true;
    capabilities.write_mails_people = true;
    capabilities.tells_declined = true;
    capabilities.fetch_max = config.batch_max.max(1);
    // Writes that are due together travel in one batch.
    capabilities.requests_max = config.batch_max.max(1);
    capabilities.watch = true;
    // The default of Google; a shorter one may be granted.
    capabilities.watch_seconds_max = 7 * 24 * 3600;
    capabilities.free_busy = true;
    capabilities
}
