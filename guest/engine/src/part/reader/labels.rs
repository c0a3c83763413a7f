//! The labels of the series of a part, read when they are first asked for.

use super::super::labels::{self, Labels};
use super::super::layout::{FileKind, LABELS};
use super::Part;
use crate::error::{Error, OrDamage, Result};
use crate::host::{Host, Medium};

impl<H: Host> Part<H> {
    /// The labels, for who has them already.
    pub(in crate::part) fn know_labels(&self, labels: &Labels) {
        let _ = self.labels.set(labels.clone());
    }

    /// The file that holds the pages of labels.
    fn open_labels(&self) -> Result<u32> {
        match self.medium {
            Medium::Memory => self.host.open_file(&self.path),
            Medium::Durable => self.open_section(LABELS, FileKind::Labels),
        }
    }

    /// The labels of the part's series.
    pub(crate) fn labels(&self) -> Result<&Labels> {
        if let Some(labels) = self.labels.get() {
            return Ok(labels);
        }
        let mut labels = Labels::new();
        if !self.label_pages.is_empty() {
            let file = self.open_labels()?;
            for extent in &self.label_pages {
                let read = self
                    .page_bytes(file, *extent)
                    .and_then(|bytes| labels::decode(&bytes, &mut labels));
                if let Err(error) = read {
                    self.host.close_file(file);
                    return Err(error.at(&self.path));
                }
            }
            self.host.close_file(file);
        }
        Ok(self.labels.get_or_init(|| labels))
    }

    /// The labels that can be read, and what cannot.
    pub(crate) fn readable_labels(&self) -> Result<(Labels, Vec<Error>)> {
        let (mut labels, mut damage) = (Labels::new(), Vec::new());
        if self.label_pages.is_empty() {
            return Ok((labels, damage));
        }
        let file = match self.open_labels().or_damage()? {
            Ok(file) => file,
            Err(error) => {
                damage.push(error);
                return Ok((labels, damage));
            }
        };
        for extent in &self.label_pages {
            let mut these = Labels::new();
            let read = self
                .page_bytes(file, *extent)
                .and_then(|bytes| labels::decode(&bytes, &mut these));
            match read {
                Ok(()) => labels.extend(these),
                Err(error) if error.kind().is_damage() => damage.push(error.at(&self.path)),
                Err(error) => {
                    self.host.close_file(file);
                    return Err(error);
                }
            }
        }
        self.host.close_file(file);
        Ok((labels, damage))
    }
}
