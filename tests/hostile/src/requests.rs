//! Calls that the host must refuse. Each says what it was when it was not refused.

mod kernels;
mod tops;

pub(super) use tops::{find_many, find_nothing};

use crate::bindings::exports::sidx::engine::index as wit;
use crate::bindings::sidx::engine::{files, limits, log, objects, scan, types};

/// Makes the requests that the deed names. The call then ends with `other`, and what the host allowed in
/// the text; nothing is in it when all was refused.
pub(super) fn make(deed: &str) -> Result<(), wit::Error> {
    let mut allowed = Allowed(Vec::new());
    match deed {
        "requests" => {
            paths(&mut allowed);
            handles(&mut allowed);
            extents(&mut allowed);
            kernels::selections(&mut allowed);
            kernels::gathers(&mut allowed);
            tops::tops(&mut allowed);
            kernels::range_gathers(&mut allowed);
            kernels::filters(&mut allowed);
            kernels::columns(&mut allowed);
            kernels::row_keys(&mut allowed);
            kernels::dictionaries(&mut allowed);
            changes(&mut allowed);
        }
        "new-files" => new_files(&mut allowed),
        "log" => log_of_an_open_index(&mut allowed),
        "long-message" => return Err(wit::Error::Other("x".repeat(64 << 20))),
        _ => return Ok(()),
    }
    Err(wit::Error::Other(format!("allowed: {:?}", allowed.0)))
}

/// Codes of column types.
pub(super) const INTS: u8 = 2;
pub(super) const BYTES: u8 = 5;

/// So many columns of a type, without a value in any of their rows.
pub(super) fn columns_of_absent_rows(
    count: usize,
    kind: u8,
    rows: usize,
    keys: Option<scan::RowKeysParam<'_>>,
) -> scan::Columns {
    let (pages, zeros) = (vec![u32::MAX; rows], vec![0; rows]);
    let source = |_| scan::PageSource {
        kind,
        pages: &pages,
        rows: &zeros,
    };
    let sources: Vec<_> = (0..count).map(source).collect();
    match scan::gather(&sources, keys) {
        Ok(columns) => columns,
        Err(_) => core::arch::wasm32::unreachable(),
    }
}

/// The same of ints.
pub(super) fn absent_columns(count: usize, rows: usize) -> scan::Columns {
    columns_of_absent_rows(count, INTS, rows, None)
}

struct Allowed(Vec<String>);

impl Allowed {
    fn refused<T, E>(&mut self, what: &str, result: Result<T, E>) {
        if result.is_ok() {
            self.0.push(what.to_owned());
        }
    }
}

const PATHS: [&str; 12] = [
    "",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "parts/../../x",
    "parts//x",
    "log",
    "log/0",
    "lock",
    "a b/c",
    "parts/\u{e4}",
];

fn paths(allowed: &mut Allowed) {
    let long = format!("parts/{}", "x/".repeat(600));
    for path in PATHS.into_iter().chain([long.as_str(), "none/of/these"]) {
        allowed.refused(&format!("open {path}"), files::open(path));
    }
    for path in PATHS {
        allowed.refused(
            &format!("list {path}"),
            files::list(path, files::Medium::Durable),
        );
        allowed.refused(
            &format!("list {path}"),
            files::list(path, files::Medium::Memory),
        );
        allowed.refused(&format!("sync {path}"), files::sync(path));
    }
    for name in ["", "..", "../x", "a/b", "lock", "a b"] {
        allowed.refused(&format!("get {name}"), objects::get(name));
    }
    allowed.refused("list ../", objects::list("../"));
}

/// Pages that are not there, and files that are not open.
fn handles(allowed: &mut Allowed) {
    for handle in [7_000, u32::MAX - 1, u32::MAX] {
        allowed.refused("size of no file", files::size(handle));
        allowed.refused("read of no file", files::read(handle, 0, 1));
        allowed.refused("tail of no file", files::read_tail(handle, 1));
        allowed.refused("section of no file", files::open_section(handle, "x", &[]));
        allowed.refused("checksum of no file", files::checksum(handle));
        allowed.refused("pages of no file", files::pages(handle, &[]));
        files::close(handle);
    }
    for page in [9_000_000, u32::MAX - 1, u32::MAX] {
        allowed.refused("load of no page", files::load(page));
        allowed.refused("prefetch of no page", files::prefetch(&[page]));
        allowed.refused("keys of no page", scan::keys(page, 0, 1));
    }
    allowed.refused("probe of no page", scan::probe(&[9_000_000], &[1]));
    allowed.refused(
        "read of an unknown log position",
        log::read(u64::MAX).and_then(some),
    );
    allowed.refused("read inside of a log entry", log::read(3).and_then(some));
}

fn some<T>(value: Option<T>) -> Result<T, wit::Error> {
    value.ok_or_else(|| wit::Error::NotFound(String::new()))
}

/// Some file of a part, opened.
fn a_file() -> Option<u32> {
    let part = files::list("parts", files::Medium::Durable).ok()?.pop()?;
    files::open(&format!("parts/{part}/keys.bin")).ok()
}

fn extents(allowed: &mut Allowed) {
    let Some(file) = a_file() else {
        return allowed.0.push("there is no part to read".to_owned());
    };
    allowed.refused("read behind the end", files::read(file, u64::MAX, 9));
    allowed.refused("read of 4 GiB", files::read(file, 0, u32::MAX));
    let numbers = [0, 1, 100, 1 << 26, u32::MAX];
    for offset in [0, 1, u64::MAX - 1, u64::MAX] {
        for stored_bytes in numbers {
            for raw_bytes in numbers {
                for codec in [0, 1, 2, u32::MAX] {
                    let extent = files::Extent {
                        offset,
                        stored_bytes,
                        raw_bytes,
                        checksum: 7,
                        codec,
                    };
                    let page = files::pages(file, &[extent]);
                    allowed.refused(&format!("{extent:?}"), page.and_then(files::load));
                }
            }
        }
    }
    let many = vec![
        files::Extent {
            offset: 0,
            stored_bytes: 1,
            raw_bytes: 1,
            checksum: 0,
            codec: 0,
        };
        9 << 20
    ];
    allowed.refused("nine million pages", files::pages(file, &many));
    sections(allowed, file);
    files::close(file);
}

/// Sections that are not in their file, or that read it twice.
fn sections(allowed: &mut Allowed, file: u32) {
    let chunk = |offset, size_bytes| files::Chunk { offset, size_bytes };
    for chunks in [
        vec![chunk(0, 0)],
        vec![chunk(0, u64::MAX)],
        vec![chunk(u64::MAX, 2)],
        vec![chunk(0, 16); 1 << 20],
    ] {
        allowed.refused("a section outside", files::open_section(file, "x", &chunks));
    }
    for name in ["", "..", "a/b", "a b"] {
        let section = files::open_section(file, name, &[chunk(0, 1)]);
        allowed.refused(&format!("a section called {name}"), section);
    }
    let Ok(section) = files::open_section(file, "x", &[chunk(1, 3)]) else {
        return allowed.0.push("a section is refused".to_owned());
    };
    allowed.refused("read behind a section", files::read(section, 1, 3));
    allowed.refused(
        "a section of one",
        files::open_section(section, "x", &[chunk(0, 1)]),
    );
    files::close(section);
}

/// Changes, which are not for an instance that serves a query.
fn changes(allowed: &mut Allowed) {
    use files::Medium::{Durable, Memory};
    for medium in [Durable, Memory] {
        allowed.refused("create", files::NewFile::create("parts/new/x", medium));
        allowed.refused("create", files::NewFile::create("memory/new/x", medium));
        for path in ["parts", "memory", "parts/0000000000000001", "quarantine/x"] {
            allowed.refused(&format!("remove {path}"), files::remove(path, medium));
        }
    }
    allowed.refused("rename", files::rename("parts/0000000000000001", "parts/y"));
    allowed.refused("sync", files::sync("parts"));
    let names = objects::list("").unwrap_or_default();
    for name in names
        .iter()
        .map(String::as_str)
        .chain(["index.json", "log", "parts", "x"])
    {
        allowed.refused(&format!("remove object {name}"), objects::remove(name));
        allowed.refused(&format!("put {name}"), objects::put_if_absent(name, b"x"));
        let version = objects::get(name)
            .ok()
            .flatten()
            .map(|object| object.version);
        let swapped = objects::compare_and_swap(name, &version.unwrap_or_default(), b"x");
        allowed.refused(&format!("swap {name}"), swapped);
    }
    let empty = absent_columns(0, 0);
    let appended = log::append(&[b"header"], &[&empty], log::Durability::Os);
    allowed.refused("log append", appended);
    for position in [0, 1, u64::MAX >> 2, u64::MAX] {
        allowed.refused("log drop-before", log::drop_before(position, position));
    }
    allowed.refused("pin-epoch", limits::pin_epoch(u64::MAX));
    allowed.refused("release-lender", limits::release_lender("x"));
    reopen_log(allowed);
    let _ = limits::find_readers();
}

/// What an instance that does a merge must not do.
fn new_files(allowed: &mut Allowed) {
    use files::Medium::{Durable, Memory};
    use files::NewFile;
    for path in PATHS
        .into_iter()
        .chain(["index.json", "0000000000000009.snapshot", "x", "memory"])
    {
        allowed.refused(&format!("create {path}"), NewFile::create(path, Durable));
        allowed.refused(
            &format!("create {path} in memory"),
            NewFile::create(path, Memory),
        );
    }
    allowed.refused(
        "create a stand-in",
        NewFile::create("parts/x/keys.bin", Memory),
    );
    allowed.refused(
        "create in memory/",
        NewFile::create("memory/x/keys.bin", Durable),
    );
    let part = files::list("parts", Durable).unwrap_or_default().pop();
    let taken = format!("parts/{}/manifest.json", part.unwrap_or_default());
    let second = NewFile::create(&taken, Durable).and_then(NewFile::finish);
    allowed.refused("create a file again", second);
    match NewFile::create("parts/mine/x", Durable) {
        Ok(file) => {
            bad_pages(allowed, &file);
            let section = file.section();
            let nested = section.as_ref().map_err(Clone::clone);
            allowed.refused("a section of a section", nested.and_then(NewFile::section));
            allowed.refused("a file before its sections", NewFile::finish(file));
        }
        Err(_) => allowed.0.push("a new file is refused".to_owned()),
    }
    bad_blocks(allowed);
    let empty = absent_columns(0, 0);
    allowed.refused(
        "log append",
        log::append(&[b"x"], &[&empty], log::Durability::Os),
    );
    allowed.refused("log drop-before", log::drop_before(u64::MAX, u64::MAX));
    for medium in [Durable, Memory] {
        allowed.refused("remove", files::remove("parts/0000000000000001", medium));
    }
    allowed.refused("rename", files::rename("parts/0000000000000001", "parts/y"));
    allowed.refused(
        "put",
        objects::put_if_absent("0000000000000009.snapshot", b"x"),
    );
    allowed.refused("remove object", objects::remove("index.json"));
}

fn bad_pages(allowed: &mut Allowed, file: &files::NewFile) {
    allowed.refused("append: too few lengths", file.append(&[1, 2], &[1], 0));
    allowed.refused(
        "append: too many lengths",
        file.append(&[1, 2], &[1, u32::MAX, 1], 0),
    );
    allowed.refused("append: an unknown codec", file.append(&[1, 2], &[2], 9));
    let large = vec![0; (64 << 20) + 1];
    allowed.refused(
        "append: a large page",
        file.append(&large, &[large.len() as u32], 0),
    );
    drop(large);
    allowed.refused(
        "append: pages of nothing",
        file.append(&[], &vec![0; (1 << 20) + 1], 0),
    );
    let source = scan::PageSource {
        kind: 2,
        pages: &[8 << 20],
        rows: &[0],
    };
    allowed.refused(
        "encode: an unknown page",
        scan::encode_pages(file, None, source, 1),
    );
}

/// Blocks of parts in memory, which an instance that makes files may write, if they are right.
fn bad_blocks(allowed: &mut Allowed) {
    use files::Medium::{Durable, Memory};
    let columns = absent_columns(1, 2);
    if let Ok(file) = files::NewFile::create("parts/mine/blocks", Durable) {
        let written = scan::write_block(&file, &[1, 2], &columns, &[0], &[0, 1]);
        allowed.refused("write-block: in the store", written);
    }
    let Ok(file) = files::NewFile::create("memory/mine/blocks", Memory) else {
        return allowed.0.push("a new file in memory is refused".to_owned());
    };
    let mut write = |what: &str, keys: &[i64], from: &[u32], rows: &[u32]| {
        let written = scan::write_block(&file, keys, &columns, from, rows);
        allowed.refused(&format!("write-block: {what}"), written);
    };
    write("fewer keys than rows", &[1], &[0], &[0, 1]);
    write("no column", &[1], &[1], &[0]);
    write("no row", &[1], &[0], &[2]);
    write("no row at all", &[1], &[0], &[u32::MAX]);
    let mut fold = |what: &str, kinds: &[u8], pages: &[u32], blocks: &[u32], rows: &[u32]| {
        let source = scan::BlockSource {
            kinds,
            pages,
            blocks,
            rows,
        };
        let folded = scan::fold_block(&file, &[1], source);
        allowed.refused(&format!("fold-block: {what}"), folded);
    };
    fold("no column", &[], &[], &[0], &[0]);
    fold("no page", &[2], &[], &[0], &[0]);
    fold("an unknown type", &[77], &[u32::MAX], &[0], &[0]);
    fold("uneven pages", &[2, 2], &[u32::MAX; 3], &[0], &[0]);
    fold("an unknown page", &[2], &[8 << 20], &[0], &[0]);
    fold("no block", &[2], &[u32::MAX], &[1], &[0]);
    fold("more blocks than rows", &[2], &[u32::MAX], &[0, 0], &[0]);
    fold("more rows than blocks", &[2], &[u32::MAX], &[0], &[0, 0]);
    fold("a row far away", &[2], &[u32::MAX], &[0], &[u32::MAX]);
}

/// An open index has its log open.
fn reopen_log(allowed: &mut Allowed) {
    let term = types::Term {
        number: u64::MAX,
        nonce: (u64::MAX, 1),
    };
    for position in [0, u64::MAX] {
        allowed.refused("open the log", log::open(position, Some(term)));
        allowed.refused("take the log over", log::take_over(position, term, true));
    }
    for term in [None, Some(term)] {
        allowed.refused("salvage", log::salvage(None, term));
    }
}

/// What not even the introducer may do to the log of an open index, and to what makes it one.
fn log_of_an_open_index(allowed: &mut Allowed) {
    let columns = absent_columns(0, 0);
    for position in [log::end().unwrap_or(0) + 1, u64::MAX >> 2, u64::MAX] {
        allowed.refused(
            "drop-before behind the end",
            log::drop_before(position, position),
        );
        allowed.refused(
            "drop-before behind the position",
            log::drop_before(0, position),
        );
    }
    let headers: [&[u8]; 2] = [b"x", b"y"];
    let two = log::append(&headers, &[&columns, &columns], log::Durability::Os);
    allowed.refused("append of the same columns twice", two);
    let one = log::append(&headers, &[&columns], log::Durability::Os);
    allowed.refused("append of fewer columns than headers", one);
    reopen_log(allowed);
    allowed.refused("remove index.json", objects::remove("index.json"));
    allowed.refused("an object named log", objects::put_if_absent("log", b"x"));
    allowed.refused(
        "remove parts",
        files::remove("parts", files::Medium::Durable),
    );
    allowed.refused(
        "remove the log",
        files::remove("log/0", files::Medium::Durable),
    );
}
