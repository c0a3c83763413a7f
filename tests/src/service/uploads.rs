//! Uploads in parts: what the service keeps until they end.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use object_store::Attributes;

use super::effect::{Applied, Refusal, quoted, tag_of, tag_of_parts};

/// An upload that has not ended, for tests to find what clients leave behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// Its name.
    pub upload: String,
    /// The key of the object it is to become.
    pub key: String,
    /// How many parts have arrived.
    pub parts: usize,
    /// How many bytes they have.
    pub bytes: usize,
}

/// All uploads of the service.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    begun: u64,
    unfinished: BTreeMap<String, Upload>,
    /// The key and the tag of the object that each ended upload became.
    completed: BTreeMap<String, (String, String)>,
}

#[derive(Debug)]
struct Upload {
    key: String,
    attributes: Attributes,
    parts: BTreeMap<usize, Part>,
}

#[derive(Debug)]
struct Part {
    bytes: Bytes,
    /// Without quotes.
    tag: String,
}

/// What the parts of an upload make together.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    /// Without quotes.
    pub(super) tag: String,
    pub(super) attributes: Attributes,
}

impl Uploads {
    /// Begins an upload and names it.
    pub(super) fn begin(&mut self, key: &str, attributes: Attributes) -> String {
        self.begun += 1;
        let name = format!("upload-{:08}", self.begun);
        let upload = Upload {
            key: key.to_owned(),
            attributes,
            parts: BTreeMap::new(),
        };
        self.unfinished.insert(name.clone(), upload);
        name
    }

    /// Takes a part. One of the same number is replaced.
    pub(super) fn part(
        &mut self,
        key: &str,
        name: &str,
        number: usize,
        bytes: &Bytes,
    ) -> Result<Applied, Refusal> {
        let upload = self
            .unfinished
            .get_mut(name)
            .filter(|upload| upload.key == key);
        let upload = upload.ok_or(Refusal::NoUpload)?;
        let tag = tag_of(bytes);
        let applied = Applied::tagged(&tag);
        let bytes = bytes.clone();
        upload.parts.insert(number, Part { bytes, tag });
        Ok(applied)
    }

    /// Ends an upload with the parts that are named, which are taken in order from the first on. Parts that
    /// are not named are dropped. If it is refused the upload stays.
    pub(super) fn complete(
        &mut self,
        key: &str,
        name: &str,
        tags: &[String],
        smallest_part: usize,
    ) -> Result<Whole, Refusal> {
        let upload = self.unfinished.get(name).filter(|upload| upload.key == key);
        let upload = upload.ok_or(Refusal::NoUpload)?;
        let parts = upload.named(tags)?;
        let behind_last = parts.len().saturating_sub(1);
        let mut but_last = parts.iter().take(behind_last);
        if but_last.any(|part| part.bytes.len() < smallest_part) {
            return Err(Refusal::TooSmall);
        }
        let mut bytes = BytesMut::new();
        for part in &parts {
            bytes.extend_from_slice(&part.bytes);
        }
        let tag = tag_of_parts(parts.iter().map(|part| part.tag.as_str()));
        let whole = Whole {
            bytes: bytes.freeze(),
            tag: tag.clone(),
            attributes: upload.attributes.clone(),
        };
        self.unfinished.remove(name);
        self.completed
            .insert(name.to_owned(), (key.to_owned(), tag));
        Ok(whole)
    }

    /// The tag of the object that an upload became before.
    pub(super) fn completed(&self, key: &str, name: &str) -> Option<&str> {
        let (of, tag) = self.completed.get(name)?;
        (of == key).then_some(tag)
    }

    /// Drops an upload with its parts.
    pub(super) fn abort(&mut self, key: &str, name: &str) -> Result<Applied, Refusal> {
        let upload = self.unfinished.get(name).filter(|upload| upload.key == key);
        upload.ok_or(Refusal::NoUpload)?;
        self.unfinished.remove(name);
        Ok(Applied::default())
    }

    /// All that have not ended, in the order in which they were begun.
    pub(super) fn unfinished(&self) -> Vec<UnfinishedUpload> {
        let told = self
            .unfinished
            .iter()
            .map(|(name, upload)| UnfinishedUpload {
                upload: name.clone(),
                key: upload.key.clone(),
                parts: upload.parts.len(),
                bytes: upload.parts.values().map(|part| part.bytes.len()).sum(),
            });
        told.collect()
    }
}

impl Upload {
    fn named(&self, tags: &[String]) -> Result<Vec<&Part>, Refusal> {
        if tags.is_empty() {
            return Err(Refusal::InvalidPart);
        }
        let parts = tags.iter().enumerate().map(|(index, tag)| {
            let part = self.parts.get(&(index + 1));
            let part = part.filter(|part| quoted(&part.tag) == *tag);
            part.ok_or(Refusal::InvalidPart)
        });
        parts.collect()
    }
}
