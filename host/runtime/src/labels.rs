//! Labels of series, remembered once they were asked for.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use sidx_engine::series_id;

use crate::error::{Error, ErrorKind, Result};
use crate::pool::Pool;
use crate::session::CallLimits;

/// The memory of labels starts anew when it holds more than this many.
const MAX_LABELS: usize = 1 << 20;

/// Labels by series. A label never changes once it is known; that a series has none may change with any
/// write, so that is not remembered.
pub(crate) struct Labels {
    pool: Arc<Pool>,
    known: RwLock<HashMap<u64, Arc<str>>>,
}

/// What a query that allows a partial result met when it looked for labels.
#[derive(Debug, Default)]
pub(crate) struct LostLabels(OnceLock<String>);

impl LostLabels {
    /// What is missing, if anything is.
    pub(crate) fn told(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Labels {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            known: RwLock::default(),
        }
    }

    /// As [`resolve`](Self::resolve), without the labels that cannot be read, which is noted.
    pub(crate) fn resolve_readable(
        &self,
        series: &[u64],
        lost: &LostLabels,
    ) -> Result<HashMap<u64, Arc<str>>> {
        match self.resolve(series) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                // One place is enough to know that the result is not whole.
                let _ = lost.0.set(format!("labels of series: {}", error.message()));
            }
            all => return all,
        }
        let mut labels = HashMap::new();
        let mut distinct = series.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        for id in distinct {
            match self.resolve(&[id]) {
                Ok(found) => labels.extend(found),
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Ok(labels)
    }

    /// The label of each of `series`, `None` where there is none. The engine is asked for those not
    /// known yet, all at once.
    pub(crate) fn resolve(&self, series: &[u64]) -> Result<HashMap<u64, Arc<str>>> {
        let mut labels = HashMap::new();
        let mut unknown = Vec::new();
        {
            let known = self.known.read();
            for id in series {
                match known.get(id) {
                    Some(label) => drop(labels.insert(*id, Arc::clone(label))),
                    None => unknown.push(*id),
                }
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(labels);
        }
        let mut lease = self.pool.lease(CallLimits::default())?;
        let found = lease.instance()?.labels(&unknown)?;
        let mut known = self.known.write();
        for (id, label) in unknown.into_iter().zip(found) {
            if let Some(label) = label {
                // What is remembered here is told to everyone from now on.
                if series_id(&label) != id {
                    let text = format!("the engine returned a label of another series for {id}");
                    return lease.whole(Err(Error::new(ErrorKind::Other, text)));
                }
                if known.len() >= MAX_LABELS {
                    known.clear();
                }
                let label: Arc<str> = label.into();
                known.insert(id, Arc::clone(&label));
                labels.insert(id, label);
            }
        }
        Ok(labels)
    }
}
