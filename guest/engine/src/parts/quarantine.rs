//! `quarantine/`: damaged files, untouched, each with the reason beside it.

use crate::error::{ErrorKind, Result};
use crate::host::{Codec, Host, Medium};
use crate::part::layout::{PARTS, QUARANTINE};
use crate::part::loss::Quarantined;
use crate::part::name::StoredName;

/// Moves the parts of a list, and files with dead rows, aside that are still in their place. Nothing happens
/// to those that were moved before, so it may be called on every opening. Where a move would be a copy, which
/// nobody should have to wait for, they stay where they are: the snapshot that names them keeps them there.
pub(crate) fn set_aside<H: Host>(host: &H, parts: &[Quarantined]) -> Result<()> {
    aside(host, parts, !host.moves_copy())
}

/// The same of what no snapshot will name any more, which is moved everywhere.
pub(crate) fn move_aside<H: Host>(host: &H, parts: &[Quarantined]) -> Result<()> {
    aside(host, parts, true)
}

fn aside<H: Host>(host: &H, parts: &[Quarantined], is_moved: bool) -> Result<()> {
    let named = |part: &&Quarantined| StoredName::parse(&part.part).is_some();
    let mut known: Option<Vec<String>> = None;
    for part in parts.iter().filter(named) {
        let known = match &mut known {
            Some(known) => known,
            None => known.insert(host.list_files(QUARANTINE, Medium::Durable)?),
        };
        let to = format!("{QUARANTINE}/{}", part.part);
        if is_moved && !known.contains(&part.part) {
            match host.rename_files(&format!("{PARTS}/{}", part.part), &to) {
                Ok(()) => {}
                // Its whole directory is what is missing.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if !known.contains(&format!("{}.reason", part.part)) {
            keep(host, &format!("{}.reason", part.part), &reason_text(part))?;
        }
    }
    match known {
        Some(_) => host.sync_files(QUARANTINE),
        None => Ok(()),
    }
}

fn reason_text(part: &Quarantined) -> Vec<u8> {
    let mut text = format!("{}\n", part.reason);
    for region in &part.lost {
        text.push_str(&format!("lost: {region}\n"));
    }
    text.into_bytes()
}

/// Writes a file of the quarantine, durable once the directory is synced.
pub(crate) fn keep<H: Host>(host: &H, name: &str, bytes: &[u8]) -> Result<()> {
    let path = format!("{QUARANTINE}/{name}");
    host.remove_files(&path, Medium::Durable)?;
    let file = host.create_file(&path, Medium::Durable)?;
    host.append(&file, bytes, &[bytes.len() as u32], Codec::None)?;
    host.finish(file).map(|_| ())
}
