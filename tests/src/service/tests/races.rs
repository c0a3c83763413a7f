//! Many clients at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use tokio::sync::Barrier;

use super::super::{Client, Service};
use super::{create, key};

const TASKS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creates_one_wins() {
    let service = Service::new(1);
    let texts: Vec<&'static str> = "abcdefghijklmnop".split_inclusive(|_| true).collect();
    for round in 0..50 {
        let barrier = Arc::new(Barrier::new(TASKS));
        let tasks = texts.iter().map(|&text| {
            let (client, barrier) = (service.client(text), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                create(&client, &format!("key-{round}"), text).await.is_ok()
            })
        });
        let won: Vec<bool> = join_all(tasks)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let winners: Vec<_> = texts.iter().zip(&won).filter(|(_, won)| **won).collect();
        assert_eq!(winners.len(), 1);
        let stored = super::stored(&service, &format!("key-{round}")).unwrap();
        assert_eq!(stored, *winners[0].0);
    }
}

/// Adds one to the number in an object, with as many swaps as it takes.
async fn add_one(client: &Client, refused: &AtomicU64) {
    loop {
        let found = client.get(&key()).await.unwrap();
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: None,
        };
        let bytes = found.bytes().await.unwrap();
        let number: u64 = std::str::from_utf8(&bytes).unwrap().parse().unwrap();
        let options = PutOptions::from(PutMode::Update(version));
        let next = (number + 1).to_string();
        match client.put_opts(&key(), next.into(), options).await {
            Ok(_) => return,
            Err(Error::Precondition { .. }) => refused.fetch_add(1, Ordering::Relaxed),
            Err(error) => panic!("{error}"),
        };
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_swap_is_lost() {
    let service = Service::new(1);
    service.put_raw("key", "0");
    let refused = Arc::new(AtomicU64::new(0));
    let barrier = Arc::new(Barrier::new(TASKS));
    let tasks = (0..TASKS).map(|number| {
        let client = service.client(&format!("client-{number}"));
        let (refused, barrier) = (Arc::clone(&refused), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            for _ in 0..50 {
                add_one(&client, &refused).await;
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    let client = service.client("reader");
    let bytes = client
        .get(&Path::from("key"))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(bytes, (TASKS * 50).to_string());
    let journal = service.take_journal();
    let swaps = (TASKS * 50) as u64 + refused.load(Ordering::Relaxed);
    assert_eq!(journal.count(super::super::Kind::Swap), swaps);
}
