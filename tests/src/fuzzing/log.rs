//! A write-ahead log whose files are changed between two openings.

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use sidx_host::ErrorKind;
use sidx_host::storage::log::{Log, LogAccess, LogDurability, LogEntry, Term};
use sidx_host::storage::{MemoryStorage, Storage};

/// Changes to the files. With this few nobody can make up an entry: one byte of it, its checksum and
/// the checksum of its head take nine.
const EDITS_MAX: u32 = 5;

/// Entries by position.
type Entries = BTreeMap<u64, LogEntry>;

/// Writes a log, changes its files, and opens it: no panic, and no entry that was not written.
///
/// With an odd first byte the rest of the input is the content of the first segment behind its header;
/// then entries may come out of it, and only have to stay the same.
pub fn log(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new("fuzz"));
    if mode & 1 == 1 {
        drop(open(&storage, 1).expect("a new log"));
        let first = format!("log/{}", storage.list("log").expect("listed")[0]);
        replace(&*storage, &first, |bytes| {
            bytes.truncate(HEADER_BYTES);
            bytes.extend_from_slice(rest);
        });
        check(&storage, None);
        return;
    }
    let mut input = Unstructured::new(rest);
    let written = write(&storage, &mut input).unwrap_or_default();
    for _ in 0..input.int_in_range(1..=EDITS_MAX).unwrap_or(1) {
        // Without bytes left there is nothing more to change.
        if edit(&*storage, &mut input).is_err() {
            break;
        }
    }
    check(&storage, Some(&written));
}

const HEADER_BYTES: usize = 88;

/// Opens the log for writing; each opening needs a higher number.
fn open(storage: &Arc<dyn Storage>, number: u64) -> sidx_host::Result<Log> {
    Log::open(Arc::clone(storage), writing(number))
}

fn writing(number: u64) -> LogAccess {
    LogAccess::Write {
        term: Term { number, nonce: 1 },
        seal: true,
    }
}

fn write(storage: &Arc<dyn Storage>, input: &mut Unstructured<'_>) -> Result<Entries> {
    let mut log = open(storage, 1).expect("a new log");
    let mut written = Entries::new();
    for _ in 0..input.int_in_range(1..=6)? {
        let durability = match input.arbitrary()? {
            true => LogDurability::Sync,
            false => LogDurability::Os,
        };
        let mut entries = Vec::new();
        for _ in 0..input.int_in_range(1..=3)? {
            let header = vec![input.arbitrary::<u8>()?; input.int_in_range(0..=20)?];
            let body = vec![input.arbitrary::<u8>()?; input.int_in_range(0..=1_500)?];
            entries.push((header, body));
        }
        let slices: Vec<(&[u8], &[u8])> = entries
            .iter()
            .map(|(header, body)| (header.as_slice(), body.as_slice()))
            .collect();
        let mut position = log.end();
        log.append(&slices, durability).expect("memory takes it");
        for (header, body) in entries {
            let entry = log.read(position).expect("just written").expect("an entry");
            assert_eq!((&entry.header, &entry.body), (&header, &body));
            let at = std::mem::replace(&mut position, entry.next_position);
            written.insert(at, entry);
        }
        if input.ratio(1, 8)? {
            // Behind the end: a new segment begins there, and all before it is given up.
            let position = log.end() + input.int_in_range(0..=900)?;
            log.drop_before(position).expect("given up");
        }
    }
    Ok(written)
}

/// Changes one file.
fn edit(storage: &dyn Storage, input: &mut Unstructured<'_>) -> Result<()> {
    let names = storage.list("log").expect("listed");
    if names.is_empty() || input.is_empty() {
        return Err(arbitrary::Error::NotEnoughData);
    }
    let path = format!("log/{}", input.choose(&names)?);
    let what = input.int_in_range(0..=6)?;
    let (one, other) = (input.arbitrary::<u16>()?, input.arbitrary::<u16>()?);
    let mask = input.arbitrary::<u8>()?;
    replace(storage, &path, |bytes| {
        let within = |at: u16| usize::from(at) % (bytes.len() + 1);
        let (start, end) = (
            within(one).min(within(other)),
            within(one).max(within(other)),
        );
        match what {
            0..=2 => {
                if let Some(byte) = bytes.get_mut(start) {
                    *byte ^= mask;
                }
            }
            3 => bytes.truncate(start),
            4 => bytes[start..end].fill(0),
            5 => bytes.extend(vec![mask; usize::from(one % 700)]),
            _ => bytes.extend_from_within(start..end),
        }
    });
    if what == 3 && mask == 0xff {
        storage.remove(&path).expect("removed");
    }
    Ok(())
}

fn replace(storage: &dyn Storage, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let file = storage.open(path).expect("the file");
    let mut bytes = vec![0; file.size() as usize];
    file.read_at(0, &mut bytes).expect("its bytes");
    change(&mut bytes);
    let mut file = storage.append_file(path).expect("the file");
    file.truncate(0).expect("emptied");
    file.append(&bytes).expect("filled");
}

/// Opens the log for reading and writing; both must find the same, and nothing that is not in
/// `written`. What is appended then is there after another opening.
fn check(storage: &Arc<dyn Storage>, written: Option<&Entries>) {
    let Some((read, start, end)) = entries(storage, LogAccess::Read) else {
        assert!(
            entries(storage, writing(2)).is_none(),
            "a writer is less strict"
        );
        return;
    };
    for (position, entry) in &read {
        let known = written.map(|written| written.get(position));
        assert!(
            known.is_none_or(|known| known == Some(entry)),
            "entry at {position}"
        );
    }
    let found = entries(storage, writing(2)).expect("a reader could open it");
    assert_eq!(found, (read, start, end));
    let mut log = open(storage, 3).expect("opened before");
    let position = log.end();
    assert_eq!(position, end);
    let next = log
        .append(&[(b"next", b"one")], LogDurability::Sync)
        .expect("appended");
    drop(log);
    let (again, _, end) = entries(storage, writing(4)).expect("opened before");
    assert_eq!(end, next);
    if let Some(entry) = again.get(&position) {
        assert_eq!(
            (entry.header.as_slice(), entry.body.as_slice()),
            (&b"next"[..], &b"one"[..])
        );
    } else {
        // An older segment is damaged in the middle, which only reading finds.
        assert!(
            again
                .last_key_value()
                .is_none_or(|(_, last)| last.next_position < position)
        );
    }
}

/// All entries up to the first damaged one, with start and end; none when the log cannot be opened.
fn entries(storage: &Arc<dyn Storage>, access: LogAccess) -> Option<(Entries, u64, u64)> {
    let expected = |kind| matches!(kind, ErrorKind::Corrupt | ErrorKind::UnsupportedVersion);
    let mut log = match Log::open(Arc::clone(storage), access) {
        Ok(log) => log,
        Err(error) => {
            assert!(expected(error.kind()), "{error}");
            return None;
        }
    };
    let (start, end) = (log.start(), log.end());
    let (mut position, mut read) = (start, Entries::new());
    loop {
        match log.read(position) {
            Ok(None) => break,
            Ok(Some(entry)) => {
                assert!(entry.next_position > position && entry.next_position <= end);
                let at = std::mem::replace(&mut position, entry.next_position);
                read.insert(at, entry);
            }
            Err(error) => {
                assert!(expected(error.kind()), "{error}");
                break;
            }
        }
    }
    Some((read, start, end))
}
