//! What a retention would do is what it then does.

use std::collections::BTreeSet;

use sidx_host::{ErrorKind, Index, Merged, Retention, RetentionPreview};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, keys_of, on_both_engines, tree};

fn preview(index: &Index, rule: &Retention) -> RetentionPreview {
    index.maintain().preview_retention(rule.clone()).unwrap()
}

fn file_parts(index: &Index) -> BTreeSet<String> {
    let parts = index.parts().unwrap();
    let parts = parts.as_array().unwrap().iter();
    parts
        .filter(|part| part["medium"] == "file")
        .map(|part| part["part"].as_str().unwrap().to_owned())
        .collect()
}

/// Drops rows, and checks that everything came as the preview had said.
pub(super) fn retain_as_foreseen(index: &Index, rule: &Retention) -> Merged {
    let foreseen = preview(index, rule);
    let before = file_parts(index);
    let done = index.retain(rule.clone()).unwrap();
    let after = file_parts(index);
    assert_eq!(done.dropped_rows, foreseen.dropped_rows, "{rule:?}");
    let flushed = u64::from(foreseen.memory_rows > foreseen.memory_dropped_rows);
    assert_eq!(done.parts, foreseen.parts_rewritten + flushed, "{rule:?}");
    assert_eq!(done.dropped_parts, foreseen.parts_dropped, "{rule:?}");
    let kept_in_memory = foreseen.memory_rows - foreseen.memory_dropped_rows;
    assert_eq!(
        done.rows,
        foreseen.rows_rewritten + kept_in_memory,
        "{rule:?}"
    );
    let untouched = before.intersection(&after).count() as u64;
    assert_eq!(untouched, foreseen.parts_untouched, "{rule:?}");
    assert_eq!(after.len() as u64, untouched + done.parts, "{rule:?}");
    // What is gone is gone.
    let again = preview(index, rule);
    assert_eq!((again.dropped_rows, again.memory_rows), (0, 0), "{rule:?}");
    assert_eq!(again.rows, foreseen.rows - foreseen.dropped_rows);
    done
}

fn row(key: i64) -> Row {
    Row::new(1, key, format!("payload {key}")).tag("day", key / 10)
}

/// Three file parts of ten keys each, and five rows in memory.
fn fill(subject: &Subject) {
    for part in 0..3 {
        subject.write_part(&(part * 10..part * 10 + 10).map(row).collect::<Vec<_>>());
    }
    subject.write(&(30..35).map(row).collect::<Vec<_>>());
}

fn below(key: i64) -> Retention {
    Retention {
        drop_where: None,
        drop_below: Some(key),
    }
}

#[test]
fn a_preview_tells_parts_rows_and_bytes_and_changes_nothing() {
    on_both_engines(|mut subject| {
        fill(&subject);
        let bytes = |at: usize| subject.parts("file")[at]["size_bytes"].as_u64().unwrap();
        let (first, second) = (bytes(0), bytes(1));
        let before = tree(&subject.path());
        let found = preview(subject.index(), &below(15));
        assert_eq!((found.rows, found.dropped_rows), (35, 15));
        let parts = (
            found.parts_dropped,
            found.parts_rewritten,
            found.parts_untouched,
        );
        assert_eq!((parts, found.rows_rewritten), ((1, 1, 1), 5));
        assert_eq!((found.memory_rows, found.memory_dropped_rows), (5, 0));
        assert_eq!(found.dropped_bytes, first + second / 2);
        assert!(tree(&subject.path()) == before, "something changed");
        assert_eq!(keys_of(subject.ask()).len(), 35);
        // Also beside a writer, and without one.
        let reader = subject.options().read_only().unwrap();
        assert_eq!(preview(&reader, &below(15)), found);
        let error = reader.retain(below(15)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        drop(reader);
        subject.leave();
        let reader = subject.options().read_only().unwrap();
        assert_eq!(preview(&reader, &below(15)), found);
        drop(reader);
        subject.enter();
        retain_as_foreseen(subject.index(), &below(15));
        assert_eq!(keys_of(subject.ask()), (15..35).collect::<Vec<_>>());
    });
}

#[test]
fn every_kind_of_rule_comes_as_foreseen() {
    for (filter, below) in [
        (None, None),
        (None, Some(i64::MIN)),
        (None, Some(i64::MAX)),
        (None, Some(32)),
        (Some("day = 1"), None),
        (Some("day = 1"), Some(5)),
        (Some("day >= 0"), None),
        (Some("day >= 2 and not day = 3"), Some(10)),
        (Some("not exists(day)"), None),
        (Some("nobody = 1"), None),
        (Some("not nobody = 1"), None),
        (Some("exists(nobody) or day = 2"), Some(-1)),
    ] {
        on_both_engines(|subject| {
            fill(&subject);
            let rule = Retention {
                drop_where: filter.map(str::to_owned),
                drop_below: below,
            };
            let wanted = |key: &i64| {
                let gone = filter
                    .is_some_and(|filter| keys_of(subject.ask().filter(filter)).contains(key));
                !gone && below.is_none_or(|below| *key >= below)
            };
            let kept: Vec<i64> = (0..35).filter(wanted).collect();
            retain_as_foreseen(subject.index(), &rule);
            assert_eq!(keys_of(subject.ask()), kept, "{rule:?}");
            subject.assert_sound(kept.len());
        });
    }
}

#[test]
fn a_rule_that_cannot_be_read_is_refused_also_by_a_preview() {
    on_both_engines(|subject| {
        for rule in ["day =", r#"day ~ "a(""#] {
            let rule = Retention {
                drop_where: Some(rule.to_owned()),
                drop_below: Some(i64::MAX),
            };
            // Of an empty index, and of one with rows in memory, which stay there.
            let refused = |subject: &Subject| {
                let previewed = subject.index().maintain().preview_retention(rule.clone());
                assert_eq!(previewed.unwrap_err().kind(), ErrorKind::InvalidArgument);
                let error = subject.index().retain(rule.clone()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            };
            refused(&subject);
            subject.write(&[row(1)]);
            refused(&subject);
            assert!(subject.parts("file").is_empty());
        }
        assert_eq!(keys_of(subject.ask()), [1, 1]);
    });
}
