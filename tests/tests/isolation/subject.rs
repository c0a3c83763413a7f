//! An index that is run by the component that misbehaves.

use std::time::Duration;

use sidx_host::storage::{MemoryStore, Storage, Store as _};
use sidx_host::{
    Batch, Durability, Error, Index, IndexBuilder, Receipt, Result, Retention, Store, TagValue,
};
use std::sync::Arc;

/// The component.
pub(super) const MISBEHAVING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/misbehaving.wasm"));
/// Far more than any call that works takes here, and short enough to wait for.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Enough for the engine, and reached quickly.
pub(super) const MEMORY_BYTES: u64 = 256 << 20;

const NAME: &str = "subject";
/// The series of the rows.
pub(super) const SERIES: &str = "UA";

/// An index with a file part of the keys 0..10, a memory part of 10..20, and more as they are written.
pub(super) struct Subject {
    backend: Arc<MemoryStore>,
    storage: Arc<dyn Storage>,
    index: Option<Index>,
    rows: i64,
}

impl Subject {
    pub(super) fn new() -> Self {
        assert!(
            !MISBEHAVING.is_empty(),
            "the component is missing: it was not built because SIDX_COMPONENT_WASM was set"
        );
        let backend = Arc::new(MemoryStore::new());
        let storage = backend.open_index(NAME, true).unwrap();
        let mut subject = Self {
            backend,
            storage,
            index: None,
            rows: 0,
        };
        subject.index = Some(subject.options().create().unwrap());
        subject.write_ten().unwrap();
        subject.index().flush().unwrap();
        subject.write_ten().unwrap();
        subject
    }

    pub(super) fn options(&self) -> IndexBuilder {
        Store::with_backend(self.backend.clone())
            .index(NAME)
            .component(MISBEHAVING)
            .call_timeout(CALL_TIMEOUT)
            .instance_memory_bytes(MEMORY_BYTES)
            .flush_bytes(u64::MAX)
            .automatic_merge(false)
    }

    pub(super) fn index(&self) -> &Index {
        self.index.as_ref().unwrap()
    }

    /// Where it lies.
    pub(super) fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// What the component is to do the next time that the export is called.
    pub(super) fn demand(&self, export: &str, deed: &str) {
        self.relent();
        let mut text = format!("{export} {deed}");
        // So few rows are worth no shares, unless the component says so.
        if let Some((shared @ ("query" | "count"), "share")) = export.split_once('-') {
            text += &format!("\noffer-{shared} two-shares");
        }
        // The filter of a run is asked for when others are to do shares of it.
        if export == "run-filter" {
            text += "\noffer-run two-shares";
        }
        self.storage
            .put_if_absent("misbehave", text.as_bytes())
            .unwrap();
    }

    /// Has the component work as it should again.
    pub(super) fn relent(&self) {
        self.storage.remove_object("misbehave").unwrap();
    }

    /// The next ten rows.
    pub(super) fn ten(&self) -> Batch {
        let mut batch = Batch::new();
        for key in self.rows..self.rows + 10 {
            let row = batch.row(SERIES, key).payload(b"payload");
            row.tag("tag", TagValue::from(key)).add().unwrap();
        }
        batch
    }

    /// Writes them; they count as written when that is acknowledged.
    pub(super) fn write_ten(&mut self) -> Result<Receipt> {
        let index = self.index.as_ref().unwrap();
        let written = index.write_with(self.ten(), Durability::Os);
        if written.is_ok() {
            self.rows += 10;
        }
        written
    }

    pub(super) fn close(&mut self) {
        self.index = None;
    }

    pub(super) fn open(&mut self) {
        self.index = Some(self.options().open().unwrap());
    }

    /// Reads every acknowledged row, with payload, tag and label. After a write in doubt there may be more.
    pub(super) fn assert_reads(&self) {
        let mut rows = Vec::new();
        for row in self
            .index()
            .query()
            .rows_per_batch(7)
            .run()
            .unwrap()
            .into_rows()
        {
            let row = row.unwrap();
            assert_eq!(row.payload.as_deref(), Some(&b"payload"[..]));
            assert_eq!(row.label.as_deref(), Some(SERIES));
            let tag = row.tag("tag").map(|value| format!("{value:?}"));
            assert!(tag.unwrap().contains(&row.key.to_string()));
            rows.push(row.key);
        }
        let acknowledged: Vec<i64> = (0..self.rows).collect();
        assert_eq!(rows[..self.rows as usize], acknowledged);
        let count = self.index().query().filter("tag >= 0").count().unwrap();
        assert_eq!(count, rows.len() as u64);
    }

    /// Reads and checks everything, writes, flushes and merges.
    pub(super) fn assert_serves(&mut self) {
        self.relent();
        self.assert_reads();
        self.write_ten().unwrap();
        self.assert_reads();
        self.index().flush().unwrap();
        self.index().merge_all().unwrap();
        self.assert_reads();
        let report = self.index().verify().unwrap();
        assert_eq!(report["ok"], true, "{report:#}");
        assert!(self.index().stats().unwrap().is_object());
        assert!(self.index().parts().unwrap().is_array());
    }

    /// The same after the index was closed and opened again.
    pub(super) fn assert_serves_when_reopened(&mut self) {
        self.relent();
        self.close();
        self.open();
        // What a write in doubt left is there now or never.
        self.rows = self.index().query().count().unwrap() as i64;
        self.assert_serves();
    }

    /// Rows that were acknowledged.
    pub(super) fn rows(&self) -> i64 {
        self.rows
    }
}

/// Calls an export in the way that an embedder would.
pub(super) fn call(subject: &mut Subject, export: &str) -> Result<()> {
    let index = subject.index().clone();
    match export {
        "query" | "attach" => index.query().run().map(drop),
        // An answer that is complete at once has no cursor to drop.
        "drop" => index.query().rows_per_batch(1).run().map(drop),
        "next" => {
            let cursor = index.query().rows_per_batch(5).run()?;
            cursor.collect::<Result<Vec<_>>>().map(drop)
        }
        "explain" => index.query().run()?.explain().map(drop),
        "offer-query" | "query-share" => {
            let cursor = index.query().any_order().threads(2).run()?;
            cursor.collect::<Result<Vec<_>>>().map(drop)
        }
        "count" => index.query().limit(100).count().map(drop),
        "offer-count" | "count-share" => index.query().threads(2).count().map(drop),
        "prepare" | "parameters" => index.query().prepare().map(drop),
        // An instance keeps so many queries.
        "forget" => {
            let all: Result<Vec<_>> = (0..40).map(|_| index.query().prepare()).collect();
            all.map(drop)
        }
        "run" | "run-names" => {
            let prepared = index.query().limit(100).filter("tag = $t").prepare()?;
            prepared.bind().value("t", 1).run().map(drop)
        }
        // What is in any order is not found by one request.
        "run-outcome" => {
            let query = index.query().any_order().threads(1);
            query
                .prepare()?
                .run()?
                .collect::<Result<Vec<_>>>()
                .map(drop)
        }
        "count-run" => index.query().limit(100).prepare()?.count().map(drop),
        "offer-run" | "run-filter" => {
            let prepared = index
                .query()
                .any_order()
                .threads(2)
                .filter("tag >= 0")
                .prepare()?;
            prepared.run()?.collect::<Result<Vec<_>>>().map(drop)
        }
        "offer-count-run" => index.query().threads(2).prepare()?.count().map(drop),
        // Of series that have none: a label is asked for only once.
        "labels" => index.series_labels(&[1, 2, 3]).map(drop),
        "dump" => index.dump().map(drop),
        "dump-next" => index.dump()?.collect::<Result<Vec<_>>>().map(drop),
        "verify" => index.verify().map(drop),
        "describe" => index.parts().map(drop),
        "write" => subject.write_ten().map(drop),
        "survey" | "part-files" => index.scrub().map(drop),
        "avoid" | "plan-salvage" | "salvage" | "introduce-salvaged" => index.salvage().map(drop),
        "plan-flush" => index.flush().map(drop),
        // No row has the tag, so whatever goes wrong there is nothing that may be missing.
        "judge-retention" | "plan-retention" => {
            let rule = Retention {
                drop_where: Some("tag < 0".to_owned()),
                drop_below: None,
            };
            index.retain(rule).map(drop)
        }
        "merge" | "introduce" | "plan-merge" | "abandon" | "collect" => index.merge_all().map(drop),
        other => panic!("{other} is not called here"),
    }
}

/// Calls an export that misbehaves, which must fail.
pub(super) fn failure(subject: &mut Subject, export: &str, deed: &str) -> Error {
    subject.demand(export, deed);
    let result = call(subject, export);
    subject.relent();
    match result {
        Ok(()) => panic!("{export} with {deed} went well"),
        Err(error) => error,
    }
}
