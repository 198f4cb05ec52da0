//! What to answer to whoever asks for a feed, as data: the host's server sends it.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::FeedOptions;

/// What a copy of a feed is compared with (RFC 9110 section 8.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// The strong entity tag, in its quotes.
    pub etag: String,
    /// When the feed last changed, to the second.
    pub last_modified: Option<DateTime<Utc>>,
}

impl Validators {
    pub(super) fn new(hash: &blake3::Hash, changed: Option<DateTime<Utc>>, day: DateTime<Utc>) -> Self {
        // The window moves on with the day, and what it shows with it.
        let last_modified = changed.map(|changed| changed.max(day));
        Self { etag: format!("\"{}\"", &hash.to_hex()[..32]), last_modified }
    }

    /// From a revision of the calendar that changes with every change of it: nothing is written to find them out.
    ///
    /// `variant` names everything else the text depends on: the version of the feed's options and of its rules.
    pub fn of_revision(
        revision: &str,
        variant: &str,
        changed: Option<DateTime<Utc>>,
        options: &FeedOptions,
    ) -> Self {
        let mut hash = blake3::Hasher::new_keyed(options.key.expose());
        for part in [revision, variant, &options.today().to_rfc3339()] {
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self::new(&hash.finalize(), changed, options.today())
    }
}

/// The headers of a request that matter, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub struct FeedRequest<'a> {
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// `If-Modified-Since`; looked at only without the other (RFC 9110 section 13.1.3).
    pub if_modified_since: Option<&'a str>,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedAnswer {
    /// 200, or 304 for a copy that is as good. For `HEAD` the same, without a body.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
}

const DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// Answers a `GET` or `HEAD` of a feed whose token is good. Whoever comes with another one gets a 404, as for a feed there
/// never was.
pub fn answer(request: &FeedRequest<'_>, validators: &Validators, options: &FeedOptions) -> FeedAnswer {
    let mut headers = vec![
        ("etag", validators.etag.clone()),
        // Whoever holds the address may read the feed; a cache between may not keep it for others.
        ("cache-control", format!("private, max-age={}", options.refresh.num_seconds().max(0))),
    ];
    headers.extend(validators.last_modified.map(|at| ("last-modified", at.format(DATE).to_string())));
    if is_known(request, validators) {
        return FeedAnswer { status: 304, headers };
    }
    headers.push(("content-type", "text/calendar; charset=utf-8".to_owned()));
    headers.push(("content-disposition", "inline; filename=\"calendar.ics\"".to_owned()));
    headers.push(("x-content-type-options", "nosniff".to_owned()));
    headers.push(("x-robots-tag", "noindex".to_owned()));
    headers.push(("referrer-policy", "no-referrer".to_owned()));
    FeedAnswer { status: 200, headers }
}

/// Whether a date is the very one a feed has.
pub(super) fn is_date_of(date: &str, modified: Option<DateTime<Utc>>) -> bool {
    let asked = NaiveDateTime::parse_from_str(date.trim(), DATE).ok();
    asked.is_some_and(|asked| modified.map(|at| at.timestamp()) == Some(asked.and_utc().timestamp()))
}

/// Whether whoever asks has it already.
pub(super) fn is_known(request: &FeedRequest<'_>, validators: &Validators) -> bool {
    if let Some(tags) = request.if_none_match {
        // Weak comparison (RFC 9110 section 8.8.3.2): a proxy that compressed the text has weakened the tag.
        return tags.trim() == "*"
            || tags.split(',').any(|tag| {
                let tag = tag.trim();
                tag.strip_prefix("W/").unwrap_or(tag) == validators.etag
            });
    }
    let since =
        request.if_modified_since.and_then(|date| NaiveDateTime::parse_from_str(date.trim(), DATE).ok());
    match (since, validators.last_modified) {
        (Some(since), Some(modified)) => modified.timestamp() <= since.and_utc().timestamp(),
        _ => false,
    }
}
