//! Key = sequence number: a log of changes that a consumer follows from where it stopped.

use sidx_host::{Batch, Store};

fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let index = Store::open(&directory.path().to_string_lossy())?
        .index("changes")
        .create()?;
    for chunk in 0..10 {
        let mut batch = Batch::new();
        for number in 0..100 {
            let sequence = chunk * 100 + number;
            let table = if sequence % 4 == 0 { "orders" } else { "stock" };
            let payload = format!("{{\"change\": {sequence}}}");
            batch.row(table, sequence).payload(&payload).add()?;
        }
        index.write(batch)?;
    }

    // A consumer keeps only the last sequence number it has handled.
    let mut handled = -1;
    for round in 1..=4 {
        let cursor = index
            .query()
            .series("orders")
            .keys(handled + 1..)
            .limit(64)
            .run()?;
        let mut seen = 0;
        for rows in cursor {
            let rows = rows?;
            seen += rows.len();
            handled = rows.keys().last().copied().unwrap_or(handled);
        }
        println!("Round {round}: {seen} changes, now at {handled}.");
    }
    Ok(())
}

#[test]
fn the_example_holds() -> anyhow::Result<()> {
    main()
}
