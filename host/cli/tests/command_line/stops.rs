//! Loads that stop: what is in, and how to go on.

use super::*;

/// The flags of a CSV of series `s` and key `k`.
const S_K: [&str; 4] = ["--series", "s", "--key", "k"];

/// The part of a message behind `--skip-rows`.
#[track_caller]
pub(super) fn rows_to_skip(run: &Run) -> String {
    let behind = run.err.split("--skip-rows ").nth(1);
    let behind = behind.unwrap_or_else(|| panic!("no way to go on: {}", run.err));
    behind.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn a_load_goes_on_behind_what_is_in() {
    let place = Place::new();
    let good: Vec<String> = (0..10).map(row).collect();
    let mut broken = good.clone();
    broken[6] = String::from("{\"series\": \"s\", \"key\": six}\n");
    let run = place
        .load(broken.concat().as_bytes(), &["--batch", "4"])
        .expect(2);
    assert!(run.err.contains("line 7: "), "{}", run.err);
    assert!(
        run.err.contains("6 rows are in, up to line 6"),
        "{}",
        run.err
    );
    assert!(!run.err.contains("again"), "{}", run.err);
    let skip = rows_to_skip(&run);
    // A second stop counts on.
    broken[6] = good[6].clone();
    broken[8] = String::from("8\n");
    let run = place
        .load(
            broken.concat().as_bytes(),
            &["--skip-rows", &skip, "--batch", "1"],
        )
        .expect(2);
    assert_eq!(run.last()["ingested"], 2);
    assert_eq!(rows_to_skip(&run), "8");
    let run = place
        .load(good.concat().as_bytes(), &["--skip-rows", "8"])
        .expect(0);
    assert_eq!(run.last()["ingested"], 2);
    assert_eq!(place.keys(&[]), (0..10).collect::<Vec<i64>>());
    place
        .load(good.concat().as_bytes(), &["--skip-rows", "10"])
        .expect(0);
    let run = place
        .load(good.concat().as_bytes(), &["--skip-rows", "11"])
        .expect(2);
    assert!(
        run.err.contains("the input has only 10 rows"),
        "{}",
        run.err
    );
    assert_eq!(place.keys(&[]).len(), 10);

    // Rows without a key are none.
    let place = Place::new();
    let csv = b"s,k\nA,1\nA,\nA,2\nA,\nA,3\n";
    let flags = [&S_K[..], &["--skip-missing-key", "--skip-rows", "2"]].concat();
    let run = place.load_csv(csv, &flags).expect(0);
    assert_eq!(
        (&run.last()["ingested"], &run.last()["skipped"]),
        (&1.into(), &1.into())
    );
    assert_eq!(place.keys(&[]), [3]);
}

#[test]
fn a_full_output_does_not_double_rows() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("skipped: there is no /dev/full here");
        return;
    };
    let place = Place::new();
    let two = [row(0), row(1)].concat();
    let load = |flags: &[&str]| {
        let fixed = [
            "ingest",
            &place.store,
            "-",
            "--index",
            "i",
            "--format",
            "ndjson",
        ];
        let mut command = command(&[&fixed[..], flags].concat());
        command.stdout(full.try_clone().expect("a handle"));
        let mut child = command.spawn().expect("sidx starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(two.as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("sidx ends");
        let err = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(!err.contains("run the command again"), "{err}");
        err
    };
    let err = load(&[]);
    assert!(
        err.contains("all 2 rows are in, do not load them again"),
        "{err}"
    );
    assert_eq!(place.keys(&[]), [0, 1]);
    let err = load(&["--ack", "--batch", "1"]);
    assert!(
        err.contains("1 row is in, up to line 1") && err.contains("--skip-rows 1"),
        "{err}"
    );
    assert_eq!(place.keys(&[]), [0, 0, 1]);
}

#[test]
fn a_full_output_does_not_advise_to_do_a_thing_twice() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("skipped: there is no /dev/full here");
        return;
    };
    let place = Place::new();
    place.load(row(0).as_bytes(), &[]).expect(0);
    let run = |name: &str, flags: &[&str]| {
        let mut command = command(&[&[name, &place.store, "--index", "i"], flags].concat());
        command.stdout(full.try_clone().expect("a handle"));
        let output = command.output().expect("sidx runs");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{err}");
        err
    };
    let copy = place.directory.path().join("copy");
    let copy = copy.to_string_lossy();
    for (name, flags) in [
        ("flush", &[][..]),
        ("merge", &["--all"]),
        ("repair", &[]),
        ("retain", &["--below", "-5"]),
        ("backup", &[&copy]),
        ("drop", &["--yes"]),
    ] {
        let err = run(name, flags);
        assert!(err.contains("do not run it again"), "{name}: {err}");
        if name == "retain" {
            let err = run("stats", &[]);
            assert!(err.contains("run the command again"), "{err}");
        }
    }
}

/// A small file system in memory, as long as it lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, options: &str) -> Option<SmallDisk> {
        fs::create_dir(&at).expect("made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&at)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_medium_says_what_is_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(directory.path().join("disk"), "size=1m") else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    let store = disk.0.join("store").to_string_lossy().into_owned();
    let rows: String = (0..20_000)
        .map(|key| {
            let noise: String = (0..8u64)
                .map(|n| {
                    format!(
                        "{:016x}",
                        (key as u64 * 8 + n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    )
                })
                .collect();
            format!("{{\"series\":\"s\",\"key\":{key},\"payload\":\"{noise}\"}}\n")
        })
        .collect();
    let fixed = ["ingest", &store, "-", "--index", "i", "--format", "ndjson"];
    let load = |flags: &[&str]| sidx_with(&[&fixed[..], flags].concat(), rows.as_bytes());
    let run = load(&["--ack", "--batch", "100"]).expect(6);
    assert!(run.err.contains("the medium has "), "{}", run.err);
    assert!(
        !run.err.contains("reopen") && !run.err.contains("retry"),
        "{}",
        run.err
    );
    let skip = rows_to_skip(&run);
    let ingested = run.last()["ingested"].as_u64().expect("a number");
    assert_eq!(skip, ingested.to_string());
    assert!(
        run.err.contains(&format!("up to line {ingested};")),
        "{}",
        run.err
    );
    // There is room again, and nothing is there twice or not at all.
    let more = Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(&disk.0)
        .status();
    assert!(more.expect("mount runs").success());
    load(&["--skip-rows", &skip]).expect(0);
    let run = sidx(&[
        "query",
        &store,
        "--index",
        "i",
        "--select",
        "none",
        "--no-payload",
    ]);
    let out = run.expect(0).out;
    let expected: String = (0..20_000)
        .map(|key| format!("{{\"series\":\"s\",\"key\":{key}}}\n"))
        .collect();
    assert!(out == expected, "{} rows", out.lines().count());
}
