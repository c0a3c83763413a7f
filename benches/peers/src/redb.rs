//! redb.

use std::path::Path;

use ::redb::{
    AccessGuard, Database, Durability, Range, ReadOnlyTable, ReadableDatabase, TableDefinition,
};
use sidx_w1::{Query, Row};

use crate::Result;
use crate::key_value::{self, Cursor, Order, Reader};
use crate::schema::{Encoded, Space};
use crate::store::{Found, Store};

const CACHE_BYTES: usize = 512 << 20;

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

fn table(space: Space) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(space.name())
}

/// Three tables in one file.
pub(crate) struct Redb {
    database: Database,
    encoded: Encoded,
}

impl Redb {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(folder.join("w1.redb"))?;
        Ok(Self {
            database,
            encoded: Encoded::default(),
        })
    }
}

impl Store for Redb {
    fn write(&mut self, first: u64, rows: &[Row]) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::None)?;
        {
            let mut primary = transaction.open_table(table(Space::Primary))?;
            let mut by_key = transaction.open_table(table(Space::ByKey))?;
            let mut by_peer = transaction.open_table(table(Space::ByPeer))?;
            for (ordinal, row) in (first..).zip(rows) {
                self.encoded.set(ordinal, row);
                let mut tables = [&mut primary, &mut by_key, &mut by_peer];
                for (space, table) in Space::ALL.into_iter().zip(&mut tables) {
                    let (key, value) = self.encoded.entry(space);
                    table.insert(key, value)?;
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn sync(&mut self) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        Ok(transaction.commit()?)
    }

    fn compact(&mut self) -> Result<()> {
        self.database.compact()?;
        Ok(())
    }

    fn query(&self, query: Query, wide: &[u64], found: &mut Found) -> Result<()> {
        let transaction = self.database.begin_read()?;
        let view = View {
            primary: transaction.open_table(table(Space::Primary))?,
            by_key: transaction.open_table(table(Space::ByKey))?,
            by_peer: transaction.open_table(table(Space::ByPeer))?,
        };
        key_value::query(&view, query, wide, found)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct View {
    primary: Table,
    by_key: Table,
    by_peer: Table,
}

impl Reader for View {
    type Cursor<'a> = Entries;

    fn range(&self, space: Space, from: &[u8], to: &[u8], order: Order) -> Result<Entries> {
        let table = match space {
            Space::Primary => &self.primary,
            Space::ByKey => &self.by_key,
            Space::ByPeer => &self.by_peer,
        };
        Ok(Entries {
            entries: table.range(from..to)?,
            order,
            current: None,
        })
    }

    fn get(&self, primary: &[u8], mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.primary.get(primary)? {
            Some(value) => show(value.value()).map(|()| true),
            None => Ok(false),
        }
    }
}

type Bytes = AccessGuard<'static, &'static [u8]>;

struct Entries {
    entries: Range<'static, &'static [u8], &'static [u8]>,
    order: Order,
    current: Option<(Bytes, Bytes)>,
}

impl Cursor for Entries {
    fn step(&mut self) -> Result<bool> {
        let next = match self.order {
            Order::Ascending => self.entries.next(),
            Order::Descending => self.entries.next_back(),
        };
        self.current = next.transpose()?;
        Ok(self.current.is_some())
    }

    fn key(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |(key, _)| key.value())
    }

    fn value(&self) -> &[u8] {
        self.current
            .as_ref()
            .map_or(&[], |(_, value)| value.value())
    }
}
