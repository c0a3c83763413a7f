//! `sidx:engine/files`.

use sidx_engine::Host;
use sidx_engine::host::{Form, Medium};
use sidx_session::NewFile;

use crate::bindings::exports::sidx::engine::files as wit;
use crate::bindings::exports::sidx::engine::types::Error;
use crate::store::Store;
use crate::{Component, convert, served};

type Draft = NewFile<Store>;

impl wit::GuestNewFile for Draft {
    fn create(path: String, medium: wit::Medium) -> Result<wit::NewFile, Error> {
        let medium = convert::medium(medium);
        let file = served::call(|served| served.session.create_file(&path, medium))?;
        Ok(wit::NewFile::new(file))
    }

    fn section(&self) -> Result<wit::NewFile, Error> {
        let section = served::call(|served| served.session.create_section(self))?;
        Ok(wit::NewFile::new(section))
    }

    fn append(
        &self,
        pages: Vec<u8>,
        lengths: Vec<u32>,
        codec: u32,
    ) -> Result<Vec<wit::Extent>, Error> {
        let extents = served::call(|served| {
            let codec = convert::codec(codec)?;
            served.session.append(self, &pages, &lengths, codec)
        })?;
        Ok(extents.into_iter().map(convert::extent).collect())
    }

    fn finish(file: wit::NewFile) -> Result<wit::Summary, Error> {
        let summary = served::call(|served| served.session.finish(file.into_inner::<Draft>()))?;
        Ok(convert::summary(summary))
    }
}

impl wit::Guest for Component {
    type NewFile = Draft;

    fn open(path: String) -> Result<u32, Error> {
        served::call(|served| served.session.open_file(&path))
    }

    fn open_section(file: u32, name: String, chunks: Vec<wit::Chunk>) -> Result<u32, Error> {
        let chunks: Vec<_> = chunks.iter().map(convert::from_chunk).collect();
        served::call(|served| served.session.open_section(file, &name, &chunks))
    }

    fn close(file: u32) {
        if let Some(served) = served::now() {
            served.session.close_file(file);
        }
    }

    fn size(file: u32) -> Result<u64, Error> {
        served::call(|served| served.session.file_size(file))
    }

    fn read(file: u32, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        served::call(|served| served.session.read_file(file, offset, length))
    }

    fn read_tail(file: u32, length: u32) -> Result<wit::Tail, Error> {
        let tail = served::call(|served| served.session.read_tail(file, length))?;
        Ok(wit::Tail {
            size_bytes: tail.size_bytes,
            bytes: tail.bytes,
        })
    }

    fn checksum(file: u32) -> Result<u32, Error> {
        served::call(|served| served.session.file_checksum(file))
    }

    fn pages(file: u32, extents: Vec<wit::Extent>) -> Result<u32, Error> {
        let extents: Vec<_> = extents.iter().map(convert::from_extent).collect();
        served::call(|served| served.session.register_pages(file, &extents))
    }

    fn coded_pages(file: u32, extents: Vec<wit::Extent>, dictionary: u32) -> Result<u32, Error> {
        let extents: Vec<_> = extents.iter().map(convert::from_extent).collect();
        served::call(|served| {
            let session = &served.session;
            session.register_coded_pages(file, &extents, dictionary)
        })
    }

    fn prefetch(pages: Vec<u32>) -> Result<(), Error> {
        served::call(|served| served.session.prefetch(&pages))
    }

    fn load(page: u32) -> Result<Vec<u8>, Error> {
        served::call(|served| served.session.load_page(page))
    }

    fn part_form() -> wit::Form {
        match served::now().map(|served| served.session.part_form()) {
            Some(Form::File) => wit::Form::File,
            Some(Form::Folder) | None => wit::Form::Folder,
        }
    }

    fn moves_copy() -> bool {
        served::now().is_some_and(|served| served.session.moves_copy())
    }

    fn list(path: String, medium: wit::Medium) -> Result<Vec<String>, Error> {
        let medium: Medium = convert::medium(medium);
        served::call(|served| served.session.list_files(&path, medium))
    }

    fn remove(path: String, medium: wit::Medium) -> Result<(), Error> {
        let medium: Medium = convert::medium(medium);
        served::call(|served| served.session.remove_files(&path, medium))
    }

    fn rename(from: String, to: String) -> Result<(), Error> {
        served::call(|served| served.session.rename_files(&from, &to))
    }

    fn sync(path: String) -> Result<(), Error> {
        served::call(|served| served.session.sync_files(&path))
    }
}
