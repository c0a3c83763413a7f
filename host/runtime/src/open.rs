//! An open index: the state that everything which works with one holds.

mod follower;
mod settings;
mod upkeep;

use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use sidx_engine::{INDEX_OBJECT, Mode};

pub(crate) use self::settings::{QueryLimits, Settings};

use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::labels::Labels;
use crate::lock;
use crate::pool::{Lease, Pool};
use crate::rate::Rate;
use crate::session::{CallLimits, Shared};
use crate::staleness::Looks;
use crate::storage::{Lock, Storage};
use crate::work::{Operation, Task, Work};
use crate::writer::Writer;

/// An open index, without the threads that it may have. It is closed when the last one who holds it lets go.
pub(crate) struct Open {
    name: String,
    shared: Arc<Shared>,
    settings: Settings,
    writer: Writer,
    pool: Arc<Pool>,
    labels: Arc<Labels>,
    locks: Locks,
    write_rate: Option<Arc<Rate>>,
    merge_rate: Option<Arc<Rate>>,
    /// Merges that nobody asked for pause after failures.
    backoff: Backoff,
    looks: Looks,
    /// For threads of its own.
    me: Weak<Self>,
    /// Dropped last: nobody else may write before everything above is gone.
    _lock: Option<Lock>,
}

/// An index as it is opened.
struct Begun {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    writer: Writer,
}

impl Begun {
    fn new(storage: &Arc<dyn Storage>, settings: &Settings) -> Result<Self> {
        let read_only = settings.mode == Mode::Read;
        let shared = Shared::new(
            Arc::clone(storage),
            Some(Arc::clone(&settings.beside.0)),
            settings.budgets,
            read_only,
        );
        let sandbox = settings.sandbox.clone();
        let pool = Pool::new(
            Arc::clone(&shared),
            (settings.engine, settings.native),
            sandbox,
        );
        let writer = Writer::open(Arc::clone(&shared), Arc::clone(&pool), settings.mode)?;
        Ok(Self {
            shared,
            pool,
            writer,
        })
    }
}

/// One flush, and one merge, at a time; a flush need not wait for a long merge.
#[derive(Default)]
pub(crate) struct Locks {
    pub(crate) flushing: Mutex<()>,
    pub(crate) merging: Mutex<()>,
}

impl Open {
    pub(crate) fn new(
        name: &str,
        storage: Arc<dyn Storage>,
        settings: Settings,
    ) -> Result<Arc<Self>> {
        let read_only = settings.mode == Mode::Read;
        let looks = Looks::since(settings.asked.unwrap_or_else(Instant::now));
        // Looked for before the lock is taken, so that a folder which is no index stays as it is.
        if settings.mode != Mode::Create && storage.get(INDEX_OBJECT)?.is_none() {
            let text = format!("index `{name}` does not exist; create it by writing to it");
            return Err(Error::not_found(text));
        }
        let lock = if read_only {
            None
        } else {
            Some(lock::take(storage.as_ref(), settings.lock_wait)?)
        };
        // Before a claim that others may follow: what a successor begins is not to be cleared away.
        let unfinished = match read_only {
            true => Vec::new(),
            false => storage.unfinished()?,
        };
        let begin = || Begun::new(&storage, &settings);
        let mut begun = begin().map_err(|error| error.at(format_args!("index `{name}`")))?;
        if !read_only && !begun.shared.log.is_written() {
            // It found no room to take over, maybe because of what a crash left unfinished. Nobody else is at
            // work while the lock is held.
            storage.clear_unfinished(&unfinished)?;
            begun = begin().map_err(|error| error.at(format_args!("index `{name}`")))?;
        }
        let Begun {
            shared,
            pool,
            writer,
        } = begun;
        // Who was at work before was kept out by now, whatever has become of the lock; not so where that
        // waits for room.
        if shared.log.is_written()
            && let Err(error) = shared.storage.clear_unfinished(&unfinished)
        {
            tracing::warn!(index = name, %error, "unfinished files could not be cleared away");
        }
        Ok(Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            name: name.to_owned(),
            shared,
            writer,
            labels: Arc::new(Labels::new(Arc::clone(&pool))),
            pool,
            locks: Locks::default(),
            write_rate: rate(settings.write_bytes_per_second),
            merge_rate: rate(settings.merge_bytes_per_second),
            backoff: Backoff::new(settings.time.clone()),
            settings,
            looks,
            _lock: lock,
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.settings.mode == Mode::Read
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.is_read_only() {
            let name = self.name();
            let text =
                format!("index `{name}` was opened read-only; open it with `open` to change it");
            return Err(Error::invalid(text));
        }
        Ok(())
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    pub(crate) fn locks(&self) -> &Locks {
        &self.locks
    }

    pub(crate) fn write_rate(&self) -> Option<&Arc<Rate>> {
        self.write_rate.as_ref()
    }

    pub(crate) fn merge_rate(&self) -> Option<&Arc<Rate>> {
        self.merge_rate.as_ref()
    }

    pub(crate) fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    pub(crate) fn looks(&self) -> &Looks {
        &self.looks
    }

    pub(crate) fn work(&self) -> &Arc<Work> {
        &self.shared.work
    }

    pub(crate) fn labels(&self) -> Arc<Labels> {
        Arc::clone(&self.labels)
    }

    /// Notes a query, count or dump, unless there are too many, and sees to it that what it reads is new
    /// enough.
    pub(crate) fn begin_query(&self, operation: Operation, limits: &CallLimits) -> Result<Task> {
        let mut task = self
            .work()
            .begin_query(operation, self.settings.max_queries)?;
        match self.keep_up(limits) {
            Ok(()) => Ok(task),
            Err(error) => {
                task.end(Err(&error));
                Err(error)
            }
        }
    }

    /// An instance for what has no limits of its own.
    pub(crate) fn lease(&self) -> Result<Lease> {
        self.pool.lease(CallLimits::default())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.is_read_only() {
            self.writer.close();
        }
    }
}

fn rate(bytes_per_second: Option<u64>) -> Option<Arc<Rate>> {
    bytes_per_second.map(|bytes| Arc::new(Rate::new(bytes)))
}
