//! Hooks, latency and the journal.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use tokio::time::Instant;

use super::super::{Fault, Faults, Gate, Kind, Latency, Outcome, Service, Step};
use super::{create, get, key, put, stored};

#[tokio::test]
async fn a_gate_holds_one_client_and_nobody_else() {
    let service = Service::new(1);
    let gate = Gate::closed();
    service.set_hook("one", Some(gate.hook()));
    let [one, two] = ["one", "two"].map(|name| service.client(name));
    let sleeper = tokio::spawn(async move {
        create(&one, "key", "one").await?;
        get(&one, "key").await
    });
    let held = gate.held().await;
    assert_eq!(
        (held.number, held.kind, held.key.as_str()),
        (0, Kind::Create, "key")
    );
    create(&two, "key", "two").await.unwrap();
    gate.wake(Step::Pass).unwrap();
    let error = sleeper.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert!(gate.wake(Step::Pass).is_none());
    assert_eq!(stored(&service, "key").unwrap(), "two");
}

#[tokio::test]
async fn a_gate_opens_and_closes() {
    let service = Service::new(1);
    let gate = Gate::closed();
    service.set_hook("one", Some(gate.hook()));
    let client = service.client("one");
    let sleeper = Arc::clone(&client);
    let sleeper = tokio::spawn(async move { put(&sleeper, "key", "text").await });
    gate.held().await;
    gate.open();
    sleeper.await.unwrap().unwrap();
    get(&client, "key").await.unwrap();
    gate.close();
    assert!(get(&client, "key").now_or_never().is_none());
    assert!(gate.wake(Step::Pass).is_none());
    let outcomes = service.journal();
    let outcomes: Vec<_> = outcomes
        .requests
        .iter()
        .map(|entry| entry.outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done, Outcome::Dropped]);
}

#[tokio::test]
async fn a_hook_fails_a_request_or_spares_it() {
    let service = Service::new(1);
    service.set_faults("one", Faults::none().with(Fault::Denied, 1.0));
    service.set_hook(
        "one",
        Some(Arc::new(|request| match request.number {
            0 => Step::Succeed,
            1 => Step::Fault(Fault::UnavailableAfter),
            2 => Step::Wait(async { Step::Succeed }.boxed()),
            _ => Step::Pass,
        })),
    );
    let client = service.client("one");
    put(&client, "a", "text").await.unwrap();
    let error = put(&client, "b", "text").await.unwrap_err();
    assert!(error.to_string().contains("status code: 503"), "{error}");
    get(&client, "b").await.unwrap();
    let error = get(&client, "b").await.unwrap_err();
    assert!(error.to_string().contains("status code: 403"), "{error}");
}

fn far() -> Latency {
    Latency {
        first_byte: Duration::from_millis(25),
        bytes_per_second: Some(1_000_000),
        timeout: Duration::from_secs(30),
    }
}

#[tokio::test(start_paused = true)]
async fn requests_take_their_time() {
    let service = Service::new(1);
    service.set_latency("one", far());
    let client = service.client("one");
    let begun = Instant::now();
    client.put(&key(), vec![0; 500_000].into()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(525));
    let begun = Instant::now();
    let answer = client.get(&key()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(25));
    answer.bytes().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(525));
    let begun = Instant::now();
    client.head(&key()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(25));
    service.set_faults("one", Faults::none().with(Fault::Late, 1.0));
    let begun = Instant::now();
    client.delete(&key()).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_client_share_its_link_and_not_its_latency() {
    let service = Service::new(1);
    service.put_raw("key", vec![0; 200_000]);
    for name in ["one", "two"] {
        service.set_latency(name, far());
    }
    let clients = ["one", "one", "two"].map(|name| service.client(name));
    let begun = Instant::now();
    let reads = clients.iter().map(|client| async move {
        get(client, "key").await.unwrap();
        begun.elapsed().as_millis()
    });
    let times = join_all(reads).await;
    assert_eq!(times.iter().max(), Some(&425));
    assert_eq!(times[2], 225);
}

#[tokio::test(start_paused = true)]
async fn a_put_that_is_dropped_may_have_happened() {
    let service = Service::new(1);
    service.set_latency(
        "one",
        Latency {
            first_byte: Duration::from_millis(20),
            ..Latency::default()
        },
    );
    let client = service.client("one");
    for (milliseconds, is_done) in [(5, false), (15, true)] {
        let limit = Duration::from_millis(milliseconds);
        tokio::time::timeout(limit, put(&client, "key", "text"))
            .await
            .unwrap_err();
        assert_eq!(stored(&service, "key").is_some(), is_done);
    }
}

#[tokio::test]
async fn the_journal_counts() {
    let service = Service::new(1);
    let client = service.client("one");
    put(&client, "key", "text").await.unwrap();
    create(&client, "key", "other").await.unwrap_err();
    get(&client, "key").await.unwrap();
    client.get_range(&key(), 1..3).await.unwrap();
    client.head(&key()).await.unwrap();
    assert!(client.list(None).next().await.is_some());
    client.copy(&key(), &Path::from("copy")).await.unwrap();
    client.delete(&key()).await.unwrap();
    let journal = service.take_journal();
    let counts: Vec<_> = journal.counts().into_iter().collect();
    let wanted = [
        (Kind::Put, 1),
        (Kind::Create, 1),
        (Kind::Get, 2),
        (Kind::Head, 1),
        (Kind::List, 1),
        (Kind::Delete, 1),
        (Kind::Copy, 1),
    ];
    assert_eq!(counts, wanted);
    assert_eq!((journal.bytes_in(), journal.bytes_out()), (9, 6));
    assert_eq!(journal.waves("one"), 8);
    let refused = &journal.requests[1];
    assert_eq!(
        (refused.outcome, refused.request.number),
        (Outcome::Status(412), 1)
    );
    assert!(service.take_journal().requests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn waves_are_the_longest_chain() {
    let service = Service::new(1);
    service.put_raw("key", "text");
    let delay = |milliseconds| Latency {
        first_byte: Duration::from_millis(milliseconds),
        ..Latency::default()
    };
    service.set_latency("one", delay(10));
    let client = service.client("one");
    // Three waves of eight requests, of which the third begins when all of the second have ended.
    for _ in 0..3 {
        let reads = (0..8).map(|_| get(&client, "key"));
        join_all(reads).await;
    }
    let journal = service.take_journal();
    assert_eq!((journal.waves("one"), journal.count(Kind::Get)), (3, 24));
    assert_eq!(journal.waves("two"), 0);
    get(&client, "key").await.unwrap();
    assert_eq!(service.take_journal().waves("one"), 1);
    // A body that nobody has read to its end has not ended.
    let begun = client.get(&key()).await.unwrap();
    get(&client, "key").await.unwrap();
    drop(begun);
    get(&client, "key").await.unwrap();
    let journal = service.take_journal();
    let waves: Vec<_> = journal.requests.iter().map(|entry| entry.wave).collect();
    assert_eq!(waves, [1, 1, 2]);
}
