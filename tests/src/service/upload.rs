//! A client's view of uploads in parts.

use async_trait::async_trait;
use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, PutMultipartOptions, PutPayload, PutResult, Result};

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
