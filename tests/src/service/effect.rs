//! What a request changes, apart from whether and when it does.

use std::hash::{DefaultHasher, Hasher};

use bytes::Bytes;
use object_store::Attributes;

use super::request::Kind;

/// A change that a request asks for. It is kept as it is when it lands late, with its condition.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Put {
        key: String,
        bytes: Bytes,
        attributes: Attributes,
        condition: Condition,
    },
    Delete {
        keys: Vec<String>,
    },
    Copy {
        from: String,
        to: String,
        is_create: bool,
    },
    Begin {
        key: String,
        attributes: Attributes,
    },
    Part {
        key: String,
        upload: String,
        /// From one on.
        number: usize,
        bytes: Bytes,
    },
    Complete {
        key: String,
        upload: String,
        /// The tags of the parts, in the order of their numbers, with quotes.
        tags: Vec<String>,
    },
    Abort {
        key: String,
        upload: String,
    },
}

impl Effect {
    /// What kind of request asks for this.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Put { condition, .. } => match condition {
                Condition::Any => Kind::Put,
                Condition::Absent => Kind::Create,
                Condition::Matches(_) => Kind::Swap,
            },
            Self::Delete { .. } => Kind::Delete,
            Self::Copy { .. } => Kind::Copy,
            Self::Begin { .. } => Kind::Begin,
            Self::Part { .. } => Kind::Part,
            Self::Complete { .. } => Kind::Complete,
            Self::Abort { .. } => Kind::Abort,
        }
    }

    /// The key that the request is about.
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Put { key, .. }
            | Self::Copy { to: key, .. }
            | Self::Begin { key, .. }
            | Self::Part { key, .. }
            | Self::Complete { key, .. }
            | Self::Abort { key, .. } => key,
            Self::Delete { keys } => keys.first().map_or("", String::as_str),
        }
    }

    /// Bytes of content that the request brings.
    pub(super) fn byte_count(&self) -> usize {
        match self {
            Self::Put { bytes, .. } | Self::Part { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

/// What a put must find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Any,
    /// No object, as `If-None-Match: *` says.
    Absent,
    /// An object of this tag, as `If-Match` says.
    Matches(String),
}

/// What came of a change.
#[derive(Clone, Debug, Default)]
pub(super) struct Applied {
    /// The tag of the object or part that was made, with quotes.
    pub(super) tag: Option<String>,
    /// The name of the upload that was begun.
    pub(super) upload: Option<String>,
}

impl Applied {
    /// Something with this tag, given without quotes, was made.
    pub(super) fn tagged(tag: &str) -> Self {
        Self {
            tag: Some(quoted(tag)),
            upload: None,
        }
    }
}

/// Why the service did not do what it was asked, and never will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 412 of a put that must not find an object.
    Exists,
    /// 412 of a put or get that must find another tag.
    Mismatch,
    /// 304 of a get.
    NotModified,
    /// 404 for the key.
    NoKey,
    /// 404 for the upload.
    NoUpload,
    /// 400 for the end of an upload with a part that the service does not have so.
    InvalidPart,
    /// 400 for the end of an upload with a part that is too small.
    TooSmall,
    /// 416.
    Range,
}

/// The tag of content, without quotes: the same for the same bytes, as S3 has it.
pub(super) fn tag_of(bytes: &[u8]) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(bytes);
        hasher.finish()
    };
    format!("{:016x}{:016x}", half(0), half(1))
}

/// The tag of an object made of parts, without quotes. It tells how many there were, and is not that of the
/// same bytes put at once.
pub(super) fn tag_of_parts<'a>(tags: impl Iterator<Item = &'a str>) -> String {
    let tags: Vec<&str> = tags.collect();
    format!("{}-{}", tag_of(tags.concat().as_bytes()), tags.len())
}

/// A tag as it stands in headers.
pub(super) fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}
