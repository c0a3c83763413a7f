//! Which component runs, and how it is bounded.

use std::time::Duration;

use sidx_host::{Batch, COMPONENT, ErrorKind, Store};

use super::subject::MISBEHAVING;

fn one_row() -> Batch {
    let mut batch = Batch::new();
    batch.row("UA", 1).payload(b"x").add().unwrap();
    batch
}

#[test]
fn the_shipped_component_does_not_misbehave() {
    let holds = |wasm: &[u8]| wasm.windows(9).any(|window| window == b"misbehave");
    assert!(!holds(COMPONENT), "the shipped component can misbehave");
    assert!(holds(MISBEHAVING), "the test looks for the wrong word");
}

#[test]
fn a_component_can_be_brought_and_bytes_that_are_none_are_refused() {
    let store = Store::memory();
    let index = store.index("x").component(COMPONENT).create().unwrap();
    index.write(one_row()).unwrap();
    drop(index);
    let module = b"\0asm\x01\0\0\0";
    for wrong in [
        &b"nonsense"[..],
        b"",
        module,
        &COMPONENT[..COMPONENT.len() / 2],
    ] {
        let error = store.index("x").component(wrong).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    let index = store.index("x").open().unwrap();
    assert_eq!(index.query().count().unwrap(), 1);
}

#[test]
fn the_embedded_component_works_the_same_when_it_can_be_interrupted() {
    let store = Store::memory();
    let builder = store.index("x").call_timeout(Duration::from_secs(60));
    let index = builder.create().unwrap();
    index.write(one_row()).unwrap();
    index.flush().unwrap();
    index.write(one_row()).unwrap();
    index.merge_all().unwrap();
    assert_eq!(index.query().count().unwrap(), 2);
    assert_eq!(index.verify().unwrap()["ok"], true);
}

#[test]
fn an_instance_that_may_have_no_memory_does_not_start() {
    let store = Store::memory();
    let builder = store.index("x").instance_memory_bytes(1 << 10);
    let error = builder.create().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    assert!(error.message().contains("instance_memory_bytes"), "{error}");
}
