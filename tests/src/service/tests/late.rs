//! Effects that come after the client was told that its time is up.

use object_store::ObjectStoreExt;
use object_store::multipart::MultipartStore;
use object_store::path::Path;

use super::super::{Fault, Faults, Gate, Service, Step};
use super::{create, failing, get, key, put, stored, swap, tag};

#[tokio::test]
async fn a_late_put_overwrites_what_came_in_the_meantime() {
    let (service, client) = failing(Fault::Late);
    put(&client, "key", "old").await.unwrap_err();
    service.put_raw("key", "new");
    assert_eq!(service.land_late(), 1);
    assert_eq!(stored(&service, "key").unwrap(), "old");
    assert!(service.journal().landings[0].is_applied);
    assert_eq!(service.land_late(), 0);
}

#[tokio::test]
async fn a_late_create_needs_a_free_key_when_it_lands() {
    let (service, client) = failing(Fault::Late);
    create(&client, "taken", "late").await.unwrap_err();
    create(&client, "free", "late").await.unwrap_err();
    service.put_raw("taken", "other");
    assert_eq!(service.land_late(), 2);
    assert_eq!(stored(&service, "taken").unwrap(), "other");
    assert_eq!(stored(&service, "free").unwrap(), "late");
    let landings = service.take_journal().landings;
    let is_applied: Vec<_> = landings.iter().map(|landing| landing.is_applied).collect();
    assert_eq!(is_applied, [false, true]);
}

#[tokio::test]
async fn a_late_swap_needs_its_tag_when_it_lands() {
    let (service, client) = failing(Fault::Late);
    let other = service.client("other");
    put(&other, "key", "one").await.unwrap();
    let tag = tag(&other, "key").await;
    swap(&client, "key", &tag, "late").await.unwrap_err();
    swap(&other, "key", &tag, "two").await.unwrap();
    service.land_late();
    assert_eq!(stored(&service, "key").unwrap(), "two");
    swap(&client, "key", &tag, "late").await.unwrap_err();
    // The same content has the same tag again.
    put(&other, "key", "one").await.unwrap();
    service.land_late();
    assert_eq!(stored(&service, "key").unwrap(), "late");
}

#[tokio::test]
async fn a_late_deletion_deletes_what_came_in_the_meantime() {
    let (service, client) = failing(Fault::Late);
    client.delete(&key()).await.unwrap_err();
    service.put_raw("key", "new");
    service.land_late();
    assert_eq!(stored(&service, "key"), None);
}

#[tokio::test]
async fn late_parts_and_late_ends_of_uploads_land() {
    let (service, client) = failing(Fault::Late);
    let other = service.client("other");
    let upload = other.create_multipart(&key()).await.unwrap();
    client
        .put_part(&key(), &upload, 0, "late".into())
        .await
        .unwrap_err();
    assert_eq!(service.uploads()[0].parts, 0);
    service.land_late();
    assert_eq!(service.uploads()[0].parts, 1);
    let part = other
        .put_part(&key(), &upload, 0, "text".into())
        .await
        .unwrap();
    let key = key();
    let end = client.complete_multipart(&key, &upload, vec![part]);
    end.await.unwrap_err();
    assert_eq!(stored(&service, "key"), None);
    service.land_late();
    assert_eq!(stored(&service, "key").unwrap(), "text");
    // What is too late is refused.
    client
        .put_part(&key, &upload, 0, "late".into())
        .await
        .unwrap_err();
    service.land_late();
    assert!(!service.journal().landings.last().unwrap().is_applied);
}

#[tokio::test]
async fn late_effects_land_with_the_requests_of_anyone() {
    let service = Service::new(1);
    let late = Faults::none().with(Fault::Late, 1.0).with_late_after(3..=3);
    service.set_faults("one", late);
    let [one, two] = ["one", "two"].map(|name| service.client(name));
    put(&one, "key", "text").await.unwrap_err();
    get(&two, "key").await.unwrap_err();
    get(&two, "key").await.unwrap_err();
    assert_eq!(service.late_count(), 1);
    assert_eq!(get(&two, "key").await.unwrap(), "text");
    assert_eq!(service.late_count(), 0);
}

#[tokio::test]
async fn a_duplicate_can_land_late() {
    let (service, client) = failing(Fault::DuplicatedLate);
    put(&client, "key", "one").await.unwrap();
    create(&client, "free", "own").await.unwrap();
    assert_eq!(service.late_count(), 2);
    service.put_raw("key", "two");
    service.remove_raw("free");
    service.land_late();
    assert_eq!(stored(&service, "key").unwrap(), "one");
    assert_eq!(stored(&service, "free").unwrap(), "own");
}

#[tokio::test]
async fn what_is_late_can_be_forgotten() {
    let (service, client) = failing(Fault::Late);
    put(&client, "key", "text").await.unwrap_err();
    assert_eq!(service.forget_late(), 1);
    assert_eq!(service.land_late(), 0);
    assert_eq!(stored(&service, "key"), None);
}

#[tokio::test]
async fn a_hook_makes_one_request_late() {
    let service = Service::new(1);
    service.set_faults("one", Faults::none().with_late_held());
    let gate = Gate::new(|request| request.number == 1);
    service.set_hook("one", Some(gate.hook()));
    let client = service.client("one");
    put(&client, "a", "text").await.unwrap();
    let second = tokio::spawn(async move { put(&client, "b", "text").await });
    assert_eq!(gate.held().await.key, "b");
    gate.wake(Step::Fault(Fault::Late));
    second.await.unwrap().unwrap_err();
    assert!(service.objects().contains_key(Path::from("a").as_ref()));
    assert_eq!(service.land_late(), 1);
    assert_eq!(service.objects().len(), 2);
}
