//! Content lines over the untouched bytes: the layer that loses nothing.
//!
//! In: any bytes. Out: [`Line`]s that tile the input, so writing their [`Line::raw`] one after the other gives the input
//! back, whatever it was. Nothing is allocated; unfolding and decoding happen only for the lines somebody asks about.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr2;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How a line ends. New lines written into a text follow the ones already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// CR LF, the form RFC 5545 section 3.1 asks for.
    CrLf,
    /// A bare LF.
    Lf,
    /// A bare CR.
    Cr,
}

impl LineEnd {
    /// The bytes of this line end.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CrLf => "\r\n",
            Self::Lf => "\n",
            Self::Cr => "\r",
        }
    }
}

/// One content line (RFC 5545 section 3.1): its first physical line and the folded ones after it.
///
/// `Debug` shows the place and size only, never the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    raw: &'a [u8],
    offset: usize,
    /// Bytes at the front of `raw` that are no content: the byte order mark.
    skip: usize,
    /// Length of `raw` without its last line end.
    content_end: usize,
    /// Length of the first physical line without its line end.
    head_end: usize,
}

impl<'a> Line<'a> {
    /// Every byte of the line: byte order mark, folds and line end included.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Where the line starts in the input, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Where the next line starts in the input, in bytes.
    pub fn end(&self) -> usize {
        self.offset + self.raw.len()
    }

    /// Whether the line is folded over several physical lines.
    pub fn is_folded(&self) -> bool {
        self.head_end < self.content_end
    }

    /// Whether there is nothing on the line but blanks.
    pub fn is_blank(&self) -> bool {
        self.raw[self.skip..].iter().all(u8::is_ascii_whitespace)
    }

    /// How the line ends; `None` for a last line without a line end.
    pub fn line_end(&self) -> Option<LineEnd> {
        match &self.raw[self.content_end..] {
            b"" => None,
            b"\n" => Some(LineEnd::Lf),
            b"\r" => Some(LineEnd::Cr),
            _ => Some(LineEnd::CrLf),
        }
    }

    /// The bytes of the first physical line, without its line end. Enough to tell what most lines are.
    #[inline]
    pub(crate) fn head(&self) -> &'a [u8] {
        &self.raw[self.skip..self.head_end]
    }

    /// The line unfolded, without line end and byte order mark. Bytes, because a fold may cut a UTF-8 sequence in two.
    pub fn content(&self) -> Cow<'a, [u8]> {
        if !self.is_folded() {
            return Cow::Borrowed(&self.raw[self.skip..self.content_end]);
        }
        let mut buffer = Vec::with_capacity(self.raw.len());
        self.unfold_into(&mut buffer);
        Cow::Owned(buffer)
    }

    /// Appends the unfolded content to `buffer`.
    pub(crate) fn unfold_into(&self, buffer: &mut Vec<u8>) {
        let mut rest = &self.raw[self.skip..self.content_end];
        while let Some(at) = memchr2(b'\r', b'\n', rest) {
            buffer.extend_from_slice(&rest[..at]);
            rest = &rest[at + line_end_length(&rest[at..])..];
            // The blank or tab that marks the fold.
            rest = rest.get(1..).unwrap_or_default();
        }
        buffer.extend_from_slice(rest);
    }

    /// The line unfolded and decoded: UTF-8, or windows-1252 when it is not valid UTF-8.
    pub fn text(&self) -> Cow<'a, str> {
        match self.content() {
            Cow::Borrowed(bytes) => super::decode::decode(bytes),
            Cow::Owned(bytes) => Cow::Owned(super::decode::decode_vec(bytes)),
        }
    }
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("offset", &self.offset)
            .field("bytes", &self.raw.len())
            .field("folded", &self.is_folded())
            .finish_non_exhaustive()
    }
}

/// The content lines of a text, first to last. Reads each byte once and holds nothing.
#[derive(Clone)]
pub struct Lines<'a> {
    input: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Lines<'a> {
    /// The lines of the whole input.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0, end: input.len() }
    }

    /// The lines of a part of the input, which must start and end where lines do; offsets stay those of the whole input.
    pub(crate) fn within(input: &'a [u8], span: std::ops::Range<usize>) -> Self {
        let end = span.end.min(input.len());
        Self { input, at: span.start.min(end), end }
    }
}

impl fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        let input = &self.input[..self.end];
        let start = self.at;
        if start >= input.len() {
            return None;
        }
        let skip = if start == 0 && input.starts_with(BOM) { BOM.len() } else { 0 };
        let (head_end, mut next) = physical_line(input, start);
        let mut content_end = head_end;
        while matches!(input.get(next), Some(b' ' | b'\t')) {
            (content_end, next) = physical_line(input, next);
        }
        self.at = next;
        Some(Line {
            raw: &input[start..next],
            offset: start,
            skip,
            content_end: content_end - start,
            head_end: head_end - start,
        })
    }
}

/// End of the content and start of the next physical line, for the one that starts at `start`.
#[inline]
fn physical_line(input: &[u8], start: usize) -> (usize, usize) {
    match memchr2(b'\r', b'\n', &input[start..]) {
        None => (input.len(), input.len()),
        Some(at) => {
            let end = start + at;
            (end, end + line_end_length(&input[end..]))
        }
    }
}

/// Length of the line end that starts `bytes`: LF, CR, CR LF, or CR CR LF, which is what a file looks like after a
/// wrong text-mode conversion.
#[inline]
fn line_end_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\r', b'\r', b'\n', ..] => 3,
        _ => 1,
    }
}

/// A text and its content lines. Displays as exactly the bytes it was made from (as UTF-8 where they are not).
#[derive(Clone, Copy)]
pub struct Document<'a> {
    input: &'a [u8],
}

impl<'a> Document<'a> {
    /// Takes the bytes as they are; nothing is checked and nothing can fail.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input }
    }

    /// The bytes the document was made from.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.input
    }

    /// The content lines in order.
    pub fn lines(&self) -> Lines<'a> {
        Lines::new(self.input)
    }

    /// Writes the document back line by line: byte for byte what came in.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.input.len());
        self.lines().for_each(|line| out.extend_from_slice(line.raw()));
        out
    }

    /// The line end a new line should have here: that of the first line that has one, else CR LF.
    pub fn line_end(&self) -> LineEnd {
        self.lines().find_map(|line| line.line_end()).unwrap_or(LineEnd::CrLf)
    }
}

impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::decode::decode(&self.to_bytes()))
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("bytes", &self.input.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents(input: &[u8]) -> Vec<String> {
        Lines::new(input).map(|line| line.text().into_owned()).collect()
    }

    #[test]
    fn bad_19_every_line_end_and_fold_gives_the_same_content() {
        for input in [
            "SUMMARY:a long one\r\nUID:1\r\n",
            "SUMMARY:a long one\nUID:1\n",
            "SUMMARY:a long one\rUID:1\r",
            "SUMMARY:a long one\r\r\nUID:1",
            "SUMMARY:a lo\r\n ng one\r\nUID:1\r\n",
            "SUMMARY:a lo\n\tng one\nUID:1\n",
            "SUMMARY:a lo\r\r\n ng\r  one\rUID:1\n",
            "\u{feff}SUMMARY:a long one\r\nUID:1\r\n",
        ] {
            assert_eq!(contents(input.as_bytes()), ["SUMMARY:a long one", "UID:1"], "{input:?}");
        }
    }

    #[test]
    fn bad_08_a_fold_inside_a_utf8_sequence_is_joined_before_decoding() {
        let mut input = b"SUMMARY:caf\xC3\r\n \xA9\r\n".to_vec();
        assert_eq!(contents(&input), ["SUMMARY:caf\u{e9}"]);
        input.extend_from_slice(b"LOCATION:caf\xE9\r\n");
        assert_eq!(contents(&input)[1], "LOCATION:caf\u{e9}");
    }

    #[test]
    fn the_line_end_of_the_text_is_that_of_its_first_line() {
        for (input, end) in
            [("A:1\r\nB:2\n", LineEnd::CrLf), ("A:1\nB:2\r\n", LineEnd::Lf), ("A:1", LineEnd::CrLf)]
        {
            assert_eq!(Document::new(input.as_bytes()).line_end(), end);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(input in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Document::new(&input).to_bytes(), input);
        }

        #[test]
        fn any_mix_of_ends_and_folds_comes_back(parts in proptest::collection::vec("(\r|\n| |\t|:|;|a|\"|é|\u{feff}){0,6}", 0..60)) {
            let input = parts.concat();
            prop_assert_eq!(Document::new(input.as_bytes()).to_string(), input.clone());
            let mut at = 0;
            for line in Lines::new(input.as_bytes()) {
                prop_assert_eq!(line.offset(), at);
                at = line.end();
            }
            prop_assert_eq!(at, input.len());
        }
    }
}
