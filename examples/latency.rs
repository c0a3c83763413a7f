//! Key = duration: the slowest requests, and how many were slower than a limit.

use sidx_host::{Batch, Store};

fn main() -> anyhow::Result<()> {
    let index = Store::memory().index("requests").create()?;
    let mut batch = Batch::new();
    let mut state = 7u64;
    for request in 0..20_000u64 {
        // A small generator, so that the example needs no other crate.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let micros = ((state >> 33) % 1_000) as i64 * if state.is_multiple_of(97) { 40 } else { 1 };
        batch
            .row(
                ["/search", "/cart", "/pay"][(state >> 20) as usize % 3],
                micros,
            )
            .payload(&format!("request-{request}"))
            .tag("status", if micros > 30_000 { 503 } else { 200 })
            .tag(
                "regions",
                vec!["eu", if request % 2 == 0 { "north" } else { "south" }],
            )
            .add()?;
    }
    index.write(batch)?;

    println!("The 5 slowest of /pay that succeeded in the north:");
    let cursor = index
        .query()
        .series("/pay")
        .filter(r#"status = 200 and regions contains all ("eu", "north")"#)
        .descending()
        .limit(5)
        .run()?;
    for row in cursor.into_rows() {
        let row = row?;
        println!(
            "  {:>6} us  {}",
            row.key,
            String::from_utf8_lossy(row.payload.as_deref().unwrap_or_default())
        );
    }
    for limit in [500, 5_000, 30_000] {
        println!(
            "Slower than {limit:>6} us: {:>5}",
            index.query().keys(limit + 1..).count()?
        );
    }
    Ok(())
}

#[test]
fn the_example_holds() -> anyhow::Result<()> {
    main()
}
