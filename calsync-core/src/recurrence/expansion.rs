//! The instances of a set: its rules and dates merged in order, less what is excluded.

use super::budget::{ExpansionLimits, LimitReached, Steps};
use super::civil::{DAY, day_number, local_seconds};
use super::plan::AllDay;
use super::set::{ExpansionReport, Instance, RecurrenceDate, RecurrenceSet, Window};
use super::stream::{Frame, Moment, Role, RuleStream};
use super::text::RuleEntry;
use super::zone::{ZoneCursor, ZoneRules};

/// A rule of the merge with its next instance, which is looked for only when it is needed: the search may use up the
/// budget, and what was found before must not be lost with it.
struct Head<'a, Z> {
    stream: RuleStream<&'a Z>,
    next: Option<Moment>,
    taken: bool,
}

impl<Z: ZoneRules> Head<'_, Z> {
    fn peek(&mut self, steps: &mut Steps) -> Option<Moment> {
        if self.taken {
            self.next = self.stream.next(steps);
            self.taken = false;
        }
        self.next
    }
}

/// The instances of a [`RecurrenceSet`] in a [`Window`], in order of their instants, each once. Made by
/// [`RecurrenceSet::instances`]; how it went is in [`report`](Self::report) when it has ended.
pub struct Expansion<'a, Z> {
    set: &'a RecurrenceSet<Z>,
    window: (i64, i64),
    includes: Vec<Head<'a, Z>>,
    excludes: Vec<Head<'a, Z>>,
    /// RDATE, last first; DTSTART is among them when no rule brings it.
    dates: Vec<Moment>,
    /// EXDATE as instants, last first.
    excluded: Vec<i64>,
    /// EXDATE as whole days, sorted.
    excluded_days: Vec<i64>,
    last: i64,
    steps: Steps,
    instances_left: usize,
    report: ExpansionReport,
    ended: bool,
}

impl<'a, Z: ZoneRules> Expansion<'a, Z> {
    pub(super) fn new(set: &'a RecurrenceSet<Z>, window: Window, limits: &ExpansionLimits) -> Self {
        let frame = set.frame(&window);
        let mut expansion = Self {
            set,
            window: frame.window,
            includes: Vec::new(),
            excludes: Vec::new(),
            dates: Vec::new(),
            excluded: Vec::new(),
            excluded_days: Vec::new(),
            last: i64::MIN,
            steps: Steps::new(limits.steps),
            instances_left: limits.instances,
            report: ExpansionReport { opaque: set.opaque_rules(), ..ExpansionReport::default() },
            ended: false,
        };
        expansion.excludes = expansion.open(&set.exrules, frame, Role::Exclude);
        expansion.includes = expansion.open(&set.rules, frame, Role::Include);
        if expansion.includes.is_empty() {
            expansion.dates.push(frame.start);
        }
        if set.rdates.len().saturating_add(set.exdates.len()) > limits.dates {
            // Which instances are excluded is not known: only DTSTART stands, and the report says why.
            expansion.report.stopped = Some(LimitReached::Dates);
            expansion.includes.clear();
            expansion.excludes.clear();
            expansion.dates = vec![frame.start];
        } else {
            expansion.read_dates(frame);
        }
        expansion
    }

    fn open(&mut self, rules: &'a [RuleEntry], frame: Frame, role: Role) -> Vec<Head<'a, Z>> {
        let mut heads = Vec::with_capacity(rules.len());
        for entry in rules {
            if let RuleEntry::Rule(rule) = entry
                && self.set.problem_of(entry).is_none()
                && let Some(stream) = RuleStream::new(rule, frame, self.set.zone(), role, &mut self.steps)
            {
                heads.push(Head { stream, next: None, taken: true });
            }
        }
        heads
    }

    fn read_dates(&mut self, frame: Frame) {
        let set = self.set;
        let mut zone = ZoneCursor::new(set.zone());
        let all_day = frame.all_day == AllDay::Yes;
        let of_start = frame.start.local.rem_euclid(DAY);
        let mut moment = |date: &RecurrenceDate| -> Moment {
            let local = match date {
                _ if all_day => day_number(date.date()) * DAY,
                RecurrenceDate::Date(date) => day_number(*date) * DAY + of_start,
                RecurrenceDate::Local(local) => local_seconds(*local),
                RecurrenceDate::Utc(instant) => {
                    let instant = instant.timestamp();
                    return Moment { instant, local: instant + zone.offset_until(instant).0 };
                }
            };
            let (instant, _) = zone.instant_of(local);
            Moment { instant, local: instant + zone.offset_until(instant).0 }
        };
        for date in &set.exdates {
            match date {
                RecurrenceDate::Date(date) if !all_day => self.excluded_days.push(day_number(*date)),
                _ => self.excluded.push(moment(date).instant),
            }
        }
        self.dates.extend(set.rdates.iter().map(moment));
        self.dates.sort_unstable_by_key(|moment| std::cmp::Reverse(moment.instant));
        self.excluded.sort_unstable_by_key(|instant| std::cmp::Reverse(*instant));
        self.excluded_days.sort_unstable();
    }

    /// How the expansion went so far; final when [`next`](Iterator::next) has returned `None`.
    pub fn report(&self) -> ExpansionReport {
        let mut report = self.report.clone();
        report.note_steps(&self.steps);
        report
    }

    /// The report, ending the expansion.
    pub fn into_report(mut self) -> ExpansionReport {
        self.report.note_steps(&self.steps);
        self.report
    }

    /// All instances, and how it went.
    pub fn collect_all(mut self) -> (Vec<Instance>, ExpansionReport) {
        let instances = self.by_ref().collect();
        (instances, self.into_report())
    }

    /// The earliest of the rules' and dates' next moments.
    fn pop(&mut self) -> Option<Moment> {
        let date = self.dates.last().copied();
        let mut earliest: Option<(usize, Moment)> = None;
        for (index, head) in self.includes.iter_mut().enumerate() {
            if let Some(next) = head.peek(&mut self.steps)
                && earliest.is_none_or(|(_, moment)| next.instant < moment.instant)
            {
                earliest = Some((index, next));
            }
        }
        // A rule that could not be followed to its end leaves nothing certain after it.
        if self.steps.exceeded() {
            return None;
        }
        match (earliest, date) {
            (Some((index, next)), date) if date.is_none_or(|date| next.instant <= date.instant) => {
                self.includes[index].taken = true;
                Some(next)
            }
            _ => self.dates.pop(),
        }
    }

    fn is_excluded(&mut self, moment: Moment) -> bool {
        while self.excluded.last().is_some_and(|instant| *instant < moment.instant) {
            self.excluded.pop();
        }
        if self.excluded.last() == Some(&moment.instant) {
            return true;
        }
        if !self.excluded_days.is_empty()
            && self.excluded_days.binary_search(&moment.local.div_euclid(DAY)).is_ok()
        {
            return true;
        }
        for head in &mut self.excludes {
            while head.peek(&mut self.steps).is_some_and(|next| next.instant < moment.instant) {
                head.taken = true;
            }
            if head.next.is_some_and(|next| next.instant == moment.instant) {
                return true;
            }
        }
        false
    }
}

impl<Z: ZoneRules> Iterator for Expansion<'_, Z> {
    type Item = Instance;

    fn next(&mut self) -> Option<Instance> {
        while !self.ended {
            let Some(moment) = self.pop() else { break };
            if moment.instant >= self.window.1 {
                break;
            }
            let repeated = moment.instant == self.last;
            self.last = moment.instant;
            if moment.instant < self.window.0 || repeated || self.is_excluded(moment) {
                continue;
            }
            if self.steps.exceeded() {
                break;
            }
            if self.instances_left == 0 {
                self.report.stopped = Some(LimitReached::Instances);
                break;
            }
            self.instances_left -= 1;
            return Some(self.set.instance(moment));
        }
        self.ended = true;
        None
    }
}
