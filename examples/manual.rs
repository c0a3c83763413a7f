//! Key = sequence number: an index that flushes and merges only when its owner says so, by a policy made of
//! the numbers that the index tells of itself.

use sidx_host::{Batch, Index, Medium, PartInfo, Store};

/// When to flush and to merge; an owner knows what no default can: when it is quiet, how long an opening may
/// take, how much memory is left for others.
struct Policy {
    /// Flush from so many bytes of rows in memory on.
    memory_bytes: u64,
    /// Flush from so much log on, which the next opening would have to read.
    log_bytes: u64,
    /// Merge when there are more parts in files than this; each costs every query of all series a little.
    parts: usize,
    /// In a quiet hour, merge everything when less than this share of the rows is in the largest part.
    settled: f64,
}

impl Policy {
    /// Does what is due, and says what it did.
    fn keep_up(&self, index: &Index, is_quiet: bool) -> anyhow::Result<Vec<&'static str>> {
        let mut done = Vec::new();
        let health = index.health();
        if health.memory.used_bytes >= self.memory_bytes
            || health.log_backlog_bytes >= self.log_bytes
        {
            index.flush()?;
            done.push("flush");
        }
        let files = files(index)?;
        let (rows, largest) = files.iter().fold((0, 0), |(rows, largest), part| {
            (rows + part.rows, part.rows.max(largest))
        });
        if is_quiet && files.len() > 1 && (largest as f64) < self.settled * rows as f64 {
            index.merge_all()?;
            done.push("merge all");
        } else if files.len() > self.parts {
            // Neighbours of similar size, until nothing is worth merging; large parts are left alone.
            index.merge()?;
            done.push("merge");
        }
        Ok(done)
    }
}

/// The parts in files, oldest first.
fn files(index: &Index) -> anyhow::Result<Vec<PartInfo>> {
    let mut parts = index.part_list()?;
    parts.retain(|part| part.medium == Medium::File);
    Ok(parts)
}

fn main() -> anyhow::Result<()> {
    const BATCHES: i64 = 60;
    const ROWS: i64 = 500;
    let directory = tempfile::tempdir()?;
    let store = Store::open(&directory.path().to_string_lossy())?;
    let index = store.index("changes").manual().create()?;
    let policy = Policy {
        memory_bytes: 24 << 10,
        log_bytes: 1 << 20,
        parts: 6,
        settled: 0.9,
    };

    let (mut flushes, mut merges) = (0, 0);
    for at in 0..BATCHES {
        let mut batch = Batch::new();
        for key in at * ROWS..(at + 1) * ROWS {
            let table = ["orders", "stock"][key as usize % 2];
            batch
                .row(table, key)
                .payload(&format!("change {key}"))
                .add()?;
        }
        index.write(batch)?;
        for what in policy.keep_up(&index, false)? {
            match what {
                "flush" => flushes += 1,
                _ => merges += 1,
            }
        }
        assert!(files(&index)?.len() <= policy.parts + 1);
    }
    println!(
        "{BATCHES} batches: {flushes} flushes and {merges} merges, all of them by the policy."
    );
    assert!(flushes > 6 && merges > 0);
    // Nobody else did any.
    let counters = index.health().counters;
    assert_eq!(counters.flushes, flushes);

    index.flush()?;
    println!("Before the quiet hour:");
    print_parts(&files(&index)?);
    let done = policy.keep_up(&index, true)?;
    println!("After it ({}):", done.join(", "));
    let left = files(&index)?;
    print_parts(&left);

    assert_eq!(left.len(), 1);
    assert_eq!(left[0].rows as i64, BATCHES * ROWS);
    assert_eq!(left[0].keys, 0..=BATCHES * ROWS - 1);
    assert_eq!(
        index.query().series("stock").count()? as i64,
        BATCHES * ROWS / 2
    );
    assert!(
        policy.keep_up(&index, true)?.is_empty(),
        "there is nothing left to do"
    );
    Ok(())
}

fn print_parts(parts: &[PartInfo]) {
    for part in parts {
        println!(
            "  {:>6} rows of {} series, keys {:>5} to {:>5}, {:>4} KiB",
            part.rows,
            part.series,
            part.keys.start(),
            part.keys.end(),
            part.size_bytes >> 10
        );
    }
}

#[test]
fn the_example_holds() -> anyhow::Result<()> {
    main()
}
