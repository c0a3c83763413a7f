//! Asking, and what does not exist.

use super::*;

#[test]
fn queries_select_order_and_limit() {
    let place = Place::new();
    let rows: String = (-3i64..3)
        .map(|key| {
            let series = if key % 2 == 0 { "\"even\"" } else { "7" };
            let code = 500 + key;
            format!(
                "{{\"series\":{series},\"key\":{key},\"tags\":{{\"code\":{code},\"a b\":\"x\"}},\
                 \"payload\":\"{}\"}}\n",
                key.abs()
            )
        })
        .collect();
    place.load(rows.as_bytes(), &[]).expect(0);
    assert_eq!(place.keys(&["--keys", "-2..1"]), [-2, -1, 0]);
    assert_eq!(
        place.keys(&["--keys", "-2..=1", "--order", "desc"]),
        [1, 0, -1, -2]
    );
    assert_eq!(place.keys(&["--keys=..-1", "--limit", "1"]), [-3]);
    assert!(place.keys(&["--keys", "..", "--limit", "0"]).is_empty());
    assert_eq!(place.keys(&["--series", "even"]), [-2, 0, 2]);
    assert_eq!(
        place.keys(&["--series", "even", "--series-id", "7"]),
        [-3, -2, -1, 0, 1, 2]
    );
    assert!(place.keys(&["--series", "nobody"]).is_empty());
    assert_eq!(
        place.keys(&["--where", "code >= 500 and `a b` = \"x\""]),
        [0, 1, 2]
    );
    assert_eq!(place.keys(&["--distinct-payload"]), [-3, -2, -1, 0]);
    let csv = place.run(
        "query",
        &["--select", "code,gone", "--format", "csv", "--limit", "1"],
    );
    assert_eq!(
        csv.expect(0).out,
        "series,key,code,gone,payload\n7,-3,497,,3\n"
    );

    let run = place.run("query", &["--explain", "--limit", "1"]).expect(0);
    assert_eq!((run.out.lines().count(), run.err.lines().count()), (1, 1));
    assert!(
        serde_json::from_str::<Value>(&run.err)
            .expect("JSON")
            .is_object()
    );

    let run = place.run("query", &["--where", "code = and"]).expect(2);
    assert!(run.err.contains("column 8"), "{}", run.err);
    place.run("query", &["--timeout", "0s"]).expect(7);
    let run = place.run("query", &["--max-rows", "5"]).expect(6);
    assert!(run.err.contains("more than the 5 rows"), "{}", run.err);
    assert_eq!(place.keys(&["--max-rows", "6"]).len(), 6);
    let run = place.run("query", &["--memory", "1"]).expect(6);
    assert!(run.err.contains("memory"), "{}", run.err);
    assert_eq!(place.keys(&["--memory", "1MiB"]).len(), 6);
    place.run("query", &["--memory", "much"]).expect(2);
}

#[test]
fn counts_and_parameters() {
    let place = Place::new();
    let rows: String = [(1, "EWR", 500), (2, "JFK", 500), (3, "EWR", 200)]
        .map(|(key, origin, status)| {
            format!(
                "{{\"series\":\"s\",\"key\":{key},\"tags\":{{\"origin\":\"{origin}\",\
                 \"status\":{status},\"text\":\"{status}\"}}}}\n"
            )
        })
        .concat();
    place.load(rows.as_bytes(), &[]).expect(0);
    let count = |flags: &[&str]| {
        let run = place.run("query", &[&["--count"][..], flags].concat());
        run.expect(0).out
    };
    assert_eq!(count(&[]), "3\n");
    assert_eq!(count(&["--keys", "2..", "--select", "none"]), "2\n");
    assert_eq!(count(&["--limit", "1", "--order", "desc"]), "1\n");
    assert_eq!(count(&["--where", "status = 404"]), "0\n");
    place
        .run("query", &["--count", "--max-rows", "2"])
        .expect(6);
    place.run("query", &["--count", "--explain"]).expect(2);
    place
        .run("query", &["--count", "--format", "ndjson"])
        .expect(2);

    let both = ["--where", "origin = $o and status in (404, $s)"];
    let values = ["--param", "s=500", "--param", "o=EWR"];
    assert_eq!(
        place.keys(&[both, ["--param", "s=500"], ["--param", "o=EWR"]].concat()),
        [1]
    );
    assert_eq!(count(&[&both[..], &values].concat()), "1\n");
    // A value has one type, and is no filter.
    let text = ["--where", "text = $t", "--param"];
    assert_eq!(place.keys(&[&text[..], &["t=\"500\""]].concat()), [1, 2]);
    assert!(place.keys(&[&text[..], &["t=500"]].concat()).is_empty());
    let sly = ["t=x\" or exists(text)"];
    assert!(place.keys(&[&text[..], &sly].concat()).is_empty());
    let pattern = ["--where", "origin ~ $p", "--param", "p=^E"];
    assert_eq!(place.keys(&pattern), [1, 3]);
    let prefix = ["--where", "origin starts with $p", "--param", "p=J"];
    assert_eq!(place.keys(&prefix), [2]);
}

#[test]
fn values_that_parameters_cannot_have_are_refused() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    for (flags, part) in [
        (&["--param", "o=EWR"][..], "no filter"),
        (&["--where", "origin = $o"], "--param o=VALUE"),
        (&["--where", "origin = $o", "--param", "p=1"], "$p"),
        (&["--where", "origin = $o", "--param", "o"], "NAME=VALUE"),
        (
            &["--where", "origin = $o", "--param", "$o=1"],
            "without its '$'",
        ),
        (
            &["--where", "origin = $o", "--param", "o=1", "--param", "o=2"],
            "two values",
        ),
        (
            &["--where", "origin < $o", "--param", "o=true"],
            "bools have no order",
        ),
        (
            &["--where", "origin ~ $o", "--param", "o=("],
            "regular expression",
        ),
    ] {
        let run = place.run("query", flags).expect(2);
        assert!(run.err.contains(part), "{}", run.err);
    }
}

#[test]
fn what_does_not_exist_is_told_and_not_made() {
    let place = Place::new();
    for name in [
        "query", "flush", "merge", "verify", "parts", "stats", "dump",
    ] {
        place.run(name, &[]).expect(3);
        assert!(!Path::new(&place.store).exists(), "{name} made a store");
    }
    let run = sidx(&[
        "ingest",
        &place.store,
        "no file",
        "--index",
        "i",
        "--format",
        "ndjson",
    ]);
    assert!(run.expect(3).err.contains("no file"));
    assert!(!Path::new(&place.store).exists());

    place.load(row(1).as_bytes(), &[]).expect(0);
    for name in [
        "query", "flush", "merge", "verify", "parts", "stats", "dump",
    ] {
        let run = sidx(&[name, &place.store, "--index", "other"]).expect(3);
        assert!(run.err.contains("indexes there: i\n"), "{}", run.err);
        assert!(
            !Path::new(&place.store).join("other").exists(),
            "{name} made an index"
        );
    }
    sidx(&["query", &place.store, "--index", "../i"]).expect(2);
    let url = format!("file://{}", place.store);
    sidx(&["query", &url, "--index", "i"]).expect(0);
}

#[test]
fn no_tag_name_leaves_the_store() {
    let place = Place::new();
    let input =
        "{\"series\":1,\"key\":1,\"tags\":{\"../x\":1,\"../../y\":\"a\",\"/z\":2.5,\"..\":true}}\n";
    place.load(input.as_bytes(), &[]).expect(0);
    assert_eq!(
        place.keys(&["--where", "`../x` = 1 and `..` = true and exists(`/z`)"]),
        [1]
    );
    let around: Vec<_> = fs::read_dir(place.directory.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    assert_eq!(around, ["store"]);
    let indexes: Vec<_> = fs::read_dir(&place.store)
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    assert_eq!(indexes, ["i"]);
}
