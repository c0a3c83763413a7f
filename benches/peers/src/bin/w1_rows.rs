//! The rows of W1 as NDJSON, and the answers of its queries, for programs that are not in Rust.
//!
//! `w1-rows --series 100 --dir FOLDER` writes `rows.ndjson` and `answers.json`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Parser;
use serde_json::json;
use sidx_w1::{Answers, Generator, Query, wide_series};

#[derive(Parser)]
#[command(about = "Rows and answers of workload W1 as files")]
struct Arguments {
    /// Series that the rows are spread over
    #[arg(long, default_value_t = 100)]
    series: u64,
    /// Rows of the workload
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Where the files are made
    #[arg(long)]
    dir: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let generator = Generator::new(arguments.series);
    fs::create_dir_all(&arguments.dir)?;
    let mut file = BufWriter::new(File::create(arguments.dir.join("rows.ndjson"))?);
    for i in 0..arguments.rows {
        let row = generator.row(i);
        let line = json!({
            "series": row.series,
            "key": row.key,
            "payload": std::str::from_utf8(&row.payload)?,
            "endpoint": Generator::endpoint(row.endpoint),
            "status": row.status,
            "method": row.method,
            "start": row.start,
            "peer": row.peer,
        });
        writeln!(file, "{line}")?;
    }
    file.into_inner()?.sync_all()?;
    let answers = Answers::of(&generator, arguments.rows);
    let answer = |query: Query| {
        let answer = answers.get(query);
        let parts = json!({
            "rows": answer.rows,
            "key_sum": answer.key_sum,
            "payload_sum": answer.payload_sum,
        });
        (query.name(), parts)
    };
    let answers: BTreeMap<_, _> = Query::ALL.into_iter().map(answer).collect();
    let all = json!({ "answers": answers, "wide_series": wide_series(arguments.series) });
    fs::write(arguments.dir.join("answers.json"), format!("{all}\n"))?;
    Ok(())
}
