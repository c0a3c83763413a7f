#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sidx_engine::fuzzing::dead_rows(data));
