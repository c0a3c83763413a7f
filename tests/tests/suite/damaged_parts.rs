//! Damaged parts among others: whatever is done to the index goes on without them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::{DamagedPart, Durability, Engine, Error, ErrorKind, Index, Retention, Store};
use sidx_tests::model::Row;
pub(super) use sidx_tests::subject::spoil;
use sidx_tests::subject::{
    NAME, Subject, batch, error_of, keys_of, on_all_forms_in_directories, on_both_engines,
    part_folder, part_label,
};
use sidx_tests::watched::{Access, WatchedStore};

pub(super) const PARTS: i64 = 12;
pub(super) const PART_ROWS: i64 = 400;

/// Rows of one part, in two labelled series, with two tags, and payloads that are worth several pages.
pub(super) fn rows(part: i64) -> Vec<Row> {
    let row = |key: i64| {
        let random = SmallRng::seed_from_u64(key as u64);
        let noise: Vec<u8> = random.random_iter::<u8>().take(300).collect();
        let row = Row::new(0, key, noise)
            .tag("code", key)
            .tag("peer", format!("10.0.0.{key}"));
        row.of(if key % 2 == 0 { "even" } else { "odd" })
    };
    (part * PART_ROWS..(part + 1) * PART_ROWS)
        .map(row)
        .collect()
}

pub(super) fn fill(subject: &Subject) {
    for part in 0..PARTS {
        subject.write_part(&rows(part));
    }
}

/// The directory of the part that is so many places from the oldest.
pub(super) fn part(subject: &Subject, at: usize) -> PathBuf {
    let name = subject.parts("file")[at]["part"]
        .as_str()
        .unwrap()
        .to_owned();
    part_folder(&subject.path(), &name)
}

/// What reports call it.
pub(super) fn name(part: &Path) -> String {
    part_label(part)
}

/// Spoils files of parts while the index is closed.
pub(super) fn spoil_closed(subject: &mut Subject, files: &[(usize, &str)]) -> Vec<PathBuf> {
    let parts: Vec<PathBuf> = files.iter().map(|(at, _)| part(subject, *at)).collect();
    subject.leave();
    for (part, (_, file)) in parts.iter().zip(files) {
        spoil(&part.join(file));
    }
    subject.enter();
    parts
}

pub(super) fn one(index: &Index) -> DamagedPart {
    let damaged = index.damaged();
    assert_eq!(damaged.len(), 1, "{damaged:#?}");
    assert_eq!(index.health().damaged, damaged);
    damaged.into_iter().next().unwrap()
}

pub(super) fn keys_of_part(at: i64) -> std::ops::Range<i64> {
    at * PART_ROWS..(at + 1) * PART_ROWS
}

/// Checks that all rows but those of part 5 are right.
fn assert_others_serve(subject: &Subject) {
    let damaged = keys_of_part(5);
    assert_eq!(
        keys_of(subject.ask().keys(..damaged.start)),
        (0..damaged.start).collect::<Vec<_>>()
    );
    let later = keys_of(subject.ask().keys(damaged.end..PARTS * PART_ROWS));
    assert_eq!(later, (damaged.end..PARTS * PART_ROWS).collect::<Vec<_>>());
    let error = error_of(subject.ask());
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn merging_everything_leaves_a_damaged_part_between_its_neighbours() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        let spoilt = spoil_closed(&mut subject, &[(5, "data.bin")]).remove(0);
        let merged = subject.index().merge_all().unwrap();
        assert_eq!((merged.parts, merged.left_out), (2, 1));
        assert_eq!(merged.rows, (PARTS - 1) as u64 * PART_ROWS as u64);
        let damaged = one(subject.index());
        assert_eq!(damaged.part, name(&spoilt));
        assert_eq!(damaged.files, ["data.bin"]);
        let reasons = damaged.reasons.join("\n");
        assert!(
            reasons.contains(&name(&spoilt)) && reasons.contains("data.bin"),
            "{reasons}"
        );
        let lost = damaged.lost.unwrap();
        assert!(!lost.is_empty());
        for region in lost {
            assert!(keys_of_part(5).contains(&region.min_key), "{region:?}");
            assert!(keys_of_part(5).contains(&region.max_key), "{region:?}");
            assert!(region.rows.unwrap() < PART_ROWS as u64, "{region:?}");
        }
        let parts = subject.parts("file");
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[1]["part"], name(&spoilt));
        assert_others_serve(&subject);
        // Nothing is left to do, and nothing fails any more.
        let failed = subject.index().health().counters.jobs_failed;
        let again = subject.index().merge_all().unwrap();
        assert_eq!((again.parts, again.left_out), (0, 1));
        assert_eq!(subject.index().health().counters.jobs_failed, failed);
        // Younger parts are merged with those on their side.
        subject.write_part(&rows(PARTS));
        assert_eq!(subject.index().merge_all().unwrap().parts, 1);
        assert_eq!(subject.parts("file").len(), 3);
    });
}

#[test]
fn merges_of_similar_parts_and_automatic_ones_go_around() {
    for automatic in [false, true] {
        for engine in [Engine::Native, Engine::Component] {
            let mut subject = Subject::create(engine);
            fill(&subject);
            let spoilt = part(&subject, 5);
            subject.leave();
            spoil(&spoilt.join("keys.bin"));
            let index = subject.options().automatic_merge(automatic).open().unwrap();
            let merged = match automatic {
                true => {
                    index.write(batch(&rows(PARTS)).unwrap()).unwrap();
                    index.flush().unwrap()
                }
                false => index.merge().unwrap(),
            };
            assert_eq!(merged.left_out, 1);
            assert_eq!(one(&index).files, ["keys.bin"]);
            let parts = index.parts().unwrap().as_array().unwrap().len();
            assert_eq!(parts, 3, "both sides were merged");
            let health = index.health();
            assert_eq!(
                (health.counters.merges, health.counters.jobs_failed),
                (2, 1)
            );
            assert_eq!(health.merge_pause_ms, None);
        }
    }
}

#[test]
fn retention_works_on_the_rest() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        spoil_closed(&mut subject, &[(5, "data.bin")]);
        let rule = |expression: &str| Retention {
            drop_where: Some(expression.to_owned()),
            drop_below: None,
        };
        // Metadata tells that the damaged part loses nothing: nobody looks at it.
        let done = subject.index().retain(rule("code < 100")).unwrap();
        assert_eq!((done.dropped_rows, done.left_out), (100, 0));
        assert_eq!(
            keys_of(subject.ask().keys(..500)),
            (100..500).collect::<Vec<_>>()
        );
        // One that must be rewritten is left, and told; the others are done.
        let middle = keys_of_part(5).start + 10;
        let error = subject
            .index()
            .retain(rule(&format!("code < {middle}")))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.message().contains("data.bin"), "{error}");
        assert!(error.message().contains("is not finished"), "{error}");
        let first = keys_of(subject.ask().keys(..keys_of_part(5).start));
        assert_eq!(first, Vec::<i64>::new());
        let damaged = subject.index().damaged();
        assert_eq!(damaged.len(), 1, "{damaged:?}");
        // A part that goes whole goes without being read.
        let below = Retention {
            drop_where: None,
            drop_below: Some(keys_of_part(8).start),
        };
        let done = subject.index().retain(below.clone()).unwrap();
        assert_eq!((done.dropped_rows, done.dropped_parts), (1_200, 3));
        assert_eq!(subject.index().damaged(), []);
        assert_eq!(
            keys_of(subject.ask()),
            (keys_of_part(8).start..PARTS * PART_ROWS).collect::<Vec<_>>()
        );
        let again = subject.index().retain(below).unwrap();
        assert_eq!((again.rows, again.dropped_rows), (0, 0));
    });
}

/// Every file of a part, damaged while the index is open and nothing of the part is in memory.
#[test]
fn damage_in_any_file_of_a_part_stops_nobody_else() {
    for file in [
        "data.bin",
        "keys.bin",
        "primary.bin",
        "meta.bin",
        "labels.bin",
        "code.td",
        "code.tm",
        "peer.td",
        "peer.tm",
    ] {
        for engine in [Engine::Native, Engine::Component] {
            let mut subject = Subject::create(engine);
            fill(&subject);
            let spoilt = spoil_closed(&mut subject, &[(5, file)]).remove(0);
            let merged = subject.index().merge_all().unwrap();
            assert_eq!((merged.parts, merged.left_out), (2, 1), "{file}");
            let damaged = one(subject.index());
            assert_eq!(
                (damaged.part, damaged.files),
                (name(&spoilt), vec![file.to_owned()])
            );
            let others = keys_of(subject.ask().keys(keys_of_part(5).end..));
            assert_eq!(others.len() as i64, (PARTS - 6) * PART_ROWS, "{file}");
            // Labels of the damaged part are asked for in vain; those of new rows are not.
            subject.write_part(&rows(PARTS));
            let report = subject.index().salvage().unwrap();
            assert_eq!(report.parts.len(), 1, "{file}");
            let saved = &report.parts[0];
            assert_eq!(
                saved.saved_rows + saved.lost_rows,
                PART_ROWS as u64,
                "{file}"
            );
            assert_eq!(saved.lost.is_empty(), saved.lost_rows == 0, "{file}");
            assert_eq!(saved.lost_labels, file == "labels.bin");
            assert!(subject.index().damaged().is_empty());
            let merged = subject.index().merge_all().unwrap();
            assert_eq!(merged.left_out, 0, "{file}");
            assert_eq!(subject.parts("file").len(), 1, "{file}");
        }
    }
}

#[test]
fn a_missing_file_and_a_manifest_that_is_wrong_while_the_index_is_open() {
    for (file, is_removed) in [
        ("manifest.json", false),
        ("data.bin", true),
        ("code.td", true),
    ] {
        for engine in [Engine::Native, Engine::Component] {
            let mut subject = Subject::create(engine);
            fill(&subject);
            subject.reopen();
            let path = part(&subject, 5).join(file);
            match is_removed {
                true => fs::remove_file(&path).unwrap(),
                false => spoil(&path),
            }
            // New instances must get to know the parts. A file that is still open serves as if it were there
            // until somebody looks.
            subject.write_part(&rows(PARTS));
            if file != "manifest.json" {
                subject.index().scrub().unwrap();
            }
            let merged = subject.index().merge_all().unwrap();
            assert_eq!((merged.parts, merged.left_out), (2, 1), "{file}");
            let damaged = one(subject.index());
            assert!(damaged.files.contains(&file.to_owned()), "{damaged:?}");
            subject.write(&rows(PARTS + 1));
            subject.flush();
            assert_eq!(error_of(subject.ask()).kind(), ErrorKind::Corrupt);
            let report = subject.index().salvage().unwrap();
            assert_eq!(report.parts.len(), 1, "{file}");
            let elsewhere = keys_of(subject.ask().keys(keys_of_part(5).end..));
            assert_eq!(elsewhere.len() as i64, (PARTS - 4) * PART_ROWS, "{file}");
            subject.reopen();
            let elsewhere = keys_of(subject.ask().keys(keys_of_part(5).end..));
            assert_eq!(elsewhere.len() as i64, (PARTS - 4) * PART_ROWS, "{file}");
        }
    }
}

#[test]
fn two_damaged_parts_are_found_by_one_job() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        let spoilt = spoil_closed(&mut subject, &[(3, "data.bin"), (8, "code.td")]);
        let merged = subject.index().merge_all().unwrap();
        assert_eq!((merged.parts, merged.left_out), (3, 2));
        let named: Vec<String> = subject
            .index()
            .damaged()
            .into_iter()
            .map(|it| it.part)
            .collect();
        assert_eq!(named, [name(&spoilt[0]), name(&spoilt[1])]);
        assert_eq!(subject.index().health().counters.jobs_failed, 1);
        let parts = subject.parts("file");
        let order: Vec<&str> = parts
            .iter()
            .map(|part| part["part"].as_str().unwrap())
            .collect();
        assert_eq!((order[1], order[3]), (named[0].as_str(), named[1].as_str()));
        assert_eq!(order.len(), 5);
    });
}

#[test]
fn flushes_backups_and_checks_go_on() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        let spoilt = spoil_closed(&mut subject, &[(5, "data.bin")]).remove(0);
        subject.write_part(&rows(PARTS));
        let report = subject.index().verify().unwrap();
        assert_eq!(report["ok"], false);
        assert_eq!(one(subject.index()).part, name(&spoilt));
        let copies = tempfile::tempdir().unwrap();
        let other = Store::open(copies.path().to_str().unwrap()).unwrap();
        let copied = subject.index().backup(&other, NAME).unwrap();
        assert_eq!(copied.missing_files, 0);
        let copy = other.index(NAME).read_only().unwrap();
        let elsewhere = copy.query().keys(keys_of_part(5).end..).count().unwrap();
        assert_eq!(elsewhere as i64, (PARTS - 5) * PART_ROWS);
    });
}

#[test]
fn a_backup_goes_on_without_a_missing_file_and_counts_it() {
    on_both_engines(|mut subject| {
        fill(&subject);
        subject.reopen();
        let spoilt = part(&subject, 5);
        for file in ["data.bin", "code.td"] {
            fs::remove_file(spoilt.join(file)).unwrap();
        }
        let copies = tempfile::tempdir().unwrap();
        let other = Store::open(copies.path().to_str().unwrap()).unwrap();
        let copied = subject.index().backup(&other, NAME).unwrap();
        assert_eq!(copied.missing_files, 2);
        assert_eq!(one(subject.index()).files, ["data.bin", "code.td"]);
        let copy = other.index(NAME).open().unwrap();
        let elsewhere = copy.query().keys(keys_of_part(5).end..).count().unwrap();
        assert_eq!(elsewhere as i64, (PARTS - 6) * PART_ROWS);
        assert_eq!(copy.query().count().unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

#[test]
fn a_query_that_meets_damage_notes_it() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        let spoilt = spoil_closed(&mut subject, &[(5, "data.bin")]).remove(0);
        assert!(subject.index().damaged().is_empty());
        assert_eq!(error_of(subject.ask()).kind(), ErrorKind::Corrupt);
        let damaged = one(subject.index());
        assert_eq!((damaged.part, damaged.lost), (name(&spoilt), None));
        assert_eq!(damaged.files, ["data.bin"]);
        // The first job knows without reading it.
        let merged = subject.index().merge_all().unwrap();
        assert_eq!((merged.parts, merged.left_out), (2, 1));
        assert_eq!(subject.index().health().counters.jobs_failed, 0);
    });
}

#[test]
fn labels_that_cannot_be_read_refuse_no_rows() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        spoil_closed(&mut subject, &[(5, "labels.bin")]);
        subject.write(&rows(PARTS));
        subject.flush();
        assert_eq!(
            subject.ask().payload(false).count().unwrap() as i64,
            (PARTS + 1) * PART_ROWS
        );
    });
}

/// A store in memory in which reads of the keys of parts fail for as long as it is told so.
fn faltering() -> (Store, Arc<AtomicBool>, Arc<AtomicU64>) {
    let (falters, failed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let (told, counted) = (Arc::clone(&falters), Arc::clone(&failed));
    let store = WatchedStore::memory(Arc::new(move |access, path: &str| {
        if access == Access::Read && path.ends_with("/keys.bin") && told.load(Ordering::SeqCst) {
            counted.fetch_add(1, Ordering::SeqCst);
            return Err(Error::new(
                ErrorKind::Io,
                format!("{path} cannot be reached now"),
            ));
        }
        Ok(())
    }));
    (store, falters, failed)
}

#[test]
fn a_fault_that_passes_is_no_damage() {
    for engine in [Engine::Native, Engine::Component] {
        let (store, falters, _) = faltering();
        let options = || store.index(NAME).engine(engine).automatic_merge(false);
        let index = options().create().unwrap();
        for part in 0..4 {
            index.write(batch(&rows(part)).unwrap()).unwrap();
            index.flush().unwrap();
        }
        drop(index);
        let index = options().open().unwrap();
        falters.store(true, Ordering::SeqCst);
        let error = index.merge_all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert_eq!(index.scrub().unwrap().unread_files, 4);
        assert!(index.damaged().is_empty());
        falters.store(false, Ordering::SeqCst);
        let merged = index.merge_all().unwrap();
        assert_eq!((merged.parts, merged.left_out), (1, 0));
    }
}

/// Flushes follow each other much faster than merges that fail. How long it all takes is up to the machine,
/// and how many merges may have been tried in that time follows from the pauses of 1, 2, 4 and more
/// seconds.
#[test]
fn automatic_merges_that_fail_are_tried_less_and_less_often() {
    for background in [false, true] {
        for engine in [Engine::Native, Engine::Component] {
            let (store, falters, _) = faltering();
            let options = store.index(NAME).engine(engine).background(background);
            // Every batch is more than that.
            let index = options.flush_bytes(1).create().unwrap();
            falters.store(true, Ordering::SeqCst);
            let start = Instant::now();
            for key in 0..60 {
                index
                    .write_with(batch(&[Row::new(1, key, "x")]).unwrap(), Durability::Os)
                    .unwrap();
                index.flush().unwrap();
            }
            let health = index.health();
            let seconds = start.elapsed().as_secs();
            let most = u64::from((seconds + 2).ilog2()) + 1;
            let failed = health.counters.jobs_failed;
            assert!(
                (1..=most).contains(&failed),
                "{failed} merges failed in {seconds} s"
            );
            // Who asks for a merge is not held up, and a merge that goes well ends the pauses.
            assert!(index.merge().is_err());
            assert!(index.health().counters.jobs_failed > failed);
            falters.store(false, Ordering::SeqCst);
            index.merge().unwrap();
            assert_eq!(index.health().merge_pause_ms, None);
        }
    }
}
