//! Two writers of one index, because the lock failed: one wins, the other is told and destroys nothing.

use std::fs;

use sidx_host::{Durability, Engine, ErrorKind, Index};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, batch, keys_of, tree};

/// The index a second time, as if the first writer had no lock.
fn second_writer(subject: &Subject) -> Index {
    fs::remove_file(subject.path().join("lock")).unwrap();
    subject.options().open().unwrap()
}

fn row(key: i64) -> Row {
    Row::new(1, key, "x").tag("code", key)
}

fn write(index: &Index, key: i64, durability: Durability) -> sidx_host::Result<()> {
    index.write_with(batch(&[row(key)])?, durability).map(drop)
}

const LOGGED: [Durability; 2] = [Durability::Os, Durability::Sync];

fn for_each(test: impl Fn(Subject, Durability)) {
    for engine in [Engine::Native, Engine::Component] {
        for durability in LOGGED {
            test(Subject::create(engine), durability);
        }
    }
}

#[test]
fn the_lock_keeps_a_second_writer_out() {
    let subject = Subject::create(Engine::Native);
    let error = subject.options().open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[test]
fn who_opens_last_is_the_writer_and_the_one_before_is_told_with_its_next_write() {
    for_each(|mut subject, durability| {
        subject.write_part(&[row(0)]);
        write(subject.index(), 1, durability).unwrap();
        let other = second_writer(&subject);
        assert_eq!(keys_of(other.query()), [0, 1]);
        // Appended behind the end that the other one found.
        let error = write(subject.index(), 2, durability).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
        assert!(error.message().contains("another writer"), "{error}");
        for refused in [
            write(subject.index(), 3, durability),
            subject.index().flush().map(drop),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
        }
        write(&other, 4, durability).unwrap();
        other.flush().unwrap();
        write(&other, 5, durability).unwrap();
        assert_eq!(keys_of(other.query()), [0, 1, 4, 5]);
        drop(other);
        subject.reopen();
        assert_eq!(keys_of(subject.ask()), [0, 1, 4, 5]);
        subject.assert_sound(4);
    });
}

#[test]
fn a_writer_that_was_overtaken_publishes_nothing_and_removes_nothing() {
    for_each(|mut subject, durability| {
        subject.write_part(&[row(0)]);
        subject.write_part(&[row(1)]);
        write(subject.index(), 2, durability).unwrap();
        let other = second_writer(&subject);
        other.flush().unwrap();
        let before = tree(&subject.path());
        let conflicts = [
            subject.index().flush().map(drop),
            subject.index().merge_all().map(drop),
        ];
        for conflict in conflicts {
            assert_eq!(conflict.unwrap_err().kind(), ErrorKind::Conflict);
        }
        let is_own = |(path, _): &(String, Vec<u8>)| before.iter().any(|(old, _)| old == path);
        let after: Vec<_> = tree(&subject.path()).into_iter().filter(is_own).collect();
        assert!(after == before, "the overtaken writer changed something");
        write(&other, 3, durability).unwrap();
        drop(other);
        subject.reopen();
        assert_eq!(keys_of(subject.ask()), [0, 1, 2, 3]);
        subject.assert_sound(4);
    });
}

/// Rows in memory only have no log that would tell; the flush does.
#[test]
fn of_two_writers_without_a_log_the_one_before_cannot_flush() {
    for engine in [Engine::Native, Engine::Component] {
        let mut subject = Subject::create(engine);
        let other = second_writer(&subject);
        write(subject.index(), 1, Durability::None).unwrap();
        write(&other, 2, Durability::None).unwrap();
        let error = subject.index().flush().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        other.flush().unwrap();
        drop(other);
        subject.reopen();
        assert_eq!(keys_of(subject.ask()), [2]);
    }
}

/// The names of snapshots and of what stands in their place.
fn snapshots(subject: &Subject) -> usize {
    let names = fs::read_dir(subject.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().path());
    names
        .filter(|path| path.extension().is_some_and(|it| it == "snapshot"))
        .count()
}

#[test]
fn a_closed_writer_leaves_no_fence_and_one_that_was_not_leaves_one() {
    for_each(|mut subject, durability| {
        for key in 0..5 {
            write(subject.index(), key, durability).unwrap();
            subject.reopen();
        }
        assert_eq!(snapshots(&subject), 1);
        for round in 1..4 {
            // Overtaken, so it cannot be closed.
            let other = second_writer(&subject);
            subject.leave();
            drop(other);
            subject.enter();
            assert_eq!(snapshots(&subject), 1 + round);
        }
        assert_eq!(keys_of(subject.ask()), [0, 1, 2, 3, 4]);
    });
}

/// Tombstones are no snapshots, also where they are all that is left.
#[test]
fn a_lost_snapshot_beside_a_tombstone_is_made_up() {
    for_each(|mut subject, durability| {
        subject.write_part(&[row(0)]);
        let other = second_writer(&subject);
        write(&other, 1, durability).unwrap();
        other.flush().unwrap();
        write(&other, 2, durability).unwrap();
        drop(other);
        subject.leave();
        let names = fs::read_dir(subject.path()).unwrap();
        let paths = names.map(|entry| entry.unwrap().path());
        let snapshots = paths.filter(|path| path.extension().is_some_and(|it| it == "snapshot"));
        fs::remove_file(snapshots.max().unwrap()).unwrap();
        for opened in [subject.options().open(), subject.options().read_only()] {
            assert_eq!(opened.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        let report = subject.options().repair(false).unwrap();
        assert_eq!(report["ok"], false, "{report:#}");
        subject.enter();
        assert_eq!(keys_of(subject.ask()), [0, 1, 2]);
    });
}
