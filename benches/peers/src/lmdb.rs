//! LMDB, through heed.

use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{
    CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, RoRange, RoRevRange, RoTxn, WithTls,
};
use sidx_w1::{Query, Row};

use crate::Result;
use crate::key_value::{self, Cursor, Order, Reader};
use crate::schema::{Encoded, Space};
use crate::store::{Found, Store};

/// Address space, not memory or disk.
const MAP_BYTES: usize = 64 << 30;
const DATA: &str = "data.mdb";
const COMPACTED: &str = "compacted.mdb";

type Table = Database<Bytes, Bytes>;

/// Three databases in one environment.
pub(crate) struct Lmdb {
    env: Env,
    tables: [Table; 3],
    folder: PathBuf,
    encoded: Encoded,
    compacted: bool,
}

impl Lmdb {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_dbs(3);
        // SAFETY: only this process has the environment open and nothing else changes its files. Without
        // syncs a power cut may cost the whole store, which holds nothing but generated rows.
        let env = unsafe { options.flags(EnvFlags::NO_SYNC).open(folder)? };
        let mut transaction = env.write_txn()?;
        let mut table = |space: Space| env.create_database(&mut transaction, Some(space.name()));
        let [primary, by_key, by_peer] = Space::ALL;
        let tables = [table(primary)?, table(by_key)?, table(by_peer)?];
        transaction.commit()?;
        Ok(Self {
            env,
            tables,
            folder: folder.to_owned(),
            encoded: Encoded::default(),
            compacted: false,
        })
    }
}

impl Store for Lmdb {
    fn write(&mut self, first: u64, rows: &[Row]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (ordinal, row) in (first..).zip(rows) {
            self.encoded.set(ordinal, row);
            for (space, table) in Space::ALL.into_iter().zip(&self.tables) {
                let (key, value) = self.encoded.entry(space);
                table.put(&mut transaction, key, value)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn sync(&mut self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }

    /// Copies everything into a new file, which takes the place of the old one on closing.
    fn compact(&mut self) -> Result<()> {
        let path = self.folder.join(COMPACTED);
        let copy = self.env.copy_to_path(path, CompactionOption::Enabled)?;
        copy.sync_all()?;
        self.compacted = true;
        Ok(())
    }

    fn query(&self, query: Query, wide: &[u64], found: &mut Found) -> Result<()> {
        let view = View {
            transaction: self.env.read_txn()?,
            tables: &self.tables,
        };
        key_value::query(&view, query, wide, found)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.env.prepare_for_closing().wait();
        if self.compacted {
            fs::rename(self.folder.join(COMPACTED), self.folder.join(DATA))?;
        }
        Ok(())
    }
}

struct View<'s> {
    transaction: RoTxn<'s, WithTls>,
    tables: &'s [Table; 3],
}

impl Reader for View<'_> {
    type Cursor<'a>
        = Entries<'a>
    where
        Self: 'a;

    fn range(&self, space: Space, from: &[u8], to: &[u8], order: Order) -> Result<Entries<'_>> {
        let [primary, by_key, by_peer] = self.tables;
        let table = match space {
            Space::Primary => primary,
            Space::ByKey => by_key,
            Space::ByPeer => by_peer,
        };
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        Ok(Entries {
            entries: match order {
                Order::Ascending => Ordered::Ascending(table.range(&self.transaction, &bounds)?),
                Order::Descending => {
                    Ordered::Descending(table.rev_range(&self.transaction, &bounds)?)
                }
            },
            current: (&[], &[]),
        })
    }

    fn get(&self, primary: &[u8], mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let [table, _, _] = self.tables;
        match table.get(&self.transaction, primary)? {
            Some(value) => show(value).map(|()| true),
            None => Ok(false),
        }
    }
}

enum Ordered<'a> {
    Ascending(RoRange<'a, Bytes, Bytes>),
    Descending(RoRevRange<'a, Bytes, Bytes>),
}

struct Entries<'a> {
    entries: Ordered<'a>,
    current: (&'a [u8], &'a [u8]),
}

impl Cursor for Entries<'_> {
    fn step(&mut self) -> Result<bool> {
        let next = match &mut self.entries {
            Ordered::Ascending(entries) => entries.next(),
            Ordered::Descending(entries) => entries.next(),
        };
        let Some(next) = next else {
            return Ok(false);
        };
        self.current = next?;
        Ok(true)
    }

    fn key(&self) -> &[u8] {
        self.current.0
    }

    fn value(&self) -> &[u8] {
        self.current.1
    }
}
