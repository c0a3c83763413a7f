//! fjall.

use std::path::Path;

use ::fjall::config::{BlockSizePolicy, CompressionPolicy};
use ::fjall::{
    CompressionType, Database, Iter, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice,
    Snapshot,
};
use sidx_w1::{Query, Row};

use crate::Result;
use crate::key_value::{self, Cursor, Order, Reader};
use crate::schema::{Encoded, Space};
use crate::store::{Found, Store};

const CACHE_BYTES: u64 = 512 << 20;
const BLOCK_BYTES: u32 = 16 << 10;

/// Three keyspaces.
pub(crate) struct Fjall {
    database: Database,
    keyspaces: [Keyspace; 3],
    encoded: Encoded,
}

impl Fjall {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let database = Database::builder(folder).cache_size(CACHE_BYTES).open()?;
        let keyspace = |space: Space| database.keyspace(space.name(), options);
        let [primary, by_key, by_peer] = Space::ALL;
        Ok(Self {
            keyspaces: [keyspace(primary)?, keyspace(by_key)?, keyspace(by_peer)?],
            database,
            encoded: Encoded::default(),
        })
    }
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
        .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
        .expect_point_read_hits(true)
}

impl Store for Fjall {
    fn write(&mut self, first: u64, rows: &[Row]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        for (ordinal, row) in (first..).zip(rows) {
            self.encoded.set(ordinal, row);
            for (space, keyspace) in Space::ALL.into_iter().zip(&self.keyspaces) {
                let (key, value) = self.encoded.entry(space);
                batch.insert(keyspace, key, value);
            }
        }
        Ok(batch.commit()?)
    }

    fn sync(&mut self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    fn compact(&mut self) -> Result<()> {
        for keyspace in &self.keyspaces {
            keyspace.rotate_memtable_and_wait()?;
            keyspace.major_compact()?;
        }
        Ok(())
    }

    fn query(&self, query: Query, wide: &[u64], found: &mut Found) -> Result<()> {
        let view = View {
            snapshot: self.database.snapshot(),
            keyspaces: &self.keyspaces,
        };
        key_value::query(&view, query, wide, found)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct View<'s> {
    snapshot: Snapshot,
    keyspaces: &'s [Keyspace; 3],
}

impl View<'_> {
    fn keyspace(&self, space: Space) -> &Keyspace {
        let [primary, by_key, by_peer] = self.keyspaces;
        match space {
            Space::Primary => primary,
            Space::ByKey => by_key,
            Space::ByPeer => by_peer,
        }
    }
}

impl Reader for View<'_> {
    type Cursor<'a>
        = Entries
    where
        Self: 'a;

    fn range(&self, space: Space, from: &[u8], to: &[u8], order: Order) -> Result<Entries> {
        Ok(Entries {
            entries: self.snapshot.range(self.keyspace(space), from..to),
            order,
            current: (Slice::empty(), Slice::empty()),
        })
    }

    fn get(&self, primary: &[u8], mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.snapshot.get(self.keyspace(Space::Primary), primary)? {
            Some(value) => show(&value).map(|()| true),
            None => Ok(false),
        }
    }
}

struct Entries {
    entries: Iter,
    order: Order,
    current: (Slice, Slice),
}

impl Cursor for Entries {
    fn step(&mut self) -> Result<bool> {
        let next = match self.order {
            Order::Ascending => self.entries.next(),
            Order::Descending => self.entries.next_back(),
        };
        let Some(next) = next else {
            return Ok(false);
        };
        self.current = next.into_inner()?;
        Ok(true)
    }

    fn key(&self) -> &[u8] {
        &self.current.0
    }

    fn value(&self) -> &[u8] {
        &self.current.1
    }
}
