//! `sidx:engine/log`.

use std::collections::BTreeSet;

use sidx_engine::Host;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, WasmList};

use super::bindings::sidx::engine::log;
use super::bindings::sidx::engine::types::Term;
use super::{Answer, ImportError, State, answer, convert};
use crate::session::Columns;

type Store<'a> = StoreContextMut<'a, State>;

pub(super) fn link(log: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    log.func_wrap("append", append)?;
    log.func_wrap("end", |store: Store<'_>, ()| {
        answer(store.data().session.log_end().map_err(Into::into))
    })?;
    log.func_wrap("read", read)?;
    log.func_wrap("nonce", |store: Store<'_>, ()| {
        let nonce = store.data().session.nonce();
        answer(nonce.map(convert::nonce).map_err(ImportError::from))
    })?;
    log.func_wrap(
        "open",
        |store: Store<'_>, (position, awaited): (u64, Option<Term>)| {
            let awaited = awaited.map(convert::from_wit_term);
            let opened = store.data().session.open_log(position, awaited);
            answer(opened.map_err(ImportError::from))
        },
    )?;
    log.func_wrap("follow", |store: Store<'_>, ()| {
        let followed = store.data().session.follow_log();
        answer(followed.map_err(ImportError::from))
    })?;
    log.func_wrap(
        "take-over",
        |store: Store<'_>, (position, term, fence): (u64, Term, bool)| {
            let term = convert::from_wit_term(term);
            let taken = { &store.data().session }.take_over_log(position, term, fence);
            answer(taken.map_err(ImportError::from))
        },
    )?;
    log.func_wrap(
        "salvage",
        |store: Store<'_>, (from, term): (Option<u64>, Option<Term>)| {
            let term = term.map(convert::from_wit_term);
            let salvaged = store.data().session.salvage_log(from, term);
            answer(
                salvaged
                    .map(convert::salvaged_log)
                    .map_err(ImportError::from),
            )
        },
    )?;
    log.func_wrap(
        "drop-before",
        |store: Store<'_>, (position, kept): (u64, u64)| {
            let dropped = store.data().session.drop_log_before(position, kept);
            answer(dropped.map_err(Into::into))
        },
    )
}

type AppendArguments = (Vec<WasmList<u8>>, Vec<Resource<Columns>>, log::Durability);

fn append(store: Store<'_>, (headers, columns, durability): AppendArguments) -> Answer<u64> {
    let state = store.data();
    let headers: Vec<&[u8]> = headers
        .iter()
        .map(|header| header.as_le_slice(&store))
        .collect();
    let columns: Result<Vec<&Columns>, ImportError> = columns
        .iter()
        .map(|columns| state.columns(columns))
        .collect();
    answer(columns.and_then(|columns| {
        check_distinct(&columns)?;
        let durability = convert::log_durability(durability);
        Ok(state
            .session
            .append_log_entries(&headers, &columns, durability)?)
    }))
}

/// Each entry has columns of its own: otherwise a short list could ask for more bytes than there are.
fn check_distinct(columns: &[&Columns]) -> sidx_engine::Result<()> {
    let distinct: BTreeSet<*const Columns> = columns
        .iter()
        .map(|columns| std::ptr::from_ref(*columns))
        .collect();
    if distinct.len() < columns.len() {
        let text = "log.append: the same columns are given for two entries";
        return Err(sidx_engine::Error::invalid(text));
    }
    Ok(())
}

fn read(mut store: Store<'_>, (position,): (u64,)) -> Answer<Option<log::Entry>> {
    let state = store.data_mut();
    let entry = state.session.read_log(position).map_err(ImportError::from);
    answer(entry.and_then(|entry| {
        let Some(entry) = entry else {
            return Ok(None);
        };
        Ok(Some(log::Entry {
            next_position: entry.next_position,
            header: entry.header,
            columns: state.hold(entry.columns)?,
        }))
    }))
}
