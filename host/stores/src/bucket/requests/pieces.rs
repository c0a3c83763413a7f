//! Objects that arrive in pieces, which become one at the end.

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{MultipartId, PutPayload};

use super::{Answer, Requests};
use crate::bucket::counts::Request;

impl Requests {
    pub(in crate::bucket) async fn begin_upload(&self, key: &Path) -> Answer<MultipartId> {
        self.retried(Request::Upload, key, || self.service.create_multipart(key))
            .await
    }

    pub(in crate::bucket) async fn put_piece(
        &self,
        key: &Path,
        id: &MultipartId,
        number: usize,
        bytes: Bytes,
    ) -> Answer<PartId> {
        let count = bytes.len();
        let asked = self.retried(Request::Piece, key, || {
            let payload = PutPayload::from_bytes(bytes.clone());
            self.service.put_part(key, id, number, payload)
        });
        let part = asked.await?;
        self.counts.sent(count);
        Ok(part)
    }

    /// Ends an upload: its pieces become the object. Where the answer was lost, an object of that size under
    /// that name is it: nobody else has the name.
    pub(in crate::bucket) async fn end_upload(
        &self,
        key: &Path,
        id: &MultipartId,
        pieces: Vec<PartId>,
        size_bytes: u64,
    ) -> Answer<()> {
        let asked = self.retried(Request::EndUpload, key, || {
            self.service.complete_multipart(key, id, pieces.clone())
        });
        match asked.await {
            Ok(_) => Ok(()),
            Err(failure) => match self.size(key).await {
                Ok(found) if found == size_bytes => Ok(()),
                _ => Err(failure.in_doubt()),
            },
        }
    }

    pub(in crate::bucket) async fn abort_upload(&self, key: &Path, id: &MultipartId) -> Answer<()> {
        self.retried(Request::Delete, key, || {
            self.service.abort_multipart(key, id)
        })
        .await
    }
}
