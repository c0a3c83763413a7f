//! What a repair goes out from: the newest snapshot, or what parts and log tell where there is none that
//! can be read.

use super::{Report, lost_of_log};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium, SalvagedLog};
use crate::ordered::batch::read_header;
use crate::part::facet::Facets;
use crate::part::layout::{PARTS, QUARANTINE};
use crate::part::name::{PartName, StoredName};
use crate::part::{Part, PartList};
use crate::parts::borrowed;
use crate::parts::quarantine;
use crate::parts::recovery::first_list;
use crate::parts::snapshot::Snapshot;
use crate::parts::verify::{self, Seen};
use sidx_log::Term;
use std::cmp::Reverse;
use std::sync::Arc;

/// What a repair goes out from.
pub(super) struct Basis {
    pub(super) snapshot: Snapshot,
    /// From where on the log is read; from its beginning where nobody knows.
    pub(super) log_needed_from: Option<u64>,
    /// What could be read of the log before the index was taken over.
    log: SalvagedLog,
    /// Rows that neither the parts nor the log have, where that can be seen.
    pub(super) missing_rows: Option<LostEntries>,
}

/// Entries of the log that no part holds and nobody can read.
#[derive(Clone)]
pub(super) struct LostEntries {
    pub(super) reason: String,
    /// How many rows at most, where that is known.
    pub(super) rows: Option<u64>,
}

impl Basis {
    /// The newest snapshot, or one that is made up from the parts and the log when that cannot be read. An
    /// older one would not do: its parts are gone. Changes nothing but the quarantine.
    pub(super) fn find<H: Host>(
        host: &Arc<H>,
        facets: &Facets<H>,
        report: &mut Report,
    ) -> Result<Self> {
        let problem = match Snapshot::newest(&**host) {
            Ok(Some(snapshot)) => {
                snapshot.check_lives()?;
                let needed_from = Some(snapshot.log_position);
                return Ok(Self {
                    log: host.salvage_log(needed_from, None)?,
                    log_needed_from: needed_from,
                    snapshot,
                    missing_rows: None,
                });
            }
            Ok(None) => Error::new(ErrorKind::NotFound, "there is no snapshot"),
            Err(error) if error.kind() == ErrorKind::Corrupt => error,
            Err(error) => return Err(error),
        };
        let newest = Snapshot::epochs(&**host)?.pop();
        // What somebody has pinned was published, and stays only if what is published next comes after it.
        let pinned = host
            .find_readers()?
            .pinned()
            .filter(|it| *it < u64::MAX)
            .max();
        let epoch = newest.max(pinned).unwrap_or_default();
        let name = Snapshot::name(epoch);
        if let Some(object) = host.get_object(&name)? {
            quarantine::keep(&**host, &name, &object.bytes)?;
            host.sync_files(QUARANTINE)?;
        }
        report.found(
            name,
            problem,
            "made up from the parts that are there and the log",
        );
        let log = host.salvage_log(None, None)?;
        let mut snapshot = made_up(host, facets, epoch, log.term)?;
        let missing_rows = find_log_position(&**host, &mut snapshot, &log)?;
        if matches!(Snapshot::newest(&**host), Ok(Some(_))) {
            let text = "the index is just being made; repair it again if it is damaged";
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        Ok(Self {
            snapshot,
            log_needed_from: None,
            log,
            missing_rows,
        })
    }

    /// The parts, when they and the log are as they were written.
    pub(super) fn sound_parts<H: Host>(
        &self,
        host: &Arc<H>,
        facets: &Facets<H>,
    ) -> Result<Option<Arc<PartList<H>>>> {
        let (position, log_end) = (self.snapshot.log_position, host.log_end()?);
        let mut unused = Report::default();
        if lost_of_log(&self.log, position, log_end, &mut unused).is_some()
            || !self.log.damage.is_empty()
        {
            return Ok(None);
        }
        let mut parts = Vec::new();
        let deaths = self.snapshot.deaths(host);
        for name in self.snapshot.part_names()? {
            let part = match Part::open(host, name, Medium::Durable) {
                Ok(part) => part,
                Err(error) if error.kind() == ErrorKind::UnsupportedVersion => return Err(error),
                Err(error) if error.kind().is_damage() => return Ok(None),
                Err(error) => return Err(error),
            };
            let dead = verify::dead_damage(&part, deaths.of(name.number), &mut Seen::default())?;
            if !dead.is_empty() || !verify::part_damage(&**host, facets, &part)?.is_empty() {
                return Ok(None);
            }
            parts.push(Arc::new(part));
        }
        let term = self.snapshot.term;
        Ok(Some(first_list(
            host,
            facets,
            &self.snapshot,
            term,
            parts,
            Vec::new(),
        )))
    }
}

/// Finds out which entries of the log the parts of a made-up snapshot have absorbed: element ids tell,
/// because a flush takes whole entries, in order. Rows may be missing where the first other entry does
/// not go on with the ids of the parts.
fn find_log_position<H: Host>(
    host: &H,
    snapshot: &mut Snapshot,
    log: &SalvagedLog,
) -> Result<Option<LostEntries>> {
    let log_end = host.log_end()?;
    // Of damaged entries behind the last that can be read nothing is known.
    let last = log.spans.last().map(|(_, end)| *end);
    snapshot.log_position = last.unwrap_or(if log.damage.is_empty() { log_end } else { 0 });
    let expected = snapshot.next_element_id;
    for (start, end) in &log.spans {
        let mut position = *start;
        while position < *end {
            let Some(entry) = host.read_log(position)? else {
                break;
            };
            let first_id = read_header(&entry.header, entry.columns)?.first_id;
            if first_id >= expected {
                snapshot.log_position = position;
                let rows = first_id - expected;
                return Ok((rows > 0).then(|| missing_rows(expected, first_id)));
            }
            position = entry.next_position;
        }
    }
    if snapshot.parts.is_empty() && snapshot.log_position > 0 {
        let reason = "the snapshot is gone, and no part is there, though the log says that rows were flushed";
        return Ok(Some(LostEntries {
            reason: reason.to_owned(),
            rows: None,
        }));
    }
    Ok(None)
}

fn missing_rows(first: u64, end: u64) -> LostEntries {
    LostEntries {
        reason: format!(
            "the snapshot is gone, and neither a part nor the log has the rows with element ids {first} \
             to {}",
            end - 1
        ),
        rows: Some(end - first),
    }
}

/// A part that is there: whether it is damaged, its term, how many ids it has, its name, its first and last
/// id.
type Candidate = (
    bool,
    Reverse<Term>,
    Reverse<u64>,
    Reverse<PartName>,
    u64,
    u64,
);

/// The parts that are there, whoever made them.
struct Present {
    /// Those that can be read, the best of each that overlap first.
    found: Vec<Candidate>,
    unreadable: Vec<PartName>,
    next_part: u64,
    /// Above all of theirs, or the same.
    term: Term,
    /// Where those lie that are borrowed.
    lenders: Vec<String>,
}

impl Present {
    fn find<H: Host>(host: &Arc<H>, facets: &Facets<H>, term: Term) -> Result<Self> {
        let mut present = Self {
            found: Vec::new(),
            unreadable: Vec::new(),
            next_part: 0,
            term,
            lenders: Vec::new(),
        };
        for directory in [PARTS, QUARANTINE] {
            for entry in host.list_files(directory, Medium::Durable)? {
                let Some(stored) = StoredName::parse(&entry) else {
                    continue;
                };
                present.note(stored);
                if let (StoredName::Part(name), PARTS) = (stored, directory) {
                    present.add(host, facets, name, false)?;
                }
            }
        }
        let (lenders, borrowed) = borrowed::all(&**host)?;
        present.lenders = lenders;
        for stored in borrowed {
            present.note(stored);
            if let StoredName::Part(name) = stored {
                present.add(host, facets, name, true)?;
            }
        }
        present.found.sort_unstable();
        Ok(present)
    }

    fn note(&mut self, stored: StoredName) {
        self.next_part = self.next_part.max(stored.number().saturating_add(1));
        self.term = self.term.max(stored.term());
    }

    fn add<H: Host>(
        &mut self,
        host: &Arc<H>,
        facets: &Facets<H>,
        name: PartName,
        is_borrowed: bool,
    ) -> Result<()> {
        let part = match Part::open(host, name, Medium::Durable) {
            Ok(part) => part,
            // Never finished: its manifest is written last. What is borrowed was.
            Err(error) if error.kind() == ErrorKind::NotFound && !is_borrowed => return Ok(()),
            Err(error)
                if error.kind().is_damage() && error.kind() != ErrorKind::UnsupportedVersion =>
            {
                self.unreadable.push(name);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let is_damaged = !verify::part_damage(&**host, facets, &part)?.is_empty();
        let (first, last) = (part.summary().first_id, part.summary().last_id);
        let (term, name) = (Reverse(name.term), Reverse(name));
        let ids = Reverse(last - first);
        self.found.push((is_damaged, term, ids, name, first, last));
        Ok(())
    }
}

/// A snapshot of the parts that are there. Where one covers the element ids of others it was merged from
/// them; of those that overlap sound ones are taken before damaged ones, those of a later term before earlier
/// ones, and then the one with most ids.
fn made_up<H: Host>(host: &Arc<H>, facets: &Facets<H>, epoch: u64, term: Term) -> Result<Snapshot> {
    let present = Present::find(host, facets, term)?;
    let mut taken: Vec<(u64, u64, PartName)> = Vec::new();
    for (.., Reverse(name), first, last) in present.found {
        let overlaps = |(from, to, _): &(u64, u64, _)| *from <= last && first <= *to;
        if !taken.iter().any(overlaps) {
            taken.push((first, last, name));
        }
    }
    taken.sort_unstable();
    Ok(Snapshot {
        epoch,
        term: present.term,
        unsealed: true,
        // Which names must stay taken nobody knows any more.
        fences: Snapshot::epochs(&**host)?.into_iter().collect(),
        next_element_id: taken.last().map_or(0, |(_, last, _)| last + 1),
        // Those that nobody can read are named too, so that they are set aside and the loss is told.
        parts: taken
            .into_iter()
            .map(|(_, _, name)| name)
            .chain(present.unreadable)
            .map(|name| name.to_string())
            .collect(),
        next_part: present.next_part,
        borrows: present.lenders,
        // Facets find out who is dead.
        ..Snapshot::default()
    })
}
