//! Random lives against the map.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_columns::OwnedValue;
use sidx_host::{Engine, Retention};
use sidx_tests::expression::{Expression, Op};
use sidx_tests::model::{Query, Row};

use super::rows::Pair;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn rows(random: &mut SmallRng, payloads: u32) -> Vec<Row> {
    let count = match random.random_range(0..4) {
        0 => 1,
        1 => random.random_range(1..300),
        _ => random.random_range(1..20),
    };
    let row = |_| {
        let key = random.random_range(-40..40);
        let payload = format!("payload {}", random.random_range(0..payloads));
        let row = Row::new(random.random_range(0..4), key, payload);
        let row = row.tag("n", i64::from(random.random_range(0..5u8)));
        match random.random_range(0..3) {
            0 => row.tag("text", ["x", "yy", "zzz"][random.random_range(0..3)]),
            1 => row.tag("half", random.random_range(0..9) as f64 / 2.0),
            _ => row,
        }
    };
    (0..count).map(row).collect()
}

fn query(random: &mut SmallRng) -> Query {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let mut bound = || match random.random_range(0..3) {
        0 => Unbounded,
        1 => Included(random.random_range(-45..45)),
        _ => Excluded(random.random_range(-45..45)),
    };
    let (low, high) = (bound(), bound());
    let n = random.random_range(0..5i64);
    let filter = match random.random_range(0..4) {
        0 => Some(Expression::Compare(
            "n".to_owned(),
            Op::Eq,
            OwnedValue::Int(n),
        )),
        1 => Some(Expression::Compare(
            "n".to_owned(),
            Op::Ge,
            OwnedValue::Int(n),
        )),
        _ => None,
    };
    Query {
        low,
        high,
        filter,
        descending: random.random(),
        limit: random.random_bool(0.4).then(|| random.random_range(0..30)),
        distinct_payload: random.random_bool(0.2),
        payload: true,
        ..Query::default()
    }
}

fn live(seed: u64, engine: Engine) {
    let told = Told(seed, engine);
    let mut random = SmallRng::seed_from_u64(seed);
    let payloads = [5, 60, 400][random.random_range(0..3)];
    let mut pair = Pair::new(engine);
    for _ in 0..random.random_range(5..25) {
        match random.random_range(0..12) {
            0..6 => {
                let rows = rows(&mut random, payloads);
                pair.write(&rows);
            }
            6 | 7 => pair.subject.flush(),
            8 => drop(pair.subject.index().merge().unwrap()),
            9 => pair.subject.merge_all(),
            10 => {
                pair.subject.leave();
                if random.random() {
                    pair.subject.change_form();
                }
                pair.subject.enter();
            }
            _ => {
                let below = random.random_range(-60..20);
                let rule = Retention {
                    drop_below: Some(below),
                    drop_where: None,
                };
                pair.subject.index().retain(rule).unwrap();
                pair.wanted.drop_below(below);
            }
        }
        let model = pair.wanted.model();
        for _ in 0..3 {
            let query = query(&mut random);
            let wanted = model.query(&query);
            let found = pair
                .subject
                .rows_by(&query, random.random_range(1..200))
                .unwrap();
            assert_eq!(found, wanted, "{query:?}");
            let counted = pair.subject.count(&query);
            assert_eq!(counted, wanted.len() as u64, "{query:?}");
        }
    }
    pair.assert();
    drop(told);
}

/// Names the seed of a failed life.
struct Told(u64, Engine);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "SIDX_FACETS_SEED={} repeats this life of the {:?} engine",
                self.0, self.1
            );
        }
    }
}

fn live_often(engine: Engine, lives: u64) {
    if let Some(seed) = variable("SIDX_FACETS_SEED") {
        return live(seed, engine);
    }
    let first = variable("SIDX_FACETS_FIRST").unwrap_or(1);
    let lives = variable("SIDX_FACETS_RUNS").unwrap_or(lives);
    (first..first + lives).for_each(|seed| live(seed, engine));
}

#[test]
fn no_life_shows_a_row_that_was_replaced() {
    live_often(Engine::Native, 150);
}

#[test]
fn no_life_shows_a_row_that_was_replaced_through_the_component() {
    live_often(Engine::Component, 30);
}
