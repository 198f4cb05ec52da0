//! The spellings of zone names in the field.

use std::str::FromStr;

use super::custom::CustomZone;
use super::offset::UtcOffset;
use super::resolve::ZoneSource;
use super::{Tz, Zone, windows};

/// The zone of a name that is not spelled exactly as the database does.
pub(super) fn other_spelling(name: &str) -> Option<(Zone, ZoneSource)> {
    let name = name.trim().trim_matches('"').trim();
    if let Some(tz) = spelled(name) {
        return Some((Zone::Iana(tz), ZoneSource::Alias));
    }
    if let Some(tz) = windows_name(name) {
        return Some((Zone::Iana(tz), ZoneSource::Windows));
    }
    if let Some(zone) = stated_offset(name) {
        return Some((zone, ZoneSource::Offset));
    }
    // Exchange numbers the zones of a file that share a name: `Eastern Standard Time 1`.
    let unnumbered = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let unnumbered = unnumbered.strip_suffix([' ', '-', '_']).filter(|rest| rest.len() + 4 > name.len())?;
    let tz = Tz::from_str(unnumbered).ok().or_else(|| windows::to_iana(unnumbered))?;
    Some((Zone::Iana(tz), ZoneSource::Alias))
}

/// A Windows name or display name, the latter with or without `(UTC+01:00)` in front.
fn windows_name(name: &str) -> Option<Tz> {
    if let Some(tz) = windows::to_iana(name) {
        return Some(tz);
    }
    let Some((offset, rest)) = name.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
        return windows::from_display_name(name);
    };
    let rest = rest.trim();
    if let Some(tz) =
        windows::from_display_name(rest).or_else(|| windows::to_iana(rest)).or_else(|| spelled(rest))
    {
        return Some(tz);
    }
    // A translated or unknown list of cities: the first one the database has, if its offset fits.
    let seconds = stated_seconds(&offset.replace('.', ":"))?;
    let cities = rest.split([',', '/', ';']).map(|city| city.trim().replace(' ', "_"));
    cities.filter(|city| !city.is_empty()).find_map(|city| city_with_offset(&city, seconds))
}

/// A zone of the database by its last part, if that is its standard offset in 2025.
fn city_with_offset(city: &str, seconds: i32) -> Option<Tz> {
    const JANUARY: i64 = 1_736_899_200;
    let standard = |tz: &Tz| tz.read().is_some_and(|rules| rules.standard_at(JANUARY).offset == seconds);
    let named = |tz: &Tz| tz.name().rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(city));
    Tz::named_any().filter(named).find(standard)
}

/// Names that are in no table: one the database has dropped, and one of Exchange.
const ALIASES: [(&str, &str); 2] =
    [("US/Pacific-New", "America/Los_Angeles"), ("tzone://Microsoft/Utc", "UTC")];

/// A name of the database in any case, with blanks for underscores, or behind the prefix of a product.
pub(super) fn spelled(name: &str) -> Option<Tz> {
    if name.is_empty() {
        return None;
    }
    let any_case = |name: &str| Tz::from_str_insensitive(name).ok();
    let alias = || ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name))?.1.parse().ok();
    any_case(name)
        .or_else(alias)
        .or_else(|| name.contains(' ').then(|| any_case(&name.replace(' ', "_")))?)
        .or_else(|| has_product_prefix(name).then(|| end_of_path(name))?)
}

/// Whether a path begins like `/freeassociation.sourceforge.net/`, `/mozilla.org/20050126_1/` or `posix/`.
fn has_product_prefix(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or_default();
    first.is_empty() || first.contains('.') || matches!(first, "posix" | "right" | "TZ" | "Tzfile")
}

/// The database zone whose name is the longest possible end of a path.
pub(super) fn end_of_path(path: &str) -> Option<Tz> {
    // Names have three parts at most: `America/Argentina/Salta`.
    let starts: Vec<usize> = path.rmatch_indices('/').take(3).map(|(at, _)| at + 1).collect();
    starts.iter().rev().find_map(|start| Tz::from_str_insensitive(path.get(*start..)?).ok())
}

/// The zone of a name such as `Z`, `GMT+01:00`, `UTC-5` or `+0530`, positive east of Greenwich.
fn stated_offset(name: &str) -> Option<Zone> {
    if name.eq_ignore_ascii_case("Z") {
        return Some(Zone::UTC);
    }
    let seconds = stated_seconds(name)?;
    match whole_hours(seconds) {
        Some(tz) => Some(Zone::Iana(tz)),
        None => CustomZone::fixed(name, seconds).map(Zone::from),
    }
}

/// The seconds of `GMT+01:00`, `UTC` or `-5`.
fn stated_seconds(name: &str) -> Option<i32> {
    let prefix = name.get(..3).filter(|p| p.eq_ignore_ascii_case("GMT") || p.eq_ignore_ascii_case("UTC"));
    let offset = prefix.map_or(name, |prefix| &name[prefix.len()..]).trim();
    match offset.bytes().next() {
        None if prefix.is_some() => Some(0),
        Some(b'+' | b'-') => Some(UtcOffset::from_str(offset).ok()?.seconds()),
        _ => None,
    }
}

/// The `Etc` zone of an offset of whole hours, UTC for none.
pub(super) fn whole_hours(seconds: i32) -> Option<Tz> {
    if seconds == 0 {
        return Some(Tz::UTC);
    }
    if seconds % 3600 != 0 {
        return None;
    }
    // In these names the sign is that of POSIX: `Etc/GMT-1` is one hour east.
    let hours = -seconds / 3600;
    Tz::from_str(&format!("Etc/GMT{hours:+}")).ok()
}

/// Whether a text contains a city name, blanks or underscores between its words, as whole words.
pub(super) fn contains_words(text: &str, city: &str) -> bool {
    let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
    let same = |a: &u8, b: &u8| a.eq_ignore_ascii_case(b) || (*a == b' ' && *b == b'_');
    let (text, city) = (text.as_bytes(), city.as_bytes());
    text.windows(city.len()).enumerate().any(|(at, window)| {
        window.iter().zip(city).all(|(a, b)| same(a, b))
            && !letter(at.checked_sub(1).and_then(|before| text.get(before)))
            && !letter(text.get(at + city.len()))
    })
}
