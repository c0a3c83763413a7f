#![no_main]

use libfuzzer_sys::fuzz_target;
use sidx_command::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::ndjson(data));
