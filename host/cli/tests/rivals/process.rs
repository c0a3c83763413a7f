//! A command that runs, is fed and listened to, and is disturbed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Arena, Dice, LEASE, Load};

/// A command ends with it when another writer has taken over.
pub(super) const CONFLICT: i32 = 4;
/// Longer than any command takes that is not stopped, also where sixteen of them share two processors.
const PATIENCE: Duration = Duration::from_secs(180);

/// See the module.
pub(super) struct Process<'a> {
    arena: &'a Arena,
    name: String,
    pub(super) child: Child,
}

impl<'a> Process<'a> {
    pub(super) fn start(arena: &'a Arena, name: &str, mut command: Command) -> Self {
        Self {
            arena,
            name: name.to_owned(),
            child: command.spawn().expect("sidx starts"),
        }
    }

    /// Stops it and wakes it up, a few times, and maybe kills it.
    pub(super) fn disturb(&mut self, dice: &mut Dice) {
        if self.arena.is_bucket() {
            return self.disturb_for_long(dice);
        }
        dice.sleep(80);
        for _ in 0..dice.below(4) {
            self.signal("STOP");
            // Now and then for long enough that the other begins and ends meanwhile.
            let most_ms = [20, 100, 600][dice.below(3) as usize];
            dice.sleep(most_ms);
            if dice.below(6) == 0 {
                break;
            }
            self.signal("CONT");
            dice.sleep(80);
        }
        match dice.below(3) {
            0 => self.signal("KILL"),
            _ => self.signal("CONT"),
        }
    }

    /// Of three one sleeps until its lease is long another's, and one is killed.
    fn disturb_for_long(&mut self, dice: &mut Dice) {
        let fate = dice.below(3);
        dice.sleep(3_000);
        match fate {
            0 => {
                self.signal("STOP");
                thread::sleep(3 * LEASE);
                self.signal("CONT");
                dice.sleep(1_000);
            }
            1 => self.signal("KILL"),
            _ => {}
        }
    }

    /// Signals it, unless it has ended: until it is asked for, the number of a process stays its
    /// own.
    fn signal(&mut self, name: &str) {
        if self.child.try_wait().expect("its state").is_some() {
            return;
        }
        self.arena.note(format!("{}: SIG{name}", self.name));
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end. It may fail only because of the other.
    pub(super) fn end(&mut self) -> (ExitStatus, String) {
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().expect("a pipe");
        let status = thread::scope(|scope| {
            scope.spawn(|| stderr.read_to_string(&mut err).expect("UTF-8"));
            let begun = Instant::now();
            loop {
                if let Some(status) = self.child.try_wait().expect("its state") {
                    return status;
                }
                if begun.elapsed() > PATIENCE {
                    self.child.kill().expect("killed");
                    panic!("{} does not end", self.name);
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        let told = err.trim();
        self.arena.note(format!("{}: {status}: {told}", self.name));
        self.arena.count(format!("a writer: {status}"));
        // Whether another took over cannot always be known where both ask a service.
        let is_in_doubt = self.arena.is_bucket() && told.contains("nobody knows whether");
        let is_expected = matches!(status.code(), None | Some(0 | CONFLICT)) || is_in_doubt;
        assert!(is_expected, "{}: {status}: {told}", self.name);
        (status, err)
    }
}

/// Sends rows until that is not wanted any more, or the pipe breaks.
pub(super) fn feed(load: &Load, mut stdin: ChildStdin, is_fed: &AtomicBool, pause: Duration) {
    for row in 0.. {
        if row % load.batch == 0 {
            thread::sleep(pause);
        }
        if !is_fed.load(Ordering::SeqCst) {
            return;
        }
        load.sent.store(row + 1, Ordering::SeqCst);
        let line = format!(
            "{{\"series\":\"{}\",\"key\":{row},\"payload\":\"{}\"}}\n",
            load.series,
            payload_of(row)
        );
        if stdin.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

/// Notes what a load acknowledges.
pub(super) fn listen(load: &Load, stdout: impl Read) {
    let mut lines = BufReader::new(stdout);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).expect("UTF-8");
        // Half a line was killed in the middle.
        if !line.ends_with('\n') {
            return;
        }
        let said: Value = serde_json::from_str(&line).expect("a JSON line");
        if let Some(rows) = said["acknowledged"].as_u64() {
            let is_uneven = !rows.is_multiple_of(load.batch);
            load.is_uneven.fetch_or(is_uneven, Ordering::SeqCst);
            load.acknowledged.store(rows, Ordering::SeqCst);
        }
    }
}

pub(super) fn payload_of(row: u64) -> String {
    format!("payload {row} {}", "x".repeat(row as usize % 50))
}
