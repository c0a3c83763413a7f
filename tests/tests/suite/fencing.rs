//! Two writers of one index, because the lock failed: one wins, the other is told and destroys nothing.

use std::fs;

use sidx_host::{Durability, Engine, ErrorKind, Index};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, batch, keys_of};

/// The index a second time, as if the first writer had no lock.
fn second_writer(subject: &Subject) -> Index {
    fs::remove_file(subject.path().join("lock")).unwrap();
    subject.options().open().unwrap()
}

/// In memory only: no lock, no order in the log.
fn write(index: &Index, key: i64) -> sidx_host::Result<()> {
    let rows = [Row::new(1, key, "x").tag("code", key)];
    index.write_with(batch(&rows)?, Durability::None).map(drop)
}

#[test]
fn the_lock_keeps_a_second_writer_out() {
    let subject = Subject::create(Engine::Native);
    let error = subject.options().open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[test]
fn of_two_writers_without_a_lock_the_second_to_publish_gets_conflict() {
    for engine in [Engine::Native, Engine::Component] {
        for first_wins in [true, false] {
            let mut subject = Subject::create(engine);
            subject.write_part(&[Row::new(1, 0, "x").tag("code", 0)]);
            let other = second_writer(&subject);
            let (winner, loser) = match first_wins {
                true => (subject.index(), &other),
                false => (&other, subject.index()),
            };
            write(winner, 1).unwrap();
            write(loser, 2).unwrap();
            winner.flush().unwrap();
            let error = loser.flush().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            for refused in [write(loser, 3), loser.flush().map(drop)] {
                assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
            }
            // The winner goes on, and what it published is whole.
            write(winner, 4).unwrap();
            winner.flush().unwrap();
            assert_eq!(keys_of(winner.query()), [0, 1, 4]);
            drop(other);
            subject.reopen();
            assert_eq!(keys_of(subject.ask()), [0, 1, 4]);
            subject.assert_sound(3);
        }
    }
}
