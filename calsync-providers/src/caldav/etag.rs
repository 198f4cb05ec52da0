//! Entity tags as versions.
//!
//! Never read as anything but text. Only the spelling is evened out, so that the same tag from a header and from a
//! property is the same version: quotes are added where a server forgot them, and what front ends put on (`W/`,
//! `-gzip`) is taken off. A tag with either of these fails in `If-Match` nearly everywhere.

use calsync_core::model::Version;

/// The version an ETag stands for; `None` for an empty one.
pub(crate) fn version(etag: &str) -> Option<Version> {
    let etag = etag.trim();
    let strong = etag.strip_prefix("W/").unwrap_or(etag);
    let inner = match strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner,
        None => strong,
    };
    let inner = inner.strip_suffix("-gzip").unwrap_or(inner);
    (!inner.is_empty()).then(|| Version::from(format!("\"{inner}\"")))
}

/// The version a write was answered with. A tag that is weak, without quotes or percent-encoded is not spelled as the
/// same server spells it when asked: none then, and the version is read back.
pub(crate) fn version_written(etag: &str) -> Option<Version> {
    etag.trim().starts_with('"').then(|| version(etag)).flatten()
}

/// Whether a tag is a counter that starts again when an item is created anew (SOGo).
pub(crate) fn is_counter(version: &Version) -> bool {
    version
        .as_str()
        .strip_prefix("\"gcs")
        .and_then(|rest| rest.strip_suffix('"'))
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loop_12_tags_are_text() {
        for (tag, expected) in [
            ("\"0123\"", Some("\"0123\"")),
            ("0123", Some("\"0123\"")),
            ("\"123\"", Some("\"123\"")),
            ("1e5", Some("\"1e5\"")),
            ("12345678901234567890", Some("\"12345678901234567890\"")),
            ("\"W/\\\"a\\\"\"", Some("\"W/\\\"a\\\"\"")),
            ("\" \"", Some("\" \"")),
            ("", None),
            ("\"\"", None),
            ("W/\"a\"", Some("\"a\"")),
            ("\"a-gzip\"", Some("\"a\"")),
        ] {
            assert_eq!(version(tag).as_ref().map(Version::as_str), expected, "{tag}");
        }
        for odd in ["W/\"a\"", "a", "%22a%22", ""] {
            assert_eq!(version_written(odd), None, "{odd}");
        }
        assert!(is_counter(&Version::from("\"gcs00000000\"")));
        assert!(!is_counter(&Version::from("\"gcsx\"")));
    }
}
