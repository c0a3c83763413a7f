//! What the fuzz targets of the host do with hostile bytes. A panic here is a finding.
//!
//! The targets in `fuzz/` call these functions with the bytes that libFuzzer makes up; the test below
//! replays the kept ones on every run.

mod life;
mod log;

pub use life::life;
pub use log::log;

#[cfg(test)]
mod tests {
    use std::path::Path;

    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 2] = [("log", super::log), ("life", super::life)];

    #[test]
    fn kept_inputs_pass() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        for (target, run) in TARGETS {
            let mut inputs = 0;
            for entry in std::fs::read_dir(corpora.join(target)).expect(target) {
                run(&std::fs::read(entry.unwrap().path()).unwrap());
                inputs += 1;
            }
            assert!(inputs > 0, "{target} has no inputs");
        }
    }
}
