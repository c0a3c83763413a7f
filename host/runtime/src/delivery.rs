//! How the rows of a query reach their reader: in which batches, and how many at most.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::labels::LostLabels;

/// How the rows of a query are to reach their reader.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) has_payload: bool,
    /// What is told of labels that cannot be read, where the result may be partial.
    pub(crate) lost_labels: Option<Arc<LostLabels>>,
    pub(crate) rows_per_batch: u32,
    pub(crate) max_rows: u64,
    pub(crate) timed: bool,
}

impl Delivery {
    /// Rows to ask for when so many were returned: one too many is enough to know.
    pub(crate) fn batch_rows(&self, returned: u64) -> u32 {
        let left = self.max_rows.saturating_sub(returned).saturating_add(1);
        let most = u64::from(self.rows_per_batch);
        // At most what was chosen.
        left.min(most) as u32
    }
}

/// The error of a query with more rows than it may have.
pub(crate) fn too_many_rows(max_rows: u64) -> Error {
    let text = format!(
        "the query has more than the {max_rows} rows it may have; narrow it, give it a `limit`, or \
         raise `max_rows`"
    );
    Error::new(ErrorKind::LimitExceeded, text)
}
