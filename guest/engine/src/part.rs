//! Parts: immutable sets of rows in sorted blocks.
//!
//! A part has one [`manifest`] (what is in it) and sections: `meta.bin` (the index of its [`frame`]s),
//! `primary.bin` (one record per [`block`]), `keys.bin` and `data.bin` (keys and payloads), up to three per
//! tag, and one of each [`facet`]. The sections are files of a folder, or lie in one file that ends with the
//! manifest and a [`footer`]; a part in [`memory`] is such a file too, with a record of its pages in place of
//! sections. The [`writer`] makes them, as a [`draft`] in either form, and the [`reader`] opens them, and
//! [`copied`] says how they become the other form; what is known of a part whatever its form is its
//! [`summary`]. [`layout`] names sections and numbers. The parts of an index are a [`list`], and of a damaged
//! one some rows may be a [`loss`].
//!
//! Numbers that could be taken for one another have types: the [rank](list::Rank) of a part in a list, the
//! [number](frame::FrameNumber) of a frame in its part, the [number](block::BlockNumber) of a block in its
//! part and its [place](block::BlockPlace) in its frame, the [ordinal](block::Ordinal) of a row in its part.
//! Handles of pages and rows of a block are plain: they live in flat lists that go to the host as they are.

pub(crate) mod arrival;
pub(crate) mod block;
pub(crate) mod column;
pub(crate) mod copied;
pub(crate) mod cut;
pub(crate) mod dead;
pub(crate) mod dictionary;
pub(crate) mod draft;
pub(crate) mod extent;
pub mod facet;
pub(crate) mod footer;
pub(crate) mod frame;
pub(crate) mod layout;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod loss;
pub(crate) mod manifest;
pub(crate) mod memory;
pub(crate) mod name;
pub(crate) mod order;
pub(crate) mod readable;
pub(crate) mod reader;
pub(crate) mod summary;
pub(crate) mod tag;
pub(crate) mod totals;
pub(crate) mod writer;

pub(crate) use block::Run;
pub(crate) use column::{ColumnPlace, Longest, TagColumn};
pub(crate) use list::PartList;
pub(crate) use memory::MemoryPartWriter;
pub(crate) use reader::Part;
pub(crate) use writer::{PartWriter, Values};
