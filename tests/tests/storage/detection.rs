//! Hosts with a flaw each: the checks find it.

use std::sync::Arc;

use sidx_host::storage::MemoryStore;
use sidx_host::storage::log::LogForm;

use super::checks::Checks;
use super::flaws::Flaw;

use Flaw as F;

/// Each flaw, and a check that finds it.
const FOUND_BY: &[(Flaw, &str)] = &[
    (F::PutReplaces, "objects"),
    (F::SwapIgnoresVersion, "object swaps"),
    (F::VersionOfBytes, "object swaps"),
    (F::ObjectsCut, "object sizes"),
    (F::ListsBehindStart, "object lists"),
    (F::ListsBackwards, "lists"),
    (F::ListsOnePage, "lists"),
    (F::TidiesPaths, "names"),
    (F::ShortNames, "good names"),
    (F::FoldsCase, "lists"),
    (F::BytesAsText, "new files"),
    (F::ReadsShort, "reads"),
    (F::ReadsSorted, "reads of many files"),
    (F::ReadsClamped, "reads outside"),
    (F::ReadsByName, "removal"),
    (F::AbandonedStays, "abandoned files"),
    (F::FinishReplaces, "rival files"),
    (F::GrowEmpties, "growing files"),
    (F::GrowsAllTheSame, "no growing files"),
    (F::WriteAppends, "cut files"),
    (F::RemovesByPrefix, "removal"),
    (F::MoveReplaces, "moves"),
    (F::RefusesSyncs, "syncs"),
    (F::PlacesStay, "places"),
    (F::SizesNothing, "sizes"),
    (F::PlacesStay, "places below"),
    (F::PlacesOnDemand, "nothing there"),
    (F::RemovesLocked, "locks"),
    (F::LocksTwice, "locks"),
    (F::HandlesStay, "handles"),
    (F::RandomRepeats, "environment"),
    (F::ClockGoesBack, "environment"),
];

#[test]
fn every_flaw_is_found() {
    let mut missed = Vec::new();
    for (flaw, check) in FOUND_BY {
        // Where the host denies that files grow, the check is for those that deny it.
        let form = match flaw {
            Flaw::GrowsAllTheSame => LogForm::Whole,
            _ => LogForm::Growing,
        };
        let mut checks = Checks::new(Arc::new(MemoryStore::new()), form, Some(*flaw));
        match checks.run(check) {
            Ok(()) => missed.push((flaw, check)),
            Err(rule) => assert!(rule.len() > 10, "{flaw:?}: {check} says only {rule:?}"),
        }
    }
    assert!(missed.is_empty(), "flaws that were not found: {missed:?}");
}

#[test]
fn every_check_finds_a_flaw() {
    let mut checks = Checks::new(Arc::new(MemoryStore::new()), LogForm::Growing, None);
    for name in checks.names() {
        assert!(
            FOUND_BY.iter().any(|(_, check)| *check == name),
            "no flaw shows that the check {name:?} finds anything"
        );
    }
}
