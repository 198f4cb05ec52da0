//! One seed or one file, with everything that happened.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

#[cfg(feature = "emulators")]
use calsync_testkit::sim::Connect;
use calsync_testkit::sim::{Law, Options, Outcome, Script, Violation, play, shrink};

use crate::{RemoteKind, Simulate, StoreKind};

/// How scripts are played here: links to emulators have their real providers.
pub(crate) fn with_providers() -> Options {
    #[cfg(feature = "emulators")]
    let connect = Some(crate::connect::connect as Connect);
    #[cfg(not(feature = "emulators"))]
    let connect = None;
    Options { connect, ..Options::default() }
}

/// Plays a script. A panic of the engine is a promise that was broken, and not the end of all other plays.
pub(crate) fn attempt(script: &Script, store: StoreKind, options: Options) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| play(script, store.open(), options))) {
        Ok(outcome) => outcome,
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
            Outcome {
                violations: vec![Violation { law: Law::I28, what: format!("a panic: {said}") }],
                ..Outcome::default()
            }
        }
    }
}

/// Replays and prints the trace. `true` when nothing was broken.
pub(crate) fn run(options: &Simulate) -> bool {
    let script = match (&options.script, options.seed) {
        (Some(path), _) => match read(path) {
            Ok(script) => script,
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                return false;
            }
        },
        (None, seed) => Script::draw(seed.unwrap_or_default(), &options.profile()),
    };
    let outcome = traced(&script, options.store);
    print!("{}", outcome.lines);
    if outcome.violations.is_empty() {
        println!("nothing broken; trace {:016x}", outcome.trace);
        return true;
    }
    if options.seed.is_some() {
        report(&script, &outcome.violations, options);
    } else {
        show(&outcome.violations);
    }
    false
}

fn read(path: &Path) -> Result<Script, Box<dyn std::error::Error>> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

fn traced(script: &Script, store: StoreKind) -> Outcome {
    attempt(script, store, Options { traced: true, ..with_providers() })
}

fn show(violations: &[Violation]) {
    for violation in violations {
        println!("{:?}: {} ({})", violation.law, violation.what, violation.law.says());
    }
}

/// The command that plays one seed again, as these options drew it.
pub(crate) fn command(seed: u64, options: &Simulate) -> String {
    let dialect =
        options.dialect.map_or_else(String::new, |dialect| format!(" --dialect {dialect:?}").to_lowercase());
    let remote = match options.remote {
        RemoteKind::Model => String::new(),
        #[allow(unreachable_patterns, reason = "there are others with the feature `emulators`")]
        other => format!(" --remote {}", other.name()),
    };
    format!("replay: cargo xtask simulate --seed {seed} --store {}{dialect}{remote}", options.store.name())
}

/// Shrinks what failed, writes it down and says how to replay it.
pub(crate) fn report(script: &Script, violations: &[Violation], options: &Simulate) {
    let Some(first) = violations.first() else { return };
    let fails = |script: &Script| {
        let outcome = attempt(script, options.store, with_providers());
        outcome.violations.first().is_some_and(|found| found.law == first.law)
    };
    let small = shrink(script, fails);
    println!(
        "\nseed {} breaks a promise, {} steps, {} when shrunk:",
        script.seed,
        script.steps.len(),
        small.steps.len()
    );
    show(violations);
    println!("  {:?}", small.setup);
    for step in &small.steps {
        println!("  {step:?}");
    }
    println!("{}", command(script.seed, options));
    let path = options.out.join(format!("seed-{}-{:?}.json", script.seed, first.law).to_lowercase());
    let written = fs::create_dir_all(&options.out)
        .and_then(|()| fs::write(&path, serde_json::to_string_pretty(&small).unwrap_or_default() + "\n"));
    match written {
        Ok(()) => println!(
            "shrunk: cargo xtask simulate --script {} --store {}",
            path.display(),
            options.store.name()
        ),
        Err(error) => println!("{}: {error}", path.display()),
    }
}
