//! A bucket whose objects are encrypted with a customer's key.
//!
//! S3 wants the key also with the request that ends an upload in parts, at least if the parts have
//! checksums, and the library below does not send it there. What it does send with such a request are the
//! headers that go with each one. So uploads are ended by a second client that has the key among those.

use std::fmt;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::stream::BoxStream;
use md5::{Digest, Md5};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    ClientOptions, CopyOptions, Error, GetOptions, GetResult, HeaderMap, HeaderValue, ListResult,
    MultipartId, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result,
};

use crate::bucket::connection::options::CustomerKey;

/// A client that sends the key with each request that needs it.
#[derive(Debug)]
pub(crate) struct KeyedS3 {
    most: AmazonS3,
    /// Sends the key with everything, so it may do nothing but uploads.
    uploads: AmazonS3,
}

impl KeyedS3 {
    /// Makes both clients. `requests` is what the builder already has.
    pub(crate) fn build(
        builder: AmazonS3Builder,
        requests: ClientOptions,
        key: &CustomerKey,
    ) -> Result<Self> {
        let most = builder.clone().build()?;
        let uploads = builder
            .with_client_options(requests.with_default_headers(headers(key)?))
            // Else it would make clients of its own for credentials, which would send the key there.
            .with_credentials(most.credentials().clone())
            .build()?;
        Ok(Self { most, uploads })
    }
}

fn headers(key: &CustomerKey) -> Result<HeaderMap> {
    let wrong = || Error::Generic {
        store: "S3",
        source: "the customer key is none".into(),
    };
    let bytes = BASE64_STANDARD.decode(key.expose()).map_err(|_| wrong())?;
    let digest = BASE64_STANDARD.encode(Md5::digest(bytes));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", key.expose()),
        ("x-amz-server-side-encryption-customer-key-md5", &digest),
    ] {
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

impl fmt::Display for KeyedS3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.most.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for KeyedS3 {
    async fn put_opts(
        &self,
        key: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.most.put_opts(key, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        key: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.uploads.put_multipart_opts(key, options).await
    }

    async fn get_opts(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        self.most.get_opts(key, options).await
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.most.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.most.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.most.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.most.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.most.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for KeyedS3 {
    async fn create_multipart(&self, key: &Path) -> Result<MultipartId> {
        self.most.create_multipart(key).await
    }

    async fn create_multipart_opts(
        &self,
        key: &Path,
        options: PutMultipartOptions,
    ) -> Result<MultipartId> {
        self.most.create_multipart_opts(key, options).await
    }

    async fn put_part(
        &self,
        key: &Path,
        id: &MultipartId,
        number: usize,
        payload: PutPayload,
    ) -> Result<PartId> {
        self.most.put_part(key, id, number, payload).await
    }

    async fn complete_multipart(
        &self,
        key: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        self.uploads.complete_multipart(key, id, parts).await
    }

    async fn abort_multipart(&self, key: &Path, id: &MultipartId) -> Result<()> {
        self.most.abort_multipart(key, id).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;
    use crate::bucket::connection::options::Sse;
    use crate::bucket::connection::test_service::{TestService, options};
    use crate::bucket::connection::{address::Address, connect};

    #[tokio::test]
    async fn only_requests_that_need_the_key_have_it() {
        let answer =
            "<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>";
        let service = TestService::with_headers("200 OK", "ETag: \"1\"\r\n", answer);
        let mut options = options(&service.url);
        let key = BASE64_STANDARD.encode([7; 32]);
        options.sse = Sse::CustomerKey(CustomerKey::from_base64(&key).unwrap());
        let client = connect(&Address::parse("s3://bucket").unwrap(), &options).unwrap();
        let shown = format!("{client:?} {client}");
        assert!(
            !shown.contains(&key) && !shown.contains("hunter"),
            "{shown}"
        );
        let (path, id) = (Path::from("a"), "id".to_owned());
        let part = client.put_part(&path, &id, 0, "text".into()).await.unwrap();
        client
            .complete_multipart(&path, &id, vec![part])
            .await
            .unwrap();
        client.put(&path, "text".into()).await.unwrap();
        client.delete(&path).await.unwrap();
        // Whether they are answered well is of no matter here.
        let _ = client.list_with_delimiter(None).await;
        let asked = service.asked();
        let has_key: Vec<bool> = asked.iter().map(|asked| asked.contains(&key)).collect();
        assert_eq!(has_key, [true, true, true, false, false]);
        let end = asked[1].to_ascii_lowercase();
        assert!(end.starts_with("post /bucket/a?uploadid=id "), "{end}");
        assert_eq!(end.matches("customer-key-md5: ").count(), 1, "{end}");
        let signed = end
            .split_once("signedheaders=")
            .unwrap()
            .1
            .split(',')
            .next()
            .unwrap();
        assert!(
            signed.contains("x-amz-server-side-encryption-customer-key;"),
            "{signed}"
        );
    }
}
