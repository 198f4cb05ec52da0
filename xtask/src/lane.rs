//! Steps beside others: another xtask runs some, and this one the rest. As a process of its own, what its steps print can be kept until
//! the end, and the folders they name after their process are not those of others.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::board::{Board, Doing, Outcome, failed};
use crate::process::{self, Guarded};
use crate::workspace;

/// Another xtask that runs until its steps are done, or until this is dropped.
pub(crate) struct Lane {
    name: String,
    running: Guarded,
    /// What it prints, both outputs in one.
    printed: PathBuf,
    rows: PathBuf,
}

impl Lane {
    /// Starts `command`, which gets one more argument: the file for the rows of its board.
    pub(crate) fn start(name: &str, command: &mut Command) -> Outcome<Self> {
        let folder = workspace::scratch("lanes")?;
        let [printed, rows] = ["log", "rows"].map(|what| folder.join(name).with_extension(what));
        // That of an earlier run would be taken for its own.
        if rows.exists() {
            fs::remove_file(&rows).doing(rows.display())?;
        }
        let out = File::create(&printed).doing(printed.display())?;
        let err = out.try_clone().doing(printed.display())?;
        let running = Guarded::spawn(command.arg(&rows), out.into(), err.into())?;
        println!("\n{name}: beside the steps from here on; what it prints is in {}", printed.display());
        Ok(Self { name: name.into(), running, printed, rows })
    }

    /// Waits for its end, shows what it printed but of what passed, and adds its rows to the board: a row more when it did not come to its
    /// end.
    pub(crate) fn finish(mut self, board: &mut Board) {
        let waited = Instant::now();
        let status = self.running.wait(process::NO_LIMIT);
        println!(
            "\n{}: beside the steps so far, and {:.1} s longer; all it printed is in {}",
            self.name,
            waited.elapsed().as_secs_f64(),
            self.printed.display()
        );
        match fs::read(&self.printed) {
            Ok(printed) => println!("{}", without_passed(&String::from_utf8_lossy(&printed)).trim_end()),
            Err(error) => println!("{}: {error}", self.printed.display()),
        }
        let ended = status.and_then(|status| {
            board.take(&self.rows)?;
            if status.success() { Ok(()) } else { failed(status.to_string()) }
        });
        if ended.is_err() {
            board.step(&self.name, || ended);
        }
    }
}

/// What a board printed, without what its steps printed that passed.
fn without_passed(printed: &str) -> String {
    let mut shown = String::new();
    let mut lines = printed.lines();
    while let Some(line) = lines.next() {
        let Some(step) = line.strip_prefix("=== ") else {
            shown.extend([line, "\n"]);
            continue;
        };
        let end = format!("--- {step}: ");
        let mut body = format!("{line}\n");
        for line in lines.by_ref() {
            body.extend([line, "\n"]);
            // A program may have left its colours, and no newline.
            if let Some((_, word)) = line.split_once(&end) {
                if word.starts_with("passed ") {
                    body = format!("{end}{word}\n");
                }
                break;
            }
        }
        shown.push_str(&body);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Stop;

    #[test]
    fn what_a_step_printed_that_passed_is_left_out() {
        let printed = "before\n=== a\n=== b\npanicked\n\u{1b}[0m--- a: passed (1.0 s)\nbetween\n=== b\nbroken\n\
            --- b: FAILED: why (2.0 s)\n=== c\nnothing\n--- c: skipped: why (0.0 s)\n=== d\ncut off";
        assert_eq!(
            without_passed(printed),
            "before\n--- a: passed (1.0 s)\nbetween\n=== b\nbroken\n--- b: FAILED: why (2.0 s)\n\
            === c\nnothing\n--- c: skipped: why (0.0 s)\n=== d\ncut off\n"
        );
    }

    /// A lane of shell: `$1` is the file for its rows.
    fn lane(name: &str, script: &str) -> Lane {
        let name = format!("test-{name}-{}", std::process::id());
        Lane::start(&name, Command::new("sh").args(["-c", script, "sh"])).unwrap()
    }

    const PASSED: &str = r#"[["there", 1.5, "passed", ""]]"#;
    const FAILED: &str = r#"[["there", 1.5, "failed", "broken"], ["later", 0.1, "passed", ""]]"#;

    /// How the whole ends when the lane does this and the step here that.
    fn whole(name: &str, script: &str, here: Outcome) -> String {
        let lane = lane(name, script);
        let files = [lane.printed.clone(), lane.rows.clone()];
        let mut board = Board::default();
        board.step("here", || here);
        lane.finish(&mut board);
        // One of them may not have been made.
        for file in files {
            let _ = fs::remove_file(file);
        }
        board.finish().map_or_else(|stop| stop.to_string(), |()| "passed".into())
    }

    #[test]
    fn a_failure_on_either_side_fails_the_whole_and_both_run_to_their_end() {
        let rows = |rows: &str| format!("sleep 0.2; printf '%s' '{rows}' > \"$1\"");
        assert_eq!(whole("both", &rows(PASSED), Ok(())), "passed");
        assert_eq!(whole("lane", &rows(FAILED), Ok(())), "1 of 3 steps failed");
        assert_eq!(whole("here", &rows(PASSED), failed("broken")), "1 of 2 steps failed");
        assert_eq!(whole("each", &rows(FAILED), failed("broken")), "2 of 3 steps failed");
    }

    #[test]
    fn a_lane_that_does_not_come_to_its_end_fails_the_whole() {
        assert_eq!(whole("none", "exit 0", Ok(())), "1 of 2 steps failed");
        let rows = format!("printf '%s' '{PASSED}' > \"$1\"; exit 3");
        assert_eq!(whole("code", &rows, Ok(())), "1 of 3 steps failed");
    }

    #[test]
    fn a_lane_that_skips_all_it_has_fails_nothing() {
        let rows = r#"printf '[["there", 0.0, "skipped", "no java"]]' > "$1""#;
        assert_eq!(whole("skips", rows, Ok(())), "passed");
        assert_eq!(whole("all", rows, Err(Stop::Skipped("no java".into()))), "no step ran");
    }

    #[test]
    fn a_lane_that_is_dropped_ends_with_what_it_started() {
        let lane = lane("drop", r#"sleep 60 & echo $! > "$1"; wait"#);
        let pid = loop {
            let written = fs::read_to_string(&lane.rows).unwrap_or_default();
            if written.ends_with('\n') {
                break written.trim().to_owned();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        fs::remove_file(&lane.printed).unwrap();
        fs::remove_file(&lane.rows).unwrap();
        drop(lane);
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        assert!(!stat.is_ok_and(|stat| !stat.contains(") Z ")));
    }
}
