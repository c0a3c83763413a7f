//! The walk-through of docs/operations.md.

use super::*;

#[test]
fn the_first_day_goes_as_written() {
    let program = Path::new(env!("CARGO_BIN_EXE_sidx"));
    day::goes_as_written(program.parent().expect("a folder"), &cache());
}
