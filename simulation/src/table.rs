//! The last words of a run.

use calsync_testkit::sim::{Fault, Law, Stats};

/// What I26 promises: it is looked at in plays of its own.
pub(crate) const I26: &str = "a refresh token that works is kept, or what came with it was given to nobody";

/// Prints what happened, and how often each promise was looked at; `tokens`: I26.
pub(crate) fn print(stats: &Stats, tokens: u64) {
    println!("\n{:<34}{:>14}", "awaits", stats.awaits);
    println!("{:<34}{:>14}", "runs", stats.runs);
    println!("{:<34}{:>14}", "crashes", stats.crashes);
    println!("{:<34}{:>14}", "edits by people", stats.edits);
    println!("{:<34}{:>14}", "writes to providers", stats.writes);
    println!("{:<34}{:>14}", "faults", stats.faults.iter().sum::<u64>());
    for (fault, count) in Fault::ALL.iter().zip(stats.faults) {
        println!("  {:<32}{count:>14}", name(&format!("{fault:?}")));
    }
    println!("checks");
    for (law, count) in Law::ALL.iter().zip(stats.checks) {
        if *law == Law::I27 {
            println!("  I26 {tokens:>12}  {I26}");
        }
        println!("  {law:?} {:>12}  {}", count, law.says());
    }
}

/// `CommitFails` as `commit fails`.
pub(crate) fn name(camel: &str) -> String {
    let mut words = String::new();
    for letter in camel.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}
