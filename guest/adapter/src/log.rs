//! `sidx:engine/log`.

use sidx_engine::Host;
use sidx_engine::host::LogDurability;
use sidx_executor::Columns;

use crate::bindings::exports::sidx::engine::log as wit;
use crate::bindings::exports::sidx::engine::scan::{self, ColumnsBorrow};
use crate::bindings::exports::sidx::engine::types::{Error, Term};
use crate::{Component, convert, served};

impl wit::Guest for Component {
    fn append(
        headers: Vec<Vec<u8>>,
        columns: Vec<ColumnsBorrow<'_>>,
        durability: wit::Durability,
    ) -> Result<u64, Error> {
        let columns: Vec<&Columns> = columns.iter().map(ColumnsBorrow::get::<Columns>).collect();
        let durability = match durability {
            wit::Durability::Sync => LogDurability::Sync,
            wit::Durability::Os => LogDurability::Os,
        };
        served::call(|served| served.session.append_log(&headers, &columns, durability))
    }

    fn end() -> Result<u64, Error> {
        served::call(|served| served.session.log_end())
    }

    fn nonce() -> Result<(u64, u64), Error> {
        let nonce = served::call(|served| served.session.nonce())?;
        Ok(convert::halves(nonce))
    }

    fn open(position: u64, awaited: Option<Term>) -> Result<(), Error> {
        let awaited = awaited.map(convert::from_term);
        served::call(|served| served.session.open_log(position, awaited))
    }

    fn follow() -> Result<bool, Error> {
        served::call(|served| served.session.follow_log())
    }

    fn take_over(position: u64, term: Term, fence: bool) -> Result<bool, Error> {
        let term = convert::from_term(term);
        served::call(|served| served.session.take_over_log(position, term, fence))
    }

    fn read(position: u64) -> Result<Option<wit::Entry>, Error> {
        let entry = served::call(|served| served.session.read_log(position))?;
        Ok(entry.map(|entry| wit::Entry {
            next_position: entry.next_position,
            header: entry.header,
            columns: scan::Columns::new(entry.columns),
        }))
    }

    fn drop_before(position: u64, kept_from: u64) -> Result<(), Error> {
        served::call(|served| served.session.drop_log_before(position, kept_from))
    }

    fn salvage(needed_from: Option<u64>, term: Option<Term>) -> Result<wit::Salvaged, Error> {
        let term = term.map(convert::from_term);
        let salvaged = served::call(|served| served.session.salvage_log(needed_from, term))?;
        let spans = salvaged.spans.into_iter();
        Ok(wit::Salvaged {
            spans: spans.map(|(start, end)| wit::Span { start, end }).collect(),
            damage: salvaged.damage,
            term: convert::term(salvaged.term),
        })
    }
}
