//! Bytes to text: UTF-8, else windows-1252.
//!
//! The choice is made per content line, after unfolding. A file that is latin-1 throughout and a UTF-8 file with one
//! damaged line both read as their authors meant, and a line of ours patched into a latin-1 file stays readable.

use std::borrow::Cow;

/// What windows-1252 has at 0x80..=0x9F; the five unassigned bytes become the C1 control of the same number.
const C1: [char; 32] = [
    '\u{20AC}', '\u{81}', '\u{201A}', '\u{192}', '\u{201E}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2C6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8D}', '\u{17D}', '\u{8F}', '\u{90}', '\u{2018}',
    '\u{2019}', '\u{201C}', '\u{201D}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2DC}', '\u{2122}', '\u{161}',
    '\u{203A}', '\u{153}', '\u{9D}', '\u{17E}', '\u{178}',
];

fn windows_1252(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            0x80..=0x9F => C1[usize::from(byte) - 0x80],
            _ => char::from(byte),
        })
        .collect()
}

/// Decodes one unfolded line.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(windows_1252(bytes)),
    }
}

/// Decodes one unfolded line the caller owns.
pub(crate) fn decode_vec(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| windows_1252(error.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_first_then_windows_1252() {
        assert_eq!(decode("Grüße €".as_bytes()), "Grüße €");
        assert_eq!(decode(b"Gr\xFC\xDFe \x80 \x93x\x94"), "Grüße € “x”");
        assert_eq!(decode_vec(b"\x81".to_vec()), "\u{81}");
    }
}
