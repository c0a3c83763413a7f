//! Every byte of a small store flipped, every file cut at every length and removed.
//!
//! Whatever the damage is: nothing panics, nothing hangs, and no query gives a wrong row. Either all
//! rows are as before, or the index is refused, or its queries are, with `corrupt`, `not-found` or
//! `unsupported-version`. The log is the one exception, and a narrow one: a damaged or missing end
//! cannot be told from a write that a crash interrupted. So of a log that was flipped or cut at byte B
//! the entries whose frames end at or before B must be there, and the others may be missing only when no
//! whole frame follows B; then the rows are those of the entries that are left.
//!
//! `cargo test` takes a share of all cases; `SIDX_DAMAGE=all` takes every one.

// Tests fail by panicking, and need no documentation beyond their names.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed expectation here is a failed test"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use sidx_columns::OwnedValue;
use sidx_host::storage::log::{Log, LogAccess, LogForm};
use sidx_host::storage::{MemoryStorage, Storage, Store as Backend};
use sidx_host::{Durability, Engine, Error, ErrorKind, Index, Result, Retention, Store};
use sidx_tests::model::{Found, Model, Query, Row};
use sidx_tests::subject::{batch, read};

const NAME: &str = "damaged";
const FILTER: &str = r#"status = 500 or name starts with "n1" or exists(codes)"#;
/// Of the cases of each test one in so many is run by default.
const SHARE: usize = 61;
/// The same for the log alone, which is small.
const OBJECTS_SHARE: usize = 7;
/// The same for the component, which takes longer to open an index.
const COMPONENT_SHARE: usize = 701;

/// A store of one index.
struct One(Arc<dyn Storage>);

impl Backend for One {
    fn location(&self) -> String {
        "memory:".to_owned()
    }

    fn index_names(&self) -> Result<Vec<String>> {
        Ok(vec![NAME.to_owned()])
    }

    fn places_below(&self, _name: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn open_index(&self, _name: &str, _create: bool) -> Result<Arc<dyn Storage>> {
        Ok(Arc::clone(&self.0))
    }

    fn remove_index(&self, _name: &str) -> Result<()> {
        Err(Error::invalid("not in this test"))
    }
}

fn empty(log_form: LogForm) -> Arc<dyn Storage> {
    Arc::new(match log_form {
        LogForm::Growing => MemoryStorage::new(NAME),
        LogForm::Whole => MemoryStorage::without_growing_files(NAME),
    })
}

/// All bytes of an index: files by path and objects by name.
#[derive(Clone)]
struct Image {
    files: BTreeMap<String, Vec<u8>>,
    objects: BTreeMap<String, Vec<u8>>,
}

impl Image {
    fn of(storage: &dyn Storage) -> Image {
        let mut files = BTreeMap::new();
        let mut folders = ["log", "parts", "quarantine"].map(str::to_owned).to_vec();
        while let Some(folder) = folders.pop() {
            for name in storage.list(&folder).unwrap() {
                let path = format!("{folder}/{name}");
                match storage.open(&path) {
                    Ok(file) => {
                        let mut bytes = vec![0; file.size() as usize];
                        file.read_at(0, &mut bytes).unwrap();
                        files.insert(path, bytes);
                    }
                    Err(_) => folders.push(path),
                }
            }
        }
        let names = storage.list_objects("").unwrap();
        let object = |name: String| {
            let bytes = storage.get(&name).unwrap().unwrap().0;
            (name, bytes)
        };
        let objects = names.into_iter().map(object).collect();
        Image { files, objects }
    }

    fn storage(&self, log_form: LogForm) -> Arc<dyn Storage> {
        let storage = empty(log_form);
        for (path, bytes) in &self.files {
            let mut file = storage.create(path).unwrap();
            file.append(bytes).unwrap();
            file.finish().unwrap();
        }
        for (name, bytes) in &self.objects {
            storage.put_if_absent(name, bytes).unwrap();
        }
        storage
    }

    /// Names and sizes of everything.
    fn names(&self) -> Vec<(String, usize)> {
        let all = self.files.iter().chain(&self.objects);
        all.map(|(name, bytes)| (name.clone(), bytes.len()))
            .collect()
    }

    fn bytes(&mut self, name: &str) -> &mut Vec<u8> {
        self.files
            .get_mut(name)
            .or(self.objects.get_mut(name))
            .unwrap()
    }

    fn remove(&mut self, name: &str) {
        self.files.remove(name);
        self.objects.remove(name);
    }
}

/// Before the first frame of a segment that grows.
const HEADER_BYTES: usize = 88;

/// A small store with everything in it: two parts, one of a merge in one file, labels, every kind of tag,
/// membership filters, and a log of which a part was absorbed.
struct Sample {
    log_form: LogForm,
    image: Image,
    /// Rows after each number of log entries that are not in a part, fewest first.
    rows: Vec<Model>,
    /// Where each of those entries begins in its file, and where the last ends.
    frames: Vec<usize>,
}

fn rows(first: i64, count: i64) -> Vec<Row> {
    let row = |at: i64| {
        let row = Row::new(1 + (at % 3) as u64, at % 7, format!("payload {at}"))
            .tag("status", [200, 404, 500][at as usize % 3])
            .tag("name", format!("n{at}"))
            .tag("ratio", at as f64 / 8.0)
            .tag("flag", at % 2 == 0)
            .tag("raw", vec![at as u8, 0xff])
            .tag("at", OwnedValue::Timestamp(at * 1_000));
        let row = if at % 4 == 0 {
            let codes = vec![OwnedValue::Int(at), OwnedValue::Int(-at)];
            row.tag(
                "codes",
                OwnedValue::Array(sidx_columns::ValueType::Int, codes),
            )
        } else {
            row
        };
        if at % 3 == 1 {
            row.of(&format!("label {}", at % 3))
        } else {
            row
        }
    };
    (first..first + count).map(row).collect()
}

impl Sample {
    fn new(log_form: LogForm) -> Sample {
        let storage = empty(log_form);
        let store = Store::with_backend(Arc::new(One(Arc::clone(&storage))));
        let options = || {
            let options = store.index(NAME).engine(Engine::Native);
            options.automatic_merge(false)
        };
        let index = options().one_file_parts(true).create().unwrap();
        let mut model = Model::default();
        let write = |index: &Index, model: &mut Model, rows: &[Row]| {
            index
                .write_with(batch(rows).unwrap(), Durability::Os)
                .unwrap();
            model.write(rows);
            model.clone()
        };
        write(&index, &mut model, &rows(0, 50));
        index.flush().unwrap();
        write(&index, &mut model, &rows(50, 45));
        index.flush().unwrap();
        index.merge_all().unwrap();
        // Rows that are gone must not come back either.
        let retention = Retention {
            drop_where: Some("status = 404 and flag = true".to_owned()),
            drop_below: None,
        };
        index.retain(retention).unwrap();
        let is_kept = |row: &Row| {
            let tag = |name, value: OwnedValue| row.tags[name] == value;
            !(tag("status", 404.into()) && tag("flag", OwnedValue::Bool(true)))
        };
        model = Model::default();
        let kept: Vec<Row> = rows(0, 95).into_iter().filter(is_kept).collect();
        model.write(&kept);
        index.close().unwrap();
        let index = options().open().unwrap();
        let flushed = write(&index, &mut model, &rows(95, 6));
        index.flush().unwrap();
        let unflushed = [rows(101, 3), rows(104, 2), rows(106, 4)];
        let states = unflushed.map(|rows| write(&index, &mut model, &rows));
        drop(index);
        let mut log = Log::open(Arc::clone(&storage), LogAccess::Read).unwrap();
        let (mut position, mut ends) = (log.start(), vec![log.start()]);
        while let Some(entry) = log.read(position).unwrap() {
            position = entry.next_position;
            ends.push(position);
        }
        let kept = &ends[ends.len() - 4..];
        let offset = |position: &u64| (position - log.start()) as usize + HEADER_BYTES;
        Sample {
            log_form,
            image: Image::of(&*storage),
            rows: [flushed].into_iter().chain(states).collect(),
            frames: kept.iter().map(offset).collect(),
        }
    }

    /// What is damaged: everything, and of a log of objects only that.
    fn names(&self) -> Vec<(String, usize)> {
        let mut names = self.image.names();
        if self.log_form == LogForm::Whole {
            names.retain(|(name, _)| name.starts_with("log/"));
        }
        names
    }

    /// What a store without a file may show. Nothing tells that the last object of a log was there.
    fn allowed_without(&self, name: &str) -> Vec<&Model> {
        let newest = self.names().pop().map(|(name, _)| name);
        match self.log_form {
            LogForm::Whole if newest.as_deref() == Some(name) => {
                vec![&self.rows[self.rows.len() - 2]]
            }
            _ => self.allowed(name, 0, true),
        }
    }

    /// What a damaged store may show: all rows, or for a log whose first wrong byte is `at`, those
    /// of the entries before it, when nothing whole follows.
    fn allowed(&self, name: &str, at: usize, cut: bool) -> Vec<&Model> {
        let whole = self.frames.len() - 1;
        // An object is never torn.
        if !name.starts_with("log/") || self.log_form == LogForm::Whole {
            return vec![&self.rows[whole]];
        }
        let before = self.frames.iter().skip(1).filter(|end| **end <= at).count();
        let last_is_hit = at >= self.frames[whole - 1] && at < self.frames[whole];
        if cut || last_is_hit {
            return vec![&self.rows[before]];
        }
        vec![&self.rows[whole]]
    }
}

/// A damaged store and what it may show.
struct Case<'a> {
    log_form: LogForm,
    what: String,
    image: Image,
    allowed: Vec<&'a Model>,
}

/// What an index shows: rows, or that it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Rows,
    Damage,
}

impl Case<'_> {
    /// Opens the store in both ways and looks at everything; panics when a wrong row comes out.
    fn check(&self, engine: Engine) {
        let storage = self.image.storage(self.log_form);
        let builder = || {
            let store = Store::with_backend(Arc::new(One(Arc::clone(&storage))));
            store.index(NAME).engine(engine).automatic_merge(false)
        };
        let before = Image::of(&*storage);
        let read_only = self.opened("reading", builder().read_only());
        let after = Image::of(&*storage);
        assert!(
            (before.files, before.objects) == (after.files, after.objects),
            "{}: a reader changed the store",
            self.what
        );
        let opened = self.result("writing", builder().open());
        self.check_kept(&Image::of(&*storage));
        let Some(index) = opened else {
            assert_eq!(
                read_only,
                Shown::Damage,
                "{}: writing is refused",
                self.what
            );
            return;
        };
        let shown = self.look("writing", &index);
        assert!(
            shown == Shown::Damage || read_only == Shown::Rows,
            "{}: only reading finds damage",
            self.what
        );
        let changed = index.flush().and_then(|_| index.merge_all());
        let changed = self.result("merging", changed);
        let shown = self.look("after a merge", &index);
        assert!(changed.is_some() || shown == Shown::Damage || read_only == Shown::Rows);
        drop(index);
        self.opened("reading again", builder().read_only());
    }

    /// Opening throws no part away, damaged or not: it may still be what a repair needs.
    fn check_kept(&self, now: &Image) {
        for (path, bytes) in &self.image.files {
            let Some(name) = path.strip_prefix("parts/") else {
                continue;
            };
            let aside = format!("quarantine/{name}");
            let kept = now.files.get(path).or(now.files.get(&aside));
            assert_eq!(kept, Some(bytes), "{}: {path} was lost", self.what);
        }
    }

    fn opened(&self, how: &str, index: Result<Index>) -> Shown {
        self.result(how, index)
            .map_or(Shown::Damage, |index| self.look(how, &index))
    }

    /// The value, or none for an error that tells of damage.
    fn result<T>(&self, how: &str, result: Result<T>) -> Option<T> {
        use ErrorKind::{Corrupt, NotFound, UnsupportedVersion};
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let told = [Corrupt, NotFound, UnsupportedVersion].contains(&error.kind());
                assert!(told, "{}, {how}: {error}", self.what);
                None
            }
        }
    }

    /// Queries everything, counts and verifies.
    fn look(&self, how: &str, index: &Index) -> Shown {
        let mut shown = Shown::Rows;
        let all = index.query().run().and_then(read);
        let filtered = index.query().filter(FILTER).descending().limit(40);
        let filtered = filtered.run().and_then(read);
        let counted = index.query().count();
        let (all, filtered) = (self.result(how, all), self.result(how, filtered));
        let counted = self.result(how, counted);
        if all.is_none() || filtered.is_none() || counted.is_none() {
            shown = Shown::Damage;
        }
        // What is given must be given by one of the allowed states, all of it by the same.
        let fits = |model: &&Model| {
            let expected = model.query(&Query::default());
            let count = expected.len() as u64;
            all.as_ref().is_none_or(|rows| *rows == expected)
                && counted.is_none_or(|counted| counted == count)
                && filtered
                    .as_ref()
                    .is_none_or(|rows| *rows == filter(&expected))
        };
        assert!(
            self.allowed.iter().any(fits),
            "{}, {how}: wrong rows: {:?} of {:?}, counted {counted:?}",
            self.what,
            all.map(|rows| rows.len()),
            self.allowed
                .iter()
                .map(|model| model.rows().len())
                .collect::<Vec<_>>(),
        );
        if let Some(report) = self.result(how, index.verify()) {
            let sound = report["ok"] == true;
            assert!(
                !sound || shown == Shown::Rows,
                "{}, {how}: not in the report",
                self.what
            );
        }
        shown
    }
}

/// What `FILTER` means for rows of this test, descending, at most 40.
fn filter(rows: &[Found]) -> Vec<Found> {
    use sidx_tests::model::Cell;
    let passes = |row: &&Found| {
        row.tags.get("status") == Some(&Cell::Int(500))
            || matches!(row.tags.get("name"), Some(Cell::String(name)) if name.starts_with("n1"))
            || row.tags.contains_key("codes")
    };
    rows.iter().rev().filter(passes).take(40).cloned().collect()
}

/// Runs one in `share` of the cases, all of them when asked to.
fn run<'a>(
    engine: Engine,
    share: usize,
    cases: impl Iterator<Item = Box<dyn FnOnce() -> Case<'a> + 'a>>,
) {
    let all = std::env::var("SIDX_DAMAGE").is_ok_and(|value| value == "all");
    let share = if all && engine == Engine::Native {
        1
    } else {
        share
    };
    let mut run = 0;
    for (_, make) in cases.enumerate().filter(|(at, _)| at % share == 0) {
        make().check(engine);
        run += 1;
    }
    assert!(run > 0);
    println!("{run} cases");
}

type Make<'a> = Box<dyn FnOnce() -> Case<'a> + 'a>;

fn flips(sample: &Sample) -> impl Iterator<Item = Make<'_>> {
    let places = sample.names().into_iter();
    let places = places.flat_map(|(name, size)| (0..size).map(move |at| (name.clone(), at)));
    let masked =
        places.flat_map(|(name, at)| [0x01, 0x80, 0xff].map(|mask| (name.clone(), at, mask)));
    masked.map(move |(name, at, mask)| -> Make<'_> {
        Box::new(move || {
            let mut image = sample.image.clone();
            image.bytes(&name)[at] ^= mask;
            let allowed = sample.allowed(&name, at, false);
            let what = format!("byte {at} of {name} xor {mask:#x}");
            Case {
                log_form: sample.log_form,
                what,
                image,
                allowed,
            }
        })
    })
}

fn cuts(sample: &Sample) -> impl Iterator<Item = Make<'_>> {
    let places = sample.names().into_iter();
    let places = places.flat_map(|(name, size)| (0..size).map(move |at| (name.clone(), at)));
    places.map(move |(name, at)| -> Make<'_> {
        Box::new(move || {
            let mut image = sample.image.clone();
            image.bytes(&name).truncate(at);
            let allowed = sample.allowed(&name, at, true);
            let what = format!("{name} cut to {at} bytes");
            Case {
                log_form: sample.log_form,
                what,
                image,
                allowed,
            }
        })
    })
}

fn removals(sample: &Sample) -> impl Iterator<Item = Make<'_>> {
    sample
        .names()
        .into_iter()
        .map(move |(name, _)| -> Make<'_> {
            Box::new(move || {
                let mut image = sample.image.clone();
                image.remove(&name);
                let allowed = sample.allowed_without(&name);
                let what = format!("{name} removed");
                Case {
                    log_form: sample.log_form,
                    what,
                    image,
                    allowed,
                }
            })
        })
}

#[test]
fn a_flipped_byte_gives_no_wrong_row() {
    let sample = Sample::new(LogForm::Growing);
    run(Engine::Native, SHARE, flips(&sample));
}

#[test]
fn a_cut_file_gives_no_wrong_row() {
    let sample = Sample::new(LogForm::Growing);
    run(Engine::Native, SHARE, cuts(&sample));
}

#[test]
fn a_removed_file_gives_no_wrong_row() {
    let sample = Sample::new(LogForm::Growing);
    run(Engine::Native, 1, removals(&sample));
}

#[test]
fn a_damaged_log_of_objects_gives_no_wrong_row() {
    let sample = Sample::new(LogForm::Whole);
    run(Engine::Native, OBJECTS_SHARE, flips(&sample));
    run(Engine::Native, OBJECTS_SHARE, cuts(&sample));
    run(Engine::Native, 1, removals(&sample));
    run(Engine::Component, COMPONENT_SHARE, flips(&sample));
}

#[test]
fn the_component_gives_no_wrong_row_either() {
    let sample = Sample::new(LogForm::Growing);
    run(Engine::Component, COMPONENT_SHARE, flips(&sample));
    run(Engine::Component, COMPONENT_SHARE, cuts(&sample));
}

/// The cases are only as good as what is in the store.
#[test]
fn the_sample_holds_every_kind_of_file() {
    let sample = Sample::new(LogForm::Growing);
    let names: Vec<String> = sample
        .image
        .names()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for end in [
        "index.json",
        ".snapshot",
        ".log",
        "manifest.json",
        "meta.bin",
        "primary.bin",
        "keys.bin",
        "data.bin",
        "labels.bin",
        ".td",
        ".tm",
        ".tf",
    ] {
        assert!(
            names.iter().any(|name| name.ends_with(end)),
            "no {end} in {names:?}"
        );
    }
    let parts: std::collections::BTreeSet<&str> = names
        .iter()
        .filter_map(|name| name.strip_prefix("parts/")?.split('/').next())
        .collect();
    assert_eq!(parts.len(), 2);
    let log = sample
        .image
        .files
        .iter()
        .find(|(name, _)| name.starts_with("log/"))
        .unwrap();
    assert_eq!(sample.frames.last(), Some(&log.1.len()));
    assert!(
        sample.frames[0] > HEADER_BYTES,
        "nothing of the log was absorbed"
    );
    println!(
        "{} bytes in {} files",
        sample.image.names().iter().map(|n| n.1).sum::<usize>(),
        names.len()
    );
    let whole = Case {
        log_form: LogForm::Growing,
        what: "undamaged".to_owned(),
        image: sample.image.clone(),
        allowed: vec![sample.rows.last().unwrap()],
    };
    whole.check(Engine::Native);
}
