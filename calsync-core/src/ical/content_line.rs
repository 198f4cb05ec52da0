//! One content line taken apart: name, parameters, value (RFC 5545 section 3.1).

use std::fmt;

use super::params::Params;

/// The parts of an unfolded, decoded content line. Borrows the line; nothing is copied or unescaped.
///
/// `Debug` shows the name only: values are the users' text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ContentLine<'t> {
    name: &'t str,
    params: &'t str,
    value: &'t str,
    /// From the start of the parameters to the end of the line.
    tail: &'t str,
}

/// Whether a byte may stand in a property or parameter name. Wider than `iana-token`: `_`, `/` and the `.` of a
/// vCard-style group are seen in the field.
#[inline]
pub(super) fn is_name_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
            byte += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

impl<'t> ContentLine<'t> {
    /// Takes an unfolded line apart. `None` when it has no `name:`: a broken continuation or junk.
    ///
    /// A blank before the name, or between the name and the `:` or `;`, is tolerated.
    pub fn parse(text: &'t str) -> Option<Self> {
        let text = text.trim_start_matches([' ', '\t']);
        let name_end = text.bytes().position(|byte| !is_name_byte(byte))?;
        let name = &text[..name_end];
        let rest = text[name_end..].trim_start_matches([' ', '\t']);
        if name.is_empty() {
            return None;
        }
        match rest.as_bytes().first()? {
            b':' => Some(Self { name, params: "", value: &rest[1..], tail: rest }),
            b';' => {
                let rest = &rest[1..];
                let colon = value_colon(rest)?;
                Some(Self { name, params: &rest[..colon], value: &rest[colon + 1..], tail: rest })
            }
            _ => None,
        }
    }

    /// The property name as written; compare it without regard to case.
    pub fn name(&self) -> &'t str {
        self.name
    }

    /// Whether this is the property `name` (given in upper case).
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value as written: still escaped.
    pub fn value(&self) -> &'t str {
        self.value
    }

    /// The parameters in order.
    pub fn params(&self) -> Params<'t> {
        Params::new(self.params)
    }

    /// The parameters as written, without the first `;` and without the `:`.
    pub fn raw_params(&self) -> &'t str {
        self.params
    }

    /// The first value of the parameter `name` (given in upper case), still encoded.
    pub fn param(&self, name: &str) -> Option<&'t str> {
        if self.params.is_empty() {
            return None;
        }
        self.params().find(|param| param.is(name)).map(|param| param.first_value())
    }

    /// The same line split at its last `:`: for values that cannot hold one, when an unquoted parameter does
    /// (`DTSTART;TZID=GMT+01:00:20260101T090000`).
    pub(crate) fn split_at_last_colon(self) -> Self {
        match self.value.rfind(':') {
            Some(at) if !self.params.is_empty() => self.moved_by(at),
            _ => self,
        }
    }

    /// The same line with the value starting at the address, when an unquoted parameter holds a `:`
    /// (`ATTENDEE;CN=Room: 5:mailto:room5@example.com`).
    pub(crate) fn split_before_address(self) -> Self {
        if self.params.is_empty() || has_known_scheme(self.value) {
            return self;
        }
        match find_ignore_case(self.value, ":mailto:") {
            Some(at) => self.moved_by(at),
            None => self,
        }
    }

    /// Moves `at` bytes of the value, and the colon before it, over to the parameters.
    fn moved_by(self, at: usize) -> Self {
        let params = &self.tail[..self.params.len() + 1 + at];
        Self { params, value: &self.value[at + 1..], ..self }
    }
}

impl fmt::Debug for ContentLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentLine").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where the value's colon is in `params:value`. A quoted value ends at the quote that a `;`, `:` or `,` follows, so a
/// raw quote inside quotes (iOS 26 writes `CN="Jo "J" Do"`) does not end it; a quote that never ends is plain text.
fn value_colon(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut previous = b';';
    // Looked for once: a line of opening quotes must not be read over and over.
    let mut may_close = true;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b':' => return Some(at),
            b'"' if may_close && matches!(previous, b'=' | b',') => match closing_quote(&bytes[at + 1..]) {
                Some(end) => at += 1 + end,
                None => may_close = false,
            },
            _ => {}
        }
        previous = byte;
        at += 1;
    }
    None
}

/// Where a quoted parameter value ends, counted from behind its opening quote.
pub(super) fn closing_quote(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'"', bytes).find(|&at| matches!(bytes.get(at + 1), Some(b':' | b';' | b',')))
}

fn has_known_scheme(value: &str) -> bool {
    const SCHEMES: [&str; 7] = ["mailto:", "http:", "https:", "urn:", "tel:", "invalid:", "sip:"];
    SCHEMES.iter().any(|scheme| starts_with_ignore_case(value, scheme))
}

/// Whether `text` starts with `prefix` (ASCII), without regard to case.
pub(crate) fn starts_with_ignore_case(text: &str, prefix: &str) -> bool {
    text.as_bytes().get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// Where `needle` (ASCII) first stands in `text`, without regard to case.
fn find_ignore_case(text: &str, needle: &str) -> Option<usize> {
    text.as_bytes().windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_apart() {
        for (text, name, params, value) in [
            ("SUMMARY:x", "SUMMARY", "", "x"),
            ("summary:", "summary", "", ""),
            (
                "DTSTART;TZID=Europe/Berlin:20260101T090000",
                "DTSTART",
                "TZID=Europe/Berlin",
                "20260101T090000",
            ),
            ("A;X=\"a:b;c\";Y=1:v:w", "A", "X=\"a:b;c\";Y=1", "v:w"),
            ("A;CN=\"Jo \"J\" Do\";R=1:v", "A", "CN=\"Jo \"J\" Do\";R=1", "v"),
            ("A;CN=\"open;R=1:v", "A", "CN=\"open;R=1", "v"),
            ("A;CN=5\" pipe:v", "A", "CN=5\" pipe", "v"),
            ("  A :v", "A", "", "v"),
            ("g1.X-ABC:v", "g1.X-ABC", "", "v"),
        ] {
            let line = ContentLine::parse(text).unwrap();
            assert_eq!((line.name(), line.raw_params(), line.value()), (name, params, value), "{text}");
        }
    }

    #[test]
    fn lines_without_a_name_are_no_lines() {
        for text in ["", " ", "no colon", "two words: x", ":x", ";A=1:x", "A;B=1", "é:x"] {
            assert_eq!(ContentLine::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_unquoted_colon_in_a_parameter_is_found_out() {
        let line = ContentLine::parse("DTSTART;TZID=GMT+01:00:20260101T090000").unwrap();
        assert_eq!(line.split_at_last_colon().value(), "20260101T090000");
        let line = ContentLine::parse("ATTENDEE;CN=Room: 5;ROLE=X:MAILTO:r@example.com").unwrap();
        assert_eq!(line.split_before_address().value(), "MAILTO:r@example.com");
        let line = ContentLine::parse("ATTENDEE;CN=x:urn:uuid:1:mailto:x").unwrap();
        assert_eq!(line.split_before_address().value(), "urn:uuid:1:mailto:x");
    }
}
