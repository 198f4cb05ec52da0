//! What a feed can do.

use calsync_core::provider::Capabilities;

/// Read only; every listing is whole and carries its payloads.
///
/// - `pull_window_slides`: many feeds publish from a month ago to a year ahead. An item that is over and not there any
///   more may only have left that window.
/// - `pull_incremental` is not claimed: a conditional request is cheap when nothing changed and costs the whole feed
///   when anything did.
pub(super) fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.pull_with_payload = true;
    capabilities.pull_window_slides = true;
    capabilities.requests_max = 1;
    capabilities
}
