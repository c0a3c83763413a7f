//! Several writers at work on one log without knowing of each other: what a writer appends after another has
//! opened the log counts for nobody, and what the other needs stays.

use super::{
    Files, Medium, bytes_of, contents, fill, is_damaged, names, next_term, on_both_forms, open,
    open_small, replay, untermed, writing, writing_as,
};
use crate::segment::Segment;
use crate::tests::files::Call;
use crate::{Access, Durability, Error, Fault, Form, Log, Name, Segments, Term};

on_both_forms! {
    what_an_overtaken_writer_appends_counts_for_nobody
    two_openings_after_one_another
    what_an_overtaken_writer_removes_is_needed_by_nobody
    a_log_tells_whose_segments_it_has
    terms_that_are_none_or_not_new_are_refused
}

pub(super) fn reader<M: Medium>(medium: &M, needed_from: u64) -> Log<M> {
    Log::open_from(medium.clone(), Access::Read, needed_from).expect("sound")
}

/// Appends an entry that must not count. Where segments are made whole the number is taken; where they grow
/// nothing tells the writer.
fn append_late<M: Medium>(log: &mut Log<M>, durability: Durability) {
    let late = log.append(&[(b"late", b"entry")], durability);
    match log.medium.form() {
        Form::Growing => drop(late.expect("nobody looked")),
        Form::Whole => drop(late.expect_err("taken")),
    }
}

fn what_an_overtaken_writer_appends_counts_for_nobody<M: Medium>() {
    for durability in [Durability::Os, Durability::Sync] {
        for rolls in [false, true] {
            let medium = M::new();
            let mut old = open(&medium);
            fill(&mut old, 0..3, durability);
            let mut new = open_small(&medium);
            assert_eq!(new.end(), old.end());
            if rolls {
                old.limit_segments(1);
            }
            for _ in 0..5 {
                append_late(&mut old, durability);
            }
            assert_eq!(replay(&mut reader(&medium, 0), 0), contents(0..3));
            fill(&mut new, 3..10, durability);
            append_late(&mut old, durability);
            assert_eq!(replay(&mut new, 0), contents(0..10));
            assert_eq!(replay(&mut reader(&medium, 0), 0), contents(0..10));
            let mut next = open(&medium);
            assert_eq!(replay(&mut next, 0), contents(0..10));
            fill(&mut next, 10..12, durability);
            next.drop_before(0)
                .expect("nothing but what does not count");
            assert_eq!(replay(&mut reader(&medium, 0), 0), contents(0..12));
        }
    }
}

fn two_openings_after_one_another<M: Medium>() {
    let medium = M::new();
    fill(&mut open(&medium), 0..2, Durability::Os);
    let mut first = open(&medium);
    let mut second = open(&medium);
    append_late(&mut first, Durability::Sync);
    fill(&mut second, 2..4, Durability::Os);
    let mut third = open(&medium);
    append_late(&mut first, Durability::Sync);
    append_late(&mut second, Durability::Sync);
    assert_eq!(replay(&mut third, 0), contents(0..4));
    assert_eq!(replay(&mut reader(&medium, 0), 0), contents(0..4));
}

fn what_an_overtaken_writer_removes_is_needed_by_nobody<M: Medium>() {
    let medium = M::new();
    let mut old = open_small(&medium);
    let positions = fill(&mut old, 0..20, Durability::Os);
    let mut new = Log::open_from(medium.clone(), writing(), positions[9]).expect("sound");
    fill(&mut new, 20..22, Durability::Os);
    // Its snapshot is the one that the other began with.
    old.drop_before(positions[9]).expect("dropped");
    assert_eq!(
        replay(&mut reader(&medium, positions[9]), positions[9]),
        contents(9..22)
    );
    let before = names(&medium);
    new.drop_before(positions[9]).expect("dropped");
    assert_eq!(replay(&mut new, positions[9]), contents(9..22));
    let mut next = Log::open_from(medium.clone(), writing(), positions[9]).expect("sound");
    assert_eq!(replay(&mut next, positions[9]), contents(9..22));
    assert!(before.len() >= names(&medium).len() - 1);
}

fn a_log_tells_whose_segments_it_has<M: Medium>() {
    let medium = M::new();
    let empty = reader(&medium, 0);
    let (before, between) = (next_term(), next_term());
    assert!(empty.has_segment_of(Term::NONE));
    assert!(!empty.has_segment_of(before));
    assert_eq!(empty.term(), None);
    let log = Log::open(medium.clone(), writing_as(between)).expect("new");
    assert_eq!(log.term(), Some(between));
    let after = next_term();
    for log in [&log, &reader(&medium, 0), &reader(&medium, 1000)] {
        assert!(log.has_segment_of(before) && log.has_segment_of(between));
        assert!(!log.has_segment_of(after));
    }
    if medium.form() == Form::Growing {
        let bytes = bytes_of(&medium, names(&medium)[0]);
        let unborn = Name {
            number: 0,
            term: Some(after),
        };
        medium.replace(unborn, &bytes[..20]);
        assert!(!reader(&medium, 0).has_segment_of(after));
    }
}

fn terms_that_are_none_or_not_new_are_refused<M: Medium>() {
    let medium = M::new();
    let (early, own) = (next_term(), next_term());
    fill(
        &mut Log::open(medium.clone(), writing_as(own)).expect("new"),
        0..2,
        Durability::Os,
    );
    for (term, is_overtaken) in [(Term::NONE, false), (own, false), (early, true)] {
        let opened = Log::open(medium.clone(), writing_as(term)).err();
        let salvaged = Log::salvage(medium.clone(), writing_as(term), None).err();
        for error in [opened, salvaged] {
            let error = error.expect("refused");
            let as_wanted = match is_overtaken {
                true => matches!(error, Error::Overtaken(_)),
                false => matches!(error, Error::Invalid(_)),
            };
            assert!(as_wanted, "{error}");
        }
    }
    assert_eq!(replay(&mut reader(&medium, 0), 0), contents(0..2));
}

#[test]
fn a_full_medium_takes_nothing_back_that_another_may_have_counted() {
    // Of the write a whole frame arrives.
    let large = [7; 100];
    let write: [(&[u8], &[u8]); 2] = [(b"a", b""), (b"b", &large)];
    let files = Files::new();
    let mut old = open(&files);
    fill(&mut old, 0..2, Durability::Os);
    let name = old.segments[0].name;
    let before = bytes_of(&files, name);
    let refuse = |log: &mut Log<Files>| {
        files.fail_as(Fault::Full, &[Call::Append]);
        let refused = log.append(&write, Durability::Os);
        assert!(super::is_full(&refused.expect_err("full")));
        files.fail(&[]);
    };
    files.fail_as(Fault::Full, &[Call::Append, Call::Truncate]);
    let torn = open_copy_torn(&files, &mut old, &write);
    assert!(bytes_of(&torn, name).len() > before.len() + 25);
    // Another finds it before it is taken back.
    let mut new = open(&torn);
    assert_eq!(new.end(), old.end());
    torn.replace(name, &before);
    fill(&mut new, 2..4, Durability::Os);
    assert_eq!(replay(&mut reader(&torn, 0), 0), contents(0..4));

    // Taken back after another has gone on: nothing that counts is gone.
    let mut old = open(&files);
    let mut new = open(&files);
    fill(&mut new, 2..3, Durability::Os);
    refuse(&mut old);
    assert_eq!(replay(&mut reader(&files, 0), 0), contents(0..3));
    refuse(&mut new);
    fill(&mut new, 3..5, Durability::Os);
    assert_eq!(replay(&mut open(&files), 0), contents(0..5));
}

/// The files as a write leaves them that found no room and was not taken back yet.
fn open_copy_torn(files: &Files, log: &mut Log<Files>, write: &[(&[u8], &[u8])]) -> Files {
    let refused = log.append(write, Durability::Os);
    assert!(super::is_io(&refused.expect_err("full")));
    files.fail(&[]);
    files.copied()
}

#[test]
fn a_log_of_version_1_is_taken_over() {
    // As the program before wrote it: several files, the last torn.
    let (files, term) = (Files::new(), next_term());
    let mut log = open_small(&files);
    fill(&mut log, 0..12, Durability::Os);
    let old = Files::new();
    for segment in &log.segments {
        let untermed_segment = Segment {
            name: untermed(segment.first),
            ..*segment
        };
        let bytes = bytes_of(&files, segment.name);
        let frames = &bytes[Form::Growing.header_bytes()..];
        let bytes = [&untermed_segment.untermed_header()[..], frames].concat();
        old.replace(untermed(segment.first), &bytes);
    }
    let last = *names(&old).last().expect("several");
    let torn = [&bytes_of(&old, last)[..], &[1, 2, 3]].concat();
    old.replace(last, &torn);
    assert_eq!(replay(&mut reader(&old, 0), 0), contents(0..12));

    let mut new = Log::open(old.clone(), writing_as(term)).expect("sound");
    assert_eq!(new.cut().map(|cut| cut.torn_bytes), Some(3));
    assert_eq!(bytes_of(&old, last), torn, "a file was changed");
    fill(&mut new, 12..14, Durability::Os);
    assert_eq!(replay(&mut new, 0), contents(0..14));
    // The old program goes on.
    let late = [&torn[..torn.len() - 3], &torn[32..torn.len() - 3]].concat();
    old.replace(last, &late);
    for _ in 0..2 {
        assert_eq!(replay(&mut reader(&old, 0), 0), contents(0..14));
        assert_eq!(replay(&mut open(&old), 0), contents(0..14));
    }
    // What is before the new segment must be there.
    let position = new.segments[1].first;
    for gone in names(&old).into_iter().filter(|name| name.term.is_none()) {
        let bytes = bytes_of(&old, gone);
        old.remove(gone).expect("removed");
        for from in [0, position] {
            let opened = Log::open_from(old.clone(), writing(), from).err();
            let is_needed = gone.number >= position || from == 0;
            assert_eq!(
                opened.is_some_and(|it| is_damaged(&it)),
                is_needed,
                "{gone:?}"
            );
        }
        old.replace(gone, &bytes);
    }
    let end = new.end();
    let mut new = open(&old);
    new.drop_before(end).expect("dropped");
    assert!(names(&old).iter().all(|name| name.term.is_some()));
}

#[test]
fn a_torn_predecessor_counts_up_to_its_successor_and_no_shorter() {
    let files = Files::new();
    let mut old = open(&files);
    fill(&mut old, 0..3, Durability::Os);
    let (name, end) = (old.segments[0].name, old.end());
    let whole = bytes_of(&files, name);
    files.replace(name, &[&whole[..], &[9; 70]].concat());
    let mut new = open(&files);
    assert_eq!(new.end(), end);
    fill(&mut new, 3..5, Durability::Os);
    for behind in [0, 1, 500] {
        files.replace(name, &[&whole[..], &vec![0; behind]].concat());
        assert_eq!(replay(&mut reader(&files, 0), 0), contents(0..5));
    }
    files.replace(name, &whole[..whole.len() - 1]);
    let error = Log::open_from(files.clone(), Access::Read, 0).err();
    assert!(is_damaged(&error.expect("cut")));
    assert_eq!(replay(&mut reader(&files, end), end), contents(3..5));
}

#[test]
fn damaged_headers_matter_where_entries_may_be_behind_them() {
    for case in 0..6 {
        let files = Files::new();
        let mut old = open(&files);
        fill(&mut old, 0..2, Durability::Os);
        let between = Some(next_term());
        let mut new = open(&files);
        let first = new.end();
        fill(&mut new, 2..4, Durability::Os);
        let (end, later) = (new.end(), Some(next_term()));
        let (number, term, is_damage) = [
            (end, old.term(), false),
            (end + 9, between, false),
            (first + 1, between, false),
            (end, new.term(), true),
            (0, later, true),
            (end + 9, later, true),
        ][case];
        let name = Name { number, term };
        files.replace(name, &[1; 200]);
        for access in [Access::Read, writing()] {
            let opened = Log::open_from(files.clone(), access, 0).err();
            let found = opened.is_some_and(|error| is_damaged(&error));
            assert_eq!(found, is_damage, "case {case}");
        }
        let salvaged = Log::salvage(files.clone(), writing(), Some(0));
        let (mut log, report) = salvaged.expect("salvaged");
        assert_eq!(report.damage.is_empty(), !is_damage, "case {case}");
        assert_eq!(report.entries, 4, "case {case}: {report:?}");
        let before = names(&files).len();
        log.drop_before(log.end()).expect("given up");
        assert!(names(&files).len() < before && files.open(name).is_err());
        let end = log.end();
        fill(&mut log, 4..5, Durability::Os);
        assert_eq!(replay(&mut reader(&files, end), end), contents(4..5));
    }
}

#[test]
fn an_unborn_segment_shows_what_is_missing_where_it_is_of_the_last_writer() {
    let files = Files::new();
    let mut old = open(&files);
    fill(&mut old, 0..2, Durability::Os);
    let mut new = open(&files);
    fill(&mut new, 2..4, Durability::Os);
    let number = new.end() + 100;
    for (term, is_damage) in [
        (old.term(), false),
        (new.term(), true),
        (Some(next_term()), false),
    ] {
        let name = Name { number, term };
        files.replace(name, &[]);
        let opened = Log::open_from(files.clone(), Access::Read, 0).err();
        let found = opened.is_some_and(|error| is_damaged(&error));
        assert_eq!(found, is_damage, "{term:?}");
        files.remove(name).expect("removed");
    }
}

#[test]
fn a_segment_that_is_missing_from_the_chain_is_damage_where_it_is_needed() {
    let files = Files::new();
    let mut old = open_small(&files);
    fill(&mut old, 0..8, Durability::Os);
    let mut new = open_small(&files);
    fill(&mut new, 8..16, Durability::Os);
    let chain = new.segments.clone();
    assert!(chain.len() > 5);
    let start_of_new = chain.iter().position(|it| Some(it.term) == new.term());
    for (at, segment) in chain.iter().enumerate().take(chain.len() - 1) {
        let bytes = bytes_of(&files, segment.name);
        files.remove(segment.name).expect("removed");
        for (from, is_needed) in [(0, true), (segment.end, false), (segment.end - 1, true)] {
            let opened = Log::open_from(files.clone(), Access::Read, from).err();
            let told = match &opened {
                None => false,
                Some(Error::Damaged(_)) => true,
                // The writer may have removed it, with all before it.
                Some(Error::GivenUp(_)) => at == 0 || start_of_new >= Some(at),
                Some(error) => panic!("{error}"),
            };
            assert_eq!(
                told,
                is_needed && segment.end > segment.first,
                "{at} {opened:?}"
            );
        }
        let salvaged = Log::salvage(files.copied(), writing(), Some(0));
        let (_, report) = salvaged.expect("salvaged");
        let whole = chain.iter().filter(|it| it.name != segment.name);
        let bytes_left: u64 = whole.map(|it| it.end - it.first).sum();
        let saved: u64 = report.spans.iter().map(|(from, to)| to - from).sum();
        assert_eq!(saved, bytes_left, "without {at}: {report:?}");
        files.replace(segment.name, &bytes);
    }
}

#[test]
fn what_a_later_opening_has_begun_to_make_is_not_removed() {
    let files = Files::new();
    fill(&mut open(&files), 0..2, Durability::Os);
    let (own, later) = (next_term(), Some(next_term()));
    let name = Name {
        number: 0,
        term: later,
    };
    files.replace(name, &[0; 10]);
    let mut log = Log::open(files.clone(), writing_as(own)).expect("sound");
    let end = log.end();
    log.drop_before(end).expect("dropped");
    assert!(files.open(name).is_ok());
}
