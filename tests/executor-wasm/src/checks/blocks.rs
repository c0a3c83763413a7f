//! Random blocks, as values and as pages.

use sidx_columns::{Column, ColumnBuilder, ColumnType, ValueType, Values};
use sidx_kernels::{Program, Step, Test};

use super::memory::Memory;
use super::numbers::Numbers;

/// Type of the tag that the filter looks at.
const TAGS: ColumnType = ColumnType::scalar(ValueType::Int);
/// Type of the values that are gathered.
pub(crate) const VALUES: ColumnType = ColumnType::scalar(ValueType::String);

/// The filter keeps tags from here on.
const LEAST_TAG: i64 = 4;

/// Rows of one series in a block, with ascending keys.
pub(crate) struct Run {
    pub(crate) series: u64,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Runs one behind the other.
pub(crate) struct Block {
    pub(crate) runs: Vec<Run>,
    pub(crate) keys: Vec<i64>,
    tags: Vec<i64>,
    values: Vec<Option<String>>,
    pub(crate) key_page: u32,
    pub(crate) tag_page: u32,
    pub(crate) value_page: u32,
}

/// Blocks in the order of their age.
pub(crate) struct Blocks {
    pub(crate) blocks: Vec<Block>,
}

impl Blocks {
    /// Up to eight blocks of up to a few hundred rows.
    pub(crate) fn random(numbers: &mut Numbers, memory: &Memory) -> Result<Self, String> {
        let count = 1 + numbers.below(8);
        let blocks = (0..count).map(|_| Block::random(numbers, memory));
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { blocks })
    }

    /// The filter, with the tag in its only slot.
    pub(crate) fn program(&self) -> Result<Program, String> {
        let step = Step::Leaf {
            slot: 0,
            elements: false,
            test: Test::IntRange {
                low: LEAST_TAG,
                high: i64::MAX,
            },
        };
        Program::compile(vec![step]).map_err(|error| error.to_string())
    }

    /// The value of a row of a block.
    pub(crate) fn value(&self, block: u32, row: u32) -> Option<String> {
        self.blocks.get(block as usize)?.value(row)
    }
}

impl Block {
    fn random(numbers: &mut Numbers, memory: &Memory) -> Result<Self, String> {
        let (mut runs, mut keys) = (Vec::new(), Vec::new());
        let mut series = numbers.below(3) as u64;
        for _ in 0..=numbers.below(5) {
            let start = keys.len() as u32;
            let mut key = numbers.below(1_000) as i64;
            for _ in 0..=numbers.below(90) {
                keys.push(key);
                key += numbers.below(40) as i64;
            }
            let end = keys.len() as u32;
            runs.push(Run { series, start, end });
            series += 1 + numbers.below(3) as u64;
        }
        let tags: Vec<i64> = keys.iter().map(|_| numbers.below(8) as i64).collect();
        let distinct = 1 + numbers.below(500);
        let mut value = || match numbers.below(9) {
            0 => None,
            _ => Some(format!("value {}", numbers.below(distinct))),
        };
        let values: Vec<Option<String>> = keys.iter().map(|_| value()).collect();
        let ints = |values: &[i64]| {
            let column = Column::new(TAGS, values.len(), None, None, Values::Int(values.to_vec()));
            memory.add_column(&column.map_err(|error| error.to_string())?)
        };
        Ok(Self {
            key_page: ints(&keys)?,
            tag_page: ints(&tags)?,
            value_page: memory.add_column(&column(values.iter().cloned())?)?,
            runs,
            keys,
            tags,
            values,
        })
    }

    /// The key of a row.
    pub(crate) fn key(&self, row: u32) -> i64 {
        self.keys.get(row as usize).copied().unwrap_or(0)
    }

    /// The value of a row.
    pub(crate) fn value(&self, row: u32) -> Option<String> {
        self.values.get(row as usize).cloned().flatten()
    }

    /// Whether a row lies between bounds and passes the filter.
    pub(crate) fn is_wanted(&self, row: u32, is_tested: bool, low: i64, high: i64) -> bool {
        let tag = self.tags.get(row as usize).copied().unwrap_or(0);
        (low..=high).contains(&self.key(row)) && (!is_tested || tag >= LEAST_TAG)
    }
}

/// A column of values.
pub(crate) fn column(values: impl Iterator<Item = Option<String>>) -> Result<Column, String> {
    let mut column = ColumnBuilder::new(VALUES);
    for value in values {
        match value {
            Some(value) => column.push_string(&value),
            None => column.push_absent(),
        }
        .map_err(|error| error.to_string())?;
    }
    Ok(column.finish())
}
