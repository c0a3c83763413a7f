//! What lies in other places: parts that a branch shares, and logs that are copied.

use std::collections::{BTreeMap, BTreeSet};

use sidx_engine::{BRANCH_OBJECT, Branch, BranchPin, Host};
use sidx_log::Term;

use super::*;
use crate::RawLog;

/// The place of a branch.
const BRANCH: &str = "branch";

#[test]
fn a_branch_reads_what_lies_with_its_lender_until_it_lets_go() {
    let store = Lent::new(true);
    let mut lender = Subject::open(&store, Mode::Create);
    lender.write(0..50).unwrap();
    lender.flush().unwrap();
    let path = store.paths_with("/parts/").remove(0);
    let path = path.strip_prefix(&format!("{PLACE}/")).unwrap().to_owned();
    let part = path.split('/').nth(1).unwrap().to_owned();
    let branch = Branch {
        place: BRANCH.to_owned(),
        lenders: BTreeMap::from([(PLACE.to_owned(), BTreeSet::from([part]))]),
    };
    let pin = BranchPin {
        epoch: 1,
        place: BRANCH.to_owned(),
    };
    let put = |place: &str, name: &str, bytes: Vec<u8>| {
        let path = format!("{place}/{name}");
        store.objects.borrow_mut().insert(path, (bytes, 1));
    };
    put(BRANCH, BRANCH_OBJECT, branch.document().unwrap());
    put(PLACE, &pin.name(), Vec::new());
    assert_eq!(lender.session().find_readers().unwrap().branches, [1]);

    let enter = || Session::enter(&store, BRANCH, true, settings(), FirstNumbers::NONE).unwrap();
    let session = enter();
    let file = session.open_file(&path).unwrap();
    assert!(session.file_size(file).unwrap() > 0);
    let none = session.open_file("parts/none/x");
    assert_eq!(kind_of(none), Some(ErrorKind::NotFound));
    session.release_lender(PLACE).unwrap();
    assert!(store.objects_with(&pin.name()).is_empty());
    let (bytes, _) = store.objects.borrow()[&format!("{BRANCH}/{BRANCH_OBJECT}")].clone();
    assert!(Branch::read(&bytes).unwrap().lenders.is_empty());
    drop(session);

    // A lender that is gone is no damage of a part.
    put(BRANCH, BRANCH_OBJECT, branch.document().unwrap());
    drop(lender);
    store
        .files
        .borrow_mut()
        .retain(|name, _| !name.starts_with(PLACE));
    store
        .objects
        .borrow_mut()
        .retain(|name, _| !name.starts_with(PLACE));
    let error = enter().open_file(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let text = format!("lent:/{BRANCH}: the index shares parts of {PLACE}, and nothing is there");
    assert!(error.message().starts_with(&text), "{error}");
}

#[test]
fn a_log_is_copied_entry_by_entry_and_keeps_its_positions() {
    for files_grow in [true, false] {
        let store = Lent::new(files_grow);
        let mut subject = Subject::open(&store, Mode::Create);
        for keys in [0..10, 10..20, 20..30] {
            subject.write(keys).unwrap();
        }
        let from = RawLog::open(&store, PLACE, 0, None).unwrap();
        let term = Term {
            number: 7,
            nonce: 9,
        };
        let to = RawLog::open(&store, "copy", 0, Some((term, false))).unwrap();
        let mut position = 0;
        let mut copied = 0;
        while position < from.end() {
            // At most one at a time, as each is larger than that.
            let entries = from.read(position, 1).unwrap();
            assert_eq!(entries.len(), 1);
            let slices: Vec<(&[u8], &[u8])> = entries
                .iter()
                .map(|entry| (entry.header.as_slice(), entry.body.as_slice()))
                .collect();
            position = entries[0].next_position;
            assert_eq!(to.append(&slices, false).unwrap(), position);
            copied += 1;
        }
        to.append(&[], true).unwrap();
        assert_eq!(copied, 3);
        let copy = RawLog::open(&store, "copy", 0, None).unwrap();
        assert_eq!(copy.end(), from.end());
        assert_eq!(
            copy.read(0, u32::MAX).unwrap(),
            from.read(0, u32::MAX).unwrap()
        );
        assert!(copy.read(copy.end(), 1).unwrap().is_empty());
        // Somebody with a lower term comes too late.
        let lower = Term {
            number: 6,
            nonce: 9,
        };
        if files_grow {
            assert_eq!(copy.head_term(), Some(term));
            let late = RawLog::open(&store, "copy", 0, Some((lower, false)));
            assert!(late.is_err());
        }
    }
}
