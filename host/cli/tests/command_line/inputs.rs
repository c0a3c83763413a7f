//! Inputs that go wrong, and what is said about them: nothing is rounded, lost or loaded twice.

use super::*;

/// The flags of a CSV of series `s` and key `k`.
const S_K: [&str; 4] = ["--series", "s", "--key", "k"];

#[test]
fn an_open_quote_takes_no_rows_with_it() {
    let place = Place::new();
    let mut csv = String::from("s,k,note\nA,1,ok\nA,2,\"open\n");
    (0..100_000).for_each(|_| csv.push_str("A,3,x\n"));
    let run = place.load_csv(csv.as_bytes(), &S_K).expect(2);
    assert!(
        run.err.contains("line 3: a quote is opened and not closed"),
        "{}",
        run.err
    );
    assert!(run.err.contains("1 row is in, up to line 2"), "{}", run.err);
    assert_eq!(run.last()["ingested"], 1);
    assert_eq!(place.keys(&[]), [1]);

    let place = Place::new();
    let flags = [&S_K[..], &["--tag", "note"]].concat();
    let run = place.load_csv(b"s,k,note\nA,1,ok\nA,2,\"two\nlines\"", &flags);
    assert_eq!(run.expect(0).last()["ingested"], 2);
    assert_eq!(place.keys(&["--where", "note = \"two\nlines\""]), [2]);
}

#[test]
fn whole_numbers_are_exact_or_refused() {
    let good = [
        "9007199254740993e0",
        "9007199254740993.0",
        "0.9007199254740993e16",
    ];
    for text in good {
        let place = Place::new();
        let flags = [&S_K[..], &["--tag", "n:int"]].concat();
        let csv = format!("s,k,n\nA,{text},{text}\n");
        place.load_csv(csv.as_bytes(), &flags).expect(0);
        let flags = ["--series", "s", "--key", "k", "--tag", "n:int"];
        let json = format!("{{\"s\": \"A\", \"k\": {text}, \"n\": {text}}}\n");
        place.load(json.as_bytes(), &flags).expect(0);
        let filter = ["--where", "n = 9007199254740993"];
        assert_eq!(place.keys(&filter), [9_007_199_254_740_993; 2], "{text}");
    }
    let bad = [
        "9007199254740992.5",
        "4503599627370496.4",
        "0.99999999999999999999",
        "1e-400",
        "1e999999999",
        "9223372036854775808",
    ];
    for text in bad {
        for (key, tag) in [(text, "1"), ("1", text)] {
            let place = Place::new();
            let flags = [&S_K[..], &["--tag", "n:int"]].concat();
            let csv = format!("s,k,n\nA,{key},{tag}\n");
            let run = place.load_csv(csv.as_bytes(), &flags).expect(2);
            assert!(run.err.contains("line 2: field"), "{}", run.err);
            let json = format!("{{\"s\": \"A\", \"k\": {key}, \"n\": {tag}}}\n");
            let run = place.load(json.as_bytes(), &flags).expect(2);
            assert!(run.err.contains("line 1: field"), "{}", run.err);
            assert!(place.keys(&[]).is_empty());
        }
    }
    // A float in the place of digits is rounded nowhere either.
    let place = Place::new();
    let flags = [&S_K[..], &["--tag", "n:float"]].concat();
    let run = place.load_csv(b"s,k,n\nA,1,9007199254740993\n", &flags);
    assert!(run.expect(2).err.contains("round"));
    let row = b"{\"series\": 1, \"key\": 1, \"tags\": {\"n\": 1e-400}}\n";
    place.load(row, &[]).expect(2);
    place.run("query", &["--where", "n = 1e-400"]).expect(2);
}

#[test]
fn timestamps_are_rfc_3339_in_input_and_in_filters() {
    let place = Place::new();
    let flags = [&S_K[..], &["--tag", "t:timestamp"]].concat();
    for bad in [
        "1998-12-31T23:59:60.1Z",
        "2013-01-01T10:00:60Z",
        "2013-01-01T10:00:00+25:00",
        "20130101T100000Z",
        "2013-01-01T10:00:00.1234567891Z",
        "2013-01-01T10:00Z",
        "1357034400000000001.5",
    ] {
        let csv = format!("s,k,t\nA,1,{bad}\n");
        let run = place.load_csv(csv.as_bytes(), &flags).expect(2);
        assert!(run.err.contains("line 2: field \"t\""), "{}", run.err);
        let json =
            format!("{{\"series\":1,\"key\":1,\"tags\":{{\"t\":{{\"timestamp\":\"{bad}\"}}}}}}\n");
        place.load(json.as_bytes(), &[]).expect(2);
        let filter = format!("t = timestamp(\"{bad}\")");
        place.run("query", &["--where", &filter]).expect(2);
    }
    let good = [
        "2013-01-01T10:00:00.000000001Z",
        "2013-01-01t12:00:00.0000000010+02:00",
        "2013-01-01 10:00:00.000000001z",
        "1357034400000000001",
        "1357034400000000001.0",
    ];
    let rows: String = good.iter().map(|text| format!("A,1,{text}\n")).collect();
    let csv = format!("s,k,t\n{rows}");
    place.load_csv(csv.as_bytes(), &flags).expect(0);
    for text in good.iter().take(3) {
        let filter = format!("t = timestamp(\"{text}\")");
        assert_eq!(place.keys(&["--where", &filter]).len(), good.len());
    }
}

#[test]
fn an_empty_array_has_a_type_that_no_batch_changes() {
    let rows: String = ["[]", "[1]", "[]"]
        .iter()
        .map(|x| format!("{{\"series\":1,\"key\":1,\"tags\":{{\"x\":{x}}}}}\n"))
        .collect();
    let expected = [r#"{"string":[]}"#, "[1]", r#"{"int":[]}"#];
    let found = |place: &Place| -> Vec<String> {
        let out = place.run("query", &["--no-payload"]).expect(0).out;
        let row = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
        let rows = out.lines().map(row);
        rows.map(|row| row["tags"]["x"].to_string()).collect()
    };
    for batch in ["1", "2", "3"] {
        let place = Place::new();
        place.load(rows.as_bytes(), &["--batch", batch]).expect(0);
        assert_eq!(found(&place), expected, "--batch {batch}");
    }
    // Nor does it matter how rows are spread over loads, where the index knows one type.
    let place = Place::new();
    let lines: Vec<&str> = rows.lines().skip(1).collect();
    for line in lines {
        place.load(line.as_bytes(), &[]).expect(0);
    }
    assert_eq!(found(&place), expected[1..]);
}

#[test]
fn a_csv_of_a_query_loads_again_whatever_its_tags_are_called() {
    let place = Place::new();
    let rows = "{\"series\":\"a\",\"key\":1,\"tags\":{\"key\":7,\"payload\":\"p\",\"series\":\"s\",\
                \"tag:key\":true},\"payload\":\"text\"}\n";
    place.load(rows.as_bytes(), &[]).expect(0);
    let csv = place.run("query", &["--format", "csv"]).expect(0).out;
    assert_eq!(
        csv,
        "series,key,tag:key,tag:payload,tag:series,tag:tag:key,payload\na,1,7,p,s,true,text\n"
    );
    let table = place.run("query", &["--format", "table"]).expect(0).out;
    assert!(table.contains("tag:payload"), "{table}");
    let copy = Place::new();
    let tags = [
        "key:int=tag:key",
        "payload=tag:payload",
        "series=tag:series",
        "tag:key:bool=tag:tag:key",
    ];
    let mut flags = vec!["--series", "series", "--key", "key", "--payload", "payload"];
    tags.iter().for_each(|tag| flags.extend(["--tag", tag]));
    copy.load_csv(csv.as_bytes(), &flags).expect(0);
    assert_eq!(copy.run("query", &[]).expect(0).out, rows);
}

#[test]
fn what_is_named_twice_or_not_at_all_is_refused() {
    let place = Place::new();
    let flags = [&S_K[..], &["--payload", "row"]].concat();
    let run = place.load_csv(b"s,k,x,x\nA,1,2,3\n", &flags).expect(2);
    assert!(
        run.err.contains("the header has this field twice"),
        "{}",
        run.err
    );
    let twice = b"{\"s\":\"A\",\"k\":1,\"x\":1,\"x\":2}\n";
    let run = place.load(twice, &flags).expect(2);
    assert!(run.err.contains("field \"x\": given twice"), "{}", run.err);
    let run = place.load(b"{\"series\":\"\",\"key\":1}\n", &[]).expect(2);
    assert!(run.err.contains("the series is empty"), "{}", run.err);
}

#[test]
fn a_long_filter_comes_from_a_file() {
    let place = Place::new();
    let rows: String = (0..10)
        .map(|key| format!("{{\"series\":1,\"key\":{key},\"tags\":{{\"n\":{key}}}}}\n"))
        .collect();
    place.load(rows.as_bytes(), &[]).expect(0);
    let numbers: Vec<String> = (5..40_005).map(|n| n.to_string()).collect();
    let filter = format!("n in (\n{}\n)\n", numbers.join(",\n"));
    let file = place.directory.path().join("filter");
    fs::write(&file, &filter).expect("written");
    let file = file.to_string_lossy().into_owned();
    assert_eq!(place.keys(&["--where-file", &file]), [5, 6, 7, 8, 9]);
    let arguments = ["query", &place.store, "--index", "i", "--where-file", "-"];
    let run = sidx_with(&arguments, filter.as_bytes()).expect(0);
    assert_eq!(run.out.lines().count(), 5);
    let run = sidx_with(&arguments, b"n in (1, \xff)").expect(2);
    assert!(
        run.err.contains("byte 10") && run.err.contains("UTF-8"),
        "{}",
        run.err
    );
    let long = format!("n = 1 or {} n = 2", " ".repeat(1 << 20));
    let run = sidx_with(&arguments, long.as_bytes()).expect(2);
    assert!(run.err.contains("at most 1 MiB"), "{}", run.err);
    let run = place.run("query", &["--where-file", "/nonexistent/filter"]);
    assert!(run.expect(3).err.contains("/nonexistent/filter"));
}
