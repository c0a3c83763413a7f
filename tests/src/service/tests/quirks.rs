//! Services that differ from S3.

use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};

use super::super::{Quirks, Service};
use super::{create, key, put, stored, swap};

fn quirky(quirks: Quirks) -> Service {
    let service = Service::new(1);
    service.set_quirks(quirks);
    service
}

#[tokio::test]
async fn bare_tags_are_compared_without_quotes() {
    let service = quirky(Quirks {
        bare_etags: true,
        ..Quirks::default()
    });
    let client = service.client("one");
    let tag = put(&client, "key", "one").await.unwrap().e_tag.unwrap();
    assert!(tag.starts_with('"'));
    let error = swap(&client, "key", &tag, "two").await.unwrap_err();
    assert!(matches!(error, Error::Precondition { .. }), "{error}");
    swap(&client, "key", tag.trim_matches('"'), "two")
        .await
        .unwrap();
    assert_eq!(stored(&service, "key").unwrap(), "two");
}

#[tokio::test]
async fn ignored_conditions_let_puts_overwrite() {
    let service = quirky(Quirks {
        ignores_conditions: true,
        ..Quirks::default()
    });
    let client = service.client("one");
    put(&client, "key", "one").await.unwrap();
    create(&client, "key", "two").await.unwrap();
    assert_eq!(stored(&service, "key").unwrap(), "two");
    swap(&client, "key", "\"wrong\"", "three").await.unwrap();
    assert_eq!(stored(&service, "key").unwrap(), "three");
    swap(&client, "none", "\"wrong\"", "four").await.unwrap();
    assert_eq!(stored(&service, "none").unwrap(), "four");
}

#[tokio::test]
async fn copies_can_overwrite() {
    let service = quirky(Quirks {
        copies_overwrite: true,
        ..Quirks::default()
    });
    let client = service.client("one");
    put(&client, "key", "one").await.unwrap();
    put(&client, "taken", "two").await.unwrap();
    let taken = Path::from("taken");
    client.copy_if_not_exists(&key(), &taken).await.unwrap();
    assert_eq!(stored(&service, "taken").unwrap(), "one");
}
