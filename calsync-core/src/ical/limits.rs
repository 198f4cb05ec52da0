//! How much of an untrusted calendar is read before it is refused.

/// Limits on one iCalendar text. Every one of them bounds memory or time; none of them is needed by an honest calendar.
///
/// The defaults follow what public feeds reach in practice, with room above it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IcalLimits {
    /// Size of the whole text in bytes, after decompression. Default: 32 MiB.
    pub max_bytes: usize,
    /// Length of one content line in bytes, with its folds. A longer one inside an event quarantines the event.
    /// Default: 1 MiB.
    pub max_line_bytes: usize,
    /// How deep components may nest, `VCALENDAR` being depth 1. Default: 8.
    pub max_depth: usize,
    /// Components directly below a `VCALENDAR`, over the whole text. Default: 50,000.
    pub max_components: usize,
    /// Content lines in one such component, its sub-components included. Default: 20,000.
    pub max_lines_per_component: usize,
    /// `RDATE` plus `EXDATE` values in one event. Default: 20,000.
    pub max_dates_per_event: usize,
    /// Overrides (`RECURRENCE-ID`) of one series. Default: 10,000.
    pub max_overrides_per_event: usize,
}

impl Default for IcalLimits {
    fn default() -> Self {
        Self {
            max_bytes: 32 << 20,
            max_line_bytes: 1 << 20,
            max_depth: 8,
            max_components: 50_000,
            max_lines_per_component: 20_000,
            max_dates_per_event: 20_000,
            max_overrides_per_event: 10_000,
        }
    }
}
