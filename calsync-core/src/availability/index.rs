//! The events of a calendar, kept for questions: one about a month looks at that month, not at ten years.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Range,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    BusyKind, BusyOptions, BusyTime, BusyTimes,
    busy::{Found, busy_kind, may_be_busy},
    extent::Extent,
    spans::clip,
};
use crate::{
    model::{
        Event, EventBody, EventId, FreeBusyStatus, Override, RecurrenceId, RuleEntry, Status, UidOrigin,
    },
    recurrence::ExpansionLimits,
    zone::Zone,
};

/// The times of one calendar's events, in the order they take place. It answers what [`busy_times`](super::busy_times)
/// would answer for the same events, and follows edits one by one.
///
/// Holds no text of an event, and some 150 bytes for each that takes time; of a series its rules and exceptions.
///
/// ```
/// use calsync_core::availability::BusyIndex;
/// use calsync_core::model::{Event, EventBody, EventTime, TimeSpan};
/// use calsync_core::zone::Zone;
/// use chrono::{DateTime, TimeDelta, Utc};
///
/// let hour = |hour: i64| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::hours(hour);
/// let time = TimeSpan { start: EventTime::Utc(hour(9)), end: EventTime::Utc(hour(10)) };
/// let mut index = BusyIndex::new(Zone::UTC, &[]);
/// index.put(&"a".into(), &Event::single("u", EventBody::new(time)));
/// assert_eq!(index.busy_times(&(hour(0)..hour(24))).times.len(), 1);
/// index.remove(&"a".into());
/// assert_eq!(index.busy_times(&(hour(0)..hour(24))).times.len(), 0);
/// ```
#[derive(Clone)]
pub struct BusyIndex {
    zone: Zone,
    owner: Vec<String>,
    limits: ExpansionLimits,
    places: HashMap<EventId, Place>,
    /// What takes place once, by how many bits its length in seconds has: so a question knows how far before it something may
    /// begin that reaches into it.
    singles: BTreeMap<u32, BTreeMap<(DateTime<Utc>, u32), (DateTime<Utc>, BusyKind)>>,
    series: Vec<Series>,
    /// Places in `series` that nothing is in.
    gaps: Vec<usize>,
    /// What the series take, counted as [`BusyIndex::weight`] does.
    series_weight: usize,
    numbered: u32,
}

/// What something that takes place once takes, in bytes, give or take.
const SINGLE: usize = 150;

#[derive(Clone, Copy)]
enum Place {
    Single { bits: u32, start: DateTime<Utc>, number: u32 },
    Series(usize),
}

#[derive(Clone)]
struct Series {
    extent: Extent,
    /// `None`: a gap.
    event: Option<Box<Event>>,
}

impl BusyIndex {
    /// An index of nothing, for a calendar in a zone, with the addresses of its owner: see [`BusyOptions`].
    pub fn new(zone: Zone, owner: &[String]) -> Self {
        Self {
            zone,
            owner: owner.to_vec(),
            limits: ExpansionLimits::default(),
            places: HashMap::new(),
            singles: BTreeMap::new(),
            series: Vec::new(),
            gaps: Vec::new(),
            series_weight: 0,
            numbered: 0,
        }
    }

    /// Sets how much the expansion of one series may do.
    #[must_use]
    pub fn with_limits(mut self, limits: ExpansionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes an event in, in the place of what the index has under its id.
    pub fn put(&mut self, id: &EventId, event: &Event) {
        let place = match &event.master {
            Some(body) if event.rules.is_empty() && event.overrides.is_empty() => self.put_single(body),
            _ if may_be_busy(event, &self.owner) => Some(self.put_series(event)),
            _ => None,
        };
        // The name is looked for once: a calendar that is read for the first time has thousands of new ones.
        let before = match place {
            Some(place) => self.places.insert(id.clone(), place),
            None => self.places.remove(id),
        };
        self.forget(before);
    }

    fn put_single(&mut self, body: &EventBody) -> Option<Place> {
        let kind = busy_kind(body, &self.owner)?;
        let (start, end) = (body.time.start.instant(&self.zone), body.time.end.instant(&self.zone));
        if end <= start {
            return None;
        }
        let bits = bits(end - start);
        let number = self.numbered;
        self.numbered = self.numbered.wrapping_add(1);
        self.singles.entry(bits).or_default().insert((start, number), (end, kind));
        Some(Place::Single { bits, start, number })
    }

    fn put_series(&mut self, event: &Event) -> Place {
        self.series_weight += weight(event);
        let one = Series { extent: Extent::of(event), event: Some(Box::new(self.reduced(event))) };
        Place::Series(match self.gaps.pop() {
            Some(gap) => {
                self.series[gap] = one;
                gap
            }
            None => {
                self.series.push(one);
                self.series.len() - 1
            }
        })
    }

    /// Takes an event out. One it does not have is ignored.
    pub fn remove(&mut self, id: &EventId) {
        let before = self.places.remove(id);
        self.forget(before);
    }

    fn forget(&mut self, place: Option<Place>) {
        match place {
            Some(Place::Single { bits, start, number }) => {
                if let Some(singles) = self.singles.get_mut(&bits) {
                    singles.remove(&(start, number));
                }
            }
            Some(Place::Series(at)) => {
                let gap = Series { extent: Extent::NEVER, event: None };
                let gone = std::mem::replace(&mut self.series[at], gap);
                self.series_weight -= gone.event.as_deref().map_or(0, weight);
                self.gaps.push(at);
            }
            None => {}
        }
    }

    /// How many events it holds: those that may take time.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// How much memory it takes, in events that take place once: a series is as many of them as it has exceptions, and more.
    pub fn weight(&self) -> usize {
        self.places.len() + self.series_weight
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// When its events take up their owner's time.
    pub fn busy_times(&self, window: &Range<DateTime<Utc>>) -> BusyTimes {
        self.busy_times_without(window, None)
    }

    /// The same, as if one event were not there: what is asked before that event is moved.
    pub fn busy_times_without(&self, window: &Range<DateTime<Utc>>, except: Option<&EventId>) -> BusyTimes {
        let (mut single, mut series) = (None, None);
        match except.and_then(|id| self.places.get(id)) {
            Some(Place::Single { number, .. }) => single = Some(*number),
            Some(Place::Series(at)) => series = Some(*at),
            None => {}
        }
        let mut found = Found::default();
        for (bits, singles) in &self.singles {
            let longest = TimeDelta::try_seconds(1_i64.checked_shl(*bits).unwrap_or(i64::MAX));
            let first = longest.and_then(|longest| window.start.checked_sub_signed(longest));
            let first = first.unwrap_or(DateTime::<Utc>::MIN_UTC);
            if first >= window.end {
                continue;
            }
            for ((start, number), (end, kind)) in singles.range((first, 0)..(window.end, 0)) {
                if Some(*number) != single
                    && let Some(span) = clip(&(*start..*end), window)
                {
                    found.times.push(BusyTime { start: span.start, end: span.end, kind: *kind });
                }
            }
        }
        let (extent, options) = (Extent::of_window(window), self.options(window.clone()));
        for (at, one) in self.series.iter().enumerate() {
            if one.extent.touches(extent)
                && Some(at) != series
                && let Some(event) = &one.event
            {
                found.look_at(event, &options);
            }
        }
        found.merged()
    }

    /// The owner is nobody: what they answered is in the bodies that are kept.
    fn options(&self, window: Range<DateTime<Utc>>) -> BusyOptions {
        BusyOptions { window, zone: self.zone.clone(), owner: Vec::new(), limits: self.limits }
    }

    /// The event with its times, rules and how firmly it takes them, and nothing else.
    fn reduced(&self, event: &Event) -> Event {
        let reduced = |body: &EventBody| {
            let mut kept = EventBody::new(body.time.clone());
            match busy_kind(body, &self.owner) {
                None => kept.free_busy = Some(FreeBusyStatus::Free),
                Some(BusyKind::Tentative) => kept.status = Some(Status::Tentative),
                Some(BusyKind::Unavailable | BusyKind::Busy) => {}
            }
            kept
        };
        let overrides = event.overrides.iter().map(|(id, instance)| {
            let instance = match instance {
                Override::Changed { body, scope } => {
                    Override::Changed { body: Box::new(reduced(body)), scope: *scope }
                }
                other => other.clone(),
            };
            (*id, instance)
        });
        Event {
            uid: String::new(),
            uid_origin: UidOrigin::Given,
            master: event.master.as_ref().map(reduced),
            rules: event.rules.clone(),
            excluded_rules: event.excluded_rules.clone(),
            overrides: overrides.collect(),
            lineage: None,
        }
    }
}

impl fmt::Debug for BusyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusyIndex").field("events", &self.len()).finish_non_exhaustive()
    }
}

/// What a series takes beside its place: its rules and exceptions.
fn weight(event: &Event) -> usize {
    let rules = (event.rules.len() + event.excluded_rules.len()) * size_of::<RuleEntry>();
    let bodies = event.overrides.values().filter(|instance| matches!(instance, Override::Changed { .. }));
    let overrides = event.overrides.len() * size_of::<(RecurrenceId, Override)>();
    let bodies = bodies.count() * size_of::<EventBody>();
    (size_of::<Event>() + rules + overrides + bodies).div_ceil(SINGLE)
}

/// So many that the length is shorter than two to their power, in seconds.
fn bits(length: TimeDelta) -> u32 {
    let seconds = u64::try_from(length.num_seconds()).unwrap_or(0) + 1;
    u64::BITS - seconds.leading_zeros()
}
