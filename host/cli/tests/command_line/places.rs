//! Stores and machines that are not as a command needs them.

use std::process::Output;

use super::*;

#[test]
fn places_are_told_apart() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    let index = format!("{}/i", place.store);
    let load = |store: &str, name: &str| {
        let fixed = ["ingest", store, "-", "--index", name, "--format", "ndjson"];
        sidx_with(&fixed, row(2).as_bytes())
    };
    let run = load(&index, "j").expect(2);
    assert!(run.err.contains("is itself an index"), "{}", run.err);
    assert!(!Path::new(&index).join("j").exists());
    let run = sidx(&["query", &index, "--index", "j"]).expect(3);
    assert!(
        run.err.contains("is itself an index") && run.err.contains("--index i"),
        "{}",
        run.err
    );
    let above = place.directory.path().to_string_lossy().into_owned();
    let run = load(&above, "store").expect(4);
    assert!(
        run.err.contains("is itself a store: it has index \"i\""),
        "{}",
        run.err
    );

    fs::remove_file(Path::new(&index).join("index.json")).expect("removed");
    for run in [
        load(&place.store, "i").expect(4),
        place.run("query", &[]).expect(3),
    ] {
        assert!(
            run.err.contains("no index.json") && run.err.contains("repair"),
            "{}",
            run.err
        );
        assert!(!run.err.contains("indexes there: i"), "{}", run.err);
    }
    place.run("repair", &[]).expect(0);
    assert_eq!(place.keys(&[]), [1]);

    let file = Path::new(&place.store).join("file");
    fs::write(&file, b"x").expect("written");
    std::os::unix::fs::symlink("nowhere", Path::new(&place.store).join("link")).expect("linked");
    for (name, what) in [("file", "is a file"), ("link", "is a link to something")] {
        for run in [
            load(&place.store, name).expect(4),
            sidx(&["query", &place.store, "--index", name]).expect(4),
            load(&format!("{}/{name}", place.store), "i").expect(4),
            sidx(&["query", &format!("{}/{name}", place.store), "--index", "i"]).expect(4),
        ] {
            assert!(run.err.contains(what), "{}", run.err);
            assert!(!run.err.contains("writer"), "{}", run.err);
        }
    }
}

#[test]
fn a_file_address_is_absolute() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    for prefix in ["file:", "file://"] {
        let store = format!("{prefix}{}", place.store);
        let run = sidx(&["query", &store, "--index", "i"]).expect(0);
        assert_eq!(run.out.lines().count(), 1);
    }
    let fixed = ["--index", "i", "--format", "ndjson"];
    for store in ["file:here", "file:./here", "file://host/here"] {
        let arguments = [&["ingest", store, "-"][..], &fixed].concat();
        let run = sidx_with(&arguments, row(1).as_bytes()).expect(2);
        assert!(run.err.contains("absolute"), "{}", run.err);
    }
    assert!(!Path::new("file:here").exists() && !Path::new("file:").exists());
}

#[test]
fn too_little_address_space_is_named() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    let script = "ulimit -v 6000000 || exit 77; exec \"$0\" query \"$1\" --index i";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_sidx"), &place.store])
        .env("SIDX_CACHE_DIR", cache())
        .output()
        .expect("a shell");
    let err = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        println!("skipped: this shell cannot limit address space");
        return;
    }
    assert_eq!(output.status.code(), Some(6), "{err}");
    assert!(
        err.contains("4 GiB of address space") && err.contains("ulimit -v"),
        "{err}"
    );
    assert!(!err.contains("instance_memory_bytes"), "{err}");
}

#[test]
fn machine_code_is_not_kept_where_others_can_write() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    let cache = place.directory.path().join("cache");
    fs::create_dir(&cache).expect("made");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o775)).expect("allowed");
    let mut query = command(&["query", &place.store, "--index", "i"]);
    let output = query
        .env("SIDX_CACHE_DIR", &cache)
        .output()
        .expect("sidx runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    assert_eq!(err.matches("sidx: warning: ").count(), 1, "{err}");
    assert!(
        err.contains("others can write to the folder") && err.contains("SIDX_CACHE_DIR"),
        "{err}"
    );
    assert_eq!(fs::read_dir(&cache).expect("readable").count(), 0);
    // Nobody is warned of a folder as it should be.
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).expect("allowed");
    let output = query
        .env("SIDX_CACHE_DIR", &cache)
        .output()
        .expect("sidx runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(fs::read_dir(&cache).expect("readable").count(), 1);
}

/// Runs a command as somebody who may not enter a folder. None where there is nobody else.
fn without_entering(closed: &Path, arguments: &[&str]) -> Option<Output> {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    fs::set_permissions(closed, fs::Permissions::from_mode(0o000)).expect("allowed");
    let mut command = command(arguments);
    command.env("SIDX_CACHE_DIR", "");
    if fs::read_dir(closed).is_ok() {
        // Whoever may do everything does it as somebody else.
        command.uid(65_534).gid(65_534);
    }
    let started = command.output();
    fs::set_permissions(closed, fs::Permissions::from_mode(0o700)).expect("allowed");
    if started.is_err() {
        println!("skipped: the command cannot be started as another user");
    }
    started.ok()
}

#[test]
fn a_store_that_may_not_be_entered_is_not_taken_for_none() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    let query = ["query", &place.store, "--index", "i"];
    let Some(output) = without_entering(place.directory.path(), &query) else {
        return;
    };
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("ermission denied") && !err.contains("makes one"),
        "{err}"
    );
}

#[test]
fn an_index_that_may_not_be_entered_is_listed_with_the_reason() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(place.directory.path(), open).expect("allowed");
    let closed = Path::new(&place.store).join("i");
    let Some(output) = without_entering(&closed, &["indexes", &place.store]) else {
        return;
    };
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(
        out.contains("\"index\":\"i\"") && out.contains("ermission denied"),
        "{out}"
    );
}

#[test]
fn a_log_that_was_cut_is_warned_of() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    // A writer that dies leaves its entry in the log, and perhaps the beginning of another.
    let mut writer = super::maintain::open_writer(&place);
    writer.kill().expect("killed");
    writer.wait().expect("ends");
    let log = Path::new(&place.store).join("i/log");
    let segments = fs::read_dir(log).expect("a log");
    let segment = segments.map(|entry| entry.expect("readable").path()).max();
    let segment = segment.expect("a segment");
    let mut bytes = fs::read(&segment).expect("readable");
    bytes.extend_from_slice(b"torn");
    fs::write(&segment, bytes).expect("written");
    let run = place.load(row(2).as_bytes(), &[]).expect(0);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(
        run.err.starts_with("sidx: warning: ") && run.err.contains("torn"),
        "{}",
        run.err
    );
    assert_eq!(place.keys(&[]), [1, 1, 2]);
}
