//! How long a feed asks to be left alone.

use std::time::Duration;

/// A feed that asks for more is asked once a week all the same.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// The length of an RFC 5545 section 3.3.6 duration such as `PT1H` or `P1W`; at most a week. `None` when it is none, or
/// negative.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim().trim_start_matches('+').to_ascii_uppercase();
    let mut seconds: u64 = 0;
    let mut number: Option<u64> = None;
    let mut in_time = false;
    for char in text.strip_prefix('P')?.chars() {
        if let Some(digit) = char.to_digit(10) {
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(u64::from(digit)));
            continue;
        }
        let unit = match (char, in_time) {
            ('T', false) if number.is_none() => {
                in_time = true;
                continue;
            }
            ('W', false) => 7 * 86_400,
            ('D', false) => 86_400,
            ('H', true) => 3600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        seconds = seconds.saturating_add(number.take()?.saturating_mul(unit));
    }
    let is_whole = number.is_none() && text.len() > 2;
    is_whole.then(|| Duration::from_secs(seconds).min(LONGEST))
}

/// `max-age` of a `Cache-Control` header (RFC 9111 section 5.2.2.1), at most a week.
pub(super) fn max_age(cache_control: &str) -> Option<Duration> {
    cache_control.split(',').find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| Duration::from_secs(seconds).min(LONGEST))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_what_looks_like_them() {
        for (text, seconds) in [
            ("PT1H", Some(3600)),
            ("pt30m", Some(1800)),
            ("P1D", Some(86_400)),
            ("+P1DT2H3M4S", Some(93_784)),
            ("P1W", Some(604_800)),
            ("P99999999999999999999W", Some(604_800)),
            ("PT0S", Some(0)),
            ("-PT1H", None),
            ("P", None),
            ("PT", None),
            ("PT5", None),
            ("P1H", None),
            ("1H", None),
            ("", None),
        ] {
            assert_eq!(duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn max_age_in_cache_control() {
        for (text, seconds) in [
            ("max-age=600", Some(600)),
            ("private, Max-Age=\"60\", must-revalidate", Some(60)),
            ("max-age=99999999999", Some(604_800)),
            ("no-store", None),
            ("max-age=soon", None),
        ] {
            assert_eq!(max_age(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
