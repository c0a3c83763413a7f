//! Filters as postfix programs: leaves push a selection of rows, operators combine them.

use sidx_columns::Bitmap;

use crate::error::{PageError, ProgramError};
use crate::page::Page;
use crate::predicate::{Matcher, Test};
use crate::stop::Stop;

mod leaf;
mod resolutions;
#[cfg(test)]
mod tests;

use leaf::Scope;
use resolutions::Resolutions;

/// Most results pending at once.
pub const MAX_DEPTH: usize = 1_000;

/// Largest slot number.
pub const MAX_SLOT: u32 = u16::MAX as u32;

/// One step of a filter in postfix order.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Tests the page in a slot. With `elements`, the page holds arrays and a row passes when
    /// any of its elements does; without, the page holds scalars. [`Test::Exists`] without
    /// `elements` asks for present rows of either.
    Leaf {
        /// Slot of the page.
        slot: u32,
        /// Whether the test is of array elements.
        elements: bool,
        /// The test.
        test: Test,
    },
    /// Takes two results: rows in both.
    And,
    /// Takes two results: rows in either.
    Or,
    /// Takes one result: rows not in it.
    Not,
    /// Every row.
    True,
    /// No row.
    False,
}

/// A filter ready to run over any number of blocks.
#[derive(Debug, Clone)]
pub struct Program {
    operations: Vec<Operation>,
    slots: u32,
}

#[derive(Debug, Clone)]
enum Operation {
    Leaf(Leaf),
    /// A leaf and the conjunction behind it in one: the leaf is asked only about rows that
    /// passed so far.
    AndLeaf(Leaf),
    And,
    Or,
    Not,
    True,
    False,
}

#[derive(Debug, Clone)]
struct Leaf {
    slot: usize,
    elements: bool,
    matcher: Matcher,
    resolutions: Resolutions,
}

impl Program {
    /// Checks and compiles a filter. Conjunctions run fastest when the cheapest test comes first
    /// and each further leaf is directly followed by its `And`.
    ///
    /// # Errors
    /// When a step finds too few results, more than one or none is left at the end, more than
    /// 1,000 are pending, a slot exceeds 65,535, or a regular expression is bad or too large.
    pub fn compile(steps: Vec<Step>) -> Result<Program, ProgramError> {
        let mut operations: Vec<Operation> = Vec::with_capacity(steps.len());
        let (mut depth, mut slots) = (0usize, 0u32);
        for (step, what) in steps.into_iter().enumerate() {
            let (needed, operation) = match what {
                Step::Leaf {
                    slot,
                    elements,
                    test,
                } => {
                    if slot > MAX_SLOT {
                        return Err(ProgramError::Slot {
                            step,
                            slot,
                            limit: MAX_SLOT,
                        });
                    }
                    slots = slots.max(slot + 1);
                    let matcher = Matcher::new(test)
                        .map_err(|message| ProgramError::Regex { step, message })?;
                    (
                        0,
                        Operation::Leaf(Leaf {
                            slot: slot as usize,
                            elements,
                            matcher,
                            resolutions: Resolutions::default(),
                        }),
                    )
                }
                Step::And => (2, Operation::And),
                Step::Or => (2, Operation::Or),
                Step::Not => (1, Operation::Not),
                Step::True => (0, Operation::True),
                Step::False => (0, Operation::False),
            };
            if depth < needed {
                return Err(ProgramError::Underflow {
                    step,
                    needed,
                    available: depth,
                });
            }
            depth = depth - needed + 1;
            if depth > MAX_DEPTH {
                return Err(ProgramError::Depth {
                    step,
                    limit: MAX_DEPTH,
                });
            }
            push_fused(&mut operations, operation);
        }
        if depth != 1 {
            return Err(ProgramError::Results { results: depth });
        }
        Ok(Program { operations, slots })
    }

    /// One more than the highest slot a leaf asks for; 0 without leaves.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// The rows of a block that pass, out of those in `within` (all when `None`). Missing slots
    /// and pages a test does not fit select nothing. Pages are read only around the rows of
    /// `within`, so a narrow one makes a filter cheap.
    ///
    /// # Errors
    /// When a page or `within` is not over `rows` rows.
    pub fn evaluate(
        &self,
        slots: &[Option<&Page>],
        rows: u32,
        within: Option<&Bitmap>,
    ) -> Result<Bitmap, PageError> {
        self.evaluate_until(slots, rows, within, &Stop::never())
    }

    /// As [`evaluate`](Self::evaluate), and may be stopped while strings and bytes are looked at.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), and [`PageError::Stopped`].
    pub fn evaluate_until(
        &self,
        slots: &[Option<&Page>],
        rows: u32,
        within: Option<&Bitmap>,
        stop: &Stop<'_>,
    ) -> Result<Bitmap, PageError> {
        let count = rows as usize;
        check_rows(
            "rows of the selection",
            rows,
            within.map_or(count, Bitmap::len),
        )?;
        for page in slots.iter().flatten() {
            check_rows("rows of a page", rows, page.rows() as usize)?;
        }
        let window = within.map_or(0..count, Bitmap::hull);
        let mut stack: Vec<Bitmap> = Vec::new();
        if !window.is_empty() {
            for operation in &self.operations {
                let scope = Scope {
                    window: window.clone(),
                    within,
                    stop,
                };
                let result = operation.run(&mut stack, slots, count, &scope);
                stop.check()?;
                stack.push(result);
            }
        }
        // `compile` made sure that exactly one result is left.
        let mut result = stack.pop().unwrap_or_else(|| Bitmap::zeros(count));
        if let Some(within) = within {
            result.and_with(within);
        }
        Ok(result)
    }
}

/// Appends an operation, fused with the leaf before it where that is a conjunction.
fn push_fused(operations: &mut Vec<Operation>, operation: Operation) {
    if matches!(operation, Operation::And)
        && let Some(Operation::Leaf(leaf)) = operations.pop_if(|o| matches!(o, Operation::Leaf(_)))
    {
        return operations.push(Operation::AndLeaf(leaf));
    }
    operations.push(operation);
}

impl Operation {
    /// Takes what it needs from the stack and returns its result.
    fn run(
        &self,
        stack: &mut Vec<Bitmap>,
        slots: &[Option<&Page>],
        rows: usize,
        scope: &Scope<'_>,
    ) -> Bitmap {
        match self {
            Operation::True => Bitmap::ones(rows),
            Operation::False => Bitmap::zeros(rows),
            Operation::Leaf(leaf) => leaf.run(slots, rows, scope),
            operation => {
                // `compile` made sure that the results are there.
                let mut last = stack.pop().unwrap_or_default();
                match operation {
                    Operation::And => last.and_with(&stack.pop().unwrap_or_default()),
                    Operation::Or => last.or_with(&stack.pop().unwrap_or_default()),
                    Operation::Not => last.invert(),
                    Operation::AndLeaf(leaf) => {
                        let hull = last.hull();
                        let start = hull.start.max(scope.window.start);
                        let window = start..hull.end.min(scope.window.end).max(start);
                        let scope = Scope {
                            window,
                            within: Some(&last),
                            stop: scope.stop,
                        };
                        let passed = leaf.run(slots, rows, &scope);
                        last.and_with(&passed);
                    }
                    _ => {}
                }
                last
            }
        }
    }
}

impl Leaf {
    fn run(&self, slots: &[Option<&Page>], rows: usize, scope: &Scope<'_>) -> Bitmap {
        match slots.get(self.slot).copied().flatten() {
            Some(page) if !scope.window.is_empty() => {
                let test = leaf::Test {
                    matcher: &self.matcher,
                    resolutions: &self.resolutions,
                };
                leaf::select_rows(page, self.elements, &test, scope)
            }
            _ => Bitmap::zeros(rows),
        }
    }
}

fn check_rows(what: &'static str, expected: u32, found: usize) -> Result<(), PageError> {
    if expected as usize == found {
        return Ok(());
    }
    Err(PageError::Request {
        what,
        expected: expected.into(),
        found: found as u64,
    })
}
