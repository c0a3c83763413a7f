//! Writes to growing files that fail, and power losses.

use super::files::{Call, Files};
use super::{
    Random, bytes_of, content, contents, fill, is_full, is_io, names, open, replay, writing,
};
use crate::{Access, Durability, Fault, Log};

#[test]
fn after_a_failed_write_nothing_more_is_taken_and_what_is_whole_may_count() {
    for failing in [
        &[Call::Append][..],
        &[Call::Sync],
        // Nothing is taken back in any case.
        &[Call::Append, Call::Truncate],
    ] {
        let files = Files::new();
        let mut log = open(&files);
        fill(&mut log, 0..3, Durability::Os);
        let end = log.end();
        files.fail(failing);
        let (header, body) = content(3);
        let error = log
            .append(&[(&header, &body)], Durability::Sync)
            .expect_err("failing");
        assert!(is_io(&error), "{error}");
        files.fail(&[]);
        for result in [
            log.append(&[(&header, &body)], Durability::Os).map(drop),
            log.drop_before(end),
        ] {
            let error = result.expect_err("failed before");
            assert!(is_io(&error), "{error}");
            assert!(error.to_string().contains("reopen the index"), "{error}");
        }
        assert_eq!(log.end(), end);
        assert_eq!(replay(&mut log, 0), contents(0..3));
        let mut log = open(&files);
        // All of it arrived before the sync failed, and whoever looked meanwhile has counted it.
        let found = 3 + u64::from(failing == [Call::Sync]);
        assert_eq!(replay(&mut log, 0), contents(0..found), "{failing:?}");
        fill(&mut log, found..5, Durability::Sync);
        assert_eq!(replay(&mut log, 0), contents(0..5));
    }
}

const FULL: Fault = Fault::Full;

#[test]
fn a_full_medium_leaves_the_log_as_it_was() {
    for segment_bytes in [1, 1 << 20] {
        let files = Files::new();
        let mut log = open(&files);
        log.limit_segments(segment_bytes);
        fill(&mut log, 0..3, Durability::Os);
        let end = log.end();
        let (header, body) = content(3);
        for durability in [Durability::Os, Durability::Sync] {
            files.fail_as(FULL, &[Call::Append]);
            let refused = log.append(&[(&header, &body)], durability);
            assert!(is_full(&refused.expect_err("full")));
            assert_eq!(log.end(), end);
            assert_eq!(replay(&mut log, 0), contents(0..3));
            // What a power loss would find, too.
            let mut reader = Log::open(files.clone(), Access::Read).expect("sound");
            assert_eq!(replay(&mut reader, 0), contents(0..3));
            let refused = Log::open(files.clone(), writing()).err().expect("full");
            assert!(is_full(&refused), "{refused}");
            files.fail(&[]);
        }
        fill(&mut log, 3..5, Durability::Os);
        assert_eq!(replay(&mut log, 0), contents(0..5));
        assert_eq!(replay(&mut open(&files), 0), contents(0..5));
        let end = log.end();
        log.drop_before(end).expect("dropped");
    }
}

#[test]
fn a_full_medium_leaves_the_log_in_doubt_when_nothing_can_be_taken_back() {
    for failing in [
        &[Call::Append, Call::Truncate][..],
        &[Call::Append, Call::Sync],
        // The bytes are with the operating system, and nobody knows which of them got further.
        &[Call::Sync],
    ] {
        let files = Files::new();
        let mut log = open(&files);
        fill(&mut log, 0..3, Durability::Os);
        files.fail_as(FULL, failing);
        let (header, body) = content(3);
        let refused = log.append(&[(&header, &body)], Durability::Sync);
        assert!(is_io(&refused.expect_err("failed")));
        files.fail(&[]);
        let refused = log.append(&[(&header, &body)], Durability::Os);
        assert!(is_io(&refused.expect_err("failed before")));
        let found = 3 + u64::from(failing == [Call::Sync]);
        assert_eq!(replay(&mut open(&files), 0), contents(0..found));
    }
}

#[test]
fn a_full_medium_without_room_for_a_new_segment_gets_that_of_the_old_ones() {
    let files = Files::new();
    let mut log = open(&files);
    log.limit_segments(1 << 20);
    fill(&mut log, 0..3, Durability::Sync);
    log.limit_segments(1);
    files.fail_as(FULL, &[Call::Append]);
    files.pass_after_removal();
    let end = log.end();
    log.drop_before(end).expect("dropped");
    // The segment that the room was enough for.
    assert_eq!(files.size_bytes(), 88);
    let again = Log::open_from(files.clone(), Access::Read, end).expect("sound");
    assert_eq!(again.end(), end);
    assert_eq!(fill(&mut log, 3..5, Durability::Os)[0], end);
    assert_eq!(replay(&mut open(&files), end), contents(3..5));
}

#[test]
fn a_full_medium_keeps_the_newest_segment_until_there_is_another() {
    // It tells everybody that the writers before it were overtaken.
    let files = Files::new();
    let mut log = open(&files);
    log.limit_segments(1);
    fill(&mut log, 0..3, Durability::Sync);
    files.fail_as(FULL, &[Call::Append]);
    files.pass_after_removal();
    let end = log.end();
    log.drop_before(end).expect("dropped");
    assert_eq!(files.fewest(), Some(1));
    assert_eq!(files.size_bytes(), 88);
}

#[test]
fn a_full_medium_that_stays_full_has_a_log_without_segments() {
    let files = Files::new();
    let mut log = open(&files);
    fill(&mut log, 0..3, Durability::Sync);
    let end = log.end() + 10;
    files.fail_as(FULL, &[Call::Append]);
    log.drop_before(end).expect("dropped");
    assert_eq!((files.size_bytes(), log.end()), (0, end));
    assert!(names(&files).is_empty());
    let refused = log.append(&[(b"h", b"b")], Durability::Os);
    assert!(is_full(&refused.expect_err("full")));
    files.fail(&[]);
    assert_eq!(fill(&mut log, 3..5, Durability::Os)[0], end);
    assert_eq!(replay(&mut open(&files), end), contents(3..5));
}

#[test]
fn an_opening_that_finds_no_room_leaves_nothing_that_counts() {
    for failing in [Call::Append, Call::Sync] {
        let files = Files::new();
        let mut log = open(&files);
        fill(&mut log, 0..3, Durability::Os);
        let before = names(&files);
        files.fail_as(FULL, &[failing]);
        let refused = Log::open(files.clone(), writing()).err().expect("full");
        assert!(is_full(&refused), "{refused}");
        assert_eq!(names(&files), before);
        files.fail(&[]);
        fill(&mut log, 3..5, Durability::Os);
        assert_eq!(replay(&mut open(&files), 0), contents(0..5));
    }
}

#[test]
fn a_failed_start_of_a_segment_fails_the_log() {
    let files = Files::new();
    let mut log = Log {
        segment_bytes: 1,
        ..open(&files)
    };
    fill(&mut log, 0..2, Durability::Os);
    files.fail(&[Call::Append]);
    assert!(log.append(&[(b"h", b"b")], Durability::Os).is_err());
    files.fail(&[]);
    assert!(log.append(&[(b"h", b"b")], Durability::Os).is_err());
    let mut log = open(&files);
    assert_eq!(replay(&mut log, 0), contents(0..2));
    fill(&mut log, 2..4, Durability::Os);
    assert_eq!(replay(&mut open(&files), 0), contents(0..4));
}

#[test]
fn each_durability_syncs_as_it_says() {
    let files = Files::new();
    let mut log = open(&files);
    fill(&mut log, 0..3, Durability::Os);
    let first = names(&files)[0];
    assert_eq!(files.synced(first), 88);
    fill(&mut log, 3..4, Durability::Sync);
    assert_eq!(files.synced(first), 88 + log.end());
    let synced = files.synced(first);
    fill(&mut log, 4..6, Durability::Os);
    assert_eq!(files.synced(first), synced);
    log.append(&[], Durability::Sync).expect("a sync");
    assert_eq!(files.synced(first), 88 + log.end());
    fill(&mut log, 6..8, Durability::Os);
    drop(log);
    let log = open(&files);
    assert_eq!(files.synced(first), 88 + log.end());
    assert_eq!(files.synced(names(&files)[1]), 88);
}

/// What a power loss may leave of a file: all that was synced, and any sectors of the rest.
fn after_power_loss(bytes: &[u8], synced: usize, random: &mut Random) -> Vec<u8> {
    let size = synced + random.below((bytes.len() - synced) as u64 + 1) as usize;
    let mut left = bytes[..size].to_vec();
    for start in (0..size).step_by(512) {
        let end = (start + 512).min(size);
        if end > synced && random.below(3) == 0 {
            left[start.max(synced)..end].fill(0);
        }
    }
    left
}

/// Whatever the writes and whatever a power loss leaves of them: the log opens, it has the entries
/// that were synced, and after them others in the order they were written, whole.
#[test]
fn a_power_loss_takes_nothing_that_was_synced() {
    let mut cut_short = 0;
    for seed in 0..600 {
        let mut random = Random(seed);
        let files = Files::new();
        let mut log = Log {
            segment_bytes: 20_000,
            ..open(&files)
        };
        let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut synced_entries = 0;
        for _ in 0..random.below(12) {
            let batch: Vec<_> = (0..1 + random.below(4))
                .map(|i| {
                    let size = random.below(if i == 0 { 6000 } else { 100 }) as usize;
                    (
                        content(random.below(100)).0,
                        vec![random.below(255) as u8 + 1; size],
                    )
                })
                .collect();
            let slices: Vec<(&[u8], &[u8])> = batch.iter().map(|(h, b)| (&h[..], &b[..])).collect();
            let sync = random.below(4) == 0;
            let durability = if sync {
                Durability::Sync
            } else {
                Durability::Os
            };
            log.append(&slices, durability).expect("appended");
            entries.extend(batch);
            if sync {
                synced_entries = entries.len();
            }
        }
        let left = Files::new();
        for name in names(&files) {
            let bytes = bytes_of(&files, name);
            let bytes = after_power_loss(&bytes, files.synced(name) as usize, &mut random);
            left.replace(name, &bytes);
        }
        let mut again = open(&left);
        let found = replay(&mut again, 0);
        assert!(
            found.len() >= synced_entries,
            "seed {seed}: {} of {synced_entries}",
            found.len()
        );
        assert_eq!(found, entries[..found.len()], "seed {seed}");
        cut_short += u64::from(found.len() < entries.len());
        fill(&mut again, 0..2, Durability::Os);
        assert_eq!(replay(&mut open(&left), 0).len(), found.len() + 2);
    }
    assert!(
        cut_short > 150,
        "only {cut_short} losses took anything: the test tests nothing"
    );
}
