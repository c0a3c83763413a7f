//! Trees survive being printed, and no text gets more than an error.

use proptest::prelude::*;

use crate::expression::{Comparison, Expression, Literal, Template, parse};

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z_][A-Za-z0-9_.-]{0,6}",
        "(and|OR|not|in|exists|starts|with|contains|all|any|true|false|bytes|timestamp)",
        "\\PC{1,4}",
        "[`a\n]{1,4}",
    ]
}

fn any_literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<i64>().prop_map(Literal::Int),
        any::<f64>()
            .prop_filter("finite", |v| v.is_finite())
            .prop_map(Literal::Float),
        any::<String>().prop_map(Literal::String),
        any::<bool>().prop_map(Literal::Bool),
        any::<Vec<u8>>().prop_map(Literal::Bytes),
        any::<i64>().prop_map(Literal::Timestamp),
    ]
}

fn any_comparison() -> impl Strategy<Value = Expression> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let op = prop::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge]);
    (any_name(), op, any_literal()).prop_map(|(tag, op, value)| {
        let op = if matches!(value, Literal::Bool(_)) {
            Comparison::Ne
        } else {
            op
        };
        Expression::Compare { tag, op, value }
    })
}

fn any_expression() -> impl Strategy<Value = Expression> {
    let list = || prop::collection::vec(any_literal(), 1..4);
    let prefix = prop_oneof![
        any::<String>().prop_map(Literal::String),
        any::<Vec<u8>>().prop_map(Literal::Bytes)
    ];
    let leaf =
        prop_oneof![
            any_comparison(),
            (any_name(), list(), any::<bool>()).prop_map(|(tag, values, negated)| Expression::In {
                tag,
                values,
                negated
            }),
            (any_name(), any::<String>(), any::<bool>()).prop_map(|(tag, pattern, negated)| {
                Expression::Matches {
                    tag,
                    pattern: Literal::String(pattern),
                    negated,
                }
            }),
            (any_name(), prefix).prop_map(|(tag, prefix)| Expression::StartsWith { tag, prefix }),
            (any_name(), any::<bool>(), list())
                .prop_map(|(tag, all, values)| Expression::Contains { tag, all, values }),
            any_name().prop_map(|tag| Expression::Exists { tag }),
        ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts().prop_map(Expression::And),
            parts().prop_map(Expression::Or),
            inner
                .clone()
                .prop_map(|part| Expression::Not(Box::new(part))),
        ]
    })
}

/// The text of a tree with a parameter in place of each literal, and these literals.
fn with_parameters(tree: Expression) -> (String, Vec<Literal>) {
    let mark = |number: usize| format!("value {number} of the tree");
    let mut values = Vec::new();
    let marked = tree.map(&mut |value, _| {
        values.push(value);
        Ok(Literal::String(mark(values.len() - 1)))
    });
    let mut text = marked.unwrap().to_string();
    for number in 0..values.len() {
        text = text.replace(&format!("\"{}\"", mark(number)), &format!("$p{number}"));
    }
    (text, values)
}

proptest! {
    #[test]
    fn printed_trees_parse_back(tree in any_expression()) {
        let text = tree.to_string();
        prop_assert_eq!(parse(&text), Ok(tree), "{}", text);
    }

    #[test]
    fn values_of_parameters_take_the_places_of_literals(tree in any_expression()) {
        let (text, values) = with_parameters(tree.clone());
        let template = Template::parse(&text).unwrap();
        let names: Vec<String> = (0..values.len()).map(|number| format!("p{number}")).collect();
        prop_assert_eq!(template.parameters(), names);
        prop_assert_eq!(template.bind(&values), Ok(tree), "{}", text);
        prop_assert_eq!(parse(&text).is_ok(), values.is_empty());
    }

    #[test]
    fn any_text_gives_a_tree_or_one_line(text in any::<String>()) {
        if let Err(error) = parse(&text) {
            prop_assert!(!error.message().chars().any(char::is_control));
        }
    }

    /// Texts made of the grammar's own pieces get much further in than random ones.
    #[test]
    fn shuffled_tokens_give_a_tree_or_one_line(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "a", "`b c`", "=", "!=", "<", ">=", "~", "!~", "in", "not", "not in", "and", "or",
            "exists", "(", ")", ",", "1", "2.5", "\"x\"", "\"\\ud83d", "true", "starts with",
            "contains", "all", "any", "timestamp(", "bytes(", "\"AA==\"", "-", "1e", "`", "\"", "$", "$a",
        ]), 0..24),
        glue in prop::sample::select(vec!["", " "]),
    ) {
        let text = pieces.join(glue);
        if let Err(error) = Template::parse(&text) {
            prop_assert!(error.message().starts_with("filter, column "));
        }
        match parse(&text) {
            Ok(tree) => prop_assert_eq!(parse(&tree.to_string()), Ok(tree)),
            Err(error) => prop_assert!(error.message().starts_with("filter, column ")),
        }
    }
}
