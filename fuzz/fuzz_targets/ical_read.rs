//! Any bytes as a calendar: read or refused, never a panic, and the lines give the bytes back.
#![no_main]

use calsync_core::ical::{
    CalendarReader, CalendarZoneUse, Document, ItemIdentity, ReadOptions, WriteOptions, read_calendar,
    write_calendar,
};
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    assert_eq!(Document::new(input).to_bytes(), input, "the lines tile the input");

    let mut inventive = ReadOptions::default();
    inventive.calendar_zone = CalendarZoneUse::Apply;
    inventive.identity = ItemIdentity::Content;
    for options in [ReadOptions::default(), inventive] {
        let whole = read_calendar(input, &options);
        let reader = CalendarReader::new(input, &options);
        let (Ok(whole), Ok(mut reader)) = (&whole, reader) else {
            assert!(
                whole.is_err() && CalendarReader::new(input, &options).is_err(),
                "both readers refuse the same texts"
            );
            continue;
        };
        let (mut items, mut quarantined) = (whole.items.iter(), whole.quarantined.iter());
        for item in &mut reader {
            let spans = match &item {
                Ok(item) => {
                    let same = items.next().expect("an item of the whole text");
                    assert!(same.event == item.event && same.spans == item.spans);
                    assert!(!item.event.uid.is_empty(), "every item has an identity");
                    &item.spans
                }
                Err(item) => {
                    let same = quarantined.next().expect("a quarantined item of the whole text");
                    assert!(same.reason == item.reason && same.spans == item.spans);
                    &item.spans
                }
            };
            assert!(spans.iter().all(|span| span.start < span.end && span.end <= input.len()));
            assert!(spans.windows(2).all(|two| two[0].end <= two[1].start), "components do not overlap");
        }
        assert!(items.next().is_none() && quarantined.next().is_none());
        assert_eq!(reader.is_complete(), whole.is_complete);

        // What was read can be written, and what was written is a whole calendar of as many items.
        let events: Vec<_> = whole.items.iter().map(|item| item.event.clone()).collect();
        let text = write_calendar(&events, &WriteOptions::new(DateTime::UNIX_EPOCH));
        let again = read_calendar(&text, &ReadOptions::default()).expect("our own text");
        assert!(
            again.is_complete && again.quarantined.is_empty() && again.other_components == 0,
            "{again:?}"
        );
    }
});
