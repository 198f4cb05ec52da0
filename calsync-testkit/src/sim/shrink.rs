//! From a script that fails to the shortest one found that still fails.

use super::script::{LinkSetup, Script, Setup, Step};

/// Takes steps out and settings back to plain ones, as long as `fails` says that what is left still fails.
pub fn shrink(script: &Script, fails: impl Fn(&Script) -> bool) -> Script {
    let mut best = script.clone();
    loop {
        let before = best.clone();
        fewer_steps(&mut best, &fails);
        plainer_setup(&mut best, &fails);
        shorter_runs(&mut best, &fails);
        if best == before {
            return best;
        }
    }
}

fn fewer_steps(best: &mut Script, fails: &impl Fn(&Script) -> bool) {
    let mut size = (best.steps.len() / 2).max(1);
    loop {
        let mut at = 0;
        while at < best.steps.len() {
            let mut shorter = best.clone();
            shorter.steps.drain(at..(at + size).min(best.steps.len()));
            if fails(&shorter) {
                *best = shorter;
            } else {
                at += size;
            }
        }
        if size == 1 {
            return;
        }
        size /= 2;
    }
}

fn plainer_setup(best: &mut Script, fails: &impl Fn(&Script) -> bool) {
    let mut attempt = |change: &dyn Fn(&mut Setup)| {
        let mut plainer = best.clone();
        change(&mut plainer.setup);
        if plainer != *best && fails(&plainer) {
            *best = plainer;
        }
    };
    attempt(&|setup| setup.links.truncate(1));
    attempt(&|setup| setup.workers = 1);
    attempt(&|setup| setup.skew = 0);
    attempt(&|setup| setup.brake = None);
    for link in 0..2 {
        let plain = |change: &dyn Fn(&mut LinkSetup), setup: &mut Setup| {
            if let Some(link) = setup.links.get_mut(link) {
                change(link);
            }
        };
        attempt(&|setup| plain(&|link| link.rewrites = false, setup));
        attempt(&|setup| plain(&|link| link.page = 100, setup));
    }
}

fn shorter_runs(best: &mut Script, fails: &impl Fn(&Script) -> bool) {
    for place in 0..best.steps.len() {
        let Step::Run { worker, awaits } = best.steps[place] else { continue };
        let more_awaits = [1, awaits / 2, awaits.saturating_sub(1)];
        for awaits in more_awaits.into_iter().filter(|fewer| *fewer > 0 && *fewer < awaits) {
            let mut shorter = best.clone();
            shorter.steps[place] = Step::Run { worker, awaits };
            if fails(&shorter) {
                *best = shorter;
                break;
            }
        }
    }
    // Two runs of one worker in a row are one.
    let mut place = 1;
    while place < best.steps.len() {
        if let (Step::Run { worker: a, awaits: n }, Step::Run { worker: b, awaits: m }) =
            (best.steps[place - 1], best.steps[place])
            && a == b
            && let Some(awaits) = n.checked_add(m)
        {
            let mut shorter = best.clone();
            shorter.steps.remove(place);
            shorter.steps[place - 1] = Step::Run { worker: a, awaits };
            if fails(&shorter) {
                *best = shorter;
                continue;
            }
        }
        place += 1;
    }
}
