//! Files of a bucket open for reading. One request tells the size and brings the end of a file, where the
//! small things are that one begins with; a small file is whole with it.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;

use super::requests::{Answer, Requests};
use super::threads;
use crate::error::{Error, Result};
use crate::{ReadFile, too_short};

/// Bytes of the end that come with the opening.
const END_BYTES: u64 = 64 * 1024;

/// The same of one that is read whole: more of it is read as it is asked for.
const WHOLE_BYTES: u64 = 16 << 20;

pub(super) struct BucketFile {
    requests: Arc<Requests>,
    key: Path,
    /// For messages.
    name: String,
    size: u64,
    /// The last bytes.
    end: Bytes,
}

impl BucketFile {
    pub(super) async fn open(requests: Arc<Requests>, key: Path, name: String) -> Answer<Self> {
        Self::open_with(requests, key, name, END_BYTES).await
    }

    /// One that is about to be read whole.
    pub(super) async fn open_whole(
        requests: Arc<Requests>,
        key: Path,
        name: String,
    ) -> Answer<Self> {
        Self::open_with(requests, key, name, WHOLE_BYTES).await
    }

    async fn open_with(
        requests: Arc<Requests>,
        key: Path,
        name: String,
        end_bytes: u64,
    ) -> Answer<Self> {
        let (size, end) = requests.read_end(&key, end_bytes).await?;
        Ok(Self {
            requests,
            key,
            name,
            size,
            end,
        })
    }

    /// Bytes of the end that is here; none where they are not among it.
    fn at_hand(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let start = self.size.checked_sub(self.end.len() as u64)?;
        let from = usize::try_from(offset.checked_sub(start)?).ok()?;
        self.end.get(from..from.checked_add(length)?)
    }
}

impl ReadFile for BucketFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let length = buffer.len();
        let end = offset.checked_add(length as u64);
        let Some(end) = end.filter(|&end| end <= self.size) else {
            return Err(too_short(&self.name, offset, length, self.size));
        };
        if length == 0 {
            return Ok(());
        }
        if let Some(bytes) = self.at_hand(offset, length) {
            buffer.copy_from_slice(bytes);
            return Ok(());
        }
        let (requests, key) = (Arc::clone(&self.requests), self.key.clone());
        let read = async move { requests.read(&key, offset..end).await };
        let bytes = threads::wait(read).map_err(|failure| self.told(failure))?;
        // As many as were asked for, which was compared.
        buffer.copy_from_slice(&bytes);
        Ok(())
    }
}

impl BucketFile {
    fn told(&self, failure: super::failure::Failure) -> Error {
        match failure.is_absent() {
            true => Error::not_found(format!(
                "{} was removed since it was opened; whoever reads an index that others write opens it again",
                self.name
            )),
            false => failure.into(),
        }
    }
}
