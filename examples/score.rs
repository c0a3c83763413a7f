//! Key = score: a leaderboard, best first, with one line per player.

use std::error::Error;

use sidx_host::{Batch, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let index = Store::memory().index("scores").create()?;
    let mut batch = Batch::new();
    let games = [
        ("ada", 410, 1),
        ("bob", 395, 1),
        ("ada", 455, 2),
        ("cyd", 455, 2),
        ("bob", 120, 3),
    ];
    for (player, points, round) in games {
        batch
            .row("final", points)
            .payload(player)
            .tag("round", round)
            .tag("ratio", points as f64 / 500.0)
            .add()?;
    }
    index.write(batch)?;

    println!("Best result of each player:");
    let cursor = index
        .query()
        .series("final")
        .descending()
        .distinct_payload()
        .run()?;
    for (place, row) in (1..).zip(cursor.into_rows()) {
        let row = row?;
        println!(
            "  {place}. {:<4} {:>4} points in round {}",
            String::from_utf8_lossy(row.payload.as_deref().unwrap_or_default()),
            row.key,
            row.tag("round")
                .map_or(String::from("-"), |value| value.to_string())
        );
    }
    Ok(())
}
