//! A bucket of a simulated service, and stores in it, each as another process would have one.

use std::sync::Arc;
use std::time::Duration;

use sidx_host::storage::{BucketStore, RequestLimits};
use sidx_host::{Engine, Index, IndexBuilder, Result, Staleness, Store};
use sidx_tests::model::Row;
use sidx_tests::service::{Entry, Fault, Faults, Kind, Request, Service, Step};
use sidx_tests::subject::{NAME, batch, keys_of};

/// What is below the bucket, and what is not.
pub(crate) const PREFIX: &str = "a";
/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// See the module.
pub(crate) struct Place {
    pub(crate) service: Service,
    pub(crate) limits: RequestLimits,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place {
            service: Service::new(1),
            limits: RequestLimits {
                retry_timeout: Duration::from_millis(300),
                retry_delay: Duration::from_micros(100),
                ..RequestLimits::default()
            },
        }
    }

    /// The store of a client of the service, with a watch of its own.
    pub(crate) fn backend(&self, client: &str, lease: Duration) -> Arc<BucketStore> {
        let service = self.service.client(client);
        let store = BucketStore::new(service, "s3://bucket/a", PREFIX, self.limits, lease);
        Arc::new(store.unwrap())
    }

    pub(crate) fn store(&self, client: &str, lease: Duration) -> Store {
        Store::with_backend(self.backend(client, lease))
    }

    /// How the index is opened by a client that nobody waits for.
    pub(crate) fn options(&self, client: &str) -> IndexBuilder {
        options(&self.store(client, LONG), Engine::Native)
    }

    /// All requests of a client fail from now on.
    pub(crate) fn fail(&self, client: &str, fault: Fault) {
        self.service
            .set_faults(client, Faults::none().with(fault, 1.0));
    }

    /// Those of some kinds fail from now on, if they are about such a key.
    pub(crate) fn fail_some(
        &self,
        client: &str,
        fault: Fault,
        kinds: &'static [Kind],
        chooses: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) {
        let hook = move |request: &Request| match kinds.contains(&request.kind) && chooses(request)
        {
            true => Step::Fault(fault),
            false => Step::Pass,
        };
        self.service.set_hook(client, Some(Arc::new(hook)));
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self, client: &str) {
        self.service.set_faults(client, Faults::none());
        self.service.set_hook(client, None);
    }

    /// How often a client has replaced objects whose key has a text in it.
    pub(crate) fn swaps(&self, client: &str, text: &str) -> usize {
        let is_swap =
            |entry: &&Entry| entry.request.kind == Kind::Swap && entry.request.key.contains(text);
        self.service.journal().of(client).filter(is_swap).count()
    }

    /// Waits until a client has put such an object anew so often, from now on.
    pub(crate) fn wait_for_swaps(&self, client: &str, text: &str, times: usize) {
        let before = self.swaps(client, text);
        wait_until("a renewal", || self.swaps(client, text) >= before + times);
    }

    /// The keys of the objects that have a text in them.
    pub(crate) fn keys(&self, text: &str) -> Vec<String> {
        let keys = self.service.objects().into_keys();
        keys.filter(|key| key.contains(text)).collect()
    }
}

/// Flushes and merges happen only when they are asked for.
pub(crate) fn options(store: &Store, engine: Engine) -> IndexBuilder {
    store
        .index(NAME)
        .engine(engine)
        .automatic_merge(false)
        .background(false)
        .staleness(Staleness::Opened)
        .removal_grace(Duration::ZERO)
}

pub(crate) fn row(key: i64) -> Row {
    Row::new(1, key, format!("payload {key}")).tag("code", key)
}

pub(crate) fn write(index: &Index, key: i64) -> Result<()> {
    index.write(batch(&[row(key)])?).map(drop)
}

/// A part of its own.
pub(crate) fn write_part(index: &Index, keys: std::ops::Range<i64>) {
    let rows: Vec<Row> = keys.map(row).collect();
    index.write(batch(&rows).unwrap()).unwrap();
    index.flush().unwrap();
}

pub(crate) fn keys(index: &Index) -> Vec<i64> {
    keys_of(index.query())
}

pub(crate) fn assert_sound(index: &Index) {
    let report = index.verify().unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
}

/// Looks again and again; a minute is longer than any machine should need.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
