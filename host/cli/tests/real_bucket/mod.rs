//! A bucket of a real service, for tests that need one: `SIDX_TEST_S3=s3://bucket/prefix` and the `AWS_*`
//! variables lead there (`.ci/object-store` starts one). Without, such a test is skipped and says so; where
//! `SIDX_TEST_REQUIRED=1` is set too, it fails.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::collections::BTreeMap;
use std::env;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use sidx_host::Store;
use sidx_host::storage::{Address, BucketOptions};
use tokio::runtime::Runtime;

/// The shortest that the command takes, so that a writer that was killed is not waited for.
pub(crate) const LEASE: Duration = Duration::from_secs(1);
pub(crate) const LEASE_TEXT: &str = "1s";

/// A prefix of its own, whose objects go with this.
pub(crate) struct Real {
    pub(crate) address: String,
    bucket: AmazonS3,
    prefix: Path,
    runtime: Runtime,
}

impl Real {
    /// None where there is no service; says so, past what the test's output is captured by.
    pub(crate) fn find(what: &str) -> Option<Real> {
        let Ok(base) = env::var("SIDX_TEST_S3") else {
            let line = format!(
                "skipped: {what} in a bucket: no service; set SIDX_TEST_S3=s3://bucket/prefix and the AWS_* \
                 variables that lead there, or run `eval \"$(.ci/object-store start)\"` before\n"
            );
            let _ = std::io::stderr().write_all(line.as_bytes());
            let is_required = env::var_os("SIDX_TEST_REQUIRED").is_some();
            assert!(!is_required, "SIDX_TEST_REQUIRED is set, and {line}");
            return None;
        };
        let since = UNIX_EPOCH.elapsed().expect("after 1970").as_nanos();
        let name = format!("{what}-{since:x}-{}", std::process::id());
        let address = format!("{}/{name}", base.trim_end_matches('/'));
        let parsed = Address::parse(&address).expect("an address");
        let builder = AmazonS3Builder::from_env().with_bucket_name(&parsed.bucket);
        Some(Real {
            address,
            bucket: builder.build().expect("settings"),
            prefix: Path::parse(parsed.prefix).expect("a prefix"),
            runtime: Runtime::new().expect("threads"),
        })
    }

    /// The store, as another process would have it.
    pub(crate) fn store(&self) -> Store {
        let mut options = BucketOptions::from_environment().expect("settings");
        options.lease = LEASE;
        Store::bucket(&self.address, &options).expect("a store")
    }

    /// Puts an object below the prefix, as another program would.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let key = Path::parse(format!("{}/{name}", self.prefix)).expect("a key");
        let payload = PutPayload::from(text.to_owned());
        let put = self.bucket.put(&key, payload);
        self.runtime.block_on(put).expect("put");
    }

    /// The objects whose name ends so, with their texts.
    pub(crate) fn objects(&self, end: &str) -> BTreeMap<String, String> {
        let all = async {
            let mut found = BTreeMap::new();
            let mut listing = self.bucket.list(Some(&self.prefix));
            while let Some(object) = listing.try_next().await? {
                if object.location.as_ref().ends_with(end) {
                    let bytes = self.bucket.get(&object.location).await?.bytes().await?;
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    found.insert(object.location.to_string(), text);
                }
            }
            Ok::<_, object_store::Error>(found)
        };
        self.runtime.block_on(all).expect("a listing")
    }

    /// Takes every lease away: who holds one learns of it with the next renewal.
    pub(crate) fn unlock(&self) {
        let locks = self
            .bucket
            .list(Some(&self.prefix))
            .map_ok(|it| it.location);
        let locks = locks.try_filter(|key| std::future::ready(key.as_ref().ends_with("/lock")));
        let removed = self
            .bucket
            .delete_stream(locks.boxed())
            .try_collect::<Vec<_>>();
        // Others take them away as well.
        let _ = self.runtime.block_on(removed);
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let keys = self
            .bucket
            .list(Some(&self.prefix))
            .map_ok(|it| it.location);
        let removed = self
            .bucket
            .delete_stream(keys.boxed())
            .try_collect::<Vec<_>>();
        // Whoever failed tells more than what is left.
        let _ = self.runtime.block_on(removed);
    }
}
