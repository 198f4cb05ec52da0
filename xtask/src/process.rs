//! Child processes that end in time, and that never outlive xtask.
//!
//! Every child runs in its own process group under a few lines of shell holding a pipe from xtask. When xtask ends, however
//! it ends (Ctrl-C and SIGKILL included), the pipe closes and the group is told to end. A kill-on-drop alone would
//! leave servers behind whenever xtask is not given the time to drop.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::board::{Doing, Outcome, failed};
use crate::workspace;

/// For commands that take as long as they take.
pub(crate) const NO_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Runs `"$@"` with no input, passes its exit code on, and ends the whole group once the pipe on standard input closes.
const GUARD: &str = r#"exec 3<&0
(read -r _ <&3; kill -s TERM 0) &
"$@" </dev/null 3<&-
code=$?
kill $! 2>/dev/null
wait $! 2>/dev/null
exit $code"#;

/// Ends the process group `$1`: politely, and after five seconds for good.
const END_GROUP: &str = r#"kill -s TERM -- "-$1" 2>/dev/null
tries=0
while kill -s 0 -- "-$1" 2>/dev/null && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -s KILL -- "-$1" 2>/dev/null
exit 0"#;

/// `cargo`, the one that runs us, in the workspace's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root());
    command
}

/// A running child with everything it started. Dropping it ends the whole group.
pub(crate) struct Guarded {
    child: Child,
}

impl Guarded {
    /// Starts `command`. Its standard input is empty; its outputs are as `command` says.
    pub(crate) fn spawn(command: &Command, stdout: Stdio, stderr: Stdio) -> Outcome<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "xtask"]).arg(command.get_program()).args(command.get_args());
        if let Some(dir) = command.get_current_dir() {
            shell.current_dir(dir);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let child = shell
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .doing(format_args!("cannot start {}", show(command)))?;
        Ok(Self { child })
    }

    /// The exit status, when it has ended.
    pub(crate) fn ended(&mut self) -> Outcome<Option<ExitStatus>> {
        self.child.try_wait().doing("cannot wait for a child")
    }

    /// Waits for its end, so long at most.
    pub(crate) fn wait(&mut self, limit: Duration) -> Outcome<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return failed(format!("still running after {} s", limit.as_secs()));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its standard output, when that was piped.
    pub(crate) fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The shell ends at once when its pipe closes, and is reaped here: as a zombie it would keep the group alive.
        drop(self.child.stdin.take());
        if let Err(stop) = self.wait(Duration::from_secs(5)) {
            eprintln!("process {}: {stop}", self.child.id());
        }
        end_group(self.child.id());
        if let Err(error) = self.child.wait() {
            eprintln!("cannot wait for process {}: {error}", self.child.id());
        }
    }
}

/// Ends a process group and waits until it is gone.
pub(crate) fn end_group(group: u32) {
    let ended = Command::new("sh").args(["-c", END_GROUP, "xtask", &group.to_string()]).status();
    if let Err(error) = ended {
        eprintln!("cannot end process group {group}: {error}");
    }
}

/// Runs a command to its end and shows its output. Fails on a non-zero exit and past `limit`; where nobody watches, the reason ends with
/// the [last lines](last_lines) of the output.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Outcome {
    if std::io::stdout().is_terminal() {
        let shown = show(command);
        println!("$ {shown}");
        let status =
            Guarded::spawn(command, Stdio::inherit(), Stdio::inherit())?.wait(limit).doing(&shown)?;
        return if status.success() { Ok(()) } else { failed(format!("{shown}: {status}")) };
    }
    let (outcome, printed) = run_and_keep(command, limit);
    outcome.or_else(|stop| failed(format!("{stop}\n{}", last_lines(&printed))))
}

/// As much of the end of an output as a person looks at first.
pub(crate) fn last_lines(printed: &str) -> &str {
    const LINES: usize = 100;
    let printed = printed.trim_end();
    let start = printed.rmatch_indices('\n').nth(LINES - 1).map_or(0, |(newline, _)| newline + 1);
    &printed[start..]
}

/// Runs a command to its end as [`run`] does, and returns what it printed on both outputs, in its order.
pub(crate) fn run_and_keep(command: &mut Command, limit: Duration) -> (Outcome, String) {
    println!("$ {}", show(command));
    keep(command, limit, |line| println!("{line}"))
}

/// The same with nothing on the terminal but what `see` makes of each line.
pub(crate) fn keep(
    command: &Command,
    limit: Duration,
    see: impl Fn(&str) + Send + 'static,
) -> (Outcome, String) {
    let shown = show(command);
    let mut merged = Command::new("sh");
    merged.args(["-c", r#"exec "$0" "$@" 2>&1"#]).arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        merged.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => merged.env(name, value),
            None => merged.env_remove(name),
        };
    }
    let mut kept = String::new();
    let mut running = match Guarded::spawn(&merged, Stdio::piped(), Stdio::inherit()) {
        Ok(running) => running,
        Err(stop) => return (Err(stop), kept),
    };
    let pipe = running.stdout();
    let reader = thread::spawn(move || {
        let mut kept = String::new();
        for line in pipe.into_iter().flat_map(|pipe| BufReader::new(pipe).split(b'\n')).map_while(Result::ok)
        {
            let line = String::from_utf8_lossy(&line);
            see(&line);
            kept.push_str(&line);
            kept.push('\n');
        }
        kept
    });
    let status = running.wait(limit).doing(&shown);
    drop(running);
    if let Ok(lines) = reader.join() {
        kept = lines;
    }
    let outcome = match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => failed(format!("{shown}: {status}")),
        Err(stop) => Err(stop),
    };
    (outcome, kept)
}

/// Runs a command and returns what it printed on standard output. Fails on a non-zero exit and past `limit`.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Outcome<String> {
    let shown = show(command);
    let mut running = Guarded::spawn(command, Stdio::piped(), Stdio::inherit())?;
    let pipe = running.stdout();
    // Read beside the wait: a full pipe would keep the child from ending.
    let reader = thread::spawn(move || {
        let mut text = String::new();
        match pipe {
            Some(mut pipe) => pipe.read_to_string(&mut text).map(|_| text),
            None => Ok(text),
        }
    });
    let status = running.wait(limit).doing(&shown)?;
    drop(running);
    let Ok(text) = reader.join() else { return failed(format!("{shown}: its output was lost")) };
    let text = text.doing(&shown)?;
    if status.success() { Ok(text) } else { failed(format!("{shown}: {status}")) }
}

/// Whether a program can be found on the path.
pub(crate) fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file()) || Path::new(program).is_file()
}

/// A command about as one would type it, without its environment (which may carry a password).
fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()];
    for word in command.get_args() {
        let word = word.to_string_lossy();
        let word = word
            .strip_prefix(&*workspace::root().to_string_lossy())
            .map_or(&*word, |w| w.trim_start_matches('/'));
        // A script given as an argument would fill the screen.
        words.push(word.lines().next().unwrap_or_default().to_owned());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn alive(pid: &str) -> bool {
        // A zombie answers signals too, so look at its state instead.
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn the_exit_code_and_the_output_come_through() {
        assert_eq!(output(&mut sh("echo yes"), NO_LIMIT).unwrap(), "yes\n");
        let stop = output(&mut sh("exit 3"), NO_LIMIT).unwrap_err();
        assert!(stop.to_string().contains('3'), "{stop}");
    }

    #[test]
    fn a_failure_ends_with_what_was_printed_last() {
        let stop = run(&mut sh("seq 1000; echo broken >&2; exit 3"), NO_LIMIT).unwrap_err().to_string();
        let lines: Vec<_> = stop.lines().skip(1).collect();
        assert_eq!((lines.len(), lines[0], lines[99]), (100, "902", "broken"), "{stop}");
        assert_eq!(last_lines("one\ntwo\n"), "one\ntwo");
        assert_eq!(last_lines(""), "");
    }

    #[test]
    fn dropping_ends_the_whole_group() {
        let mut running =
            Guarded::spawn(&sh("sleep 60 & echo $!; wait"), Stdio::piped(), Stdio::inherit()).unwrap();
        let mut pid = String::new();
        let mut pipe = BufReader::new(running.stdout().unwrap());
        pipe.read_line(&mut pid).unwrap();
        let pid = pid.trim();
        assert!(alive(pid));
        drop(running);
        assert!(!alive(pid));
    }

    #[test]
    fn a_closed_pipe_ends_the_group_as_when_xtask_is_killed() {
        let mut running = Guarded::spawn(&sh("sleep 60"), Stdio::null(), Stdio::inherit()).unwrap();
        drop(running.child.stdin.take());
        assert!(!running.wait(Duration::from_secs(10)).unwrap().success());
    }

    #[test]
    fn a_command_past_its_limit_is_ended_and_fails() {
        let stop = run(&mut sh("sleep 60"), Duration::from_millis(100)).unwrap_err();
        assert!(stop.to_string().contains("still running"), "{stop}");
    }
}
