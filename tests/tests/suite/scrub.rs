//! Scrubs: damage is found before somebody needs what it hit.

use std::thread;
use std::time::Duration;

use sidx_host::{CancelToken, ErrorKind};
use sidx_tests::subject::on_all_forms_in_directories;

use super::damaged_parts::{PARTS, fill, name, one, part, spoil, spoil_closed};

#[test]
fn a_scrub_finds_damage_before_a_query_does() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        let spoilt = spoil_closed(&mut subject, &[(5, "data.bin"), (7, "peer.tm")]);
        let report = subject.index().scrub().unwrap();
        assert_eq!(report.parts, PARTS as u64);
        let named: Vec<&str> = report.damaged.iter().map(|it| it.part.as_str()).collect();
        assert_eq!(named, [name(&spoilt[0]), name(&spoilt[1])]);
        assert!(report.damaged.iter().all(|it| it.lost.is_some()));
        let health = subject.index().health();
        assert_eq!((health.scrub.passes, health.scrub.found), (1, 2));
        assert_eq!(health.scrub.bytes, report.bytes);
        assert!(health.scrub.last_finished_unix_ms.is_some() && !health.scrub.running);
        // Nothing of it went through the cache.
        assert_eq!(health.damaged, report.damaged);
        let merged = subject.index().merge_all().unwrap();
        // The one between them has no neighbour.
        assert_eq!((merged.left_out, merged.parts), (2, 2));
        // A part that is sound again, because it was read wrong or somebody put it back, is known to be.
        subject.leave();
        spoil(&spoilt[0].join("data.bin"));
        subject.enter();
        assert_eq!(subject.index().scrub().unwrap().damaged.len(), 1);
        spoil(&spoilt[1].join("peer.tm"));
        assert_eq!(subject.index().scrub().unwrap().damaged, []);
    });
}

#[test]
fn a_scrub_in_the_background_comes_around_and_ends_with_the_index() {
    on_all_forms_in_directories(|mut subject| {
        fill(&subject);
        let spoilt = part(&subject, 5);
        subject.leave();
        spoil(&spoilt.join("data.bin"));
        let index = subject
            .options()
            .scrub_bytes_per_second(u64::MAX)
            .open()
            .unwrap();
        while index.health().scrub.passes == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(one(&index).part, name(&spoilt));
        drop(index);
        // One that would take for ever ends with the index all the same.
        let index = subject.options().scrub_bytes_per_second(1).open().unwrap();
        while !index.health().scrub.running {
            thread::sleep(Duration::from_millis(1));
        }
        drop(index);
        subject.enter();
        // By hand it can be stopped.
        let token = CancelToken::new();
        token.cancel();
        let stopped = subject
            .index()
            .maintain()
            .cancel(token)
            .scrub()
            .unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Cancelled);
    });
}
