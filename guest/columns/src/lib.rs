//! Columns in memory: what everything in sidx that handles rows agrees on. No encoding, no I/O.
//!
//! - [`ValueType`] and [`ColumnType`]: what a column may hold.
//! - [`Column`]: one typed value, or none, per row; built row by row with [`ColumnBuilder`] or from
//!   pieces with [`Column::new`], read as [`Value`]s or as the store that [`Values`] are.
//! - [`Bitmap`]: a set of rows.
//! - [`log_columns`]: columns to plain bytes and back, for the write-ahead log.
//!
//! ```
//! use sidx_columns::{ColumnBuilder, ColumnType, Value, ValueType};
//!
//! let mut builder = ColumnBuilder::new(ColumnType::scalar(ValueType::Int));
//! builder.push_int(200)?;
//! builder.push_absent()?;
//! let column = builder.finish();
//! assert_eq!((column.value(0), column.value(1)), (Some(Value::Int(200)), None));
//! # Ok::<(), sidx_columns::ColumnError>(())
//! ```
#![forbid(unsafe_code)]

pub mod bitmap;
mod column;
mod error;
pub mod log_columns;
mod types;
mod values;

pub use bitmap::Bitmap;
pub use column::{
    ArrayView as Array, Column, ColumnBuilder, MAX_ELEMENTS, MAX_ROWS, OwnedValue, Value,
};
pub use error::{ColumnError, LogColumnsError};
pub use types::{ARRAY_FLAG, ColumnType, ParseTypeError, ValueType};
pub use values::{ByteStrings, Values};
