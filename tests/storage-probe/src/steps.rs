//! Single calls, each an argument: `put PATH TEXT`. What comes of one is a line.

use crate::bindings::sidx::filesystem::root;
use crate::bindings::sidx::storage::types::Error;
use crate::bindings::sidx::storage::{files, objects, places};
use crate::output::{Failed, line, shown};

/// What earlier steps left open.
#[derive(Default)]
struct Held {
    /// A file under construction.
    file: u32,
    /// A file that is read, and its size.
    read: (u32, u32),
    /// The version of an object.
    version: String,
}

/// Makes the calls in order and prints what comes of each; fails when one does.
pub(crate) fn run(root: &str, steps: &[&str]) -> Result<(), Failed> {
    let mut held = Held::default();
    let mut result = Ok(());
    for step in steps {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let said = match verb {
            "open" => root::open(root, false).map(|()| "ok".to_owned()),
            "create" => root::open(root, true).map(|()| "ok".to_owned()),
            "wait" => wait(),
            _ => match call(&mut held, verb, path, text) {
                Some(said) => said,
                None => return Err(line(&format!("there is no step {verb:?}"))),
            },
        };
        match said {
            Ok(said) => drop(line(&said)),
            Err(error) => result = Err(line(&shown(&error))),
        }
    }
    result
}

/// Says that it waits, until a byte comes.
fn wait() -> Result<String, Error> {
    let _ = line("waiting");
    let byte = wasip2::cli::stdin::get_stdin().blocking_read(1);
    byte.map(|_| "goes on".to_owned())
        .map_err(|_| Error::Io("standard input has ended".to_owned()))
}

fn call(held: &mut Held, verb: &str, path: &str, text: &str) -> Option<Result<String, Error>> {
    let ok = |()| "ok".to_owned();
    let names = |names: Vec<String>| names.join(" ");
    Some(match verb {
        "make" => places::make(path).map(ok),
        "unmake" => places::remove(path).map(ok),
        "places" => places::list(None).map(names),
        "lock" => places::lock(path).map(|lock| format!("{lock:?}")),
        "size" => places::size_bytes(path).map(|bytes| bytes.to_string()),
        "pins" => places::pinned_epochs(path).map(|epochs| format!("{epochs:?}")),
        "put" => objects::put_if_absent(path, text.as_bytes()).map(|_| "ok".to_owned()),
        "get" => object(held, path),
        "swap" => {
            objects::compare_and_swap(path, &held.version, text.as_bytes()).map(|_| "ok".to_owned())
        }
        "objects" => objects::list(path, "").map(names),
        "drop" => objects::remove(path).map(ok),
        "begin" => files::begin(path).and_then(|file| {
            held.file = file;
            files::append(file, text.as_bytes()).map(ok)
        }),
        "finish" => files::finish(held.file).map(ok),
        "grow" => files::grow(path).and_then(|file| {
            let written = files::write(file.handle, file.size_bytes, text.as_bytes(), true);
            files::close(file.handle);
            written.map(ok)
        }),
        "look" => files::open(path).map(|file| {
            held.read = (file.handle, u32::try_from(file.size_bytes).unwrap_or(0));
            "ok".to_owned()
        }),
        "read" => {
            let (file, length) = held.read;
            let bytes = files::read_ranges(&[file], &[0], &[length]);
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        }
        "list" => files::list(path).map(names),
        "move" => files::move_(path, text).map(ok),
        "remove" => files::remove(path).map(ok),
        "sync" => files::sync(path).map(ok),
        "many" => many(path, text),
        _ => return None,
    })
}

fn object(held: &mut Held, path: &str) -> Result<String, Error> {
    Ok(match objects::get(path)? {
        Some(object) => {
            held.version = object.version;
            String::from_utf8_lossy(&object.bytes).into_owned()
        }
        None => "none".to_owned(),
    })
}

/// Makes so many files at the same time, then opens all and reads each.
fn many(directory: &str, count: &str) -> Result<String, Error> {
    let count = count.parse().unwrap_or(0);
    let name = |number: u32| format!("{directory}/{number}");
    let files: Vec<u32> = (0..count)
        .map(|number| files::begin(&name(number)))
        .collect::<Result<_, _>>()?;
    for (file, number) in files.iter().zip(0u32..) {
        files::append(*file, &number.to_le_bytes())?;
    }
    for file in files {
        files::finish(file)?;
    }
    let files: Vec<u32> = (0..count)
        .map(|number| files::open(&name(number)).map(|file| file.handle))
        .collect::<Result<_, _>>()?;
    let lists = (vec![0; files.len()], vec![4; files.len()]);
    let bytes = files::read_ranges(&files, &lists.0, &lists.1)?;
    let wanted: Vec<u8> = (0..count).flat_map(u32::to_le_bytes).collect();
    match bytes == wanted {
        true => Ok(format!("{} files", files.len())),
        false => Err(Error::Corrupt("files have the bytes of others".to_owned())),
    }
}
