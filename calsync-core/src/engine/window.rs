//! The window of a link that copies: which part of a calendar is copied, by the clock of the run.
//!
//! Most of what enters or leaves a window does so because time passes, and nobody touches it. For each event that will, a
//! document is kept that is due when it does: a run asks for what is due, and looks at nothing else again.

use std::{collections::HashSet, ops::Range};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    EngineError,
    copies::{Copies, exported},
    pair::{Outcome, Pair},
    run::{Mode, PAGE, Run},
};
use crate::{
    model::{Event, EventId, LinkId, Status},
    plan::{Action, Evidence, Operation},
    recurrence::{ExpansionLimits, RuleEntry},
    store::{BaseState, Batch, Doc, DocQuery, EventRecord, OutboxEntry, OutboxOp, Write},
    zone::Zone,
};

/// Which part of a calendar is copied, by time. An event is in it when any of its instances has a part in it; a series is
/// copied as a whole then.
///
/// Both ends move with the clock of the run. An event that enters because time passes is copied by the next run, without
/// anybody touching it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CopyWindow {
    /// Where it begins. Default: 30 days back.
    pub from: WindowEdge,
    /// Where it ends. Default: 180 days ahead.
    pub to: WindowEdge,
    /// What becomes of the copy of an event that is in it no more. Default: it stays.
    pub leaving: Leaving,
}

impl Default for CopyWindow {
    fn default() -> Self {
        Self { from: WindowEdge::Days(-30), to: WindowEdge::Days(180), leaving: Leaving::default() }
    }
}

/// An end of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowEdge {
    /// So many times 24 hours from now; negative: back. From -36600 to 36600.
    Days(i32),
    /// The beginning of the month that is so many from this one, by the clock of [`CopyRules::zone`](super::CopyRules). From
    /// -1200 to 1200.
    MonthStart(i32),
    /// The end of that month.
    MonthEnd(i32),
}

/// What becomes of the copy of an event that is in the window no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaving {
    /// It stays, and follows its event as before: the window says what is copied, not what is deleted.
    #[default]
    Stay,
    /// It is deleted where the copy is; the event is not. Copies that time takes out of the window do not count against the
    /// link's guard, unless the clock has moved by more than the whole window since the last run. What an edit or another
    /// window takes out counts.
    Go,
}

/// Beyond this nothing is looked for: a series without an instance for so long is looked at again then.
const FAR: TimeDelta = TimeDelta::days(3660);
/// Where the next instance of a series is looked for first.
const NEAR: TimeDelta = TimeDelta::days(400);
/// What is at an instant is past it so much later.
const MOMENT: TimeDelta = TimeDelta::milliseconds(1);
/// More events than these are not looked at in one run because time passed; the next takes the rest.
const DUE_MAX: usize = 200_000;

impl WindowEdge {
    /// Where it is at a time. `None`: beyond the years the clock knows.
    fn at(self, now: DateTime<Utc>, zone: &Zone) -> Option<DateTime<Utc>> {
        match self {
            Self::Days(days) => now.checked_add_signed(TimeDelta::days(days.into())),
            Self::MonthStart(_) | Self::MonthEnd(_) => {
                first_of(month_of(now, zone).checked_add(self.months())?, zone)
            }
        }
    }

    /// The first moment at which it is at a time or past it.
    fn reaches(self, time: DateTime<Utc>, zone: &Zone) -> Option<DateTime<Utc>> {
        match self {
            Self::Days(days) => time.checked_sub_signed(TimeDelta::days(days.into())),
            Self::MonthStart(_) | Self::MonthEnd(_) => {
                let month = month_of(time, zone);
                let begins = first_of(month, zone)? >= time;
                first_of(month.checked_add(i32::from(!begins))?.checked_sub(self.months())?, zone)
            }
        }
    }

    /// How many months the beginning of the month it is at is from this one.
    fn months(self) -> i32 {
        match self {
            Self::Days(_) => 0,
            Self::MonthStart(months) => months,
            Self::MonthEnd(months) => months.saturating_add(1),
        }
    }

    fn is_sane(self) -> bool {
        match self {
            Self::Days(days) => days.unsigned_abs() <= 36_600,
            Self::MonthStart(months) | Self::MonthEnd(months) => months.unsigned_abs() <= 1_200,
        }
    }
}

/// Months since the year 0.
fn month_of(time: DateTime<Utc>, zone: &Zone) -> i32 {
    let local = zone.to_local(time);
    local.year() * 12 + local.month0().cast_signed()
}

fn first_of(month: i32, zone: &Zone) -> Option<DateTime<Utc>> {
    let first = NaiveDate::from_ymd_opt(month.div_euclid(12), month.rem_euclid(12).unsigned_abs() + 1, 1)?;
    Some(zone.resolve(first.and_hms_opt(0, 0, 0)?))
}

impl CopyWindow {
    /// A window of days from now.
    pub fn days(back: i32, ahead: i32) -> Self {
        let (from, to) = (WindowEdge::Days(back.saturating_neg()), WindowEdge::Days(ahead));
        Self { from, to, ..Self::default() }
    }

    /// Sets what becomes of copies of events that are in it no more.
    #[must_use]
    pub fn with_leaving(mut self, leaving: Leaving) -> Self {
        self.leaving = leaving;
        self
    }

    /// What is wrong with it, if anything: no link runs with such a window.
    pub fn problem(&self) -> Option<&'static str> {
        if !self.from.is_sane() || !self.to.is_sane() {
            return Some("the window reaches further than a hundred years");
        }
        let order = |edge: WindowEdge| match edge {
            WindowEdge::Days(days) => days,
            _ => edge.months() * 30,
        };
        (order(self.from) >= order(self.to)).then_some("the window ends before it begins")
    }

    /// From when to when it is at a time.
    pub(super) fn at(&self, now: DateTime<Utc>, zone: &Zone) -> Range<DateTime<Utc>> {
        let from = self.from.at(now, zone).unwrap_or(DateTime::<Utc>::MIN_UTC);
        from..self.to.at(now, zone).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Whether an event has a part in it. One whose rules cannot be told has.
    pub(super) fn holds(&self, event: &Event, now: DateTime<Utc>, zone: &Zone) -> bool {
        any_in(event, self.at(now, zone), zone)
    }

    /// When an event outside enters it because time passes; `None`: never.
    pub(super) fn enters(&self, event: &Event, now: DateTime<Utc>, zone: &Zone) -> Option<DateTime<Utc>> {
        let end = self.at(now, zone).end;
        let (near, far) = (end.checked_add_signed(NEAR)?, end.checked_add_signed(FAR)?);
        let start = first_start(event, end..near, zone).or_else(|| first_start(event, near..far, zone));
        let next = match (start, begins(event, zone)?) {
            (Some(start), _) => start.max(end),
            (None, begins) if begins >= far => begins,
            (None, _) => is_endless(event).then_some(far)?,
        };
        self.to.reaches(next.checked_add_signed(MOMENT)?, zone).map(|at| at.max(now + MOMENT))
    }

    /// When an event inside has to be looked at again, because the last of what is in the window now leaves it then.
    pub(super) fn leaves(&self, event: &Event, now: DateTime<Utc>, zone: &Zone) -> Option<DateTime<Utc>> {
        let (instances, _) = event.instances(self.at(now, zone), zone, &ExpansionLimits::default());
        let last = instances.iter().map(|instance| {
            let (start, end) = (instance.time.start.instant(zone), instance.time.end.instant(zone));
            if start == end { end + MOMENT } else { end }
        });
        let last = last.max().or_else(|| begins(event, zone))?;
        self.from.reaches(last, zone).map(|at| at.max(now + MOMENT))
    }
}

fn any_in(event: &Event, window: Range<DateTime<Utc>>, zone: &Zone) -> bool {
    let near = window.start.checked_add_signed(TimeDelta::days(40)).unwrap_or(window.end).min(window.end);
    let near = window.start..near;
    // Most series have an instance in the first weeks.
    [near, window].into_iter().any(|window| {
        let (instances, report) = event.instances(window, zone, &ExpansionLimits::default());
        !instances.is_empty() || !report.is_complete()
    })
}

fn first_start(event: &Event, window: Range<DateTime<Utc>>, zone: &Zone) -> Option<DateTime<Utc>> {
    let (instances, _) = event.instances(window, zone, &ExpansionLimits::default());
    instances.iter().map(|instance| instance.time.start.instant(zone)).min()
}

fn begins(event: &Event, zone: &Zone) -> Option<DateTime<Utc>> {
    event.body().map(|body| body.time.start.instant(zone))
}

/// Whether nothing of an event is left to come, in whatever zone it is read.
pub(super) fn is_over(event: &Event, now: DateTime<Utc>) -> bool {
    let yesterday = now.checked_sub_signed(TimeDelta::days(1)).unwrap_or(now);
    !is_endless(event) && !any_in(event, yesterday..DateTime::<Utc>::MAX_UTC, &Zone::UTC)
}

/// Whether nothing of an event is there to be invited to: it is over, or it was cancelled.
pub(super) fn is_off(event: &Event, now: DateTime<Utc>) -> bool {
    is_over(event, now) || event.body().is_some_and(|body| body.status == Some(Status::Cancelled))
}

fn is_endless(event: &Event) -> bool {
    event.rules.iter().any(|rule| match rule {
        RuleEntry::Rule(rule) => rule.count.is_none() && rule.until.is_none(),
        RuleEntry::Opaque { .. } => false,
    })
}

/// The documents of a link: each is due when the event it is called by enters or leaves the window.
pub(super) fn space(link: &LinkId) -> String {
    format!("window/{link}")
}

impl Run<'_> {
    fn window(&self) -> Option<(CopyWindow, Zone)> {
        self.copies.and_then(Copies::window).map(|(window, zone)| (*window, zone.clone()))
    }

    /// Reads which events have entered or left since somebody last looked.
    pub(super) async fn load_due(&mut self) -> Result<(), EngineError> {
        if self.window().is_none() {
            return Ok(());
        }
        let (space, at) = (space(&self.link.id), self.started);
        let mut limit = PAGE;
        loop {
            let docs = self.engine.store.docs(&space, DocQuery::Due { at, limit }).await?;
            let all = docs.len() < limit;
            if all || docs.len() >= DUE_MAX {
                self.due = docs.into_iter().map(|doc| EventId::from(doc.key)).collect();
                return Ok(());
            }
            limit *= 4;
        }
    }

    /// Plans the events that enter or leave the window because time passed.
    pub(super) async fn plan_due(&mut self) -> Result<(), EngineError> {
        let due: Vec<EventId> = self.due.iter().cloned().collect();
        for ids in due.chunks(PAGE) {
            let records = self.engine.store.events(&self.link.calendar, ids).await?;
            let known: HashSet<&EventId> = records.iter().map(|record| &record.id).collect();
            let purged: Vec<Write> =
                ids.iter().filter(|id| !known.contains(id)).map(|id| self.nothing_due(id)).collect();
            if !purged.is_empty() && self.mode == Mode::Apply {
                self.commit(Batch { writes: purged, ..Batch::default() }).await?;
            }
            self.plan_local(records).await?;
        }
        Ok(())
    }

    /// Adds to what was decided about a pair when it is looked at next because of the window.
    pub(super) fn mark_due(&mut self, pair: &Pair<'_>, outcome: &mut Outcome) {
        let Some((window, zone)) = self.window() else { return };
        let Some(record) = pair.local else { return };
        if let Some(operation) = &mut outcome.operation
            && operation.evidence == Some(Evidence::OutsideWindow)
            && (self.renewed || !self.overlaps_last(&window, &zone))
        {
            // Not the time that passed took it out, or so much passed that a clock may be wrong: the guard has a say.
            operation.evidence = Some(Evidence::LeftOut);
        }
        if outcome.operation.as_ref().is_some_and(Operation::deletes) {
            // Looked at again once that is done: nobody else would, and it may enter again.
            if record.deleted.is_none() && !self.due.contains(&record.id) {
                outcome.writes.push(self.looked_at(&record.id, self.started));
            }
            return;
        }
        if outcome.needs_read.is_some() {
            // Until that is done, what is due stays due.
            return;
        }
        let creates = |outcome: &Outcome| {
            outcome.operation.as_ref().is_some_and(|operation| {
                matches!(operation.action, Action::CreateRemote | Action::Join | Action::RestoreRemote)
            })
        };
        let parted = pair.base.is_some_and(|base| base.state == BaseState::Suppressed);
        let there = pair.base.is_some() || creates(outcome);
        let write = if parted { self.not_due(&record.id) } else { self.next_look(record, there) };
        outcome.writes.extend(write);
        let is_outside = |copies: &Copies<'_>| copies.is_outside(&record.event, there, self.started);
        if !parted && record.deleted.is_none() && self.copies.is_some_and(is_outside) {
            self.outside.insert(record.id.clone());
        }
    }

    /// The same of an event whose write is decided and waits.
    pub(super) fn mark_waiting(&self, entry: &OutboxEntry, record: &EventRecord) -> Vec<Write> {
        if matches!(entry.op, OutboxOp::Delete { .. }) || !self.due.contains(&record.id) {
            return Vec::new();
        }
        self.next_look(record, true).into_iter().collect()
    }

    fn next_look(&self, record: &EventRecord, there: bool) -> Option<Write> {
        let (window, zone) = self.window()?;
        let (event, now) = (&record.event, self.started);
        let is_copied = record.deleted.is_none() && matches!(exported(self.copies, event), Ok(Some(_)));
        let next = match window.leaving {
            _ if !is_copied => None,
            Leaving::Stay if there => None,
            Leaving::Go if window.holds(event, now, &zone) => window.leaves(event, now, &zone),
            Leaving::Go if there => None,
            Leaving::Stay if window.holds(event, now, &zone) => None,
            Leaving::Stay | Leaving::Go => window.enters(event, now, &zone),
        };
        match next {
            Some(due) => Some(self.looked_at(&record.id, due)),
            None => self.not_due(&record.id),
        }
    }

    fn looked_at(&self, id: &EventId, due: DateTime<Utc>) -> Write {
        Write::PutDoc(Doc::new(space(&self.link.id), id.as_str(), Vec::new()).with_due(Some(due)))
    }

    pub(super) fn not_due(&self, id: &EventId) -> Option<Write> {
        self.due.contains(id).then(|| self.nothing_due(id))
    }

    fn nothing_due(&self, id: &EventId) -> Write {
        Write::DeleteDoc { space: space(&self.link.id), key: id.as_str().to_owned() }
    }

    /// Whether the window of the last run and that of this one have anything in common.
    fn overlaps_last(&self, window: &CopyWindow, zone: &Zone) -> bool {
        self.state.last_success.is_some_and(|last| {
            let (last, now) = (window.at(last, zone), window.at(self.started, zone));
            last.start < now.end && now.start < last.end
        })
    }
}
