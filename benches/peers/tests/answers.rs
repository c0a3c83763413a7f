//! Every store gives the right answers, after ingest and after compaction.

use std::error::Error;
use std::fs;
use std::path::Path;

use clap::ValueEnum;
use sidx_peers::kind::Kind;
use sidx_peers::measure::Peer;
use sidx_w1::Query;

#[test]
fn stores_answer_every_query() -> Result<(), Box<dyn Error + Send + Sync>> {
    for kind in Kind::value_variants() {
        for series in [50, 3_000] {
            if kind.is_built() {
                check(*kind, series)?;
            }
        }
    }
    Ok(())
}

/// A wrong answer is an error of the measurement.
fn check(kind: Kind, series: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
    let name = format!("{}-{series}", kind.name());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let peer = Peer {
        kind,
        folder: &folder,
        series,
        rows: 6_000,
    };
    assert_eq!(peer.ingest(700)?.figure, "ingest-700");
    let before = peer.query(&Query::ALL, 1)?;
    assert_eq!(before.len(), 1 + Query::ALL.len());
    let [rate, size] = peer.compact()?;
    assert!(rate.median > 0.0 && size.median > 20.0);
    let after = peer.query(&Query::ALL, 1)?;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.result_rows, after.result_rows);
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}
