//! One form for rules that mean the same, so that a provider's spelling is not taken for an edit.

use super::civil::{civil, day_number, weekday};
use super::rule::{Frequency, RecurrenceRule, Until, Weekday, WeekdayNum};
use super::set::SeriesStart;
use super::text::tidy;
use chrono::Timelike;

impl RecurrenceRule {
    /// The rule in the form that all rules with the same instances after this DTSTART share, as far as this knows:
    /// - lists sorted, values once; defaults left out; WKST only where it matters;
    /// - what the rule takes from DTSTART spelled out for days (`MONTHLY` on the 5th has `BYMONTHDAY=5`) and left out
    ///   for times;
    /// - `MONTHLY;INTERVAL=12` is YEARLY, `DAILY;INTERVAL=7` is WEEKLY, `DAILY;BYDAY=MO` is WEEKLY;
    /// - `BYDAY=MO;BYSETPOS=1` is `BYDAY=1MO`;
    /// - what RFC 5545 ignores is left out: times on an all-day series, ordinals in WEEKLY.
    ///
    /// An opaque rule is returned as it is. Two rules with different canonical forms may still mean the same.
    #[must_use]
    pub fn canonical<Z>(&self, start: &SeriesStart<Z>) -> Self {
        let mut rule = self.clone();
        if self.is_opaque() {
            return rule;
        }
        let (date, time) = match start {
            SeriesStart::Date(date) => (*date, None),
            SeriesStart::Floating(local) | SeriesStart::Zoned(local, _) => (local.date(), Some(local.time())),
        };
        let day = day_number(date);
        let (_, month, of_month) = civil(day);
        let own_weekday = WeekdayNum { weekday: Weekday::ALL[weekday(day) as usize], ordinal: None };

        rule.settle_times(time);
        rule.settle_lists();
        rule.settle_frequency(month, own_weekday);
        rule.spell_out(month, of_month, own_weekday);
        rule.settle_positions();
        let weeks_matter = match rule.frequency {
            Frequency::Weekly => {
                !rule.by_set_position.is_empty() || (rule.interval > 1 && rule.by_day != [own_weekday])
            }
            Frequency::Yearly => !rule.by_week_no.is_empty(),
            _ => false,
        };
        if !weeks_matter {
            rule.week_start = Weekday::Monday;
        }
        rule
    }

    /// Drops time parts that say what DTSTART says, and all of them from an all-day series.
    fn settle_times(&mut self, time: Option<chrono::NaiveTime>) {
        let Some(time) = time else {
            self.by_hour.clear();
            self.by_minute.clear();
            self.by_second.clear();
            self.until = self.until.map(|until| match until {
                Until::Date(date) => Until::Date(date),
                Until::Local(local) => Until::Date(local.date()),
                Until::Utc(instant) => Until::Date(instant.date_naive()),
            });
            return;
        };
        for second in &mut self.by_second {
            *second = (*second).min(59);
        }
        let says = |list: &[u8], own: u32| list.len() == 1 && u32::from(list[0]) == own;
        if self.frequency >= Frequency::Daily && says(&self.by_hour, time.hour()) {
            self.by_hour.clear();
        }
        if self.frequency >= Frequency::Hourly && says(&self.by_minute, time.minute()) {
            self.by_minute.clear();
        }
        if self.frequency >= Frequency::Minutely && says(&self.by_second, time.second()) {
            self.by_second.clear();
        }
    }

    fn settle_lists(&mut self) {
        if !self.has_ordinals() {
            for day in &mut self.by_day {
                day.ordinal = None;
            }
        }
        tidy(&mut self.by_second);
        tidy(&mut self.by_minute);
        tidy(&mut self.by_hour);
        tidy(&mut self.by_day);
        tidy(&mut self.by_month_day);
        tidy(&mut self.by_year_day);
        tidy(&mut self.by_week_no);
        tidy(&mut self.by_month);
        tidy(&mut self.by_set_position);
        tidy(&mut self.unknown);
        if self.frequency != Frequency::Yearly && self.by_month.len() == 12 {
            self.by_month.clear();
        }
    }

    fn settle_frequency(&mut self, month: u32, own_weekday: WeekdayNum) {
        let month = month as u8;
        let own_month = self.by_month.is_empty() || self.by_month.contains(&month);
        match self.frequency {
            Frequency::Monthly if self.interval.is_multiple_of(12) && own_month => {
                self.frequency = Frequency::Yearly;
                self.interval /= 12;
                self.by_month = vec![month];
            }
            Frequency::Daily if self.by_month_day.is_empty() && self.by_set_position.is_empty() => {
                if self.by_day.len() == 7 {
                    self.by_day.clear();
                }
                if self.interval.is_multiple_of(7) && self.by_day.is_empty() {
                    self.frequency = Frequency::Weekly;
                    self.interval /= 7;
                    self.by_day = vec![own_weekday];
                } else if self.interval == 1 && !self.by_day.is_empty() {
                    self.frequency = Frequency::Weekly;
                }
            }
            Frequency::Weekly
                if self.interval == 1 && self.by_day.len() == 7 && self.by_set_position.is_empty() =>
            {
                self.frequency = Frequency::Daily;
                self.by_day.clear();
            }
            _ => {}
        }
    }

    /// What the rule takes from DTSTART, as RFC 5545 3.3.10 has it.
    fn spell_out(&mut self, month: u32, of_month: u32, own_weekday: WeekdayNum) {
        let no_day = self.by_day.is_empty() && self.by_month_day.is_empty() && self.by_year_day.is_empty();
        match self.frequency {
            Frequency::Weekly if self.by_day.is_empty() => self.by_day = vec![own_weekday],
            Frequency::Yearly if no_day && !self.by_week_no.is_empty() => self.by_day = vec![own_weekday],
            Frequency::Yearly | Frequency::Monthly if no_day => {
                self.by_month_day = vec![of_month as i8];
                if self.frequency == Frequency::Yearly && self.by_month.is_empty() {
                    self.by_month = vec![month as u8];
                }
            }
            _ => {}
        }
    }

    /// `BYDAY=MO;BYSETPOS=2` within a month is `BYDAY=2MO`, where the month is the whole period and the time one.
    fn settle_positions(&mut self) {
        let one_time = self.by_hour.len() < 2 && self.by_minute.len() < 2 && self.by_second.len() < 2;
        let in_month = match self.frequency {
            Frequency::Monthly => true,
            Frequency::Yearly => {
                self.by_month.len() == 1 && self.by_week_no.is_empty() && self.by_year_day.is_empty()
            }
            _ => false,
        };
        let within = self.by_set_position.iter().all(|position| (-5..=5).contains(position));
        if let ([day], true, true, true, false) = (
            self.by_day.as_slice(),
            in_month && self.by_month_day.is_empty(),
            one_time,
            within,
            self.by_set_position.is_empty(),
        ) && day.ordinal.is_none()
        {
            let weekday = day.weekday;
            let ordinal = |position: i16| WeekdayNum { weekday, ordinal: i8::try_from(position).ok() };
            self.by_day = self.by_set_position.drain(..).map(ordinal).collect();
            tidy(&mut self.by_day);
        }
    }
}
