//! Answers that cannot be.

use crate::bindings::exports::sidx::engine::index as wit;
use crate::bindings::sidx::engine::scan;

/// Rows that are none.
pub(super) fn no_rows() -> wit::Rows {
    wit::Rows {
        keys: Vec::new(),
        series: Vec::new(),
        series_ends: Vec::new(),
        columns: None,
        names: Vec::new(),
        stripe: 0,
        partial: false,
    }
}

pub(super) fn opened(opened: wit::Opened, deed: Option<String>) -> wit::Opened {
    let mut damaged = opened.damaged;
    let file = |path: &str, left_out| wit::DamagedFile {
        path: path.to_owned(),
        reason: "x".repeat(1 << 16),
        left_out,
    };
    match deed.as_deref() {
        Some("says-damaged") => {
            for path in ["parts/0000000000000000/data.bin", "parts/../x", "", "log/0"] {
                damaged.extend([file(path, false), file(path, true)]);
            }
        }
        Some("says-all-damaged") => damaged.extend(vec![file("", false); 1_000]),
        _ => {}
    }
    wit::Opened {
        view: view(opened.view, deed),
        damaged,
    }
}

pub(super) fn view(mut view: wit::View, deed: Option<String>) -> wit::View {
    match deed.as_deref() {
        Some("old-view") => view.version = 0,
        Some("old-epoch") => {
            view.version += 1;
            view.epoch = 0;
        }
        Some("changed-view") => {
            view.version = view.version.saturating_sub(1);
            view.bytes.push(1);
        }
        Some("last-version") => view.version = u64::MAX,
        Some("garbage-view") => view.bytes = vec![0xff; 100],
        Some("endless-flush") => {
            view.flush_bytes = u64::MAX;
            view.flush_files = u64::MAX;
        }
        Some("wrong-part") => view.bytes = vec![1, 0x7f, 0],
        Some("long-view") => view.bytes = vec![0; 65 << 20],
        Some("longest-view") => view.bytes = beyond_memory(),
        _ => {}
    }
    view
}

pub(super) fn written(mut written: wit::Written, deed: Option<String>) -> wit::Written {
    let receipt = |change: fn(&mut wit::Receipt), receipts: &mut Vec<_>| {
        if let Some(Ok(receipt)) = receipts.first_mut() {
            change(receipt);
        }
    };
    match deed.as_deref() {
        Some("no-receipts") => written.receipts.clear(),
        Some("more-receipts") => written.receipts.push(Ok(wit::Receipt {
            first_id: 7,
            rows: 7,
        })),
        Some("many-receipts") => written.receipts = beyond_memory(),
        Some("more-rows") => receipt(|receipt| receipt.rows += 1, &mut written.receipts),
        Some("last-ids") => receipt(|receipt| receipt.first_id = u64::MAX, &mut written.receipts),
        Some("full") => {
            written.memory_bytes = u64::MAX;
            written.pressure = wit::Pressure::Critical;
            written.delay_ms = 3_600_000;
        }
        _ => written.view = view(written.view, deed),
    }
    written
}

pub(super) fn job(mut job: wit::Job, deed: Option<String>) -> wit::Job {
    match deed.as_deref() {
        Some("unknown-inputs") => job.inputs = vec![u64::MAX, 0, 77],
        Some("no-inputs") => job.inputs.clear(),
        Some("repeated-inputs") => job.inputs.extend(job.inputs.clone()),
        Some("many-inputs") => job.inputs = vec![job.inputs[0]; 1 << 20],
        Some("taken-output") => job.output = job.inputs[0],
        Some("last-output") => job.output = u64::MAX,
        Some("unknown-job") => job.id = u64::MAX,
        Some("much-space") => job.space_bytes = u64::MAX,
        Some("other-rows") => job.rows = job.rows.wrapping_sub(1),
        Some("other-rule") => job.drop_below = Some(i64::MAX),
        Some("no-rule") => (job.drop_where, job.drop_below) = (None, None),
        _ => {}
    }
    job
}

pub(super) fn retention_steps(
    mut steps: Vec<wit::RetentionStep>,
    deed: Option<String>,
) -> Vec<wit::RetentionStep> {
    for step in &mut steps {
        match deed.as_deref() {
            Some("more-dropped") => step.dropped_rows = Ok(step.rows + 1),
            Some("most-dropped") => step.dropped_rows = Ok(u64::MAX),
            Some("all-dropped") => step.dropped_rows = Ok(step.rows),
            Some("one-fewer-dropped") => {
                step.dropped_rows = step.dropped_rows.clone().map(|rows| rows.saturating_sub(1));
            }
            Some("more-rows") => {
                step.rows += 1;
                step.dropped_rows = Ok(step.rows);
            }
            Some("last-rows") => (step.rows, step.dropped_rows) = (u64::MAX, Ok(u64::MAX)),
            Some("no-parts") => step.parts.clear(),
            Some("unknown-parts") => step.parts = vec![u64::MAX],
            Some("repeated-parts") => step.parts.extend(step.parts.clone()),
            Some("many-parts") => step.parts = vec![7; 1 << 20],
            Some("wrong-medium") => step.in_memory = !step.in_memory,
            _ => {}
        }
    }
    match deed.as_deref() {
        Some("no-steps") => steps.clear(),
        Some("repeated-steps") => steps.extend(steps.clone()),
        Some("most-steps") => steps = beyond_memory(),
        _ => {}
    }
    steps
}

pub(super) fn outcome(mut outcome: wit::Outcome, deed: Option<String>) -> wit::Outcome {
    match deed.as_deref() {
        Some("other-job") => outcome.job.id += 1,
        Some("other-inputs") => outcome.job.inputs.clear(),
        Some("other-output") => outcome.job.output = 0,
        Some("more-rows") => outcome.rows += 1,
        Some("lost-rows") => outcome.rows = 0,
        Some("dropped-rows") => {
            outcome.dropped_rows = outcome.rows;
            outcome.rows = 0;
        }
        Some("last-numbers") => {
            outcome.rows = u64::MAX;
            outcome.dropped_rows = u64::MAX;
            outcome.bytes_written = u64::MAX;
        }
        Some("last-bytes") => outcome.bytes_written = u64::MAX,
        _ => {}
    }
    outcome
}

/// An error that tells of damage.
pub(super) fn corrupt() -> wit::Error {
    wit::Error::Corrupt("nothing is as it was".to_owned())
}

pub(super) fn unreadable(mut parts: Vec<u64>, deed: Option<String>) -> Vec<u64> {
    match deed.as_deref() {
        Some("unknown-parts") => parts.extend([0, 77, u64::MAX]),
        Some("many-parts") => parts = (0..1 << 20).collect(),
        Some("most-parts") => return beyond_memory(),
        _ => {}
    }
    parts
}

fn damage(part: u64) -> wit::Damage {
    wit::Damage {
        part,
        files: vec!["data.bin".to_owned()],
        reasons: vec!["it is said to be damaged".to_owned()],
        lost: vec![region(u64::MAX)],
    }
}

/// Everywhere.
fn region(rows: u64) -> wit::Region {
    wit::Region {
        first_series: 0,
        last_series: u64::MAX,
        min_key: i64::MIN,
        max_key: i64::MAX,
        rows: Some(rows),
    }
}

pub(super) fn survey(
    mut found: Vec<wit::Damage>,
    parts: &[u64],
    deed: Option<String>,
) -> Vec<wit::Damage> {
    match deed.as_deref() {
        Some("sound-parts") => found = parts.iter().map(|part| damage(*part)).collect(),
        Some("other-parts") => found = vec![damage(77), damage(u64::MAX)],
        Some("repeated-parts") => {
            found = parts
                .iter()
                .flat_map(|part| [damage(*part), damage(*part)])
                .collect();
        }
        Some("no-reasons") => {
            found = parts.iter().map(|part| damage(*part)).collect();
            found.iter_mut().for_each(|damage| damage.reasons.clear());
        }
        Some("long-reasons") => {
            found = parts.iter().map(|part| damage(*part)).collect();
            for damage in &mut found {
                damage.reasons = vec!["x".repeat(1 << 20); 64];
                damage.files = vec!["y".repeat(1 << 20); 32];
                damage.lost = vec![region(1); 1 << 20];
            }
        }
        Some("most-parts") => return beyond_memory(),
        _ => {}
    }
    found
}

pub(super) fn salvaged(mut salvaged: wit::Salvaged, deed: Option<String>) -> wit::Salvaged {
    match deed.as_deref() {
        Some("other-part") => salvaged.damage.part += 1,
        Some("untold-loss") => {
            salvaged.outcome.dropped_rows = salvaged.outcome.rows;
            salvaged.outcome.rows = 0;
            salvaged.damage.lost.clear();
        }
        Some("loss-elsewhere") => {
            salvaged.damage.lost.iter_mut().for_each(|region| {
                region.min_key = i64::MAX;
                region.max_key = i64::MAX;
            });
        }
        Some("unknown-loss") => {
            salvaged
                .damage
                .lost
                .iter_mut()
                .for_each(|region| region.rows = None);
        }
        Some("last-loss") => {
            salvaged.damage.lost = vec![region(u64::MAX), region(u64::MAX)];
        }
        _ => salvaged.outcome = outcome(salvaged.outcome, deed),
    }
    salvaged
}

pub(super) fn part_files(
    mut files: Vec<wit::PartFile>,
    deed: Option<String>,
) -> Vec<wit::PartFile> {
    match deed.as_deref() {
        Some("outside") => files[0].path = "../x".to_owned(),
        Some("the-log") => files[0].path = "log/0000000000000000".to_owned(),
        Some("last-size") => files[0].size_bytes = u64::MAX,
        Some("most-files") => return beyond_memory(),
        _ => {}
    }
    files
}

pub(super) fn answer(mut answer: wit::Answer, deed: Option<String>) -> wit::Answer {
    match deed.as_deref() {
        Some("foreign-cursor") => {
            core::mem::forget(answer.cursor);
            answer.cursor = Some(unsafe { wit::Cursor::from_handle(0x7777) });
        }
        Some("never-complete") => {
            answer.rows = no_rows();
            answer.complete = false;
        }
        Some("no-shares") => answer.shares = 0,
        Some("many-shares") => answer.shares = u32::MAX,
        _ => answer.rows = rows(answer.rows, deed),
    }
    answer
}

pub(super) fn rows(mut rows: wit::Rows, deed: Option<String>) -> wit::Rows {
    if deed.is_some()
        && rows.keys.is_empty()
        && let Some(columns) = &rows.columns
    {
        // They are in the columns; here they are to be wrong.
        rows.keys = vec![1; columns.rows() as usize];
        rows.series = vec![1; columns.rows() as usize];
    }
    let count = rows.keys.len() as u32;
    match deed.as_deref() {
        Some("fewer-keys") => drop(rows.keys.pop()),
        Some("fewer-series") => drop(rows.series.pop()),
        Some("more-rows") => {
            rows.keys.extend(rows.keys.clone());
            rows.series.extend(rows.series.clone());
        }
        Some("many-rows") => {
            rows.keys = vec![1; 3 << 20];
            rows.series = vec![1; 3 << 20];
            rows.columns = Some(columns(3 << 20, rows.names.len() + 1, false));
        }
        Some("most-rows") => rows.keys = beyond_memory(),
        Some("ends-and-keys") => rows.series_ends = vec![1; rows.series.len()],
        Some("ends-backwards") => by_ranges(&mut rows, vec![count, 0], count, false),
        Some("more-ends") => by_ranges(&mut rows, vec![count + 1], count, false),
        Some("last-ends") => by_ranges(&mut rows, vec![u32::MAX], count, false),
        Some("most-ends") => rows.series_ends = beyond_memory(),
        Some("absent-keys") => by_ranges(&mut rows, vec![count], count, true),
        Some("no-keys") => {
            rows.keys.clear();
            rows.series = vec![1];
            rows.series_ends = vec![count];
            rows.columns = None;
        }
        Some("no-columns") => rows.columns = None,
        Some("wrong-payload") => rows.columns = Some(columns(count, rows.names.len() + 1, false)),
        Some("absent-payload") => rows.columns = Some(columns(count, rows.names.len() + 1, true)),
        Some("fewer-columns") => rows.columns = Some(columns(count, 1, false)),
        Some("shorter-columns") => {
            rows.columns = Some(columns(count - 1, rows.names.len() + 1, false));
        }
        Some("fewer-names") => rows.names.clear(),
        Some("more-names") => rows.names.push("x".to_owned()),
        Some("many-names") => rows.names = vec![String::new(); 1 << 20],
        Some("most-names") => rows.names = beyond_memory(),
        Some("foreign-columns") => {
            rows.columns = Some(unsafe { scan::Columns::from_handle(0x7777) });
        }
        Some("dropped-columns") => {
            if let Some(columns) = rows.columns.take() {
                rows.columns = Some(unsafe { scan::Columns::from_handle(columns.handle()) });
                drop(columns);
            }
        }
        _ => {}
    }
    rows
}

/// Rows that came by ranges, with keys and columns of ints or of bytes without a value.
fn by_ranges(rows: &mut wit::Rows, ends: Vec<u32>, count: u32, absent: bool) {
    rows.keys.clear();
    rows.series = vec![1; ends.len()];
    rows.series_ends = ends;
    rows.columns = Some(columns(count, rows.names.len() + 2, absent));
}

/// Columns of ints, or of bytes without a value.
fn columns(rows: u32, count: usize, absent: bool) -> scan::Columns {
    let columns = scan::Columns::new(rows);
    let zeros = vec![0; rows as usize];
    let ends = vec![0; rows as usize];
    let presence = vec![0; (rows as usize).div_ceil(64)];
    for _ in 0..count {
        let pushed = if absent {
            let values = scan::ByteStringsParam {
                ends: &ends,
                bytes: &[],
            };
            columns.push(
                5,
                Some(&presence),
                None,
                scan::ValuesParam::ByteStrings(values),
            )
        } else {
            columns.push(2, None, None, scan::ValuesParam::Ints(&zeros))
        };
        pushed.expect("the column is well made");
    }
    columns
}

pub(super) fn labels(mut labels: Vec<Option<String>>, deed: Option<String>) -> Vec<Option<String>> {
    match deed.as_deref() {
        Some("fewer-labels") => drop(labels.pop()),
        Some("more-labels") => labels.push(None),
        Some("wrong-label") => labels[0] = Some("nobody".to_owned()),
        Some("most-labels") => return beyond_memory(),
        _ => {}
    }
    labels
}

pub(super) fn report(report: String, deed: Option<String>) -> String {
    match deed.as_deref() {
        Some("no-json") => "{".to_owned(),
        Some("empty") => String::new(),
        Some("deep-json") => "[".repeat(1 << 20),
        Some("long-json") => format!("[{}0]", "0,".repeat(20 << 20)),
        _ => report,
    }
}

pub(super) fn contents(
    mut contents: wit::StoredContents,
    deed: Option<String>,
) -> wit::StoredContents {
    match deed.as_deref() {
        Some("other-file") => contents.files.push("../x".to_owned()),
        Some("other-object") => contents.objects.push(wit::StoredObject {
            name: "../x".to_owned(),
            bytes: Vec::new(),
        }),
        _ => {}
    }
    contents
}

/// A list that says to be longer than the memory it lies in.
fn beyond_memory<T>() -> Vec<T> {
    let length = (i32::MAX as usize) / size_of::<T>().max(1);
    let start = core::ptr::without_provenance_mut(align_of::<T>() * 1024);
    unsafe { Vec::from_raw_parts(start, length, length) }
}
