//! Key = score: a leaderboard, best first, with one line per player; and ratings that are no whole numbers,
//! as keys that keep their order.

use sidx_host::{Batch, Index, Store};

fn main() -> anyhow::Result<()> {
    let index = Store::memory().index("scores").create()?;
    leaderboard(&index)?;
    ratings(&index)?;
    measurements(&index)?;
    Ok(())
}

/// Points are whole numbers: keys as they are.
fn leaderboard(index: &Index) -> anyhow::Result<()> {
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
    let mut board = Vec::new();
    for (place, row) in (1..).zip(cursor.into_rows()) {
        let row = row?;
        let player = String::from_utf8(row.payload.clone().unwrap_or_default())?;
        println!(
            "  {place}. {player:<4} {:>4} points in round {}",
            row.key,
            row.tag("round")
                .map_or(String::from("-"), |value| value.to_string())
        );
        board.push((player, row.key));
    }
    // The exact reverse of arrival among equals: cyd came after ada.
    let expected = [("cyd", 455), ("ada", 455), ("bob", 395)];
    assert!(
        board
            .iter()
            .map(|(player, key)| (player.as_str(), *key))
            .eq(expected)
    );
    Ok(())
}

/// Ratings have four digits behind the point, and no more: as ten-thousandths they are whole numbers.
const RATING_DIGITS: f64 = 10_000.0;

fn rating_key(rating: f64) -> i64 {
    // To the nearest, so that 0.1 + 0.2 and 0.3 are one key.
    (rating * RATING_DIGITS).round() as i64
}

/// A range of ratings.
fn ratings(index: &Index) -> anyhow::Result<()> {
    let mut batch = Batch::new();
    let films = [
        ("Metropolis", 8.3125),
        ("Solaris", 7.9001),
        ("Alphaville", 7.1),
        ("Stalker", 8.1),
        ("Barbarella", 5.9),
    ];
    for (film, rating) in films {
        batch
            .row("ratings", rating_key(rating))
            .payload(film)
            .tag("rating", rating) // as it was, for those who read it
            .add()?;
    }
    index.write(batch)?;

    println!("Rated from 7.9 to 8.1, best first:");
    let cursor = index
        .query()
        .series("ratings")
        .keys(rating_key(7.9)..=rating_key(8.1))
        .descending()
        .run()?;
    let mut found = Vec::new();
    for row in cursor.into_rows() {
        let row = row?;
        let film = String::from_utf8(row.payload.unwrap_or_default())?;
        println!("  {:.4}  {film}", row.key as f64 / RATING_DIGITS);
        found.push(film);
    }
    assert_eq!(found, ["Stalker", "Solaris"]);
    Ok(())
}

/// The key of any float: no digit is lost, and keys are in the order of [`f64::total_cmp`].
fn float_key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    // Negative floats are ordered by their size, so all of their bits but the sign are turned over.
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// The float of a key; the same steps back.
fn float_of(key: i64) -> f64 {
    f64::from_bits((key ^ ((key >> 63) as u64 >> 1) as i64) as u64)
}

/// Measurements of any size: the bits of the float as the key.
fn measurements(index: &Index) -> anyhow::Result<()> {
    let values = [6.02e23, -1.5, 1e-300, -0.0, 0.25, -7e88, f64::INFINITY];
    let mut batch = Batch::new();
    for value in values {
        batch.row("measurements", float_key(value)).add()?;
    }
    index.write(batch)?;

    println!("Measurements between -2 and 1:");
    let query = index.query().series("measurements");
    let mut found = Vec::new();
    for row in query
        .keys(float_key(-2.0)..=float_key(1.0))
        .run()?
        .into_rows()
    {
        found.push(float_of(row?.key));
    }
    println!("  {found:?}");
    let mut expected = values.to_vec();
    expected.retain(|value| (-2.0..=1.0).contains(value));
    expected.sort_by(f64::total_cmp);
    assert_eq!(found, expected);
    assert!(values.map(float_key).map(float_of) == values);
    Ok(())
}

#[test]
fn the_example_holds() -> anyhow::Result<()> {
    main()
}
