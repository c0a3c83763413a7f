//! Objects without faults.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::super::{Kind, Quirks, Service};
use super::{create, get, key, put, stored, swap, tag};

#[tokio::test]
async fn the_same_bytes_have_the_same_quoted_tag() {
    let client = Service::new(1).client("one");
    let one = put(&client, "a", "text").await.unwrap().e_tag.unwrap();
    let same = put(&client, "b", "text").await.unwrap().e_tag.unwrap();
    let other = put(&client, "a", "other").await.unwrap().e_tag.unwrap();
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert_eq!(one.len(), 34);
    assert!(one.starts_with('"') && one.ends_with('"'));
    assert_eq!(tag(&client, "a").await, other);
}

#[tokio::test]
async fn conditions_of_puts_are_exact() {
    let service = Service::new(1);
    let client = service.client("one");
    let made = create(&client, "key", "one").await.unwrap().e_tag.unwrap();
    let taken = create(&client, "key", "two").await.unwrap_err();
    assert!(matches!(taken, Error::AlreadyExists { .. }), "{taken}");
    assert!(taken.to_string().contains("status code: 412"), "{taken}");
    swap(&client, "key", &made, "two").await.unwrap();
    let stale = swap(&client, "key", &made, "three").await.unwrap_err();
    assert!(matches!(stale, Error::Precondition { .. }), "{stale}");
    let bare = tag(&client, "key").await.trim_matches('"').to_owned();
    let bare = swap(&client, "key", &bare, "three").await.unwrap_err();
    assert!(matches!(bare, Error::Precondition { .. }), "{bare}");
    let absent = swap(&client, "none", &made, "three").await.unwrap_err();
    assert!(matches!(absent, Error::Precondition { .. }), "{absent}");
    assert!(absent.to_string().contains("NoSuchKey"), "{absent}");
    assert_eq!(stored(&service, "key").unwrap(), "two");
}

#[tokio::test]
async fn ranges_are_cut_at_the_end_and_must_begin_before_it() {
    let service = Service::new(1);
    let client = service.client("one");
    put(&client, "key", "0123456789").await.unwrap();
    put(&client, "empty", "").await.unwrap();
    let ask = async |key: &str, range: GetRange| {
        let options = GetOptions::new().with_range(Some(range));
        client.get_opts(&Path::from(key), options).await
    };
    let whole = ask("key", GetRange::Suffix(20)).await.unwrap();
    assert_eq!((whole.range.clone(), whole.meta.size), (0..10, 10));
    assert_eq!(whole.bytes().await.unwrap(), "0123456789");
    let end = ask("key", GetRange::Suffix(3)).await.unwrap();
    assert_eq!(end.range, 7..10);
    assert_eq!(end.bytes().await.unwrap(), "789");
    let cut = ask("key", GetRange::Bounded(8..20)).await.unwrap();
    assert_eq!(cut.bytes().await.unwrap(), "89");
    let rest = ask("key", GetRange::Offset(9)).await.unwrap();
    assert_eq!(rest.bytes().await.unwrap(), "9");
    for (key, range) in [
        ("key", GetRange::Bounded(10..11)),
        ("key", GetRange::Offset(10)),
        ("key", GetRange::Suffix(0)),
        ("empty", GetRange::Suffix(1)),
    ] {
        let error = ask(key, range).await.unwrap_err();
        assert!(matches!(error, Error::Generic { .. }), "{error}");
        assert!(error.to_string().contains("status code: 416"), "{error}");
    }
    assert_eq!(get(&client, "empty").await.unwrap(), "");
}

#[tokio::test]
async fn a_range_that_is_none_is_not_asked_for() {
    let service = Service::new(1);
    let client = service.client("one");
    put(&client, "key", "text").await.unwrap();
    client.get_range(&key(), 2..2).await.unwrap_err();
    assert_eq!(service.journal().count(Kind::Get), 0);
}

#[tokio::test]
async fn gets_have_conditions() {
    let client = Service::new(1).client("one");
    let tag = put(&client, "key", "text").await.unwrap().e_tag;
    let other = Some("\"other\"".to_owned());
    let unchanged = GetOptions::new().with_if_none_match(tag.clone());
    let error = client.get_opts(&key(), unchanged).await.unwrap_err();
    assert!(matches!(error, Error::NotModified { .. }), "{error}");
    let changed = GetOptions::new().with_if_match(other);
    let error = client.get_opts(&key(), changed).await.unwrap_err();
    assert!(matches!(error, Error::Precondition { .. }), "{error}");
    let same = GetOptions::new().with_if_match(tag);
    client.get_opts(&key(), same).await.unwrap();
}

#[tokio::test]
async fn what_is_missing_is_not_found_but_can_be_deleted() {
    let client = Service::new(1).client("one");
    let error = get(&client, "key").await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert!(
        error.to_string().contains("<Code>NoSuchKey</Code>"),
        "{error}"
    );
    let error = client.head(&key()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert!(!error.to_string().contains("<Code>"), "{error}");
    client.delete(&key()).await.unwrap();
}

#[tokio::test]
async fn a_stream_of_keys_is_deleted_in_requests_of_a_thousand() {
    let service = Service::new(1);
    for number in 0..1_500 {
        service.put_raw(&format!("{number:04}"), "text");
    }
    let client = service.client("one");
    let keys = (0..1_500).map(|number| Ok(Path::from(format!("{number:04}"))));
    let deleted = client.delete_stream(stream::iter(keys).boxed());
    let deleted: Vec<Path> = deleted.try_collect().await.unwrap();
    assert_eq!(deleted.len(), 1_500);
    assert!(service.objects().is_empty());
    assert_eq!(service.journal().count(Kind::Delete), 2);
}

#[tokio::test]
async fn listings_are_in_the_order_of_bytes_over_all_pages() {
    let service = Service::new(1);
    service.set_quirks(Quirks {
        keys_per_page: 2,
        ..Quirks::default()
    });
    for key in [
        "a", "a-b", "a/1", "a/2/x", "a/2/y", "a/3", "a/2-", "a0", "b/1",
    ] {
        service.put_raw(key, "text");
    }
    let client = service.client("one");
    let names = async |prefix: Option<&str>, offset: Option<&str>| {
        let prefix = prefix.map(Path::from);
        let found = match offset {
            Some(offset) => client.list_with_offset(prefix.as_ref(), &Path::from(offset)),
            None => client.list(prefix.as_ref()),
        };
        let found = found.map_ok(|meta| meta.location.to_string());
        found.try_collect::<Vec<_>>().await.unwrap()
    };
    let all = names(None, None).await;
    assert_eq!(
        all,
        [
            "a", "a-b", "a/1", "a/2-", "a/2/x", "a/2/y", "a/3", "a0", "b/1"
        ]
    );
    assert_eq!(service.take_journal().count(Kind::List), 5);
    let below = names(Some("a"), None).await;
    assert_eq!(below, ["a/1", "a/2-", "a/2/x", "a/2/y", "a/3"]);
    assert_eq!(
        names(Some("a"), Some("a/2-")).await,
        ["a/2/x", "a/2/y", "a/3"]
    );
    assert_eq!(names(Some("a"), Some("a")).await, below);
    assert!(names(Some("a"), Some("a0")).await.is_empty());
    assert!(names(Some("c"), None).await.is_empty());
}

#[tokio::test]
async fn flat_listings_tell_what_is_deeper_once() {
    let service = Service::new(1);
    for key in [
        "a/1", "a/2/x", "a/2/y", "a/2/z/1", "a/2-", "a/20", "a/3", "b/1", "c",
    ] {
        service.put_raw(key, "text");
    }
    let client = service.client("one");
    for keys_per_page in 1..=10 {
        service.set_quirks(Quirks {
            keys_per_page,
            ..Quirks::default()
        });
        let found = client
            .list_with_delimiter(Some(&Path::from("a")))
            .await
            .unwrap();
        let objects: Vec<_> = found
            .objects
            .iter()
            .map(|meta| meta.location.as_ref())
            .collect();
        assert_eq!(objects, ["a/1", "a/2-", "a/20", "a/3"]);
        assert_eq!(found.common_prefixes, [Path::from("a/2")]);
        let root = client.list_with_delimiter(None).await.unwrap();
        assert_eq!(root.objects.len(), 1);
        assert_eq!(root.common_prefixes, [Path::from("a"), Path::from("b")]);
    }
}

#[tokio::test]
async fn a_page_is_read_when_it_is_wanted() {
    let service = Service::new(1);
    service.set_quirks(Quirks {
        keys_per_page: 1,
        ..Quirks::default()
    });
    service.put_raw("a", "text");
    service.put_raw("c", "text");
    let client = service.client("one");
    let mut listing = client.list(None);
    assert_eq!(
        listing.next().await.unwrap().unwrap().location,
        Path::from("a")
    );
    service.put_raw("b", "text");
    assert_eq!(
        listing.next().await.unwrap().unwrap().location,
        Path::from("b")
    );
}

#[tokio::test]
async fn copies_have_conditions() {
    let service = Service::new(1);
    let client = service.client("one");
    put(&client, "key", "text").await.unwrap();
    put(&client, "taken", "other").await.unwrap();
    let [taken, free, none] = ["taken", "free", "none"].map(Path::from);
    client.copy_if_not_exists(&key(), &free).await.unwrap();
    let error = client.copy_if_not_exists(&key(), &taken).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    let error = client.copy(&none, &free).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    client.copy(&key(), &taken).await.unwrap();
    client.rename(&taken, &none).await.unwrap();
    let keys: Vec<_> = service.objects().into_keys().collect();
    assert_eq!(keys, ["free", "key", "none"]);
}

#[tokio::test]
async fn the_clock_is_what_the_test_says_in_whole_seconds() {
    let service = Service::new(1);
    let client = service.client("one");
    service.set_time(Some(UNIX_EPOCH + Duration::from_millis(10_900)));
    put(&client, "key", "text").await.unwrap();
    let made = SystemTime::from(client.head(&key()).await.unwrap().last_modified);
    assert_eq!(made, UNIX_EPOCH + Duration::from_secs(10));
    service.advance(Duration::from_secs(5));
    put(&client, "key", "text").await.unwrap();
    let made = SystemTime::from(client.head(&key()).await.unwrap().last_modified);
    assert_eq!(made, UNIX_EPOCH + Duration::from_secs(15));
}

#[tokio::test]
async fn tests_reach_objects_without_requests() {
    let service = Service::new(1);
    let client = service.client("one");
    service.put_raw("key", "text");
    let before = tag(&client, "key").await;
    assert!(service.corrupt("key", |bytes| bytes[0] ^= 1));
    assert_eq!(get(&client, "key").await.unwrap(), "uext");
    assert_eq!(tag(&client, "key").await, before);
    assert!(service.remove_raw("key"));
    assert!(!service.remove_raw("key"));
    assert!(!service.corrupt("key", |_| ()));
    assert_eq!(stored(&service, "key"), None);
}
