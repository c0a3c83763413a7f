//! The place that adapter and engine serve: one at a time.

use std::thread;
use std::time::{Duration, Instant};

use sidx_command::database::{Result, Room};
use sidx_engine::ErrorKind;

use crate::bindings::session::{Access, Settings};
use crate::bindings::{engine_files, index, session};
use crate::error::of_engine;
use crate::place::Place;

/// Bytes of rows in memory, and of cached pages: as the native command has them.
pub(crate) const MEMORY_BYTES: u64 = 1 << 30;
pub(crate) const PAGE_CACHE_BYTES: u64 = 256 << 20;
/// How long a query keeps what it reads whose rows nobody takes, as of a pager: a pin that a process left
/// behind holds as long.
const LEASE: Duration = Duration::from_secs(600);
/// Between two tries to take a lock.
const PAUSE: Duration = Duration::from_millis(200);

/// A place that is served until this is dropped. Everything of the engine has to be dropped before: cursors,
/// columns.
pub(crate) struct Served(());

impl Served {
    /// Serves a place to read there.
    pub(crate) fn to_read(place: &Place) -> Result<Self> {
        enter(place, Access::Read, Room::default())
    }

    /// Serves a place to write there, as soon as nobody else does; `conflict` when somebody does for longer.
    pub(crate) fn to_write(place: &Place, room: Room, wait: Duration) -> Result<Self> {
        let begun = Instant::now();
        loop {
            match enter(place, Access::Write, room) {
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    let left = wait.saturating_sub(begun.elapsed());
                    if left.is_zero() {
                        return Err(error);
                    }
                    thread::sleep(left.min(PAUSE));
                }
                entered => return entered,
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        session::leave();
    }
}

fn enter(place: &Place, access: Access, room: Room) -> Result<Served> {
    let settings = Settings {
        part_form: match room.one_file_parts {
            true => engine_files::Form::File,
            false => engine_files::Form::Folder,
        },
        memory_allowed_bytes: MEMORY_BYTES,
        disk_allowed_bytes: room.disk_bytes.unwrap_or(u64::MAX),
        medium_minimum_bytes: room.min_free_bytes,
        page_cache_bytes: PAGE_CACHE_BYTES,
        lease_ms: LEASE.as_millis() as u64,
        // As in directories everywhere: who reads there can pin, unless the whole medium is only read.
        removal_grace_ms: Some(0),
    };
    let entered = session::enter(place.name(), access, settings);
    entered.map(|()| Served(())).map_err(of_engine)
}

/// What is done to an index instead of opening it.
pub(crate) enum Request {
    DropIndex,
    ClearDropped,
}

/// Asks for it, with the rights of an opening.
pub(crate) fn ask(place: &Place, request: &Request, wait: Duration) -> Result<bool> {
    let _served = Served::to_write(place, Room::default(), wait)?;
    let answer = match request {
        Request::DropIndex => index::drop_index(),
        Request::ClearDropped => index::clear_dropped(),
    };
    answer.map_err(of_engine)
}
