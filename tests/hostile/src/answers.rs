//! Answers that cannot be.

use crate::bindings::exports::sidx::engine::index as wit;
use crate::bindings::sidx::engine::scan;
use crate::requests::{BYTES, INTS, columns_of_absent_rows, find_many, find_nothing};

/// Rows that are none.
pub(super) fn no_rows() -> wit::Rows {
    wit::Rows {
        content: listed(Vec::new(), Vec::new()),
        names: None,
        stripe: 0,
    }
}

fn listed(keys: Vec<i64>, series: Vec<u64>) -> wit::RowContent {
    wit::RowContent::Listed(scan::RowKeysResult { keys, series })
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
        Some("other-rule") => job.rule.drop_below = Some(i64::MAX),
        Some("no-rule") => (job.rule.drop_where, job.rule.drop_below) = (None, None),
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
            core::mem::forget(answer.rest);
            answer.rest = wit::Rest::More(unsafe { wit::Cursor::from_handle(0x7777) });
        }
        Some("never-complete") => answer.rows = no_rows(),
        _ => answer.rows = rows(answer.rows, deed),
    }
    answer
}

/// A number of shares that may be nonsense.
fn shares(deed: Option<&str>) -> Option<u32> {
    match deed? {
        "no-shares" => Some(0),
        "one-share" => Some(1),
        "two-shares" => Some(2),
        "many-shares" => Some(u32::MAX),
        _ => None,
    }
}

pub(super) fn offered_query(offered: wit::OfferedQuery, deed: Option<String>) -> wit::OfferedQuery {
    match (shares(deed.as_deref()), offered) {
        (Some(shares), _) => wit::OfferedQuery::Shares(shares),
        (None, wit::OfferedQuery::Answered(found)) => {
            wit::OfferedQuery::Answered(answer(found, deed))
        }
        (None, offered) => offered,
    }
}

pub(super) fn offered_count(offered: wit::OfferedCount, deed: Option<String>) -> wit::OfferedCount {
    match (shares(deed.as_deref()), offered) {
        (Some(shares), _) => wit::OfferedCount::Shares(shares),
        (None, wit::OfferedCount::Counted(found)) => {
            wit::OfferedCount::Counted(counted(found, deed))
        }
        (None, offered) => offered,
    }
}

pub(super) fn counted(mut counted: wit::Counted, deed: Option<String>) -> wit::Counted {
    match deed.as_deref() {
        Some("last-rows") => counted.rows = u64::MAX,
        Some("partial") => counted.partial = true,
        _ => {}
    }
    counted
}

pub(super) fn rows(mut rows: wit::Rows, deed: Option<String>) -> wit::Rows {
    let Some(deed) = deed else {
        return rows;
    };
    let count = match &rows.content {
        wit::RowContent::Found => scan::last_top().rows as usize,
        wit::RowContent::Held(columns) => columns.facts().rows as usize,
        wit::RowContent::Listed(listed) => listed.keys.len(),
    };
    // The payload and the tags.
    let width = rows.names.as_ref().map_or(0, Vec::len) + 1;
    let columns = |rows, width, kind| {
        let keys = scan::RowKeysParam {
            keys: &vec![1; rows],
            series: &vec![1; rows],
        };
        wit::RowContent::Held(columns_of_absent_rows(width, kind, rows, Some(keys)))
    };
    match deed.as_str() {
        "fewer-keys" => rows.content = listed(vec![1; count - 1], vec![1; count]),
        "fewer-series" => rows.content = listed(vec![1; count], vec![1; count - 1]),
        "more-rows" => rows.content = listed(vec![1; 2 * count], vec![1; 2 * count]),
        "most-keys" => rows.content = listed(beyond_memory(), vec![1; count]),
        "most-series" => rows.content = listed(vec![1; count], beyond_memory()),
        "no-columns" => rows.content = listed(vec![1; count], vec![1; count]),
        "no-keys" => {
            let columns = columns_of_absent_rows(width, BYTES, count, None);
            rows.content = wit::RowContent::Held(columns);
        }
        "many-rows" => rows.content = columns(3 << 20, width, BYTES),
        "wrong-payload" => rows.content = columns(count, width, INTS),
        "absent-payload" => rows.content = columns(count, width, BYTES),
        "fewer-columns" => rows.content = columns(count, 1, BYTES),
        "more-columns" => rows.content = columns(count, width + 1, BYTES),
        "no-names" => rows.names = None,
        "fewer-names" => rows.names = Some(Vec::new()),
        "more-names" => rows.names.get_or_insert_default().push("x".to_owned()),
        "many-names" => rows.names = Some(vec![String::new(); 1 << 20]),
        "most-names" => rows.names = Some(beyond_memory()),
        "foreign-columns" => {
            let columns = unsafe { scan::Columns::from_handle(0x7777) };
            rows.content = wit::RowContent::Held(columns);
        }
        "dropped-columns" => {
            if let wit::RowContent::Held(columns) = columns(count, width, BYTES) {
                let again = unsafe { scan::Columns::from_handle(columns.handle()) };
                drop(columns);
                rows.content = wit::RowContent::Held(again);
            }
        }
        "not-found" => {
            find_nothing();
            rows.content = wit::RowContent::Found;
        }
        "found-more" => {
            find_many();
            rows.content = wit::RowContent::Found;
        }
        _ => {}
    }
    rows
}

pub(super) fn number(number: u32, deed: Option<String>) -> u32 {
    match deed.as_deref() {
        Some("other-number") => number + 1,
        Some("last-number") => u32::MAX,
        _ => number,
    }
}

/// What a run says that it came to, whatever it did.
pub(super) fn ran(run: impl FnOnce() -> wit::Ran, deed: Option<String>) -> wit::Ran {
    match deed.as_deref() {
        // Without having run.
        Some("claims-found") => wit::Ran::Found,
        Some("claims-otherwise") => wit::Ran::Otherwise,
        Some("found-nothing") => {
            run();
            find_nothing();
            wit::Ran::Found
        }
        Some("found-more") => {
            run();
            find_many();
            wit::Ran::Found
        }
        Some("untold-outcome") => {
            run();
            wit::Ran::Otherwise
        }
        _ => run(),
    }
}

pub(super) fn names(mut names: Vec<String>, deed: Option<String>) -> Vec<String> {
    match deed.as_deref() {
        Some("fewer-names") => names.clear(),
        Some("more-names") => names.push("x".to_owned()),
        Some("many-names") => names = vec![String::new(); 1 << 20],
        Some("most-names") => names = beyond_memory(),
        _ => {}
    }
    names
}

pub(super) fn parameters(mut names: Vec<String>, deed: Option<String>) -> Vec<String> {
    match deed.as_deref() {
        Some("twice") => names.extend(names.clone()),
        Some("many-parameters") => names = (0..10_000).map(|number| number.to_string()).collect(),
        Some("most-parameters") => names = beyond_memory(),
        _ => {}
    }
    names
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
