//! Objects: written whole, once, or in exchange for the version that was read.

use std::sync::Arc;
use std::sync::Barrier;
use std::thread;

use super::{Storage, Verdict, ensure, fails, same, works};
use crate::MAX_OBJECT_BYTES;
use crate::error::ErrorKind::{Conflict, InvalidArgument};
use crate::error::{Error, Result};

const THREADS: usize = 16;

/// An object is absent, then put once, then read with its version, then removed.
pub fn check_objects(storage: &Arc<dyn Storage>) -> Verdict {
    same(
        &works(storage.get("index.json"), "get")?,
        &None,
        "an object that was never put",
    )?;
    works(
        storage.remove_object("index.json"),
        "removing an object that was never put",
    )?;
    let version = works(storage.put_if_absent("index.json", b"one"), "the first put")?;
    let found = works(storage.get("index.json"), "get")?;
    same(
        &found,
        &Some((b"one".to_vec(), version)),
        "an object and its version",
    )?;
    fails(
        storage.put_if_absent("index.json", b"two"),
        Conflict,
        "a put of what exists",
    )?;
    let after = works(storage.get("index.json"), "get")?;
    same(&after, &found, "an object after a refused put")?;
    for _ in 0..2 {
        works(
            storage.remove_object("index.json"),
            "removing an object, twice",
        )?;
        same(
            &works(storage.get("index.json"), "get")?,
            &None,
            "a removed object",
        )?;
    }
    works(
        storage.put_if_absent("index.json", b""),
        "putting an empty object where one was",
    )?;
    let empty = works(storage.get("index.json"), "get")?.map(|(bytes, _)| bytes);
    same(&empty, &Some(vec![]), "an empty object")?;

    let largest = vec![1; MAX_OBJECT_BYTES];
    works(storage.put_if_absent("large", &largest), "putting 16 MiB")?;
    let found = works(storage.get("large"), "get")?.map(|(bytes, _)| bytes);
    ensure(
        found.as_ref() == Some(&largest),
        "an object of 16 MiB must come back as it was",
    )?;
    let larger = vec![1; MAX_OBJECT_BYTES + 1];
    fails(
        storage.put_if_absent("larger", &larger),
        InvalidArgument,
        "putting more than 16 MiB",
    )?;
    fails(
        storage.compare_and_swap("large", "", &larger),
        InvalidArgument,
        "swapping in the same",
    )
}

/// Of two puts of the same bytes the second finds the first. That is so where every answer arrives: where
/// they can be lost nobody can tell the two apart.
pub fn check_equal_objects(storage: &Arc<dyn Storage>) -> Verdict {
    let version = works(storage.put_if_absent("index.json", b"one"), "a put")?;
    fails(
        storage.put_if_absent("index.json", b"one"),
        Conflict,
        "a put of the same bytes",
    )?;
    let found = works(storage.get("index.json"), "get")?;
    same(
        &found,
        &Some((b"one".to_vec(), version)),
        "an object after a refused put",
    )
}

/// A list of objects has the names with the prefix, in order, and neither files nor the lock.
pub fn check_object_lists(storage: &Arc<dyn Storage>) -> Verdict {
    same(
        &works(storage.list_objects(""), "list_objects")?,
        &vec![],
        "objects of an empty storage",
    )?;
    let _lock = works(storage.lock(), "lock")?;
    super::write_file(storage, "parts/1/a", &[b"x"])?;
    for name in ["b", "a.2", "a.10", "a", "index.json"] {
        works(storage.put_if_absent(name, b"x"), "put")?;
    }
    let version = works(storage.put_if_absent("c", b"x"), "put")?;
    works(storage.compare_and_swap("c", &version, b"y"), "swap")?;
    works(storage.remove_object("b"), "remove")?;
    let all = works(storage.list_objects(""), "list_objects")?;
    same(
        &all,
        &["a", "a.10", "a.2", "c", "index.json"]
            .map(str::to_owned)
            .to_vec(),
        "all objects",
    )?;
    let some = works(storage.list_objects("a."), "list_objects")?;
    same(
        &some,
        &["a.10", "a.2"].map(str::to_owned).to_vec(),
        "objects with a prefix",
    )?;
    same(
        &works(storage.list_objects("x"), "list_objects")?,
        &vec![],
        "objects with no such prefix",
    )
}

/// A swap needs the present version, and makes a new one of other bytes.
pub fn check_object_swaps(storage: &Arc<dyn Storage>) -> Verdict {
    fails(
        storage.compare_and_swap("x", "", b"1"),
        Conflict,
        "a swap of nothing",
    )?;
    same(
        &works(storage.get("x"), "get")?,
        &None,
        "an object after a refused swap",
    )?;
    let first = works(storage.put_if_absent("x", b"1"), "put")?;
    let second = works(storage.compare_and_swap("x", &first, b"2"), "a swap")?;
    let found = works(storage.get("x"), "get")?;
    same(
        &found,
        &Some((b"2".to_vec(), second.clone())),
        "a swapped object",
    )?;
    fails(
        storage.compare_and_swap("x", &first, b"3"),
        Conflict,
        "a swap with an old version",
    )?;
    same(
        &works(storage.get("x"), "get")?,
        &found,
        "an object after a refused swap",
    )?;

    let third = works(
        storage.compare_and_swap("x", &second, b"2"),
        "a swap with the same bytes",
    )?;
    let fourth = works(storage.compare_and_swap("x", &third, b"4"), "a swap")?;
    ensure(fourth != third, "other bytes must have another version")?;
    fails(
        storage.compare_and_swap("x", &third, b"5"),
        Conflict,
        "a swap with the version before",
    )?;
    works(storage.remove_object("x"), "remove")?;
    fails(
        storage.compare_and_swap("x", &fourth, b"5"),
        Conflict,
        "a swap of a removed object",
    )
}

/// Of many threads that put one object one wins, and its bytes are what everybody reads.
pub fn check_object_races(storage: &Arc<dyn Storage>) -> Verdict {
    for round in 0..10 {
        let name = format!("{round}.snapshot");
        let content = |thread: usize| format!("{thread}").repeat(1000).into_bytes();
        let results = together(|thread| storage.put_if_absent(&name, &content(thread)));
        let mut winners = Vec::new();
        for (thread, result) in results.into_iter().enumerate() {
            match result {
                Ok(version) => winners.push((content(thread), version)),
                Err(_) => fails(result, Conflict, "losing a race for an object")?,
            }
        }
        same(&winners.len(), &1, "winners of a race for one object")?;
        let found = works(storage.get(&name), "get")?;
        ensure(
            found == winners.pop(),
            "an object must hold what the winner of its race put",
        )?;
    }
    Ok(())
}

/// Swaps by many threads lose no update, and readers meanwhile see whole objects.
pub fn check_swap_races(storage: &Arc<dyn Storage>) -> Verdict {
    // Whose they are is in the bytes, as it must be where answers can be lost.
    let encode = |count: usize, thread: usize| {
        let text = format!("{count:04}{thread:04}");
        text.repeat(250).into_bytes()
    };
    let decode = |bytes: &[u8]| -> Option<usize> {
        let first = bytes.get(..8)?;
        let whole = bytes.len() == 2000 && bytes.chunks(8).all(|chunk| chunk == first);
        std::str::from_utf8(first.get(..4)?)
            .ok()?
            .parse()
            .ok()
            .filter(|_| whole)
    };
    works(storage.put_if_absent("count", &encode(0, THREADS)), "put")?;
    let rounds = 5;
    let add_all = |thread| -> Result<()> {
        let mut added = 0;
        while added < rounds {
            let (bytes, version) = storage
                .get("count")?
                .ok_or_else(|| Error::corrupt("an object vanished in a swap"))?;
            let count =
                decode(&bytes).ok_or_else(|| Error::corrupt("an object was seen in part"))?;
            match storage.compare_and_swap("count", &version, &encode(count + 1, thread)) {
                Ok(_) => added += 1,
                Err(error) if error.kind() == Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    for result in together(add_all) {
        works(result, "counting up by swaps")?;
    }
    let found = works(storage.get("count"), "get")?.and_then(|(bytes, _)| decode(&bytes));
    same(
        &found,
        &Some(THREADS * rounds),
        "a count after swaps by many threads",
    )
}

/// Runs a call in many threads at the same moment.
fn together<T: Send>(call: impl Fn(usize) -> Result<T> + Sync) -> Vec<Result<T>> {
    let barrier = Barrier::new(THREADS);
    let run = |thread: usize| {
        barrier.wait();
        call(thread)
    };
    thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..THREADS).map(|i| scope.spawn(move || run(i))).collect();
        let failed = || {
            Err(Error::new(
                crate::error::ErrorKind::Other,
                "the call panicked",
            ))
        };
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| failed()))
            .collect()
    })
}
