//! Switches and faults of an emulator by their names: for command lines, and for clients in other languages, which send
//! the same lines to `/emulator`.
//!
//! A line is one of
//!
//! - `quirk NAME` or `quirk NAME=VALUE`: a deviation of the service;
//! - `oauth NAME=VALUE`: of its authorization server;
//! - `do NAME` or `do NAME=VALUE`: something happens at the service;
//! - `fault WORDS`: what becomes of the next request that fits, such as `fault status=503 method=GET times=3`.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    dav::{Fault, FaultAction},
    oauth::{Consent, OAuth, Rotation},
};

/// A line that cannot be followed, and what could be written instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchError(String);

impl fmt::Display for SwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SwitchError {}

/// Something that can be said to an emulator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Switch {
    /// How a line with it begins: `quirk`, `oauth`, `do` or `fault`.
    pub verb: &'static str,
    /// Its name, with `=` and an example of its value where it takes one.
    pub example: String,
    /// What it does.
    pub about: &'static str,
}

pub(crate) type Result<T> = std::result::Result<T, SwitchError>;

pub(crate) fn wrong<T>(text: impl Into<String>) -> Result<T> {
    Err(SwitchError(text.into()))
}

/// A line, taken apart.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    Quirk(&'a str, Option<&'a str>),
    OAuth(&'a str, Option<&'a str>),
    Do(&'a str, Option<&'a str>),
    Fault(FaultSpec),
}

pub(crate) fn parse(line: &str) -> Result<Line<'_>> {
    let (verb, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let rest = rest.trim();
    let (name, value) = match rest.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (rest, None),
    };
    match verb {
        "quirk" => Ok(Line::Quirk(name, value)),
        "oauth" => Ok(Line::OAuth(name, value)),
        "do" => Ok(Line::Do(name, value)),
        "fault" => FaultSpec::parse(rest).map(Line::Fault),
        _ => wrong(format!("{verb:?}: a line begins with quirk, oauth, do or fault")),
    }
}

/// Quirks with one of them changed. A name alone is one that is on; `none` is nothing.
pub(crate) fn with_quirk<Q: Serialize + DeserializeOwned>(
    quirks: &Q,
    name: &str,
    value: Option<&str>,
) -> Result<Q> {
    let Ok(Value::Object(mut all)) = serde_json::to_value(quirks) else { return wrong("no quirks") };
    if !all.contains_key(name) {
        let names: Vec<&String> = all.keys().collect();
        return wrong(format!("no quirk is called {name:?}; there are {names:?}"));
    }
    let value = match value {
        None => Value::Bool(true),
        Some("none") => Value::Null,
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    };
    all.insert(name.to_owned(), value);
    serde_json::from_value(all.into()).or_else(|error| wrong(format!("quirk {name}: {error}")))
}

/// The quirks of a vendor, each with another value than its default.
pub(crate) fn quirks(about: &[(&'static str, &str, &'static str)]) -> Vec<Switch> {
    let one = |(name, value, about): &(&'static str, &str, &'static str)| {
        let example = if *value == "true" { (*name).to_owned() } else { format!("{name}={value}") };
        Switch { verb: "quirk", example, about }
    };
    about.iter().map(one).collect()
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Status(u16),
    DropBefore,
    DropAfter,
    HangBefore,
    HangAfter,
    Truncate,
}

/// A fault as somebody writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultSpec {
    pub(crate) act: Act,
    /// The vendor's code for it.
    pub(crate) code: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) after: usize,
    /// `None`: for ever.
    pub(crate) times: Option<usize>,
}

/// What a fault is written with.
const FAULTS: [(&str, &str); 13] = [
    ("status=503", "this answer, and the request has no effect"),
    (
        "status=403 code=rateLimitExceeded",
        "with the vendor's code (Google: the reason), in the vendor's form",
    ),
    ("status=429 header=Retry-After:2.128", "with a header; may be there several times"),
    ("status=200 body=<html>sign in</html>", "with a body: all that follows in the line"),
    ("drop-before", "the connection is closed, and the request has no effect"),
    ("drop-after", "the request takes effect, and the connection is closed without an answer"),
    ("status=503 method=PATCH", "only requests with this method"),
    ("status=503 path=/events", "only requests whose path and query hold this"),
    ("status=503 after=2", "so many requests that fit pass first"),
    ("status=503 times=3", "so many requests instead of one; `times=always` for all from now on"),
    ("truncate", "the request takes effect; half of the answer arrives"),
    ("hang-before", "the request has no effect and is never answered"),
    ("hang-after", "the request takes effect and is never answered"),
];

impl FaultSpec {
    fn parse(text: &str) -> Result<Self> {
        let mut spec = Self {
            act: Act::Status(0),
            code: None,
            headers: Vec::new(),
            body: None,
            method: None,
            path: None,
            after: 0,
            times: Some(1),
        };
        let (text, body) = match text.split_once("body=") {
            Some((text, body)) => (text, Some(body.to_owned())),
            None => (text, None),
        };
        spec.body = body;
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || value.parse().or_else(|_| wrong(format!("{word:?}: write {name}=NUMBER")));
            match name {
                "status" => {
                    let status = value.parse().ok().filter(|status| (100..=599).contains(status));
                    let Some(status) = status else { return wrong(format!("{word:?}: write status=503")) };
                    spec.act = Act::Status(status);
                }
                "drop-before" => spec.act = Act::DropBefore,
                "drop-after" => spec.act = Act::DropAfter,
                "hang-before" => spec.act = Act::HangBefore,
                "hang-after" => spec.act = Act::HangAfter,
                "truncate" => spec.act = Act::Truncate,
                "code" => spec.code = Some(value.to_owned()),
                "header" => match value.split_once(':') {
                    Some((name, value)) => spec.headers.push((name.to_owned(), value.trim().to_owned())),
                    None => return wrong(format!("{word:?}: write header=NAME:VALUE")),
                },
                "method" => spec.method = Some(value.to_owned()),
                "path" => spec.path = Some(value.to_owned()),
                "after" => spec.after = number()?,
                "times" if value == "always" => spec.times = None,
                "times" => spec.times = Some(number()?),
                _ => {
                    let known: Vec<&str> = FAULTS.iter().map(|(example, _)| *example).collect();
                    return wrong(format!("{word:?} is no part of a fault; write such as {known:?}"));
                }
            }
        }
        if spec.act == Act::Status(0) {
            return wrong("a fault needs a status, such as status=503, or drop-before, drop-after");
        }
        Ok(spec)
    }
}

impl FaultSpec {
    /// The fault itself, for an emulator that keeps its requests as [`RecordedRequest`](crate::dav::RecordedRequest)s.
    /// `body_of` makes the body of a refusal with the vendor's code.
    pub(crate) fn fault(self, body_of: impl FnOnce(u16, &str) -> String) -> Fault {
        let action = match self.act {
            Act::Status(status) => {
                let body = self.code.map(|code| body_of(status, &code));
                let body = self.body.or(body).unwrap_or_default();
                FaultAction::Respond { status, headers: self.headers, body }
            }
            Act::DropBefore => FaultAction::DropBefore,
            Act::DropAfter => FaultAction::DropAfter,
            Act::HangBefore => FaultAction::HangBefore,
            Act::HangAfter => FaultAction::HangAfter,
            Act::Truncate => FaultAction::Truncate,
        };
        let mut fault = Fault::new(action).nth(self.after + 1);
        fault = self.times.map_or(fault.clone().always(), |times| fault.times(times));
        fault = self.method.iter().fold(fault, |fault, method| fault.on_method(method));
        self.path.iter().fold(fault, |fault, path| fault.on_path(path))
    }
}

/// Those of an emulator whose service has no codes beside statuses.
pub(crate) fn plain_faults() -> Vec<Switch> {
    let mut plain = faults();
    plain.retain(|switch| !switch.example.contains("code="));
    plain
}

/// A fault for such an emulator.
pub(crate) fn plain_fault(spec: FaultSpec) -> Result<Fault> {
    match &spec.code {
        Some(_) => wrong("this service has no codes: write a body instead"),
        None => Ok(spec.fault(|_, _| String::new())),
    }
}

/// Faults as they are written.
pub(crate) fn faults() -> Vec<Switch> {
    listed("fault", &FAULTS)
}

/// Examples as they are listed.
pub(crate) fn listed(verb: &'static str, examples: &[(&str, &'static str)]) -> Vec<Switch> {
    let one =
        |(example, about): &(&str, &'static str)| Switch { verb, example: (*example).to_owned(), about };
    examples.iter().map(one).collect()
}

/// What can be said to the authorization server.
const OAUTH: [(&str, &str); 10] = [
    ("consent=deny", "the person says no; `allow` (default); `without:SCOPE,SCOPE` leaves some out"),
    ("person=bob@example.com", "somebody else signs in from now on"),
    (
        "rotation=strict",
        "a refresh token is good once; `keep` (Google's default) and `add` (Microsoft's): it stays good",
    ),
    ("outage=503:busy", "the token endpoint answers this status and body, and nothing else; `none` ends it"),
    (
        "outage=400:{\"error\":\"invalid_grant\",\"error_codes\":[50173]}",
        "the same, for a refusal in its own words",
    ),
    (
        "challenge={\"access_token\":{}}",
        "tokens are refused with a claims challenge until somebody signs in with it; `none`",
    ),
    ("delay=authorization_pending,slow_down", "what who waits for a device is told first"),
    ("lifetime=60", "seconds an access token lives, from the next one on"),
    (
        "grant=604800",
        "seconds the grants last that are given from now on, told with their tokens; `none` (default): for ever",
    ),
    ("secret=s3cret", "the client has to show this secret; `none` (default): it has none"),
];

pub(crate) fn oauth() -> Vec<Switch> {
    listed("oauth", &OAUTH)
}

/// Turns a switch of the authorization server.
pub(crate) fn turn(oauth: &mut OAuth, name: &str, value: Option<&str>) -> Result<()> {
    let value = value.unwrap_or_default();
    let some = (value != "none").then_some(value);
    match (name, value) {
        ("consent", "allow") => oauth.set_consent(Consent::Allow),
        ("consent", "deny") => oauth.set_consent(Consent::Deny),
        ("consent", text) if text.starts_with("without:") => {
            let scopes = text["without:".len()..].split(',').map(ToOwned::to_owned).collect();
            oauth.set_consent(Consent::Without(scopes));
        }
        ("person", address) if address.contains('@') => oauth.set_person(address),
        ("rotation", "keep") => oauth.set_rotation(Rotation::Keep),
        ("rotation", "add") => oauth.set_rotation(Rotation::Add),
        ("rotation", "strict") => oauth.set_rotation(Rotation::Strict),
        ("outage", "none") => oauth.set_outage(None),
        ("outage", text) => match text.split_once(':').map(|(status, body)| (status.parse(), body)) {
            Some((Ok(status @ 100..=599), body)) => oauth.set_outage(Some((status, body))),
            _ => return wrong("write oauth outage=STATUS:BODY"),
        },
        ("challenge", _) => oauth.set_challenge(some),
        ("delay", words) => oauth.delay_devices(words.split(',')),
        ("secret", _) => oauth.set_secret(some),
        ("lifetime", seconds) => match seconds.parse() {
            Ok(seconds) => oauth.set_lifetime(std::time::Duration::from_secs(seconds)),
            Err(_) => return wrong("write oauth lifetime=SECONDS"),
        },
        ("grant", _) => match some.map(str::parse).transpose() {
            Ok(seconds) => oauth.set_grant_lasts(seconds.map(std::time::Duration::from_secs)),
            Err(_) => return wrong("write oauth grant=SECONDS, or oauth grant=none"),
        },
        _ => {
            let known: Vec<&str> = OAUTH.iter().map(|(example, _)| *example).collect();
            return wrong(format!("oauth {name}={value}: write such as {known:?}"));
        }
    }
    Ok(())
}

/// An answer to what was sent to `/emulator`: the lines are followed in their order, up to one that cannot be.
pub(crate) fn control(
    method: &str,
    body: &[u8],
    switches: Vec<Switch>,
    follow: impl FnMut(&str) -> Result<()>,
) -> (u16, String) {
    if method == "GET" {
        let line = |switch: &Switch| format!("{} {}\n    {}\n", switch.verb, switch.example, switch.about);
        return (200, switches.iter().map(line).collect());
    }
    let text = String::from_utf8_lossy(body);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match lines.try_for_each(follow) {
        Ok(()) => (204, String::new()),
        Err(error) => (400, format!("{error}\n")),
    }
}

/// The path emulators are told what to do at.
pub(crate) const PATH: &str = "/emulator";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_they_are_written() {
        for (example, _) in FAULTS {
            assert!(FaultSpec::parse(example).is_ok(), "{example}");
        }
        let spec =
            FaultSpec::parse("status=429 header=Retry-After:2 times=always after=1 body=a b=c").unwrap();
        assert_eq!((spec.times, spec.after, spec.body.as_deref()), (None, 1, Some("a b=c")));
        assert_eq!(spec.headers, [("Retry-After".to_owned(), "2".to_owned())]);
        for nonsense in
            ["", "status", "status=9", "times=3", "status=500 times=x", "header=x status=500", "sleep"]
        {
            assert!(FaultSpec::parse(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn lines_say_what_is_wrong_with_them() {
        for (line, said) in [
            ("", "begins with quirk"),
            ("quirks x", "begins with quirk"),
            ("fault teapot", "no part of a fault"),
        ] {
            assert!(parse(line).unwrap_err().to_string().contains(said), "{line}");
        }
        assert_eq!(parse(" do a=b=c ").unwrap(), Line::Do("a", Some("b=c")));
    }
}
