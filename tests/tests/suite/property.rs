//! Random lives of an index, natively and through the component, against the naive model.
//!
//! The seed is fixed, so that a run says the same twice. `SIDX_PROPERTY_SEED=N` takes another,
//! `SIDX_PROPERTY_CASES=N` runs more cases. A failure prints the smallest case that still fails, its
//! filter as text, and the seed.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use sidx_host::{Durability, Engine, Retention};
use sidx_tests::generate::{Action, Asked, Case, LARGE, Phase, SMALL, Size, case, rows};
use sidx_tests::model::{Found, Model, Query};
use sidx_tests::subject::{Subject, read};

use super::retention_preview::retain_as_foreseen;

/// Small cases in a normal run.
const SMALL_CASES: u32 = 256;
/// Large cases in a normal run.
const LARGE_CASES: u32 = 8;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}

/// Runs random cases of a size and prints the smallest failing one.
fn check(size: Size, cases: u32) {
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

fn live(case: &Case) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut written = 0;
    let create = if case.on_disk {
        Subject::create
    } else {
        Subject::create_in_memory
    };
    let mut subjects = [Engine::Native, Engine::Component].map(create);
    for (at, phase) in case.phases.iter().enumerate() {
        for write in &phase.writes {
            let batch = rows(write, case.series);
            let durability = if write.sync {
                Durability::Sync
            } else {
                Durability::Os
            };
            for subject in &subjects {
                let receipt = subject
                    .write_with(&batch, durability)
                    .map_err(|error| TestCaseError::fail(format!("write: {error}")))?;
                prop_assert_eq!(receipt.first_id, written);
            }
            model.write(&batch);
            written += batch.len() as u64;
        }
        subjects
            .iter_mut()
            .try_for_each(|subject| act(subject, &phase.action))?;
        if let Action::Retain(filter, below) = &phase.action {
            let before = model.rows().len();
            model.drop_rows(filter.as_ref(), *below);
            let rule = Retention {
                drop_where: filter.as_ref().map(|filter| filter.text()),
                drop_below: *below,
            };
            for subject in &subjects {
                let dropped = retain_as_foreseen(subject.index(), &rule).dropped_rows;
                prop_assert_eq!(dropped, (before - model.rows().len()) as u64);
            }
        }
        let place = format!("phase {at}, after {:?}", phase.action);
        ask(&model, &subjects, phase, &place)?;
    }
    let expected = model.dump();
    for subject in &subjects {
        same("dump", &expected, &subject.dump())?;
        subject.assert_sound(expected.len());
    }
    Ok(())
}

fn act(subject: &mut Subject, action: &Action) -> Result<(), TestCaseError> {
    let done = match action {
        // Rows are dropped where the model is at hand.
        Action::Nothing | Action::Retain(..) => return Ok(()),
        Action::Reopen => {
            // So both forms of parts meet.
            subject.change_form();
            subject.reopen();
            return Ok(());
        }
        Action::SwapEngines => {
            subject.switch(match subject.engine() {
                Engine::Native => Engine::Component,
                Engine::Component => Engine::Native,
            });
            return Ok(());
        }
        Action::Flush => subject.index().flush(),
        Action::Merge => subject
            .index()
            .flush()
            .and_then(|_| subject.index().merge()),
        Action::MergeAll => subject.index().merge_all(),
    };
    done.map(drop)
        .map_err(|error| TestCaseError::fail(format!("{action:?}: {error}")))
}

fn ask(
    model: &Model,
    subjects: &[Subject; 2],
    phase: &Phase,
    place: &str,
) -> Result<(), TestCaseError> {
    for Asked { query, batch_rows } in &phase.queries {
        let expected = model.query(query);
        let [one, other] = subjects.each_ref().map(|subject| {
            let place = format!("{place}, on {:?}, {}", subject.engine(), told(query));
            let found = subject
                .rows_by(query, *batch_rows)
                .map_err(|error| TestCaseError::fail(format!("{place}: {error}")))?;
            same(&place, &expected, &found)?;
            let counted = subject.count(query);
            prop_assert_eq!(counted, expected.len() as u64, "count, {}", place);
            let anyhow = subject.query(query).any_order();
            let anyhow = anyhow.rows_per_batch(*batch_rows).run().and_then(read);
            let anyhow = anyhow
                .map_err(|error| TestCaseError::fail(format!("{place}, any order: {error}")))?;
            let fault = model.fault_in_any_order(query, &anyhow);
            prop_assert!(fault.is_none(), "{}, any order: {}", place, fault.unwrap());
            Ok(found)
        });
        same("the engines differ", &one?, &other?)?;
    }
    Ok(())
}

fn told(query: &Query) -> String {
    let filter = query
        .filter
        .as_ref()
        .map_or("none".to_owned(), |filter| filter.text());
    format!("query {query:?}\nfilter: {filter}")
}

/// Compares rows, and names the first that differs instead of printing them all.
fn same(what: &str, expected: &[Found], found: &[Found]) -> Result<(), TestCaseError> {
    if expected == found {
        return Ok(());
    }
    let at = expected
        .iter()
        .zip(found)
        .position(|(one, other)| one != other);
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
