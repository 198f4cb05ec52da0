//! What Cozi can do.

use calsync_core::provider::Capabilities;

/// - not `pull_incremental`: every pull reads every month of the window.
/// - `pull_with_payload`: a month's page has its items whole.
/// - not `write_mails_people`: nobody is named to be notified.
pub(crate) fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.pull_with_payload = true;
    capabilities.write = true;
    // One after the other: nobody knows what the service bears.
    capabilities.requests_max = 1;
    capabilities
}
