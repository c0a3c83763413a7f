//! Bytes that are not as they were written.

use super::*;

/// An index of one part, closed.
fn index_of_a_part(part_form: Form) -> Rc<Lent> {
    let store = Lent::new(true);
    let settings = Settings {
        part_form,
        ..settings()
    };
    let mut subject = Subject::entered(&store, Mode::Create, settings).unwrap();
    subject.write(0..5_000).unwrap();
    subject.flush().unwrap();
    subject.0.close().unwrap();
    store
}

#[test]
fn damage_of_a_page_is_told_with_file_and_offset_and_kept_until_asked_for() {
    let store = index_of_a_part(Form::Folder);
    let path = store.paths_with("/parts/").into_iter();
    let path = path.filter(|path| !path.ends_with("manifest.json"));
    let sizes = |path: &String| store.files.borrow()[path].borrow().len();
    let path = path.max_by_key(sizes).unwrap();
    {
        let files = store.files.borrow();
        let mut bytes = files[&path].borrow_mut();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
    }
    let mut reader = Subject::open(&store, Mode::Read);
    let error = reader.keys().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let below = path.strip_prefix(PLACE).unwrap().trim_start_matches('/');
    assert!(error.message().contains(below), "{error}");
    assert!(error.message().contains(" offset "), "{error}");
    assert!(error.message().contains("checksum is"), "{error}");
    let damaged = reader.session().take_damaged();
    assert_eq!(damaged[0].path, below);
    assert!(reader.session().take_damaged().is_empty());
}

#[test]
fn a_file_that_was_cut_is_damage() {
    for form in [Form::Folder, Form::File] {
        let store = index_of_a_part(form);
        let path = store.paths_with("/parts/").into_iter();
        let sizes = |path: &String| store.files.borrow()[path].borrow().len();
        let path = path.max_by_key(sizes).unwrap();
        {
            let files = store.files.borrow();
            let mut bytes = files[&path].borrow_mut();
            let half = bytes.len() / 2;
            bytes.truncate(half);
        }
        let session = Session::enter(&store, PLACE, false, settings(), FirstNumbers::NONE).unwrap();
        let mut index = Index::new(session);
        let opened = index.open(Mode::Read).unwrap();
        assert_eq!(opened.damaged.len(), 1, "{:?}", opened.damaged);
    }
}

#[test]
fn a_store_that_returns_too_little_is_found_out() {
    let store = index_of_a_part(Form::Folder);
    store.is_short.set(true);
    let session = Session::enter(&store, PLACE, false, settings(), FirstNumbers::NONE).unwrap();
    let error = Index::new(session).open(Mode::Read).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("it is broken"), "{error}");
}
