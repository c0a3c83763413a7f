//! Random work on an index in a bucket, by one process after another, with a ledger of what was promised.

use std::thread::sleep;
use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;
use sidx_host::{
    Durability, Engine, Error, ErrorKind, Index, IndexBuilder, Result, Retention, Store,
};
use sidx_tests::ledger::Ledger;
use sidx_tests::model::{Found, Query};
use sidx_tests::simulated_disk::Crash;
use sidx_tests::subject::{ask, batch, read};
use sidx_tests::trial::{Step, random_query, random_row};

use super::place::options;

/// Attempts of an opening before requests stop to fail.
const ATTEMPTS: u32 = 40;

/// Where an index lives, and what is done to the requests of whom.
pub(crate) trait World {
    /// A store as a process of that name has it.
    fn store(&self, process: &str) -> Store;

    /// From now on no request fails, or as many as before.
    fn calm(&self, is_calm: bool);
}

/// See the module.
pub(crate) struct Life<'a, W: World> {
    world: &'a W,
    engine: Engine,
    flush_bytes: u64,
    automatic_merge: bool,
    background: bool,
    process: u64,
    index: Option<Index>,
    /// Other readers, each with what it saw first.
    readers: Vec<(Index, Vec<Found>)>,
    ledger: Ledger,
    /// Rows written so far, for unique payloads.
    rows: u64,
    trace: Vec<String>,
}

/// What happened, when a test fails.
impl<W: World> Drop for Life<'_, W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in &self.trace {
                eprintln!("{line}");
            }
        }
    }
}

impl<'a, W: World> Life<'a, W> {
    pub(crate) fn begin(world: &'a W, engine: Engine, random: &mut SmallRng) -> Self {
        let mut life = Self {
            world,
            engine,
            flush_bytes: match random.random_range(0..3) {
                0 => random.random_range(500..20_000),
                _ => u64::MAX,
            },
            automatic_merge: random.random(),
            background: random.random_bool(0.3),
            process: 0,
            index: None,
            readers: Vec::new(),
            ledger: Ledger::default(),
            rows: 0,
            trace: Vec::new(),
        };
        life.reopen(random);
        life
    }

    /// Who writes now.
    pub(crate) fn process(&self) -> String {
        format!("process {}", self.process)
    }

    fn options(&self, process: &str) -> IndexBuilder {
        options(&self.world.store(process), self.engine)
            .flush_bytes(self.flush_bytes)
            .automatic_merge(self.automatic_merge)
            .background(self.background)
    }

    fn note(&mut self, text: impl Into<String>) {
        self.trace.push(text.into());
    }

    /// Does one step, and opens the index anew where it failed. Panics when the index shows something else
    /// than it must, or fails as it must not.
    pub(crate) fn step(&mut self, step: Step, random: &mut SmallRng) {
        let result = self.take_step(step, random);
        self.note(format!("{step:?}: {:?}", result.as_ref().err()));
        if let Err(error) = result {
            assert_passing(&error);
            if !matches!(step, Step::OpenReader | Step::CloseReader | Step::Read) {
                self.reopen(random);
            }
        }
    }

    fn take_step(&mut self, step: Step, random: &mut SmallRng) -> Result<()> {
        let index = self.index.clone().expect("it is open");
        match step {
            Step::Write(count, durability) => self.write(&index, count, durability, random)?,
            Step::Flush => {
                index.flush()?;
                self.ledger.flushed();
            }
            Step::Merge => drop(index.merge()?),
            Step::MergeAll => {
                index.merge_all()?;
                self.ledger.flushed();
            }
            Step::Drop(below) => {
                self.ledger.begin_drop(below);
                index.retain(Retention {
                    drop_where: None,
                    drop_below: Some(below),
                })?;
                self.ledger.dropped();
            }
            Step::Read | Step::Backup => {
                let found = all_rows(&index)?;
                let model = self.ledger.judge(&found).unwrap();
                assert_eq!(found, model.query(&Query::default()));
            }
            Step::OpenReader => {
                let name = format!("reader {}", self.trace.len());
                let reader = self.options(&name).read_only()?;
                let found = all_rows(&reader)?;
                self.ledger.judge_reader(&found).unwrap();
                self.readers.push((reader, found));
            }
            Step::CloseReader => {
                if let Some((reader, first)) = self.readers.pop() {
                    assert_eq!(all_rows(&reader)?, first, "a reader lost its snapshot");
                }
            }
            Step::Reopen => {
                drop(index);
                self.reopen(random);
            }
            Step::Close => {
                index.close()?;
                self.ledger.flushed();
                self.reopen(random);
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        index: &Index,
        count: u32,
        durability: Durability,
        random: &mut SmallRng,
    ) -> Result<()> {
        let first = self.rows;
        self.rows += u64::from(count);
        let rows = Vec::from_iter((first..self.rows).map(|number| random_row(number, random)));
        self.ledger.begin(&rows, durability);
        let written = index.write_with(batch(&rows)?, durability);
        match &written {
            Ok(_) => self.ledger.acknowledge(),
            // Nobody knows.
            Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::Unknown) => {}
            Err(_) => self.ledger.refused(),
        }
        written.map(drop)
    }

    /// Lets go of the index without a flush. Returns it, for those who do not end.
    pub(crate) fn leave(&mut self) -> Option<Index> {
        self.ledger.crashed(Crash::Kill);
        self.index.take()
    }

    /// The next process opens the index, and judges what it finds.
    pub(crate) fn reopen(&mut self, random: &mut SmallRng) {
        drop(self.leave());
        self.process += 1;
        let builder = self.options(&self.process());
        for attempt in 0.. {
            if attempt == ATTEMPTS {
                self.world.calm(true);
            }
            assert!(attempt < 40 * ATTEMPTS, "it cannot be opened any more");
            let opened = builder.clone().create();
            let opened = opened.and_then(|index| Ok((all_rows(&index)?, index)));
            match opened {
                Ok((found, index)) => {
                    self.note(format!("{} opens it", self.process()));
                    self.settle(&index, &found, random);
                    self.index = Some(index);
                    break;
                }
                Err(error) => {
                    self.note(format!("{}: {error}", self.process()));
                    assert_passing(&error);
                    // Until the lease of the one before has run out.
                    sleep(Duration::from_millis(5));
                }
            }
        }
        self.world.calm(false);
    }

    fn settle(&mut self, index: &Index, found: &[Found], random: &mut SmallRng) {
        let model = match self.ledger.settle(found) {
            Ok(model) => model,
            Err(problem) => panic!("{problem}"),
        };
        for query in [Query::default(), random_query(random), random_query(random)] {
            match ask(index, &query).run().and_then(read) {
                Ok(found) => assert_eq!(found, model.query(&query), "{query:?}"),
                Err(error) => assert_passing(&error),
            }
        }
    }

    /// Rows of a writer that others have taken over from; none of them may ever be there.
    pub(crate) fn write_in_vain(&mut self, sleeper: &Index, random: &mut SmallRng) {
        let first = self.rows;
        self.rows += 3;
        let rows = Vec::from_iter((first..self.rows).map(|number| random_row(number, random)));
        let written = sleeper.write(batch(&rows).unwrap());
        let error = written.expect_err("who was taken over from acknowledges nothing");
        self.note(format!("in vain: {error}"));
        assert_passing(&error);
        assert!(sleeper.flush().is_err());
    }

    /// Nothing fails any more: everything must be there, and sound.
    pub(crate) fn end(mut self, random: &mut SmallRng) {
        self.world.calm(true);
        self.readers.clear();
        self.reopen(random);
        self.world.calm(true);
        let index = self.leave().expect("it is open");
        index.merge_all().unwrap();
        self.ledger.flushed();
        let report = index.verify().unwrap();
        assert_eq!(report["ok"], true, "{report:#}");
        assert_eq!(report["rows"], self.ledger.certain_rows(), "{report:#}");
        let quarantined = index.stats().unwrap()["quarantined"].clone();
        assert!(
            quarantined.as_array().is_none_or(Vec::is_empty),
            "{quarantined:#}"
        );
        index.close().unwrap();
        self.reopen(random);
    }
}

fn all_rows(index: &Index) -> Result<Vec<Found>> {
    read(ask(index, &Query::default()).run()?)
}

/// What may come of requests that fail, or of another who takes over: never damage, and nothing that is
/// missing.
fn assert_passing(error: &Error) {
    let kinds = [ErrorKind::Io, ErrorKind::Conflict, ErrorKind::Unknown];
    assert!(
        kinds.contains(&error.kind()),
        "{}: {error}",
        error.kind().name()
    );
}

/// What is done next.
pub(crate) fn random_step(random: &mut SmallRng) -> Step {
    let durability = match random.random_range(0..10) {
        0..4 => Durability::Sync,
        4..8 => Durability::Os,
        _ => Durability::None,
    };
    match random.random_range(0..100) {
        0..50 => {
            let rows = match random.random_range(0..10) {
                0 => random.random_range(20..80),
                _ => random.random_range(1..5),
            };
            Step::Write(rows, durability)
        }
        50..62 => Step::Flush,
        62..68 => Step::Merge,
        68..74 => Step::MergeAll,
        // From 12 on nothing stays.
        74..78 => Step::Drop(random.random_range(0..14)),
        78..84 => Step::Read,
        84..88 => Step::OpenReader,
        88..94 => Step::CloseReader,
        94..98 => Step::Reopen,
        _ => Step::Close,
    }
}
