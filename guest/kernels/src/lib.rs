//! Page encodings and scan kernels of sidx: no I/O, no policy, native and wasm32 alike.
//!
//! The way of a column:
//!
//! - [`Column`](sidx_columns::Column): typed values in memory, of the crate `sidx-columns`.
//! - [`encode`](encode()): a column to a page (its present values in their smallest form), plus
//!   [`stats`] and, where it helps, a [`membership`] page.
//! - [`Page::open`]: bytes from storage to a page; checks everything once, so that what follows
//!   can't fail on bad bytes.
//! - [`select()`] and [`count()`]: rows of a block by key, order and a [`Program`] of
//!   [`Test`]s over its pages.
//! - [`Keys`] and [`matches_until`]: the same piece by piece, to merge runs of many blocks.
//! - [`gather()`] and [`lengths()`]: the values of selected rows of many pages as one column.
//!
//! Bytes from storage are hostile: opening refuses what contradicts the format, and nothing done
//! with an open page panics, reads out of bounds or allocates beyond what its checked counts ask
//! for. The layout of every byte is in `docs/format.md`, its codes in [`codes`].
//!
//! ```
//! use sidx_columns::{Column, ColumnType, ValueType, Values};
//! use sidx_kernels::{Page, Source, encode, gather};
//!
//! let kind = ColumnType::scalar(ValueType::Int);
//! let column = Column::new(kind, 3, None, None, Values::Int(vec![200, 404, 200]))?;
//! let page = Page::open(encode(&column)?.page.into())?;
//! let picked = gather(kind, Source { pages: &[Some(&page); 2], rows: &[1, 0] })?;
//! assert_eq!(picked.values(), &Values::Int(vec![404, 200]));
//! # Ok::<(), sidx_kernels::PageError>(())
//! ```
#![cfg_attr(
    not(any(
        target_arch = "x86_64",
        all(target_arch = "wasm32", target_feature = "simd128")
    )),
    allow(
        unused_variables,
        unused_mut,
        dead_code,
        clippy::ptr_arg,
        reason = "where there are no vector kernels, what chooses between them is of no use"
    )
)]

mod bitmap;
pub mod bitpack;
mod boolean;
pub mod codes;
mod dictionary;
pub mod error;
mod float;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gather;
pub mod hash;
mod implementation;
mod integer;
mod layout;
#[cfg(feature = "measure")]
#[doc(hidden)]
pub mod measure;
pub mod membership;
mod offsets;
pub mod page;
pub mod predicate;
pub mod program;
mod reader;
#[cfg(test)]
mod samples;
pub mod select;
pub mod stats;
mod stop;
mod string;
pub mod varint;

pub use dictionary::postings;
pub use dictionary::{SharedBuilder, SharedColumn};
pub use error::{PageError, ProgramError};
pub use gather::{RangeGather, Source, gather, gather_until, lengths};
pub use implementation::Implementation;
pub use membership::Membership;
pub use page::{EncodedColumn, Page, encode, encode_coded, encode_plain, encode_unfiltered};
pub use predicate::Test;
pub use program::{Program, Step};
pub use select::{
    Keys, Order, Resume, SelectRequest, Span, count, count_until, matches_until, select,
    select_until,
};
pub use stats::{ColumnStats, ValueRange};
pub use stop::Stop;
pub use string::SharedDictionary;
