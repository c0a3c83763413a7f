//! Labels of series, remembered once they were asked for.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sidx_command::database::Result;
use sidx_engine::{ErrorKind, series_id};

use crate::bindings::index;
use crate::error::{of_engine, other};

/// The memory of labels starts anew when it holds more than this many.
const MAX_LABELS: usize = 1 << 20;

/// Labels by series. A label never changes once it is known; that a series has none may change with any
/// write, so that is not remembered.
#[derive(Default)]
pub(crate) struct Labels {
    known: BTreeMap<u64, Arc<str>>,
}

/// What a query that allows a partial result met when it looked for labels.
pub(crate) type LostLabels = OnceCell<String>;

impl Labels {
    /// As [`resolve`](Self::resolve), without the labels that cannot be read, which is noted.
    pub(crate) fn resolve_readable(
        &mut self,
        series: &[u64],
        lost: &LostLabels,
    ) -> Result<BTreeMap<u64, Arc<str>>> {
        match self.resolve(series) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                // One place is enough to know that the result is not whole.
                let _ = lost.set(format!("labels of series: {}", error.message()));
            }
            all => return all,
        }
        let mut labels = BTreeMap::new();
        for id in series.iter().copied().collect::<BTreeSet<u64>>() {
            match self.resolve(&[id]) {
                Ok(found) => labels.extend(found),
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Ok(labels)
    }

    /// The labels of series that have one. The engine is asked for those not known yet, all at once.
    pub(crate) fn resolve(&mut self, series: &[u64]) -> Result<BTreeMap<u64, Arc<str>>> {
        let wanted: BTreeSet<u64> = series.iter().copied().collect();
        let mut labels = BTreeMap::new();
        let mut unknown = Vec::new();
        for id in wanted {
            match self.known.get(&id) {
                Some(label) => drop(labels.insert(id, Arc::clone(label))),
                None => unknown.push(id),
            }
        }
        if unknown.is_empty() {
            return Ok(labels);
        }
        let found = index::labels(&unknown).map_err(of_engine)?;
        for (id, label) in unknown.into_iter().zip(found) {
            let Some(label) = label else {
                continue;
            };
            if series_id(&label) != id {
                let text = format!("the engine returned a label of another series for {id}");
                return Err(other(text));
            }
            if self.known.len() >= MAX_LABELS {
                self.known.clear();
            }
            let label: Arc<str> = label.into();
            self.known.insert(id, Arc::clone(&label));
            labels.insert(id, label);
        }
        Ok(labels)
    }
}
