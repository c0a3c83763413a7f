//! Lowers an expression over tags to a tree of tests over columns.

use std::collections::BTreeMap;

use sidx_columns::{ColumnType, ValueType};
use sidx_kernels::{Step, Test};

use super::Slot;
use super::value::{comparable, comparison, member, prefix};
use crate::expression::{Comparison, Expression, Literal};

/// A test of one column.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// The column.
    pub(super) slot: usize,
    /// Whether any element of an array passes, instead of the value.
    pub(super) elements: bool,
    /// The test.
    pub(super) test: Test,
    /// The probe that can rule the test out for a whole block.
    pub(super) probe: Option<usize>,
}

/// A lowered filter. `True` and `False` stand alone only: folding leaves none inside the others.
#[derive(Clone, Debug)]
pub(super) enum Node {
    True,
    False,
    Leaf(Leaf),
    /// Two or more.
    And(Vec<Node>),
    /// Two or more.
    Or(Vec<Node>),
    Not(Box<Node>),
}

/// Lowers an expression; the slots are those of every tag that it names.
pub(super) fn lower(
    expression: &Expression,
    kinds: &mut dyn FnMut(&str) -> Vec<ColumnType>,
) -> (Node, Vec<Slot>) {
    let mut lowering = Lowering {
        kinds,
        tags: BTreeMap::new(),
        slots: Vec::new(),
    };
    let root = lowering.expression(expression);
    (root, lowering.slots)
}

struct Lowering<'a> {
    kinds: &'a mut dyn FnMut(&str) -> Vec<ColumnType>,
    /// The columns of each tag met so far, with their slots.
    tags: BTreeMap<String, Vec<(ColumnType, usize)>>,
    slots: Vec<Slot>,
}

impl Lowering<'_> {
    fn expression(&mut self, expression: &Expression) -> Node {
        match expression {
            Expression::Compare { tag, op, value } => self.each_column(tag, |kind, slot| {
                scalar(
                    kind,
                    slot,
                    std::slice::from_ref(value),
                    *op == Comparison::Ne,
                    || comparison(*op, value, kind.value),
                )
            }),
            Expression::In {
                tag,
                values,
                negated,
            } => self.each_column(tag, |kind, slot| {
                scalar(kind, slot, values, *negated, || member(values, kind.value))
            }),
            Expression::Matches {
                tag,
                pattern,
                negated,
            } => self.each_column(tag, |kind, slot| {
                // A pattern compares with what a string compares with.
                let patterns = std::slice::from_ref(pattern);
                scalar(kind, slot, patterns, *negated, || match pattern {
                    Literal::String(pattern) => Some(Test::Regex(pattern.clone())),
                    _ => None,
                })
            }),
            Expression::StartsWith {
                tag,
                prefix: literal,
            } => self.each_column(tag, |kind, slot| {
                let literals = std::slice::from_ref(literal);
                scalar(kind, slot, literals, false, || prefix(literal, kind.value))
            }),
            Expression::Contains { tag, all, values } => {
                self.each_column(tag, |kind, slot| match (kind.array, *all) {
                    (false, _) => Node::False,
                    (true, false) => elements(slot, values, kind.value),
                    (true, true) if values.is_empty() => Node::False,
                    (true, true) => and(values
                        .chunks(1)
                        .map(|value| elements(slot, value, kind.value))),
                })
            }
            Expression::Exists { tag } => {
                self.each_column(tag, |_, slot| leaf(slot, false, Test::Exists))
            }
            Expression::And(parts) => and(parts.iter().map(|part| self.expression(part))),
            Expression::Or(parts) => or(parts.iter().map(|part| self.expression(part))),
            Expression::Not(part) => not(self.expression(part)),
        }
    }

    /// A row has the tag in at most one of its columns, so a test of the tag holds when it holds
    /// in one of them.
    fn each_column(&mut self, tag: &str, test: impl Fn(ColumnType, usize) -> Node) -> Node {
        or(self
            .columns(tag)
            .iter()
            .map(|(kind, slot)| test(*kind, *slot)))
    }

    fn columns(&mut self, tag: &str) -> &[(ColumnType, usize)] {
        if !self.tags.contains_key(tag) {
            let mut kinds = (self.kinds)(tag);
            kinds.sort_unstable();
            kinds.dedup();
            let first = self.slots.len();
            let slots = kinds.iter().map(|kind| Slot {
                name: tag.to_owned(),
                kind: *kind,
            });
            self.slots.extend(slots);
            let numbered = kinds.into_iter().zip(first..).collect();
            self.tags.insert(tag.to_owned(), numbered);
        }
        self.tags.get(tag).map_or(&[], Vec::as_slice)
    }
}

/// A test of a scalar column against literals: false where no literal compares with the column's
/// type. A negated one holds where there is a value and the test fails, so not where it is absent.
fn scalar(
    kind: ColumnType,
    slot: usize,
    literals: &[Literal],
    negated: bool,
    test: impl FnOnce() -> Option<Test>,
) -> Node {
    if kind.array
        || !literals
            .iter()
            .any(|literal| comparable(literal, kind.value))
    {
        return Node::False;
    }
    let passes = test().map_or(Node::False, |test| leaf(slot, false, test));
    if negated {
        and([leaf(slot, false, Test::Exists), not(passes)])
    } else {
        passes
    }
}

/// Whether an array has an element equal to one of the literals.
fn elements(slot: usize, literals: &[Literal], value: ValueType) -> Node {
    member(literals, value).map_or(Node::False, |test| leaf(slot, true, test))
}

/// What holds where a filter does and a column has no value.
pub(super) fn absent(root: Node, slot: usize) -> Node {
    and([not(leaf(slot, false, Test::Exists)), root])
}

fn leaf(slot: usize, elements: bool, test: Test) -> Node {
    Node::Leaf(Leaf {
        slot,
        elements,
        test,
        probe: None,
    })
}

fn and(parts: impl IntoIterator<Item = Node>) -> Node {
    let mut kept = Vec::new();
    for part in parts {
        match part {
            Node::True => {}
            Node::False => return Node::False,
            part => kept.push(part),
        }
    }
    single(&mut kept).unwrap_or(if kept.is_empty() {
        Node::True
    } else {
        Node::And(kept)
    })
}

fn or(parts: impl IntoIterator<Item = Node>) -> Node {
    let mut kept = Vec::new();
    for part in parts {
        match part {
            Node::False => {}
            Node::True => return Node::True,
            part => kept.push(part),
        }
    }
    single(&mut kept).unwrap_or(if kept.is_empty() {
        Node::False
    } else {
        Node::Or(kept)
    })
}

/// The only part, taken out of the list.
fn single(parts: &mut Vec<Node>) -> Option<Node> {
    if parts.len() == 1 { parts.pop() } else { None }
}

fn not(part: Node) -> Node {
    match part {
        Node::True => Node::False,
        Node::False => Node::True,
        Node::Not(inner) => *inner,
        part => Node::Not(Box::new(part)),
    }
}

impl Node {
    /// Visits the leaves in the order of the expression.
    pub(super) fn each_leaf(&mut self, visit: &mut dyn FnMut(&mut Leaf)) {
        match self {
            Node::True | Node::False => {}
            Node::Leaf(leaf) => visit(leaf),
            Node::And(parts) | Node::Or(parts) => {
                parts.iter_mut().for_each(|part| part.each_leaf(visit));
            }
            Node::Not(part) => part.each_leaf(visit),
        }
    }

    /// Appends the postfix program. Parts are joined as they come, so that a long list of parts
    /// needs no deep stack.
    pub(super) fn write_steps(&self, steps: &mut Vec<Step>) {
        match self {
            Node::True => steps.push(Step::True),
            Node::False => steps.push(Step::False),
            Node::Leaf(Leaf {
                slot,
                elements,
                test,
                ..
            }) => steps.push(Step::Leaf {
                // A tag has at most twelve types and a text at most a million bytes.
                slot: u32::try_from(*slot).unwrap_or(u32::MAX),
                elements: *elements,
                test: test.clone(),
            }),
            Node::And(parts) => write_joined(parts, &Step::And, steps),
            Node::Or(parts) => write_joined(parts, &Step::Or, steps),
            Node::Not(part) => {
                part.write_steps(steps);
                steps.push(Step::Not);
            }
        }
    }
}

fn write_joined(parts: &[Node], join: &Step, steps: &mut Vec<Step>) {
    for (at, part) in parts.iter().enumerate() {
        part.write_steps(steps);
        if at > 0 {
            steps.push(join.clone());
        }
    }
}
