//! What Graph can do.

use calsync_core::provider::Capabilities;

use super::config::{Listing, MicrosoftConfig};

pub(crate) fn capabilities(config: &MicrosoftConfig) -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.pull_incremental = true;
    capabilities.pull_with_payload = true;
    capabilities.pull_window_slides = config.listing == Listing::Window;
    capabilities.write = true;
    capabilities.write_mails_people = true;
    capabilities.tells_declined = true;
    capabilities.fetch_max = config.batch_max.max(1);
    // What is due together travels in one batch, of which Graph does four at a time; one batch is under way at once.
    capabilities.requests_max = config.batch_max.clamp(1, 20);
    capabilities.watch = true;
    capabilities.watch_seconds_max = u64::from(config.watch_minutes_max) * 60;
    capabilities.free_busy = true;
    capabilities.free_busy_days_max = config.free_busy_days_max;
    capabilities
}
