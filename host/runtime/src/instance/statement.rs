//! Queries that are prepared once and run often. Each instance prepares them for itself when it first runs
//! them, and keeps what it made of the last few.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use sidx_engine::expression::Literal;
use sidx_engine::{Execution, ParameterValues, QuerySpec};

use super::Returned;

/// Statements that an instance keeps prepared.
const KEPT: usize = 32;

/// A query to be prepared.
#[derive(Debug)]
pub(crate) struct Statement {
    /// No other of this process has it.
    id: u64,
    query: QuerySpec,
}

impl Statement {
    pub(crate) fn new(query: QuerySpec) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            query,
        })
    }

    /// The query as it was written.
    pub(crate) fn query(&self) -> &QuerySpec {
        &self.query
    }
}

/// The statements that an instance has prepared; `P` is what it makes of one.
pub(super) struct Statements<P> {
    all: Vec<Prepared<P>>,
    uses: u64,
}

/// A statement that an instance has prepared.
pub(super) struct Prepared<P> {
    id: u64,
    /// Gone with the last who could run it.
    statement: Weak<Statement>,
    pub(super) made: P,
    /// The values that it ran with last; none where that is not certain.
    values: Option<Vec<Literal>>,
    /// The names of its columns on the view that the instance sees, once they were asked for.
    names: Option<Arc<[String]>>,
    /// When it ran last.
    used: u64,
}

impl<P> Default for Statements<P> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            uses: 0,
        }
    }
}

impl<P> Statements<P> {
    /// What was made of a statement, if it is still there.
    pub(super) fn get(&mut self, statement: &Statement) -> Option<&mut Prepared<P>> {
        self.uses += 1;
        let found = self.all.iter_mut().find(|one| one.id == statement.id)?;
        found.used = self.uses;
        Some(found)
    }

    /// Forgets the names of columns, which may be others on another view.
    pub(super) fn forget_names(&mut self) {
        for one in &mut self.all {
            one.names = None;
        }
    }

    /// Keeps what was made of a statement. Returns what is not to be kept any longer.
    pub(super) fn put(&mut self, statement: &Arc<Statement>, made: P) -> Vec<P> {
        let is_gone = |one: &mut Prepared<P>| one.statement.strong_count() == 0;
        let mut old: Vec<P> = self
            .all
            .extract_if(.., is_gone)
            .map(|one| one.made)
            .collect();
        if self.all.len() >= KEPT {
            let oldest = self.all.iter().enumerate();
            let oldest = oldest.min_by_key(|(_, one)| one.used).map(|(at, _)| at);
            old.extend(oldest.map(|at| self.all.swap_remove(at).made));
        }
        self.all.push(Prepared {
            id: statement.id,
            statement: Arc::downgrade(statement),
            made,
            values: None,
            names: None,
            used: self.uses,
        });
        old
    }
}

impl<P> Prepared<P> {
    /// Leaves values out that the statement has from the run before: text and bytes cost to be passed.
    pub(super) fn leave_out_known(&self, execution: &mut Execution) {
        let known = self.values.as_ref();
        if let (ParameterValues::Given(given), Some(known)) = (&execution.values, known)
            && given == known
        {
            execution.values = ParameterValues::Kept;
        }
    }

    /// Notes with which values it ran, and whether it came to know them.
    pub(super) fn note_values(&mut self, values: ParameterValues, known: bool) {
        self.values = match values {
            _ if !known => None,
            ParameterValues::Kept => self.values.take(),
            ParameterValues::Given(values) => Some(values),
        };
    }

    /// Gives rows the names of their columns, if they need any; whether these must be asked for.
    pub(super) fn lacks_names(&self, rows: &mut Returned) -> bool {
        let has_columns = rows.columns.is_some() || !rows.is_empty();
        if has_columns && rows.names.is_none() {
            rows.names.clone_from(&self.names);
            return rows.names.is_none();
        }
        false
    }

    /// Gives rows the names of their columns, and keeps these for others.
    pub(super) fn name_columns(&mut self, names: Vec<String>, rows: &mut Returned) {
        let names = self.names.insert(names.into());
        rows.names = Some(Arc::clone(names));
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use sidx_engine::Projection;

    use super::*;

    fn statement() -> Arc<Statement> {
        Statement::new(QuerySpec {
            series: None,
            low: Bound::Unbounded,
            high: Bound::Unbounded,
            filter: None,
            descending: false,
            any_order: false,
            limit: None,
            distinct_payload: false,
            projection: Projection::All,
            payload: true,
            memory_bytes: 1,
            allow_partial: false,
        })
    }

    #[test]
    fn what_nobody_can_run_goes_first_and_then_what_ran_longest_ago() {
        let mut statements = Statements::default();
        let mut held: Vec<Arc<Statement>> = (0..KEPT).map(|_| statement()).collect();
        for (number, one) in held.iter().enumerate() {
            assert!(statements.get(one).is_none());
            assert_eq!(statements.put(one, number), [0; 0]);
        }
        let second = held.remove(1);
        drop(second);
        let next = statement();
        assert_eq!(statements.put(&next, 100), [1]);
        assert_eq!(statements.get(&held[0]).map(|one| one.made), Some(0));
        let last = statement();
        assert_eq!(statements.put(&last, 101), [2]);
        assert!(statements.get(&held[1]).is_none());
        assert_eq!(statements.get(&next).map(|one| one.made), Some(100));
    }

    #[test]
    fn values_are_passed_again_when_they_are_not_certain() {
        let mut statements = Statements::default();
        let one = statement();
        statements.put(&one, ());
        let execution = |value| Execution {
            series: sidx_engine::ExecutionSeries::Prepared,
            low: 0,
            high: 0,
            limit: None,
            values: ParameterValues::Given(vec![Literal::Int(value)]),
        };
        let prepared = statements.get(&one).unwrap();
        for (value, known, is_left_out) in [
            (1, true, false),
            (1, true, true),
            (2, false, false),
            (2, true, false),
            (2, true, true),
            (2, false, true),
            (2, true, false),
        ] {
            let mut run = execution(value);
            prepared.leave_out_known(&mut run);
            assert_eq!(run.values == ParameterValues::Kept, is_left_out, "{value}");
            prepared.note_values(run.values, known);
        }
    }
}
