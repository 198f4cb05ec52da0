//! Property parameters (RFC 5545 section 3.2) and their caret encoding (RFC 6868).

use std::borrow::Cow;

use super::content_line::closing_quote;

/// One parameter as written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Param<'t> {
    name: &'t str,
    raw_value: &'t str,
}

impl<'t> Param<'t> {
    /// The name as written.
    pub fn name(&self) -> &'t str {
        self.name
    }

    /// Whether this is the parameter `name` (given in upper case).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Everything behind the `=`: quotes, commas and carets as they stand.
    pub fn raw_value(&self) -> &'t str {
        self.raw_value
    }

    /// The values, quotes taken off, carets still in.
    pub fn values(&self) -> impl Iterator<Item = &'t str> {
        let mut rest = Some(self.raw_value);
        let mut may_close = true;
        std::iter::from_fn(move || {
            let text = rest?;
            let end = value_end(text, &mut may_close, |byte| byte == b',');
            rest = text.get(end + 1..);
            Some(unquote(&text[..end]))
        })
    }

    /// The first value, quotes taken off, carets still in.
    pub fn first_value(&self) -> &'t str {
        let end = value_end(self.raw_value, &mut true, |byte| byte == b',');
        unquote(&self.raw_value[..end])
    }

    /// The whole of the value as one text: for parameters that hold a single text, such as `CN`, where an unquoted comma
    /// is a mistake and not a list.
    pub fn text(&self) -> Cow<'t, str> {
        decode_caret(unquote(self.raw_value))
    }
}

impl std::fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Param").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The parameters of a line, in order.
#[derive(Clone)]
pub struct Params<'t> {
    rest: &'t str,
    may_close: bool,
}

impl<'t> Params<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text, may_close: true }
    }
}

impl<'t> Iterator for Params<'t> {
    type Item = Param<'t>;

    fn next(&mut self) -> Option<Param<'t>> {
        while !self.rest.is_empty() {
            let text = self.rest;
            let name_end = text.bytes().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(text.len());
            let (end, value_start) = match text.as_bytes().get(name_end) {
                Some(b'=') => {
                    let value = &text[name_end + 1..];
                    let end = value_end(value, &mut self.may_close, |byte| byte == b';');
                    (name_end + 1 + end, name_end + 1)
                }
                _ => (name_end, name_end),
            };
            self.rest = text.get(end + 1..).unwrap_or_default();
            let name = text[..name_end].trim_ascii();
            if !name.is_empty() {
                return Some(Param { name, raw_value: &text[value_start..end] });
            }
        }
        None
    }
}

/// Where a value ends: at the first byte `stop` names that does not stand in quotes, or at the end. `may_close` turns
/// false once no quote closes any more: a line of opening quotes must not be read over and over.
fn value_end(text: &str, may_close: &mut bool, stop: impl Fn(u8) -> bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut at_start = true;
    while let Some(&byte) = bytes.get(at) {
        if stop(byte) {
            return at;
        }
        if byte == b'"' && at_start && *may_close {
            match closing_quote(&bytes[at + 1..]) {
                Some(end) => at += 1 + end,
                None if bytes.last() == Some(&b'"') && bytes.len() > at + 1 => return bytes.len(),
                None => *may_close = false,
            }
        }
        at_start = byte == b',';
        at += 1;
    }
    bytes.len()
}

fn unquote(text: &str) -> &str {
    text.strip_prefix('"').map_or(text, |rest| rest.strip_suffix('"').unwrap_or(rest))
}

/// Decodes `^n`, `^'` and `^^` (RFC 6868 section 3.2); any other caret stays.
pub fn decode_caret(text: &str) -> Cow<'_, str> {
    if !text.contains('^') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '^' {
            out.push(char);
            continue;
        }
        let mut ahead = chars.clone();
        match ahead.next() {
            Some('n') => out.push('\n'),
            Some('\'') => out.push('"'),
            Some('^') => out.push('^'),
            _ => {
                out.push('^');
                continue;
            }
        }
        chars = ahead;
    }
    Cow::Owned(out)
}

/// Appends `value` as one parameter value: carets encoded (RFC 6868), control characters dropped, quoted when it holds
/// `:`, `;` or `,`. No value can end the parameter or the line.
pub fn write_value(out: &mut String, value: &str) {
    let quoted = value.contains([':', ';', ',']);
    if quoted {
        out.push('"');
    }
    let mut chars = value.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push_str("^n");
                }
            }
            '\n' => out.push_str("^n"),
            '"' => out.push_str("^'"),
            '^' => out.push_str("^^"),
            '\t' => out.push('\t'),
            char if char.is_control() => {}
            char => out.push(char),
        }
    }
    if quoted {
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ContentLine;
    use super::*;

    fn params(text: &str) -> Vec<(String, Vec<String>)> {
        Params::new(text)
            .map(|param| (param.name().to_owned(), param.values().map(str::to_owned).collect()))
            .collect()
    }

    #[test]
    fn parameters_come_apart() {
        for (text, expected) in [
            ("A=1;B=2", vec![("A", vec!["1"]), ("B", vec!["2"])]),
            ("A=\"x;y\",z;A=2", vec![("A", vec!["x;y", "z"]), ("A", vec!["2"])]),
            ("A=;B", vec![("A", vec![""]), ("B", vec![""])]),
            (";;A=1", vec![("A", vec!["1"])]),
            ("CN=\"Jo \"J\" Do\";R=1", vec![("CN", vec!["Jo \"J\" Do"]), ("R", vec!["1"])]),
            ("CN=\"a, b\"", vec![("CN", vec!["a, b"])]),
            ("CN=\"open;R=1", vec![("CN", vec!["open"]), ("R", vec!["1"])]),
        ] {
            let expected: Vec<(String, Vec<String>)> = expected
                .into_iter()
                .map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect()))
                .collect();
            assert_eq!(params(text), expected, "{text}");
        }
    }

    #[test]
    fn carets_decode_as_rfc_6868_says() {
        for (text, expected) in [("a^nb", "a\nb"), ("^'q^'", "\"q\""), ("a^^n", "a^n"), ("a^x^", "a^x^")] {
            assert_eq!(decode_caret(text), expected);
        }
    }

    proptest! {
        #[test]
        fn a_written_value_reads_back_and_cannot_break_out(value in "(\r|\n|\"|\\^|:|;|,|=|n|a|é| |\u{1}){0,12}") {
            let mut text = String::from("A;CN=");
            write_value(&mut text, &value);
            text.push_str(";R=1:v");
            let line = ContentLine::parse(&text).unwrap();
            prop_assert_eq!(line.value(), "v");
            prop_assert_eq!(line.param("R"), Some("1"));
            let back = line.params().next().unwrap().text().into_owned();
            let kept: String = value.replace("\r\n", "\n").replace('\r', "\n").replace('\u{1}', "");
            prop_assert_eq!(back, kept);
        }
    }
}
