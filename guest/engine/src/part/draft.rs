//! A part while it is made, in either form: its sections, the manifest behind them, and durability.

use super::footer;
use super::layout::{FILE_HEADER_BYTES, FileKind, MANIFEST, PARTS};
use super::manifest::{FileEntry, Manifest};
use super::name::PartName;
use crate::error::{Error, Result};
use crate::host::{Codec, Form, Host, Medium};

/// A part under construction in the store. Dropping it leaves at most files that no snapshot names.
pub(super) struct Draft<'h, H: Host> {
    host: &'h H,
    path: String,
    /// The file that all sections go to, where the part is one.
    file: Option<H::NewFile>,
    sections: Vec<FileEntry>,
}

impl<'h, H: Host> Draft<'h, H> {
    pub(super) fn new(host: &'h H, name: PartName) -> Result<Self> {
        let path = name.path(Medium::Durable);
        let file = match name.form {
            Form::Folder => None,
            Form::File => Some(host.create_file(&path, Medium::Durable)?),
        };
        Ok(Self {
            host,
            path,
            file,
            sections: Vec::new(),
        })
    }

    /// Starts a section with its header. `name` is that of the file in a folder.
    pub(super) fn section(&self, name: &str, kind: FileKind) -> Result<H::NewFile> {
        let section = match &self.file {
            None => {
                let path = format!("{}/{name}", self.path);
                self.host.create_file(&path, Medium::Durable)?
            }
            Some(file) => self.host.create_section(file)?,
        };
        let header = kind.header();
        self.host
            .append(&section, &header, &[FILE_HEADER_BYTES], Codec::None)?;
        Ok(section)
    }

    /// Completes a section. In one file small ones that are completed last lie beside each other at its end.
    pub(super) fn finish_section(&mut self, name: String, section: H::NewFile) -> Result<()> {
        let summary = self.host.finish(section)?;
        self.sections.push(FileEntry {
            name,
            size_bytes: summary.size_bytes,
            crc32c: format!("{:08x}", summary.checksum),
            chunks: summary.chunks.iter().map(Into::into).collect(),
        });
        Ok(())
    }

    /// Gives up a section that nothing refers to. Of one file it may be a part already, and then stays one.
    pub(super) fn leave_out(&mut self, name: String, section: H::NewFile) -> Result<()> {
        match self.file {
            None => Ok(()),
            Some(_) => self.finish_section(name, section),
        }
    }

    /// Writes the manifest, which `describe` makes of the list of sections. On return the part is whole and
    /// survives a power loss.
    pub(super) fn finish(
        self,
        describe: impl FnOnce(Vec<FileEntry>) -> Manifest,
    ) -> Result<Manifest> {
        let host = self.host;
        let manifest = describe(self.sections);
        let bytes = manifest.sealed()?;
        match self.file {
            None => {
                let length = u32::try_from(bytes.len()).map_err(|_| {
                    Error::invalid("a manifest of more than 4 GiB; merge fewer tags")
                })?;
                let path = format!("{}/{MANIFEST}", self.path);
                let file = host.create_file(&path, Medium::Durable)?;
                host.append(&file, &bytes, &[length], Codec::None)?;
                host.finish(file)?;
                host.sync_files(&self.path)?;
            }
            Some(file) => {
                footer::append(host, &file, footer::Kind::Part, bytes)?;
                host.finish(file)?;
                host.sync_files(PARTS)?;
            }
        }
        Ok(manifest)
    }
}
