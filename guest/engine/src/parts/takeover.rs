//! Taking an index over for writing, and giving it back, without relying on any lock.
//!
//! Each opening for writing has a term of its own, above all before it, and goes through four steps:
//!
//! 1. It reads the newest snapshot, of epoch e.
//! 2. It publishes the same content as epoch e+1 under its term, put if absent: its claim. From here on no
//!    writer before it publishes anything any more.
//! 3. It ends the log of the writers before it. From here on nothing counts that they append.
//! 4. Its claim is still the newest epoch: it is the writer. Only now it reads the log, answers, and removes.
//!
//! A writer that is told of a later epoch after any of its steps stops and removes nothing.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::PartList;
use crate::part::layout::{PARTS, gone};
use crate::parts::snapshot::Snapshot;
use crate::seal::unseal;
use sidx_log::Term;

/// How often an opening begins anew because another one was faster.
const ATTEMPTS: usize = 16;

/// An index that was taken over.
pub(crate) struct Claim {
    /// The snapshot, which is the newest.
    pub(crate) snapshot: Snapshot,
    /// Another writer may have taken over whenever something was appended to the log, and only the name of
    /// the next epoch tells.
    pub(crate) must_look: bool,
}

/// Takes the index over. `conflict` when others do so again and again.
pub(crate) fn run<H: Host>(host: &H) -> Result<Claim> {
    for _ in 0..ATTEMPTS {
        let before = Snapshot::current(host)?;
        let term = next_term(host, &before)?;
        if let Some(claim) = claim(host, &before, term)? {
            return Ok(claim);
        }
    }
    Err(Error::new(
        ErrorKind::Conflict,
        "other writers open the index again and again; close them, then open it again",
    ))
}

/// A term above that of a snapshot.
pub(crate) fn next_term<H: Host>(host: &H, before: &Snapshot) -> Result<Term> {
    term_after(host, before.term)
}

/// The same for who takes over later, if at all: below that of everybody who does it before.
pub(crate) fn pending_term<H: Host>(host: &H, before: &Snapshot) -> Result<Term> {
    let Term { number, nonce } = next_term(host, before)?;
    // Others have 128 random bits.
    let nonce = nonce >> 64;
    Ok(Term { number, nonce })
}

/// A term above none.
pub(crate) fn first_term<H: Host>(host: &H) -> Result<Term> {
    term_after(host, Term::NONE)
}

fn term_after<H: Host>(host: &H, before: Term) -> Result<Term> {
    let number = before.number.checked_add(1).ok_or_else(|| {
        Error::corrupt("the newest snapshot has the last of all terms; repair the index")
    })?;
    let nonce = host.nonce()?;
    Ok(Term { number, nonce })
}

/// Steps 2 to 4, from the snapshot that was read in step 1. None when another writer was faster: then what
/// was claimed stays where it is, as its name may keep a writer out that sleeps, and goes with the next
/// epoch.
pub(crate) fn claim<H: Host>(host: &H, before: &Snapshot, term: Term) -> Result<Option<Claim>> {
    match claim_without_log(host, before, term)? {
        Some(snapshot) => end_log(host, snapshot),
        None => Ok(None),
    }
}

/// Steps 3 and 4, from a claim.
pub(crate) fn end_log<H: Host>(host: &H, snapshot: Snapshot) -> Result<Option<Claim>> {
    let term = snapshot.term;
    let ended = host
        .take_over_log(snapshot.log_position, term, snapshot.unsealed)
        .and_then(|must_look| Ok((must_look, is_newest(host, snapshot.epoch)?)));
    match ended {
        Ok((must_look, true)) => Ok(Some(Claim {
            snapshot,
            must_look,
        })),
        Ok((_, false)) => Ok(None),
        // Segments that go while they are looked at again and again are those of writers at work too.
        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => Ok(None),
        // Whoever is at work by now removes what it does not need.
        Err(_) if !is_newest(host, snapshot.epoch)? => Ok(None),
        Err(error) => {
            // Nothing was acknowledged: so a damaged log, opened again and again, leaves no fences.
            let _ = close(host, snapshot.epoch, term, LogEnd::Failed);
            Err(error)
        }
    }
}

/// Step 2 alone.
pub(crate) fn claim_without_log<H: Host>(
    host: &H,
    before: &Snapshot,
    term: Term,
) -> Result<Option<Snapshot>> {
    publish_claim(host, before.taken_over(term))
}

/// The same with the mark that keeps branches from beginning.
pub(crate) fn claim_to_drop<H: Host>(
    host: &H,
    before: &Snapshot,
    term: Term,
) -> Result<Option<Snapshot>> {
    let snapshot = Snapshot {
        dropping: true,
        ..before.taken_over(term)
    };
    publish_claim(host, snapshot)
}

fn publish_claim<H: Host>(host: &H, snapshot: Snapshot) -> Result<Option<Snapshot>> {
    let term = snapshot.term;
    match snapshot.publish(host) {
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
        published => published?,
    }
    // The name may have been free because that epoch had come and gone since step 1. Who went on to the log
    // then would cut off what others append to it meanwhile.
    match is_newest(host, snapshot.epoch) {
        Ok(is_newest) => Ok(is_newest.then_some(snapshot)),
        Err(error) => {
            let _ = close(host, snapshot.epoch, term, LogEnd::NotBegun);
            Err(error)
        }
    }
}

/// Whether no later epoch was published.
pub(crate) fn is_newest<H: Host>(host: &H, epoch: u64) -> Result<bool> {
    let newest = Snapshot::epochs(host)?.pop();
    Ok(newest == Some(epoch))
}

/// The look after an append. Fails when a later epoch than that of the writer was published: `unknown`, as
/// nobody can tell whether who took over found what the writer had appended by then.
pub(crate) fn look<H: Host>(host: &H, epoch: u64) -> Result<()> {
    let next = Snapshot::name(epoch.saturating_add(1));
    let why = match host.get_object(&next) {
        Ok(None) => return Ok(()),
        Ok(Some(_)) => format!("another writer has taken the index over ({next} exists)"),
        // Whatever kind it has: the rows were appended.
        Err(error) => {
            format!("whether another writer has taken the index over cannot be seen ({error})")
        }
    };
    let text = format!(
        "{why}, and whether these rows are in it is not known; open it again and look before you write them \
         again"
    );
    Err(Error::new(ErrorKind::Unknown, text))
}

/// What an error of who reads an index under a term comes from: files that a later writer has removed are no
/// damage.
pub(crate) fn explained<H: Host>(host: &H, term: Term, error: Error) -> Error {
    let may_be_gone = error.kind().is_damage() || error.kind() == ErrorKind::InvalidArgument;
    if !may_be_gone {
        return error;
    }
    match check_not_overtaken(host, term) {
        Ok(()) => error,
        Err(why) if why.kind() == ErrorKind::Conflict => why,
        Err(why) => Error::new(
            why.kind(),
            format!("{}; {}", error.message(), why.message()),
        ),
    }
}

/// The same of who reads a part list, and may have slept over what its writer did since: a part that is gone
/// and that the newest snapshot does not name was removed by that writer, who had given a pin up.
pub(crate) fn explained_of<H: Host>(host: &H, live: &PartList<H>, error: Error) -> Error {
    let error = explained(host, live.term, error);
    if !error.kind().is_damage() {
        return error;
    }
    match check_not_left_behind(host, live) {
        Ok(()) => gone(error),
        Err(why) => why,
    }
}

/// For who is about to tell of damage of a part list: fails as [`explained_of`] does where there may be none.
pub(crate) fn check_not_gone<H: Host>(host: &H, live: &PartList<H>) -> Result<()> {
    check_not_overtaken(host, live.term)?;
    check_not_left_behind(host, live)
}

fn check_not_left_behind<H: Host>(host: &H, live: &PartList<H>) -> Result<()> {
    match is_left_behind(host, live) {
        Ok(true) => Err(Error::new(
            ErrorKind::Conflict,
            "parts that this one reads were replaced and removed meanwhile, as its pin was given up; open it again",
        )),
        Err(unseen) if !unseen.kind().is_damage() => Err(Error::new(
            ErrorKind::Io,
            format!("whether a part was replaced and removed cannot be seen ({unseen}); try again"),
        )),
        _ => Ok(()),
    }
}

/// Whether a part of a list, or what it has of the dead rows of one, is gone and the newest snapshot does not
/// name it any more.
fn is_left_behind<H: Host>(host: &H, live: &PartList<H>) -> Result<bool> {
    let Some(newest) = Snapshot::newest(host)?.filter(|newest| newest.epoch > live.epoch) else {
        return Ok(false);
    };
    let durable = live
        .parts
        .iter()
        .filter(|part| part.medium() == Medium::Durable);
    let names = durable.map(|part| part.name().to_string());
    let lost = live.unreadable.iter().map(|lost| lost.part.clone());
    let named_dead = newest.dead_since();
    let dead = live
        .deaths
        .iter()
        .flat_map(|(_, dead)| dead.stored.chunks());
    let dead = dead.map(|chunk| chunk.file.name);
    let mut replaced = names
        .chain(lost)
        .filter(|part| !newest.parts.contains(part))
        .chain(
            dead.filter(|name| !named_dead.contains_key(name))
                .map(|name| name.to_string()),
        );
    // Of one that is borrowed it cannot be seen whether its lender still has it: it counts as gone, and
    // whoever opens the index again does not need it.
    let entries = host.list_files(PARTS, Medium::Durable)?;
    Ok(replaced.any(|part| !entries.contains(&part)))
}

/// Fails with `conflict` when a writer of a later term has taken the index over, and with `io` when that
/// cannot be seen: nobody is told of damage then that may be none.
pub(crate) fn check_not_overtaken<H: Host>(host: &H, term: Term) -> Result<()> {
    match Snapshot::newest(host) {
        Ok(Some(newest)) if newest.term > term => Err(Error::new(
            ErrorKind::Conflict,
            "another writer has taken the index over, and may have removed what this one reads; open it again",
        )),
        Err(error) if !error.kind().is_damage() => Err(Error::new(
            ErrorKind::Io,
            format!(
                "whether another writer has taken the index over cannot be seen ({error}); try again"
            ),
        )),
        _ => Ok(()),
    }
}

/// How far a writer has come with ending the log of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogEnd {
    Ended,
    /// The log is as it was found.
    NotBegun,
    /// A sync may have failed. The next one would succeed without what that was to bring to the medium, so
    /// that the end must be written again, though the writer before had closed the index.
    Failed,
}

/// Gives an index back: marks the newest snapshot of a writer as that of one who asks for nothing any more.
/// Who takes over next leaves no fence. One that had not come as far as to end the log of the writer before
/// leaves that to the next.
pub(crate) fn close<H: Host>(host: &H, epoch: u64, term: Term, log: LogEnd) -> Result<()> {
    let name = Snapshot::name(epoch);
    let Some(object) = host.get_object(&name)? else {
        return Ok(());
    };
    let mut snapshot: Snapshot = unseal(&object.bytes, &name)?;
    if snapshot.term != term {
        return Ok(());
    }
    snapshot.closed = true;
    snapshot.dropping = false;
    snapshot.unsealed = match log {
        LogEnd::Ended => false,
        LogEnd::NotBegun => snapshot.unsealed,
        LogEnd::Failed => true,
    };
    host.swap_object(&name, &object.version, &snapshot.sealed()?)?;
    Ok(())
}

/// The same for who does not know which of its epochs is the newest.
pub(crate) fn close_newest<H: Host>(host: &H, term: Term, log: LogEnd) -> Result<()> {
    let newest = Snapshot::epochs(host)?.pop();
    newest.map_or(Ok(()), |epoch| close(host, epoch, term, log))
}
