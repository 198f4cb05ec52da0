//! Which zone a TZID means, in the order that trusts most what is least likely to be wrong.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use thiserror::Error;

use super::custom::CustomZone;
use super::vtimezone::{VTimezone, ZoneError, ZoneLimits, plain_tzid, tzid_of};
use super::{Zone, matching, names};

/// How a zone was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ZoneSource {
    /// The TZID is the name of a zone of the IANA database.
    Iana,
    /// The TZID is such a name in another case, in quotes, or with a prefix in front.
    Alias,
    /// The TZID states an offset, such as `GMT+01:00`.
    Offset,
    /// The TZID is the name or display name of a Windows zone, mapped as the Unicode CLDR does.
    Windows,
    /// X-LIC-LOCATION or TZURL of the VTIMEZONE names a zone of the database.
    Location,
    /// The VTIMEZONE has the offsets and changes of this zone of the database from 2000 to 2037.
    Matched,
    /// The VTIMEZONE alone defines the zone.
    Definition,
    /// Nothing was known of the TZID: the default zone of the resolver.
    Default,
}

/// What the VTIMEZONE of the same TZID has to do with the zone that was found by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DefinitionCheck {
    /// The file has no VTIMEZONE for the TZID.
    Absent,
    /// It gives the same offsets as the zone in the years compared (2020 to 2030).
    Agrees,
    /// It gives other offsets at some time; the zone known by name is used.
    Contradicts,
    /// It gives other offsets all the time, so the name must be wrong; or the name is one of the abbreviations
    /// `EST`, `MST` and `HST`, which the database has for fixed offsets. The definition is used, as the database
    /// zone it equals or as a zone of its own.
    Replaces,
    /// It cannot be read.
    Unusable(ZoneError),
    /// The zone was taken from the definition, no name being known.
    Used,
}

/// The zone of a TZID and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedZone {
    /// The zone.
    pub zone: Zone,
    /// How it was found.
    pub how: ZoneSource,
    /// Whether the file defines it otherwise.
    pub definition: DefinitionCheck,
}

/// No zone could be found for a TZID. What to do with the time is for the caller to decide: it is never silently
/// read as UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no time zone is known for this TZID")]
pub struct UnresolvedZone {
    /// Why the VTIMEZONE of the TZID does not help; `None` when the file has none.
    #[source]
    pub definition: Option<ZoneError>,
}

/// Resolves the TZIDs of one document. It holds the document's VTIMEZONE components and reads one only when its
/// TZID is asked for, once.
///
/// A name of the IANA database that the document does not define costs one search and no allocation.
///
/// ```
/// use calsync_core::zone::{ZoneResolver, ZoneSource};
///
/// let resolver = ZoneResolver::new(std::iter::empty(), None);
/// let found = resolver.resolve("Europe/Paris").expect("a zone of the database");
/// assert_eq!((found.zone.name(), found.how), ("Europe/Paris", ZoneSource::Iana));
/// assert!(resolver.resolve("Our own zone").is_err());
/// ```
#[derive(Debug)]
pub struct ZoneResolver<'a> {
    /// Sorted by TZID, each TZID once.
    definitions: Vec<Definition<'a>>,
    default_zone: Option<Zone>,
    limits: ZoneLimits,
}

struct Definition<'a> {
    tzid: Cow<'a, str>,
    text: &'a str,
    resolved: OnceLock<Result<ResolvedZone, UnresolvedZone>>,
}

/// More definitions than this in one document are ignored; the database has about 600 zones.
const MAX_DEFINITIONS: usize = 2000;

impl<'a> ZoneResolver<'a> {
    /// A resolver for a document with these VTIMEZONE components, each from its BEGIN to its END line, folded or
    /// not. Of several for one TZID the first counts; those after the 2000th are ignored.
    ///
    /// `default_zone` stands in for TZIDs nothing is known of, such as the zone of the calendar.
    pub fn new(vtimezones: impl IntoIterator<Item = &'a str>, default_zone: Option<Zone>) -> Self {
        Self::with_limits(vtimezones, default_zone, ZoneLimits::default())
    }

    /// Like [`ZoneResolver::new`] with other limits for the definitions.
    pub fn with_limits(
        vtimezones: impl IntoIterator<Item = &'a str>,
        default_zone: Option<Zone>,
        limits: ZoneLimits,
    ) -> Self {
        let named = vtimezones.into_iter().filter_map(|text| Some((tzid_of(text)?, text)));
        let mut definitions: Vec<_> = named
            .take(MAX_DEFINITIONS)
            .map(|(tzid, text)| Definition { tzid, text, resolved: OnceLock::new() })
            .collect();
        definitions.sort_by(|a, b| a.tzid.cmp(&b.tzid));
        definitions.dedup_by(|later, first| later.tzid == first.tzid);
        Self { definitions, default_zone, limits }
    }

    /// The zone of a TZID.
    ///
    /// The order: the exact IANA name; another spelling of it; the Windows name; an offset in the name; the
    /// VTIMEZONE of the document (by the location it names, else by the database zone with equal offsets and
    /// changes from 2000 to 2037, else as a zone of its own); the default zone. A name that is known wins over
    /// a VTIMEZONE that says otherwise, unless that never gives the same offset;
    /// [`ResolvedZone::definition`] tells.
    ///
    /// # Errors
    /// [`UnresolvedZone`] when none of these helps.
    pub fn resolve(&self, tzid: &str) -> Result<ResolvedZone, UnresolvedZone> {
        let tzid = &*plain_tzid(tzid);
        let resolved = match self.definitions.binary_search_by(|d| d.tzid.as_ref().cmp(tzid)) {
            Ok(at) => {
                let definition = &self.definitions[at];
                definition
                    .resolved
                    .get_or_init(|| resolve_defined(tzid, definition.text, &self.limits))
                    .clone()
            }
            Err(_) => zone_by_name(tzid)
                .map(|(zone, how)| ResolvedZone { zone, how, definition: DefinitionCheck::Absent })
                .ok_or(UnresolvedZone { definition: None }),
        };
        resolved.or_else(|unresolved| match &self.default_zone {
            Some(zone) => Ok(ResolvedZone {
                zone: zone.clone(),
                how: ZoneSource::Default,
                definition: unresolved.definition.map_or(DefinitionCheck::Absent, DefinitionCheck::Unusable),
            }),
            None => Err(unresolved),
        })
    }
}

impl fmt::Debug for Definition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition").field("tzid", &self.tzid).finish_non_exhaustive()
    }
}

/// The zone of a name alone, as the database, Windows or an offset spell it; `None` when it needs a definition.
pub fn zone_by_name(name: &str) -> Option<(Zone, ZoneSource)> {
    if let Some(zone) = Zone::from_iana(name) {
        return Some((zone, ZoneSource::Iana));
    }
    names::other_spelling(name)
}

/// Names the database has for a fixed offset, and people for a zone with daylight saving time: here a definition
/// that says more is believed.
const ABBREVIATIONS: [&str; 3] = ["EST", "MST", "HST"];

/// A TZID for which the document has a VTIMEZONE.
fn resolve_defined(tzid: &str, text: &str, limits: &ZoneLimits) -> Result<ResolvedZone, UnresolvedZone> {
    let parsed = VTimezone::parse_with(text, limits);
    let rules = parsed.as_ref().map_err(|error| *error).and_then(|parsed| parsed.zone.clone());
    if let Some((zone, how)) = zone_by_name(tzid) {
        let definition = match (&rules, zone.iana()) {
            (Err(error), _) => DefinitionCheck::Unusable(*error),
            (Ok(rules), Some(tz)) => matching::check(rules, tz),
            (Ok(_), None) => DefinitionCheck::Contradicts,
        };
        let definition = match definition {
            DefinitionCheck::Contradicts if ABBREVIATIONS.contains(&tzid) => DefinitionCheck::Replaces,
            other => other,
        };
        return Ok(match (definition, rules) {
            (DefinitionCheck::Replaces, Ok(rules)) => {
                let (zone, how) = zone_of_rules(rules);
                ResolvedZone { zone, how, definition }
            }
            _ => ResolvedZone { zone, how, definition },
        });
    }
    let used = |zone, how| ResolvedZone { zone, how, definition: DefinitionCheck::Used };
    if let Some(zone) = parsed.as_ref().ok().and_then(named_location) {
        return Ok(used(zone, ZoneSource::Location));
    }
    match rules {
        Ok(rules) => {
            let (zone, how) = zone_of_rules(rules);
            Ok(used(zone, how))
        }
        Err(error) => Err(UnresolvedZone { definition: Some(error) }),
    }
}

/// The database zone with these rules, or a zone of their own.
fn zone_of_rules(rules: CustomZone) -> (Zone, ZoneSource) {
    match matching::equal_zone(&rules) {
        Some(tz) => (Zone::Iana(tz), ZoneSource::Matched),
        None => (Zone::from(rules), ZoneSource::Definition),
    }
}

/// The zone that X-LIC-LOCATION or the end of TZURL names.
fn named_location(parsed: &VTimezone) -> Option<Zone> {
    let by_location = parsed.location.as_deref().and_then(names::spelled);
    let by_url = || names::end_of_path(parsed.url.as_deref()?.trim_end_matches(".ics"));
    by_location.or_else(by_url).map(Zone::Iana)
}
