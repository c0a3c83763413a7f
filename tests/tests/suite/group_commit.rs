//! Writers that come at once share one sync, and what goes wrong with one is told to all that it concerns.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::{thread, time::Duration};

use sidx_host::storage::{
    AppendFile, Lock, MemoryStore, NewFile, ReadFile, Storage, Store as Backend,
};
use sidx_host::{Durability, Engine, ErrorKind, Index, Result, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{batch, keys_of};

const ENGINES: [Engine; 2] = [Engine::Native, Engine::Component];

/// What the backend was asked for, and what it is to do about it.
#[derive(Default)]
struct Orders {
    log_syncs: AtomicU64,
    log_appends: AtomicU64,
    /// The next append to the log panics.
    panics: AtomicBool,
    /// Files and directories cannot be removed.
    keeps: AtomicBool,
    refused_removals: AtomicU64,
    /// While held, finishing a manifest in the store waits.
    gate: Gate,
    /// While held, a sync of the log waits.
    sync_gate: Gate,
}

/// A door that is open until it is shut.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    waiting: AtomicU64,
    opened: Condvar,
}

impl Gate {
    fn shut(&self) {
        *self.shut.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.shut.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut shut = self.shut.lock().unwrap();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        while *shut {
            shut = self.opened.wait(shut).unwrap();
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns when someone stands before the door.
    fn await_someone(&self) {
        while self.waiting.load(Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A store in memory that follows orders.
struct OrderedStore {
    inner: MemoryStore,
    orders: Arc<Orders>,
}

struct OrderedStorage {
    inner: Arc<dyn Storage>,
    orders: Arc<Orders>,
}

struct OrderedLog {
    inner: Box<dyn AppendFile>,
    orders: Arc<Orders>,
}

struct OrderedFile {
    inner: Box<dyn NewFile>,
    orders: Arc<Orders>,
    is_manifest: bool,
}

impl Backend for OrderedStore {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn index_names(&self) -> Result<Vec<String>> {
        self.inner.index_names()
    }

    fn places_below(&self, name: &str) -> Result<Vec<String>> {
        self.inner.places_below(name)
    }

    fn open_index(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(OrderedStorage {
            inner: self.inner.open_index(name, create)?,
            orders: Arc::clone(&self.orders),
        }))
    }

    fn remove_index(&self, name: &str) -> Result<()> {
        self.inner.remove_index(name)
    }
}

impl OrderedStorage {
    fn check_removal(&self) -> Result<()> {
        if self.orders.keeps.load(Ordering::SeqCst) {
            self.orders.refused_removals.fetch_add(1, Ordering::SeqCst);
            return Err(sidx_host::Error::new(ErrorKind::Io, "nothing is removed"));
        }
        Ok(())
    }
}

impl Storage for OrderedStorage {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        Ok(Box::new(OrderedFile {
            inner: self.inner.create(path)?,
            orders: Arc::clone(&self.orders),
            is_manifest: path.ends_with("manifest.json"),
        }))
    }

    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        self.inner.open(path)
    }

    fn has_locks(&self) -> bool {
        self.inner.has_locks()
    }

    fn takes_folders(&self) -> bool {
        self.inner.takes_folders()
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.inner.list(path)
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.check_removal()?;
        self.inner.remove(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn sync(&self, path: &str) -> Result<()> {
        self.inner.sync(path)
    }

    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        self.inner.get(name)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        self.inner.put_if_absent(name, bytes)
    }

    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        self.inner.compare_and_swap(name, version, bytes)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        self.inner.list_objects(prefix)
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        self.inner.remove_object(name)
    }

    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        Ok(Box::new(OrderedLog {
            inner: self.inner.append_file(path)?,
            orders: Arc::clone(&self.orders),
        }))
    }

    fn lock(&self) -> Result<Lock> {
        self.inner.lock()
    }

    fn unfinished(&self) -> Result<Vec<String>> {
        self.inner.unfinished()
    }

    fn clear_unfinished(&self, unfinished: &[String]) -> Result<()> {
        self.inner.clear_unfinished(unfinished)
    }

    fn pin(&self, epoch: u64) -> Result<Option<Lock>> {
        self.inner.pin(epoch)
    }

    fn pinned_epochs(&self) -> Result<Vec<u64>> {
        self.inner.pinned_epochs()
    }

    fn size_bytes(&self) -> Result<u64> {
        self.inner.size_bytes()
    }
}

impl AppendFile for OrderedLog {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.orders.log_appends.fetch_add(1, Ordering::SeqCst);
        assert!(
            !self.orders.panics.swap(false, Ordering::SeqCst),
            "the backend was ordered to panic"
        );
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.orders.log_syncs.fetch_add(1, Ordering::SeqCst);
        self.orders.sync_gate.pass();
        self.inner.sync()
    }

    fn resync(&mut self, size: u64) -> Result<()> {
        self.inner.resync(size)
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        self.inner.truncate(size)
    }
}

impl NewFile for OrderedFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.append(bytes)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        if self.is_manifest {
            self.orders.gate.pass();
        }
        self.inner.finish()
    }
}

fn store() -> (Store, Arc<Orders>) {
    let (store, orders, _) = store_and_backend();
    (store, orders)
}

fn store_and_backend() -> (Store, Arc<Orders>, Arc<OrderedStore>) {
    let orders = Arc::new(Orders::default());
    let backend = Arc::new(OrderedStore {
        inner: MemoryStore::new(),
        orders: Arc::clone(&orders),
    });
    (Store::with_backend(backend.clone()), orders, backend)
}

fn open(store: &Store, engine: Engine) -> Index {
    let builder = store.index("x").engine(engine).automatic_merge(false);
    builder.create().unwrap()
}

fn write(index: &Index, key: i64, durability: Durability) -> Result<()> {
    let row = Row::new(1, key, "x");
    index.write_with(batch(&[row])?, durability).map(drop)
}

fn sorted_keys(index: &Index) -> Vec<i64> {
    let mut keys = keys_of(index.query());
    keys.sort_unstable();
    keys
}

#[test]
fn writers_that_come_while_a_sync_runs_share_the_next() {
    const WRITERS: i64 = 16;
    for engine in ENGINES {
        let (store, orders) = store();
        let index = open(&store, engine);
        write(&index, -1, Durability::Sync).unwrap();
        let before = orders.log_syncs.load(Ordering::SeqCst);
        orders.sync_gate.shut();
        thread::scope(|scope| {
            let first = scope.spawn(|| write(&index, 0, Durability::Sync).unwrap());
            orders.sync_gate.await_someone();
            let started = Arc::new(Barrier::new(WRITERS as usize));
            let others: Vec<_> = (1..WRITERS)
                .map(|key| {
                    let (index, started) = (&index, Arc::clone(&started));
                    scope.spawn(move || {
                        started.wait();
                        write(index, key, Durability::Sync).unwrap();
                    })
                })
                .collect();
            started.wait();
            // They stand in the queue soon after this; were they slower, the syncs would still be counted
            // against all batches of the many rounds below.
            thread::sleep(Duration::from_millis(200));
            orders.sync_gate.open();
            first.join().unwrap();
            others.into_iter().for_each(|other| other.join().unwrap());
        });
        let syncs = orders.log_syncs.load(Ordering::SeqCst) - before;
        assert!(syncs >= 2, "{engine:?}: nobody waited for a sync");
        assert!(
            syncs <= WRITERS as u64 / 2,
            "{engine:?}: {syncs} syncs for {WRITERS} writers that came at once"
        );
        assert_eq!(sorted_keys(&index), (-1..WRITERS).collect::<Vec<_>>());
    }
}

#[test]
fn a_panic_of_the_storage_leaves_no_writer_without_an_answer() {
    for engine in ENGINES {
        let (store, orders) = store();
        let index = open(&store, engine);
        write(&index, 0, Durability::Os).unwrap();
        orders.panics.store(true, Ordering::SeqCst);
        let acknowledged = Mutex::new(vec![0]);
        let panics = thread::scope(|scope| {
            let writers: Vec<_> = (1..9)
                .map(|key| {
                    let (index, acknowledged) = (&index, &acknowledged);
                    scope.spawn(move || match write(index, key, Durability::Os) {
                        Ok(()) => acknowledged.lock().unwrap().push(key),
                        Err(error) => assert!(error.message().contains("reopen"), "{error}"),
                    })
                })
                .collect();
            let joined = writers.into_iter().map(thread::ScopedJoinHandle::join);
            joined.filter(std::result::Result::is_err).count()
        });
        assert_eq!(panics, 1, "{engine:?}: the panic is its leader's alone");
        let mut acknowledged = acknowledged.into_inner().unwrap();
        acknowledged.sort_unstable();
        // Reads go on; changes do not, because nobody knows what was left half done.
        assert_eq!(sorted_keys(&index), acknowledged, "{engine:?}");
        let error = write(&index, 10, Durability::Os).unwrap_err();
        assert!(error.message().contains("reopen"), "{error}");
        assert!(index.flush().is_err(), "{engine:?}");
        drop(index);
        let index = open(&store, engine);
        let found = sorted_keys(&index);
        assert!(
            acknowledged.iter().all(|key| found.contains(key)),
            "{engine:?}: {acknowledged:?} were acknowledged, {found:?} are there"
        );
        write(&index, 11, Durability::Os).unwrap();
        index.flush().unwrap();
        assert_eq!(index.verify().unwrap()["ok"], true);
    }
}

#[test]
fn what_cannot_be_removed_after_a_change_is_removed_later() {
    for engine in ENGINES {
        let (store, orders, backend) = store_and_backend();
        let index = open(&store, engine);
        let stored = || {
            let storage = backend.open_index("x", false).unwrap();
            storage.list("parts").unwrap().len()
        };
        for key in 0..3 {
            write(&index, key, Durability::Os).unwrap();
            index.flush().unwrap();
        }
        orders.keeps.store(true, Ordering::SeqCst);
        let merged = index.merge_all().unwrap();
        assert_eq!(merged.rows, 3, "{engine:?}");
        assert_eq!(sorted_keys(&index), [0, 1, 2]);
        write(&index, 3, Durability::Os).unwrap();
        index.flush().unwrap();
        let refused = orders.refused_removals.load(Ordering::SeqCst);
        assert!(refused >= 3, "{engine:?}: nothing was to be removed");
        assert_eq!(stored(), 5, "{engine:?}");
        orders.keeps.store(false, Ordering::SeqCst);
        write(&index, 4, Durability::Os).unwrap();
        index.merge_all().unwrap();
        assert_eq!(stored(), 1, "{engine:?}: parts that nobody names stayed");
        assert_eq!(sorted_keys(&index), [0, 1, 2, 3, 4]);
    }
}

#[test]
fn a_younger_flush_waits_for_an_older_one() {
    for engine in ENGINES {
        let (store, orders) = store();
        let index = open(&store, engine);
        write(&index, 0, Durability::Os).unwrap();
        orders.gate.shut();
        thread::scope(|scope| {
            let older = scope.spawn(|| index.flush().unwrap());
            orders.gate.await_someone();
            // Rows that come meanwhile are not flushed beside the older ones, and are not lost either.
            write(&index, 1, Durability::Os).unwrap();
            let younger = scope.spawn(|| index.flush().unwrap());
            assert_eq!(sorted_keys(&index), [0, 1]);
            orders.gate.open();
            assert_eq!(older.join().unwrap().rows, 1);
            assert_eq!(younger.join().unwrap().rows, 1);
        });
        drop(index);
        let index = open(&store, engine);
        assert_eq!(sorted_keys(&index), [0, 1], "{engine:?}");
    }
}
