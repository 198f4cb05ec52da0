//! Which channels to open, prolong and end.

use std::time::Duration;

use calsync_core::store::Channel;
use chrono::{DateTime, TimeDelta, Utc};

use crate::http::pace::spread;

/// How a channel goes on past its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It does not: another one is opened beside it, and it is ended once that one is heard. Google.
    Replace,
    /// It is prolonged. Graph.
    Extend,
}

/// What holds for every channel of a provider.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ChannelOptions {
    /// How it goes on.
    pub renewal: Renewal,
    /// For how long one is asked for.
    pub lifetime: Duration,
    /// How long before its end it is renewed; of a channel that was granted for less than twice as long, half of what was
    /// granted. Up to a quarter earlier, so that channels opened together are not renewed together.
    pub lead: Duration,
    /// How long two channels stand beside each other before the older one is ended.
    pub overlap: Duration,
    /// After so long without a call a pull looks whether there was nothing to tell. Default: a day.
    pub probe_after: Duration,
    /// How long to wait after the first failure to open or prolong; twice as long after each. Default: one minute.
    pub retry: Duration,
}

impl ChannelOptions {
    /// Google: seven days, the most it grants.
    pub fn google() -> Self {
        Self {
            renewal: Renewal::Replace,
            lifetime: Duration::from_secs(7 * 86_400),
            lead: Duration::from_secs(86_400),
            overlap: Duration::from_secs(600),
            probe_after: Duration::from_secs(86_400),
            retry: Duration::from_secs(60),
        }
    }

    /// Graph: 4,200 minutes, less than any edition of its documentation allows.
    pub fn graph() -> Self {
        Self {
            renewal: Renewal::Extend,
            lifetime: Duration::from_secs(4_200 * 60),
            lead: Duration::from_secs(12 * 3600),
            ..Self::google()
        }
    }
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Open one, with a fresh id and secret.
    Open,
    /// Prolong this one. When the service does not know it any more, forget it.
    Prolong(String),
    /// End this one, and forget it.
    Stop(String),
    /// It has ended by itself: forget it.
    Forget(String),
    /// Nothing was heard of this one for long: pull, note [`Channel::probed`], and tell
    /// [`DeliveryHealth`](super::DeliveryHealth) what the pull found.
    Probe(String),
}

/// What to do now, and when to ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    /// Ask again then, if nothing happens before.
    pub next: DateTime<Utc>,
}

/// Plans the channels of one calendar. `failures` is how often opening or prolonging failed in a row, and when last; `salt`
/// tells calendars apart. The same question has the same answer: a worker that dies in between repeats nothing that the
/// next one would not do.
///
/// A provider that refuses to watch a calendar (a holiday calendar) is not asked: the host plans only what is watched.
pub fn plan(
    options: &ChannelOptions,
    channels: &[Channel],
    failures: (u32, DateTime<Utc>),
    salt: u64,
    now: DateTime<Utc>,
) -> Plan {
    let mut steps = Vec::new();
    let mut next = now + delta(options.lifetime);
    let mut ask_at = |time: DateTime<Utc>| {
        if time > now {
            next = next.min(time);
        }
    };
    let (over, live): (Vec<&Channel>, Vec<&Channel>) =
        channels.iter().partition(|channel| !channel.is_open(now));
    steps.extend(over.into_iter().map(|channel| Step::Forget(channel.watch.id.clone())));

    // Of several the one that lasts longest counts; equals by their names, so that every worker picks the same.
    let newest = live.iter().max_by_key(|channel| (channel.watch.expires, &channel.watch.id)).copied();
    let may_retry = match failures {
        (0, _) => now,
        (count, last) => {
            let doubled = options.retry.saturating_mul(1 << (count - 1).min(10));
            last + delta(spread(doubled.min(Duration::from_secs(3600)), salt.wrapping_add(count.into())))
        }
    };
    let renew = match newest {
        None => Some(Step::Open),
        Some(channel) => {
            let due = due(options, channel, salt);
            ask_at(due);
            (due <= now).then(|| match options.renewal {
                Renewal::Replace => Step::Open,
                Renewal::Extend => Step::Prolong(channel.watch.id.clone()),
            })
        }
    };
    match renew {
        Some(step) if may_retry <= now => steps.push(step),
        Some(_) => ask_at(may_retry),
        None => {}
    }
    if let Some(newest) = newest {
        // The old one goes once the new one has stood for a while: calls under way still find it.
        let settled = newest.since + delta(options.overlap);
        for old in live.iter().filter(|channel| channel.watch.id != newest.watch.id) {
            if settled <= now {
                steps.push(Step::Stop(old.watch.id.clone()));
            } else {
                ask_at(settled);
            }
        }
        let last = [Some(newest.since), newest.heard, newest.probed].into_iter().flatten().max();
        let probe = last.unwrap_or(newest.since) + delta(spread(options.probe_after, salt));
        if probe <= now {
            steps.push(Step::Probe(newest.watch.id.clone()));
        } else {
            ask_at(probe);
        }
    }
    Plan { steps, next }
}

/// When a channel is to be renewed.
fn due(options: &ChannelOptions, channel: &Channel, salt: u64) -> DateTime<Utc> {
    if channel.reauthorize {
        return channel.since;
    }
    let granted = (channel.watch.expires - channel.since).to_std().unwrap_or_default();
    // A quarter is added to what is not the whole of it.
    let lead = options.lead.min(granted * 2 / 5);
    channel.watch.expires - delta(spread(lead, salt))
}

fn delta(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::days(365))
}
