//! The workers: started, killed, and stopped for longer than a lease lasts.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::Failure;

/// How long a worker stands still: longer than its lease, so that it wakes up as one who lost it.
const PAUSE: Duration = Duration::from_secs(12);
/// How long it is left alone after that: it has to find out.
const AWAKE: Duration = Duration::from_secs(3);

/// The workers; killed when this goes.
pub(crate) struct Crew {
    store: String,
    dav: String,
    skew_hours: i64,
    workers: Vec<Child>,
    /// Who stands still, or just woke up, and until when it is left alone.
    paused: Option<(usize, Instant)>,
    /// How often one woke up and went on.
    woken: usize,
}

impl Crew {
    /// Starts so many. The clock of the second is so many hours fast, that of the third so many slow, and so on in turns of three.
    pub(crate) fn start(store: &str, dav: &str, workers: usize, skew_hours: i64) -> Result<Self, Failure> {
        let (store, dav) = (store.to_owned(), dav.to_owned());
        let mut crew = Self { store, dav, skew_hours, workers: Vec::new(), paused: None, woken: 0 };
        for index in 0..workers.max(1) {
            crew.workers.push(crew.one(index)?);
        }
        Ok(crew)
    }

    fn one(&self, index: usize) -> Result<Child, Failure> {
        let skew = match index % 3 {
            0 => 0,
            1 => self.skew_hours,
            _ => -self.skew_hours,
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["work", "--store", &self.store, "--dav", &self.dav]);
        command.arg(format!("--skew-hours={skew}")).stdin(Stdio::null());
        Ok(command.spawn()?)
    }

    pub(crate) fn len(&self) -> usize {
        self.workers.len()
    }

    /// Kills one in the middle of whatever it does, and starts another in its place. Whether that one may be killed: the one
    /// that stands still is to wake up.
    pub(crate) fn replace(&mut self, index: usize) -> Result<bool, Failure> {
        if self.paused.is_some_and(|(paused, _)| paused == index) {
            return Ok(false);
        }
        self.workers[index].kill()?;
        self.workers[index].wait()?;
        self.workers[index] = self.one(index)?;
        Ok(true)
    }

    /// Stops one in the middle of whatever it does, for longer than its lease. It goes on by itself: whoever waits for a lock
    /// it holds would otherwise wait for ever.
    pub(crate) fn pause(&mut self, index: usize) -> Result<(), Failure> {
        let process = self.workers[index].id();
        signal("STOP", process)?;
        tokio::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            // The soak may be over.
            let _ = signal("CONT", process);
        });
        self.paused = Some((index, Instant::now() + PAUSE + AWAKE));
        Ok(())
    }

    /// Fails when one ended although nobody killed it.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        for worker in &mut self.workers {
            if let Some(status) = worker.try_wait()? {
                return Err(format!("a worker ended by itself: {status}").into());
            }
        }
        if self.paused.is_some_and(|(_, until)| until <= Instant::now()) {
            self.paused = None;
            self.woken += 1;
        }
        Ok(())
    }

    /// Whether one stands still, or just woke up.
    pub(crate) fn has_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// How often one that had stood still for longer than its lease woke up and went on.
    pub(crate) fn woken(&self) -> usize {
        self.woken
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

fn signal(name: &str, process: u32) -> Result<(), Failure> {
    let status =
        Command::new("kill").args(["-s", name]).arg(process.to_string()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("kill -s {name}: {status}").into()) }
}
