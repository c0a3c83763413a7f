//! What is copied: an index at one moment.

use std::sync::Arc;

use sidx_engine::{Contents, Mode};

use crate::error::Result;
use crate::open::Open;
use crate::session::Pin;

/// An index at one moment, and what keeps its files.
pub(super) struct Source {
    pub(super) contents: Contents,
    _pin: Pin,
    reader: Option<Arc<Open>>,
}

impl Source {
    /// What makes up the index now. A reader is opened anew, as the log may have moved on since.
    pub(super) fn of(index: &Open) -> Result<Self> {
        if !index.is_read_only() {
            // Held before the question: the files of the answer stay from here on.
            let pin = index.shared().views.pin();
            let contents = index.writer().consult(|introducer| introducer.contents())?;
            return Ok(Self {
                contents,
                _pin: pin,
                reader: None,
            });
        }
        let storage = Arc::clone(&index.shared().storage);
        let mut settings = index.settings().clone();
        settings.mode = Mode::Read;
        settings.scrub_bytes_per_second = None;
        let reader = Open::new(index.name(), storage, settings)?;
        let pin = reader.shared().views.pin();
        let contents = reader
            .writer()
            .consult(|introducer| introducer.contents())?;
        Ok(Self {
            contents,
            _pin: pin,
            reader: Some(reader),
        })
    }

    /// Fails with `conflict` when another writer has taken the index over since.
    pub(super) fn check(&self, index: &Open) -> Result<()> {
        let writer = self.reader.as_deref().unwrap_or(index).writer();
        writer.consult(|introducer| introducer.contents()).map(drop)
    }
}
