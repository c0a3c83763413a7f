//! RocksDB, in the version that the crate brings along.

use std::path::Path;

use ::rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor,
    CompactOptions, DB, DBCompressionType, DBRawIterator, Options, ReadOptions, WriteBatch,
};
use sidx_w1::{Query, Row};

use crate::Result;
use crate::key_value::{self, Cursor, Order, Reader};
use crate::schema::{Encoded, Space};
use crate::store::{Found, Store};

const CACHE_BYTES: usize = 512 << 20;
const BLOCK_BYTES: usize = 16 << 10;
const MEMTABLE_BYTES: usize = 64 << 20;
const BLOOM_BITS: f64 = 10.0;
const BACKGROUND_THREADS: i32 = 2;

/// Three column families.
pub(crate) struct Rocksdb {
    database: DB,
    encoded: Encoded,
}

impl Rocksdb {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.increase_parallelism(BACKGROUND_THREADS);
        options.set_max_background_jobs(BACKGROUND_THREADS);
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let families = Space::ALL
            .map(|space| ColumnFamilyDescriptor::new(space.name(), family_options(&cache)));
        Ok(Self {
            database: DB::open_cf_descriptors(&options, folder, families)?,
            encoded: Encoded::default(),
        })
    }

    fn family(&self, space: Space) -> Result<&ColumnFamily> {
        let family = self.database.cf_handle(space.name());
        family.ok_or_else(|| "a column family is missing".into())
    }
}

fn family_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_size(BLOCK_BYTES);
    table.set_block_cache(cache);
    table.set_bloom_filter(BLOOM_BITS, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_optimize_filters_for_hits(true);
    options
}

impl Store for Rocksdb {
    /// The log goes to the operating system with every batch, without a sync: that is the default.
    fn write(&mut self, first: u64, rows: &[Row]) -> Result<()> {
        let mut batch = WriteBatch::default();
        let mut encoded = std::mem::take(&mut self.encoded);
        let [primary, by_key, by_peer] = Space::ALL;
        let families = [
            (primary, self.family(primary)?),
            (by_key, self.family(by_key)?),
            (by_peer, self.family(by_peer)?),
        ];
        for (ordinal, row) in (first..).zip(rows) {
            encoded.set(ordinal, row);
            for (space, family) in families {
                let (key, value) = encoded.entry(space);
                batch.put_cf(family, key, value);
            }
        }
        self.database.write(batch)?;
        self.encoded = encoded;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(self.database.flush_wal(true)?)
    }

    fn compact(&mut self) -> Result<()> {
        let mut options = CompactOptions::default();
        // Else files that happen to lie at the bottom already would keep LZ4.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
        let all = None::<&[u8]>;
        for space in Space::ALL {
            let family = self.family(space)?;
            self.database.flush_cf(family)?;
            self.database
                .compact_range_cf_opt(family, all, all, &options);
        }
        Ok(())
    }

    fn query(&self, query: Query, wide: &[u64], found: &mut Found) -> Result<()> {
        let view = View {
            database: &self.database,
            primary: self.family(Space::Primary)?,
            by_key: self.family(Space::ByKey)?,
            by_peer: self.family(Space::ByPeer)?,
        };
        key_value::query(&view, query, wide, found)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.database.cancel_all_background_work(true);
        Ok(())
    }
}

struct View<'s> {
    database: &'s DB,
    primary: &'s ColumnFamily,
    by_key: &'s ColumnFamily,
    by_peer: &'s ColumnFamily,
}

impl Reader for View<'_> {
    type Cursor<'a>
        = Entries<'a>
    where
        Self: 'a;

    fn range(&self, space: Space, from: &[u8], to: &[u8], order: Order) -> Result<Entries<'_>> {
        let family = match space {
            Space::Primary => self.primary,
            Space::ByKey => self.by_key,
            Space::ByPeer => self.by_peer,
        };
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        Ok(Entries {
            entries: self.database.raw_iterator_cf_opt(family, options),
            order,
            began: false,
        })
    }

    fn get(&self, primary: &[u8], mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.database.get_pinned_cf(self.primary, primary)? {
            Some(value) => show(&value).map(|()| true),
            None => Ok(false),
        }
    }
}

struct Entries<'a> {
    entries: DBRawIterator<'a>,
    order: Order,
    began: bool,
}

impl Cursor for Entries<'_> {
    fn step(&mut self) -> Result<bool> {
        match (self.began, self.order) {
            (false, Order::Ascending) => self.entries.seek_to_first(),
            (false, Order::Descending) => self.entries.seek_to_last(),
            (true, Order::Ascending) => self.entries.next(),
            (true, Order::Descending) => self.entries.prev(),
        }
        self.began = true;
        if self.entries.valid() {
            return Ok(true);
        }
        self.entries.status()?;
        Ok(false)
    }

    fn key(&self) -> &[u8] {
        self.entries.key().unwrap_or_default()
    }

    fn value(&self) -> &[u8] {
        self.entries.value().unwrap_or_default()
    }
}
