//! Filters against a reading of the rules that shares nothing with the code: the same rows are
//! evaluated one by one, through the kernels, and judged by their metadata.

mod block;
mod judging;
mod meaning;
mod oracle;
mod random;

use sidx_columns::{ColumnType, OwnedValue, ValueType};

use super::{Filter, Verdict};
use crate::expression::Expression;
use block::{Block, Knowledge};

/// A row's tags; a tag stands once.
type Row = Vec<(&'static str, OwnedValue)>;

/// Every type a tag can have.
fn every_kind() -> Vec<ColumnType> {
    let scalars = ValueType::ALL.map(ColumnType::scalar);
    scalars
        .into_iter()
        .chain(ValueType::ALL.map(ColumnType::array))
        .collect()
}

/// Checks everything that is known of one filter over one block, and returns the rows that pass:
/// the kernels select what the oracle does, under a plan that knows this block's columns and
/// under one that knows columns of all types, and no verdict is contradicted by the rows.
fn check(expression: &Expression, rows: &[Row], cut: usize) -> Vec<bool> {
    let expected: Vec<bool> = rows
        .iter()
        .map(|row| oracle::passes(expression, row))
        .collect();
    let block = Block::new(rows, cut);
    let own = Filter::plan(expression, &mut |tag| block.kinds(tag));
    let wide = Filter::plan(expression, &mut |_| every_kind());
    for filter in [&own, &wide] {
        assert_eq!(block.select(filter), expected, "{expression} over {rows:?}");
        for knowledge in [Knowledge::Limits, Knowledge::Hashes] {
            let verdict = filter.judge(&block.facts(filter, knowledge));
            let sound = match verdict {
                Verdict::Nothing => expected.iter().all(|passes| !passes),
                Verdict::Some => true,
                Verdict::Everything => expected.iter().all(|passes| *passes),
            };
            assert!(
                sound,
                "{verdict:?} for {expression} over {rows:?}: {expected:?}"
            );
        }
    }
    expected
}
