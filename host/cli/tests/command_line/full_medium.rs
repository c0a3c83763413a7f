//! The command on a real file system that is small and becomes full. Where none may be mounted, the tests say
//! so and end.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use sidx_host::{Index, Retention, Store};
use tempfile::TempDir;

use super::{Run, sidx, sidx_with};

const SIZE_BYTES: u64 = 16 << 20;

/// A file system of its own, until dropped.
struct Mount {
    directory: TempDir,
    path: PathBuf,
}

fn succeeds(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(cause) => Err(cause.to_string()),
    }
}

impl Mount {
    /// None where it is not permitted; says why, past what the test's output is captured by.
    fn new(kind: &str) -> Option<Mount> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("mount");
        fs::create_dir(&path).expect("a directory");
        let target = path.to_str().expect("UTF-8");
        let mounted = match kind {
            "tmpfs" => {
                let size = format!("size={SIZE_BYTES}");
                succeeds("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", target])
            }
            _ => {
                let image = directory.path().join("image");
                let file = fs::File::create(&image).expect("a file");
                file.set_len(SIZE_BYTES).expect("a size");
                let image = image.to_str().expect("UTF-8");
                succeeds("mkfs.ext4", &["-q", "-F", image])
                    .and_then(|()| succeeds("mount", &["-o", "loop", image, target]))
            }
        };
        if let Err(problem) = mounted {
            let line = format!("skipped: no {kind} can be mounted here: {problem}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        }
        Some(Mount { directory, path })
    }

    fn store(&self) -> String {
        self.path.join("store").to_string_lossy().into_owned()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let path = self.path.to_str().expect("UTF-8");
        if let Err(problem) = succeeds("umount", &[path]) {
            let folder = self.directory.path().display();
            let line = format!("{folder} stays mounted: {problem}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

/// Lines with rows of a kilobyte that do not compress well.
fn lines(first: u64, count: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for key in first..first + count {
        let mut state = (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let payload: String = (0..1_000)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                char::from(b'0' + (state % 64) as u8).to_string()
            })
            .map(|c| c.replace('\\', "x"))
            .collect();
        let row = format!("{{\"series\": \"s\", \"key\": {key}, \"payload\": \"{payload}\"}}\n");
        text.extend_from_slice(row.as_bytes());
    }
    text
}

fn load(store: &str, input: &[u8], flags: &[&str]) -> Run {
    let fixed = [
        "ingest", store, "-", "--index", "i", "--format", "ndjson", "--batch", "100",
    ];
    sidx_with(&[&fixed[..], flags].concat(), input)
}

fn open(store: &str) -> Index {
    Store::open(store)
        .expect("a store")
        .index("i")
        .open()
        .expect("an index")
}

/// From empty to full, and back to an index that takes rows.
fn fill_and_make_room(store: &str, flags: &[&str]) {
    let count = || open(store).query().count().expect("counted");
    let before = if Path::new(store).exists() {
        count()
    } else {
        0
    };
    let full = load(store, &lines(0, 40_000), flags).expect(6);
    let ingested = full.last()["ingested"].as_u64().expect("a count");
    assert!(ingested > 2_000, "{ingested}");
    assert!(full.err.contains("retention rule"), "{}", full.err);
    // What was counted is there, and one more row is not taken.
    assert_eq!(count() - before, ingested);
    let flush = [&["flush", store, "--index", "i", "--wait", "1m"][..], flags].concat();
    sidx(&flush).expect(0);
    let index = open(store);
    index
        .retain(Retention {
            drop_where: None,
            drop_below: Some(i64::MAX),
        })
        .expect("retention needs no room");
    index.close().expect("closed");
    let again = load(store, &lines(0, 500), flags).expect(0);
    assert_eq!(again.last()["ingested"], 500);
    sidx(&["verify", store, "--index", "i"]).expect(0);
}

#[test]
fn a_small_tmpfs_becomes_full_and_has_room_again() {
    if let Some(mount) = Mount::new("tmpfs") {
        fill_and_make_room(&mount.store(), &[]);
    }
}

#[test]
fn a_small_ext4_becomes_full_and_has_room_again() {
    if let Some(mount) = Mount::new("ext4") {
        fill_and_make_room(&mount.store(), &[]);
        fill_and_make_room(&mount.store(), &["--min-free", "0"]);
    }
}

#[test]
fn a_disk_budget_of_the_command_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = directory.path().join("store");
    let store = store.to_str().expect("UTF-8");
    fill_and_make_room(store, &["--disk", "4MiB"]);
    assert!(size_bytes(Path::new(store)) < 4 << 20);
    let merge = ["merge", store, "--index", "i", "--all"];
    sidx(&[&merge[..], &["--disk", "500kB"]].concat()).expect(6);
    sidx(&merge).expect(0);
}

fn size_bytes(path: &Path) -> u64 {
    let entries = fs::read_dir(path).expect("a directory");
    let size = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => size_bytes(&path),
            false => fs::metadata(&path).map_or(0, |metadata| metadata.len()),
        }
    };
    entries.map(size).sum()
}
