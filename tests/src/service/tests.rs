//! Each property of the service once.

mod course;
mod faults;
mod late;
mod objects;
mod quirks;
mod races;
mod uploads;

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, PutResult, Result,
    UpdateVersion,
};

use super::{Client, Fault, Faults, Service};

/// A service and a client that always has this fault.
fn failing(fault: Fault) -> (Service, Arc<Client>) {
    let service = Service::new(1);
    service.set_faults("one", Faults::none().with(fault, 1.0).with_late_held());
    let client = service.client("one");
    (service, client)
}

fn key() -> Path {
    Path::from("key")
}

async fn put(client: &Client, key: &str, text: &'static str) -> Result<PutResult> {
    client.put(&Path::from(key), PutPayload::from(text)).await
}

async fn create(client: &Client, key: &str, text: &'static str) -> Result<PutResult> {
    let options = PutOptions::from(PutMode::Create);
    let payload = PutPayload::from(text);
    client.put_opts(&Path::from(key), payload, options).await
}

async fn swap(client: &Client, key: &str, tag: &str, text: &'static str) -> Result<PutResult> {
    let version = UpdateVersion {
        e_tag: Some(tag.to_owned()),
        version: None,
    };
    let options = PutOptions::from(PutMode::Update(version));
    let payload = PutPayload::from(text);
    client.put_opts(&Path::from(key), payload, options).await
}

async fn get(client: &Client, key: &str) -> Result<Bytes> {
    client.get(&Path::from(key)).await?.bytes().await
}

/// The tag of an object as the service tells it.
async fn tag(client: &Client, key: &str) -> String {
    client.head(&Path::from(key)).await.unwrap().e_tag.unwrap()
}

/// The text of an object, as tests see it.
fn stored(service: &Service, key: &str) -> Option<String> {
    let bytes = service.objects().remove(key)?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// The texts of an error and of all that it came of.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text} / {cause}");
        source = cause.source();
    }
    text
}
