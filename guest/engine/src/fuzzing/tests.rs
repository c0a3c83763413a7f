//! Replays what the fuzzer kept, and makes what it begins with.

use crate::part::name::PartName;
use sidx_log::Term;
use std::path::{Path, PathBuf};

use super::*;
use crate::host::{Extent, Form, Medium};
use crate::part::block::{BlockNumber, PayloadPiece};
use crate::part::dead::chunk::ChunkFile;
use crate::part::frame::{FrameEntry, FrameNumber};
use crate::part::list::PartDeadFiles;
use crate::part::loss::Quarantined;
use crate::part::name::DeadName;
use crate::part::tag::TagPage;
use crate::types::Durability;
use crate::types::Region;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 11] = [
    ("manifest", manifest),
    ("snapshot", snapshot),
    ("frames", frames),
    ("blocks", blocks),
    ("tags", tags),
    ("labels", labels),
    ("dead_rows", dead_rows),
    ("log_header", log_header),
    ("view", view),
    ("expression", expression),
    ("varint", varint),
];

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target)
}

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

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(corpus(target)).unwrap();
    std::fs::write(corpus(target).join(format!("seed-{name}")), bytes).unwrap();
}

const EXTENT: Extent = Extent {
    offset: 16,
    stored_bytes: 200,
    raw_bytes: 300,
    checksum: 0xdead_beef,
    codec: 1,
};

/// `cargo test -p sidx-engine write_seeds -- --ignored` makes what the fuzzer begins with.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn write_seeds() {
    documents();
    records();
    tag_records();
    let mut bytes = Vec::new();
    let lines = include_str!("../../../../docs/query.md")
        .split('`')
        .skip(1)
        .step_by(2);
    let forms = lines.filter(|form| parse(form).is_ok() && form.len() < 200);
    for (at, form) in forms.enumerate() {
        write("expression", &format!("{at}"), form);
    }
    for number in [0u64, 1, 127, 128, 1 << 40, u64::MAX] {
        wire::append(&number, &mut bytes);
    }
    write("varint", "some", bytes);
}

/// Manifests and snapshots of the golden stores, with and without their seal.
fn documents() {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/v1/store");
    let mut body = Snapshot::default();
    for name in ["latest", "golden"] {
        for entry in std::fs::read_dir(stores.join(name).join("parts")).unwrap() {
            let path = entry.unwrap().path();
            let Ok(sealed) = std::fs::read(path.join("manifest.json")) else {
                continue;
            };
            let label = path.file_name().unwrap().to_str().unwrap();
            let part = format!("{name}-{}", &label[..16]);
            let body: Manifest = unseal(&sealed, "manifest").unwrap();
            write("manifest", &format!("sealed-{part}"), sealed);
            write("manifest", &part, serde_json::to_vec(&body).unwrap());
        }
        let entries = std::fs::read_dir(stores.join(name)).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        let is_snapshot = |path: &PathBuf| path.extension().is_some_and(|it| it == "snapshot");
        let sealed = std::fs::read(paths.find(is_snapshot).unwrap()).unwrap();
        body = unseal(&sealed, "snapshot").unwrap();
        write("snapshot", &format!("sealed-{name}"), sealed);
        write("snapshot", name, serde_json::to_vec(&body).unwrap());
    }
    let reason = "manifest.json is gone".to_owned();
    let part = "0000000000000001".to_owned();
    body.quarantined.push(Quarantined {
        part,
        reason,
        lost: vec![Region::everywhere(None)],
    });
    write("snapshot", "plain", serde_json::to_vec(&body).unwrap());
    write("snapshot", "settings", br#"{"created_by":"sidx 0.1.0"}"#);
    let term = Term {
        number: 3,
        nonce: 1 << 100,
    };
    let named = |number, term, form| PartName { number, term, form };
    let dead = |serial, medium| ChunkFile {
        number: 2,
        name: DeadName {
            part: 1,
            term,
            serial,
        },
        medium,
        rows: 9,
        size_bytes: 3_000,
        checksum: 7,
    };
    let names = PartNames {
        term,
        parts: vec![
            (named(1, term, Form::Folder), Medium::Durable),
            (named(2, Term::NONE, Form::File), Medium::Durable),
            (PartName::in_memory(300), Medium::Memory),
        ],
        dead: vec![PartDeadFiles {
            part: 1,
            stored: vec![dead(5, Medium::Durable)],
            now: vec![dead(301, Medium::Memory)],
            unplaced: vec![77],
        }],
        quarantined: body.quarantined,
    };
    write("view", "two", names.write());
}

fn records() {
    let frame = |number, first_block, series| FrameEntry {
        number,
        first_block: BlockNumber::FIRST.plus(first_block),
        blocks: 2,
        first_row: Ordinal::FIRST.plus(u64::from(first_block) * 5),
        rows: 10,
        min_key: i64::MIN,
        max_key: 70,
        first_series: series,
        last_series: series + 1,
        extent: EXTENT,
    };
    write(
        "frames",
        "two",
        write_frames(&[
            frame(FrameNumber::FIRST, 0, 0),
            frame(FrameNumber::FIRST.next(), 2, u64::MAX - 1),
        ]),
    );
    let runs = Block::runs_of(&[0, 0, 7, u64::MAX], &[i64::MIN, i64::MAX, -1, 3]);
    let piece = |start, end| PayloadPiece {
        start,
        end,
        extent: EXTENT,
    };
    let (min_key, max_key) = Block::key_range(&runs);
    let block = Block {
        first_row: Ordinal::FIRST,
        rows: 4,
        runs,
        min_key,
        max_key,
        keys: EXTENT,
        payloads: vec![piece(0, 1), piece(1, 4)],
    };
    let mut bytes = Vec::new();
    block.write(&mut bytes);
    write("blocks", "one", &bytes);
    block.write(&mut bytes);
    write("blocks", "two", &bytes);
    let labels: Labels = [(0, String::new()), (7, "UA".into()), (u64::MAX, "é".into())].into();
    write(
        "labels",
        "three",
        &crate::ordered::labels::page::encode(&labels)[0],
    );
    let checked = Checked {
        labels,
        series: vec![3, u64::MAX],
        keys: vec![i64::MIN, 5],
        columns: (),
        names: vec!["a".into(), "../x".into()],
        kinds: Vec::new(),
        longest_payload_bytes: 0,
        longest_tag_bytes: 0,
        size_bytes: 0,
        durability: Durability::Sync,
    };
    let dead = [(64, 1, EXTENT), (127, 8_192, EXTENT)];
    let record = write_record(&dead);
    write("dead_rows", "two", &record[..record.len() - 4]);
    write("log_header", "two", write_header(&checked, 77, &[]));
    write("log_header", "died", write_header(&checked, 77, &[3, 76]));
}

fn tag_records() {
    let mut directory = vec![2 << 1 | 1];
    directory.extend(write_directory(&[Some(EXTENT), None]));
    write("tags", "directory", directory);
    let bytes = ValueRange::Bytes {
        min: b"a".to_vec(),
        max: Some(b"b".to_vec()),
    };
    let limits = [
        (ValueType::Int, ValueRange::Int { min: -1, max: 1 }),
        (
            ValueType::Float,
            ValueRange::Float {
                min: -0.5,
                max: 1e300,
                nan: true,
            },
        ),
        (
            ValueType::Bool,
            ValueRange::Bool {
                min: false,
                max: true,
            },
        ),
        (ValueType::String, bytes),
        (
            ValueType::Bytes,
            ValueRange::Bytes {
                min: vec![0xff],
                max: None,
            },
        ),
    ];
    for (value, limits) in limits {
        let page = TagPage {
            present: 3,
            extent: EXTENT,
            filter: Some(EXTENT),
            limits,
        };
        let mut bytes = vec![0, ColumnType::scalar(value).code(), 9];
        put_page(Some(&page), &mut bytes);
        put_page(None, &mut bytes);
        put_page(
            Some(&TagPage {
                filter: None,
                ..page
            }),
            &mut bytes,
        );
        write("tags", value.name(), bytes);
    }
}
