//! Deeds that end no call in a regular way.

use core::hint::black_box;

use crate::bindings::sidx::engine::{limits, scan};
use crate::requests;

/// Does harm if that is the deed.
pub(super) fn do_harm(deed: &str) {
    match deed {
        "trap" => core::arch::wasm32::unreachable(),
        "spin" => loop {
            black_box(0);
        },
        "spin-calling" => loop {
            black_box(limits::usage());
        },
        "allocate" => allocate(),
        "recurse" => {
            black_box(recurse(black_box(1)));
        }
        "hold-handles" => hold_handles(),
        "hold-values" => hold_values(),
        "bad-handle" => {
            let columns = unsafe { scan::Columns::from_handle(0x7777) };
            black_box(columns.facts());
        }
        "drop-twice" => drop_twice(),
        _ => {}
    }
}

fn allocate() {
    let mut held = Vec::new();
    loop {
        held.push(vec![1u8; 1 << 20]);
        black_box(&held);
    }
}

#[allow(unconditional_recursion, reason = "the stack is to overflow")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(black_box(depth + 1)) + frame[7]
}

/// Has the host hold resources without end.
fn hold_handles() {
    loop {
        core::mem::forget(requests::absent_columns(1, 0));
    }
}

/// Has the host hold values without end.
fn hold_values() {
    loop {
        core::mem::forget(requests::absent_columns(1, 4 << 20));
    }
}

fn drop_twice() {
    let columns = requests::absent_columns(1, 1);
    let again = unsafe { scan::Columns::from_handle(columns.handle()) };
    drop(columns);
    drop(again);
}
