//! Random lives of an index in the composed component, against the naive model.
//!
//! The seed is fixed, so that a run says the same twice. `SIDX_PROPERTY_SEED=N` takes another,
//! `SIDX_PROPERTY_CASES=N` runs more cases. A failure prints the smallest case that still fails, its
//! filter as text, and the seed.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use sidx_host::storage::log::LogForm;
use sidx_host::storage::{DirectoryStore, MemoryStore, Store};
use sidx_tests::generate::{Action, Asked, Case, LARGE, Phase, SMALL, Size, case, rows};
use sidx_tests::model::{Found, Model};
use sidx_tests::ungrowing::UngrowingStore;

use super::composed;
use super::composed::bindings::exports::sidx::engine::index::{
    Choice, Durability, Mode, Retention,
};
use super::lent::{Lent, Tree};
use super::subject::{Lends, NAME, Subject};
use crate::storage::imports::State;
use crate::storage::imports::bindings::sidx::storage::places;

/// Cases in a normal run.
const SMALL_CASES: u32 = 48;
const LARGE_CASES: u32 = 3;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}

/// Runs random cases of a size and prints the smallest failing one.
fn check(size: Size, cases: u32) {
    if !composed::is_built() {
        return;
    }
    let seed = number("SIDX_PROPERTY_SEED").unwrap_or(1);
    let cases = number("SIDX_PROPERTY_CASES").map_or(cases, |wanted| {
        // The variable counts small cases; large ones stay in proportion.
        (wanted * u64::from(cases)).div_ceil(u64::from(SMALL_CASES)) as u32
    });
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    match TestRunner::new_with_rng(config, rng).run(&case(size), |case| live(&case)) {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => {
            panic!("{reason}\n\nSIDX_PROPERTY_SEED={seed} SIDX_PROPERTY_CASES={cases}\n{case:?}")
        }
        Err(TestError::Abort(reason)) => panic!("no more cases: {reason}"),
    }
}

fn failed(what: impl Debug) -> impl FnOnce(super::subject::WitError) -> TestCaseError {
    move |error| TestCaseError::fail(format!("{what:?}: {error:?}"))
}

/// Lives a case over stores of ours, of which there are three, or over that of the example.
fn live(case: &Case) -> Result<(), TestCaseError> {
    let directory = tempfile::tempdir().unwrap();
    let (store, form): (Arc<dyn Store>, LogForm) = match (case.on_disk, case.series % 3) {
        (true, _) => (
            Arc::new(DirectoryStore::new(directory.path())),
            LogForm::Growing,
        ),
        (false, 0) => (Arc::new(MemoryStore::new()), LogForm::Growing),
        (false, 1) => {
            let memory = Arc::new(MemoryStore::new());
            (Arc::new(UngrowingStore(memory)), LogForm::Whole)
        }
        (false, _) => {
            let tree = Arc::new(Mutex::new(Tree::default()));
            return live_over(case, &|is_spare| match is_spare {
                true => Lent::new(&Arc::default()),
                false => Lent::new(&tree),
            });
        }
    };
    live_over(case, &|is_spare| match is_spare {
        true => State::new(Arc::new(MemoryStore::new()), form, None),
        false => State::new(Arc::clone(&store), form, None),
    })
}

/// The same over what lends a store, or an empty one that is not used, to an instance.
fn live_over<H: Lends>(case: &Case, lend: &dyn Fn(bool) -> H) -> Result<(), TestCaseError> {
    places::Host::make(&mut lend(false), NAME.to_owned()).unwrap();
    let mut subject = Subject::lent(lend(false));
    subject.open(NAME, Mode::Create).unwrap();
    let mut model = Model::default();
    for (at, phase) in case.phases.iter().enumerate() {
        for write in &phase.writes {
            let batch = rows(write, case.series);
            let durability = match write.sync {
                true => Durability::Sync,
                false => Durability::Os,
            };
            let first = subject.write(&batch, durability).map_err(failed("write"))?;
            prop_assert!(first >= model.rows().len() as u64);
            model.write(&batch);
        }
        act(&mut subject, &mut model, &phase.action, lend)?;
        let place = format!("phase {at}, after {:?}", phase.action);
        ask(&model, &mut subject, phase, &place)?;
    }
    let dump = subject.dump().map_err(failed("dump"))?;
    same("dump", &model.dump(), &dump)?;
    let report = subject.verify();
    prop_assert_eq!(&report["ok"], true, "{:#}", report);
    prop_assert_eq!(&report["rows"], dump.len());
    subject.close();
    Ok(())
}

fn act<H: Lends>(
    subject: &mut Subject<H>,
    model: &mut Model,
    action: &Action,
    lend: &dyn Fn(bool) -> H,
) -> Result<(), TestCaseError> {
    let done = match action {
        Action::Nothing => Ok(()),
        // The same instance once more.
        Action::Reopen => {
            subject.leave();
            subject.open(NAME, Mode::Write)
        }
        // Another one, as after the end of the process.
        Action::SwapEngines => {
            *subject = Subject::lent(lend(true));
            *subject = Subject::lent(lend(false));
            subject.open(NAME, Mode::Write)
        }
        Action::Flush => subject.flush(),
        Action::Merge => { subject.flush() }.and_then(|()| subject.merge(Choice::SimilarSize)),
        Action::MergeAll => { subject.flush() }.and_then(|()| subject.merge(Choice::All)),
        Action::Retain(filter, below) => {
            let before = model.rows().len();
            model.drop_rows(filter.as_ref(), *below);
            let rule = Retention {
                drop_where: filter.as_ref().map(|filter| filter.text()),
                drop_below: *below,
            };
            let dropped = subject.retain(&rule).map_err(failed(action))?;
            prop_assert_eq!(dropped, (before - model.rows().len()) as u64);
            Ok(())
        }
    };
    done.map_err(failed(action))
}

fn ask<H: Lends>(
    model: &Model,
    subject: &mut Subject<H>,
    phase: &Phase,
    place: &str,
) -> Result<(), TestCaseError> {
    for Asked { query, batch_rows } in &phase.queries {
        let filter = { query.filter.as_ref() }.map(|filter| filter.text());
        let place = format!("{place}, query {query:?}\nfilter: {filter:?}");
        let expected = model.query(query);
        let found = subject.rows_by(query, *batch_rows, false);
        same(&place, &expected, &found.map_err(failed(&place))?)?;
        let counted = subject.count(query).map_err(failed(&place))?;
        prop_assert_eq!(counted, expected.len() as u64, "count, {}", place);
        let anyhow = subject.rows_by(query, *batch_rows, true);
        let fault = model.fault_in_any_order(query, &anyhow.map_err(failed(&place))?);
        prop_assert!(fault.is_none(), "{}, any order: {}", place, fault.unwrap());
    }
    Ok(())
}

/// Compares rows, and names the first that differs instead of printing them all.
fn same(what: &str, expected: &[Found], found: &[Found]) -> Result<(), TestCaseError> {
    if expected == found {
        return Ok(());
    }
    let pairs = expected.iter().zip(found);
    let at = { pairs }.position(|(one, other)| one != other);
    let at = at.unwrap_or(expected.len().min(found.len()));
    Err(TestCaseError::fail(format!(
        "{what}\nrow {at} differs; {} rows expected, {} found\nexpected: {:?}\nfound:    {:?}",
        expected.len(),
        found.len(),
        expected.get(at),
        found.get(at)
    )))
}

#[test]
fn small_lives_agree_with_the_model() {
    check(SMALL, SMALL_CASES);
}

#[test]
fn large_lives_agree_with_the_model() {
    check(LARGE, LARGE_CASES);
}
