//! What lies in a store that nothing needs: what is told of it, what goes, and what never does.

use std::time::Duration;

use sidx_host::ErrorKind;
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, Subject, on_all_forms};

fn part_of(subject: &Subject, keys: std::ops::Range<i64>) {
    let rows: Vec<Row> = keys.map(|key| Row::new(1, key, "x")).collect();
    subject.write_part(&rows);
}

/// The place of the index, past the library.
fn place(subject: &Subject) -> std::sync::Arc<dyn sidx_host::storage::Storage> {
    subject.store().backend().open_index(NAME, false).unwrap()
}

#[test]
fn what_a_reader_kept_goes_when_it_has_ended() {
    on_all_forms(|mut subject| {
        subject.leave();
        subject.enter_with(|options| options.removal_grace(Duration::ZERO));
        part_of(&subject, 0..5);
        part_of(&subject, 5..9);
        let reader = subject.options().read_only().unwrap();
        subject.merge_all();
        let report = subject.options().garbage().unwrap();
        assert_eq!(
            (report.parts.len(), report.pinned_epochs.len()),
            (2, 1),
            "{report:?}"
        );
        let error = subject.options().collect_garbage().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        subject.leave();
        let gone = subject.options().collect_garbage().unwrap();
        assert_eq!(gone.count(), 0, "{gone:?}");
        assert_eq!(reader.query().count().unwrap(), 9);
        drop(reader);
        let gone = subject.options().collect_garbage().unwrap();
        assert_eq!(gone.parts.len(), 2, "{gone:?}");
        let report = subject.options().garbage().unwrap();
        assert_eq!(
            (report.count(), report.pinned_epochs.len()),
            (0, 0),
            "{report:?}"
        );
        subject.enter();
        subject.assert_sound(9);
    });
}

#[test]
fn what_is_not_ours_is_neither_told_nor_touched() {
    on_all_forms(|mut subject| {
        part_of(&subject, 0..5);
        part_of(&subject, 5..9);
        subject.merge_all();
        subject.leave();
        let place = place(&subject);
        let foreign = ["parts/readme.txt", "parts/0000000000000009-x", "log/notes"];
        for path in foreign {
            place.put_file(path, b"of somebody else").unwrap();
        }
        place
            .put_if_absent("notes.snapshot", b"of somebody else")
            .unwrap();
        subject.options().collect_garbage().unwrap();
        let report = subject.options().garbage().unwrap();
        assert_eq!(report.count(), 0, "{report:?}");
        for path in foreign {
            assert!(place.open(path).is_ok(), "{path}");
        }
        assert!(place.get("notes.snapshot").unwrap().is_some());
        subject.enter();
        assert_eq!(subject.ask().count().unwrap(), 9);
    });
}

/// Where readers may be at work that can pin nothing, what a merge replaced stays for a while.
#[test]
fn what_was_replaced_stays_for_its_time() {
    on_all_forms(|mut subject| {
        let grace = Duration::from_millis(150);
        subject.leave();
        subject.enter_with(|options| options.removal_grace(Duration::from_secs(3600)));
        part_of(&subject, 0..5);
        part_of(&subject, 5..9);
        subject.merge_all();
        subject.write(&[Row::new(1, 9, "x")]);
        subject.flush();
        assert_eq!(subject.options().garbage().unwrap().parts.len(), 2);
        subject.leave();
        subject.enter_with(|options| options.removal_grace(grace));
        subject.index().collect_garbage().unwrap();
        assert_eq!(
            subject.options().garbage().unwrap().parts.len(),
            0,
            "of the writer before"
        );
        subject.merge_all();
        assert_eq!(subject.options().garbage().unwrap().parts.len(), 2);
        std::thread::sleep(grace);
        part_of(&subject, 20..25);
        std::thread::sleep(grace);
        part_of(&subject, 25..29);
        assert_eq!(subject.options().garbage().unwrap().parts.len(), 0);
        assert_eq!(subject.ask().count().unwrap(), 19);
    });
}
