//! Uploads in parts.

use object_store::multipart::MultipartStore;
use object_store::{Error, ObjectStoreExt};

use super::super::{Fault, Gate, Kind, Quirks, Service, Step, UnfinishedUpload};
use super::{key, put, stored};

#[tokio::test]
async fn parts_become_an_object_at_the_end() {
    let service = Service::new(1);
    let client = service.client("one");
    let mut upload = client.put_multipart(&key()).await.unwrap();
    let [first, second] = ["one ", "two"].map(|text| upload.put_part(text.into()));
    second.await.unwrap();
    let unfinished = UnfinishedUpload {
        upload: "upload-00000001".to_owned(),
        key: "key".to_owned(),
        parts: 1,
        bytes: 3,
    };
    assert_eq!(service.uploads(), [unfinished]);
    first.await.unwrap();
    assert_eq!(stored(&service, "key"), None);
    let made = upload.complete().await.unwrap().e_tag.unwrap();
    assert!(made.ends_with("-2\""), "{made}");
    assert_eq!(stored(&service, "key").unwrap(), "one two");
    assert!(service.uploads().is_empty());
    let put = put(&client, "key", "one two").await.unwrap();
    assert_ne!(put.e_tag.unwrap(), made);
}

#[tokio::test]
async fn an_upload_without_parts_is_an_empty_object() {
    let service = Service::new(1);
    let client = service.client("one");
    let mut upload = client.put_multipart(&key()).await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(stored(&service, "key").unwrap(), "");
    assert_eq!(service.journal().count(Kind::Part), 1);
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let service = Service::new(1);
    let client = service.client("one");
    let mut upload = client.put_multipart(&key()).await.unwrap();
    upload.put_part("text".into()).await.unwrap();
    upload.abort().await.unwrap();
    assert!(service.uploads().is_empty() && service.objects().is_empty());
    let error = upload.abort().await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert!(error.to_string().contains("NoSuchUpload"), "{error}");
}

#[tokio::test]
async fn an_upload_misses_a_part_that_did_not_arrive() {
    let service = Service::new(1);
    let gate = Gate::new(|request| request.kind == Kind::Part);
    service.set_hook("one", Some(gate.hook()));
    let client = service.client("one");
    let mut upload = client.put_multipart(&key()).await.unwrap();
    let part = tokio::spawn(upload.put_part("text".into()));
    gate.held().await;
    gate.wake(Step::Fault(Fault::LostAfter));
    part.await.unwrap().unwrap_err();
    let error = upload.complete().await.unwrap_err();
    assert!(error.to_string().contains("Missing part"), "{error}");
    assert_eq!(service.uploads()[0].parts, 1);
}

#[tokio::test]
async fn an_end_names_parts_that_are_there() {
    let service = Service::new(1);
    let client = service.client("one");
    let upload = client.create_multipart(&key()).await.unwrap();
    let old = client
        .put_part(&key(), &upload, 0, "old".into())
        .await
        .unwrap();
    let new = client
        .put_part(&key(), &upload, 0, "new".into())
        .await
        .unwrap();
    let error = client
        .complete_multipart(&key(), &upload, vec![old])
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("<Code>InvalidPart</Code>"),
        "{error}"
    );
    let end = async || {
        let parts = vec![new.clone()];
        client.complete_multipart(&key(), &upload, parts).await
    };
    let made = end().await.unwrap();
    assert_eq!(stored(&service, "key").unwrap(), "new");
    let error = end().await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    service.set_quirks(Quirks {
        remembers_completed: true,
        ..Quirks::default()
    });
    assert_eq!(end().await.unwrap(), made);
}

#[tokio::test]
async fn parts_can_be_too_small() {
    let service = Service::new(1);
    service.set_quirks(Quirks {
        smallest_part_bytes: 3,
        ..Quirks::default()
    });
    let client = service.client("one");
    for (first, is_taken) in [("12", false), ("123", true)] {
        let mut upload = client.put_multipart(&key()).await.unwrap();
        upload.put_part(first.into()).await.unwrap();
        upload.put_part("4".into()).await.unwrap();
        assert_eq!(upload.complete().await.is_ok(), is_taken);
    }
    assert_eq!(stored(&service, "key").unwrap(), "1234");
}
