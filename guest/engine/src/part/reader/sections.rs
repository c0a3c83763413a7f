//! Where the sections of a part lie: as files of a folder, or in one file.

use super::Part;
use crate::error::{Error, OrDamage, Result};
use crate::host::{Form, Host};
use crate::part::layout::{FileKind, check_header, gone};
use crate::part::manifest::{FileEntry, Manifest};
use crate::types::DamagedFile;

impl<H: Host> Part<H> {
    /// The folder or file that it is.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What one of its files or sections is called.
    pub(crate) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Paths of all its files; that of the manifest last.
    pub(crate) fn paths(&self) -> Vec<String> {
        let (Some(manifest), Form::Folder) = (&self.manifest, self.name.form) else {
            return vec![self.path.clone()];
        };
        let files = manifest.files.iter();
        let paths = files.map(|file| self.path_of(&file.name));
        paths.chain([Manifest::path(self.name)]).collect()
    }

    /// The files that are not there, or have another size than the manifest says. Reads no content. Of a
    /// part in one file this was seen when the manifest was read.
    pub(crate) fn damaged_files(&self) -> Result<Vec<DamagedFile>> {
        let mut damaged = Vec::new();
        if self.name.form == Form::File {
            return Ok(damaged);
        }
        for file in &self.manifest()?.files {
            if let Err(error) = self.check_size(file).or_damage()? {
                damaged.push(DamagedFile {
                    path: self.path_of(&file.name),
                    reason: error.to_string(),
                    left_out: false,
                });
            }
        }
        Ok(damaged)
    }

    /// Checks that a file or section of the part is there and has the size that the manifest says.
    pub(crate) fn check_size(&self, file: &FileEntry) -> Result<()> {
        let handle = self.open_unchecked(file)?;
        let size = self.host.file_size(handle);
        self.host.close_file(handle);
        let size = size?;
        match size == file.size_bytes {
            true => Ok(()),
            false => Err(Error::corrupt(format!(
                "{}: {size} bytes, the manifest says {}",
                self.path_of(&file.name),
                file.size_bytes
            ))),
        }
    }

    /// Opens a file or section, whatever is in it.
    pub(crate) fn open_unchecked(&self, file: &FileEntry) -> Result<u32> {
        match self.name.form {
            Form::Folder => self.host.open_file(&self.path_of(&file.name)).map_err(gone),
            Form::File => {
                let whole = self.host.open_file(&self.path).map_err(gone)?;
                let section = self.host.open_section(whole, &file.name, &file.chunks());
                self.host.close_file(whole);
                section
            }
        }
    }

    /// Opens a file or section and checks its header.
    pub(super) fn open_section(&self, name: &str, kind: FileKind) -> Result<u32> {
        let path = self.path_of(name);
        let file = self.manifest()?.file(name);
        let no_file = || Error::corrupt(format!("{path} is not named by the manifest"));
        let handle = self.open_unchecked(file.ok_or_else(no_file)?)?;
        match check_header(&*self.host, handle, &path, kind) {
            Ok(()) => Ok(handle),
            Err(error) => {
                self.host.close_file(handle);
                Err(error)
            }
        }
    }
}
