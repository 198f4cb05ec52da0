//! The escaping of TEXT values (RFC 5545 section 3.3.11).

use std::borrow::Cow;

use memchr::memchr;

/// Takes the escapes off a TEXT value: `\n`, `\N`, `\,`, `\;`, `\\`, and leniently `\"` and `\:`. Any other backslash
/// stays, as do unescaped commas and semicolons. NUL and other control characters are dropped; tabs and line breaks stay.
pub fn unescape(value: &str) -> Cow<'_, str> {
    let has_escape = memchr(b'\\', value.as_bytes()).is_some();
    let clean = is_clean(value);
    if !has_escape && clean {
        return Cow::Borrowed(value);
    }
    // Once for the whole value, so that its parts are copied without another look.
    let push = if clean { String::push_str } else { push_clean };
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
        push(&mut out, &rest[..at]);
        let escaped = rest.as_bytes().get(at + 1).copied();
        let taken = match escaped {
            Some(b'n' | b'N') => {
                out.push('\n');
                2
            }
            Some(byte @ (b',' | b';' | b'\\' | b'"' | b':')) => {
                out.push(char::from(byte));
                2
            }
            _ => {
                out.push('\\');
                1
            }
        };
        rest = &rest[at + taken..];
    }
    push(&mut out, rest);
    Cow::Owned(out)
}

fn is_dropped(char: char) -> bool {
    char.is_ascii_control() && !matches!(char, '\t' | '\n')
}

/// Whether nothing in a text is dropped. By bytes and without a way out, which the compiler turns into wide steps: it runs
/// over every value read.
fn is_clean(text: &str) -> bool {
    let dropped = |byte: u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n');
    !text.bytes().fold(false, |found, byte| found | dropped(byte))
}

/// Appends a text without what is dropped.
fn push_clean(out: &mut String, text: &str) {
    out.extend(text.chars().filter(|char| !is_dropped(*char)));
}

/// Appends `text` as a TEXT value. CR LF and CR become the escaped line break, other control characters but the tab are
/// dropped: no text can end its line.
pub fn escape_into(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len());
    // What is written otherwise is ASCII: whatever stands between is copied whole.
    let mut copied = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let written = match byte {
            b'\\' => "\\\\",
            b';' => "\\;",
            b',' => "\\,",
            b'\n' => "\\n",
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => "",
            b'\r' => "\\n",
            b'\t' => continue,
            byte if byte.is_ascii_control() => "",
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        out.push_str(written);
        copied = at + 1;
    }
    out.push_str(&text[copied..]);
}

/// Appends `value` with every control character dropped: for values that have no escapes (URI, tokens).
pub fn push_single_line(out: &mut String, value: &str) {
    if value.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control()) {
        out.push_str(value);
    } else {
        out.extend(value.chars().filter(|char| !char.is_control()));
    }
}

/// The parts of a comma-separated TEXT list, still escaped. A comma behind a backslash does not separate.
pub fn split_list(value: &str) -> impl Iterator<Item = &str> {
    split_unescaped(value, b',')
}

/// The parts of `value` between unescaped `separator`s, still escaped.
pub(crate) fn split_unescaped(value: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && bytes[at] != separator {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        if at >= bytes.len() {
            rest = None;
            return Some(text);
        }
        rest = Some(&text[at + 1..]);
        Some(&text[..at])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_ends_a_line_is_escaped_and_what_cannot_be_written_dropped() {
        for (text, expected) in [
            ("", ""),
            ("plain é😀\t\u{85}", "plain é😀\t\u{85}"),
            ("a\\b;c,d\ne", "a\\\\b\\;c\\,d\\ne"),
            ("a\r\nb\rc\r", "a\\nb\\nc\\n"),
            ("\0é\u{7}\u{7f};", "é\\;"),
        ] {
            let mut out = String::new();
            escape_into(&mut out, text);
            assert_eq!(out, expected, "{text:?}");
        }
        for (value, expected) in
            [("https://x/ü", "https://x/ü"), ("a\r\nb\u{85}\tc", "abc"), ("plain", "plain")]
        {
            let mut out = String::new();
            push_single_line(&mut out, value);
            assert_eq!(out, expected, "{value:?}");
        }
    }

    #[test]
    fn escapes_come_off_leniently() {
        for (value, expected) in [
            ("plain", "plain"),
            (r"a\nb\Nc", "a\nb\nc"),
            (r"a\,b\;c\\d", r"a,b;c\d"),
            (r#"a,b;c\"d"#, "a,b;c\"d"),
            (r"C:\temp\", r"C:\temp\"),
            ("a\u{0}b\u{7}c\td", "abc\td"),
        ] {
            assert_eq!(unescape(value), expected, "{value}");
        }
    }

    #[test]
    fn lists_split_at_bare_commas_only() {
        assert_eq!(split_list(r"a,b\,c,,d\").collect::<Vec<_>>(), ["a", r"b\,c", "", r"d\"]);
    }

    proptest! {
        #[test]
        fn escaped_text_reads_back(text in "(\\\\|;|,|\n|n|é|\"|:|\t| |\u{2028}|x){0,20}") {
            let mut value = String::new();
            escape_into(&mut value, &text);
            prop_assert!(!value.contains(['\r', '\n']));
            prop_assert_eq!(unescape(&value), text.clone());
            prop_assert_eq!(split_list(&value).count(), 1);
        }
    }
}
