//! Replaying the log: its entries become parts in memory, as if they were written now.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, LogEntry, Medium};
use crate::ordered::batch::{self, Logged, read_header};
use crate::part::Part;
use crate::part::PartList;
use crate::parts::introducer::{Died, Introducer};
use crate::parts::pressure::check_memory;
use std::sync::Arc;

/// Memory that a row takes which died by an entry, at most about.
const DEAD_ROW_BYTES: u64 = 2 << 10;

/// Entries on their way into the part list. Nobody sees them before all are there, so what is folded goes
/// at once, and the list is changed once, however many entries there are.
pub(crate) struct Replay<'a, H: Host> {
    host: &'a Arc<H>,
    introducer: &'a mut Introducer<H>,
    live: &'a mut Arc<PartList<H>>,
    parts: Vec<Arc<Part<H>>>,
    /// Rows that died by these entries.
    died: Died,
    /// What is replayed is flushed when memory runs out: a log may hold more than memory does.
    may_flush: bool,
}

impl<'a, H: Host> Replay<'a, H> {
    pub(crate) fn new(
        host: &'a Arc<H>,
        introducer: &'a mut Introducer<H>,
        live: &'a mut Arc<PartList<H>>,
        may_flush: bool,
    ) -> Self {
        Self {
            host,
            introducer,
            live,
            parts: Vec::new(),
            died: Died::new(),
            may_flush,
        }
    }

    /// The first element id that the parts do not have yet.
    fn least_id(&self) -> u64 {
        let last = self.parts.last().or(self.live.parts.last());
        last.map_or(0, |part| part.summary().last_id.saturating_add(1))
    }

    /// Adds an entry. With `passes_over`, one whose rows the parts have already is left out: a repair meets
    /// such.
    pub(crate) fn add(&mut self, entry: LogEntry<H::Columns>, passes_over: bool) -> Result<()> {
        let Logged {
            first_id,
            batch,
            died,
        } = read_header(&entry.header, entry.columns)?;
        let least = self.least_id();
        if passes_over && first_id < least {
            return Ok(());
        }
        let checked = batch::check(&**self.host, batch)?;
        let end = first_id.checked_add(checked.keys.len() as u64);
        let (true, Some(end)) = (first_id >= least, end) else {
            return Err(Error::corrupt(format!(
                "log: an entry begins with element id {first_id}, at least {least} was expected"
            )));
        };
        // Of each row that died a page may have to be written anew.
        let dead_bytes = (self.died.len() + died.len()) as u64 * DEAD_ROW_BYTES;
        let needed_bytes = checked.size_bytes.saturating_add(dead_bytes);
        if self.may_flush && check_memory(&**self.host, needed_bytes).is_err() {
            self.hand_over()?;
            self.introducer.flush(self.host, self.live)?;
        }
        let number = self.introducer.take_part_number();
        let part = batch::part::write(self.host, &self.live.facets, number, first_id, &checked)?;
        let rows = checked.keys.len() as u64;
        self.introducer.replayed(number, end, entry.next_position);
        self.introducer
            .count(self.live, entry.next_position, rows, died.len() as u64);
        for arrival in died {
            self.died.entry(arrival).or_insert(entry.next_position);
        }
        self.parts.push(Arc::new(part));
        self.fold()
    }

    fn fold(&mut self) -> Result<()> {
        while let Some((range, part)) =
            self.introducer
                .fold_some(self.host, &self.live.facets, &self.parts)
        {
            for folded in self.parts.splice(range, [Arc::new(part)]) {
                let path = folded.name().path(Medium::Memory);
                // Gives the handles of its pages back first.
                drop(folded);
                self.host.remove_files(&path, Medium::Memory)?;
            }
        }
        Ok(())
    }

    /// Puts what was replayed at the end of the part list.
    fn hand_over(&mut self) -> Result<()> {
        if self.parts.is_empty() {
            return Ok(());
        }
        self.introducer.append_replayed(self.live, &mut self.parts);
        let died = std::mem::take(&mut self.died);
        self.introducer.let_die_again(self.host, self.live, &died)
    }

    /// Completes the replay.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.hand_over()
    }
}

/// Adds what the log holds beyond the snapshot, as memory parts.
pub(crate) fn run<H: Host>(
    host: &Arc<H>,
    introducer: &mut Introducer<H>,
    live: &mut Arc<PartList<H>>,
    may_flush: bool,
) -> Result<()> {
    run_from(introducer.log_position(), host, introducer, live, may_flush)
}

/// The same for what it holds from a position on.
pub(crate) fn run_from<H: Host>(
    mut position: u64,
    host: &Arc<H>,
    introducer: &mut Introducer<H>,
    live: &mut Arc<PartList<H>>,
    may_flush: bool,
) -> Result<()> {
    let mut replay = Replay::new(host, introducer, live, may_flush);
    loop {
        let at = |error: Error| error.at(format_args!("log entry at {position}"));
        let Some(entry) = host.read_log(position).map_err(given_up)? else {
            break;
        };
        let next = entry.next_position;
        replay.add(entry, false).map_err(at)?;
        position = next;
    }
    replay.finish()
}

/// A reader whose snapshot is not the newest any more tries again; for everybody else it is damage.
pub(crate) fn given_up(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::corrupt(error.message()),
        _ => error,
    }
}
