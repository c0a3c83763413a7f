//! Renaming in a bucket, where nothing has two names: objects are copied, and then removed.

use std::sync::Arc;

use object_store::path::Path;

use super::file::BucketFile;
use super::requests::{Answer, Listed, Requests};
use super::threads::wait;
use super::upload::BucketNewFile;
use crate::error::{Error, ErrorKind, Result};
use crate::{NewFile, ReadFile};

/// What is read at once of an object that no service copies whole.
const READ_BYTES: u64 = 8 << 20;

/// An object, and all that lies below it, that gets another name; each with a name for messages.
pub(super) struct Rename<'a> {
    pub(super) requests: &'a Arc<Requests>,
    pub(super) source: (Path, String),
    pub(super) target: (Path, String),
}

impl Rename<'_> {
    /// `not-found` when there is nothing, `conflict` when the name is taken. What fails half way is whole
    /// under its old name.
    pub(super) fn run(&self) -> Result<()> {
        let found = self.look(&self.source)?;
        if found.is_empty() {
            let text = format!("there is no {} to move", self.source.1);
            return Err(Error::not_found(text));
        }
        if !self.look(&self.target)?.is_empty() {
            return Err(Error::conflict(format!("{} exists", self.target.1)));
        }
        for object in &found {
            self.copy(object)?;
        }
        let requests = Arc::clone(self.requests);
        let removed = wait(async move {
            requests
                .delete_all(found.into_iter().map(|object| object.key))
                .await
        });
        self.told(removed)
    }

    fn told<T>(&self, answer: Answer<T>) -> Result<T> {
        answer.map_err(|failure| Error::from(failure).at(&self.source.1))
    }

    fn look(&self, (key, name): &(Path, String)) -> Result<Vec<Listed>> {
        let (requests, key) = (Arc::clone(self.requests), key.clone());
        let found = wait(async move { objects_at(&requests, &key).await });
        found.map_err(|failure| Error::from(failure).at(name))
    }

    fn copy(&self, object: &Listed) -> Result<()> {
        let rest = { object.key.as_ref() }.strip_prefix(self.source.0.as_ref());
        let text = format!("{}{}", self.target.0, rest.unwrap_or_default());
        let to = Path::parse(&text)
            .map_err(|cause| Error::new(ErrorKind::Other, format!("{text}: {cause}")))?;
        if !self.requests.copies_whole(object.size_bytes) {
            return self.copy_in_pieces(object, to);
        }
        let (requests, from) = (Arc::clone(self.requests), object.key.clone());
        let copied = wait(async move { requests.copy(&from, &to).await });
        self.told(copied)
    }

    /// Reads an object and writes it again.
    fn copy_in_pieces(&self, object: &Listed, to: Path) -> Result<()> {
        let requests = || Arc::clone(self.requests);
        let (key, name) = (object.key.clone(), self.source.1.clone());
        let opened = wait(BucketFile::open(requests(), key, name));
        let from = self.told(opened)?;
        let mut file = Box::new(BucketNewFile::new(requests(), to, self.target.1.clone()));
        let mut offset = 0;
        while offset < from.size() {
            let count = READ_BYTES.min(from.size() - offset);
            let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
            from.read_at(offset, &mut bytes)?;
            file.append(&bytes)?;
            offset += count;
        }
        file.finish()
    }
}

/// The object of a key, if there is one, and all below it.
async fn objects_at(requests: &Requests, key: &Path) -> Answer<Vec<Listed>> {
    let (own, below) = tokio::join!(requests.listed(key), requests.list_all(key));
    let mut objects = below?;
    objects.extend(own?);
    Ok(objects)
}
