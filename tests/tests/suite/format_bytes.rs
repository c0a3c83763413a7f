//! What lies in a store is what docs/format.md says: headers, frames and limits are read by its tables alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use sidx_host::{Batch, ColumnType, Durability, Engine, ValueType};
use sidx_kernels::Page;
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, tree};

const DOCUMENT: &str = include_str!("../../../docs/format.md");
const ROWS: i64 = 100;

/// The rows of the first table at or behind a line of the document that has `text`.
fn table(text: &str) -> Vec<Vec<&'static str>> {
    let mut lines = DOCUMENT
        .lines()
        .skip_while(|line| !line.contains(text))
        .peekable();
    assert!(
        lines.peek().is_some(),
        "docs/format.md does not say {text:?}"
    );
    let table = lines.skip_while(|line| !line.starts_with('|')).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| row.trim_matches('|').split(" | ").map(str::trim).collect();
    rows.map(cells).collect()
}

/// What the document says of a field of a table.
fn meaning(table: &[Vec<&'static str>], field: &str) -> &'static str {
    let row = table.iter().find(|row| row.contains(&field));
    let row = row.unwrap_or_else(|| panic!("no field {field}"));
    row.last().unwrap().trim_matches('`')
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        self.at += count;
        &self.bytes[self.at - count..self.at]
    }

    /// A number of a type of the document.
    fn number(&mut self, kind: &str) -> u64 {
        match kind {
            "u8" => number(self.take(1)),
            "u32" => number(self.take(4)),
            "u64" => number(self.take(8)),
            "varint" => self.varint(),
            other => panic!("{other} is no type of a number"),
        }
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn zigzag(&mut self) -> i64 {
        let value = self.varint();
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    fn text(&mut self) -> &'a [u8] {
        let length = self.varint();
        self.take(length as usize)
    }

    fn extent(&mut self) -> [u64; 5] {
        ["varint", "varint", "varint", "u32", "varint"].map(|kind| self.number(kind))
    }

    /// The fields of a table with offsets, which must follow each other without a gap.
    fn fields(&mut self, table: &[Vec<&'static str>]) -> BTreeMap<&'static str, &'a [u8]> {
        let start = self.at;
        let mut fields = BTreeMap::new();
        for row in table {
            let [offset, field, kind, ..] = row[..] else {
                panic!("{row:?}");
            };
            let size = match kind {
                "u8" => 1,
                "u32" => 4,
                "u64" | "8 bytes" => 8,
                "24 bytes" => 24,
                _ => break,
            };
            assert_eq!(offset, (self.at - start).to_string(), "offset of {field}");
            fields.insert(field, self.take(size));
        }
        fields
    }

    #[track_caller]
    fn end(&self) {
        assert_eq!(self.at, self.bytes.len(), "bytes behind the last field");
    }
}

fn number(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().rev();
    bytes.fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// CRC32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u64 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    u64::from(!sum)
}

/// Rows with a tag for each form of limits, called by it.
fn batch() -> Batch {
    let mut batch = Batch::new();
    for key in 0..ROWS {
        batch
            .row("label", key)
            .payload(b"payload")
            .tag("none", Vec::<i64>::new())
            .tag("ints", key - 1)
            .tag("floats", key as f64 / 2.0)
            .tag("bools", key > 50)
            .tag("bytes", format!("row {key:02}"))
            .tag("unbounded", vec![0xff_u8; 40])
            .add()
            .unwrap();
    }
    batch
}

#[test]
fn segments_and_frames_of_the_log() {
    let subject = Subject::create(Engine::Native);
    for _ in 0..2 {
        subject
            .index()
            .write_with(batch(), Durability::Sync)
            .unwrap();
    }
    let files = tree(&subject.path().join("log"));
    let [(name, bytes)] = &files[..] else {
        panic!("{} segments", files.len());
    };

    let segment = table("begins with 88 bytes:");
    let mut reader = Reader::new(bytes);
    let header = reader.fields(&segment);
    assert_eq!((header.len(), reader.at), (segment.len(), 88));
    assert_eq!(header["magic"], meaning(&segment, "magic").as_bytes());
    let version = number(header["version"]).to_string();
    assert_eq!(version, meaning(&segment, "version"));
    let first = number(header["first"]);
    let (term, bits) = header["term"].split_at(8);
    let bits: String = { bits.iter().rev() }
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let wanted = format!("{first:016x}-{:016x}{bits}.log", number(term));
    assert!(name.ends_with(&wanted), "{name}");
    // The first of a log.
    assert_eq!(number(header["follows"]), u64::MAX);
    assert_eq!(number(header["previous first"]), u64::MAX);
    assert_eq!(header["previous term"], [0; 24]);
    assert_eq!(number(header["checksum"]), crc32c(&bytes[..84]));

    let frame = table("Frames follow, each:");
    for written in 0..2 {
        let position = (reader.at - 88) as u64;
        let start = reader.at;
        let head = reader.fields(&frame);
        let length = number(head["length"]) as usize;
        let payload = &bytes[start + 20..start + 20 + length];
        assert_eq!(number(head["checksum"]), crc32c(payload));
        assert_eq!(number(head["durable"]), position);
        let guarded = [&position.to_le_bytes(), &bytes[start..start + 16]].concat();
        assert_eq!(number(head["head checksum"]), crc32c(&guarded));
        let mut entry = Reader::new(reader.take(length - 4));
        let header = entry.take(number(head["header length"]) as usize);
        check_header(header, written * ROWS as u64);
        check_columns(&mut entry);
    }
    reader.end();
}

/// The header of a batch, by its table.
fn check_header(header: &[u8], first_id: u64) {
    let fields = table("The header of a batch:");
    let mut reader = Reader::new(header);
    let kind = |field: &str| fields.iter().find(|row| row[0] == field).unwrap()[1];
    let version = reader.number(kind("version")).to_string();
    assert_eq!(version, meaning(&fields, "version"));
    assert_eq!(reader.number(kind("first id")), first_id);
    assert_eq!((reader.varint(), reader.text()), (1, b"label".as_slice()));
    let names: Vec<&[u8]> = (0..reader.varint()).map(|_| reader.text()).collect();
    assert_eq!(names.len(), 6);
    let rows = reader.number(kind("rows"));
    assert_eq!(rows, ROWS as u64);
    for _ in 0..rows {
        assert_eq!(reader.number("u64"), sidx_host::series_id("label"));
    }
    let keys: Vec<i64> = (0..rows).map(|_| reader.zigzag()).collect();
    assert_eq!(keys, Vec::from_iter(0..ROWS));
    reader.end();
    let order: Vec<&str> = fields.iter().map(|row| row[0]).collect();
    let read = [
        "version", "first id", "labels", "names", "rows", "series", "keys",
    ];
    assert_eq!(order, read);
}

/// The columns of a batch up to the end of the payloads, which are the first.
fn check_columns(entry: &mut Reader<'_>) {
    let all = table("### Columns in the log");
    let start = entry.at;
    let head = entry.fields(&all);
    assert_eq!(number(head["layout"]).to_string(), meaning(&all, "layout"));
    assert_eq!((number(head["columns"]), entry.at - start), (7, 5));
    let column = table("Each column:");
    let kind = |field: &str| column.iter().find(|row| row[0] == field).unwrap()[1];
    let code = ColumnType::scalar(ValueType::Bytes).code();
    assert_eq!(entry.number(kind("type")), u64::from(code));
    assert_eq!(entry.number(kind("rows")), ROWS as u64);
    assert_eq!(entry.number(kind("presence")), 0);
    for row in 1..=ROWS as u64 {
        assert_eq!(entry.number("u32"), row * 7);
    }
    assert_eq!(
        entry.take(ROWS as usize * 7),
        b"payload".repeat(ROWS as usize)
    );
}

#[test]
fn headers_of_files() {
    let subjects = [
        Subject::create(Engine::Native),
        Subject::create_with_latest(Engine::Native),
    ];
    let kinds = table("Every binary file begins with 16 bytes: `SIDX`, the kind as four letters");
    let version: u32 = table("# Constants")[0][1].parse().unwrap();
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for subject in &subjects {
        subject.index().write(batch()).unwrap();
        subject.flush();
        files.extend(tree(&subject.path().join("parts")));
    }
    for (path, bytes) in files {
        let path = Path::new(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "manifest.json" || name.contains(".dead-") {
            continue;
        }
        let extension = path.extension().unwrap().to_str().unwrap();
        let names = match name {
            "latest.bin" => ["`<facet>.bin`".to_owned(), String::new()],
            _ => [format!("`{name}`"), format!("`<tag>.{extension}`")],
        };
        let row = kinds
            .iter()
            .find(|row| names.iter().any(|name| row[0] == name));
        let kind = row.unwrap_or_else(|| panic!("no row for {name}"))[1].trim_matches('`');
        let header = [b"SIDX", kind.as_bytes(), &version.to_le_bytes(), &[0; 4]].concat();
        assert_eq!(&bytes[..16], header, "{name}");
        seen.insert(kind);
    }
    assert_eq!(seen.len(), kinds.len(), "{seen:?}");
}

/// A page by its extent, which must not be compressed.
fn page(file: &[u8], extent: [u64; 5]) -> &[u8] {
    let [offset, stored, raw, checksum, codec] = extent;
    assert_eq!(
        (codec, stored),
        (0, raw),
        "a page this small is not compressed"
    );
    let page = &file[offset as usize..][..stored as usize];
    assert_eq!(crc32c(page), checksum);
    page
}

/// A death of rows 0 and 2 of a part: their file, what names it, and the entry of the log.
#[test]
fn dead_rows() {
    let mut subject = Subject::create_with_latest(Engine::Native);
    let row = |key: i64, payload: &str| Row::new(1, key, payload);
    subject.write_part(&[row(1, "a"), row(2, "b"), row(3, "c")]);
    subject.write(&[row(4, "c"), row(5, "a")]);
    let (_, log) = tree(&subject.path().join("log")).pop().unwrap();
    // Behind the header of the segment, the first frame, and what stands before the header of the batch.
    let length = u32::from_le_bytes(log[88..92].try_into().unwrap()) as usize;
    let mut header = Reader::new(&log[88 + 20 + length + 24..]);
    assert_eq!((header.number("u8"), header.varint()), (2, 3));
    assert_eq!(
        (header.varint(), header.varint(), header.varint()),
        (0, 0, 2)
    );
    assert_eq!(header.varint(), 2, "rows that died");
    assert_eq!((header.varint(), header.varint()), (0, 2));
    assert_eq!(header.number("u64"), 1);
    subject.flush();
    subject.leave();
    let files = tree(&subject.path());
    let dead = |(path, _): &&(String, Vec<u8>)| path.contains(".dead-");
    let (path, file) = files.iter().find(dead).unwrap();
    let name = path.rsplit('/').next().unwrap();
    let (body, end) = file.split_at(file.len() - 12);
    assert_eq!(&end[4..], b"deadSIDX");
    let length = u32::from_le_bytes(end[..4].try_into().unwrap()) as usize;
    let mut record = Reader::new(&body[body.len() - length..]);
    assert_eq!((record.number("u8"), record.varint()), (1, 1));
    assert_eq!((record.varint(), record.varint()), (0, 2));
    let extent = [
        record.varint(),
        record.varint(),
        record.varint(),
        record.number("u32"),
        record.varint(),
    ];
    let guarded = &record.bytes[..record.at];
    assert_eq!(record.number("u32"), crc32c(guarded));
    record.end();
    let page = Page::open(page(file, extent).to_vec().into()).unwrap();
    assert_eq!(
        (page.rows(), page.kind()),
        (3, ColumnType::scalar(ValueType::Bool))
    );
    assert_eq!(page.present_rows().iter().collect::<Vec<_>>(), [0, 2]);

    check_snapshot(&files, name, file);
}

/// What the snapshot and a manifest say of dead rows and of the facet.
fn check_snapshot(files: &[(String, Vec<u8>)], name: &str, file: &[u8]) {
    let newest = files
        .iter()
        .rfind(|(path, _)| path.ends_with(".snapshot"))
        .unwrap();
    let snapshot: serde_json::Value = serde_json::from_slice(&newest.1).unwrap();
    let requires = snapshot["requires"].as_array().unwrap();
    assert!(requires.contains(&"dead-rows".into()), "{snapshot:#}");
    let body = &snapshot["body"];
    assert_eq!(body["counters"], serde_json::json!({"latest": 2}));
    let told = &body["dead"][0];
    assert_eq!(told["part"], body["parts"][0]);
    let told = &told["files"][0];
    assert_eq!((&told["file"], &told["rows"]), (&name.into(), &2.into()));
    assert_eq!(told["size_bytes"], file.len());
    assert_eq!(told["crc32c"], format!("{:08x}", crc32c(file)));
    assert_eq!(
        (&told["chunk"], &told["since"]),
        (&0.into(), &body["epoch"])
    );
    let manifest = files
        .iter()
        .find(|(path, _)| path.ends_with("manifest.json"));
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.unwrap().1).unwrap();
    assert!(
        manifest["body"]["facets"]["latest"].is_array(),
        "{manifest:#}"
    );
}

#[test]
fn limits_of_tags() {
    let subject = Subject::create(Engine::Native);
    subject.index().write(batch()).unwrap();
    subject.flush();
    let files = tree(&subject.path().join("parts"));
    let (manifest, _) = files
        .iter()
        .find(|(name, _)| name.ends_with("manifest.json"))
        .unwrap();
    let folder = Path::new(manifest).parent().unwrap();
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let tags = manifest["body"]["tags"].as_array().unwrap();
    assert_eq!(tags.len(), 6);
    let codes = table("| limits code | name | what follows |");
    let record: Vec<&str> = table("page of a frame holds")
        .iter()
        .map(|row| row[0])
        .collect();
    assert_eq!(
        record,
        ["present", "page", "has filter", "filter", "limits"]
    );
    let mut stated = BTreeSet::new();
    for tag in tags {
        let name = tag["name"].as_str().unwrap();
        let file = fs::read(folder.join(format!("{name}.tm"))).unwrap();
        let extent: Vec<u64> = serde_json::from_value(tag["directory"].clone()).unwrap();
        let mut directory = Reader::new(page(&file, extent.try_into().unwrap()));
        assert_eq!((directory.varint(), directory.number("u8")), (1, 1));
        let mut reader = Reader::new(page(&file, directory.extent()));
        directory.end();
        assert_eq!(reader.varint(), ROWS as u64, "present");
        reader.extent();
        if reader.number("u8") == 1 {
            reader.extent();
        }
        let code = reader.varint().to_string();
        let row = codes.iter().find(|row| row[0] == code).unwrap();
        assert_eq!(row[1].rsplit(' ').next().unwrap(), name, "code {code}");
        check_limits(name, &mut reader);
        reader.end();
        stated.insert(code);
    }
    assert_eq!(stated.len(), codes.len());
}

/// What follows the code, as the table tells.
fn check_limits(name: &str, reader: &mut Reader<'_>) {
    match name {
        "none" => {}
        "ints" => assert_eq!([reader.zigzag(), reader.zigzag()], [-1, ROWS - 2]),
        "floats" => {
            let bounds = [(); 2].map(|()| f64::from_bits(reader.number("u64")));
            assert_eq!((bounds, reader.number("u8")), ([0.0, 49.5], 0));
        }
        "bools" => assert_eq!(reader.number("u8"), 0b10),
        "bytes" => assert_eq!([reader.text(), reader.text()], [b"row 00", b"row 99"]),
        "unbounded" => assert!(reader.text().iter().all(|byte| *byte == 0xff)),
        other => panic!("no tag {other}"),
    }
}
