//! How many requests were made, and of what kind.

use std::sync::atomic::{AtomicU64, Ordering};

use super::failure;

/// The kinds of requests, as services price them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Get,
    Head,
    List,
    Create,
    Swap,
    Delete,
    Copy,
    Upload,
    Piece,
    EndUpload,
}

impl Request {
    /// For messages: `cannot <verb> <key>`.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Get => "read",
            Self::Head => "look at",
            Self::List => "list",
            Self::Create => "write",
            Self::Swap => "replace",
            Self::Delete => "remove",
            Self::Copy => "copy",
            Self::Upload | Self::Piece | Self::EndUpload => "upload",
        }
    }
}

/// Requests since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Objects read, whole or in part, and looked at.
    pub reads: u64,
    /// Listings. One of more than a thousand names is several for the service, and one here.
    pub lists: u64,
    /// Objects written, copied, or uploaded in pieces, each piece being one.
    pub writes: u64,
    /// Objects removed.
    pub deletes: u64,
    /// Requests that were made again, which count above too.
    pub retries: u64,
    /// Answers that asked for fewer requests.
    pub throttles: u64,
    /// Bytes of objects that came.
    pub received_bytes: u64,
    /// Bytes of objects that went.
    pub sent_bytes: u64,
}

#[derive(Default)]
pub(super) struct Counts {
    reads: AtomicU64,
    lists: AtomicU64,
    writes: AtomicU64,
    deletes: AtomicU64,
    retries: AtomicU64,
    throttles: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

impl Counts {
    pub(super) fn made(&self, request: Request) {
        let count = match request {
            Request::Get | Request::Head => &self.reads,
            Request::List => &self.lists,
            Request::Delete => &self.deletes,
            Request::Create
            | Request::Swap
            | Request::Copy
            | Request::Upload
            | Request::Piece
            | Request::EndUpload => &self.writes,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, cause: &object_store::Error) {
        if matches!(failure::status(cause), Some(429 | 503)) {
            self.throttles.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> RequestCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RequestCounts {
            reads: read(&self.reads),
            lists: read(&self.lists),
            writes: read(&self.writes),
            deletes: read(&self.deletes),
            retries: read(&self.retries),
            throttles: read(&self.throttles),
            received_bytes: read(&self.received_bytes),
            sent_bytes: read(&self.sent_bytes),
        }
    }
}
