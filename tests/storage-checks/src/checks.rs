//! The checks by name, each of which works in a place of its own.

mod environment;
mod files;
mod growing;
mod names;
mod objects;
mod places;
mod reads;
mod tree;

use crate::outcome::Verdict;
use crate::place::Place;

/// One check, in a place that is empty.
pub(crate) type Check = fn(&Place) -> Verdict;

/// All of them. Those that come first need the least of a host.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("environment", environment::check),
    ("places", places::check_places),
    ("places below", places::check_places_below),
    ("nothing there", places::check_nothing_there),
    ("objects", objects::check_objects),
    ("object sizes", objects::check_sizes),
    ("object swaps", objects::check_swaps),
    ("object lists", objects::check_lists),
    ("new files", files::check_new),
    ("rival files", files::check_rivals),
    ("abandoned files", files::check_abandoned),
    ("handles", files::check_handles),
    ("reads", reads::check_ranges),
    ("reads of many files", reads::check_many_files),
    ("reads outside", reads::check_outside),
    ("lists", tree::check_lists),
    ("removal", tree::check_removal),
    ("moves", tree::check_moves),
    ("syncs", tree::check_syncs),
    ("growing files", growing::check_growth),
    ("cut files", growing::check_cuts),
    ("no growing files", growing::check_none),
    ("names", names::check_refused),
    ("good names", names::check_taken),
    ("sizes", places::check_sizes),
    ("locks", places::check_locks),
];
