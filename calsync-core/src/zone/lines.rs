//! Content lines, as far as a zone definition needs them.

use std::borrow::Cow;

/// The unfolded content lines of a text (RFC 5545 section 3.1).
pub(super) struct ContentLines<'a> {
    rest: &'a str,
}

impl<'a> ContentLines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.trim_start_matches('\u{feff}').trim_start() }
    }

    fn physical_line(&mut self) -> &'a str {
        let end = self.rest.find(['\r', '\n']).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix("\r\n").or_else(|| rest.get(1..)).unwrap_or("");
        line
    }
}

impl<'a> Iterator for ContentLines<'a> {
    type Item = ContentLine<'a>;

    fn next(&mut self) -> Option<ContentLine<'a>> {
        while !self.rest.is_empty() {
            let mut line = Cow::Borrowed(self.physical_line());
            while self.rest.starts_with([' ', '\t']) {
                self.rest = &self.rest[1..];
                line.to_mut().push_str(self.physical_line());
            }
            if !line.trim().is_empty() {
                return Some(ContentLine::new(line));
            }
        }
        None
    }
}

/// A content line with the ends of its name and the start of its value.
pub(super) struct ContentLine<'a> {
    pub(super) line: Cow<'a, str>,
    name_end: usize,
    pub(super) value_start: usize,
}

impl<'a> ContentLine<'a> {
    pub(super) fn new(line: Cow<'a, str>) -> Self {
        let name_end = line.find([';', ':']).unwrap_or(line.len());
        let mut quoted = false;
        let colon = line.bytes().enumerate().skip(name_end).find(|(_, byte)| {
            quoted ^= *byte == b'"';
            *byte == b':' && !quoted
        });
        let value_start = colon.map_or(line.len(), |(at, _)| at + 1);
        Self { line, name_end, value_start }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.line[..self.name_end].trim().eq_ignore_ascii_case(name)
    }

    pub(super) fn value(&self) -> &str {
        self.line[self.value_start..].trim()
    }

    pub(super) fn value_is(&self, value: &str) -> bool {
        self.value().eq_ignore_ascii_case(value)
    }
}
