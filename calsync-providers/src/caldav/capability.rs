//! What CalDAV can do.

use calsync_core::provider::Capabilities;

use super::{config::CalDavConfig, discovery::DiscoveredAccount};

/// `account` is what was known when the provider was made. Without it, a server is taken to mail people: only its
/// own word (`calendar-auto-schedule`, RFC 6638 section 2) says that it does not.
pub(crate) fn capabilities(config: &CalDavConfig, account: Option<&DiscoveredAccount>) -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.pull_incremental = true;
    capabilities.write = true;
    capabilities.write_mails_people = account.is_none_or(|account| account.scheduling);
    capabilities.free_busy = true;
    capabilities.fetch_max = config.multiget_max.max(1);
    // One at a time: under two writes at once Xandikos answers 423 and 500, and two of one item may both win on sabre.
    capabilities.requests_max = 1;
    capabilities
}
