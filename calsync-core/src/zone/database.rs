//! What the clocks of the IANA zones show, in a form that takes a tenth of the room.
//!
//! A program with the tables of `chrono_tz` grows by 2.2 MB, half of them places that the loader fills in. `database.bin` holds the same in
//! 0.24 MB. The tests make it out of `chrono_tz`, and hold both against each other. So a [`Tz`] is the name of a zone here and nothing else: what
//! asks it for the time brings the tables back.
//!
//! All numbers are big-endian. First comes for each zone, in the order of [`chrono_tz::TZ_VARIANTS`], a `u16`: its set, for many are the same. Then
//! for each set a `u32`: its place in the file. A set is the number of its kinds as `u8` and of its changes as `u16`, then the kinds, then for each
//! span between changes its kind as `u8`, then the changes: the second of each from 1970 and plus [`EPOCH`], in five bytes. A kind is
//! the offset and the part of it that is daylight saving time as `i32`, the length of the abbreviation as `u8`, and six bytes for that.

use chrono_tz::Tz;

const FILE: &[u8] = include_bytes!("database.bin");
/// What is added to the seconds of Unix so that none is below zero.
const EPOCH: i64 = 1 << 34;
/// No offset on Earth is further from UTC than this many seconds, which a local time may be off.
const WIDEST: i64 = 26 * 3600;
const KIND: usize = 15;
const TIME: usize = 5;

/// What is in force from one change to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Seconds east of Greenwich, daylight saving time included.
    pub(crate) offset: i32,
    /// The part of it that is daylight saving time; negative where winter is the exception (Dublin).
    pub(crate) dst_offset: i32,
    /// The abbreviation; none where the database has only numbers.
    pub(crate) name: Option<&'static str>,
}

/// What a local time means, as the seconds east of Greenwich it is read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// One instant.
    Once(i32),
    /// Two, the first of them first.
    Twice(i32, i32),
    /// None: the clocks went past it. The offset before that.
    Never(i32),
}

/// What is in force in a zone at an instant in Unix seconds.
pub(crate) fn at(tz: Tz, utc: i64) -> Kind {
    let set = Set::of(tz);
    set.kind(set.span(utc))
}

/// The seconds east of Greenwich that are in force then.
pub(crate) fn offset_at(tz: Tz, utc: i64) -> i32 {
    let set = Set::of(tz);
    set.offset(set.span(utc))
}

/// What a local time means in a zone; the seconds are those of a clock in UTC that shows it.
pub(crate) fn local(tz: Tz, local: i64) -> Local {
    let set = Set::of(tz);
    let (first, last) = (set.span(local - WIDEST), set.span(local + WIDEST));
    let mut before = set.offset(first);
    let mut found = None;
    for span in first..=last {
        let offset = set.offset(span);
        let utc = local - i64::from(offset);
        if span > 0 && utc < set.time(span - 1) {
            continue;
        }
        if span < set.changes && utc >= set.time(span) {
            before = offset;
            continue;
        }
        match found {
            None => found = Some(offset),
            Some(first) => return Local::Twice(first, offset),
        }
    }
    found.map_or(Local::Never(before), Local::Once)
}

fn bytes<const N: usize>(at: usize) -> [u8; N] {
    FILE.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// The rows of a zone.
struct Set {
    kinds: usize,
    order: usize,
    times: usize,
    changes: usize,
}

impl Set {
    fn of(tz: Tz) -> Self {
        let set = usize::from(u16::from_be_bytes(bytes(2 * tz as usize)));
        let place = 2 * chrono_tz::TZ_VARIANTS.len() + 4 * set;
        let start = usize::try_from(u32::from_be_bytes(bytes(place))).unwrap_or(usize::MAX);
        let [kinds] = bytes(start);
        let changes = usize::from(u16::from_be_bytes(bytes(start + 1)));
        let order = start + 3 + KIND * usize::from(kinds);
        Self { kinds: start + 3, order, times: order + changes + 1, changes }
    }

    /// The second at which span `change + 1` begins.
    fn time(&self, change: usize) -> i64 {
        let [a, b, c, d, e] = bytes(self.times + TIME * change);
        i64::from_be_bytes([0, 0, 0, a, b, c, d, e]) - EPOCH
    }

    /// The span that holds an instant: 0 is the one before the first change.
    fn span(&self, utc: i64) -> usize {
        let (mut low, mut high) = (0, self.changes);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.time(middle) <= utc { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Where the kind of a span is in the file.
    fn place(&self, span: usize) -> usize {
        let [kind] = bytes(self.order + span);
        self.kinds + KIND * usize::from(kind)
    }

    fn offset(&self, span: usize) -> i32 {
        i32::from_be_bytes(bytes(self.place(span)))
    }

    fn kind(&self, span: usize) -> Kind {
        let place = self.place(span);
        let [letters] = bytes(place + 8);
        let name = FILE.get(place + 9..place + 9 + usize::from(letters));
        Kind {
            offset: i32::from_be_bytes(bytes(place)),
            dst_offset: i32::from_be_bytes(bytes(place + 4)),
            name: name.filter(|name| !name.is_empty()).and_then(|name| std::str::from_utf8(name).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, NaiveDateTime, Offset, TimeZone, offset::LocalResult};
    use chrono_tz::{GapInfo, OffsetComponents, OffsetName, TZ_VARIANTS, TzOffset};
    use std::collections::BTreeMap;

    const DAY: i64 = 86_400;
    /// From 1800 to 2110: the database begins and ends between.
    const YEARS: (i64, i64) = (-5_364_662_400, 4_417_977_600);

    fn clock(seconds: i64) -> NaiveDateTime {
        DateTime::from_timestamp(seconds, 0).unwrap().naive_utc()
    }

    fn row(offset: i32, dst_offset: i32, name: &str) -> [u8; KIND] {
        let mut row = [0; KIND];
        row[..4].copy_from_slice(&offset.to_be_bytes());
        row[4..8].copy_from_slice(&dst_offset.to_be_bytes());
        row[8] = u8::try_from(name.len()).unwrap();
        row[9..9 + name.len()].copy_from_slice(name.as_bytes());
        row
    }

    fn held(tz: Tz, utc: i64) -> [u8; KIND] {
        let Kind { offset, dst_offset, name } = at(tz, utc);
        row(offset, dst_offset, name.unwrap_or_default())
    }

    fn asked(tz: Tz, utc: i64) -> [u8; KIND] {
        let offset = tz.offset_from_utc_datetime(&clock(utc));
        let dst_offset = i32::try_from(offset.dst_offset().num_seconds()).unwrap();
        row(offset.fix().local_minus_utc(), dst_offset, offset.abbreviation().unwrap_or_default())
    }

    /// When something changes, by asking for each day.
    fn changes(tz: Tz) -> Vec<i64> {
        let (mut found, mut at) = (Vec::new(), YEARS.0);
        let mut before = asked(tz, at);
        while at < YEARS.1 {
            let next = at + DAY;
            while asked(tz, next) != before {
                let (mut low, mut high) = (at, next);
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    if asked(tz, middle) == before { low = middle } else { high = middle }
                }
                found.push(high);
                (at, before) = (high, asked(tz, high));
            }
            at = next;
        }
        found
    }

    fn set(tz: Tz) -> Vec<u8> {
        let changes = changes(tz);
        let (mut kinds, mut order): (Vec<[u8; KIND]>, Vec<u8>) = Default::default();
        for state in [YEARS.0].iter().chain(&changes).map(|at| asked(tz, *at)) {
            let known = kinds.iter().position(|known| *known == state).unwrap_or(kinds.len());
            if known == kinds.len() {
                kinds.push(state);
            }
            order.push(u8::try_from(known).unwrap());
        }
        let mut rows = vec![u8::try_from(kinds.len()).unwrap()];
        rows.extend(u16::try_from(changes.len()).unwrap().to_be_bytes());
        rows.extend(kinds.concat());
        rows.extend(order);
        rows.extend(changes.iter().flat_map(|at| (at + EPOCH).to_be_bytes().into_iter().skip(8 - TIME)));
        rows
    }

    fn file() -> Vec<u8> {
        let (mut zones, mut places, mut sets) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = BTreeMap::new();
        for tz in TZ_VARIANTS {
            let rows = set(tz);
            let next = u16::try_from(known.len()).unwrap();
            let index = *known.entry(rows.clone()).or_insert(next);
            if index == next {
                places.push(sets.len());
                sets.extend(rows);
            }
            zones.extend(index.to_be_bytes());
        }
        let before = zones.len() + 4 * places.len();
        zones.extend(places.into_iter().flat_map(|at| u32::try_from(before + at).unwrap().to_be_bytes()));
        zones.extend(sets);
        zones
    }

    /// After an update of `chrono-tz`: `cargo test -p calsync-core --lib zone::database -- --ignored`.
    #[test]
    #[ignore = "writes the file"]
    fn write_the_file() {
        std::fs::write("src/zone/database.bin", file()).unwrap();
    }

    #[test]
    fn the_file_holds_what_chrono_tz_does() {
        for (number, tz) in TZ_VARIANTS.into_iter().enumerate() {
            assert_eq!(tz as usize, number);
            let mut utc = YEARS.0;
            // Nothing was ever in force for so few days that this misses it and what it left behind.
            while utc < YEARS.1 {
                assert_eq!(held(tz, utc), asked(tz, utc), "{tz} at {utc}");
                utc += 20 * DAY;
            }
            let set = Set::of(tz);
            for change in (0..set.changes).map(|change| set.time(change)) {
                for utc in [change - 1, change] {
                    assert_eq!(held(tz, utc), asked(tz, utc), "{tz} at {utc}");
                }
                let clocks = [at(tz, change - 1).offset, at(tz, change).offset]
                    .map(|offset| change + i64::from(offset));
                for near in clocks
                    .into_iter()
                    .flat_map(|clock| [clock - 1, clock])
                    .chain([clocks[0].midpoint(clocks[1])])
                {
                    let offset = |found: TzOffset| found.fix().local_minus_utc();
                    let expected = match tz.offset_from_local_datetime(&clock(near)) {
                        LocalResult::Single(only) => Local::Once(offset(only)),
                        LocalResult::Ambiguous(one, other) => Local::Twice(offset(one), offset(other)),
                        LocalResult::None => {
                            Local::Never(offset(GapInfo::new(&clock(near), &tz).unwrap().begin.unwrap().1))
                        }
                    };
                    assert_eq!(local(tz, near), expected, "{tz} at {near}");
                }
            }
        }
    }
}
