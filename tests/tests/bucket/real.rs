//! The same on a real service, see the head of `bucket.rs` for how to name one. Each test has a prefix of its
//! own there, and removes what it left.

use std::env;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use sidx_host::storage::{Address, BucketOptions, BucketStore, Store as Backend, conformance};
use sidx_host::{Engine, ErrorKind, Store};
use tokio::runtime::Runtime;

use super::lease::assert_fenced;
use super::life::{Life, World, random_step};
use super::place::{assert_sound, keys, options, wait_until, write, write_part};

const LEASE: Duration = Duration::from_millis(500);
const LIVES: u64 = 2;
const STEPS: u32 = 25;

/// A prefix in the bucket that the environment names.
struct Real {
    address: String,
    bucket: AmazonS3,
    prefix: String,
    runtime: Runtime,
}

impl Real {
    /// None where there is no such service; says so, past what the test's output is captured by.
    fn find(what: &str) -> Option<Real> {
        let Ok(base) = env::var("SIDX_TEST_S3") else {
            let line = format!(
                "skipped: {what}: no service; set SIDX_TEST_S3=s3://bucket/prefix and the AWS_* variables that \
                 lead there, or run `eval \"$(.ci/object-store start)\"` before\n"
            );
            let _ = std::io::stderr().write_all(line.as_bytes());
            let is_required = env::var_os("SIDX_TEST_REQUIRED").is_some();
            assert!(!is_required, "SIDX_TEST_REQUIRED is set, and {line}");
            return None;
        };
        let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let process = std::process::id();
        let address = format!("{}/{what}-{since:x}-{process}", base.trim_end_matches('/'));
        let parsed = Address::parse(&address).unwrap();
        let bucket = AmazonS3Builder::from_env()
            .with_bucket_name(&parsed.bucket)
            .build()
            .unwrap();
        Some(Real {
            address,
            bucket,
            prefix: parsed.prefix,
            runtime: Runtime::new().unwrap(),
        })
    }

    fn options(&self) -> BucketOptions {
        let mut options = BucketOptions::from_environment().unwrap();
        options.lease = LEASE;
        options
    }

    /// As another process would have it.
    fn store(&self) -> Store {
        Store::bucket(&self.address, &self.options()).unwrap()
    }

    fn backend(&self, below: &str) -> Arc<BucketStore> {
        let address = Address::parse(&format!("{}/{below}", self.address)).unwrap();
        Arc::new(BucketStore::open(&address, &self.options()).unwrap())
    }

    fn key(&self, name: &str) -> Path {
        Path::parse(format!("{}/{name}", self.prefix)).unwrap()
    }

    fn put(&self, name: &str, text: String) {
        let key = self.key(name);
        let put = self.bucket.put(&key, PutPayload::from(text));
        self.runtime.block_on(put).unwrap();
    }

    fn remove(&self, name: &str) {
        self.runtime
            .block_on(self.bucket.delete(&self.key(name)))
            .unwrap();
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let prefix = Path::parse(&self.prefix).unwrap_or_default();
        let keys = self
            .bucket
            .list(Some(&prefix))
            .map_ok(|it| it.location)
            .boxed();
        let removed = self.bucket.delete_stream(keys).try_collect::<Vec<_>>();
        // Whoever failed tells more than what is left.
        let _ = self.runtime.block_on(removed);
    }
}

impl World for Real {
    fn store(&self, _process: &str) -> Store {
        self.store()
    }

    fn calm(&self, _is_calm: bool) {}
}

#[test]
fn a_real_service_keeps_to_the_rules() {
    let Some(real) = Real::find("conformance") else {
        return;
    };
    let next = AtomicU64::new(0);
    let make = || real.backend(&next.fetch_add(1, Ordering::Relaxed).to_string());
    for (name, check) in conformance::CHECKS {
        // The longest paths of the rules are too long behind a prefix: keys of S3 have 1,024 bytes in all.
        if *name == "names" {
            continue;
        }
        let place = make().open_index("delays", true).unwrap();
        match check(&place) {
            // Where a service failed in the middle of a race.
            Err(rule) if rule.contains("nobody knows whether it was done") => {
                println!("{name}: not shown: {rule}");
            }
            rule => rule.unwrap_or_else(|rule| panic!("{name}: {rule}")),
        }
    }
    conformance::check_store(|| make() as Arc<dyn Backend>).unwrap();
}

#[test]
fn a_writer_on_a_real_service_is_told_of_the_holder_and_fenced_without_a_lease() {
    let Some(real) = Real::find("fencing") else {
        return;
    };
    let first = options(&real.store(), Engine::Native).create().unwrap();
    write_part(&first, 0..10);
    write_part(&first, 10..20);
    write(&first, 20).unwrap();
    let other = real.store();
    let error = options(&other, Engine::Native).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let holder = format!("process {} on ", std::process::id());
    assert!(error.message().contains(&holder), "{error}");
    real.remove("subject/lock");
    let second = options(&other, Engine::Native).open().unwrap();
    assert_fenced(&first, &second);
    drop((first, second));
    // Given back by the one who held it last.
    let third = options(&real.store(), Engine::Native).open().unwrap();
    assert_eq!(keys(&third).len(), 23);
    third.close().unwrap();
    // One who died with it.
    let nonce = "0".repeat(32);
    real.put(
        "subject/lock",
        format!(r#"{{"holder":"process 1 on x","nonce":"{nonce}","renewals":7,"lease_ms":500}}"#),
    );
    let fourth = real.store();
    let error = options(&fourth, Engine::Native).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.message().contains("process 1 on x"), "{error}");
    std::thread::sleep(LEASE);
    let opened = options(&fourth, Engine::Native).open().unwrap();
    assert_eq!(keys(&opened).len(), 23);
}

#[test]
fn a_reader_on_a_real_service_keeps_what_it_pinned() {
    let Some(real) = Real::find("pins") else {
        return;
    };
    let writer = options(&real.store(), Engine::Native).create().unwrap();
    write_part(&writer, 0..100);
    write_part(&writer, 100..200);
    let mut options_of_reader = real.options();
    // No pause of this machine is as long.
    options_of_reader.lease = Duration::from_secs(60);
    let store = Store::bucket(&real.address, &options_of_reader).unwrap();
    let reader = options(&store, Engine::Native).read_only().unwrap();
    assert!(!reader.health().reads_unprotected);
    writer.merge_all().unwrap();
    write_part(&writer, 200..300);
    writer.merge_all().unwrap();
    assert_eq!(keys(&reader), Vec::from_iter(0..200));
    drop(reader);
    wait_until("reader that sees all", || {
        let reader = options(&real.store(), Engine::Native).read_only();
        reader.is_ok_and(|reader| keys(&reader).len() == 300)
    });
}

/// Names of pins have places in them, with the slash of an incarnation as `%2F`.
#[test]
fn branches_on_a_real_service_share_parts_and_let_them_go() {
    let Some(real) = Real::find("branches") else {
        return;
    };
    let named = |name: &str| {
        let builder = real.store().index(name).engine(Engine::Native).manual();
        builder.removal_grace(Duration::ZERO)
    };
    let check = |name: &str, rows: i64| {
        let index = named(name).read_only().unwrap();
        let mut found = keys(&index);
        found.sort_unstable();
        assert_eq!(found, Vec::from_iter(0..rows));
        assert_sound(&index);
    };
    // All three names come to be in places below theirs.
    for _ in 0..2 {
        let index = named("a").create().unwrap();
        write_part(&index, 0..10);
        write_part(&index, 10..20);
        write(&index, 20).unwrap();
        named("a").branch("b").unwrap();
        let branch = named("b").open().unwrap();
        write_part(&branch, 21..30);
        named("b").branch("c").unwrap();
        index.merge_all().unwrap();
        index.close().unwrap();
        check("b", 30);
        branch.merge_all().unwrap();
        branch.close().unwrap();
        named("b").open().unwrap().close().unwrap();
        for lender in ["a", "b"] {
            let error = named(lender).remove().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            assert!(error.message().contains("c first"), "{error}");
        }
        check("c", 30);
        for name in ["c", "b", "a"] {
            named(name).remove().unwrap();
        }
    }
    assert!(real.store().index_names().unwrap().is_empty());
}

#[test]
fn no_life_on_a_real_service_loses_what_was_promised() {
    for seed in 1..=LIVES {
        let Some(real) = Real::find("lives") else {
            return;
        };
        println!("life {seed}");
        let mut random = SmallRng::seed_from_u64(seed);
        let mut life = Life::begin(&real, Engine::Native, &mut random);
        for _ in 0..STEPS {
            life.step(random_step(&mut random), &mut random);
        }
        life.end(&mut random);
    }
}
