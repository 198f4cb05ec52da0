//! A simulation as data: what is joined, and everything that happens to it, in order.
//!
//! A script is drawn from a seed without looking at the world it will run in: whom an edit hits follows from what is there when
//! it is carried out. So any step can be taken out and the rest still means something, which is what shrinking needs.

use calsync_core::{
    merge::{ConflictPolicy, DeletionPolicy},
    plan::Direction,
};
use serde::{Deserialize, Serialize};

use super::{fault::Fault, rng::Rng};

/// What is joined, and what happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// Where its randomness came from: of identifiers, and of planted bugs.
    pub seed: u64,
    /// What is joined.
    pub setup: Setup,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// What is joined with what, and who works on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// The links of the one calendar.
    pub links: Vec<LinkSetup>,
    /// How many workers share the links.
    pub workers: u8,
    /// Hours by which the clocks of all workers but the first are ahead.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skew: i8,
    /// Deletions one run may carry out without being asked; `None` is no brake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brake: Option<usize>,
    /// Rows the store likes to be asked for at once; `None`: as many as any store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
}

/// One link and the provider at its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSetup {
    /// How the provider behaves.
    pub dialect: Dialect,
    /// Which way changes go.
    pub direction: Direction,
    /// Who wins.
    pub policy: ConflictPolicy,
    /// What becomes of an event one side deleted and the other edited.
    #[serde(default)]
    pub deletions: DeletionPolicy,
    /// Items on a page, and names in a fetch.
    pub page: u8,
    /// Whether the server stores text in a form of its own.
    #[serde(default)]
    pub rewrites: bool,
    /// What is at the other end.
    #[serde(default, skip_serializing_if = "RemoteKind::is_model")]
    pub remote: RemoteKind,
}

/// What is at the other end of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemoteKind {
    /// A model of a provider with its server.
    #[default]
    Model,
    /// The emulator, with the real provider before it. Without [`Options::connect`](super::Options::connect) there is no
    /// such provider, and the model stands in.
    Emulator,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(hours: &i8) -> bool {
    *hours == 0
}

impl RemoteKind {
    fn is_model(&self) -> bool {
        *self == Self::Model
    }
}

/// What simulations are drawn against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remotes {
    /// Models of providers.
    #[default]
    Model,
    /// Google's emulator and the real provider.
    Google,
    /// Microsoft's emulator and the real provider.
    Microsoft,
    /// Either of the two, link by link.
    Emulators,
}

/// How a provider behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Names from the client, etags, sync tokens, multiget; a UID once per calendar.
    CalDav,
    /// Ids from the client that are never free again, pages with content, a written item in the answer, series written in
    /// more than one request.
    Google,
    /// Listings without versions, writes answered without one, fields that cannot be held.
    Graph,
    /// A feed: everything, every time, nothing can be written.
    Feed,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A worker goes on, to so many awaits further; an idle one begins a run.
    Run {
        /// Which.
        worker: u8,
        /// How far.
        awaits: u8,
    },
    /// A worker dies where it is; its memory is lost.
    Crash {
        /// Which.
        worker: u8,
    },
    /// Time passes.
    Pass {
        /// How much; back when negative.
        seconds: i32,
    },
    /// Somebody edits something: side 0 is the calendar, side `n` the provider of link `n - 1`.
    Edit {
        /// Where.
        side: u8,
        /// What.
        edit: Edit,
        /// Which event, modulo how many there are.
        pick: u16,
    },
    /// The next call that fits goes wrong.
    Fault {
        /// How.
        fault: Fault,
    },
    /// A server does what servers do.
    Server {
        /// The link.
        link: u8,
        /// What.
        quirk: Quirk,
        /// Which item, modulo how many there are.
        pick: u16,
    },
    /// A person approves the deletions the last run of a worker held back.
    Approve {
        /// The worker.
        worker: u8,
    },
}

/// What a person does to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// A new event.
    Create,
    /// A new series.
    CreateSeries,
    /// A new all-day event.
    CreateAllDay,
    /// The same event arrives on two sides by different ways.
    CreateBoth,
    /// Its title.
    Title,
    /// Its place.
    Location,
    /// Its notes.
    Description,
    /// Its link.
    Url,
    /// A category more.
    Category,
    /// When it takes place.
    Move,
    /// The place of one instance.
    Instance,
    /// One instance is called off.
    Exclude,
    /// It is deleted.
    Delete,
    /// A deleted one is brought back (only in the calendar).
    BringBack,
    /// It loses its place.
    Clear,
    /// How often a series repeats; what is said of instances it has no more goes.
    Rule,
    /// "This and following": the series ends before an instance, and another one begins there.
    Split,
    /// All of a side is deleted, or all but one.
    DeleteMost,
}

/// What servers do by themselves, or let others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quirk {
    /// All cursors given out so far die.
    ForgetCursors,
    /// An item gets a new version with the same content.
    Touch,
    /// An item gets another name.
    Rename,
    /// An item becomes unreadable.
    Garble,
    /// The unreadable items become readable again.
    Mend,
}

const POLICIES: [ConflictPolicy; 6] = [
    ConflictPolicy::RemoteWins,
    ConflictPolicy::LocalWins,
    ConflictPolicy::NewestWins,
    ConflictPolicy::KeepBoth,
    ConflictPolicy::Manual,
    ConflictPolicy::Resolver,
];

const DELETIONS: [DeletionPolicy; 7] = [
    DeletionPolicy::ByConflicts,
    DeletionPolicy::ByConflicts,
    DeletionPolicy::ByConflicts,
    DeletionPolicy::KeepEdit,
    DeletionPolicy::Delete,
    DeletionPolicy::RemoteWins,
    DeletionPolicy::LocalWins,
];

/// Which simulations are drawn.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Only this provider.
    pub dialect: Option<Dialect>,
    /// What is at the other ends.
    pub remotes: Remotes,
}

impl Script {
    /// Draws a script: every seed enables its own subset of faults and events, at its own rates.
    pub fn draw(seed: u64, profile: &Profile) -> Self {
        let mut rng = Rng::new(seed ^ 0x5eed_0000_0000);
        let rng = &mut rng;
        let mut setup = Setup::draw(rng, profile);
        let faults: Vec<Fault> = Fault::ALL.into_iter().filter(|_| rng.per_mille(300)).collect();
        let rates = Rates {
            run: 400,
            edit: rng.one_of(&[30, 100, 200]),
            fault: if faults.is_empty() { 0 } else { rng.one_of(&[0, 15, 60]) },
            crash: rng.one_of(&[0, 8, 40]),
            pass: rng.one_of(&[10, 40]),
            server: rng.one_of(&[0, 8, 25]),
            approve: if setup.brake.is_some() { 20 } else { 0 },
        };
        let edits = Edits::draw(rng, &setup);
        let length = rng.one_of(&[25, 60, 60, 110]);
        let mut steps = Vec::with_capacity(length as usize + 4);
        for _ in 0..3 {
            steps.push(edits.step(rng, &setup));
        }
        for _ in 0..length {
            steps.push(rates.step(rng, &setup, &faults, &edits));
        }
        // Drawn last, so that all else of a seed is what it was before there was this.
        setup.rows = rng.per_mille(250).then(|| 2 + rng.below(4) as usize);
        Self { seed, setup, steps }
    }
}

impl Setup {
    fn draw(rng: &mut Rng, profile: &Profile) -> Self {
        let two = rng.per_mille(200);
        let mut links: Vec<LinkSetup> = (0..=u8::from(two)).map(|_| LinkSetup::draw(rng, profile)).collect();
        if two {
            // A hub that must not be written by one link and must by the other has no state both agree on.
            let direction = links[0].direction;
            if direction == Direction::Import {
                links[1].direction = rng.one_of(&[Direction::Export, Direction::TwoWay]);
            } else if direction == Direction::Export {
                links[1].direction = Direction::TwoWay;
            }
            if links[1].dialect == Dialect::Feed {
                links[1].dialect = Dialect::CalDav;
            }
        }
        Self {
            links,
            workers: rng.one_of(&[1, 1, 2]),
            skew: if rng.per_mille(200) { rng.one_of(&[48, -48]) } else { 0 },
            brake: if rng.per_mille(300) { Some(rng.one_of(&[1, 2, 10, 10])) } else { None },
            rows: None,
        }
    }
}

impl LinkSetup {
    /// Whether the link copies what is near only: events at an hour, once some days have passed, and none of those of a day.
    pub(crate) fn has_window(&self) -> bool {
        self.direction == Direction::Export && self.page == 5
    }

    fn draw(rng: &mut Rng, profile: &Profile) -> Self {
        use Dialect::{CalDav, Feed, Google, Graph};
        let drawn = rng.one_of(&[CalDav, CalDav, CalDav, Google, Google, Google, Graph, Graph, Graph, Feed]);
        let dialect = match profile.remotes {
            Remotes::Model => profile.dialect.unwrap_or(drawn),
            Remotes::Google => Google,
            Remotes::Microsoft => Graph,
            Remotes::Emulators => rng.one_of(&[Google, Graph]),
        };
        let direction = rng.one_of(&[
            Direction::TwoWay,
            Direction::TwoWay,
            Direction::TwoWay,
            Direction::TwoWay,
            Direction::Import,
            Direction::Export,
        ]);
        Self {
            dialect,
            direction: if dialect == Feed { Direction::Import } else { direction },
            policy: rng.one_of(&POLICIES),
            deletions: rng.one_of(&DELETIONS),
            page: rng.one_of(&[2, 5, 100]),
            rewrites: rng.per_mille(300) && profile.remotes == Remotes::Model,
            remote: match profile.remotes {
                Remotes::Model => RemoteKind::Model,
                _ => RemoteKind::Emulator,
            },
        }
    }
}

/// How often what happens, in parts of their sum.
struct Rates {
    run: u32,
    edit: u32,
    fault: u32,
    crash: u32,
    pass: u32,
    server: u32,
    approve: u32,
}

impl Rates {
    fn step(&self, rng: &mut Rng, setup: &Setup, faults: &[Fault], edits: &Edits) -> Step {
        let all = [self.run, self.edit, self.fault, self.crash, self.pass, self.server, self.approve];
        let mut at = rng.below(all.iter().sum());
        let mut what = 0;
        for rate in all {
            if at < rate {
                break;
            }
            at -= rate;
            what += 1;
        }
        let worker = u8::try_from(rng.below(u32::from(setup.workers))).unwrap_or(0);
        let pick = u16::try_from(rng.below(1 << 16)).unwrap_or(0);
        match what {
            0 => Step::Run { worker, awaits: rng.one_of(&[1, 2, 3, 5, 8, 13, 40]) },
            1 => edits.step(rng, setup),
            2 => Step::Fault { fault: rng.one_of(faults) },
            3 => Step::Crash { worker },
            4 => Step::Pass { seconds: rng.one_of(&[1, 4, 12, 90, 1000, 100_000, -50, -172_800]) },
            5 => {
                use Quirk::{ForgetCursors, Garble, Mend, Rename, Touch};
                let link =
                    u8::try_from(rng.below(u32::try_from(setup.links.len()).unwrap_or(1))).unwrap_or(0);
                Step::Server { link, quirk: rng.one_of(&[ForgetCursors, Touch, Rename, Garble, Mend]), pick }
            }
            _ => Step::Approve { worker },
        }
    }
}

/// Which edits people make in this script.
struct Edits(Vec<Edit>);

impl Edits {
    fn draw(rng: &mut Rng, setup: &Setup) -> Self {
        use Edit::*;
        let mut all = vec![Create, Create, Title, Location, Delete];
        for edit in [
            CreateSeries,
            CreateSeries,
            CreateAllDay,
            CreateBoth,
            Title,
            Location,
            Description,
            Url,
            Category,
            Move,
            Instance,
            Instance,
            Exclude,
            Delete,
            BringBack,
            Clear,
            Rule,
            Split,
        ] {
            if rng.per_mille(600) {
                all.push(edit);
            }
        }
        if setup.brake.is_some() {
            all.push(DeleteMost);
        }
        Self(all)
    }

    fn step(&self, rng: &mut Rng, setup: &Setup) -> Step {
        let sides = u32::try_from(setup.links.len()).unwrap_or(1) + 1;
        Step::Edit {
            side: u8::try_from(rng.below(sides)).unwrap_or(0),
            edit: rng.one_of(&self.0),
            pick: u16::try_from(rng.below(1 << 16)).unwrap_or(0),
        }
    }
}
