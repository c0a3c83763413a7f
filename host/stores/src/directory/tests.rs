//! The directory backend against the rules of all backends, and what only a directory can show.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::{DirectoryStorage, DirectoryStore};
use crate::error::ErrorKind;
use crate::{Storage, Store, conformance};

fn storage(directory: &Path) -> Arc<dyn Storage> {
    DirectoryStore::new(directory)
        .open_index("x", true)
        .expect("the directory is ours")
}

/// Every name below a directory with its bytes and times.
fn tree(directory: &Path) -> BTreeMap<String, (Vec<u8>, Option<SystemTime>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let modified = fs::metadata(&path).expect("readable").modified().ok();
        if path.is_dir() {
            found.extend(tree(&path));
            found.insert(format!("{}/", path.display()), (Vec::new(), modified));
        } else {
            let bytes = fs::read(&path).expect("readable");
            found.insert(path.display().to_string(), (bytes, modified));
        }
    }
    found
}

#[test]
fn keeps_to_the_rules_of_all_backends() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let number = std::cell::Cell::new(0);
    let next = || {
        number.set(number.get() + 1);
        directory.path().join(number.get().to_string())
    };
    conformance::check_all(|| storage(&next())).expect("storage");
    conformance::check_store(|| Arc::new(DirectoryStore::new(next().join("deep/er"))))
        .expect("store");
}

#[test]
fn reading_changes_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let missing = directory.path().join("missing");
    let store = DirectoryStore::new(&missing);
    assert_eq!(
        store.index_names().expect("an empty list"),
        Vec::<String>::new()
    );
    assert_eq!(
        store.open_index("x", false).err().map(|e| e.kind()),
        Some(ErrorKind::NotFound)
    );
    assert!(!missing.exists());

    let writer = storage(directory.path());
    let mut file = writer.create("parts/1/a").expect("new");
    file.append(b"bytes").expect("writable");
    file.finish().expect("finished");
    writer.put_if_absent("index.json", b"{}").expect("new");
    let mut growing = writer.append_file("log/1").expect("new");
    growing.append(b"entry").expect("appended");
    growing.sync().expect("synced");
    drop((growing, writer));
    // A file under construction, as a crash leaves it.
    fs::write(directory.path().join("x/parts/1/~9-9.tmp"), b"left").expect("writable");

    let before = tree(directory.path());
    let store = DirectoryStore::new(directory.path());
    assert_eq!(store.index_names().expect("listed"), ["x"]);
    let reader = store.open_index("x", false).expect("there");
    assert_eq!(reader.list("parts/1").expect("listed"), ["a"]);
    reader
        .open("parts/1/a")
        .expect("there")
        .read_at(0, &mut [0; 5])
        .expect("readable");
    assert_eq!(reader.list_objects("").expect("listed"), ["index.json"]);
    assert!(reader.get("index.json").expect("readable").is_some());
    assert!(reader.get("other").expect("readable").is_none());
    assert!(reader.open("log/none").is_err());
    assert!(reader.size_bytes().expect("summed") > 0);
    assert_eq!(reader.open("log/1").expect("there").size(), 5);
    assert_eq!(tree(directory.path()), before);
}

#[test]
fn what_a_crash_left_is_cleared_away_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = storage(directory.path());
    let root = directory.path().join("x");
    let mut file = index.create("parts/1/a.tmp").expect("new");
    file.append(b"bytes").expect("writable");
    // A crash: neither finished nor dropped.
    std::mem::forget(index.create("parts/1/b").expect("new"));
    file.finish().expect("finished");
    fs::write(root.join("~7-0.tmp"), b"left").expect("writable");
    assert_eq!(
        fs::read_dir(root.join("parts/1"))
            .expect("readable")
            .count(),
        2
    );
    assert_eq!(index.list("parts/1").expect("listed"), ["a.tmp"]);
    // The lock alone tells nothing of who is at work.
    drop(index.lock().expect("free"));
    assert!(root.join("~7-0.tmp").exists());
    let unfinished = index.unfinished().expect("listed");
    index.clear_unfinished(&unfinished).expect("cleared");
    assert_eq!(
        fs::read_dir(root.join("parts/1"))
            .expect("readable")
            .count(),
        1
    );
    assert!(!root.join("~7-0.tmp").exists());
    assert_eq!(index.list("parts/1").expect("listed"), ["a.tmp"]);
}

#[test]
fn a_file_that_was_cleared_away_cannot_be_finished() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = storage(directory.path());
    let file = index.create("d/a").expect("new");
    let unfinished = index.unfinished().expect("listed");
    index.clear_unfinished(&unfinished).expect("cleared");
    // What was begun since stays.
    index.create("d/b").expect("new").finish().expect("whole");
    let later = index.create("d/c").expect("new");
    index.clear_unfinished(&unfinished).expect("cleared");
    later.finish().expect("still there");
    let error = file.finish().expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(index.list("d").expect("listed"), ["b", "c"]);
}

#[test]
fn a_file_under_construction_is_not_under_its_name() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = storage(directory.path());
    let mut file = index.create("d/a").expect("new");
    file.append(b"half").expect("writable");
    let names: Vec<_> = tree(&directory.path().join("x")).into_keys().collect();
    assert!(names.iter().all(|name| !name.ends_with("/a")), "{names:?}");
    file.finish().expect("finished");
    let names: Vec<_> = tree(&directory.path().join("x")).into_keys().collect();
    assert!(names.iter().all(|name| !name.contains('~')), "{names:?}");
}

#[test]
fn the_lock_message_names_path_process_and_next_step() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = storage(directory.path());
    let path = directory.path().join("x/lock");
    let held = index.lock().expect("free");
    let pid = std::process::id();
    assert_eq!(
        fs::read_to_string(&path).expect("readable"),
        format!("{pid}\n")
    );
    let message = index
        .lock()
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    let wanted = format!(
        "conflict: another writer of this process (pid {pid}) holds the lock at {}; close it or \
         open read-only",
        path.display()
    );
    assert_eq!(message, wanted);
    drop(held);
    assert_eq!(fs::read_to_string(&path).expect("readable"), "");
}

/// Runs itself as a second process, which holds the lock until it is killed.
#[test]
fn the_lock_goes_with_its_process() {
    const NAME: &str = "SIDX_TEST_LOCK_DIRECTORY";
    if let Some(path) = std::env::var_os(NAME) {
        let _held = DirectoryStorage::new(path).lock().expect("free");
        std::thread::sleep(std::time::Duration::from_secs(60));
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = storage(directory.path());
    let mut child = std::process::Command::new(std::env::current_exe().expect("our path"))
        .args(["the_lock_goes_with_its_process", "--test-threads=1"])
        .env(NAME, directory.path().join("x"))
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("a second process");
    let pid = format!("{}\n", child.id());
    let path = directory.path().join("x/lock");
    for _ in 0..4000 {
        if fs::read_to_string(&path).ok().as_ref() == Some(&pid) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let error = index.lock().err().expect("held by the other process");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        error
            .message()
            .starts_with(&format!("another process (pid {})", child.id()))
    );
    child.kill().expect("ours to kill");
    child.wait().expect("killed");
    index.lock().expect("free after the process is gone");
}

/// Runs itself as a second process, which pins an epoch until it is killed.
#[test]
fn a_pin_counts_in_other_processes_and_goes_with_its_own() {
    const NAME: &str = "SIDX_TEST_PIN_DIRECTORY";
    if let Some(path) = std::env::var_os(NAME) {
        let _held = DirectoryStorage::new(path).pin(3).expect("writable");
        std::thread::sleep(std::time::Duration::from_secs(60));
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = storage(directory.path());
    let _younger = index.pin(4).expect("writable").expect("taken");
    let mut child = std::process::Command::new(std::env::current_exe().expect("our path"))
        .args([
            "a_pin_counts_in_other_processes_and_goes_with_its_own",
            "--test-threads=1",
        ])
        .env(NAME, directory.path().join("x"))
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("a second process");
    let seen = (0..4000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        index.pinned_epochs().expect("readable") == [3, 4]
    });
    child.kill().expect("ours to kill");
    child.wait().expect("killed");
    assert!(seen, "the pin of the other process never counted");
    assert_eq!(index.pinned_epochs().expect("readable"), [4]);
    let pins = fs::read_dir(directory.path().join("x/readers")).expect("readable");
    assert_eq!(pins.count(), 1, "what the dead process left is removed");
}

#[test]
fn names_among_the_pins_that_are_none_stay() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = storage(directory.path());
    drop(index.pin(1).expect("writable").expect("taken"));
    let readers = directory.path().join("x/readers");
    fs::write(readers.join("note"), b"").expect("writable");
    fs::write(readers.join("7.1-1"), b"").expect("writable");
    fs::write(readers.join("0000000000000007.1-1"), b"").expect("writable");
    assert_eq!(index.pinned_epochs().expect("readable"), [0; 0]);
    assert_eq!(fs::read_dir(&readers).expect("readable").count(), 2);
}

#[test]
fn a_removed_index_is_not_brought_back_by_who_still_has_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = storage(directory.path());
    DirectoryStore::new(directory.path())
        .remove_index("x")
        .expect("free");
    assert!(index.create("d/a").is_err());
    assert!(index.append_file("log/a").is_err());
    assert!(index.put_if_absent("a", b"").is_err());
    assert!(index.pin(1).is_err());
    assert!(index.lock().is_err());
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
}

#[test]
fn a_removal_that_broke_off_is_out_of_sight_and_ends_with_the_next() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = DirectoryStore::new(directory.path());
    let name = |name: &str| directory.path().join(name);
    drop(storage(directory.path()));
    // As the end of the process leaves it after the first step; and names that only look like that.
    fs::rename(name("x"), name("~4711-0.tmp")).expect("moved");
    for other in ["~notes.tmp", "~1-a.tmp", "~-1.tmp"] {
        fs::create_dir(name(other)).expect("made");
    }
    fs::write(name("~5-5.tmp"), b"a file of somebody else").expect("written");
    assert!(store.index_names().expect("listed").is_empty());
    let again = storage(directory.path());
    again.put_if_absent("index.json", b"").expect("new");
    let error = store.remove_index("y").expect_err("not there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let left: Vec<String> = tree(directory.path()).into_keys().collect();
    assert!(!left.iter().any(|name| name.contains("~4711")), "{left:?}");
    assert_eq!(left.len(), 6, "{left:?}");
    assert_eq!(store.index_names().expect("listed"), ["x"]);
}

#[test]
fn an_index_behind_a_link_is_removed_where_it_is() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let index = storage(elsewhere.path());
    index.put_if_absent("a", b"").expect("new");
    let link = directory.path().join("linked");
    std::os::unix::fs::symlink(elsewhere.path().join("x"), &link).expect("linked");
    let store = DirectoryStore::new(directory.path());
    let error = store.remove_index("linked").expect_err("a link");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(link.exists() && index.get("a").expect("readable").is_some());
}

#[test]
fn an_object_that_is_too_large_is_corrupt() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = storage(directory.path());
    let file = fs::File::create(directory.path().join("x/large")).expect("writable");
    file.set_len(17 << 20).expect("sparse");
    let error = index.get("large").expect_err("more than 16 MiB");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.message().contains("x/large has 17825792 bytes"),
        "{error}"
    );
}

#[test]
fn a_store_lists_directories_that_can_be_indexes() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for name in ["good", ".hidden", "lost+found", "~1-1.tmp"] {
        fs::create_dir(directory.path().join(name)).expect("made");
    }
    fs::create_dir(directory.path().join("folder")).expect("made");
    for index in ["good", ".hidden", "lost+found", "~1-1.tmp"] {
        let object = directory.path().join(index).join("index.json");
        fs::write(object, b"{}").expect("written");
    }
    fs::write(directory.path().join("file"), b"").expect("written");
    let store = DirectoryStore::new(directory.path());
    assert_eq!(store.index_names().expect("listed"), ["good"]);
    let error = store.open_index("file", true).err().expect("a file");
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// The text of the refusal to make an index of this name.
fn refused(root: &Path, name: &str) -> String {
    let error = DirectoryStore::new(root).open_index(name, true);
    let error = error.err().expect("refused");
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Conflict | ErrorKind::InvalidArgument
        ),
        "{error}"
    );
    error.message().to_owned()
}

#[test]
fn what_is_in_the_way_of_an_index_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    let make = |path: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("made");
        fs::write(path, b"x").expect("written");
    };
    // An index, and a place that is taken for a store though it is one.
    make("store/events/index.json");
    make("store/events/0000000000000000.snapshot");
    let text = refused(&root.join("store/events"), "i");
    assert!(
        text.contains("is itself an index") && text.contains("index events of store"),
        "{text}"
    );
    assert!(!root.join("store/events/i").exists());
    make("store/copied/00000001.incarnation");
    assert!(refused(&root.join("store/copied"), "i").contains("is itself an index"));
    // What is left of an index.
    make("store/rest/parts/x/data.bin");
    assert!(refused(&root.join("store"), "rest").contains("repair"));
    make("store/logged/log/0.log");
    assert!(refused(&root.join("store"), "logged").contains("no index.json"));
    // Something else.
    make("store/photos/cat.jpg");
    assert!(refused(&root.join("store"), "photos").contains("is no index: it has \"cat.jpg\""));
    assert!(refused(root, "store").contains("is itself a store"));
    make("file");
    assert!(refused(root, "file").contains("is a file"));
    assert!(refused(&root.join("file"), "i").contains("is a file, not the folder of a store"));
    for link in ["link", "store/link"] {
        std::os::unix::fs::symlink("nowhere", root.join(link)).expect("linked");
    }
    assert!(refused(&root.join("store"), "link").contains("is a link to something"));
    assert!(refused(&root.join("link"), "i").contains("is a link to something"));
    assert!(!root.join("nowhere").exists() && !root.join("store/nowhere").exists());
    // What an interrupted creation or copy leaves is no hindrance.
    make("store/begun/0000000000000000.snapshot");
    make("store/begun/lock");
    make("store/begun/~1-1.tmp");
    make("store/copy/00000001-0123456789abcdef0123456789abcdef/parts/x/data.bin");
    make("store/dropped/00000002.incarnation");
    make("store/dropped/parts/x/data.bin");
    fs::create_dir_all(root.join("store/empty/log")).expect("made");
    for name in ["begun", "copy", "dropped", "empty", "new", "events"] {
        let opened = DirectoryStore::new(root.join("store")).open_index(name, true);
        assert!(opened.is_ok(), "{name}");
    }
}
