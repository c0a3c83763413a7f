//! Tests of strings, over a page of different ones and a page of few.

use rand::Rng;
use sidx_columns::{ByteStrings, ValueType, Values};
use sidx_kernels::{Page, Program, Step, Test};

use crate::report::{Report, Work};
use crate::samples::{ROWS, page, random, words};

pub(crate) fn run(report: &mut Report) {
    let mut random = random();
    let plain: Vec<String> = (0..ROWS)
        .map(|_| {
            format!(
                "10.{}.{}:peer-{:08x}",
                random.random_range(0..256),
                random.random_range(0..256),
                random.random::<u32>()
            )
        })
        .collect();
    let few: Vec<String> = (0..ROWS)
        .map(|_| format!("/endpoint/source-{}/item", random.random_range(0..900)))
        .collect();
    all(report, "plain", &plain, "10.17.", "7:peer-a");
    all(report, "dictionary", &few, "/endpoint/source-17", "e-17");
}

/// A test of one string.
type Passes<'a> = Box<dyn Fn(&str) -> bool + 'a>;

fn all(report: &mut Report, form: &str, values: &[String], prefix: &str, inner: &str) {
    let strings: ByteStrings = values.iter().collect();
    let page = page(ValueType::String, Values::Bytes(strings));
    let one = values[values.len() / 2].clone();
    let several: Vec<String> = values.iter().step_by(values.len() / 20).cloned().collect();
    let bytes = |values: &[String]| values.iter().map(|one| one.clone().into_bytes()).collect();
    let cases: [(&str, Test, Passes); 6] = [
        (
            "equality",
            Test::BytesSet(bytes(std::slice::from_ref(&one))),
            Box::new(move |v| v == one),
        ),
        (
            "set of 21",
            Test::BytesSet(bytes(&several)),
            Box::new(move |v| several.iter().any(|s| s == v)),
        ),
        (
            "prefix",
            Test::BytesPrefix(prefix.as_bytes().to_vec()),
            Box::new(move |v| v.starts_with(prefix)),
        ),
        (
            "contains",
            Test::Regex(inner.to_owned()),
            Box::new(move |v| v.contains(inner)),
        ),
        (
            "contains, as a regex",
            Test::Regex(format!("({inner})")),
            Box::new(move |v| v.contains(inner)),
        ),
        (
            "regex",
            Test::Regex(format!("{inner}.*3")),
            Box::new(move |v| {
                v.find(inner)
                    .is_some_and(|at| v[at + inner.len()..].contains('3'))
            }),
        ),
    ];
    for (name, test, passes) in cases {
        let kernel = format!("string {name}, {form}");
        let expected = words(ROWS, |at| passes(&values[at]));
        evaluate(report, &kernel, &page, test, &expected);
    }
}

fn evaluate(report: &mut Report, kernel: &str, page: &Page, test: Test, expected: &Vec<u64>) {
    let leaf = Step::Leaf {
        slot: 0,
        elements: false,
        test,
    };
    let program = Program::compile(vec![leaf]).unwrap_or_else(|error| panic!("{error}"));
    let work = Work {
        read: page.memory_bytes(),
        written: ROWS / 8,
        items: ROWS,
    };
    report.measure(kernel, "best", work, expected, || {
        let passed = program.evaluate(&[Some(page)], ROWS as u32, None);
        passed
            .map(|passed| passed.words().to_vec())
            .unwrap_or_default()
    });
}
