//! `sidx:adapter/session`.

use std::rc::Rc;
use std::time::Duration;

use sidx_engine::host::Form;
use sidx_engine::{Error as EngineError, FlushNeed};
use sidx_executor::Columns;
use sidx_session::{JobPurpose, PinState, RawLog, Settings, columns_of, keys_of};

use crate::bindings::exports::sidx::adapter::session as wit;
use crate::bindings::exports::sidx::engine::types::{Error, Term};
use crate::bindings::exports::sidx::engine::{files, scan};
use crate::store::Store;
use crate::{Component, convert, served};

fn settings(settings: wit::Settings) -> Settings {
    Settings {
        part_form: match settings.part_form {
            files::Form::Folder => Form::Folder,
            files::Form::File => Form::File,
        },
        memory_allowed_bytes: settings.memory_allowed_bytes,
        disk_allowed_bytes: settings.disk_allowed_bytes,
        medium_minimum_bytes: settings.medium_minimum_bytes,
        page_cache_bytes: settings.page_cache_bytes,
        lease_ms: settings.lease_ms,
        removal_grace_ms: settings.removal_grace_ms,
    }
}

fn no_activity() -> sidx_session::Counts {
    sidx_session::Counts::default()
}

impl wit::Guest for Component {
    type RawLog = RawLog<Store>;

    fn enter(place: String, access: wit::Access, chosen: wit::Settings) -> Result<(), Error> {
        let to_write = access == wit::Access::Write;
        served::enter(&place, to_write, settings(chosen)).map_err(convert::error)
    }

    fn leave() {
        served::leave();
    }

    fn published(version: u64, flush_bytes: u64, flush_files: u64) {
        if let Some(served) = served::now() {
            let need = FlushNeed {
                bytes: flush_bytes,
                files: flush_files,
            };
            served.session.published(version, need);
        }
    }

    fn pinned() -> wit::Pin {
        match served::now().map(|served| served.session.pin_state()) {
            None | Some(PinState::Nothing) => wit::Pin::Nothing,
            Some(PinState::Held) => wit::Pin::Held,
            Some(PinState::Lost) => wit::Pin::Lost,
            Some(PinState::Impossible) => wit::Pin::Impossible,
        }
    }

    fn renew() {
        if let Some(served) = served::now() {
            served.session.renew();
        }
    }

    fn set_timeout(nanoseconds: Option<u64>) {
        if let Some(served) = served::now() {
            let timeout = nanoseconds.map(Duration::from_nanos);
            served.session.set_timeout(timeout);
        }
    }

    fn begin_job(purpose: wit::Purpose, space_bytes: u64) -> Result<(), Error> {
        let purpose = match purpose {
            wit::Purpose::Flush => JobPurpose::Flush,
            wit::Purpose::Retention => JobPurpose::Retention,
            wit::Purpose::Merge => JobPurpose::Merge,
        };
        served::call(|served| served.session.begin_job(purpose, space_bytes))
    }

    fn end_job() {
        if let Some(served) = served::now() {
            served.session.end_job();
        }
    }

    fn flush_threshold_bytes() -> u64 {
        served::now().map_or(0, |served| served.session.flush_threshold_bytes())
    }

    fn make_columns(columns: Vec<scan::Column>) -> Result<scan::Columns, Error> {
        let columns = columns.into_iter().map(convert::from_column);
        let columns = columns.collect::<Result<Vec<_>, EngineError>>();
        let columns = columns.and_then(columns_of).map_err(convert::error)?;
        Ok(scan::Columns::new(columns))
    }

    fn found() -> Option<scan::Columns> {
        let found = served::now().and_then(|served| served.session.take_found());
        found.map(scan::Columns::new)
    }

    fn keys_of(columns: scan::ColumnsBorrow<'_>) -> Option<scan::RowKeys> {
        let keys = keys_of(columns.get::<Columns>())?;
        Some(scan::RowKeys {
            keys: keys.keys,
            series: keys.series,
        })
    }

    fn begin_activity(timed: bool) {
        if let Some(served) = served::now() {
            served.session.begin_activity(timed);
        }
    }

    fn last_activity() -> wit::Activity {
        let counts = served::now().map_or_else(no_activity, |served| served.session.activity());
        wit::Activity {
            crossings: counts.crossings,
            pages_used: counts.pages_used,
            pages_loaded: counts.pages_loaded,
            bytes_read: counts.bytes_read,
            rows_written: counts.rows_written,
            bytes_written: counts.bytes_written,
            served_ms: counts.served_ms,
        }
    }

    fn take_damaged() -> Vec<wit::DamagedFile> {
        let damaged = served::now().map(|served| served.session.take_damaged());
        let files = damaged.unwrap_or_default().into_iter();
        files
            .map(|file| wit::DamagedFile {
                path: file.path,
                reason: file.reason,
            })
            .collect()
    }

    fn describe() -> Result<wit::State, Error> {
        let state = served::call(|served| Ok(served.session.state()))?;
        Ok(wit::State {
            used_bytes: state.used_bytes,
            written_bytes: state.written_bytes,
            cached_bytes: state.cached_bytes,
            cached_pages: state.cached_pages,
            cache_hits: state.cache_hits,
            cache_misses: state.cache_misses,
            log_end: state.log_end,
            log_backlog_bytes: state.log_backlog_bytes,
            log_appends: state.log.appends,
            log_entries: state.log.entries,
            log_syncs: state.log.syncs,
            medium: state.medium.map(|medium| wit::Medium {
                free_bytes: medium.free_bytes,
                minimum_bytes: medium.minimum_bytes,
                free_files: medium.free_files,
            }),
        })
    }

    fn torn_write_of_log() -> Option<wit::TornWrite> {
        let cut = served::now()?.session.torn_write_of_log()?;
        Some(wit::TornWrite {
            place: cut.place,
            torn_bytes: cut.torn_bytes,
            end: cut.end,
        })
    }

    fn check_log() -> Result<wit::LogReport, Error> {
        let report = served::call(|served| served.session.check_log())?;
        Ok(wit::LogReport {
            entries: report.entries,
            damage: report.damage,
            torn_bytes: report.torn_bytes,
        })
    }
}

impl wit::GuestRawLog for RawLog<Store> {
    fn open(
        place: String,
        position: u64,
        owner: Option<wit::Ownership>,
    ) -> Result<wit::RawLog, Error> {
        let owner = owner.map(|owner| (convert::from_term(owner.term), owner.fence));
        let log = Self::open(&Rc::new(Store), &place, position, owner);
        log.map(wit::RawLog::new).map_err(convert::error)
    }

    fn end(&self) -> u64 {
        self.end()
    }

    fn head_term(&self) -> Option<Term> {
        self.head_term().map(convert::term)
    }

    fn read(&self, position: u64, most_bytes: u32) -> Result<Vec<wit::RawEntry>, Error> {
        let entries = self.read(position, most_bytes).map_err(convert::error)?;
        let raw = |entry: sidx_log::Entry| wit::RawEntry {
            next_position: entry.next_position,
            header: entry.header,
            body: entry.body,
        };
        Ok(entries.into_iter().map(raw).collect())
    }

    fn append(&self, entries: Vec<wit::RawEntry>, sync: bool) -> Result<u64, Error> {
        let slices: Vec<(&[u8], &[u8])> = entries
            .iter()
            .map(|entry| (entry.header.as_slice(), entry.body.as_slice()))
            .collect();
        self.append(&slices, sync).map_err(convert::error)
    }
}
