//! Uploads whose parts have no numbers before they are handed in.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use parking_lot::Mutex;

use super::failure::generic;

/// An upload that numbers its parts itself.
pub(super) struct PartUpload {
    client: Arc<dyn MultipartStore>,
    path: Path,
    upload: MultipartId,
    /// Parts that were handed in.
    handed_in: usize,
    /// Parts that have arrived, with their numbers.
    arrived: Arc<Mutex<Vec<(usize, PartId)>>>,
}

impl PartUpload {
    pub(super) fn new(client: Arc<dyn MultipartStore>, path: Path, upload: MultipartId) -> Self {
        Self {
            client,
            path,
            upload,
            handed_in: 0,
            arrived: Arc::default(),
        }
    }
}

impl fmt::Debug for PartUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartUpload")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl MultipartUpload for PartUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let number = self.handed_in;
        self.handed_in += 1;
        let (client, path, upload) = (
            Arc::clone(&self.client),
            self.path.clone(),
            self.upload.clone(),
        );
        let arrived = Arc::clone(&self.arrived);
        Box::pin(async move {
            let part = client.put_part(&path, &upload, number, data).await?;
            arrived.lock().push((number, part));
            Ok(())
        })
    }

    /// Fails if not all parts have arrived, and also the second time: as in the S3 client of
    /// `object_store`, the parts are known once only.
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
