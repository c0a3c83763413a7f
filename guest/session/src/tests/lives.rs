//! An index from its making on.

use super::*;

#[test]
fn an_index_lives_on_growing_files_and_on_others() {
    for files_grow in [true, false] {
        for part_form in [Form::Folder, Form::File] {
            let store = Lent::new(files_grow);
            let settings = Settings {
                part_form,
                ..settings()
            };
            let mut subject = Subject::entered(&store, Mode::Create, settings).unwrap();
            for round in 0..3 {
                subject.write(round * 100..round * 100 + 100).unwrap();
                subject.flush().unwrap();
            }
            subject.write(300..350).unwrap();
            assert_eq!(subject.keys().unwrap(), (0..350).collect::<Vec<_>>());
            subject.0.close().unwrap();
            drop(subject);
            // What was not flushed comes back from the log.
            let mut subject = Subject::entered(&store, Mode::Write, settings).unwrap();
            subject.flush().unwrap();
            subject.merge_all().unwrap();
            assert_eq!(subject.keys().unwrap(), (0..350).collect::<Vec<_>>());
            let report = subject.session().check_log().unwrap();
            assert!(report.damage.is_empty(), "{report:?}");
            subject.0.close().unwrap();
            drop(subject);
            assert_eq!(store.open_handles(), 0);
        }
    }
}

#[test]
fn one_index_is_read_after_another_by_one_engine() {
    let store = Lent::new(true);
    let mut subject = Subject::open(&store, Mode::Create);
    subject.write(0..50).unwrap();
    subject.flush().unwrap();
    subject.0.close().unwrap();
    let session = subject.session();
    let first = session.next_numbers();
    assert_ne!(first, FirstNumbers::NONE);
    // What the engine still has of it closes nothing of what comes next.
    drop(subject);
    let next = Session::enter(&store, PLACE, false, settings(), first).unwrap();
    let mut next = Index::new(next);
    let opened = next.open(Mode::Read).unwrap();
    next.host()
        .published(opened.view.version, opened.view.flush_need);
    for stale in 0..20 {
        use sidx_engine::Host;
        next.host().close_file(stale);
    }
    assert_eq!(next.count(everything()).unwrap().rows, 50);
}

/// A query that has begun goes on over what merges have replaced since, in the instance that does both.
#[test]
fn a_cursor_reads_what_left_the_list() {
    let store = Lent::new(true);
    let mut subject = Subject::open(&store, Mode::Create);
    for round in 0..4 {
        subject.write(round * 100..round * 100 + 100).unwrap();
        subject.flush().unwrap();
    }
    subject.write(400..500).unwrap();
    let (mut keys, mut cursor) = subject.begin(3);
    for round in 10..13 {
        subject.flush().unwrap();
        subject.merge_all().unwrap();
        subject.0.collect().unwrap();
        subject.write(round * 100..round * 100 + 1).unwrap();
    }
    while let Some(rows) = cursor.next(3).unwrap() {
        keys.extend(subject.keys_of(rows));
    }
    assert_eq!(keys, (0..500).collect::<Vec<_>>());
    let before = store.paths_with("/parts/").len();
    drop(cursor);
    subject.0.collect().unwrap();
    let after = store.paths_with("/parts/").len();
    assert!(after < before, "{before} files, then {after}");
}

#[test]
fn the_lock_is_held_until_the_session_ends() {
    let store = Lent::new(true);
    let first = Subject::open(&store, Mode::Create);
    let second = Subject::entered(&store, Mode::Write, settings());
    assert_eq!(kind_of(second), Some(ErrorKind::Conflict));
    drop(first);
    Subject::open(&store, Mode::Write);
}

#[test]
fn a_place_has_the_name_of_one() {
    let store = Lent::new(true);
    let enter = |name: &str| {
        let entered = Session::enter(&store, name, true, settings(), FirstNumbers::NONE);
        kind_of(entered)
    };
    let incarnation = format!("a/00000001-{}", "0".repeat(32));
    for good in ["a", "lock", "a-b_c.d", &incarnation] {
        assert_eq!(enter(good), None, "{good}");
    }
    for wrong in ["", ".", "..", ".a", "a/b", "a b", "a/", "/a"] {
        assert_eq!(enter(wrong), Some(ErrorKind::InvalidArgument), "{wrong}");
    }
}
