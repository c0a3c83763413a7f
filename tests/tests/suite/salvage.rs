//! Salvage of damaged parts while the index is open: what can be read is put in their place, beside readers.

use sidx_host::ErrorKind;
use sidx_tests::subject::{error_of, keys_of, on_all_forms_in_directories};

use super::damaged_parts::{PART_ROWS, PARTS, fill, keys_of_part, name, rows, spoil_closed};

#[test]
fn what_can_be_read_is_saved_while_the_index_is_read_and_written() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        let spoilt = spoil_closed(&mut subject, &[(5, "data.bin")]).remove(0);
        // Rows of the damaged part that lie before the damage.
        let mut cursor = subject
            .ask()
            .keys(keys_of_part(5).start..keys_of_part(5).start + 20)
            .rows_per_batch(3)
            .run()
            .unwrap();
        let mut read = cursor.next().unwrap().unwrap().len();
        let report = subject.index().salvage().unwrap();
        let saved = &report.parts[0];
        assert!(saved.saved_rows > 0 && saved.lost_rows > 0, "{saved:?}");
        let in_place: Vec<String> = subject
            .parts("file")
            .iter()
            .map(|part| part["part"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(Some(&in_place[5]), saved.output.as_ref());
        // The cursor goes on with the files that it began with.
        assert!(spoilt.exists());
        for rows in cursor.by_ref() {
            read += rows.unwrap().len();
        }
        assert_eq!(read, 20);
        drop(cursor);
        subject.write_part(&rows(PARTS));
        assert!(!spoilt.exists());
        let aside = subject
            .path()
            .join("quarantine")
            .join(spoilt.file_name().unwrap());
        assert!(aside.exists());
        assert!(aside.with_added_extension("reason").exists());
        // What was lost is known to queries, now and after another opening.
        for _ in 0..2 {
            let lost = &saved.lost[0];
            let error = error_of(subject.ask().keys(lost.min_key..=lost.min_key));
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert_eq!(error_of(subject.ask()).kind(), ErrorKind::Corrupt);
            let partial = keys_of(subject.ask().allow_partial().keys(keys_of_part(5)));
            assert_eq!(partial.len() as u64, saved.saved_rows);
            let elsewhere = keys_of(subject.ask().keys(keys_of_part(5).end..));
            assert_eq!(elsewhere.len() as i64, (PARTS - 5) * PART_ROWS);
            let quarantined = &subject.index().stats().unwrap()["quarantined"];
            assert_eq!(quarantined[0]["part"], name(&spoilt));
            subject.reopen();
        }
        assert_eq!(subject.index().salvage().unwrap().parts, []);
        subject.merge_all();
        assert_eq!(subject.parts("file").len(), 1);
    });
}

#[test]
fn a_salvaged_part_stays_in_its_place_for_readers_elsewhere_and_moves_when_they_are_gone() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        let spoilt = spoil_closed(&mut subject, &[(5, "data.bin")]).remove(0);
        // As another process would: with a pin in the store.
        let reader = subject.options().read_only().unwrap();
        subject.index().salvage().unwrap();
        subject.write_part(&rows(PARTS));
        subject.reopen();
        subject.write_part(&rows(PARTS + 1));
        assert!(spoilt.exists(), "a reader needs it");
        let start = keys_of_part(5).start;
        assert_eq!(reader.query().keys(start..start + 20).count().unwrap(), 20);
        drop(reader);
        subject.write_part(&rows(PARTS + 2));
        assert!(!spoilt.exists());
        let aside = subject
            .path()
            .join("quarantine")
            .join(spoilt.file_name().unwrap());
        assert!(aside.exists());
    });
}

#[test]
fn a_salvage_that_was_cut_off_before_the_move_is_finished_by_the_next_opening() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        let spoilt = spoil_closed(&mut subject, &[(5, "data.bin")]).remove(0);
        let cursor = subject
            .ask()
            .keys(..PART_ROWS)
            .rows_per_batch(1)
            .run()
            .unwrap();
        let report = subject.index().salvage().unwrap();
        assert!(spoilt.exists());
        drop(cursor);
        subject.reopen();
        assert!(!spoilt.exists());
        let lost = &report.parts[0].lost[0];
        let error = error_of(subject.ask().keys(lost.min_key..=lost.max_key));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        // A loss that is accepted leaves everything that was saved.
        subject.leave();
        subject.options().repair(true).unwrap();
        subject.enter();
        let left = (PARTS * PART_ROWS) as u64 - report.parts[0].lost_rows;
        subject.assert_sound(left as usize);
    });
}
