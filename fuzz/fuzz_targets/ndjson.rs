#![no_main]
#![allow(dead_code, unused_imports)]

use libfuzzer_sys::fuzz_target;

/// The sources of the command, which is no library.
#[path = "../../host/cli/src"]
mod sidx {
    pub mod arguments;
    pub mod console;
    pub mod exit;
    pub mod help;
    pub mod ingest;
    pub mod place;
}

use sidx::{arguments, console, exit, help, ingest, place};

fuzz_target!(|data: &[u8]| ingest::fuzzing::ndjson(data));
