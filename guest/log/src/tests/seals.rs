//! Objects without frames with which an opening takes a number from the writers before it. They are there for
//! good: whoever is still about to make an object of that number must find it.

use super::fencing::reader;
use super::{
    bytes_of, contents, fill, is_damaged, is_full, names, on_both_forms, open, replay, seals_on,
    unsealed, untermed, writing, writing_alone,
};
use crate::{Access, Durability, Error, Form, Log, MemoryObjects, Segments, Term};

on_both_forms! {
    the_last_term_is_told_by_whoever_salvages
    a_damaged_log_is_salvaged_to_be_read
}

fn objects() -> MemoryObjects {
    MemoryObjects::new("memory:x")
}

fn open_alone(objects: &MemoryObjects) -> Log<MemoryObjects> {
    Log::open(objects.clone(), writing_alone()).expect("good")
}

fn is_overtaken(log: &mut Log<MemoryObjects>) -> bool {
    let late = log.append(&[(b"late", b"")], Durability::Sync);
    matches!(late, Err(Error::Overtaken(_)))
}

#[test]
fn a_writer_that_sleeps_before_its_put_is_overtaken_whatever_was_given_up() {
    for sleeper_seals in [false, true] {
        for written in [0, 1, 4] {
            let objects = objects();
            let access = if sleeper_seals {
                writing()
            } else {
                writing_alone()
            };
            let mut sleeper = Log::open(objects.clone(), access).expect("new");
            fill(&mut sleeper, 0..written, Durability::Os);
            let mut next = open(&objects);
            for round in 0..3 {
                fill(&mut next, 4..6, Durability::Os);
                let position = next.end() + round % 2 * 10;
                next.drop_before(position).expect("given up");
                next = open(&objects);
                let end = next.end();
                next.drop_before(end).expect("given up");
            }
            next.drop_before(next.end() + 1).expect("given up");
            assert_eq!(unsealed(&objects).len(), 1);
            assert!(is_overtaken(&mut sleeper), "{sleeper_seals} {written}");
        }
    }
}

#[test]
fn a_repair_seals_as_any_opening() {
    for seal in [false, true] {
        let objects = objects();
        let mut sleeper = open(&objects);
        fill(&mut sleeper, 0..3, Durability::Os);
        objects.remove(untermed(2)).expect("removed");
        let access = if seal { writing() } else { writing_alone() };
        let (mut log, report) = Log::salvage(objects.clone(), access, Some(0)).expect("salvaged");
        assert!(!report.damage.is_empty());
        let before = seals_on(&objects);
        let end = log.end();
        log.drop_before(end).expect("set aside");
        assert_eq!(seals_on(&objects), before + usize::from(seal));
        fill(&mut log, 3..5, Durability::Os);
        log.drop_before(log.end()).expect("given up");
        assert_eq!(is_overtaken(&mut sleeper), seal);
    }
}

#[test]
fn a_seal_that_names_a_damage_stays() {
    let objects = objects();
    fill(&mut open(&objects), 0..3, Durability::Os);
    open(&objects);
    objects.remove(untermed(3)).expect("removed");
    let salvaged = Log::salvage(objects.clone(), writing(), Some(0));
    let (mut log, report) = salvaged.expect("salvaged");
    assert_eq!(report.damage.len(), 1);
    assert!(report.damage[0].starts_with(&objects.place(untermed(4))));
    let end = log.end();
    log.drop_before(end).expect("set aside");
    assert_eq!(names(&objects), [0, 4, 5].map(untermed));
    fill(&mut log, 3..4, Durability::Os);
    assert_eq!(replay(&mut reader(&objects, end), end), contents(3..4));
}

#[test]
fn openings_leave_one_seal_each_or_none() {
    let objects = objects();
    let mut entries = 0;
    for round in 0..30 {
        let seals = round % 3 == 0;
        let before = seals_on(&objects);
        let mut log = if seals {
            open(&objects)
        } else {
            open_alone(&objects)
        };
        assert_eq!(seals_on(&objects), before + usize::from(seals));
        let size = names(&objects).len();
        if round % 2 == 0 {
            fill(&mut log, entries..entries + 3, Durability::Os);
            assert_eq!(names(&objects).len(), size + 3);
            entries += 3;
        }
        // What is begun anew is no seal, and goes with the rest.
        for behind in [0, 7, 7] {
            log.drop_before(log.end() + behind).expect("given up");
            assert!(unsealed(&objects).len() <= 1);
        }
        log.limit_segments(1);
        fill(&mut log, 0..1, Durability::Os);
        log.drop_before(log.end()).expect("given up");
        assert!(unsealed(&objects).len() <= 1);
    }
    assert_eq!(seals_on(&objects), 10);
    // In openings that do nothing, too.
    for _ in 0..5 {
        open(&objects);
        open_alone(&objects);
    }
    assert_eq!(seals_on(&objects), 15);
    assert!(unsealed(&objects).len() <= 1);
}

#[test]
fn a_writer_without_a_seal_goes_on_at_the_next_number() {
    let objects = objects();
    fill(&mut open_alone(&objects), 0..2, Durability::Os);
    assert_eq!(names(&objects), [0, 1].map(untermed));
    let mut one = open_alone(&objects);
    let mut other = open_alone(&objects);
    assert_eq!(replay(&mut one, 0), contents(0..2));
    fill(&mut other, 2..4, Durability::Os);
    assert_eq!(names(&objects), [0, 1, 2, 3].map(untermed));
    assert!(is_overtaken(&mut one));
    assert_eq!(replay(&mut reader(&objects, 0), 0), contents(0..4));

    let (early, late) = (writing_alone(), writing());
    let mut log = Log::open(objects.clone(), late).expect("good");
    fill(&mut log, 4..5, Durability::Os);
    let refused = Log::open(objects.clone(), early).err().expect("late");
    assert!(matches!(refused, Error::Overtaken(_)), "{refused}");
    assert_eq!(replay(&mut reader(&objects, 0), 0), contents(0..5));

    // Behind what was absorbed, where nothing reaches up to the position.
    let far = log.end() + 100;
    let mut log = Log::open_from(objects.clone(), writing_alone(), far).expect("detached");
    assert_eq!(fill(&mut log, 5..6, Durability::Os), [far]);
    assert_eq!(replay(&mut reader(&objects, far), far), contents(5..6));
    assert_eq!(replay(&mut open(&objects), far), contents(5..6));
}

#[test]
fn a_full_medium_takes_a_writer_without_a_seal_and_no_other() {
    let objects = objects();
    fill(&mut open(&objects), 0..3, Durability::Os);
    objects.limit(Some(objects.size_bytes()));
    let before = names(&objects);
    let refused = Log::open(objects.clone(), writing()).err().expect("full");
    assert!(is_full(&refused), "{refused}");
    let mut log = open_alone(&objects);
    assert_eq!(names(&objects), before);
    let refused = log.append(&[(b"h", b"b")], Durability::Os);
    assert!(is_full(&refused.expect_err("full")));
    log.drop_before(log.end() + 10).expect("given up");
    assert_eq!(names(&objects), [0, 3].map(untermed));
    let end = log.end();
    objects.limit(None);
    fill(&mut log, 3..5, Durability::Os);
    assert_eq!(replay(&mut reader(&objects, end), end), contents(3..5));
}

/// Seals that lie alone, then one entry that was given up, and a few that are needed: where the last begin.
fn with_old_seals() -> (MemoryObjects, u64) {
    let objects = objects();
    for i in 0..4 {
        let mut log = open(&objects);
        fill(&mut log, i..i + 3, Durability::Os);
        log.drop_before(log.end()).expect("given up");
    }
    let mut log = open(&objects);
    log.drop_before(log.end()).expect("given up");
    let start = log.end();
    fill(&mut log, 0..5, Durability::Os);
    assert_eq!(
        names(&objects),
        [0, 4, 8, 12, 16, 17, 18, 19, 20, 21].map(untermed)
    );
    (objects, start)
}

#[test]
fn old_seals_with_gaps_are_no_damage() {
    let (objects, start) = with_old_seals();
    for needed_from in [None, Some(start)] {
        let salvaged = Log::salvage(objects.copied(), Access::Read, needed_from);
        let (mut log, report) = salvaged.expect("salvaged");
        assert_eq!(report.damage, Vec::<String>::new());
        assert_eq!((report.entries, log.start()), (5, start));
        assert_eq!(replay(&mut log, start), contents(0..5));
    }
    assert_eq!(replay(&mut reader(&objects, start), start), contents(0..5));
    // A reader of an older snapshot finds that a writer has gone on.
    let late = Log::open_from(objects.clone(), Access::Read, start - 1).err();
    assert!(matches!(late, Some(Error::GivenUp(_))), "{late:?}");
    let damaged = Log::open_from(objects.clone(), writing(), start - 1).err();
    assert!(is_damaged(&damaged.expect("too late")));
    // What is missing behind them is damage still.
    for number in 17..21 {
        let objects = objects.copied();
        objects.remove(untermed(number)).expect("removed");
        let opened = Log::open_from(objects.clone(), writing(), start).err();
        assert!(is_damaged(&opened.expect("missing")), "{number}");
        let (_, report) = Log::salvage(objects, writing(), Some(start)).expect("salvaged");
        assert_eq!((report.entries, report.damage.len()), (4, 1), "{number}");
    }
    for number in [0, 4, 8, 12] {
        let objects = objects.copied();
        objects.replace(untermed(number), &[1; 100]);
        let mut log = Log::open_from(objects.clone(), writing(), start).expect("sound");
        assert_eq!(replay(&mut log, start), contents(0..5));
    }
    let mut log = open(&objects);
    assert_eq!(log.newest, Some(untermed(22)));
    log.drop_before(log.end()).expect("given up");
    assert_eq!(names(&objects), [0, 4, 8, 12, 16, 22].map(untermed));
    assert_eq!(open_alone(&objects).newest, Some(untermed(22)));
}

#[test]
fn a_seal_that_comes_too_late_is_no_damage() {
    // An opening slept before its seal until another had taken over and given the number up.
    let (objects, start) = with_old_seals();
    for (number, first) in [(3, 10), (5, 90), (15, start - 40)] {
        let mut bytes = bytes_of(&objects, untermed(16));
        for (at, field) in [(12, number), (20, first), (28, first), (36, first)] {
            bytes[at..at + 8].copy_from_slice(&u64::to_le_bytes(field));
        }
        let at = Form::Whole.header_bytes() - 4;
        let checksum = crate::checksum::crc32c(&bytes[..at]).to_le_bytes();
        bytes[at..].copy_from_slice(&checksum);
        objects.replace(untermed(number), &bytes);
        for needed_from in [None, Some(start)] {
            let salvaged = Log::salvage(objects.clone(), Access::Read, needed_from);
            let (_, report) = salvaged.expect("salvaged");
            assert_eq!(report.damage, Vec::<String>::new(), "{number}");
            assert_eq!(report.entries, 5);
        }
    }
    assert_eq!(replay(&mut open(&objects), start), contents(0..5));
}

fn the_last_term_is_told_by_whoever_salvages<M: super::Medium>() {
    let medium = M::new();
    let salvaged = Log::salvage(medium.clone(), Access::Read, None);
    assert_eq!(salvaged.expect("empty").1.term, Term::NONE);
    fill(&mut open(&medium), 0..2, Durability::Os);
    let mut log = open(&medium);
    fill(&mut log, 2..4, Durability::Os);
    let before = names(&medium);
    let (mut reader, report) = Log::salvage(medium.clone(), Access::Read, None).expect("sound");
    assert_eq!(Some(report.term), log.term());
    assert_eq!(names(&medium), before);
    assert_eq!(replay(&mut reader, 0), contents(0..4));
    if medium.form() == Form::Growing {
        let damaged = crate::Name {
            number: 0,
            term: writing().term(),
        };
        medium.replace(damaged, &[1; 200]);
        let (_, report) = Log::salvage(medium, Access::Read, None).expect("salvaged");
        assert_eq!(Some(report.term), damaged.term);
        assert!(!report.damage.is_empty());
    }
}

fn a_damaged_log_is_salvaged_to_be_read<M: super::Medium>() {
    let medium = M::new();
    let mut log = open(&medium);
    let positions = fill(&mut log, 0..4, Durability::Sync);
    let at = match medium.form() {
        Form::Growing => (names(&medium)[0], 88 + positions[1] as usize + 30),
        Form::Whole => (untermed(2), 72 + 30),
    };
    let mut bytes = bytes_of(&medium, at.0);
    bytes[at.1] ^= 1;
    medium.replace(at.0, &bytes);
    let before = names(&medium);
    let (mut reader, read) = Log::salvage(medium.clone(), Access::Read, None).expect("salvaged");
    assert_eq!((read.entries, read.damage.len()), (3, 1));
    assert_eq!(Some(read.term), log.term());
    assert_eq!(reader.term(), None);
    for refused in [
        reader.append(&[(b"h", b"b")], Durability::Os).map(drop),
        reader.drop_before(reader.end()),
    ] {
        let error = refused.expect_err("read-only");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
    assert_eq!(names(&medium), before);
    let (writer, written) = Log::salvage(medium.clone(), writing(), None).expect("salvaged");
    assert_eq!((reader.end(), read), (writer.end(), written));
}
