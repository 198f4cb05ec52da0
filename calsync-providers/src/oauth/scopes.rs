//! Scopes as sets.

use std::collections::BTreeSet;

/// Scopes that ask for a kind of answer and are not listed among what was granted.
const NOT_ECHOED: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// What was asked for and not granted. The answer is compared as a set, without regard to case, and a scope of Microsoft
/// Graph with or without its resource is the same (AUTH-05). A provider that lists nothing granted everything
/// (RFC 6749 section 5.1).
pub fn missing_scopes(asked: &[String], granted: Option<&[String]>) -> Vec<String> {
    let Some(granted) = granted else { return Vec::new() };
    let granted: BTreeSet<String> = granted.iter().map(|scope| plain(scope)).collect();
    asked
        .iter()
        .filter(|scope| !NOT_ECHOED.contains(&scope.as_str()) && !granted.contains(&plain(scope)))
        .cloned()
        .collect()
}

fn plain(scope: &str) -> String {
    let scope = scope.to_ascii_lowercase();
    match scope.strip_prefix("https://graph.microsoft.com/") {
        Some(rest) => rest.to_owned(),
        None => scope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn auth_05_auth_08_what_was_not_granted() {
        let google = "https://www.googleapis.com/auth/calendar.events";
        let graph = "https://graph.microsoft.com/Calendars.ReadWrite";
        // asked, granted, missing
        let table = [
            (google, google, ""),
            (google, "", google),
            ("openid email offline_access", "", ""),
            (graph, "calendars.readwrite", ""),
            ("Calendars.ReadWrite", graph, ""),
            (graph, "Calendars.Read", graph),
            (google, "https://www.googleapis.com/auth/calendar.events.readonly openid", google),
        ];
        for (asked, granted, missing) in table {
            assert_eq!(
                missing_scopes(&list(asked), Some(&list(granted))),
                list(missing),
                "{asked} / {granted}"
            );
        }
        assert!(missing_scopes(&list(google), None).is_empty(), "nothing said, everything granted");
    }
}
