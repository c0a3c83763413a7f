//! Key = time: events of several machines in one order, a window of time, and dropping what is old.

use sidx_host::{Batch, Retention, Store};

const SECOND_NS: i64 = 1_000_000_000;

fn main() -> anyhow::Result<()> {
    let index = Store::memory().index("events").create()?;
    let start = 1_700_000_000 * SECOND_NS;
    let mut batch = Batch::new();
    for second in 0..600 {
        let machine = format!("machine-{}", second % 3);
        let level = if second % 50 == 7 { "error" } else { "info" };
        batch
            .row(&machine, start + second * SECOND_NS)
            .payload(&format!("event {second}"))
            .tag("level", level)
            .add()?;
    }
    index.write(batch)?;

    println!("Errors of all machines in minutes 2 to 4, oldest first:");
    let window = start + 120 * SECOND_NS..start + 300 * SECOND_NS;
    for row in index
        .query()
        .keys(window)
        .filter(r#"level = "error""#)
        .run()?
        .into_rows()
    {
        let row = row?;
        let payload =
            String::from_utf8_lossy(row.payload.as_deref().unwrap_or_default()).into_owned();
        println!(
            "  {:>4} s  {:<10}  {payload}",
            (row.key - start) / SECOND_NS,
            row.label.as_deref().unwrap_or("-")
        );
    }

    index.flush()?;
    index.retain(Retention {
        drop_below: Some(start + 300 * SECOND_NS),
        ..Retention::default()
    })?;
    println!(
        "After dropping all that is older than 5 minutes: {} events.",
        index.query().count()?
    );
    Ok(())
}

#[test]
fn the_example_holds() -> anyhow::Result<()> {
    main()
}
