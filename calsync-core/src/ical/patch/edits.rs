//! Edits of a text: which bytes go, which lines come.

use std::ops::Range;

use crate::ical::write::line::LineStyle;

/// Edits that do not overlap, applied together.
pub(crate) struct Edits<'a> {
    input: &'a [u8],
    style: LineStyle,
    list: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'a> Edits<'a> {
    pub(crate) fn new(input: &'a [u8], style: LineStyle) -> Self {
        Self { input, style, list: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn delete(&mut self, span: Range<usize>) {
        self.list.push((span, Vec::new()));
    }

    /// What is taken away and not replaced.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = &Range<usize>> {
        self.list.iter().filter(|(span, bytes)| !span.is_empty() && bytes.is_empty()).map(|(span, _)| span)
    }

    /// A line in front of everything else that comes at a place.
    pub(crate) fn insert_first(&mut self, at: usize, line: &str) {
        self.insert(at, [&line.to_owned()]);
        if let Some(last) = self.list.pop() {
            self.list.insert(0, last);
        }
    }

    pub(crate) fn replace(&mut self, span: Range<usize>, line: &str) {
        let mut bytes = Vec::new();
        self.style.push(&mut bytes, line);
        self.list.push((span, bytes));
    }

    pub(crate) fn insert<'l>(&mut self, at: usize, lines: impl IntoIterator<Item = &'l String>) {
        let mut bytes = Vec::new();
        for line in lines {
            self.style.push(&mut bytes, line);
        }
        if !bytes.is_empty() {
            self.list.push((at..at, bytes));
        }
    }

    /// Inserts lines that end with CR LF and are folded already.
    pub(crate) fn insert_folded(&mut self, at: usize, text: &str) {
        let bytes = text.replace("\r\n", self.style.end.as_str()).into_bytes();
        self.list.push((at..at, bytes));
    }

    /// The text with all edits made.
    pub(crate) fn apply(mut self) -> Vec<u8> {
        // Stable: insertions at one place keep their order, and come before what is replaced there.
        self.list.sort_by_key(|(span, _)| (span.start, span.end));
        let mut out = Vec::with_capacity(self.input.len() + 1024);
        let mut at = 0;
        for (span, bytes) in &self.list {
            out.extend_from_slice(&self.input[at..span.start]);
            if !bytes.is_empty() && out.last().is_some_and(|last| !matches!(last, b'\r' | b'\n')) {
                // The last line of the text had no end.
                out.extend_from_slice(self.style.end.as_str().as_bytes());
            }
            out.extend_from_slice(bytes);
            at = span.end;
        }
        out.extend_from_slice(&self.input[at..]);
        out
    }
}
