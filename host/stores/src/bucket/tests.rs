use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;

use super::{BucketStore, RequestLimits};
use crate::{Store, conformance};

const LEASE: Duration = Duration::from_secs(10);

fn store(prefix: &str) -> Arc<BucketStore> {
    let service = Arc::new(InMemory::new());
    let limits = RequestLimits::default();
    Arc::new(BucketStore::new(service, "s3://bucket", prefix, limits, LEASE).unwrap())
}

#[test]
fn keeps_to_the_rules_of_all_backends() {
    for prefix in ["", "a/b"] {
        let make = || store(prefix).open_index("delays", true).unwrap();
        conformance::check_all(make).expect("storage");
        conformance::check_store(|| store(prefix)).expect("store");
    }
}
