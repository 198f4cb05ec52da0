//! Texts as people read them: two spellings of one title are one, two titles that differ in a name are two.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Words of a text that are compared one by one; longer texts are equal or different as a whole.
const WORDS_MAX: usize = 32;
/// Letters of a word in which a slip of the pen is forgiven.
const SLIP_MIN: usize = 5;
/// What two texts with different words on both sides are worth at the most.
pub(super) const DIFFERENT: u32 = 600;

/// A text for comparing: compatibility forms composed (NFKC), lower case, without characters nobody sees, words parted by
/// one space. Punctuation parts words; symbols such as emoji are words.
pub fn normalized(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    // Lower case may come apart again (U+0130), so what is composed is composed last.
    let composed = const { ComposingNormalizerBorrowed::new_nfkc() };
    let lower = composed.normalize_iter(text.chars()).flat_map(char::to_lowercase);
    for c in composed.normalize_iter(lower).filter(|c| !is_invisible(*c)) {
        if !is_separator(c) {
            result.push(c);
        } else if !result.is_empty() && !result.ends_with(' ') {
            result.push(' ');
        }
    }
    result.truncate(result.trim_end().len());
    result
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}')
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || c.is_ascii_punctuation()
        || matches!(c, '\u{2010}'..='\u{205e}' | '\u{3001}' | '\u{3002}')
}

/// How alike two normalized texts are, from 0 to 1000. Two empty ones say nothing: 0.
pub(super) fn likeness(a: &str, b: &str) -> u32 {
    if a.is_empty() || b.is_empty() {
        return 0;
    }
    if a == b {
        return 1000;
    }
    let (mut left, mut right): (Vec<&str>, Vec<&str>) = (a.split(' ').collect(), b.split(' ').collect());
    if left.len() > WORDS_MAX || right.len() > WORDS_MAX {
        return 0;
    }
    let all = letters(&left) + letters(&right);
    let mut shared = 2 * 10 * take(&mut left, &mut right, |a, b| a == b);
    if left.is_empty() && right.is_empty() {
        // The same words in another order.
        return 980;
    }
    // A word with a slip counts nine tenths.
    shared += 2 * 9 * take(&mut left, &mut right, is_slip);
    let score = shared * 100 / all.max(1);
    let numbers = left.iter().chain(&right).any(|word| word.chars().any(char::is_numeric));
    let score = u32::try_from(score).unwrap_or(0);
    // Different words on both sides are different names; a number more is another lesson.
    if numbers || !left.is_empty() && !right.is_empty() { score.min(DIFFERENT) } else { score }
}

fn letters(words: &[&str]) -> usize {
    words.iter().map(|word| word.chars().count()).sum()
}

/// Takes words that are the same on both sides out of both, and counts their letters.
fn take(left: &mut Vec<&str>, right: &mut Vec<&str>, same: impl Fn(&str, &str) -> bool) -> usize {
    let mut letters = 0;
    left.retain(|word| {
        let Some(place) = right.iter().position(|other| same(word, other)) else { return true };
        letters += word.chars().count().min(right[place].chars().count());
        right.swap_remove(place);
        false
    });
    letters
}

/// Whether two words differ by one slip inside: a letter too many, another one, or two changed about. A different first
/// letter or ending is a different word, and so are numbers.
fn is_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    if short.len() < SLIP_MIN || long.len() - short.len() > 1 || short.first() != long.first() {
        return false;
    }
    if short.last() != long.last() || short.iter().chain(long.iter()).any(|c| c.is_numeric()) {
        return false;
    }
    let start = short.iter().zip(long.iter()).take_while(|(a, b)| a == b).count();
    let end = short.iter().rev().zip(long.iter().rev()).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[start.min(short.len())..], &long[start.min(long.len())..]);
    let (short_rest, long_rest) = (short.len().saturating_sub(end), long.len().saturating_sub(end));
    match (short_rest, long_rest) {
        (0 | 1, 0 | 1) => true,
        (2, 2) => short[0] == long[1] && short[1] == long[0],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_in_many_forms() {
        for (a, b) in [
            ("Café", "Cafe\u{301}"),
            ("ＭＥＥＴＩＮＧ", "meeting"),
            ("Zahn\u{ad}arzt", "ZAHNARZT"),
            ("  Lunch,\tAna ", "lunch ana"),
            ("\u{202e}Lunch\u{202c}", "Lunch"),
            ("ﬁsh", "fish"),
            ("☎️ Call", "☎ call"),
            ("İstanbul", "i\u{307}stanbul"),
            ("…", ""),
        ] {
            assert_eq!(normalized(a), normalized(b), "{a} {b}");
            assert_eq!(normalized(&normalized(a)), normalized(a));
        }
    }

    #[test]
    fn how_alike_two_titles_are() {
        #[rustfmt::skip]
        let table = [
            ("lunch with ana",    "lunch with ana",     1000..=1000),
            ("ana and tom",       "tom and ana",         980..=980),
            ("",                  "",                      0..=0),
            ("lunch",             "",                      0..=0),
            ("appointment",       "apointment",          850..=999), // a letter lost
            ("birthday",          "brithday",            850..=999), // two changed about
            ("team meeting",      "weekly team meeting", 700..=849), // one word more
            ("call tim",          "call tom",              0..=600), // another name
            ("birthday martin",   "birthday martina",      0..=600), // another ending is another person
            ("piano lesson max",  "piano lesson mia",      0..=600),
            ("lesson 1",          "lesson 2",              0..=600), // another number
            ("lesson",            "lesson 2",              0..=600), // a number more
            ("room 1024 cleaning", "room 1025 cleaning",   0..=600),
            ("dentist",           "plumber",               0..=0),
        ];
        for (a, b, range) in table {
            assert!(range.contains(&likeness(a, b)), "{a:?} {b:?}: {}", likeness(a, b));
            assert_eq!(likeness(a, b), likeness(b, a), "{a:?} {b:?}");
        }
    }
}
