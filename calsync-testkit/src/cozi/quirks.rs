//! The ways the service is said to differ from one description to the next.

use serde::{Deserialize, Serialize};

/// One switch for each. Default: none is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CoziQuirks {
    /// A page has its items as a list, as older descriptions show it.
    pub items_as_list: bool,
    /// A page does not say on which days its items take place.
    pub no_days: bool,
    /// Details stand beside the other members, and not in a member of their own.
    pub flat_details: bool,
    /// Single items cannot be asked for by name.
    pub no_item_lookup: bool,
    /// Dates left out of a series are not taken with the rest of a write.
    pub ignores_exdates: bool,
    /// A token comes without its lifetime.
    pub no_lifetime: bool,
    /// No cookie comes with a token: the password is needed each time.
    pub no_cookie: bool,
    /// Items have no count of their versions.
    pub no_versions: bool,
    /// Requests without an `apikey` are refused.
    pub needs_api_key: bool,
}

/// The switches by name, each on.
pub(super) const ABOUT: [(&str, &str, &str); 9] = [
    ("items_as_list", "true", "a page has its items as a list"),
    ("no_days", "true", "a page does not say on which days its items take place"),
    ("flat_details", "true", "details stand beside the other members"),
    ("no_item_lookup", "true", "single items cannot be asked for by name"),
    ("ignores_exdates", "true", "dates left out of a series are not taken with the rest of a write"),
    ("no_lifetime", "true", "a token comes without its lifetime"),
    ("no_cookie", "true", "no cookie comes with a token"),
    ("no_versions", "true", "items have no count of their versions"),
    ("needs_api_key", "true", "requests without an apikey are refused"),
];
