//! Membership filters: one that is in a cache, and many that are not.

use sidx_kernels::membership::{self, Membership};

use crate::report::{Report, Work};
use crate::samples::values;

/// Members of each filter.
const MEMBERS: usize = 8192;
/// Filters that together are larger than the last cache.
const FILTERS: usize = 6000;

pub(crate) fn run(report: &mut Report) {
    if !report.wants("filter probe") {
        return;
    }
    let members = values(64, MEMBERS);
    let filter = membership::build(members.clone()).and_then(|bytes| Membership::open(&bytes).ok());
    let Some(filter) = filter else {
        return;
    };
    let strangers: Vec<u64> = (0..1000u64)
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    let mixed: Vec<u64> = members
        .iter()
        .take(1000)
        .chain(&strangers)
        .copied()
        .collect();
    // A filter may be wrong about strangers, so it is its own measure there.
    let expected: usize = 1000
        + strangers
            .iter()
            .filter(|hash| filter.contains(**hash))
            .count();
    let work = Work {
        read: mixed.len() * 11,
        written: 0,
        items: mixed.len(),
    };
    report.measure(
        "filter probe, one cached filter",
        "best",
        work,
        &expected,
        || mixed.iter().filter(|hash| filter.contains(**hash)).count(),
    );
    // Copies lie in memory of their own.
    let filters: Vec<Membership> = (0..FILTERS).map(|_| filter.clone()).collect();
    for hashes in [1, 4] {
        let mut at = 0;
        let work = Work {
            read: 1000 * hashes * 3 * 64,
            written: 1000,
            items: 1000,
        };
        let kernel = format!("filter probe, many filters, {hashes} hashes");
        report.measure_into(&kernel, "best", work, &vec![true; 1000], |out| {
            out.clear();
            // A thousand other filters each time, and other slots, so that nothing is cached.
            at = (at + 1) % 1_000_000;
            let first = at * 1000 % FILTERS;
            let hash = members[at % MEMBERS];
            let asked: Vec<u64> = (1..hashes as u64).map(|n| hash ^ n).chain([hash]).collect();
            // As the host asks. Fetching ahead what is going to be read was no faster.
            let any = |filter: &Membership| asked.iter().any(|hash| filter.contains(*hash));
            out.extend(filters[first..].iter().take(1000).map(any));
        });
    }
}
