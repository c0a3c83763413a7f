//! An index on a simulated disk, with the ledger of what was done to it.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;
use sidx_columns::OwnedValue;
use sidx_host::storage::DirectoryStore;
use sidx_host::storage::log::LogForm;
use sidx_host::{Durability, Engine, ErrorKind, Index, IndexBuilder, Result, Retention, Store};

use crate::expression::{Expression, Op};
use crate::ledger::Ledger;
use crate::model::{Found, Query, Row};
use crate::simulated_disk::{Crash, SimulatedDisk};
use crate::subject::{NAME, ask, batch, part_label, read};
use crate::ungrowing::UngrowingStore;

/// Something that is done to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A batch of that many rows.
    Write(u32, Durability),
    /// Memory parts become a file part.
    Flush,
    /// Merges of what is similar.
    Merge,
    /// One part of everything.
    MergeAll,
    /// Rows with smaller keys go, part by part.
    Drop(i64),
    /// Everything is read and compared.
    Read,
    /// A second reader opens the index, reads everything, and stays.
    OpenReader,
    /// The reader that came last reads again, and goes.
    CloseReader,
    /// Copies the index to another one of the store; of many copies the oldest goes.
    Backup,
    /// Leaves the index without a flush and opens it again.
    Reopen,
    /// Flushes, leaves the index and opens it again.
    Close,
}

/// Does a step that changes how rows lie, or which are there, and adds none; nothing for any other.
pub fn rearrange(index: &Index, ledger: &mut Ledger, step: Step) -> Result<()> {
    match step {
        Step::Flush => {
            index.flush()?;
            ledger.flushed();
        }
        Step::Merge => drop(index.merge()?),
        Step::MergeAll => {
            index.merge_all()?;
            ledger.flushed();
        }
        Step::Drop(below) => {
            ledger.begin_drop(below);
            index.retain(Retention {
                drop_where: None,
                drop_below: Some(below),
            })?;
            ledger.dropped();
        }
        _ => {}
    }
    Ok(())
}

/// How durable a batch is to be.
pub fn random_durability(random: &mut SmallRng) -> Durability {
    match random.random_range(0..10) {
        0..4 => Durability::Sync,
        4..8 => Durability::Os,
        _ => Durability::None,
    }
}

/// How many rows a batch has: few, most times.
pub fn random_count(random: &mut SmallRng) -> u32 {
    match random.random_range(0..10) {
        0 => random.random_range(20..80),
        _ => random.random_range(1..5),
    }
}

/// How the index is opened.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// What runs it.
    pub engine: Engine,
    /// Bytes in memory after which a write flushes.
    pub flush_bytes: u64,
    /// Whether flushes merge.
    pub automatic_merge: bool,
    /// How the log lies on the disk.
    pub log_form: LogForm,
}

impl Setup {
    /// Flushes and merges happen only when they are asked for.
    pub fn manual(engine: Engine) -> Self {
        Self {
            engine,
            flush_bytes: u64::MAX,
            automatic_merge: false,
            log_form: LogForm::Growing,
        }
    }

    /// The same with a log that lies so.
    pub fn with_log(self, log_form: LogForm) -> Self {
        Self { log_form, ..self }
    }
}

/// A copy of the index, which nobody changes.
#[derive(Clone, Debug)]
struct Copy {
    name: String,
    rows: Vec<Found>,
    /// Whether it must exist; otherwise it may, and is whole then.
    certain: bool,
}

/// Copies that are kept.
const COPIES: usize = 2;

/// See the module.
pub struct Trial {
    disk: SimulatedDisk,
    setup: Setup,
    index: Option<Index>,
    /// Other readers, each with what it saw first.
    readers: Vec<(Index, Vec<Found>)>,
    ledger: Ledger,
    copies: Vec<Copy>,
    /// Names that were given to copies so far.
    copies_named: u32,
    /// Names of copies that were not finished.
    free_names: Vec<String>,
    /// Rows written so far, for unique payloads.
    rows: u64,
}

/// Tells what happened on the disk of a failed test that recorded it.
impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in self.disk.journal() {
                eprintln!("{line}");
            }
        }
    }
}

impl Trial {
    /// A trial on an empty disk. The index is not open yet.
    pub fn new(disk: SimulatedDisk, setup: Setup) -> Self {
        Self {
            disk,
            setup,
            index: None,
            readers: Vec::new(),
            ledger: Ledger::default(),
            copies: Vec::new(),
            copies_named: 0,
            free_names: Vec::new(),
            rows: 0,
        }
    }

    /// The same past on a copy of the disk; the machine of the copy is off.
    pub fn fork(&self, seed: u64) -> Self {
        Self {
            disk: self.disk.fork(seed),
            index: None,
            readers: Vec::new(),
            ledger: self.ledger.clone(),
            copies: self.copies.clone(),
            copies_named: self.copies_named,
            free_names: self.free_names.clone(),
            setup: self.setup,
            rows: self.rows,
        }
    }

    /// The disk below.
    pub fn disk(&self) -> &SimulatedDisk {
        &self.disk
    }

    fn store(&self) -> Store {
        let backend = Arc::new(DirectoryStore::on(self.disk.mount(), "/store"));
        match self.setup.log_form {
            LogForm::Growing => Store::with_backend(backend),
            LogForm::Whole => Store::with_backend(Arc::new(UngrowingStore(backend))),
        }
    }

    fn options(&self) -> IndexBuilder {
        self.store()
            .index(NAME)
            .engine(self.setup.engine)
            .flush_bytes(self.setup.flush_bytes)
            .automatic_merge(self.setup.automatic_merge)
            // Both forms of parts meet in each trial.
            .one_file_parts(self.rows % 2 == 1)
            // The calls to the disk are numbered, so their order must not be up to threads.
            .background(false)
    }

    /// Opens the index, and creates it if need be.
    pub fn open(&mut self) -> Result<()> {
        self.index = Some(self.options().create()?);
        Ok(())
    }

    /// Does one step. The ledger knows of it whatever comes of it. Panics when the index shows
    /// something else than it must.
    pub fn step(&mut self, step: Step, random: &mut SmallRng) -> Result<()> {
        self.disk.note(|| format!("{step:?}"));
        let result = self.take_step(step, random);
        let outcome = |()| "done".to_owned();
        self.disk.note(|| {
            result
                .clone()
                .map_or_else(|error| error.to_string(), outcome)
        });
        result
    }

    fn take_step(&mut self, step: Step, random: &mut SmallRng) -> Result<()> {
        if self.index.is_none() {
            self.open()?;
        }
        let index = self.index.clone().unwrap();
        match step {
            Step::Write(count, durability) => {
                let rows = self.make_rows(count, random);
                self.ledger.begin(&rows, durability);
                let written = index.write_with(batch(&rows)?, durability);
                match &written {
                    Ok(_) => self.ledger.acknowledge(),
                    Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
                        self.ledger.refused();
                    }
                    Err(_) => {}
                }
                written?;
            }
            Step::Flush | Step::Merge | Step::MergeAll | Step::Drop(_) => {
                rearrange(&index, &mut self.ledger, step)?;
            }
            Step::Read => {
                let found = all_rows(&index)?;
                let model = self.ledger.judge(&found).unwrap();
                assert_eq!(found, model.query(&Query::default()));
            }
            Step::OpenReader => {
                let reader = self.options().read_only()?;
                let found = all_rows(&reader)?;
                self.ledger.judge_reader(&found).unwrap();
                self.readers.push((reader, found));
            }
            Step::CloseReader => {
                if let Some((reader, first)) = self.readers.pop() {
                    assert_eq!(all_rows(&reader)?, first, "a reader lost its snapshot");
                }
            }
            Step::Backup => self.back_up(&index)?,
            Step::Reopen | Step::Close => {
                self.index = None;
                if step == Step::Close {
                    index.close()?;
                    self.ledger.flushed();
                } else {
                    drop(index);
                    // Nothing was killed, but what was only in memory is gone all the same.
                    self.ledger.crashed(Crash::Kill);
                }
                self.open()?;
                self.settle(random)?;
            }
        }
        Ok(())
    }

    fn back_up(&mut self, index: &Index) -> Result<()> {
        if self.copies.len() >= COPIES {
            self.copies[0].certain = false;
            match self.store().remove_index(&self.copies[0].name) {
                // A copy that ended with its first directory is no index, and is left alone.
                Err(error)
                    if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) =>
                {
                    return Err(error);
                }
                _ => drop(self.copies.remove(0)),
            }
        }
        let rows = all_rows(index)?;
        let name = self.free_names.pop().unwrap_or_else(|| {
            self.copies_named += 1;
            format!("copy-{}", self.copies_named)
        });
        self.copies.push(Copy {
            name: name.clone(),
            rows,
            certain: false,
        });
        index.backup(&self.store(), &name)?;
        self.ledger.flushed();
        self.copies.last_mut().unwrap().certain = true;
        Ok(())
    }

    /// Reads all copies. Panics when one is not what it was, or is missing.
    fn check_copies(&mut self) -> Result<()> {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for copy in &self.copies {
            match self.store().index(&copy.name).read_only() {
                Ok(index) => {
                    assert_eq!(all_rows(&index)?, copy.rows, "{}", copy.name);
                    found.push(copy.clone());
                }
                Err(error) if error.kind() == ErrorKind::NotFound && !copy.certain => {
                    missing.push(copy.name.clone());
                }
                Err(error) => return Err(error.at(&copy.name)),
            }
        }
        self.copies = found;
        self.free_names.extend(missing);
        Ok(())
    }

    fn make_rows(&mut self, count: u32, random: &mut SmallRng) -> Vec<Row> {
        let first = self.rows;
        self.rows += u64::from(count);
        (first..self.rows)
            .map(|number| random_row(number, random))
            .collect()
    }

    /// Ends the machine and everybody on it, and starts the next.
    pub fn reboot(&mut self, crash: Crash) {
        // Off first: what is dropped must not get to the disk any more.
        self.disk.reboot(crash);
        self.index = None;
        self.readers.clear();
        self.ledger.crashed(crash);
    }

    /// After an opening that succeeded: reads everything and judges it, from now on that is what must
    /// be there. Panics when it is not what it may be.
    pub fn settle(&mut self, random: &mut SmallRng) -> Result<()> {
        let index = self.index.clone().unwrap();
        let found = all_rows(&index)?;
        let model = match self.ledger.settle(&found) {
            Ok(model) => model,
            Err(problem) => panic!("{problem}"),
        };
        for query in [Query::default(), random_query(random), random_query(random)] {
            let found = read(ask(&index, &query).run()?)?;
            assert_eq!(found, model.query(&query), "{query:?}");
        }
        self.check_copies()
    }

    /// Checks an index that was settled and is not being changed: its own check finds nothing, and
    /// nothing lies about that belongs to nobody.
    pub fn assert_clean(&self) {
        let index = self.index.as_ref().unwrap();
        // Where each look is a request an opening leaves that for later.
        index.collect_garbage().unwrap();
        let report = index.verify().unwrap();
        assert_eq!(report["ok"], true, "{report:#}");
        assert_eq!(report["rows"], self.ledger.certain_rows(), "{report:#}");
        let parts = index.parts().unwrap();
        let stored = |part: &&serde_json::Value| part["medium"] == "file";
        let name = |part: &serde_json::Value| part["part"].as_str().unwrap().to_owned();
        let parts = parts.as_array().unwrap().iter().filter(stored).map(name);
        let parts: BTreeSet<String> = parts.collect();
        let mut snapshots = 0;
        for (path, bytes) in self.disk.contents() {
            let Some(path) = path.strip_prefix("/store/subject/") else {
                continue;
            };
            assert!(!path.ends_with(".tmp"), "{path} was left");
            assert!(!path.starts_with("quarantine"), "{path}");
            // Tombstones stay, one for each opening that a crash ended.
            let is_tombstone = bytes.windows(12).any(|text| text == b"tombstone_of");
            snapshots += usize::from(path.ends_with(".snapshot") && !is_tombstone);
            if let Some(part) = path.strip_prefix("parts/").filter(|path| !path.is_empty()) {
                let part = part_label(part.split('/').next().unwrap().as_ref());
                assert!(parts.contains(&part), "{path} was left");
            }
        }
        assert!(snapshots <= 1, "{snapshots} snapshots");
    }
}

fn all_rows(index: &Index) -> Result<Vec<Found>> {
    read(ask(index, &Query::default()).run()?)
}

/// A row whose payload has its number, so that no other has the same.
pub fn random_row(number: u64, random: &mut SmallRng) -> Row {
    let key = random.random_range(0..12);
    let row = Row::new(random.random_range(0..3), key, format!("payload {number}"));
    let row = match random.random_range(0..4) {
        0 => row.of("first label"),
        1 => row.of("second label"),
        _ => row,
    };
    let row = row.tag("n", i64::from(random.random_range(0..5u8)));
    match random.random_range(0..3) {
        0 => row.tag("text", ["x", "yy", "zzz"][random.random_range(0..3)]),
        1 => row.tag("half", random.random_range(0..9) as f64 / 2.0),
        _ => row,
    }
}

/// A query of such rows.
pub fn random_query(random: &mut SmallRng) -> Query {
    let bound = |random: &mut SmallRng| match random.random_range(0..3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(random.random_range(0..12)),
        _ => Bound::Excluded(random.random_range(0..12)),
    };
    let name = |random: &mut SmallRng| Row::new(random.random_range(0..4), 0, "").series;
    let filter = |random: &mut SmallRng| {
        let literal = OwnedValue::Int(random.random_range(0..5));
        Expression::Compare(
            "n".to_owned(),
            Op::ALL[random.random_range(0..Op::ALL.len())],
            literal,
        )
    };
    Query {
        series: random.random_bool(0.3).then(|| vec![name(random)]),
        low: bound(random),
        high: bound(random),
        filter: random.random_bool(0.5).then(|| filter(random)),
        descending: random.random(),
        limit: random.random_bool(0.3).then(|| random.random_range(0..8)),
        ..Query::default()
    }
}
