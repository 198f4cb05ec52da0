//! Content lines out: folded at 75 octets, ended the way the text around them is.

use crate::ical::lines::{Document, LineEnd};

/// The longest physical line of RFC 5545 section 3.1, in octets without the line end.
const MAX_OCTETS: usize = 75;

/// How the lines of a text look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineStyle {
    pub(crate) end: LineEnd,
    pub(crate) fold: Fold,
}

/// How long lines are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    /// With a blank.
    Blank,
    /// With a tab.
    Tab,
    /// Not at all: the text has long lines and folds none.
    Never,
}

impl LineStyle {
    /// What RFC 5545 asks for.
    pub(crate) const STANDARD: Self = Self { end: LineEnd::CrLf, fold: Fold::Blank };

    /// The style of a text.
    pub(crate) fn of(document: &Document<'_>) -> Self {
        let mut fold = Fold::Blank;
        for line in document.lines() {
            if line.is_folded() {
                let tail = &line.raw()[line.head().len()..];
                let mark = tail.iter().find(|byte| !matches!(byte, b'\r' | b'\n'));
                fold = if mark == Some(&b'\t') { Fold::Tab } else { Fold::Blank };
                break;
            }
            if line.head().len() > 2 * MAX_OCTETS {
                fold = Fold::Never;
            }
        }
        Self { end: document.line_end(), fold }
    }

    /// Appends `line`, which must hold no line break, folded and ended.
    pub(crate) fn push(self, out: &mut Vec<u8>, line: &str) {
        let mark = match self.fold {
            Fold::Blank => b' ',
            Fold::Tab => b'\t',
            Fold::Never => {
                out.extend_from_slice(line.as_bytes());
                out.extend_from_slice(self.end.as_str().as_bytes());
                return;
            }
        };
        let mut rest = line;
        let mut room = MAX_OCTETS;
        while rest.len() > room {
            let cut = (0..=room).rev().find(|&cut| rest.is_char_boundary(cut)).unwrap_or(room);
            out.extend_from_slice(&rest.as_bytes()[..cut]);
            out.extend_from_slice(self.end.as_str().as_bytes());
            out.push(mark);
            rest = &rest[cut..];
            // The mark is part of the line.
            room = MAX_OCTETS - 1;
        }
        out.extend_from_slice(rest.as_bytes());
        out.extend_from_slice(self.end.as_str().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ical::lines::Lines;

    #[test]
    fn bad_08_a_wide_character_at_the_fold_is_not_cut() {
        let line = format!("SUMMARY:{}\u{1F600}\u{e9}", "x".repeat(65));
        let mut out = Vec::new();
        LineStyle::STANDARD.push(&mut out, &line);
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.len() <= 75));
        assert_eq!(Lines::new(text.as_bytes()).next().unwrap().text(), line);
    }

    #[test]
    fn the_style_is_that_of_the_text() {
        let long = "x".repeat(200);
        for (text, end, fold) in [
            ("A:1\r\nB:2\r\n 3\r\n".to_owned(), LineEnd::CrLf, Fold::Blank),
            ("A:1\nB:2\n\t3\n".to_owned(), LineEnd::Lf, Fold::Tab),
            (format!("A:{long}\n"), LineEnd::Lf, Fold::Never),
            (format!("A:{long}\r\n\tx\r\n"), LineEnd::CrLf, Fold::Tab),
        ] {
            assert_eq!(LineStyle::of(&Document::new(text.as_bytes())), LineStyle { end, fold });
        }
    }

    proptest! {
        #[test]
        fn a_folded_line_reads_back(line in "A:[a-zé€😀 :;,]{0,300}") {
            let mut out = Vec::new();
            LineStyle::STANDARD.push(&mut out, &line);
            let lines: Vec<_> = Lines::new(&out).collect();
            prop_assert_eq!(lines.len(), 1);
            prop_assert_eq!(lines[0].text(), line);
            let text = String::from_utf8(out).unwrap();
            prop_assert!(text.split("\r\n").all(|line| line.len() <= 75));
        }
    }
}
