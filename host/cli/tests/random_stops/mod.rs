//! What tests that stop the command at random moments begin with.

use std::path::Path;
use std::process::{Command, Stdio};

/// The value of a variable of the environment.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Numbers that look random (xorshift64*), from a state that is not 0.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// A command on a store, with its streams held.
pub(crate) fn command(name: &str, store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidx"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine-code");
    command
        .arg(name)
        .arg(store)
        .env("SIDX_CACHE_DIR", cache)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
