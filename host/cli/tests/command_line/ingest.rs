//! Loading rows: formats, bad input, acknowledgements.

use super::*;

#[test]
fn every_type_survives_a_round_trip() {
    let rows = concat!(
        r#"{"series":"a \"label\"","key":-9223372036854775808,"#,
        r#""tags":{"b":true,"f":1.0,"i":-9223372036854775808,"s":"\u0000é"},"payload":"text"}"#,
        "\n",
        r#"{"series":"é","key":0,"#,
        r#""tags":{"f":{"float":"NaN"},"i":9223372036854775807,"s":""},"payload":""}"#,
        "\n",
        r#"{"series":18446744073709551615,"key":1,"tags":{"f":-0.0,"#,
        r#""t":{"timestamp":"1677-09-21T00:12:43.145224192Z"},"x":{"base64":"AP8="}},"#,
        r#""payload":{"base64":"/w=="}}"#,
        "\n",
        r#"{"series":7,"key":2,"tags":{"f":{"float":"-inf"},"s":1},"payload":"s is an int"}"#,
        "\n",
        r#"{"series":7,"key":3,"tags":{"bs":[true,false],"fs":{"float":[1.0,"NaN"]},"#,
        r#""is":[1,2],"ss":["a",""],"ts":{"timestamp":["1970-01-01T00:00:00Z"]},"#,
        r#""xs":{"base64":["","AA=="]}},"payload":"arrays"}"#,
        "\n",
        r#"{"series":7,"key":4,"tags":{"bs":{"bool":[]},"fs":{"float":[]},"is":{"int":[]},"#,
        r#""ss":{"string":[]},"ts":{"timestamp":[]},"xs":{"base64":[]}},"payload":"empty"}"#,
        "\n",
        r#"{"series":7,"key":9223372036854775807,"#,
        r#""tags":{"f":1e+300,"fs":[0.1,2.5]},"payload":"end"}"#,
        "\n",
    );
    let first = Place::new();
    first.load(rows.as_bytes(), &[]).expect(0);
    let out = first.run("query", &[]).expect(0).out;
    assert_eq!(out, rows);

    let second = Place::new();
    second.load(out.as_bytes(), &["--batch", "2"]).expect(0);
    assert_eq!(second.run("query", &[]).expect(0).out, rows);

    let third = Place::new();
    let dump = second.run("dump", &[]).expect(0).out;
    assert!(dump.starts_with("{\"part\":\""), "{dump}");
    third.load(dump.as_bytes(), &[]).expect(0);
    assert_eq!(third.run("query", &[]).expect(0).out, rows);
}

#[test]
fn a_bad_line_stops_the_load_and_what_came_before_it_stays() {
    let long_name = format!(
        "{{\"series\":1,\"key\":1,\"tags\":{{\"{}\":1}}}}",
        "n".repeat(256)
    );
    let large = format!(
        "{{\"series\":1,\"key\":1,\"payload\":\"{}\"}}",
        "x".repeat((16 << 20) + 1)
    );
    let tags: Vec<String> = (0..1_025).map(|n| format!("\"t{n}\":1")).collect();
    let many = format!("{{\"series\":1,\"key\":1,\"tags\":{{{}}}}}", tags.join(","));
    let cases: [(&str, &str); 16] = [
        (
            r#"{"series":1,"key":1,"colour":1}"#,
            "field \"colour\": unknown field",
        ),
        (r#"{"series":1,"key":"one"}"#, "field \"key\""),
        (r#"{"series":1,"key":1.5}"#, "field \"key\""),
        (r#"{"series":1,"key":9223372036854775808}"#, "field \"key\""),
        (r#"{"series":1}"#, "field \"key\": missing"),
        (r#"{"key":1}"#, "field \"series\": missing"),
        (r#"{"series":-1,"key":1}"#, "field \"series\""),
        (
            r#"{"series":1,"key":1,"tags":{"a":1,"a":2}}"#,
            "field \"a\": given twice",
        ),
        (
            r#"{"series":1,"key":1,"tags":{"a":["x",1]}}"#,
            "field \"a\"",
        ),
        (r#"{"series":1,"key":1,"tags":{"a":1e999}}"#, "field \"a\""),
        (r#"{"series":1,"key":1,"payload":5}"#, "field \"payload\""),
        (r#"{"series":1,"key":1"#, "not valid JSON at column"),
        ("NaN", "not valid JSON at column"),
        (&long_name, "255"),
        (&large, "16 MiB"),
        (&many, "1024"),
    ];
    for (line, part) in cases {
        let place = Place::new();
        let input = format!("{}\n{}{line}\n{}", row(1), row(2), row(4));
        let run = place.load(input.as_bytes(), &[]).expect(2);
        assert!(
            run.err.contains("line 4: ") && run.err.contains(part),
            "{}",
            run.err
        );
        assert_eq!(run.last()["ingested"], 2, "{}", run.out);
        assert_eq!(place.keys(&[]), [1, 2]);
    }
    let place = Place::new();
    let run = place
        .load(b"{\"series\":1,\"key\":1,\"payload\":\"\xff\"}\n", &[])
        .expect(2);
    assert!(
        run.err.contains("line 1: ") && run.err.contains("UTF-8"),
        "{}",
        run.err
    );
    assert_eq!(run.last()["ingested"], 0);
}

#[test]
fn a_batch_that_the_index_refuses_names_its_lines() {
    let place = Place::new();
    let huge = "x".repeat(65 << 20);
    let input = format!(
        "{}{{\"series\":1,\"key\":2,\"tags\":{{\"a\":\"{huge}\"}}}}\n",
        row(1)
    );
    let run = place.load(input.as_bytes(), &[]).expect(2);
    assert!(
        run.err.contains("line 2: ") && run.err.contains("64 MiB"),
        "{}",
        run.err
    );
    assert_eq!(run.last()["ingested"], 1);
    assert_eq!(place.keys(&[]), [1]);
}

#[test]
fn csv_is_mapped_and_missing_keys_are_counted() {
    let place = Place::new();
    let csv = b"carrier,delay,origin,distance,time\r\n\
        UA,2.0,EWR,1400,2013-01-01T10:00:00Z\r\n\
        AA,,JFK,1089,2013-01-01T10:00:00Z\r\n\
        B6,-1.0,,1576.0,1357034400000000000\r\n";
    let flags = [
        "--series",
        "carrier",
        "--key",
        "delay",
        "--tag",
        "origin",
        "--tag",
        "far:int=distance",
        "--tag",
        "time:timestamp",
        "--payload",
        "row",
    ];
    let run = place.load_csv(csv, &flags).expect(2);
    assert!(
        run.err
            .contains("line 3: field \"delay\": the key is empty"),
        "{}",
        run.err
    );
    assert_eq!(run.last()["ingested"], 1);

    let place = Place::new();
    let run = place
        .load_csv(csv, &[&flags[..], &["--skip-missing-key"]].concat())
        .expect(0);
    assert_eq!(
        (&run.last()["ingested"], &run.last()["skipped"]),
        (&2.into(), &1.into())
    );
    let table = place
        .run("query", &["--format", "csv", "--no-payload"])
        .expect(0)
        .out;
    let expected = "series,key,far,origin,time\n\
                    B6,-1,1576,,2013-01-01T10:00:00Z\nUA,2,1400,EWR,2013-01-01T10:00:00Z\n";
    assert_eq!(table, expected);
    let payload = place
        .run("query", &["--select", "none", "--limit", "1"])
        .expect(0)
        .last();
    assert!(
        payload["payload"]
            .as_str()
            .is_some_and(|text| text.contains("\"distance\":\"1576.0\""))
    );
}

#[test]
fn bad_csv_names_line_and_field() {
    let flags = [
        "--series",
        "carrier",
        "--key",
        "delay",
        "--tag",
        "origin",
        "--tag",
        "far:int=distance",
        "--tag",
        "time:timestamp",
        "--payload",
        "row",
    ];
    for (csv, part) in [
        (
            &b"carrier,late\nUA,1\n"[..],
            "line 1: field \"origin\": unknown field; the header has",
        ),
        (
            &b"carrier,delay,origin,distance,time\nUA,x,EWR,1,\n"[..],
            "line 2: field \"delay\"",
        ),
        (
            &b"carrier,delay,origin,distance,time\nUA,1,EWR,far,\n"[..],
            "line 2: field \"distance\"",
        ),
        (
            &b"carrier,delay,origin,distance,time\nUA,1,EWR\n"[..],
            "line 2: 3 fields",
        ),
    ] {
        let place = Place::new();
        let run = place.load_csv(csv, &flags).expect(2);
        assert!(run.err.contains(part), "{}", run.err);
        assert_eq!(run.last()["ingested"], 0);
    }
}

#[test]
fn empty_input_makes_an_empty_index() {
    let place = Place::new();
    assert_eq!(place.load(b"", &[]).expect(0).last()["ingested"], 0);
    assert!(place.keys(&[]).is_empty());
    assert_eq!(
        place.run("query", &["--format", "csv"]).expect(0).out,
        "series,key,payload\n"
    );
    let table = place.run("query", &["--format", "table"]).expect(0).out;
    assert_eq!(table, "0 rows\n");
}

#[test]
fn acknowledgements_count_what_is_written() {
    let place = Place::new();
    let input: String = (0..5).map(row).collect();
    let run = place
        .load(input.as_bytes(), &["--ack", "--batch", "2"])
        .expect(0);
    let lines: Vec<&str> = run.out.lines().take(3).collect();
    let expected = [
        "{\"acknowledged\": 2}",
        "{\"acknowledged\": 4}",
        "{\"acknowledged\": 5}",
    ];
    assert_eq!(lines, expected);
    let run = place
        .load(row(9).as_bytes(), &["--ack", "--durability", "none"])
        .expect(0);
    assert!(
        run.out
            .starts_with("{\"acknowledged\": 1}\n{\"ingested\": 1,"),
        "{}",
        run.out
    );
    assert_eq!(place.keys(&[]), [0, 1, 2, 3, 4, 9]);
}
