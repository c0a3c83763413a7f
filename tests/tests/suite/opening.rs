//! What opening an index in a bucket asks of the service.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use sidx_host::storage::{BucketStore, RequestCounts, RequestLimits};
use sidx_host::{Engine, Staleness, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{batch, keys_of};

/// An index with three parts and many commits behind them is opened with as many requests as there are
/// objects to be read, and a handful more. Which of them wait for each other is counted in
/// `tests/tests/bucket.rs`.
#[test]
fn opening_asks_for_each_object_once() {
    const COMMITS: i64 = 200;
    let limits = RequestLimits::default();
    let lease = Duration::from_secs(600);
    let service = Arc::new(InMemory::new());
    let bucket = BucketStore::new(service, "s3://bucket/a", "a", limits, lease).unwrap();
    let bucket = Arc::new(bucket);
    let store = Store::with_backend(Arc::clone(&bucket) as _);
    let name = "index";
    let options = || store.index(name).engine(Engine::Native).manual();
    let writer = options().create().unwrap();
    let mut next = 0;
    let mut write = |count: i64, in_one: bool| {
        let rows: Vec<Row> = (next..next + count)
            .map(|key| Row::new(1, key, "x"))
            .collect();
        next += count;
        match in_one {
            true => drop(writer.write(batch(&rows).unwrap()).unwrap()),
            false => {
                for row in rows {
                    writer.write(batch(&[row]).unwrap()).unwrap();
                }
            }
        }
    };
    for _ in 0..3 {
        write(10, true);
        writer.flush().unwrap();
    }
    write(COMMITS, false);
    drop(writer);
    let spent = |before: RequestCounts| {
        let now = bucket.request_counts();
        (
            now.reads - before.reads,
            now.lists - before.lists,
            now.writes - before.writes,
        )
    };
    let before = bucket.request_counts();
    let reader = options().staleness(Staleness::Opened).read_only().unwrap();
    let (reads, lists, writes) = spent(before);
    // The settings, the snapshot, the object that names the place; the parts and the log; two listings, a
    // pin.
    assert!(reads <= 3 + 3 + COMMITS as u64 + 3, "{reads} reads");
    assert_eq!((lists, writes), (2, 1));
    assert_eq!(keys_of(reader.query()).len() as i64, 30 + COMMITS);
    drop(reader);
    let before = bucket.request_counts();
    let writer = options().open().unwrap();
    let (reads, lists, _) = spent(before);
    assert!(reads <= COMMITS as u64 + 40, "{reads} reads");
    // Whenever it asks who reads, readers and branches are listed.
    assert!(lists <= 14, "{lists} listings");
    assert_eq!(writer.query().count().unwrap() as i64, 30 + COMMITS);
}
