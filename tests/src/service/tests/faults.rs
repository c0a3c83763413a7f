//! What clients see of each fault, and what happens.

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};

use super::super::{Fault, Faults, Kind, Outcome, Service};
use super::{chain, create, failing, get, key, put, stored, swap};

#[tokio::test]
async fn an_access_that_is_denied_does_nothing() {
    let (service, client) = failing(Fault::Denied);
    let error = put(&client, "key", "text").await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("status code: 403 Forbidden: <Error><Code>AccessDenied")
    );
    let error = client.list_with_delimiter(None).await.unwrap_err();
    assert!(matches!(error, Error::Generic { .. }), "{error}");
    assert!(error.to_string().contains("status code: 403"), "{error}");
    assert!(service.objects().is_empty());
}

#[tokio::test]
async fn a_missing_bucket_is_not_found() {
    let (service, client) = failing(Fault::NoBucket);
    service.put_raw("key", "text");
    for error in [
        get(&client, "key").await.unwrap_err(),
        create(&client, "key", "text").await.unwrap_err(),
        client.delete(&key()).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        assert!(
            error.to_string().contains("<Code>NoSuchBucket</Code>"),
            "{error}"
        );
    }
    let error = swap(&client, "key", "\"tag\"", "text").await.unwrap_err();
    assert!(matches!(error, Error::Precondition { .. }), "{error}");
    let error = client.head(&key()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert!(!error.to_string().contains("NoSuchBucket"), "{error}");
    assert_eq!(stored(&service, "key").unwrap(), "text");
}

#[tokio::test]
async fn a_busy_service_did_it_or_did_not() {
    for (fault, text, is_done) in [
        (
            Fault::TooMany,
            "status code: 429 Too Many Requests: <Error>",
            false,
        ),
        (
            Fault::UnavailableBefore,
            "status code: 503 Service Unavailable: <Error>",
            false,
        ),
        (
            Fault::UnavailableAfter,
            "status code: 503 Service Unavailable: <Error>",
            true,
        ),
    ] {
        let (service, client) = failing(fault);
        let error = create(&client, "key", "text").await.unwrap_err();
        assert!(matches!(error, Error::Generic { .. }), "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(stored(&service, "key").is_some(), is_done, "{fault:?}");
    }
    let (_, client) = failing(Fault::UnavailableBefore);
    let text = put(&client, "key", "text").await.unwrap_err().to_string();
    let told = "Server returned non-2xx status code: 503 Service Unavailable: <Error><Code>SlowDown</Code>\
                <Message>Please reduce your request rate.</Message></Error>";
    assert!(text.ends_with(told), "{text}");
}

#[tokio::test]
async fn a_lost_connection_looks_the_same_before_and_after() {
    let mut texts = Vec::new();
    for (fault, is_done) in [(Fault::LostBefore, false), (Fault::LostAfter, true)] {
        let (service, client) = failing(fault);
        let error = create(&client, "key", "text").await.unwrap_err();
        assert!(matches!(error, Error::Generic { .. }), "{error}");
        assert!(
            error.to_string().contains("error sending request"),
            "{error}"
        );
        assert!(!error.to_string().contains("status code"), "{error}");
        texts.push(chain(&error));
        assert_eq!(stored(&service, "key").is_some(), is_done);
        get(&client, "key").await.unwrap_err();
    }
    assert_eq!(texts[0], texts[1]);
    assert!(
        texts[0].contains("connection closed before message completed"),
        "{}",
        texts[0]
    );
}

#[tokio::test]
async fn a_request_whose_time_is_up_has_done_nothing_yet() {
    let (service, client) = failing(Fault::Late);
    let error = put(&client, "key", "text").await.unwrap_err();
    assert!(matches!(error, Error::Generic { .. }), "{error}");
    assert!(chain(&error).contains("operation timed out"), "{error}");
    assert_eq!(stored(&service, "key"), None);
    assert_eq!(service.late_count(), 1);
    get(&client, "key").await.unwrap_err();
    assert_eq!(service.late_count(), 1);
}

#[tokio::test]
async fn a_duplicated_request_answers_the_first_time() {
    let (service, client) = failing(Fault::Duplicated);
    let tag = create(&client, "key", "one").await.unwrap().e_tag.unwrap();
    swap(&client, "key", &tag, "two").await.unwrap();
    assert_eq!(stored(&service, "key").unwrap(), "two");
    client.put_multipart(&key()).await.unwrap();
    assert_eq!(service.uploads().len(), 2);
}

#[tokio::test]
async fn a_resent_request_answers_the_second_time() {
    let (service, client) = failing(Fault::Resent);
    put(&client, "key", "one").await.unwrap();
    let error = create(&client, "free", "own").await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(stored(&service, "free").unwrap(), "own");
}

#[tokio::test]
async fn half_an_answer_is_a_beginning_and_an_error() {
    let (service, client) = failing(Fault::HalfAnswer);
    let text = "0123456789".repeat(100);
    service.put_raw("key", text.clone());
    let answer = client.get(&key()).await.unwrap();
    assert_eq!(answer.range, 0..1_000);
    let pieces: Vec<_> = answer.into_stream().collect().await;
    let error = pieces.last().unwrap().as_ref().unwrap_err();
    assert!(matches!(error, Error::Generic { .. }), "{error}");
    assert!(
        chain(error).contains("end of file before message length reached"),
        "{error}"
    );
    let begun = pieces.iter().flatten();
    let begun: Vec<u8> = begun.flat_map(|piece| piece.to_vec()).collect();
    assert!(text.starts_with(std::str::from_utf8(&begun).unwrap()));
    get(&client, "key").await.unwrap_err();
    let error = client.list(None).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Error getting list response body"),
        "{error}"
    );
    let journal = service.journal();
    assert!(
        journal
            .requests
            .iter()
            .all(|entry| entry.outcome == Outcome::Lost)
    );
    assert!(journal.bytes_out() < 2_000);
}

#[tokio::test]
async fn half_a_deletion_tells_what_it_left() {
    let (service, client) = failing(Fault::HalfAnswer);
    let keys: Vec<Path> = ["a", "b", "c", "d"].map(Path::from).into();
    for key in &keys {
        service.put_raw(key.as_ref(), "text");
    }
    let wanted = keys.into_iter().map(Ok);
    let told: Vec<_> = client
        .delete_stream(stream::iter(wanted).boxed())
        .collect()
        .await;
    let is_deleted: Vec<_> = told.iter().map(Result::is_ok).collect();
    assert_eq!(is_deleted, [true, true, false, false]);
    assert!(service.objects().into_keys().eq(["c", "d"]));
}

#[tokio::test]
async fn a_conflict_changes_nothing_and_looks_like_an_object_that_exists() {
    let (service, client) = failing(Fault::Conflict);
    let tag = put(&client, "key", "one").await.unwrap().e_tag.unwrap();
    for error in [
        create(&client, "free", "text").await.unwrap_err(),
        swap(&client, "key", &tag, "two").await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        assert!(error.to_string().contains("status code: 409"), "{error}");
        assert!(
            error.to_string().contains("ConditionalRequestConflict"),
            "{error}"
        );
    }
    assert_eq!(stored(&service, "key").unwrap(), "one");
    assert_eq!(stored(&service, "free"), None);
}

#[tokio::test]
async fn a_success_can_be_an_error_in_its_body() {
    let (service, client) = failing(Fault::ErrorInBody);
    put(&client, "key", "text").await.unwrap();
    let error = client.copy(&key(), &Path::from("copy")).await.unwrap_err();
    assert!(matches!(error, Error::Generic { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("Server returned error response: <Error>"),
        "{error}"
    );
    assert_eq!(stored(&service, "copy"), None);
}

#[tokio::test]
async fn faults_are_of_a_client_and_a_kind() {
    let service = Service::new(1);
    service.set_faults(
        "one",
        Faults::none().with_kind(Kind::Get, Fault::Denied, 1.0),
    );
    let [one, two] = ["one", "two"].map(|name| service.client(name));
    put(&one, "key", "text").await.unwrap();
    get(&one, "key").await.unwrap_err();
    get(&two, "key").await.unwrap();
    service.set_faults("one", Faults::none());
    get(&one, "key").await.unwrap();
}

/// What befell a hundred requests of each of two clients, where the second asks more often in between.
async fn fates(seed: u64, asks_between: usize) -> Vec<(u64, Option<Fault>, Outcome)> {
    let service = Service::new(seed);
    for name in ["one", "two"] {
        service.set_faults(name, Faults::passing(0.06));
    }
    let [one, two] = ["one", "two"].map(|name| service.client(name));
    for number in 0..100 {
        match number % 3 {
            0 => drop(put(&one, "key", "text").await),
            1 => drop(get(&one, "other").await),
            _ => drop(create(&one, "free", "text").await),
        }
        for _ in 0..asks_between {
            let _ = get(&two, "nothing").await;
        }
    }
    let journal = service.journal();
    let fates = journal
        .of("one")
        .map(|entry| (entry.request.number, entry.fault, entry.outcome));
    fates.collect()
}

#[tokio::test]
async fn a_seed_decides_what_befalls_a_client_whatever_others_ask() {
    let fates_of_one = fates(7, 0).await;
    assert_eq!(fates_of_one, fates(7, 0).await);
    assert_ne!(fates_of_one, fates(8, 0).await);
    let faults = |fates: Vec<(u64, Option<Fault>, Outcome)>| -> Vec<_> {
        fates
            .into_iter()
            .map(|(number, fault, _)| (number, fault))
            .collect()
    };
    assert_eq!(faults(fates_of_one), faults(fates(7, 3).await));
}

#[tokio::test]
async fn faults_are_as_frequent_as_they_should_be() {
    let service = Service::new(3);
    let faults = Faults::none()
        .with(Fault::Denied, 0.2)
        .with(Fault::LostAfter, 0.1);
    service.set_faults("one", faults);
    let client = service.client("one");
    for _ in 0..5_000 {
        let _ = get(&client, "key").await;
    }
    let journal = service.take_journal();
    let count = |fault| {
        journal
            .requests
            .iter()
            .filter(|entry| entry.fault == Some(fault))
            .count()
    };
    assert!(
        (900..1_100).contains(&count(Fault::Denied)),
        "{}",
        count(Fault::Denied)
    );
    assert!(
        (430..570).contains(&count(Fault::LostAfter)),
        "{}",
        count(Fault::LostAfter)
    );
}
