//! Bursts.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

/// How bursts are waited for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HintOptions {
    /// So long after the last call a link is pulled. Default: 5 s.
    pub quiet: Duration,
    /// At the latest so long after the first one. Default: 30 s.
    pub most: Duration,
}

impl Default for HintOptions {
    fn default() -> Self {
        Self { quiet: Duration::from_secs(5), most: Duration::from_secs(30) }
    }
}

/// Links that have news. Somebody who drags an event about, and our own writes that come back as news, are one pull.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    options: HintOptions,
    /// The first and the last call, by link.
    waiting: BTreeMap<String, (DateTime<Utc>, DateTime<Utc>)>,
}

impl Hints {
    /// None so far.
    pub fn new(options: HintOptions) -> Self {
        Self { options, waiting: BTreeMap::new() }
    }

    /// There is news for a link.
    pub fn hint(&mut self, link: &str, now: DateTime<Utc>) {
        match self.waiting.get_mut(link) {
            // A clock that was set back must not make anybody wait for longer.
            Some((first, last)) => (*first, *last) = ((*first).min(now), now),
            None => {
                self.waiting.insert(link.to_owned(), (now, now));
            }
        }
    }

    /// The links to be pulled now; they wait no longer. News that come during their pull make them wait again.
    pub fn due(&mut self, now: DateTime<Utc>) -> Vec<String> {
        let options = self.options;
        let due: Vec<String> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| ready(options, **waiting) <= now)
            .map(|(link, _)| link.clone())
            .collect();
        for link in &due {
            self.waiting.remove(link);
        }
        due
    }

    /// When there is something to be pulled next.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.waiting.values().map(|waiting| ready(self.options, *waiting)).min()
    }
}

fn ready(options: HintOptions, (first, last): (DateTime<Utc>, DateTime<Utc>)) -> DateTime<Utc> {
    let after = |time: DateTime<Utc>, wait| time + TimeDelta::from_std(wait).unwrap_or(TimeDelta::hours(1));
    after(last, options.quiet).min(after(first, options.most))
}
