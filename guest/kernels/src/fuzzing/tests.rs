//! The inputs that the fuzzer kept, and what it begins with.

use sidx_columns::{Bitmap, Column, ColumnType, ValueType, Values, log_columns};

use crate::fuzzing::{columns, dictionary, membership as members, page, program};
use crate::gather::{Source, gather};
use crate::membership;
use crate::page::{Page, encode, encode_unfiltered};
use crate::samples;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 5] = [
    ("page", page),
    ("columns", columns),
    ("membership", members),
    ("dictionary", dictionary),
    ("program", program),
];

fn corpus(target: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target)
}

/// What the fuzzer found worth keeping, and every crash there ever was.
#[test]
fn kept_inputs_pass() {
    for (target, run) in TARGETS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus(target)).expect(target) {
            run(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{target} has no inputs");
    }
}

/// `cargo test -p sidx-kernels write_seeds -- --ignored` makes what the fuzzer begins with.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn write_seeds() {
    let mut r = samples::random(1);
    let write = |target: &str, name: &str, bytes: &[u8]| {
        std::fs::create_dir_all(corpus(target)).unwrap();
        std::fs::write(corpus(target).join(format!("seed-{name}")), bytes).unwrap();
    };
    for kind in samples::kinds() {
        for shape in 0..samples::SHAPES {
            for (share, rows) in [(1.0, 40), (0.5, 200)] {
                let column = samples::column(&mut r, kind, shape, rows, share);
                let encoded = encode(&column).unwrap();
                let name = format!("{kind}-{shape}-{rows}").replace("[]", "s");
                write("page", &name, &encoded.page);
                let mut logged = Vec::new();
                log_columns::write(&[&column], &mut logged);
                if rows == 40 {
                    write("columns", &name, &logged);
                }
            }
        }
    }
    write(
        "membership",
        "few",
        &membership::build(vec![1, 2, 3]).unwrap(),
    );
    write(
        "membership",
        "none",
        &membership::build(Vec::new()).unwrap(),
    );
    for (name, cut) in [("whole", 255u8), ("half", 128)] {
        let (stored, page) = shared_seed();
        let mut bytes = vec![cut];
        bytes.extend(stored);
        if cut == 128 {
            bytes.extend(page);
        }
        write("dictionary", name, &bytes);
    }
    write("program", "all", &[1, 5, 6, 0, 7, 1, 2, 3, 0, 4, 1]);
}

/// A dictionary and a page that refers to it, of one length, so that the middle parts them.
fn shared_seed() -> (Vec<u8>, Vec<u8>) {
    use crate::{SharedBuilder, encode_coded};
    let texts = ["alpha", "alphabet", "beta", ""].repeat(5);
    let strings = Values::Bytes(texts.iter().collect());
    let kind = ColumnType::scalar(ValueType::String);
    let column = Column::new(kind, texts.len(), None, None, strings).unwrap();
    let page = Page::open(encode_unfiltered(&column).unwrap().page.into()).unwrap();
    let mut builder = SharedBuilder::new(kind).unwrap();
    builder.add(0, &page).unwrap();
    let shared = builder.finish(0).unwrap();
    let coded = shared.coded(0, &page).unwrap();
    let rows: Vec<u32> = (0..coded.rows()).collect();
    let pages = vec![Some(&coded); rows.len()];
    let source = Source {
        pages: &pages,
        rows: &rows,
    };
    let codes = gather(coded.kind(), source).unwrap();
    let page = encode_coded(&codes, shared.dictionary()).unwrap().page;
    let stored = shared.dictionary().write(&Bitmap::ones(4));
    (stored, page)
}
