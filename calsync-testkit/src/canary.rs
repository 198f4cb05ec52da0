//! Events of which nothing may be seen but when they take place, and the search for what was seen.
//!
//! For tests of privacy: an object with a canary in every place iCalendar has, and [`found`], which looks for it in bytes that
//! left, also where it was encoded on the way.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{Days, NaiveDate};

/// The word that is in every value that may not leave.
const WORD: &str = "canary";

/// Values that cannot hold a word, and are as telling: a place, a colour, when it was edited, when it reminds, a number. In lower
/// case.
const VALUES: [&str; 8] =
    ["48.8583", "2.29448", "fuchsia", "20250304", "2025-03-04", "174106476", "8765432", "98765.43"];

/// A whole iCalendar object of one private event of half an hour, on a day in a zone of its own, with a canary in each property, parameter
/// and component of RFC 5545, 7986, 9073, 9074 and 9253 and in those that products add; what is left without one is its `SEQUENCE`, which
/// subscribers need. `words` is in its title, `hour` is when it begins.
pub fn object(uid: &str, words: &str, day: NaiveDate, hour: u32) -> String {
    calendar(&format!("BEGIN:VEVENT\r\n{}END:VEVENT\r\n", event(uid, words, day, hour)))
}

/// The same as a daily series of three, the second moved by two hours and the third left out, each with canaries of its own.
pub fn series(uid: &str, words: &str, day: NaiveDate, hour: u32) -> String {
    let after = |days| (day + Days::new(days)).format("%Y%m%d");
    calendar(&format!(
        "BEGIN:VEVENT\r\n{}RRULE:FREQ=DAILY;COUNT=3\r\nEXDATE;TZID=Canary/Zone;X-P=canary:{}T{hour:02}0000\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\n{}RECURRENCE-ID;TZID=Canary/Zone;X-P=canary:{}T{hour:02}0000\r\nEND:VEVENT\r\n",
        event(uid, words, day, hour),
        after(2),
        event(uid, &format!("moved {words}"), day + Days::new(1), hour + 2),
        after(1),
    ))
}

fn calendar(events: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//canary//EN\r\nNAME:canary\r\nX-WR-CALNAME:canary\r\nX-CANARY:canary\r\n\
         BEGIN:VTIMEZONE\r\nTZID:Canary/Zone\r\nTZURL:https://canary.example.org/zone\r\nX-LIC-LOCATION:canary\r\nCOMMENT:canary\r\n\
         BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nTZNAME;LANGUAGE=x-canary:Canary\r\n\
         COMMENT:canary\r\nX-CANARY:canary\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n{events}END:VCALENDAR\r\n"
    )
}

fn event(uid: &str, words: &str, day: NaiveDate, hour: u32) -> String {
    let day = day.format("%Y%m%d");
    format!(
        "UID:canary-{uid}\r\nDTSTAMP:20250304T050607Z\r\nCREATED:20250304T050607Z\r\nLAST-MODIFIED:20250304T050607Z\r\n\
         DTSTART;TZID=Canary/Zone;X-P=canary:{day}T{hour:02}0000\r\nDTEND;TZID=Canary/Zone:{day}T{hour:02}3000\r\n\
         SEQUENCE:3\r\nCLASS:PRIVATE\r\nGEO:48.858370;2.294481\r\nCOLOR:fuchsia\r\n{PROPERTIES}SUMMARY;LANGUAGE=x-canary;ALTREP=\"https://canary.example.org/title\":canary {words}\r\n{COMPONENTS}"
    )
}

/// Every property of an event that holds text, an address or data, with every parameter that does.
const PROPERTIES: &str = "\
DESCRIPTION;ALTREP=\"cid:canary@example.org\":Canary\\, C%61nary & <b>canary</b>\\nhttps://canary.example.org/meet?pwd=canary\r\n\
X-ALT-DESC;FMTTYPE=text/html:<html><body>canary</body></html>\r\n\
STYLED-DESCRIPTION;FMTTYPE=text/html;DERIVED=TRUE:<p>canary</p>\r\n\
LOCATION;ALTREP=\"https://canary.example.org/place\";X-TITLE=canary:canary\r\n\
COMMENT:canary\r\n\
CONTACT;ALTREP=\"https://canary.example.org/contact\":canary\\, +33 98765.43\r\n\
CATEGORIES;LANGUAGE=x-canary:canary,CANARY 2\r\n\
RESOURCES;ALTREP=\"https://canary.example.org/resource\":canary\r\n\
RELATED-TO;RELTYPE=X-CANARY:canary-other\r\n\
URL;X-P=canary:https://canary.example.org/\r\n\
IMAGE;VALUE=URI;DISPLAY=BADGE;FMTTYPE=image/x-canary;ALTREP=\"https://canary.example.org/i\":https://canary.example.org/i.png\r\n\
CONFERENCE;VALUE=URI;FEATURE=AUDIO,X-CANARY;LABEL=canary;LANGUAGE=x-canary:https://canary.example.org/meet\r\n\
ATTACH;FILENAME=canary.pdf;FMTTYPE=application/x-canary;MANAGED-ID=canary;SIZE=9:https://canary.example.org/a.pdf\r\n\
ATTACH;ENCODING=BASE64;VALUE=BINARY:Y2FuYXJ5IENhbmFyeSBDQU5BUlk=\r\n\
STRUCTURED-DATA;VALUE=TEXT;FMTTYPE=application/ld+json;SCHEMA=\"https://canary.example.org/s\":{\"name\":\"canary\"}\r\n\
LINK;LINKREL=X-CANARY;LABEL=canary;VALUE=URI:https://canary.example.org/link\r\n\
CONCEPT:https://canary.example.org/concept\r\n\
REFID:canary\r\n\
REQUEST-STATUS:2.0;canary;canary\r\n\
CALENDAR-ADDRESS:mailto:canary@example.org\r\n\
X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-ADDRESS=\"canary street\";X-APPLE-MAPKIT-HANDLE=Y2FuYXJ5;X-TITLE=canary:geo:48.858370,2.294481\r\n\
X-APPLE-TRAVEL-START;ROUTING=CAR;VALUE=URI;X-TITLE=canary:geo:48.858370,2.294481\r\n\
X-APPLE-TRAVEL-DURATION;X-P=canary;VALUE=DURATION:PT8765432S\r\n\
X-GOOGLE-CONFERENCE:https://canary.example.org/meet\r\n\
X-MICROSOFT-SKYPETEAMSMEETINGURL:https://canary.example.org/meet\r\n\
X-MICROSOFT-LOCATIONS:[{\"DisplayName\":\"canary\"}]\r\n\
X-CANARY;X-P=canary;X-Q=\"canary; canary\":canary\r\n\
CANARY:canary\r\n\
ORGANIZER;CN=canary;DIR=\"ldap://canary.example.org/o\";SENT-BY=\"mailto:canary-sec@example.org\";EMAIL=canary@example.org:mailto:canary@example.org\r\n\
ATTENDEE;CN=\"Canary, C\";DIR=\"ldap://canary.example.org/a\";SENT-BY=\"mailto:canary-sec@example.org\";MEMBER=\"mailto:canary-all@example.org\";\
DELEGATED-FROM=\"mailto:canary-from@example.org\";X-NUM-GUESTS=0;X-RESPONSE-COMMENT=canary;PARTSTAT=ACCEPTED:mailto:canary2@example.org\r\n\
ATTENDEE;CUTYPE=ROOM;DELEGATED-TO=\"mailto:canary-to@example.org\";PARTSTAT=DELEGATED:mailto:canary-room@example.org\r\n";

/// What is nested in an event: reminders of every action, people, places and resources.
const COMPONENTS: &str = "\
BEGIN:VALARM\r\nUID:canary-alarm\r\nACTION:DISPLAY\r\nDESCRIPTION;ALTREP=\"https://canary.example.org/r\":canary\r\nTRIGGER:-PT8765432S\r\n\
ACKNOWLEDGED:20250304T050607Z\r\nX-CANARY:canary\r\nBEGIN:VLOCATION\r\nUID:canary-near\r\nNAME:canary\r\nURL:geo:48.858370,2.294481\r\n\
END:VLOCATION\r\nPROXIMITY:ARRIVE\r\nEND:VALARM\r\n\
BEGIN:VALARM\r\nACTION:EMAIL\r\nSUMMARY:canary\r\nDESCRIPTION:canary\r\nATTENDEE;CN=canary:mailto:canary-mail@example.org\r\n\
ATTACH;FMTTYPE=text/x-canary:https://canary.example.org/mail.txt\r\nTRIGGER;VALUE=DATE-TIME:20250304T050607Z\r\nEND:VALARM\r\n\
BEGIN:VALARM\r\nACTION:AUDIO\r\nATTACH;FMTTYPE=audio/basic:https://canary.example.org/tone.au\r\nTRIGGER;RELATED=END:-PT8765432S\r\n\
RELATED-TO;RELTYPE=SNOOZE:canary-alarm\r\nEND:VALARM\r\n\
BEGIN:VALARM\r\nACTION:X-CANARY\r\nATTACH:cid:canary\r\nDESCRIPTION:canary\r\nTRIGGER:-PT8765432S\r\nEND:VALARM\r\n\
BEGIN:PARTICIPANT\r\nUID:canary-person\r\nPARTICIPANT-TYPE:SPEAKER\r\nCALENDAR-ADDRESS:mailto:canary3@example.org\r\nSUMMARY:canary\r\n\
BEGIN:VLOCATION\r\nUID:canary-home\r\nNAME:canary\r\nEND:VLOCATION\r\nEND:PARTICIPANT\r\n\
BEGIN:VLOCATION\r\nUID:canary-place\r\nNAME:canary\r\nDESCRIPTION:canary\r\nLOCATION-TYPE:canary\r\nGEO:48.858370;2.294481\r\n\
STRUCTURED-DATA;VALUE=URI:https://canary.example.org/place\r\nEND:VLOCATION\r\n\
BEGIN:VRESOURCE\r\nUID:canary-thing\r\nNAME:canary\r\nRESOURCE-TYPE:X-CANARY\r\nEND:VRESOURCE\r\n\
BEGIN:X-CANARY\r\nX-CANARY:canary\r\nEND:X-CANARY\r\n";

/// The first sign of those events in bytes, with what is around it: as it was written, in any case, folded, percent-encoded once or twice,
/// escaped as in JSON, XML or HTML, in hexadecimal or in base64. `None`: there is none.
pub fn found(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let plain = text.replace("\r\n ", "").replace("\r\n\t", "").replace("\n ", "");
    let decoded = unescaped(&percent_decoded(&percent_decoded(&plain)));
    for text in [&plain, &decoded] {
        for word in [WORD.to_owned(), WORD.to_uppercase(), "Canary".to_owned()] {
            if let Some(place) = base64_forms(&word).iter().find_map(|form| text.find(form.as_str())) {
                return Some(around(text, place));
            }
        }
        let lower = text.to_lowercase();
        let hex =
            [WORD, "Canary", "CANARY"].map(|word| word.bytes().map(|byte| format!("{byte:02x}")).collect());
        let signs = VALUES.iter().copied().chain([WORD]).chain(hex.iter().map(String::as_str));
        if let Some(place) = signs.into_iter().find_map(|sign| lower.find(sign)) {
            return Some(around(&lower, place));
        }
    }
    None
}

/// Fails when there is a sign of those events in bytes.
///
/// # Panics
/// Then, with the sign and `what` the bytes are.
pub fn assert_none(what: &str, bytes: impl AsRef<[u8]>) {
    if let Some(found) = found(bytes.as_ref()) {
        panic!("a canary in {what}: …{found}…");
    }
}

/// What a word is in base64 behind no, one or two other bytes, without the characters that depend on what is around it.
fn base64_forms(word: &str) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let encoded = STANDARD.encode([&[0; 2][..before], word.as_bytes()].concat());
        let first = [0, 2, 3][before];
        let last = (before + word.len()) * 8 / 6;
        encoded[first..last].to_owned()
    })
}

fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let byte = (first == b'%').then(|| after.get(..2)).flatten();
        match byte.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// `\u0063`, `&#99;` and `&#x63;` as what they stand for.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(['\\', '&']) {
        plain.push_str(&rest[..place]);
        let escape = &rest[place..];
        let read = if let Some(hex) = escape.strip_prefix("\\u") {
            hex.get(..4).and_then(|hex| Some((u32::from_str_radix(hex, 16).ok()?, 6)))
        } else {
            escape.strip_prefix("&#").and_then(|number| {
                let (number, _) = number.split_once(';')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                Some((code, "&#;".len() + number.len()))
            })
        };
        match read.and_then(|(code, length)| Some((char::from_u32(code)?, length))) {
            Some((character, length)) => {
                plain.push(character);
                rest = &escape[length..];
            }
            None => {
                plain.push_str(&escape[..1]);
                rest = &escape[1..];
            }
        }
    }
    plain + rest
}

fn around(text: &str, place: usize) -> String {
    let before: String = text[..place].chars().rev().take(100).collect();
    before.chars().rev().chain(text[place..].chars().take(80)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_on_the_way_is_found() {
        for hidden in [
            "Canary",
            "CANARY",
            "x-can\r\n ary",
            "%63%61%6e%61%72%79",
            "%2563anary",
            r"\u0063anary",
            "&#99;anary",
            "&#x63;anary",
            "63616E617279",
            "Y2FuYXJ5",
            "eGNhbmFyeQ==",
            "eHhjYW5hcnl4",
            "eHhDQU5BUllY",
            "Basic eENhbmFyeTp4",
            "\"color\":\"Fuchsia\"",
            "DTSTAMP:20250304T050607Z",
        ] {
            assert!(found(hidden.as_bytes()).is_some(), "{hidden}");
        }
        for plain in [
            "",
            "SUMMARY:Busy",
            "%",
            "%zz",
            "\\u00",
            "&#;",
            "&#x110000;",
            "C:\\users",
            "Can a ry",
            "DTSTART:20991201T080000Z",
        ] {
            assert_eq!(found(plain.as_bytes()), None, "{plain}");
        }
    }

    #[test]
    fn what_is_written_has_them_everywhere() {
        let day = NaiveDate::default();
        for text in [object("1", "one", day, 8), series("2", "two", day, 8)] {
            let unfolded = text.replace("\r\n ", "");
            for line in unfolded.lines() {
                let shows = [
                    "BEGIN:",
                    "SEQUENCE:",
                    "END:",
                    "VERSION:",
                    "DTSTART:",
                    "TZOFFSET",
                    "CLASS:",
                    "ACTION:",
                    "RRULE:",
                    "PROXIMITY:",
                    "PARTICIPANT-TYPE:",
                ];
                assert!(
                    found(line.as_bytes()).is_some() || shows.iter().any(|start| line.starts_with(start)),
                    "{line}"
                );
            }
        }
    }
}
