//! How much metadata alone decides. Soundness is checked in [`super::random`]; here it is that
//! the judge does not shrug where it could know.

use std::cell::Cell;

use sidx_columns::{ColumnType, OwnedValue, ValueType};
use sidx_kernels::ValueRange;

use super::Row;
use super::block::{Block, Knowledge};
use crate::expression::parse;
use crate::filter::Verdict::{Everything, Nothing, Some};
use crate::filter::{ColumnFacts, Facts, Filter, Verdict};

fn judge(values: &[OwnedValue], knowledge: Knowledge, text: &str) -> Verdict {
    let rows: Vec<Row> = values
        .iter()
        .map(|value| vec![("a", value.clone())])
        .collect();
    let block = Block::new(&rows, 2);
    let filter = Filter::plan(&parse(text).unwrap(), &mut |tag| block.kinds(tag));
    filter.judge(&block.facts(&filter, knowledge))
}

fn assert_judged(values: &[OwnedValue], cases: &[(&str, Verdict)]) {
    for (text, expected) in cases {
        assert_eq!(
            judge(values, Knowledge::Limits, text),
            *expected,
            "{text} of {values:?}"
        );
    }
}

#[test]
fn ints() {
    let values = [200, 404, 500].map(OwnedValue::Int);
    assert_judged(
        &values,
        &[
            ("a = 500", Some),
            ("a = 501", Nothing),
            ("a != 501", Everything),
            ("a != 300", Some),
            ("a >= 200", Everything),
            ("a > 200", Some),
            ("a < 200", Nothing),
            ("a > 199.5 and a < 500.5", Everything),
            ("a in (1, 2, 1000)", Nothing),
            ("a not in (1, 2, 1000)", Everything),
            ("exists(a)", Everything),
            ("not exists(a)", Nothing),
            ("not a = 7", Everything),
            ("a = 1 or a >= 100", Everything),
            ("a = 404 and a > 1000", Nothing),
            ("b = 1", Nothing),
        ],
    );
    assert_judged(
        &[1, 2, 4].map(OwnedValue::Int),
        &[("a in (0, 1, 2, 3, 4, 9)", Everything)],
    );
    assert_judged(
        &[1, 2, 4].map(OwnedValue::Int),
        &[("a in (0, 1, 2, 4)", Some)],
    );
}

#[test]
fn floats() {
    let plain = [0.5, 2.5].map(OwnedValue::Float);
    assert_judged(
        &plain,
        &[
            ("a < 3", Everything),
            ("a > 3", Nothing),
            ("a in (3, 4)", Nothing),
        ],
    );
    let with_nan = [f64::NAN, 2.5].map(OwnedValue::Float);
    assert_judged(
        &with_nan,
        &[("a < 3", Some), ("a > 3", Nothing), ("a != 3", Everything)],
    );
    let only_nan = [f64::NAN, f64::NAN].map(OwnedValue::Float);
    assert_judged(
        &only_nan,
        &[
            ("a < 3", Nothing),
            ("a = 3", Nothing),
            ("a != 3", Everything),
        ],
    );
    let zeros = [-0.0, 0.0].map(OwnedValue::Float);
    assert_judged(
        &zeros,
        &[("a = 0", Everything), ("a in (0, 7)", Everything)],
    );
}

/// Limits are cut to two bytes: `ab` to `dg`, or no upper end.
#[test]
fn strings_and_bytes() {
    let texts = ["abc", "def"].map(OwnedValue::from);
    assert_judged(
        &texts,
        &[
            ("a = \"aa\"", Nothing),
            ("a = \"x\"", Nothing),
            ("a = \"abc\"", Some),
            ("a != \"x\"", Everything),
            ("a >= \"a\" and a < \"e\"", Everything),
            ("a in (\"\", \"z\")", Nothing),
            ("a starts with \"b\"", Some),
            ("a starts with \"x\"", Nothing),
            ("a starts with \"\"", Everything),
            ("a ~ \"x\"", Some),
        ],
    );
    assert_judged(
        &["abc", "abd"].map(OwnedValue::from),
        &[("a starts with \"a\"", Everything)],
    );
    let high = [b"\xff\xff\xff".as_slice(), b"\xff\xff\xfe"].map(OwnedValue::from);
    assert_judged(
        &high,
        &[
            ("a starts with bytes(\"/w==\")", Everything),
            ("a >= bytes(\"/w==\")", Everything),
            ("a <= bytes(\"////////\")", Some),
            ("a starts with bytes(\"YQ==\")", Nothing),
        ],
    );
    let same = ["ab", "ab"].map(OwnedValue::from);
    assert_judged(
        &same,
        &[("a = \"ab\"", Everything), ("a != \"ab\"", Nothing)],
    );
}

#[test]
fn bools_and_arrays() {
    let yes = [true, true].map(OwnedValue::Bool);
    assert_judged(
        &yes,
        &[
            ("a = true", Everything),
            ("a = false", Nothing),
            ("a != true", Nothing),
        ],
    );
    let mixed = [true, false].map(OwnedValue::Bool);
    assert_judged(
        &mixed,
        &[("a = true", Some), ("a in (true, false)", Everything)],
    );
    let array = OwnedValue::Array(ValueType::Int, vec![OwnedValue::Int(5)]);
    assert_judged(
        &[array.clone(), array],
        &[
            ("a contains any (5)", Some),
            ("a contains any (4, 6)", Nothing),
            ("a contains all (5, 6)", Nothing),
            ("exists(a)", Everything),
        ],
    );
}

#[test]
fn membership_filters_rule_out() {
    let texts = ["a", "c"].map(OwnedValue::from);
    for (text, limits, hashes) in [
        ("a = \"b\"", Some, Nothing),
        ("a != \"b\"", Some, Everything),
        ("a = \"a\"", Some, Some),
        ("a in (\"b\", \"bb\")", Some, Nothing),
        ("a in (\"b\", \"c\")", Some, Some),
    ] {
        assert_eq!(judge(&texts, Knowledge::Limits, text), limits, "{text}");
        assert_eq!(judge(&texts, Knowledge::Hashes, text), hashes, "{text}");
    }
}

/// Facts about one column, with a count of the questions to its membership filter.
struct Counted {
    present: u64,
    limits: ValueRange,
    questions: Cell<u32>,
}

impl Facts for Counted {
    fn rows(&self) -> u64 {
        10
    }

    fn column(&self, _slot: usize) -> Option<ColumnFacts<'_>> {
        Option::Some(ColumnFacts {
            present: self.present,
            limits: &self.limits,
        })
    }

    fn excluded(&self, _probe: usize) -> bool {
        self.questions.set(self.questions.get() + 1);
        false
    }
}

fn judge_counted(text: &str, present: u64, limits: ValueRange) -> (Verdict, u32) {
    let facts = Counted {
        present,
        limits,
        questions: Cell::new(0),
    };
    let filter = Filter::plan(&parse(text).unwrap(), &mut |_| {
        vec![ColumnType::scalar(ValueType::String)]
    });
    (filter.judge(&facts), facts.questions.get())
}

#[test]
fn membership_filters_are_asked_last() {
    let limits = |min: &[u8]| ValueRange::Bytes {
        min: min.to_vec(),
        max: None,
    };
    assert_eq!(judge_counted("a = \"b\"", 10, limits(b"a")), (Some, 1));
    assert_eq!(judge_counted("a = \"b\"", 10, limits(b"c")), (Nothing, 0));
    assert_eq!(judge_counted("a = \"b\"", 0, limits(b"a")), (Nothing, 0));
    assert_eq!(
        judge_counted("a = \"c\" and b < \"b\"", 10, limits(b"b")),
        (Nothing, 0)
    );
    assert_eq!(
        judge_counted("a = \"c\" or b >= \"b\"", 10, limits(b"b")),
        (Everything, 0)
    );
}

#[test]
fn counts_limit_what_everything_means() {
    let limits = || ValueRange::Bytes {
        min: b"a".to_vec(),
        max: Option::Some(b"b".to_vec()),
    };
    assert_eq!(judge_counted("a < \"c\"", 10, limits()).0, Everything);
    assert_eq!(judge_counted("a < \"c\"", 9, limits()).0, Some);
    assert_eq!(judge_counted("exists(a)", 9, limits()).0, Some);
    assert_eq!(judge_counted("a != \"c\"", 9, limits()).0, Some);
    // No limits say nothing, except where there are no values at all.
    assert_eq!(judge_counted("a < \"c\"", 10, ValueRange::None).0, Some);
    assert_eq!(
        judge_counted("exists(a)", 10, ValueRange::None).0,
        Everything
    );
    assert_eq!(judge_counted("exists(a)", 0, ValueRange::None).0, Nothing);
    // Limits of another type, as only damage could bring them, decide nothing either.
    assert_eq!(
        judge_counted("a < \"c\"", 10, ValueRange::Int { min: 0, max: 1 }).0,
        Some
    );
}
