//! Every code that stands in stored bytes, under one roof: the list that `docs/format.md` is
//! compared with. The type codes are those of [`ColumnType`](sidx_columns::ColumnType).

pub use crate::boolean::{
    ALL_FALSE as BOOLEAN_ALL_FALSE, ALL_TRUE as BOOLEAN_ALL_TRUE, BITS as BOOLEAN_BITS,
};
pub use crate::dictionary::postings::{
    PAGE_ENTRIES as POSTINGS_PAGE_ENTRIES, SEGMENT_SLICES as POSTINGS_SEGMENT_SLICES,
    SLICE_ROWS as POSTINGS_SLICE_ROWS,
};
pub use crate::float::{
    CONSTANT as FLOAT_CONSTANT, DECIMAL as FLOAT_DECIMAL, MAX_EXPONENT as FLOAT_MAX_EXPONENT,
    RAW as FLOAT_RAW,
};
pub use crate::integer::delta::GROUP as DELTA_GROUP;
pub use crate::integer::{
    CONSTANT as INTEGER_CONSTANT, DELTA as INTEGER_DELTA, DICTIONARY as INTEGER_DICTIONARY,
    MAX_DICTIONARY as INTEGER_MAX_DICTIONARY, OFFSET as INTEGER_OFFSET,
    PROGRESSION as INTEGER_PROGRESSION,
};
pub use crate::layout::LAYOUT as PAGE_LAYOUT;
pub use crate::membership::{HEADER_BYTES as FILTER_HEADER_BYTES, LAYOUT as FILTER_LAYOUT};
pub use crate::page::presence::{
    ALL as PRESENCE_ALL, BITMAP as PRESENCE_BITMAP, RUNS as PRESENCE_RUNS,
};
pub use crate::string::alphabet::MAX_LENGTH as STRING_ALPHABET_MAX_LENGTH;
pub use crate::string::dictionary::MAX_DICTIONARY as STRING_MAX_DICTIONARY;
pub use crate::string::shared::{MAX_BYTES as SHARED_MAX_BYTES, MAX_ENTRIES as SHARED_MAX_ENTRIES};
pub use crate::string::{
    ALPHABET as STRING_ALPHABET, DICTIONARY as STRING_DICTIONARY, PLAIN as STRING_PLAIN,
    SHARED as STRING_SHARED,
};

pub use sidx_columns::ARRAY_FLAG;
pub use sidx_columns::log_columns::{
    LAYOUT as LOG_COLUMNS_LAYOUT, PRESENCE_ALL as LOG_COLUMNS_PRESENCE_ALL,
    PRESENCE_BITMAP as LOG_COLUMNS_PRESENCE_BITMAP,
};

/// Zero bytes behind bit-packed values.
pub const PACKED_PADDING: usize = crate::bitpack::PADDING;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_format() {
        assert_eq!((PAGE_LAYOUT, FILTER_LAYOUT, LOG_COLUMNS_LAYOUT), (1, 1, 1));
        assert_eq!([PRESENCE_ALL, PRESENCE_BITMAP, PRESENCE_RUNS], [0, 1, 2]);
        assert_eq!(
            [INTEGER_CONSTANT, INTEGER_PROGRESSION, INTEGER_OFFSET],
            [0, 1, 2]
        );
        assert_eq!([INTEGER_DELTA, INTEGER_DICTIONARY], [3, 4]);
        assert_eq!([FLOAT_RAW, FLOAT_DECIMAL, FLOAT_CONSTANT], [0, 1, 2]);
        assert_eq!(
            [BOOLEAN_ALL_FALSE, BOOLEAN_ALL_TRUE, BOOLEAN_BITS],
            [0, 1, 2]
        );
        assert_eq!(
            [
                STRING_PLAIN,
                STRING_DICTIONARY,
                STRING_ALPHABET,
                STRING_SHARED
            ],
            [0, 1, 2, 3]
        );
        assert_eq!(
            [LOG_COLUMNS_PRESENCE_ALL, LOG_COLUMNS_PRESENCE_BITMAP],
            [0, 1]
        );
        assert_eq!((ARRAY_FLAG, FLOAT_MAX_EXPONENT), (0x10, 18));
        assert_eq!(
            (STRING_MAX_DICTIONARY, INTEGER_MAX_DICTIONARY),
            (65_536, 256)
        );
        assert_eq!(
            (DELTA_GROUP, PACKED_PADDING, FILTER_HEADER_BYTES),
            (128, 8, 18)
        );
    }
}
