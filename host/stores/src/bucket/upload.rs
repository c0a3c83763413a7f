//! A file of a bucket under construction. A small one is one put, of which exactly one wins. A larger one
//! goes in pieces, several at the same time, which become the object at the end.

use std::sync::Arc;

use bytes::Bytes;
use object_store::MultipartId;
use object_store::multipart::PartId;
use object_store::path::Path;
use tokio::task::JoinHandle;

use super::failure::Failure;
use super::requests::{Answer, Requests};
use super::threads;
use crate::NewFile;
use crate::error::{Error, Result};

/// Bytes of a piece. Of those of one object every thousand are twice as large as those before, so that the
/// ten thousand that services take suffice for an object of any size.
const PIECE_BYTES: usize = 8 << 20;
const PIECES_OF_A_SIZE: usize = 1_000;
/// Pieces on their way at the same time.
const PIECES_AT_ONCE: usize = 4;

pub(super) struct BucketNewFile {
    requests: Arc<Requests>,
    key: Path,
    /// For messages.
    name: String,
    /// Bytes that no piece has yet.
    rest: Vec<u8>,
    size_bytes: u64,
    upload: Option<Upload>,
}

/// What of a large file is on its way.
struct Upload {
    id: MultipartId,
    arrived: Vec<PartId>,
    under_way: Vec<JoinHandle<Answer<PartId>>>,
}

impl BucketNewFile {
    pub(super) fn new(requests: Arc<Requests>, key: Path, name: String) -> Self {
        Self {
            requests,
            key,
            name,
            rest: Vec::new(),
            size_bytes: 0,
            upload: None,
        }
    }

    /// Bytes of the next piece.
    fn piece_bytes(&self) -> usize {
        let pieces = self.upload.as_ref().map_or(0, Upload::pieces);
        PIECE_BYTES << (pieces / PIECES_OF_A_SIZE).min(16)
    }

    /// Sends what has been collected as a piece.
    fn send(&mut self) -> Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.rest));
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => {
                let (requests, key) = (Arc::clone(&self.requests), self.key.clone());
                Upload::new(threads::wait(
                    async move { requests.begin_upload(&key).await },
                )?)
            }
        };
        let (requests, key, id) = (
            Arc::clone(&self.requests),
            self.key.clone(),
            upload.id.clone(),
        );
        let number = upload.pieces();
        let piece = async move { requests.put_piece(&key, &id, number, bytes).await };
        upload.under_way.push(threads::handle()?.spawn(piece));
        let sent = match upload.under_way.len() >= PIECES_AT_ONCE {
            true => threads::wait(async move {
                let arrived = upload.wait_for_first().await;
                Ok::<_, Failure>((upload, arrived))
            }),
            false => Ok((upload, Ok(()))),
        };
        let (upload, arrived) = sent?;
        self.upload = Some(upload);
        Ok(arrived?)
    }
}

impl Upload {
    fn new(id: MultipartId) -> Self {
        Self {
            id,
            arrived: Vec::new(),
            under_way: Vec::new(),
        }
    }

    fn pieces(&self) -> usize {
        self.arrived.len() + self.under_way.len()
    }

    /// Waits for the oldest piece that is under way.
    async fn wait_for_first(&mut self) -> Answer<()> {
        if self.under_way.is_empty() {
            return Ok(());
        }
        let piece = self.under_way.remove(0);
        let arrived = piece.await.map_err(|cause| {
            let text = format!("a piece of an upload was abandoned: {cause}");
            Failure::from(Error::new(crate::ErrorKind::Io, text))
        })??;
        self.arrived.push(arrived);
        Ok(())
    }

    /// Makes the object of the pieces, unless there is one of that name.
    async fn complete(mut self, requests: &Requests, key: &Path, size_bytes: u64) -> Answer<bool> {
        while !self.under_way.is_empty() {
            if let Err(failure) = self.wait_for_first().await {
                self.abort(requests, key).await;
                return Err(failure);
            }
        }
        // Services compare nothing when pieces become an object. Nobody else is given a name of such a file.
        if requests.listed(key).await?.is_some() {
            self.abort(requests, key).await;
            return Ok(false);
        }
        requests
            .end_upload(key, &self.id, self.arrived, size_bytes)
            .await?;
        Ok(true)
    }

    /// Gives the pieces up. Those that cannot be are the business of a rule of the bucket.
    async fn abort(self, requests: &Requests, key: &Path) {
        for piece in &self.under_way {
            piece.abort();
        }
        if let Err(failure) = requests.abort_upload(key, &self.id).await {
            let error = Error::from(failure);
            tracing::debug!(key = key.as_ref(), %error, "pieces of an upload stay");
        }
    }
}

impl NewFile for BucketNewFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let room = self.piece_bytes().saturating_sub(self.rest.len());
            let (fitting, behind) = bytes.split_at(room.min(bytes.len()));
            self.rest.extend_from_slice(fitting);
            self.size_bytes += fitting.len() as u64;
            bytes = behind;
            if self.rest.len() >= self.piece_bytes() {
                self.send().map_err(|error| error.at(&self.name))?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let (requests, key) = (Arc::clone(&self.requests), self.key.clone());
        if self.upload.is_some() && !self.rest.is_empty() {
            self.send().map_err(|error| error.at(&self.name))?;
        }
        let size_bytes = self.size_bytes;
        let rest = Bytes::from(std::mem::take(&mut self.rest));
        let upload = self.upload.take();
        let finished = threads::wait(async move {
            match upload {
                Some(upload) => upload.complete(&requests, &key, size_bytes).await,
                None => match requests.create(&key, &rest).await {
                    Ok(_) => Ok(true),
                    Err(failure) if failure.is_conflict() => Ok(false),
                    Err(failure) => Err(failure),
                },
            }
        });
        match finished {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::conflict(format!("{} exists", self.name))),
            Err(failure) => Err(Error::from(failure).at(&self.name)),
        }
    }
}

impl Drop for BucketNewFile {
    fn drop(&mut self) {
        let (Some(upload), Ok(handle)) = (self.upload.take(), threads::handle()) else {
            return;
        };
        let (requests, key) = (Arc::clone(&self.requests), self.key.clone());
        handle.spawn(async move { upload.abort(&requests, &key).await });
    }
}
