//! Which page each row of a request comes from: rows that follow each other often share one.

use sidx_kernels::Page;

use crate::ABSENT;
use crate::recent::Recent;

/// The rows of a source, in stretches that come from one page.
#[derive(Default)]
pub(crate) struct Stretches(Vec<Stretch>);

struct Stretch {
    /// Position of the page among those that were opened, or none where the rows are absent.
    page: Option<usize>,
    rows: usize,
}

impl Stretches {
    /// Those of rows whose pages these are. `open` gives the position of a page that was not met shortly
    /// before.
    pub(crate) fn of<E>(
        pages: &[u32],
        mut open: impl FnMut(u32) -> Result<usize, E>,
    ) -> Result<Self, E> {
        let mut recent = Recent::new(pages.len());
        let mut stretches = Vec::new();
        for run in pages.chunk_by(|a, b| a == b) {
            let page = match run.first() {
                None | Some(&ABSENT) => None,
                Some(&handle) => Some(match recent.find(handle) {
                    Some(at) => at,
                    None => recent.note(handle, open(handle)?),
                }),
            };
            let rows = run.len();
            stretches.push(Stretch { page, rows });
        }
        Ok(Self(stretches))
    }

    /// The page of each row, of those that were opened.
    pub(crate) fn by_row<'p>(&self, opened: &[&'p Page], rows: usize) -> Vec<Option<&'p Page>> {
        let mut by_row = Vec::with_capacity(rows);
        for stretch in &self.0 {
            let page = stretch.page.and_then(|at| opened.get(at)).copied();
            by_row.resize(by_row.len() + stretch.rows, page);
        }
        by_row
    }
}
