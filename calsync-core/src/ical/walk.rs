//! The tolerant pre-pass: content lines to properly nested components, by iteration and never by recursion.
//!
//! In: any bytes. Out: [`Token`]s in which every `Begin` has its `End`, whatever the text looks like. A component whose
//! `END` is missing is closed where its parent ends, where a component starts that cannot be inside it, or at the end of
//! the text. A line that is no content line belongs to the property before it (a fold that lost its blank), or is junk.

use std::borrow::Cow;

use super::content_line::starts_with_ignore_case;
use super::lines::{Line, Lines};

/// Components that only stand directly below `VCALENDAR`: one that starts inside another shows that the other's `END` is
/// missing.
const SIBLINGS: [&[u8]; 5] = [b"VEVENT", b"VTODO", b"VJOURNAL", b"VFREEBUSY", b"VTIMEZONE"];

/// How a component came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// By its own `END` line.
    Explicitly,
    /// By the end of its parent or the start of a sibling.
    ByOther,
    /// By the end of the text.
    ByEndOfText,
}

/// A property's lines: the content line and those after it that lost their fold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property<'a> {
    pub(crate) line: Line<'a>,
    /// The name as written; `None` where a fold cuts it.
    name: Option<&'a [u8]>,
    /// The loose lines, as a part of the input; empty for a sound property.
    loose: &'a [u8],
}

impl<'a> Property<'a> {
    /// Where the property starts and ends in the input, loose lines included.
    pub(crate) fn span(&self) -> std::ops::Range<usize> {
        self.line.offset()..self.line.end() + self.loose.len()
    }

    /// The unfolded, decoded text, loose lines joined on.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        if self.loose.is_empty() {
            return self.line.text();
        }
        let mut bytes = self.line.content().into_owned();
        Lines::new(self.loose).for_each(|line| line.unfold_into(&mut bytes));
        Cow::Owned(super::decode::decode_vec(bytes))
    }

    /// Whether the name is `name` (given in upper case).
    #[inline]
    pub(crate) fn is(&self, name: &str) -> bool {
        match self.name {
            Some(own) => own.eq_ignore_ascii_case(name.as_bytes()),
            None => self.name().eq_ignore_ascii_case(name.as_bytes()),
        }
    }

    /// The name as written.
    #[inline]
    pub(crate) fn name(&self) -> Cow<'a, [u8]> {
        match self.name {
            Some(name) => Cow::Borrowed(name),
            None => {
                let content = self.line.content();
                let content = content.trim_ascii_start();
                Cow::Owned(content[..name_length(content)].to_vec())
            }
        }
    }

    pub(crate) fn has_loose_lines(&self) -> bool {
        !self.loose.is_empty()
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Token<'a> {
    Begin {
        name: Cow<'a, [u8]>,
        line: Line<'a>,
    },
    Property(Property<'a>),
    End {
        closed: Closed,
        line: Option<Line<'a>>,
    },
    /// A line that belongs to nothing: blank, without a colon, or an `END` of something that is not open.
    Junk(Line<'a>),
}

/// Components are nested deeper than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooDeep {
    pub(crate) offset: usize,
}

/// Gives the tokens of a text, or of a part of it that starts and ends where lines do.
#[derive(Clone, Debug)]
pub(crate) struct Walker<'a> {
    input: &'a [u8],
    lines: Lines<'a>,
    pushed_back: Option<(Line<'a>, Kind<'a>)>,
    open: Vec<Cow<'a, [u8]>>,
    max_depth: usize,
    at: usize,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(input: &'a [u8], span: std::ops::Range<usize>, max_depth: usize) -> Self {
        let at = span.start;
        Self { input, lines: Lines::within(input, span), pushed_back: None, open: Vec::new(), max_depth, at }
    }

    /// How many components are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Where the next token starts.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    pub(crate) fn next_token(&mut self) -> Result<Option<Token<'a>>, TooDeep> {
        let next = self.pushed_back.take().or_else(|| self.lines.next().map(|line| (line, classify(&line))));
        let Some((line, kind)) = next else {
            return Ok(self.open.pop().map(|_| Token::End { closed: Closed::ByEndOfText, line: None }));
        };
        let token = match kind {
            Kind::Property(name) => Token::Property(Property { line, name, loose: self.take_loose(&line) }),
            Kind::Loose => Token::Junk(line),
            Kind::Begin(name) => {
                if self.must_close_before(&name) {
                    return Ok(self.close_implicitly(line, Kind::Begin(name)));
                }
                if self.open.len() >= self.max_depth {
                    return Err(TooDeep { offset: line.offset() });
                }
                self.open.push(name.clone());
                Token::Begin { name, line }
            }
            Kind::End(name) => match self.open.iter().rposition(|open| open.eq_ignore_ascii_case(&name)) {
                None => Token::Junk(line),
                Some(at) if at + 1 == self.open.len() => {
                    self.open.pop();
                    Token::End { closed: Closed::Explicitly, line: Some(line) }
                }
                Some(_) => return Ok(self.close_implicitly(line, Kind::End(name))),
            },
        };
        self.at = match &token {
            Token::Property(property) => property.span().end,
            _ => line.end(),
        };
        Ok(Some(token))
    }

    #[inline]
    fn take_loose(&mut self, line: &Line<'a>) -> &'a [u8] {
        let start = line.end();
        let mut end = start;
        for next in self.lines.by_ref() {
            let kind = classify(&next);
            if !matches!(kind, Kind::Loose) || next.is_blank() {
                self.pushed_back = Some((next, kind));
                break;
            }
            end = next.end();
        }
        &self.input[start..end]
    }

    fn must_close_before(&self, name: &[u8]) -> bool {
        let is_sibling = |name: &[u8]| SIBLINGS.iter().any(|sibling| sibling.eq_ignore_ascii_case(name));
        if name.eq_ignore_ascii_case(b"VCALENDAR") {
            return !self.open.is_empty();
        }
        is_sibling(name) && self.open.iter().any(|open| is_sibling(open))
    }

    fn close_implicitly(&mut self, line: Line<'a>, kind: Kind<'a>) -> Option<Token<'a>> {
        self.pushed_back = Some((line, kind));
        self.open.pop();
        Some(Token::End { closed: Closed::ByOther, line: None })
    }
}

#[derive(Clone, Debug)]
enum Kind<'a> {
    Begin(Cow<'a, [u8]>),
    End(Cow<'a, [u8]>),
    /// With its name, unless a fold cuts it.
    Property(Option<&'a [u8]>),
    Loose,
}

#[inline]
fn classify<'a>(line: &Line<'a>) -> Kind<'a> {
    let head = line.head().trim_ascii_start();
    let length = name_length(head);
    match head[length..].trim_ascii_start().first() {
        // A fold inside the name: rare enough to look at the whole line.
        None if line.is_folded() => return classify_content(&line.content()),
        Some(b':' | b';') if length > 0 => {}
        _ => return Kind::Loose,
    }
    let name = &head[..length];
    if matches!(length, 3 | 5) && (name.eq_ignore_ascii_case(b"BEGIN") || name.eq_ignore_ascii_case(b"END")) {
        if !line.is_folded() {
            let component = component_name(&head[length..]);
            return if length == 5 {
                Kind::Begin(Cow::Borrowed(component))
            } else {
                Kind::End(Cow::Borrowed(component))
            };
        }
        return classify_content(&line.content());
    }
    Kind::Property(Some(name))
}

fn classify_content<'a>(content: &[u8]) -> Kind<'a> {
    let content = content.trim_ascii_start();
    let length = name_length(content);
    let rest = content[length..].trim_ascii_start();
    if length == 0 || !matches!(rest.first(), Some(b':' | b';')) {
        return Kind::Loose;
    }
    let component = || Cow::Owned(component_name(rest).to_vec());
    match &content[..length] {
        name if name.eq_ignore_ascii_case(b"BEGIN") => Kind::Begin(component()),
        name if name.eq_ignore_ascii_case(b"END") => Kind::End(component()),
        _ => Kind::Property(None),
    }
}

fn component_name(rest: &[u8]) -> &[u8] {
    rest.trim_ascii_start().get(1..).unwrap_or_default().trim_ascii()
}

#[inline]
fn name_length(head: &[u8]) -> usize {
    head.iter().position(|&byte| !super::content_line::is_name_byte(byte)).unwrap_or(head.len())
}

/// Whether the text is iCalendar at all: its first line that is not blank is `BEGIN:VCALENDAR`.
pub(crate) fn is_icalendar(input: &[u8]) -> bool {
    let Some(line) = Lines::new(input).take(1000).find(|line| !line.is_blank()) else {
        return false;
    };
    line.raw().len() < 1000
        && starts_with_ignore_case(line.text().trim_start(), "BEGIN:VCALENDAR")
        && matches!(classify(&line), Kind::Begin(name) if name.eq_ignore_ascii_case(b"VCALENDAR"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tokens as a line of words: `(NAME` begin, `)` end, `)!` implied end, `)$` end of text, `=NAME`, `?` junk.
    fn walk(input: &str) -> String {
        let input = input.as_bytes();
        let mut walker = Walker::new(input, 0..input.len(), 8);
        let mut words = Vec::new();
        loop {
            words.push(match walker.next_token() {
                Ok(Some(Token::Begin { name, .. })) => format!("({}", String::from_utf8_lossy(&name)),
                Ok(Some(Token::Property(property))) => format!("={}", property.text()),
                Ok(Some(Token::End { closed: Closed::Explicitly, .. })) => ")".to_owned(),
                Ok(Some(Token::End { closed: Closed::ByOther, .. })) => ")!".to_owned(),
                Ok(Some(Token::End { closed: Closed::ByEndOfText, .. })) => ")$".to_owned(),
                Ok(Some(Token::Junk(_))) => "?".to_owned(),
                Ok(None) => return words.join(" "),
                Err(TooDeep { offset }) => return format!("{} too deep at {offset}", words.join(" ")),
            });
        }
    }

    #[test]
    fn bad_19_sound_and_unsound_nesting() {
        for (input, expected) in [
            (
                "BEGIN:VCALENDAR\nA:1\nBEGIN:VEVENT\nB:2\nEND:VEVENT\nEND:VCALENDAR\n",
                "(VCALENDAR =A:1 (VEVENT =B:2 ) )",
            ),
            ("begin:vcalendar \nbegin:vevent\t\nend:VEVENT\nEnd:Vcalendar", "(vcalendar (vevent ) )"),
            (
                "BEGIN:VCALENDAR\nBEGIN:VEVENT\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR",
                "(VCALENDAR (VEVENT )! (VEVENT ) )",
            ),
            (
                "BEGIN:VCALENDAR\nBEGIN:VEVENT\nBEGIN:VALARM\nEND:VEVENT\nEND:VCALENDAR",
                "(VCALENDAR (VEVENT (VALARM )! ) )",
            ),
            (
                "BEGIN:VCALENDAR\nBEGIN:VEVENT\nBEGIN:VCALENDAR\nEND:VCALENDAR",
                "(VCALENDAR (VEVENT )! )! (VCALENDAR )",
            ),
            ("BEGIN:VCALENDAR\nEND:VEVENT\nBEGIN:VEVENT\nA:1", "(VCALENDAR ? (VEVENT =A:1 )$ )$"),
            ("A:1\nno colon\n\nlost\nB:2", "=A:1no colon ? ? =B:2"),
            ("BEGIN:VCALENDAR\njunk\nEND:VCALENDAR", "(VCALENDAR ? )"),
            ("BEG\n IN:VCAL\n ENDAR\nSUM\n MARY:x\nE\n ND:VCALENDAR", "(VCALENDAR =SUMMARY:x )"),
        ] {
            assert_eq!(walk(input), expected, "{input}");
        }
    }

    #[test]
    fn bad_14_nesting_is_counted_and_not_followed() {
        let bomb = "BEGIN:X\r\n".repeat(60_000 / 9);
        assert_eq!(walk(&bomb), format!("{}too deep at {}", "(X ".repeat(8), 8 * 9));
        let flat = "BEGIN:VEVENT\r\n".repeat(3000);
        assert_eq!(walk(&flat).matches('(').count(), 3000);
    }

    #[test]
    fn bad_13_what_is_not_a_calendar() {
        for (input, expected) in [
            ("BEGIN:VCALENDAR\r\n", true),
            ("\u{feff}BEGIN:VCALENDAR\r\n", true),
            ("\r\n\n begin:vcalendar \n", true),
            ("", false),
            ("<!DOCTYPE html><html>BEGIN:VCALENDAR", false),
            ("{\"error\":1}", false),
            ("BEGIN:VCARD\n", false),
            ("BEGIN:VCALENDARS\n", false),
        ] {
            assert_eq!(is_icalendar(input.as_bytes()), expected, "{input}");
        }
    }

    proptest! {
        #[test]
        fn every_begin_has_its_end_and_every_byte_its_token(parts in proptest::collection::vec(
            "(BEGIN:|END:|VEVENT|VALARM|VCALENDAR|X|\r\n|\n|\r| |;|:|\"|é){1,4}", 0..80))
        {
            let input = parts.concat();
            let mut walker = Walker::new(input.as_bytes(), 0..input.len(), 1000);
            let mut depth = 0;
            let mut at = 0;
            while let Some(token) = walker.next_token().unwrap() {
                let span = match &token {
                    Token::Begin { line, .. } => { depth += 1; line.offset()..line.end() }
                    Token::Property(property) => property.span(),
                    Token::Junk(line) => line.offset()..line.end(),
                    Token::End { line, .. } => {
                        depth -= 1;
                        line.map_or(at..at, |line| line.offset()..line.end())
                    }
                };
                prop_assert_eq!(span.start, at);
                at = span.end;
                prop_assert_eq!(walker.offset(), at);
                prop_assert_eq!(walker.depth(), depth as usize);
            }
            prop_assert_eq!(at, input.len());
            prop_assert_eq!(depth, 0);
        }
    }
}
