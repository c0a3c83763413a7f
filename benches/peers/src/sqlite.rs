//! SQLite, through rusqlite with the bundled library.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, Params, params, params_from_iter};
use sidx_w1::{ENDPOINTS, Generator, PEER, Query, Row, SERIES};

use crate::Result;
use crate::store::{Found, Store};

const SETTINGS: &str = "
    PRAGMA page_size = 4096;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -524288;
    PRAGMA mmap_size = 1073741824;
";

/// Rows in the order of arrival.
const PLAIN: &str = "
    CREATE TABLE IF NOT EXISTS w1 (
        id INTEGER PRIMARY KEY, series INTEGER NOT NULL, key INTEGER NOT NULL, payload BLOB NOT NULL,
        endpoint TEXT NOT NULL, status INTEGER NOT NULL, method TEXT NOT NULL, start INTEGER NOT NULL,
        peer TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS by_series ON w1 (series, key);
    CREATE INDEX IF NOT EXISTS by_key ON w1 (key);
    CREATE INDEX IF NOT EXISTS by_peer ON w1 (peer);
";

/// Rows in the order of series and key.
const CLUSTERED: &str = "
    CREATE TABLE IF NOT EXISTS w1 (
        series INTEGER NOT NULL, key INTEGER NOT NULL, id INTEGER NOT NULL, payload BLOB NOT NULL,
        endpoint TEXT NOT NULL, status INTEGER NOT NULL, method TEXT NOT NULL, start INTEGER NOT NULL,
        peer TEXT NOT NULL, PRIMARY KEY (series, key, id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_key ON w1 (key);
    CREATE INDEX IF NOT EXISTS by_peer ON w1 (peer);
";

const INSERT: &str = "
    INSERT INTO w1 (id, series, key, payload, endpoint, status, method, start, peer)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
";

/// One table in one file.
pub(crate) struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub(crate) fn open(folder: &Path, clustered: bool) -> Result<Self> {
        let connection = Connection::open(folder.join("w1.sqlite"))?;
        connection.execute_batch(SETTINGS)?;
        connection.execute_batch(if clustered { CLUSTERED } else { PLAIN })?;
        Ok(Self { connection })
    }

    fn checkpoint(&self, mode: &str) -> Result<()> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let busy: bool = self.connection.query_row(&sql, [], |row| row.get(0))?;
        if busy {
            return Err("the checkpoint was blocked".into());
        }
        Ok(())
    }

    /// Adds the rows of a statement that selects key and payload.
    fn rows(&self, sql: &str, parameters: impl Params, found: &mut Found) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            found.row(row.get(0)?, row.get_ref(1)?.as_blob()?);
        }
        Ok(())
    }

    fn count(&self, found: &mut Found) -> Result<()> {
        let sql = "SELECT count(*) FROM w1 WHERE status = 500 AND endpoint IN (?1, ?2, ?3)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let endpoints = params_from_iter(ENDPOINTS.map(Generator::endpoint));
        let rows: i64 = statement.query_row(endpoints, |row| row.get(0))?;
        found.count(rows.try_into()?);
        Ok(())
    }

    fn payloads(&self, found: &mut Found) -> Result<()> {
        let mut statement = self.connection.prepare_cached("SELECT payload FROM w1")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            found.payload(row.get_ref(0)?.as_blob()?);
        }
        Ok(())
    }

    fn wide(&self, wide: &[u64], found: &mut Found) -> Result<()> {
        let places = vec!["?"; wide.len()].join(", ");
        let sql = format!(
            "SELECT key, payload FROM w1 WHERE series IN ({places}) AND key BETWEEN 150 AND 160 \
             ORDER BY key LIMIT 1000"
        );
        let series = wide.iter().map(|series| Value::Integer(*series as i64));
        self.rows(&sql, params_from_iter(series), found)
    }
}

impl Store for Sqlite {
    fn write(&mut self, first: u64, rows: &[Row]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for (ordinal, row) in (first..).zip(rows) {
                insert.execute(params![
                    ordinal as i64,
                    row.series as i64,
                    row.key,
                    &row.payload[..],
                    Generator::endpoint(row.endpoint),
                    row.status,
                    row.method,
                    row.start,
                    row.peer,
                ])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn sync(&mut self) -> Result<()> {
        self.checkpoint("FULL")
    }

    fn compact(&mut self) -> Result<()> {
        self.connection.execute_batch("VACUUM")?;
        self.checkpoint("TRUNCATE")
    }

    fn query(&self, query: Query, wide: &[u64], found: &mut Found) -> Result<()> {
        let series = SERIES as i64;
        match query {
            Query::Q1Asc => {
                let sql = "SELECT key, payload FROM w1 WHERE series = ?1 ORDER BY key LIMIT 20";
                self.rows(sql, [series], found)
            }
            Query::Q1Desc => {
                let sql =
                    "SELECT key, payload FROM w1 WHERE series = ?1 ORDER BY key DESC LIMIT 20";
                self.rows(sql, [series], found)
            }
            Query::Q2Asc => {
                let sql = "SELECT key, payload FROM w1 ORDER BY key LIMIT 20";
                self.rows(sql, [], found)
            }
            Query::Q2Desc => {
                let sql = "SELECT key, payload FROM w1 ORDER BY key DESC LIMIT 20";
                self.rows(sql, [], found)
            }
            Query::Q3 => {
                let sql = "SELECT key, payload FROM w1 WHERE key BETWEEN ?1 AND ?2 ORDER BY key";
                self.rows(sql, [900, 920], found)
            }
            Query::Q4 => {
                let sql = "SELECT key, payload FROM w1 WHERE peer = ?1";
                self.rows(sql, [PEER], found)
            }
            Query::Q5 => {
                let sql = "SELECT key, payload FROM w1 WHERE series = ?1 AND key BETWEEN 100 AND 300 \
                           AND status = 500 ORDER BY key DESC LIMIT 100";
                self.rows(sql, [series], found)
            }
            Query::Q6 => self.count(found),
            Query::Q7 => self.payloads(found),
            Query::Q8 => self.wide(wide, found),
        }
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.connection.close().map_err(|(_, error)| error.into())
    }
}
