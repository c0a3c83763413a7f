//! Damage of what a facet has of a part, and of what is known of dead rows: nobody is given a wrong row for
//! it, a check tells of it, and a repair finds it out again from the rows.

use std::fs;
use std::path::{Path, PathBuf};

use sidx_host::{Engine, ErrorKind};
use sidx_tests::model::Row;
use sidx_tests::subject::{error_of, keys_of, spoil};

use super::latest::{all_of, assert_shows};
use super::rows::Pair;

fn rows(first: i64, count: i64) -> Vec<Row> {
    let row = |key: i64| {
        let payload = format!("payload {}", key % 400);
        Row::new(key as u64 % 5, key, payload).tag("n", key % 3)
    };
    (first..first + count).map(row).collect()
}

/// Two parts, with dead rows in the first.
fn filled(engine: Engine) -> Pair {
    let mut pair = Pair::new(engine);
    pair.write(&rows(0, 400));
    pair.subject.flush();
    pair.write(&rows(1_000, 150));
    pair.subject.flush();
    assert_eq!(pair.dead_files().len(), 1);
    pair
}

/// Flips a bit in the first third of a file, or near its end where records are, or cuts it, or removes it.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Flip,
    FlipRecord,
    Cut,
    Remove,
}

const HARMS: [Harm; 4] = [Harm::Flip, Harm::FlipRecord, Harm::Cut, Harm::Remove];

fn harm(path: &Path, harm: Harm) {
    let bytes = fs::read(path).unwrap();
    match harm {
        Harm::Flip => {
            let mut bytes = bytes;
            let middle = bytes.len() / 3;
            bytes[middle] ^= 0x20;
            fs::write(path, bytes).unwrap();
        }
        Harm::FlipRecord => {
            let mut bytes = bytes;
            let length = u32::from_le_bytes(bytes[bytes.len() - 12..][..4].try_into().unwrap());
            // The number of the first block of a file with dead rows; somewhere in another.
            let back = 12 + (length as usize).min(bytes.len() / 2) - 2;
            let at = bytes.len() - back;
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        }
        Harm::Cut => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
        Harm::Remove => fs::remove_file(path).unwrap(),
    }
}

fn on_both(test: impl Fn(Engine, Harm)) {
    for engine in [Engine::Native, Engine::Component] {
        HARMS.iter().for_each(|harm| test(engine, *harm));
    }
}

fn repaired(pair: &mut Pair) -> serde_json::Value {
    pair.subject.leave();
    let report = pair.subject.options().repair(false).unwrap();
    pair.subject.enter();
    report
}

#[test]
fn who_cannot_tell_which_rows_are_dead_gives_none_and_a_repair_finds_them_out_again() {
    on_both(|engine, what| {
        let mut pair = filled(engine);
        let path = pair.dead_files().remove(0);
        pair.subject.leave();
        harm(&path, what);
        pair.subject.enter();
        let error = error_of(pair.subject.ask());
        assert!(
            matches!(error.kind(), ErrorKind::Corrupt),
            "{what:?}: {error}"
        );
        assert!(error.message().contains(".dead-"), "{error}");
        // Rows of the other part do not need it.
        assert_eq!(keys_of(pair.subject.ask().keys(1_000..)).len(), 150);
        let partial = keys_of(pair.subject.ask().allow_partial());
        assert!(
            partial.len() >= 150 && partial.len() <= pair.wanted.len(),
            "{}",
            partial.len()
        );
        let report = pair.subject.index().verify().unwrap();
        assert_eq!(report["ok"], false, "{what:?}");
        assert!(
            report["damage"].to_string().contains(".dead-"),
            "{report:#}"
        );
        let report = repaired(&mut pair);
        assert_eq!(report["ok"], false, "{report:#}");
        assert_eq!(report["lost"], serde_json::json!([]), "{report:#}");
        pair.assert();
        pair.subject.merge_all();
        pair.assert();
    });
}

#[test]
fn a_flush_needs_no_stored_file_for_what_it_knows_in_memory() {
    for engine in [Engine::Native, Engine::Component] {
        let mut pair = filled(engine);
        let path = pair.dead_files().remove(0);
        pair.subject.leave();
        pair.subject
            .enter_with(|options| options.page_cache_bytes(0));
        // All rows of the first part are dead by now, as memory has it.
        pair.write(&rows(2_000, 400));
        harm(&path, Harm::Flip);
        assert_shows(pair.subject.index(), &pair.wanted);
        pair.subject.flush();
        pair.assert();
        pair.write(&[Row::new(1, 5_000, "another").tag("n", 1)]);
        pair.subject.flush();
        pair.assert();
        pair.subject.reopen();
        pair.assert();
        assert_eq!(pair.subject.index().verify().unwrap()["ok"], true);
        pair.subject.merge_all();
        pair.assert();
    }
}

#[test]
fn a_row_of_a_damaged_part_may_die_without_stopping_anything_else() {
    on_both(|engine, what| {
        let mut pair = filled(engine);
        // The log has it that more rows of the first part died.
        pair.write(&rows(2_160, 25));
        let path = pair.dead_files().remove(0);
        pair.subject.leave();
        harm(&path, what);
        for _ in 0..2 {
            pair.subject.enter();
            let error = error_of(pair.subject.ask().keys(..1_000));
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what:?}: {error}");
            assert_eq!(keys_of(pair.subject.ask().keys(1_000..2_000)).len(), 150);
            pair.subject.leave();
        }
        pair.subject.enter();
        // A batch that lets none of its rows die is taken; the flush makes room whatever is damaged.
        pair.write(&[Row::new(1, 5_000, "another").tag("n", 1)]);
        pair.subject.flush();
        let error = error_of(pair.subject.ask().keys(..1_000));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what:?}: {error}");
        pair.subject.reopen();
        let report = pair.subject.index().verify().unwrap();
        assert_eq!(report["ok"], false, "{report:#}");
        let report = pair.subject.index().salvage().unwrap();
        assert_eq!(report.parts.len(), 1, "{report:?}");
        assert_shows(pair.subject.index(), &pair.wanted);
        pair.subject.reopen();
        assert_shows(pair.subject.index(), &pair.wanted);
        pair.subject.merge_all();
        assert_shows(pair.subject.index(), &pair.wanted);
    });
}

#[test]
fn a_batch_that_is_refused_leaves_nothing_behind() {
    on_both(|engine, what| {
        let mut pair = filled(engine);
        let part = first_part(&pair);
        pair.subject.leave();
        let kept = fs::read(part.join("latest.bin")).unwrap();
        harm(&part.join("latest.bin"), what);
        pair.subject.enter();
        let again = [Row::new(1, 50, "payload 200").tag("n", 2)];
        let refused = pair.subject.write_with(&again, sidx_host::Durability::Os);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Corrupt, "{what:?}");
        fs::write(part.join("latest.bin"), kept).unwrap();
        // What the facet saw of the batch is not what it knows of the next one, which has its numbers.
        for rows in [&[Row::new(1, 51, "new").tag("n", 0)][..], &again] {
            if pair
                .subject
                .write_with(rows, sidx_host::Durability::Os)
                .is_ok()
            {
                pair.wanted.write(rows);
            }
            assert_shows(pair.subject.index(), &pair.wanted);
        }
    });
}

#[test]
fn rows_whose_successors_are_lost_do_not_come_back() {
    for engine in [Engine::Native, Engine::Component] {
        let mut pair = filled(engine);
        // Rows of the second part die, too, so that it has dead rows of its own.
        pair.write(&rows(2_200, 20));
        pair.subject.flush();
        assert_eq!(pair.dead_files().len(), 2);
        let label = pair.subject.parts("file")[1]["part"]
            .as_str()
            .unwrap()
            .to_owned();
        let part = sidx_tests::subject::part_folder(&pair.subject.path(), &label);
        pair.subject.leave();
        spoil(&part.join("keys.bin"));
        let report = pair.subject.options().repair(false).unwrap();
        assert_eq!(report["ok"], false);
        pair.subject.enter();
        // All of the second part is lost; what its rows had replaced stays dead.
        let found = { pair.subject.ask().payload(true).allow_partial() }
            .run()
            .unwrap();
        let found = sidx_tests::subject::read(found).unwrap();
        let wanted = pair.wanted.all();
        assert!(found.iter().all(|row| wanted.contains(row)));
        assert_eq!(found.len(), wanted.len() - 130);
    }
}

#[test]
fn a_salvage_finds_dead_rows_out_again_while_the_index_is_open() {
    on_both(|engine, what| {
        let mut pair = filled(engine);
        pair.write(&rows(2_300, 40));
        let path = pair.dead_files().remove(0);
        pair.subject.leave();
        harm(&path, what);
        pair.subject.enter();
        let report = pair.subject.index().scrub().unwrap();
        assert!(!report.damaged.is_empty(), "{what:?}: {report:?}");
        let report = pair.subject.index().salvage().unwrap();
        assert_eq!(report.parts.len(), 1, "{report:?}");
        assert_eq!(report.parts[0].lost_rows, 0, "{report:?}");
        assert_shows(pair.subject.index(), &pair.wanted);
        pair.subject.reopen();
        assert_shows(pair.subject.index(), &pair.wanted);
        pair.subject.flush();
        pair.subject.merge_all();
        assert_shows(pair.subject.index(), &pair.wanted);
    });
}

#[test]
fn a_facet_is_made_again_from_the_rows() {
    on_both(|engine, what| {
        let mut pair = filled(engine);
        let part = first_part(&pair);
        pair.subject.leave();
        harm(&part.join("latest.bin"), what);
        pair.subject.enter();
        // No query needs it.
        assert_shows(pair.subject.index(), &pair.wanted);
        // A batch does: it is refused, and nothing of it is there.
        let refused = pair
            .subject
            .write_with(&rows(50, 1), sidx_host::Durability::Os);
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what:?}: {error}");
        assert_shows(pair.subject.index(), &pair.wanted);
        let report = pair.subject.index().verify().unwrap();
        assert!(
            report["damage"].to_string().contains("latest.bin"),
            "{report:#}"
        );
        let report = repaired(&mut pair);
        assert_eq!(report["lost"], serde_json::json!([]), "{report:#}");
        assert_shows(pair.subject.index(), &pair.wanted);
        assert_eq!(pair.subject.index().verify().unwrap()["ok"], false);
        let options = pair.subject.options();
        pair.subject.leave();
        options.repair(true).unwrap();
        pair.subject.enter();
        pair.write(&rows(50, 1));
        pair.assert();
    });
}

#[test]
fn what_is_saved_of_a_damaged_part_is_as_dead_as_before() {
    for engine in [Engine::Native, Engine::Component] {
        let mut pair = filled(engine);
        let part = first_part(&pair);
        pair.subject.leave();
        // No value of the tag, and so no row, of one block; there is one, and all rows go with it.
        spoil(&part.join("data.bin"));
        let report = pair.subject.options().repair(false).unwrap();
        assert_eq!(report["ok"], false);
        pair.subject.enter();
        let found = { pair.subject.ask().payload(true).allow_partial() }
            .run()
            .unwrap();
        let found = sidx_tests::subject::read(found).unwrap();
        let wanted = pair.wanted.all();
        assert!(found.iter().all(|row| wanted.contains(row)));
        assert!(found.len() >= 150);
        let report = pair.subject.index().verify().unwrap();
        let told = report["damage"].as_array().unwrap().len();
        assert_eq!(told, 1, "{report:#}");
    }
}

#[test]
fn a_snapshot_that_is_made_up_knows_again_which_rows_are_dead() {
    for engine in [Engine::Native, Engine::Component] {
        let mut pair = filled(engine);
        pair.write(&rows(2_000, 30));
        pair.subject.leave();
        for entry in fs::read_dir(pair.subject.path()).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "snapshot") {
                fs::remove_file(path).unwrap();
            }
        }
        let report = pair.subject.options().repair(false).unwrap();
        assert_eq!(report["ok"], false);
        pair.subject.enter();
        assert_shows(pair.subject.index(), &pair.wanted);
        let report = pair.subject.index().verify().unwrap();
        assert_eq!(report["ok"], true, "{report:#}");
        assert_eq!(
            all_of(pair.subject.index()).unwrap().len(),
            pair.wanted.len()
        );
    }
}

/// The folder of the oldest part.
fn first_part(pair: &Pair) -> PathBuf {
    let label = pair.subject.parts("file")[0]["part"]
        .as_str()
        .unwrap()
        .to_owned();
    sidx_tests::subject::part_folder(&pair.subject.path(), &label)
}
