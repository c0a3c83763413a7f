//! Damage of what a branch and its lender share, and of what keeps them together: whoever is asked gives the
//! right rows or says what is wrong, and what one of them repairs harms the other in nothing.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use sidx_host::{Engine, Error, ErrorKind, Index, IndexBuilder, Result, Staleness, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{batch, keys_of};
use tempfile::TempDir;

const LENDER: &str = "lender";
const BRANCH: &str = "branch";
/// Of the cases of a sample one in so many is run by default.
const SHARE: usize = 5;

/// A store in a directory, as plain files.
#[derive(Clone)]
struct Sample {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// What each index shows.
    rows: BTreeMap<&'static str, Vec<i64>>,
}

fn builder(store: &Store, name: &str) -> IndexBuilder {
    let builder = store.index(name).engine(Engine::Native);
    builder.staleness(Staleness::Opened).manual()
}

fn write(index: &Index, keys: std::ops::Range<i64>) {
    let row = |key| Row::new(key as u64 % 3, key, format!("payload {key}")).tag("n", key % 5);
    let rows: Vec<Row> = keys.map(row).collect();
    index.write(batch(&rows).unwrap()).unwrap();
}

fn write_part(index: &Index, keys: std::ops::Range<i64>) {
    write(index, keys);
    index.flush().unwrap();
}

impl Sample {
    /// The lender still names the shared parts, or has merged them.
    fn new(is_merged: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let lender = builder(&store, LENDER)
            .one_file_parts(true)
            .create()
            .unwrap();
        write_part(&lender, 0..10);
        write_part(&lender, 10..20);
        write(&lender, 20..25);
        builder(&store, LENDER).branch(BRANCH).unwrap();
        let branch = builder(&store, BRANCH).open().unwrap();
        write_part(&branch, 30..35);
        write(&branch, 35..37);
        if is_merged {
            write_part(&lender, 40..45);
            lender.merge_all().unwrap();
        }
        lender.close().unwrap();
        branch.close().unwrap();
        let mut rows = BTreeMap::from([
            (LENDER, Vec::from_iter(0..25)),
            (BRANCH, Vec::from_iter(0..25)),
        ]);
        rows.get_mut(BRANCH).unwrap().extend(30..37);
        rows.get_mut(LENDER)
            .unwrap()
            .extend(40..if is_merged { 45 } else { 40 });
        let mut files = BTreeMap::new();
        gather(folder.path(), Path::new(""), &mut files);
        Self { files, rows }
    }

    fn put(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in &self.files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    /// Damage of each file but those of the log, which no branch shares.
    fn cases(&self) -> Vec<(String, Self)> {
        let mut cases = Vec::new();
        for (path, bytes) in &self.files {
            let shown = path.display();
            if shown.to_string().contains("/log/") || path.ends_with("lock") {
                continue;
            }
            let mut add = |what: String, bytes: Option<Vec<u8>>| {
                let mut sample = self.clone();
                sample.files.remove(path);
                sample
                    .files
                    .extend(bytes.map(|bytes| (path.clone(), bytes)));
                cases.push((what, sample));
            };
            add(format!("{shown} removed"), None);
            for length in [0, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                add(
                    format!("{shown} cut to {length} bytes"),
                    Some(bytes[..length].to_vec()),
                );
            }
            for at in (0..bytes.len()).step_by((bytes.len() / 6).max(1)) {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << (at % 8);
                add(format!("a bit of byte {at} of {shown}"), Some(bytes));
            }
        }
        cases
    }
}

fn gather(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => gather(root, &path, files),
            false => drop(files.insert(path.clone(), fs::read(root.join(&path)).unwrap())),
        }
    }
}

struct Case {
    what: String,
    sample: Sample,
    store: Store,
}

impl Case {
    /// The value, or none for an error that tells of damage.
    #[track_caller]
    fn told<T>(&self, how: &str, result: Result<T>) -> Option<T> {
        use ErrorKind::{Corrupt, NotFound, UnsupportedVersion};
        let tells = |error: &Error| [Corrupt, NotFound, UnsupportedVersion].contains(&error.kind());
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                assert!(tells(&error), "{}, {how}: {error}", self.what);
                None
            }
        }
    }

    fn rows(&self, how: &str, index: &Index) -> Option<Vec<i64>> {
        let rows = index.query().run().and_then(|mut cursor| {
            let rows = cursor.rows().map(|row| row.map(|row| row.key));
            rows.collect::<Result<Vec<i64>>>()
        });
        let mut rows = self.told(how, rows)?;
        rows.sort_unstable();
        Some(rows)
    }

    /// What an index shows to a reader: rows, or that something is wrong.
    fn shown(&self, how: &str, name: &str) -> Option<Vec<i64>> {
        let how = format!("{how}, reading {name}");
        let index = self.told(&how, builder(&self.store, name).read_only())?;
        let rows = self.rows(&how, &index);
        let report = self.told(&how, index.verify());
        let is_told = rows.is_some() || report.is_none_or(|report| report["ok"] == false);
        assert!(is_told, "{}, {how}: not in the report", self.what);
        rows
    }

    /// The same where nothing was given up: all rows or none.
    fn look(&self, how: &str, name: &str) -> Option<Vec<i64>> {
        let shown = self.shown(how, name);
        if let Some(rows) = &shown {
            assert_eq!(
                *rows, self.sample.rows[name],
                "{}, {how}, {name}",
                self.what
            );
        }
        shown
    }

    /// Whether the other side is as it was. Nothing else keeps the files of a branch than its pin.
    fn check_same(&self, how: &str, name: &str, before: Option<&Vec<i64>>) {
        if !self.what.ends_with(".branch removed") {
            assert_eq!(
                self.shown(how, name).as_ref(),
                before,
                "{}, {how}",
                self.what
            );
        }
    }

    /// Repairs one side. The other shows what it did before, and this one its rows, or fewer once their loss
    /// is accepted.
    fn repair(&self, name: &str, other: &str) {
        self.look("at first", name);
        let before = self.look("at first", other);
        for accept_loss in [false, true] {
            let how = format!("a repair of {name}, {accept_loss}");
            let repaired = self.told(&how, builder(&self.store, name).repair(accept_loss));
            self.check_same(&how, other, before.as_ref());
            if repaired.is_none() {
                continue;
            }
            let index = builder(&self.store, name).open();
            let index = index.unwrap_or_else(|error| panic!("{}, {how}: {error}", self.what));
            let all = &self.sample.rows[name];
            match self.rows(&how, &index) {
                Some(rows) if accept_loss => {
                    let is_part = rows.is_sorted_by(|one, next| one < next)
                        && rows.iter().all(|key| all.contains(key));
                    assert!(is_part, "{}, {how}: {rows:?}", self.what);
                    assert_eq!(index.verify().unwrap()["ok"], true, "{}, {how}", self.what);
                }
                Some(rows) => assert_eq!(rows, *all, "{}, {how}", self.what),
                None => assert!(!accept_loss, "{}, {how}: nothing is shown", self.what),
            }
            drop(index);
            self.check_same(&how, other, before.as_ref());
        }
    }

    fn drop_both(&self) {
        use ErrorKind::{Conflict, Corrupt, NotFound, UnsupportedVersion};
        let kinds = [Conflict, Corrupt, NotFound, UnsupportedVersion];
        let is_told = |how: &str, error: Option<Error>| {
            if let Some(error) = error {
                assert!(
                    kinds.contains(&error.kind()),
                    "{}, {how}: {error}",
                    self.what
                );
            }
        };
        let before = [LENDER, BRANCH].map(|name| self.shown("before a drop", name));
        for name in [LENDER, BRANCH] {
            let collected = builder(&self.store, name).collect_garbage();
            is_told(&format!("clearing {name}"), collected.err());
            self.check_same("clearing", LENDER, before[0].as_ref());
            self.check_same("clearing", BRANCH, before[1].as_ref());
        }
        is_told(
            "a drop of the branch",
            builder(&self.store, BRANCH).remove().err(),
        );
        self.check_same("a drop of the branch", LENDER, before[0].as_ref());
        is_told(
            "a drop of the lender",
            builder(&self.store, LENDER).remove().err(),
        );
    }
}

fn run(is_merged: bool, check: impl Fn(&Case)) {
    let whole = Sample::new(is_merged);
    let share = match std::env::var("SIDX_DAMAGE") {
        Ok(value) if value == "all" => 1,
        _ => SHARE,
    };
    let cases = whole.cases();
    let mut failures = 0;
    for (what, sample) in cases.into_iter().step_by(share) {
        let folder = sample.put();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let case = Case {
            what,
            sample,
            store,
        };
        // All that fail are told, not the first one only.
        failures += usize::from(catch_unwind(AssertUnwindSafe(|| check(&case))).is_err());
    }
    assert_eq!(failures, 0);
}

#[test]
fn what_one_side_repairs_harms_the_other_in_nothing() {
    for is_merged in [false, true] {
        run(is_merged, |case| {
            case.repair(BRANCH, LENDER);
            case.drop_both();
        });
        run(is_merged, |case| {
            // What it names alone is its own.
            case.repair(LENDER, BRANCH);
            case.drop_both();
        });
    }
}

/// The folder of a lender is moved away by hand, and put back.
#[test]
fn a_branch_whose_lender_is_gone_says_so_and_loses_nothing() {
    let sample = Sample::new(true);
    let folder = sample.put();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let (here, away) = (folder.path().join(LENDER), folder.path().join("away"));
    let check_told = |what: &str, error: Error| {
        assert_eq!(error.kind(), ErrorKind::Io, "{what}: {error}");
        let tells = |text: &str| error.message().contains(text);
        assert!(
            tells(&format!("shares parts of {LENDER}")),
            "{what}: {error}"
        );
        assert!(tells("put that place back"), "{what}: {error}");
    };
    let check_whole = || {
        let index = builder(&store, BRANCH).open().unwrap();
        let mut keys = keys_of(index.query());
        keys.sort_unstable();
        assert_eq!(keys, sample.rows[BRANCH]);
        assert_eq!(index.verify().unwrap()["ok"], true);
    };
    let open = builder(&store, BRANCH).open().unwrap();
    fs::rename(&here, &away).unwrap();
    // What was open is read on, or not: nothing is taken for damage.
    if let Ok(report) = open.verify() {
        assert_eq!(report["ok"], true, "{report:#}");
    }
    drop(open);
    let options = || builder(&store, BRANCH);
    for round in 0..2 {
        check_told("read", options().read_only().unwrap_err());
        check_told("open", options().open().unwrap_err());
        check_told("repair", options().repair(round == 1).unwrap_err());
        check_told("branch", options().branch("leaf").unwrap_err());
        check_told("garbage", options().garbage().unwrap_err());
        check_told("collect", options().collect_garbage().unwrap_err());
    }
    fs::rename(&away, &here).unwrap();
    check_whole();
    fs::rename(&here, &away).unwrap();
    options().remove().unwrap();
    fs::rename(&away, &here).unwrap();
    let lender = builder(&store, LENDER).open().unwrap();
    assert_eq!(
        lender.query().count().unwrap(),
        sample.rows[LENDER].len() as u64
    );
    drop(lender);
    builder(&store, LENDER).remove().unwrap();
    assert!(store.index_names().unwrap().is_empty());
}
