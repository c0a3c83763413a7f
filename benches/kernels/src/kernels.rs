//! The kernels, one subject per file.

mod bitmaps;
mod checksum;
mod integers;
mod packed;
mod probes;
mod selections;
mod strings;

use crate::report::Report;

/// Measures every kernel that the report wants.
pub(crate) fn run(report: &mut Report) {
    packed::run(report);
    integers::run(report);
    strings::run(report);
    bitmaps::run(report);
    probes::run(report);
    selections::run(report);
    checksum::run(report);
}
