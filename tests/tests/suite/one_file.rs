//! Parts that are one file each: the same rows, checks and repairs as of folders, beside those.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::{Engine, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, Subject, batch, keys_of, section_chunks, spoil};
use sidx_tests::watched::{Access, WatchedStore};

const ROWS: i64 = 3_000;

/// Rows with a label for some series, and tags of two types.
fn rows(first: i64) -> Vec<Row> {
    let row = |key: i64| {
        let row = Row::new(key as u64 % 5, key, format!("payload {key}"))
            .tag("peer", format!("10.0.0.{}", key % 977))
            .tag("Peer", key % 7)
            .tag("aux", key % 2 == 0);
        match key % 5 {
            0 => row.of("labelled"),
            _ => row,
        }
    };
    (first..first + ROWS).map(row).collect()
}

fn subject() -> Subject {
    Subject::create_with_one_file_parts(Engine::Component)
}

fn parts(subject: &Subject) -> Vec<PathBuf> {
    let found = fs::read_dir(subject.path().join("parts")).unwrap();
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn forms(subject: &Subject) -> Vec<String> {
    let parts = subject.parts("file");
    let form = |part: &serde_json::Value| part["form"].as_str().unwrap().to_owned();
    parts.iter().map(form).collect()
}

#[test]
fn a_part_is_one_file_of_the_same_sections_whatever_its_tags() {
    let subject = subject();
    subject.write_part(&rows(0));
    let paths = parts(&subject);
    assert_eq!(paths.len(), 1);
    assert!(paths[0].is_file() && paths[0].extension().unwrap() == "part");
    let file = fs::read(&paths[0]).unwrap();

    let folder = Subject::create(Engine::Native);
    folder.write_part(&rows(0));
    let folder_path = parts(&folder).remove(0);
    let mut sections = 0;
    for entry in fs::read_dir(folder_path).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "manifest.json" {
            continue;
        }
        let bytes: Vec<u8> = section_chunks(&file, &name)
            .into_iter()
            .flat_map(|[offset, length]| file[offset..offset + length].to_vec())
            .collect();
        assert_eq!(bytes, fs::read(&path).unwrap(), "{name}");
        sections += 1;
    }
    assert_eq!(sections, 5 + 3 * 3);
    // What names of tags would be one where case is ignored, and what is reserved, is told apart.
    let names = ["Peer.td", "peer%-1.td", "aux%-1.td"];
    assert!(
        names
            .iter()
            .all(|name| !section_chunks(&file, name).is_empty())
    );
}

#[test]
fn both_forms_stand_in_one_index_and_a_merge_changes_the_form() {
    let mut subject = subject();
    subject.write_part(&rows(0));
    subject.leave();
    subject.change_form();
    subject.enter();
    subject.write_part(&rows(ROWS));
    assert_eq!(forms(&subject), ["file", "folder"]);
    let all: Vec<i64> = (0..2 * ROWS).collect();
    let sorted = |subject: &Subject| {
        let mut keys = keys_of(subject.ask());
        keys.sort_unstable();
        keys
    };
    assert_eq!(sorted(&subject), all);
    subject.merge_all();
    assert_eq!(forms(&subject), ["folder"]);
    assert_eq!(sorted(&subject), all);
    subject.leave();
    subject.change_form();
    subject.switch(Engine::Native);
    subject.write_part(&rows(2 * ROWS));
    subject.merge_all();
    assert_eq!(forms(&subject), ["file"]);
    assert_eq!(parts(&subject).len(), 1);
    subject.assert_sound(3 * ROWS as usize);
    assert_eq!(subject.index().verify().unwrap()["files"], 5 + 3 * 3 + 1);
}

#[test]
fn damage_of_any_section_is_found_and_the_rows_that_can_be_read_are_saved() {
    for section in [
        "data.bin",
        "keys.bin",
        "primary.bin",
        "meta.bin",
        "labels.bin",
        "Peer.tm",
        "peer%-1.tf",
    ] {
        let mut subject = subject();
        subject.write_part(&rows(0));
        subject.write_part(&rows(ROWS));
        let damaged = parts(&subject).remove(0);
        subject.leave();
        spoil(&damaged.join(section));
        subject.enter();
        let report = subject.index().scrub().unwrap();
        assert_eq!(report.damaged.len(), 1, "{section}: {report:?}");
        assert!(
            report.damaged[0].files.iter().any(|file| file == section),
            "{report:?}"
        );
        assert_eq!(subject.index().verify().unwrap()["ok"], false, "{section}");
        subject.leave();
        let repaired = subject.options().repair(false).unwrap();
        assert_eq!(repaired["ok"], false);
        let quarantine = subject.path().join("quarantine");
        let kept = quarantine.join(damaged.file_name().unwrap());
        assert!(kept.is_file(), "{section}");
        let repaired = subject.options().repair(true).unwrap();
        subject.enter();
        assert_eq!(subject.index().verify().unwrap()["ok"], true, "{section}");
        let left = keys_of(subject.ask()).len() as i64;
        assert_eq!(repaired["rows"], left);
        // Nothing of it can be found without metadata, and a filter or a label is not needed for a row.
        let saved = match section {
            "meta.bin" | "primary.bin" => 0..=0,
            "keys.bin" | "data.bin" | "Peer.tm" => 0..=ROWS - 1,
            _ => ROWS..=ROWS,
        };
        assert!(saved.contains(&(left - ROWS)), "{section}: {left}");
    }
}

#[test]
fn a_file_that_is_cut_or_too_long_is_left_out_and_named() {
    for change in ["cut", "longer", "gone"] {
        let mut subject = subject();
        subject.write_part(&rows(0));
        subject.write_part(&rows(ROWS));
        let damaged = parts(&subject).remove(0);
        subject.leave();
        let mut bytes = fs::read(&damaged).unwrap();
        match change {
            "cut" => bytes.truncate(bytes.len() - 1),
            "longer" => bytes.splice(0..0, *b"x").for_each(drop),
            _ => {}
        }
        match change {
            "gone" => fs::remove_file(&damaged).unwrap(),
            _ => fs::write(&damaged, bytes).unwrap(),
        }
        let reader = subject.options().read_only().unwrap();
        let error = reader.query().run().map(drop).unwrap_err();
        let text = error.to_string();
        let name = damaged.file_name().unwrap().to_str().unwrap();
        assert!(text.contains(&name[..16]), "{change}: {text}");
        drop(reader);
        subject.enter();
        let found = subject.index().query().keys(ROWS..2 * ROWS).count();
        assert!(found.is_err() || found.unwrap() == ROWS as u64, "{change}");
        subject.leave();
        subject.options().repair(true).unwrap();
        subject.enter();
        assert_eq!(keys_of(subject.ask()).len() as i64, ROWS, "{change}");
    }
}

#[test]
fn opening_reads_the_end_of_each_part_once() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let store = WatchedStore::memory(Arc::new(move |access, path| {
        let of_part = access == Access::Read && path.starts_with("parts/");
        counted.fetch_add(usize::from(of_part), Ordering::Relaxed);
        Ok(())
    }));
    let options = || store.index("x").automatic_merge(false).one_file_parts(true);
    let index = options().create().unwrap();
    for part in 0..3 {
        index.write(batch(&rows(part * ROWS)).unwrap()).unwrap();
        index.flush().unwrap();
    }
    index.close().unwrap();
    for writes in [false, true] {
        reads.store(0, Ordering::Relaxed);
        let index = match writes {
            false => options().read_only().unwrap(),
            true => options().open().unwrap(),
        };
        assert_eq!(reads.load(Ordering::Relaxed), 3, "{writes}");
        assert_eq!(index.query().count().unwrap(), 3 * ROWS as u64);
    }
}

#[test]
fn sections_that_grow_together_lie_in_chunks() {
    let row = |key: i64| {
        let noise: Vec<u8> = SmallRng::seed_from_u64(key as u64)
            .random_iter()
            .take(300)
            .collect();
        Row::new(0, key, noise.clone()).tag("noise", noise)
    };
    let all: Vec<Row> = (0..8_000).map(row).collect();
    let mut subject = subject();
    for rows in all.chunks(2_000) {
        subject.write(rows);
    }
    subject.flush();
    let path = parts(&subject).remove(0);
    let file = fs::read(&path).unwrap();
    let chunks = section_chunks(&file, "data.bin");
    assert!(chunks.len() > 2, "{chunks:?}");
    subject.assert_sound(all.len());
    subject.reopen();
    let read = subject.index().query().keys(3_000..3_010).run().unwrap();
    for (row, key) in read.into_rows().zip(3_000..) {
        assert_eq!(row.unwrap().payload.unwrap(), all[key].payload);
    }
    assert_eq!(subject.index().scrub().unwrap().damaged, []);
    subject.leave();
    spoil(&path.join("noise.td"));
    subject.enter();
    let damaged = subject.index().scrub().unwrap().damaged;
    assert_eq!(damaged[0].files, ["noise.td"]);
}

#[test]
fn a_copy_goes_on_without_a_part_that_is_gone_and_tells_it() {
    let subject = subject();
    subject.write_part(&rows(0));
    subject.write_part(&rows(ROWS));
    fs::remove_file(parts(&subject).remove(0)).unwrap();
    let target = Store::memory();
    let report = subject.index().backup(&target, NAME).unwrap();
    assert_eq!(report.missing_files, 1);
    assert_eq!(subject.index().health().damaged.len(), 1);
}

#[test]
fn a_copy_has_the_same_files() {
    let subject = subject();
    subject.write_part(&rows(0));
    let target = tempfile::tempdir().unwrap();
    let store = Store::open(target.path().to_str().unwrap()).unwrap();
    subject.index().backup(&store, NAME).unwrap();
    let copy = store.index(NAME).read_only().unwrap();
    assert_eq!(copy.query().count().unwrap(), ROWS as u64);
    assert_eq!(copy.verify().unwrap()["ok"], true);
    assert_eq!(copy.parts().unwrap()[0]["form"], "file");
}
