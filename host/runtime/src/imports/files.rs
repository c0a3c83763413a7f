//! `sidx:engine/files`.

use bytes::Bytes;
use sidx_engine::Host;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceType, WasmList};

use super::bindings::sidx::engine::files;
use super::{Answer, State, answer, convert};
use crate::session::NewFile;

type Store<'a> = StoreContextMut<'a, State>;

pub(super) fn link(files: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    link_new_file(files)?;
    link_opening(files)?;
    link_reading(files)?;
    link_pages(files)?;
    link_names(files)
}

fn link_new_file(files: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    files.resource(
        "new-file",
        ResourceType::host::<NewFile>(),
        |mut store, rep| {
            store
                .data_mut()
                .table
                .delete(Resource::<NewFile>::new_own(rep))?;
            Ok(())
        },
    )?;
    files.func_wrap("[static]new-file.create", create)?;
    files.func_wrap("[method]new-file.section", section)?;
    files.func_wrap("[method]new-file.append", append)?;
    files.func_wrap("[static]new-file.finish", finish)
}

fn create(
    mut store: Store<'_>,
    (path, medium): (String, files::Medium),
) -> Answer<Resource<NewFile>> {
    let State { session, table, .. } = store.data_mut();
    let file = session.create_file(&path, convert::medium(medium));
    answer(
        file.map_err(Into::into)
            .and_then(|file| Ok(table.push(file)?)),
    )
}

fn section(mut store: Store<'_>, (file,): (Resource<NewFile>,)) -> Answer<Resource<NewFile>> {
    let state = store.data_mut();
    let section = state
        .new_file(&file)
        .and_then(|file| Ok(state.session.create_section(file)?));
    answer(section.and_then(|section| Ok(state.table.push(section)?)))
}

type AppendArguments = (Resource<NewFile>, WasmList<u8>, WasmList<u32>, u32);

fn append(
    store: Store<'_>,
    (file, pages, lengths, codec): AppendArguments,
) -> Answer<Vec<files::Extent>> {
    let state = store.data();
    answer(state.new_file(&file).and_then(|file| {
        let codec = convert::codec(codec)?;
        let (pages, lengths) = (pages.as_le_slice(&store), lengths.as_le_slice(&store));
        let extents = state.session.append(file, pages, lengths, codec)?;
        Ok(extents.into_iter().map(convert::extent).collect())
    }))
}

fn finish(mut store: Store<'_>, (file,): (Resource<NewFile>,)) -> Answer<files::Summary> {
    let State { session, table, .. } = store.data_mut();
    answer(table.delete(file).map_err(Into::into).and_then(|file| {
        let summary = session.finish(file)?;
        Ok(convert::summary(summary))
    }))
}

fn link_opening(files: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    files.func_wrap("open", |store: Store<'_>, (path,): (String,)| {
        answer(store.data().session.open_file(&path).map_err(Into::into))
    })?;
    files.func_wrap(
        "open-section",
        |store: Store<'_>, (file, name, chunks): (u32, String, Vec<files::Chunk>)| {
            let chunks: Vec<_> = chunks.iter().map(convert::from_wit_chunk).collect();
            let section = store.data().session.open_section(file, &name, &chunks);
            answer(section.map_err(Into::into))
        },
    )?;
    files.func_wrap("close", |store: Store<'_>, (file,): (u32,)| {
        store.data().session.close_file(file);
        Ok(())
    })
}

fn link_reading(files: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    files.func_wrap("size", |store: Store<'_>, (file,): (u32,)| {
        answer(store.data().session.file_size(file).map_err(Into::into))
    })?;
    files.func_wrap(
        "read",
        |store: Store<'_>, (file, offset, length): (u32, u64, u32)| {
            let bytes = store.data().session.read_file(file, offset, length);
            answer(bytes.map_err(Into::into))
        },
    )?;
    files.func_wrap(
        "read-tail",
        |store: Store<'_>, (file, length): (u32, u32)| {
            let tail = store.data().session.read_tail(file, length);
            answer(tail.map(convert::tail).map_err(Into::into))
        },
    )?;
    files.func_wrap("checksum", |store: Store<'_>, (file,): (u32,)| {
        answer(store.data().session.file_checksum(file).map_err(Into::into))
    })
}

fn link_pages(files: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    files.func_wrap(
        "pages",
        |store: Store<'_>, (file, extents): (u32, Vec<files::Extent>)| {
            let extents: Vec<_> = extents.iter().map(convert::from_wit_extent).collect();
            answer(
                store
                    .data()
                    .session
                    .register_pages(file, &extents)
                    .map_err(Into::into),
            )
        },
    )?;
    files.func_wrap(
        "coded-pages",
        |store: Store<'_>, (file, extents, dictionary): (u32, Vec<files::Extent>, u32)| {
            let extents: Vec<_> = extents.iter().map(convert::from_wit_extent).collect();
            let session = &store.data().session;
            let pages = session.register_coded_pages(file, &extents, dictionary);
            answer(pages.map_err(Into::into))
        },
    )?;
    files.func_wrap(
        "prefetch",
        |store: Store<'_>, (pages,): (WasmList<u32>,)| {
            let pages = pages.as_le_slice(&store);
            answer(store.data().session.prefetch(pages).map_err(Into::into))
        },
    )?;
    files.func_wrap(
        "load",
        |store: Store<'_>, (page,): (u32,)| -> Answer<Bytes> {
            answer(store.data().session.page_bytes(page).map_err(Into::into))
        },
    )
}

fn link_names(files: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    files.func_wrap("part-form", |store: Store<'_>, ()| {
        Ok((convert::form(store.data().session.part_form()),))
    })?;
    files.func_wrap("moves-copy", |store: Store<'_>, ()| {
        Ok((store.data().session.moves_copy(),))
    })?;
    files.func_wrap(
        "list",
        |store: Store<'_>, (path, medium): (String, files::Medium)| {
            let names = store
                .data()
                .session
                .list_files(&path, convert::medium(medium));
            answer(names.map_err(Into::into))
        },
    )?;
    files.func_wrap(
        "remove",
        |store: Store<'_>, (path, medium): (String, files::Medium)| {
            let removed = store
                .data()
                .session
                .remove_files(&path, convert::medium(medium));
            answer(removed.map_err(Into::into))
        },
    )?;
    files.func_wrap(
        "rename",
        |store: Store<'_>, (from, to): (String, String)| {
            answer(
                store
                    .data()
                    .session
                    .rename_files(&from, &to)
                    .map_err(Into::into),
            )
        },
    )?;
    files.func_wrap("sync", |store: Store<'_>, (path,): (String,)| {
        answer(store.data().session.sync_files(&path).map_err(Into::into))
    })
}
