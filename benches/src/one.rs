//! One library reads one file in a process of its own, so that its peak memory is its own.
//!
//! `one LIBRARY FILE` prints `seconds=... events=... peak_kib=...`.

use std::hint::black_box;
use std::time::Instant;

use calsync_core::ical::{CalendarReader, ReadOptions, read_calendar};

use crate::measure::peak_kib;
use crate::{Outcome, publish, scale};

/// What `one` can run.
pub(crate) const CALSYNC: &str = "calsync";
pub(crate) const CALSYNC_STREAM: &str = "calsync-stream";
pub(crate) const CALCARD: &str = "calcard";
pub(crate) const ICALENDAR: &str = "icalendar";
/// Reads the file and does nothing with it: what every other row pays as well.
pub(crate) const NOTHING: &str = "nothing";

/// Options that let a file of any size pass.
pub(crate) fn unlimited() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.limits.max_bytes = usize::MAX;
    options.limits.max_components = usize::MAX;
    options
}

pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let [library, path] = arguments else { return Err("usage: one LIBRARY FILE".to_owned()) };
    if [publish::STREAM, publish::STORE].contains(&library.as_str()) {
        return publish::one(library, path);
    }
    if library == scale::first::INTO_POSTGRES {
        return scale::first::one(path);
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    match library.as_str() {
        CALSYNC => timed(|| {
            let document = read_calendar(&text, &unlimited()).map_err(|error| error.to_string())?;
            Ok((document.items.len(), document))
        }),
        CALSYNC_STREAM => timed(|| {
            let reader =
                CalendarReader::new(text.as_bytes(), &unlimited()).map_err(|error| error.to_string())?;
            Ok((reader.filter(|item| black_box(item).is_ok()).count(), ()))
        }),
        CALCARD => timed(|| {
            let calendar =
                calcard::icalendar::ICalendar::parse(&text).map_err(|_| "calcard refuses the file")?;
            let events = calendar
                .components
                .iter()
                .filter(|component| {
                    component.component_type == calcard::icalendar::ICalendarComponentType::VEvent
                })
                .count();
            Ok((events, calendar))
        }),
        ICALENDAR => timed(|| {
            let calendar: icalendar::Calendar = text.parse()?;
            let events = calendar
                .components
                .iter()
                .filter(|component| matches!(component, icalendar::CalendarComponent::Event(_)))
                .count();
            Ok((events, calendar))
        }),
        NOTHING => timed(|| Ok((text.len(), ()))),
        other => Err(format!("no library {other}")),
    }
}

/// What `read` makes is still there when the peak is read.
fn timed<T>(read: impl FnOnce() -> Outcome<(usize, T)>) -> Outcome<()> {
    let start = Instant::now();
    let (events, made) = read()?;
    let taken = start.elapsed().as_secs_f64();
    println!("seconds={taken:.6} events={events} peak_kib={}", peak_kib()?);
    // The process ends here; taking the result apart would only take time.
    std::mem::forget(black_box(made));
    Ok(())
}
