//! What stops calls: time, room, and that an index is only read.

use std::time::Duration;

use sidx_engine::Host;
use sidx_engine::host::{Codec, Medium};

use super::*;
use crate::storage::Capacity;

#[test]
fn a_query_ends_with_its_timeout() {
    let store = Lent::new(true);
    let mut subject = Subject::open(&store, Mode::Create);
    subject.write(0..100).unwrap();
    subject.flush().unwrap();
    let session = subject.session();
    session.set_timeout(Some(Duration::from_millis(50)));
    assert_eq!(subject.keys().unwrap().len(), 100);
    store.sleep(50);
    let error = subject.keys().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    let text = "the call did not end within its timeout of 50ms";
    assert!(error.message().ends_with(text), "{error}");
    subject.session().set_timeout(None);
    assert_eq!(subject.keys().unwrap().len(), 100);
}

#[test]
fn an_index_that_is_read_is_not_changed() {
    let store = Lent::new(true);
    let mut subject = Subject::open(&store, Mode::Create);
    subject.write(0..10).unwrap();
    drop(subject);
    let reader = Subject::open(&store, Mode::Read);
    let session = reader.session();
    let refused = [
        kind_of(session.create_file("parts/x", Medium::Durable)),
        kind_of(session.remove_files("parts/x", Medium::Durable)),
        kind_of(session.rename_files("parts/x", "quarantine/x")),
        kind_of(session.put_object_if_absent("x", b"x")),
        kind_of(session.swap_object("x", "1", b"x")),
        kind_of(session.remove_object("x")),
        kind_of(session.drop_log_before(0, 0)),
        kind_of(session.release_lender("x")),
    ];
    assert_eq!(refused, [Some(ErrorKind::InvalidArgument); 8]);
    let error = session.put_object_if_absent("x", b"x").unwrap_err();
    let text = "objects.put-if-absent is refused: the index was opened read-only";
    assert_eq!(error.message(), text);
}

#[test]
fn paths_and_objects_that_are_not_the_engines_are_refused() {
    let store = Lent::new(true);
    let subject = Subject::open(&store, Mode::Create);
    let session = subject.session();
    for path in [
        "",
        "x",
        "log/x",
        "../x",
        "a//b",
        "lock/x",
        "readers/x",
        "a/é",
        "a/..",
    ] {
        let made = session.create_file(path, Medium::Durable);
        assert_eq!(kind_of(made), Some(ErrorKind::InvalidArgument), "{path}");
    }
    for (path, medium) in [("parts/x", Medium::Memory), ("memory/x", Medium::Durable)] {
        let made = session.create_file(path, medium);
        assert_eq!(kind_of(made), Some(ErrorKind::InvalidArgument), "{path}");
    }
    for name in ["branch.json", "x.branch", "log", "a/b", "lock", ""] {
        let put = session.put_object_if_absent(name, b"x");
        assert_eq!(kind_of(put), Some(ErrorKind::InvalidArgument), "{name}");
    }
    let gone = session.remove_object("index.json");
    assert_eq!(kind_of(gone), Some(ErrorKind::InvalidArgument));
    let error = session.file_size(99).unwrap_err();
    assert_eq!(error.message(), "file handle 99 is not open");
}

#[test]
fn budgets_bound_memory_disk_and_medium() {
    let store = Lent::new(true);
    let bounded = |change: fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        Subject::entered(&store, Mode::Create, settings).unwrap()
    };
    let mut little_memory = bounded(|settings| settings.memory_allowed_bytes = 1_000);
    let refused = little_memory.write(0..1_000);
    assert_eq!(kind_of(refused), Some(ErrorKind::ResourceExhausted));
    drop(little_memory);
    let mut little_disk = bounded(|settings| settings.disk_allowed_bytes = 10_000);
    let refused = little_disk.write(0..1_000);
    assert_eq!(kind_of(refused), Some(ErrorKind::ResourceExhausted));
    let refused = little_disk.session().begin_job(JobPurpose::Merge, 10_000);
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    assert!(
        error
            .message()
            .contains("the disk budget leaves the index 10000"),
        "{error}"
    );
    for purpose in [JobPurpose::Flush, JobPurpose::Retention] {
        little_disk.session().begin_job(purpose, 10_000).unwrap();
    }
    drop(little_disk);
    store.capacity.set(Some(Capacity {
        total_bytes: 100 << 30,
        free_bytes: (256 << 20) + 1_000,
        free_files: None,
    }));
    let mut little_medium = bounded(|_| {});
    let refused = little_medium.write(0..1_000);
    assert_eq!(kind_of(refused), Some(ErrorKind::ResourceExhausted));
    let state = little_medium.session().state();
    assert_eq!(state.medium.unwrap().minimum_bytes, 256 << 20);
}

#[test]
fn pages_of_a_step_come_in_one_call() {
    let store = Lent::new(true);
    let subject = Subject::open(&store, Mode::Create);
    let session = subject.session();
    let file = session.create_file("parts/x", Medium::Durable).unwrap();
    let pages: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let lengths = [40_000; 10];
    let extents = session
        .append(&file, &pages, &lengths, Codec::Zstd)
        .unwrap();
    session.finish(file).unwrap();
    let file = session.open_file("parts/x").unwrap();
    let first = session.register_pages(file, &extents).unwrap();
    let all: Vec<u32> = (first..first + 10).collect();
    let before = store.reads.get();
    session.prefetch(&all).unwrap();
    assert_eq!(store.reads.get() - before, 1);
    let loaded: Vec<u8> = { all.iter() }
        .flat_map(|page| session.load_page(*page).unwrap())
        .collect();
    assert!(loaded == pages);
    let counts = session.activity();
    assert_eq!((counts.pages_loaded, store.reads.get() - before), (10, 1));
    // A handle of a file that was closed is nobody's.
    session.close_file(file);
    let error = session.load_page(first).unwrap_err();
    assert_eq!(
        error.message(),
        format!("page handle {first} is not registered")
    );
}
