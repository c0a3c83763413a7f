//! Copies that are interrupted, or meet others: none of it is an index, the next one goes on with it, and no
//! two mix.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Sender, channel};

use futures_util::FutureExt;
use parking_lot::Mutex;
use sidx_host::{CopyReport, Error, ErrorKind, Index, Result, Store};
use sidx_tests::model::Row;
use sidx_tests::service::{Faults, Request, Service, Step};
use sidx_tests::subject::{NAME, batch};
use sidx_tests::watched::{Access, WatchedStore};
use tokio::sync::oneshot;

use super::copies::{
    Backend, Files, MEDIA, Medium, backend, bucket, bytes_of, files, fill, options, place, rows,
    shown, store,
};

/// A store of which a call fails, and, when `stuck`, all after it.
fn faulty(inner: &Backend, fail_at: i64, stuck: bool) -> Store {
    let left = AtomicI64::new(fail_at);
    let watch = move |access, path: &str| {
        if access != Access::Write {
            return Ok(());
        }
        let at = left.fetch_sub(1, Ordering::SeqCst);
        match at == 1 || (stuck && at < 1) {
            true => Err(Error::new(ErrorKind::Io, format!("{path}: away"))),
            false => Ok(()),
        }
    };
    WatchedStore::around(Arc::clone(inner), Arc::new(watch))
}

/// Entries of more than one object of a log.
fn long_log(index: &Index) {
    let mut random = 1u64;
    for key in 0..6 {
        let noise = (0..400_000).map(|_| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 56) as u8
        });
        let row = Row::new(9, 10_000 + key, noise.collect::<Vec<u8>>()).tag("n", key);
        index.write(batch(&[row]).unwrap()).unwrap();
    }
}

#[test]
fn a_copy_that_was_interrupted_anywhere_is_gone_on_with() {
    for (from, to) in [
        (Medium::Bucket, Medium::Memory),
        (Medium::Memory, Medium::Memory),
        (Medium::Memory, Medium::Bucket),
    ] {
        let (source, _kept) = backend(from);
        fill(&source);
        let writer = options(&store(&source)).create().unwrap();
        long_log(&writer);
        drop(writer);
        let reader = options(&store(&source)).read_only().unwrap();
        let wanted = shown(&reader);
        let (whole, _kept) = backend(to);
        let whole_report = reader.copy_to(&store(&whole), NAME).unwrap();
        let expected = files(place(&whole, NAME).as_ref());
        let (mut at, mut resumed) = (0, 0);
        loop {
            at += 1;
            let stuck = at % 2 == 0;
            let (target, _kept) = backend(to);
            if reader.copy_to(&faulty(&target, at, stuck), NAME).is_ok() {
                break;
            }
            let plain = store(&target);
            let left = match target.places_below(NAME).unwrap().is_empty() {
                true => Files::new(),
                false => files(place(&target, NAME).as_ref()),
            };
            assert!(
                plain.index_names().unwrap().is_empty(),
                "call {at}: an index before it was whole"
            );
            let report = reader.copy_to(&plain, NAME).unwrap();
            let message = format!(
                "{from:?} to {to:?}, call {at}: {report:?} after {:?}",
                left.keys()
            );
            let is_all = left.len() == expected.len();
            if !report.already_there {
                assert_eq!(report.kept_files, left.len() as u64, "{message}");
                assert_eq!(report.kept_bytes, bytes_of(&left), "{message}");
                assert_eq!(report.files, whole_report.files, "{message}");
                assert_eq!(report.log_entries, whole_report.log_entries, "{message}");
            } else {
                assert!(is_all, "{message}");
            }
            let most = whole_report.copied_bytes - bytes_of(&left);
            assert!(report.copied_bytes <= most, "{message}");
            resumed += u64::from(report.kept_files > 0);
            assert_eq!(files(place(&target, NAME).as_ref()), expected, "{message}");
            assert_eq!(target.places_below(NAME).unwrap().len(), 1, "{message}");
            let index = options(&plain).create().unwrap();
            assert_eq!(shown(&index), wanted, "{message}");
            index.write(batch(&rows(5_000, 1)).unwrap()).unwrap();
            index.flush().unwrap();
            assert!(reader.copy_to(&plain, NAME).unwrap().already_there);
        }
        assert!(at > 10 && resumed > 3, "{at} calls, {resumed} times");
    }
}

#[test]
fn an_interrupted_copy_of_an_index_that_went_on_becomes_one_of_what_it_is_now() {
    for to in MEDIA {
        for at in [3, 8, 12, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 30] {
            let (source, _kept) = backend(Medium::Memory);
            fill(&source);
            let reader = options(&store(&source)).read_only().unwrap();
            let (target, _kept) = backend(to);
            let _ = reader.copy_to(&faulty(&target, at, true), NAME);
            drop(reader);
            let index = options(&store(&source)).create().unwrap();
            match at % 3 {
                0 => drop(index.merge_all().unwrap()),
                1 => drop(index.flush().unwrap()),
                _ => {}
            }
            index.write(batch(&rows(2_000, 30)).unwrap()).unwrap();
            let wanted = shown(&index);
            drop(index);
            let plain = store(&target);
            let report = store_copy(&source, &plain).unwrap();
            if report.already_there {
                // The first one came to its end.
                continue;
            }
            let copy = options(&plain).create().unwrap();
            assert_eq!(shown(&copy), wanted, "{to:?}, call {at}: {report:?}");
            let names: BTreeSet<_> = { files(place(&target, NAME).as_ref()).into_keys() }
                .map(|path| path.split('/').nth(1).unwrap().to_owned())
                .collect();
            let parts = copy.parts().unwrap();
            let stored = parts
                .as_array()
                .unwrap()
                .iter()
                .filter(|part| part["medium"] == "file");
            let dead = names.iter().filter(|name| name.contains(".dead-")).count();
            assert_eq!(
                names.len() - dead,
                stored.count(),
                "{to:?}, call {at}: {names:?}"
            );
        }
    }
}

fn store_copy(source: &Backend, target: &Store) -> Result<CopyReport> {
    options(&store(source)).read_only()?.copy_to(target, NAME)
}

/// Where a copy stops before its call of some number, until the other side is done.
struct Halt {
    left: AtomicI64,
    stopped: Sender<bool>,
    go_on: Mutex<Option<oneshot::Receiver<()>>>,
}

/// Lets a copy run that has such a halt in its way to the target, and something else while it stands there.
fn two_at_once(
    at: i64,
    target: impl FnOnce(Arc<Halt>) -> Store,
    source: &Backend,
    meanwhile: &dyn Fn(),
) -> Result<CopyReport> {
    let ((stopped, wait), (go_on, woken)) = (channel(), oneshot::channel());
    let halt = Arc::new(Halt {
        left: AtomicI64::new(at),
        stopped: stopped.clone(),
        go_on: Mutex::new(Some(woken)),
    });
    let (target, source) = (target(halt), Arc::clone(source));
    let first = std::thread::spawn(move || {
        let copied = store_copy(&source, &target);
        let _ = stopped.send(false);
        copied
    });
    if wait.recv().unwrap() {
        meanwhile();
        let _ = go_on.send(());
    }
    first.join().unwrap()
}

impl Halt {
    /// Whether the call that is about to be made has to wait, and for what.
    fn meet(&self) -> Option<oneshot::Receiver<()>> {
        if self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return None;
        }
        let _ = self.stopped.send(true);
        self.go_on.lock().take()
    }
}

#[test]
fn a_second_copy_waits_for_nobody_and_disturbs_nobody() {
    for to in MEDIA {
        for at in [2, 5, 9, 14, 20] {
            let (source, _kept) = backend(Medium::Memory);
            fill(&source);
            let wanted = shown(&options(&store(&source)).read_only().unwrap());
            let (target, _kept) = backend(to);
            let watched = |halt: Arc<Halt>| {
                let watch = move |access, _: &str| {
                    if let Some(woken) = (access == Access::Write).then(|| halt.meet()).flatten() {
                        woken.blocking_recv().unwrap();
                    }
                    Ok(())
                };
                WatchedStore::around(Arc::clone(&target), Arc::new(watch))
            };
            let first = two_at_once(at, watched, &source, &|| {
                let error = store_copy(&source, &store(&target)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            });
            first.unwrap();
            let copy = options(&store(&target)).create().unwrap();
            assert_eq!(shown(&copy), wanted, "{to:?}, call {at}");
        }
    }
}

#[test]
fn a_copy_that_slept_while_another_took_its_place_harms_nobody() {
    let is_over = AtomicBool::new(false);
    let mut at = 0;
    while !is_over.swap(true, Ordering::SeqCst) {
        at += 1;
        let (source, _kept) = backend(Medium::Memory);
        fill(&source);
        let writer = options(&store(&source)).create().unwrap();
        long_log(&writer);
        drop(writer);
        let service = Service::new(1);
        let sleeping = |halt: Arc<Halt>| {
            // Nobody waits for those of leases, nor for the end of a probe.
            let goes_by_itself = |key: &str| key.ends_with("/lock") || key.contains("/probe-");
            let hook = move |request: &Request| match goes_by_itself(&request.key) {
                true => Step::Pass,
                false => halt.meet().map_or(Step::Pass, |woken| {
                    Step::Wait(woken.map(|_| Step::Pass).boxed())
                }),
            };
            service.set_hook("first", Some(Arc::new(hook)));
            store(&bucket(service.client("first")))
        };
        let target = bucket(service.client("second"));
        let wanted = RefCell::new(None);
        let slept = two_at_once(at, sleeping, &source, &|| {
            is_over.store(false, Ordering::SeqCst);
            // As if it had run out.
            for key in service
                .objects()
                .keys()
                .filter(|key| key.ends_with("/lock"))
            {
                service.remove_raw(key);
            }
            if at % 2 == 0 {
                let index = options(&store(&source)).create().unwrap();
                index.write(batch(&rows(2_000, 30)).unwrap()).unwrap();
                index.flush().unwrap();
            }
            store_copy(&source, &store(&target)).unwrap();
            let copy = options(&store(&target)).create().unwrap();
            copy.write(batch(&rows(3_000, 30)).unwrap()).unwrap();
            copy.flush().unwrap();
            copy.write(batch(&rows(4_000, 30)).unwrap()).unwrap();
            *wanted.borrow_mut() = Some(shown(&copy));
        });
        let Some(wanted) = wanted.into_inner() else {
            slept.unwrap();
            continue;
        };
        let copy = options(&store(&target)).create().unwrap();
        assert_eq!(shown(&copy), wanted, "request {at}: {slept:?}");
        copy.merge_all().unwrap();
        drop(copy);
        let again = options(&store(&target)).create().unwrap();
        assert_eq!(shown(&again).0, wanted.0, "request {at}: {slept:?}");
    }
    assert!(at > 20, "{at} requests");
}

#[test]
fn a_copy_to_a_service_that_fails_comes_to_its_end_in_the_end() {
    let (source, _kept) = backend(Medium::Memory);
    fill(&source);
    let reader = options(&store(&source)).read_only().unwrap();
    let wanted = shown(&reader);
    for seed in 0..4 {
        let service = Service::new(seed);
        service.set_faults("copier", Faults::passing(0.02));
        let target = bucket(service.client("copier"));
        let copied = (0..20).find_map(|_| reader.copy_to(&store(&target), NAME).ok());
        copied.unwrap_or_else(|| panic!("seed {seed}: never"));
        service.set_faults("copier", Faults::none());
        service.land_late();
        let copy = options(&store(&bucket(service.client("reader"))))
            .read_only()
            .unwrap();
        assert_eq!(shown(&copy), wanted, "seed {seed}");
    }
}
