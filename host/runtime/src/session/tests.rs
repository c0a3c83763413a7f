//! The session against calls that no working engine would make, and what it reads for those of one that
//! works.

mod far;

use std::sync::Arc;

use sidx_columns::{ColumnType, ValueType, Values};
use sidx_engine::host::{ABSENT, Codec, Extent, Form, Medium, PageSource, Selection};
use sidx_engine::{ErrorKind, Host, Result};
use sidx_executor::Pages;
use sidx_kernels::{Step, Test};

use self::far::{FarStorage, Reads};
use super::*;
use crate::storage::MemoryStorage;

fn session(memory_bytes: u64) -> Session {
    let budgets = Budgets {
        page_cache_bytes: 1 << 20,
        memory_bytes,
        disk_bytes: 1 << 20,
        min_free_bytes: None,
        instances: 2,
        form: Form::Folder,
        removal_grace: None,
    };
    let shared = Shared::new(Arc::new(MemoryStorage::new("x")), None, budgets, false);
    Session::new(shared, true)
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.map(drop).expect_err("the call is refused").kind()
}

const INTS: ColumnType = ColumnType::scalar(ValueType::Int);

/// Writes a file with one page of the keys 0, 2, 4 ... and returns the handle of the page.
fn key_page(session: &Session, path: &str, medium: Medium, rows: i64) -> u32 {
    let file = session.create_file(path, medium).unwrap();
    let keys: Vec<i64> = (0..rows).map(|row| row * 2).collect();
    let piece = session.encode_ints(&file, &keys).unwrap();
    session.finish(file).unwrap();
    let file = session.open_file(path).unwrap();
    session.register_pages(file, &[piece.extent]).unwrap()
}

fn selection(page: u32) -> Selection {
    Selection {
        key_pages: vec![page],
        span_counts: vec![1],
        spans: vec![0, 100],
        low: 10,
        high: 20,
        resume_keys: vec![0],
        resume_rows: vec![ABSENT],
        cap: 4,
        ..Selection::default()
    }
}

#[test]
fn both_media_serve_selections_and_gathers() {
    for medium in [Medium::Memory, Medium::Durable] {
        let session = session(1 << 20);
        let path = match medium {
            Medium::Memory => "memory/1/keys.bin",
            Medium::Durable => "parts/1/keys.bin",
        };
        let page = key_page(&session, path, medium, 100);
        let selected = session.select(None, &selection(page).request()).unwrap();
        assert_eq!(
            (selected.rows, selected.keys),
            (vec![5, 6, 7, 8], vec![10, 12, 14, 16])
        );
        assert_eq!((selected.counts, selected.more), (vec![4], vec![1]));
        assert_eq!(
            session.count(None, &selection(page).request()).unwrap(),
            [6]
        );
        assert_eq!(session.keys(page, 3, 5).unwrap(), [6, 8]);
        let source = PageSource {
            kind: INTS,
            pages: vec![page, ABSENT, page],
            rows: vec![9, 0, 1],
        };
        let columns = session.gather(&[source.source()], None).unwrap();
        let column = session.read_column(&columns, 0).unwrap();
        assert!(!column.is_present(1));
        let present = session.column_presence(&columns, 0, 3).unwrap();
        assert_eq!(present.as_ref(), column.presence());
        assert_eq!(session.column_lengths(&columns, 0), [8, 0, 8]);
        assert!(session.column_lengths(&columns, 1).is_empty());
        assert!(
            matches!(column.values(), Values::Int(values) if values[0] == 18 && values[2] == 2)
        );
    }
}

#[test]
fn lists_that_contradict_each_other_are_refused() {
    let session = session(1 << 20);
    let page = key_page(&session, "memory/1/keys.bin", Medium::Memory, 100);
    let broken: [fn(&mut Selection); 9] = [
        |s| s.span_counts = vec![2],
        |s| s.span_counts = vec![u32::MAX],
        |s| s.spans = vec![0],
        |s| s.spans = vec![9, 3],
        |s| s.slots = u32::MAX,
        |s| s.slot_pages = vec![1],
        |s| s.resume_keys.clear(),
        |s| s.resume_rows.push(0),
        |s| s.key_pages = vec![77],
    ];
    for break_it in broken {
        let mut selection = selection(page);
        break_it(&mut selection);
        assert_eq!(
            kind(session.select(None, &selection.request())),
            ErrorKind::InvalidArgument
        );
        assert_eq!(
            kind(session.count(None, &selection.request())),
            ErrorKind::InvalidArgument
        );
    }
    let step = Step::Leaf {
        slot: 5,
        elements: false,
        test: Test::Exists,
    };
    let filter = session.compile_filter(vec![step]).unwrap();
    assert_eq!(
        kind(session.select(Some(&filter), &selection(page).request())),
        ErrorKind::InvalidArgument
    );
    let uneven = PageSource {
        kind: INTS,
        pages: vec![page],
        rows: vec![1, 2],
    };
    assert_eq!(
        kind(session.gather(&[uneven.source()], None)),
        ErrorKind::InvalidArgument
    );
    assert_eq!(
        kind(session.lengths(uneven.source())),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn rows_and_types_that_a_page_does_not_have_are_errors() {
    let session = session(1 << 20);
    let page = key_page(&session, "memory/1/keys.bin", Medium::Memory, 100);
    let mut beyond = selection(page);
    beyond.spans = vec![0, u32::MAX];
    // An error or the rows that exist, but neither a panic nor a wait.
    let _ = session.select(None, &beyond.request());
    let source = |kind, row| PageSource {
        kind,
        pages: vec![page],
        rows: vec![row],
    };
    let error = session
        .gather(&[source(INTS, 100).source()], None)
        .expect_err("the row does not exist");
    assert!(error.message().contains("memory/1/keys.bin"), "{error}");
    let strings = ColumnType::scalar(ValueType::String);
    assert!(
        session
            .gather(&[source(strings, 1).source()], None)
            .is_err()
    );
    assert!(session.lengths(source(INTS, 1).source()).is_err());
    assert!(session.keys(page, 5, 101).is_err() && session.keys(page, 5, 4).is_err());
    assert!(session.probe(&[page], &[1]).is_err());
    assert_eq!(session.probe(&[ABSENT], &[1]).unwrap(), [1]);
}

#[test]
fn extents_are_not_trusted() {
    let session = session(1 << 20);
    let file = session.create_file("x/a", Medium::Durable).unwrap();
    let extents = session
        .append(&file, &[7; 1000], &[1000], Codec::Zstd)
        .unwrap();
    assert!(extents[0].stored_bytes < 1000);
    session.finish(file).unwrap();
    let file = session.open_file("x/a").unwrap();
    let wrong: [fn(&mut Extent); 7] = [
        |e| e.offset = u64::MAX,
        |e| e.stored_bytes = u32::MAX,
        |e| e.stored_bytes -= 1,
        |e| e.raw_bytes = u32::MAX,
        |e| e.raw_bytes += 1,
        |e| e.checksum ^= 1,
        |e| e.codec = 9,
    ];
    for make_wrong in wrong {
        let mut extent = extents[0];
        make_wrong(&mut extent);
        let page = session.register_pages(file, &[extent]).unwrap();
        let error = session.load_page(page).expect_err("the page is refused");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(
            error.message().starts_with("x/a") && error.message().contains("offset"),
            "{error}"
        );
    }
    let page = session.register_pages(file, &extents).unwrap();
    assert_eq!(session.load_page(page).unwrap(), [7; 1000]);
    session.close_file(file);
    assert_eq!(kind(session.load_page(page)), ErrorKind::InvalidArgument);
    assert_eq!(kind(session.file_size(file)), ErrorKind::InvalidArgument);
}

#[test]
fn files_are_bounded_and_their_paths_checked() {
    let session = session(100);
    let file = session.create_file("memory/a", Medium::Memory).unwrap();
    assert_eq!(
        kind(session.append(&file, &[1; 10], &[11], Codec::None)),
        ErrorKind::InvalidArgument
    );
    session
        .append(&file, &[1; 60], &[20, 40], Codec::None)
        .unwrap();
    assert_eq!(
        kind(session.append(&file, &[1; 60], &[60], Codec::None)),
        ErrorKind::ResourceExhausted
    );
    drop(file);
    assert_eq!(session.usage().memory_used_bytes, 0);
    let large = session.create_file("x/b", Medium::Durable).unwrap();
    let bytes = vec![1; 2 << 20];
    session.set_role(Role::Introducer);
    let refused = session.append(&large, &bytes, &[2 << 20], Codec::None);
    assert_eq!(kind(refused), ErrorKind::ResourceExhausted);
    for path in ["", "..", "a/../b", "/a", "a//b", "a b", "lock"] {
        assert_eq!(
            kind(session.create_file(path, Medium::Memory)),
            ErrorKind::InvalidArgument
        );
        assert_eq!(kind(session.open_file(path)), ErrorKind::InvalidArgument);
        assert_eq!(
            kind(session.remove_files(path, Medium::Durable)),
            ErrorKind::InvalidArgument
        );
    }
}

#[test]
fn every_page_that_is_written_waits_for_the_rate_of_the_call() {
    use crate::rate::{Clock, tests::rate};

    let session = session(1 << 30);
    let (rate, clock) = rate(1_000);
    let limits = CallLimits::default().with_rate(Some(Arc::new(rate)));
    session.set_limits(limits);
    let start = clock.now();
    let file = session.create_file("memory/a", Medium::Memory).unwrap();
    session
        .append(&file, &[7; 3_000], &[1_000, 2_000], Codec::None)
        .unwrap();
    assert_eq!(
        (clock.now() - start).as_millis(),
        2_000,
        "the first second is free"
    );
    let piece = session.encode_ints(&file, &[1, 5, 9, i64::MAX]).unwrap();
    let bytes = u128::from(piece.extent.stored_bytes);
    assert_eq!((clock.now() - start).as_millis(), 2_000 + bytes);
    assert_eq!(session.activity().written(), (4, 3_000 + bytes as u64));
}

#[test]
fn pages_of_a_step_are_loaded_once_and_what_is_broken_is_left_to_its_use() {
    let budgets = Budgets {
        page_cache_bytes: 0,
        memory_bytes: 1 << 20,
        disk_bytes: 1 << 20,
        min_free_bytes: None,
        instances: 2,
        form: Form::Folder,
        removal_grace: None,
    };
    let shared = Shared::new(Arc::new(MemoryStorage::new("x")), None, budgets, false);
    let session = Session::new(shared, true);
    let file = session.create_file("parts/1/x", Medium::Durable).unwrap();
    let mut pieces: Vec<Extent> = (0..5i64)
        .map(|page| session.encode_ints(&file, &[page, page * 7, 99]).unwrap())
        .map(|piece| piece.extent)
        .collect();
    session.finish(file).unwrap();
    pieces[3].checksum ^= 1;
    let file = session.open_file("parts/1/x").unwrap();
    let first = session.register_pages(file, &pieces).unwrap();
    let pages = session.pages();
    let all = || (first..first + 5).chain([ABSENT, 999, first]);
    pages.load(all(), Purpose::Column);
    let bytes = session.activity().bytes_read();
    assert!(bytes > 0);
    for page in [0, 1, 2, 4] {
        let opened = pages.page(first + page, Purpose::Column).unwrap();
        assert_eq!(opened.column().unwrap().rows(), 3);
    }
    assert_eq!(
        session.activity().bytes_read(),
        bytes,
        "no page is read again"
    );
    let error = pages
        .page(first + 3, Purpose::Column)
        .map(drop)
        .unwrap_err();
    assert!(error.message().contains("checksum"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    // What the step holds is not missing.
    pages.load((first..first + 3).chain([first + 4]), Purpose::Column);
    assert_eq!(session.activity().to_json(0)["pages_loaded"], 4);
    assert_eq!(session.shared.cache.stats().hits, 0);
}

/// A session over a store that serves so many reads at the same time, and those reads.
fn far_session(reads_at_once: usize, page_cache_bytes: u64) -> (Session, Arc<Reads>) {
    let reads = Arc::<Reads>::default();
    let storage = FarStorage {
        storage: MemoryStorage::new("x"),
        reads_at_once,
        reads: Arc::clone(&reads),
    };
    let budgets = Budgets {
        page_cache_bytes,
        memory_bytes: 1 << 20,
        disk_bytes: 1 << 30,
        min_free_bytes: None,
        instances: 2,
        form: Form::Folder,
        removal_grace: None,
    };
    let shared = Shared::new(Arc::new(storage), None, budgets, false);
    (Session::new(shared, true), reads)
}

/// A file with so many pages of so many rows, which hardly compress.
fn file_of_pages(session: &Session, pages: u64, rows: u64) -> (u32, Vec<Extent>) {
    let path = "parts/1/x";
    let file = session.create_file(path, Medium::Durable).unwrap();
    let random = |row: u64| row.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) as i64;
    let extents = (0..pages).map(|page| {
        let ints: Vec<i64> = (page * rows..(page + 1) * rows).map(random).collect();
        session.encode_ints(&file, &ints).unwrap().extent
    });
    let extents = extents.collect();
    session.finish(file).unwrap();
    (session.open_file(path).unwrap(), extents)
}

#[test]
fn pages_of_a_step_are_read_at_the_same_time_and_a_read_that_fails_is_left_to_its_use() {
    let (session, reads) = far_session(4, 0);
    let (file, extents) = file_of_pages(&session, 15, 4096);
    // Every other one: there is no reading them together.
    let apart: Vec<Extent> = extents.into_iter().step_by(2).collect();
    let first = session.register_pages(file, &apart).unwrap();
    let pages = session.pages();
    reads.take();
    reads.await_together(4);
    reads.set_broken([apart[2].offset, apart[5].offset]);
    pages.load(first..first + 8, Purpose::Column);
    assert_eq!(reads.take(), (8, 4));
    reads.await_together(0);
    for at in [0, 1, 3, 4, 6, 7] {
        let opened = pages.page(first + at, Purpose::Column).unwrap();
        assert_eq!(opened.column().unwrap().rows(), 4096);
    }
    assert_eq!(reads.take(), (0, 0), "no page is read again");
    for at in [2, 5] {
        let error = pages.page(first + at, Purpose::Column).map(drop);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        let offset = apart[at as usize].offset;
        let text = format!("no answer for offset {offset}");
        assert!(error.message().contains(&text), "{error}");
    }
    // What failed once is asked for again.
    reads.set_broken([]);
    let opened = pages.page(first + 2, Purpose::Column).unwrap();
    assert_eq!(opened.column().unwrap().rows(), 4096);
    assert_eq!(reads.take(), (3, 1));
}

#[test]
fn a_prefetch_reads_neighbours_together_and_others_at_the_same_time() {
    let (session, reads) = far_session(1, 1 << 20);
    let (file, extents) = file_of_pages(&session, 6, 16);
    let first = session.register_pages(file, &extents).unwrap();
    let all: Vec<u32> = (first..first + 6).collect();
    reads.take();
    session.prefetch(&all).unwrap();
    assert_eq!(reads.take(), (1, 1), "the pages lie side by side");
    session.prefetch(&all).unwrap();
    session.keys(first + 5, 0, 16).unwrap();
    assert_eq!(reads.take(), (0, 0), "they are in the cache");

    let (session, reads) = far_session(3, 8 << 20);
    let (file, mut extents) = file_of_pages(&session, 5, 4096);
    extents[4].checksum ^= 1;
    let apart: Vec<Extent> = extents.into_iter().step_by(2).collect();
    let first = session.register_pages(file, &apart).unwrap();
    reads.take();
    reads.await_together(3);
    let damaged = session.prefetch(&[first, first + 1, first + 2]);
    assert_eq!(kind(damaged), ErrorKind::Corrupt);
    // The one that is damaged was read once more by who told of it.
    assert_eq!(reads.take(), (4, 3));
    reads.await_together(0);
    session.prefetch(&[first, first + 1]).unwrap();
    assert_eq!(reads.take(), (0, 0));
    assert_eq!(
        kind(session.prefetch(&[ABSENT])),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn the_page_cache_is_charged_for_what_a_page_is_opened_as_later() {
    let charged = |purposes: &[Purpose]| {
        let session = session(1 << 20);
        let page = key_page(&session, "parts/1/keys.bin", Medium::Durable, 100);
        for purpose in purposes {
            let opened = session.pages().page(page, *purpose).unwrap();
            if *purpose == Purpose::Column {
                opened.column().unwrap();
            }
        }
        let stats = session.shared.cache.stats();
        assert_eq!((stats.pages, stats.misses), (1, 1));
        stats.bytes
    };
    let (raw, column) = (charged(&[Purpose::Raw]), charged(&[Purpose::Column]));
    assert!(raw < column, "{raw} {column}");
    // The handle knows the page from its second use on.
    let later = [Purpose::Raw, Purpose::Raw, Purpose::Column, Purpose::Column];
    assert_eq!(charged(&later), column);
    assert_eq!(charged(&[Purpose::Column, Purpose::Raw]), column);
    // What it cannot be opened as costs nothing.
    assert_eq!(charged(&[Purpose::Raw, Purpose::Filter]), raw);
}
