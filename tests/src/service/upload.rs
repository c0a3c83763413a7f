//! A client's view of uploads in parts.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    MultipartId, MultipartUpload, PutMultipartOptions, PutPayload, PutResult, Result, UploadPart,
};
use parking_lot::Mutex;

use super::client::{Client, put_result};
use super::effect::Effect;
use super::failure::generic;

impl Client {
    pub(super) async fn begin_upload(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<MultipartId> {
        let effect = Effect::Begin {
            key: path.as_ref().to_owned(),
            attributes: options.attributes,
        };
        let begun = self.write(effect).await?;
        begun.upload.ok_or_else(|| generic("an upload has no name"))
    }
}

#[async_trait]
impl MultipartStore for Client {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.begin_upload(path, PutMultipartOptions::default())
            .await
    }

    async fn create_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<MultipartId> {
        self.begin_upload(path, opts).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part_idx: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        let effect = Effect::Part {
            key: path.as_ref().to_owned(),
            upload: id.clone(),
            number: part_idx + 1,
            bytes: Bytes::from(data),
        };
        let content_id = self.write(effect).await?.tag.unwrap_or_default();
        Ok(PartId { content_id })
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        // An upload without parts cannot end, so the client of S3 gives it an empty one.
        let parts = match parts.is_empty() {
            true => vec![self.put_part(path, id, 0, PutPayload::default()).await?],
            false => parts,
        };
        let effect = Effect::Complete {
            key: path.as_ref().to_owned(),
            upload: id.clone(),
            tags: parts.into_iter().map(|part| part.content_id).collect(),
        };
        Ok(put_result(self.write(effect).await?))
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let effect = Effect::Abort {
            key: path.as_ref().to_owned(),
            upload: id.clone(),
        };
        self.write(effect).await.map(drop)
    }
}

/// An upload that numbers its parts itself.
#[derive(Debug)]
pub(super) struct PartUpload {
    client: Client,
    path: Path,
    upload: MultipartId,
    /// Parts that were handed in.
    handed_in: usize,
    /// Parts that have arrived, with their numbers.
    arrived: Arc<Mutex<Vec<(usize, PartId)>>>,
}

impl PartUpload {
    pub(super) fn new(client: Client, path: Path, upload: MultipartId) -> Self {
        Self {
            client,
            path,
            upload,
            handed_in: 0,
            arrived: Arc::default(),
        }
    }
}

#[async_trait]
impl MultipartUpload for PartUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let number = self.handed_in;
        self.handed_in += 1;
        let (client, path, upload) = (self.client.clone(), self.path.clone(), self.upload.clone());
        let arrived = Arc::clone(&self.arrived);
        Box::pin(async move {
            let part = client.put_part(&path, &upload, number, data).await?;
            arrived.lock().push((number, part));
            Ok(())
        })
    }

    /// Fails if not all parts have arrived, and also the second time: as in the S3 client of `object_store`, the
    /// parts are known once only.
    async fn complete(&mut self) -> Result<PutResult> {
        let parts = {
            let mut arrived = self.arrived.lock();
            if arrived.len() != self.handed_in {
                return Err(generic("Missing part"));
            }
            arrived.sort_unstable_by_key(|(number, _)| *number);
            arrived.drain(..).map(|(_, part)| part).collect()
        };
        self.client
            .complete_multipart(&self.path, &self.upload, parts)
            .await
    }

    async fn abort(&mut self) -> Result<()> {
        self.client.abort_multipart(&self.path, &self.upload).await
    }
}
