//! The planted bugs, and whether anybody notices them; the checks, and whether each of them notices any bug by itself.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use calsync_testkit::sim::{
    Deaths, Law, Options, Plant, Profile, Script, Violation, crash_everywhere, play, scenarios,
};

use crate::{
    Mutants, StoreKind, table,
    tokens::{self, Promise},
};

/// `true` when every bug was noticed, and every check noticed one.
pub(crate) fn run(options: &Mutants) -> bool {
    let plants = noticed(options);
    // Who looks for one bug does not ask what the checks see.
    plants && (options.only.is_some() || alone(options.seeds))
}

/// Does something for each of `items`, on all cores.
fn each<T: Sync, R: Clone + Send>(items: &[T], does: impl Fn(&T) -> Option<R> + Sync) -> Vec<Option<R>> {
    let done: Mutex<Vec<Option<R>>> = Mutex::new(vec![None; items.len()]);
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((place, item)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    items.get(place).map(|item| (place, item))
                } {
                    let result = does(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner)[place] = result;
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Plants each bug and looks for the first seed that notices it.
fn noticed(options: &Mutants) -> bool {
    let wanted = |plant: &&Plant| {
        options
            .only
            .as_ref()
            .is_none_or(|only| format!("{plant:?}").to_lowercase().contains(&only.to_lowercase()))
    };
    let plants: Vec<Plant> = Plant::ALL.iter().filter(wanted).copied().collect();
    let start = Instant::now();
    let found = each(&plants, |plant| first(*plant, options.seeds));
    for (plant, found) in plants.iter().zip(&found) {
        let plant_name = table::name(&format!("{plant:?}"));
        match found {
            Some((seed, violation)) => {
                println!("killed   {plant_name:<24} seed {seed:>6}  {}", shown(violation));
            }
            None => println!("SURVIVED {plant_name:<24} {}", plant.says()),
        }
    }
    let mut killed = found.iter().flatten().count();
    let mut planted = plants.len();
    if options.only.as_ref().is_none_or(|only| "tokensnotkept".contains(&only.to_lowercase())) {
        planted += 1;
        match not_kept(options.seeds) {
            Some((seed, what)) => {
                println!("killed   {:<24} seed {seed:>6}  I26: {what}", "tokens not kept");
                killed += 1;
            }
            None => println!("SURVIVED {:<24} tokens are in use that the store lost", "tokens not kept"),
        }
    }
    println!("\n{killed} of {planted} planted bugs killed in {:.1} s\n", start.elapsed().as_secs_f64());
    killed == planted
}

/// Tokens that are given out and not kept: by the only check that is asked there.
fn not_kept(seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| Some((seed, tokens::play(seed, Promise::Broken).err()?)))
}

fn shown(violation: &Violation) -> String {
    format!("{:?}: {}", violation.law, violation.what.chars().take(100).collect::<String>())
}

fn first(plant: Plant, seeds: u64) -> Option<(u64, Violation)> {
    let options = Options { plant: Some(plant), ..Options::default() };
    (0..seeds).find_map(|seed| Some((seed, broken(seed, options)?)))
}

fn broken(seed: u64, options: Options) -> Option<Violation> {
    let script = Script::draw(seed, &Profile::default());
    let outcome = play(&script, StoreKind::Memory.open(), options);
    if options.only == Some(Law::I29) {
        let again = play(&script, StoreKind::Memory.open(), options).trace;
        let what = "the same seed gives another trace".to_owned();
        return (again != outcome.trace).then_some(Violation { law: Law::I29, what });
    }
    outcome.violations.into_iter().next()
}

/// Lets one check at a time count, and looks for a bug it notices: none of them only repeats what another one says.
fn alone(seeds: u64) -> bool {
    let start = Instant::now();
    let seen = each(&Law::ALL, |law| sees(*law, seeds));
    for (law, seen) in Law::ALL.iter().zip(&seen) {
        match seen {
            Some((plant, at, what)) => {
                println!("{law:?} by itself sees {:<24} {at:<12} {what}", table::name(&format!("{plant:?}")));
            }
            None => println!("{law:?} SEES NOTHING: {}", law.says()),
        }
    }
    let tokens = not_kept(seeds);
    match &tokens {
        Some((seed, what)) => {
            println!("I26 by itself sees {:<24} {:<12} {what}", "tokens not kept", format!("seed {seed}"));
        }
        None => println!("I26 SEES NOTHING: {}", table::I26),
    }
    let (able, all) = (seen.iter().flatten().count() + usize::from(tokens.is_some()), seen.len() + 1);
    println!("\n{able} of {all} checks see a bug by themselves, in {:.1} s", start.elapsed().as_secs_f64());
    able == all
}

fn sees(law: Law, seeds: u64) -> Option<(Plant, String, String)> {
    let by = |plant: &Plant| Options { plant: Some(*plant), only: Some(law), ..Options::default() };
    let told = |violation: Violation| violation.what.chars().take(100).collect::<String>();
    if law == Law::I11 {
        return scenarios().iter().find_map(|scenario| {
            Plant::ALL.iter().find_map(|plant| {
                let open = || StoreKind::Memory.open();
                let crashes = crash_everywhere(scenario, &open, Deaths::Singles, by(plant));
                let (at, violation) = crashes.broken.into_iter().next()?;
                Some((*plant, at, format!("{}: {}", scenario.name, told(violation))))
            })
        });
    }
    // Seed by seed: most bugs are noticed by one of the first.
    (0..seeds / 20).find_map(|seed| {
        Plant::ALL
            .iter()
            .find_map(|plant| Some((*plant, format!("seed {seed}"), told(broken(seed, by(plant))?))))
    })
}
