//! The planted bugs, and whether anybody notices them.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use calsync_testkit::sim::{Options, Plant, Profile, Script, Violation, play};

use crate::{Mutants, StoreKind, table};

/// Plants each bug and looks for the first seed that notices it. `true` when all were found.
pub(crate) fn run(options: &Mutants) -> bool {
    let wanted = |plant: &&Plant| {
        options
            .only
            .as_ref()
            .is_none_or(|only| format!("{plant:?}").to_lowercase().contains(&only.to_lowercase()))
    };
    let plants: Vec<Plant> = Plant::ALL.iter().filter(wanted).copied().collect();
    let found: Mutex<Vec<Option<(u64, Violation)>>> = Mutex::new(vec![None; plants.len()]);
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((place, plant)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    plants.get(place).map(|plant| (place, *plant))
                } {
                    let noticed = first(plant, options.seeds);
                    found.lock().unwrap_or_else(PoisonError::into_inner)[place] = noticed;
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (plant, found) in plants.iter().zip(&found) {
        match found {
            Some((seed, violation)) => println!(
                "killed   {:<24} seed {seed:>6}  {:?}: {}",
                table::name(&format!("{plant:?}")),
                violation.law,
                violation.what.chars().take(100).collect::<String>(),
            ),
            None => println!("SURVIVED {:<24} {}", table::name(&format!("{plant:?}")), plant.says()),
        }
    }
    let killed = found.iter().flatten().count();
    println!("\n{killed} of {} planted bugs killed in {:.1} s", plants.len(), start.elapsed().as_secs_f64());
    killed == plants.len()
}

fn first(plant: Plant, seeds: u64) -> Option<(u64, Violation)> {
    (0..seeds).find_map(|seed| {
        let script = Script::draw(seed, &Profile::default());
        let options = Options { plant: Some(plant), ..Options::default() };
        let violation = play(&script, StoreKind::Memory.open(), options).violations.into_iter().next()?;
        Some((seed, violation))
    })
}
