//! What two runs have in common: their output and their files without what differs from run to run.

use std::path::Path;

use super::programs::{Program, Run, files};

/// Digits of a nonce.
const NONCE_DIGITS: usize = 32;
/// Members of reports that are times, and what the two programs cannot have alike.
const VARYING: [&str; 7] = [
    "\"elapsed_ms\":",
    // Of an index with the pins of those who read it, which are files or objects.
    "\"bytes\":",
    "\"unix_ms\":",
    "\"found_unix_ms\":",
    "(os error ",
    "\"bytes_written\":",
    "\"log_backlog_bytes\":",
];

/// Text without nonces and times.
pub(crate) fn text(text: &str) -> String {
    let mut normal = without_nonces(text);
    for varying in VARYING {
        normal = without_number_behind(&normal, varying);
    }
    normal
}

fn without_nonces(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut digits = String::new();
    for letter in text.chars().chain(['\0']) {
        if matches!(letter, '0'..='9' | 'a'..='f') {
            digits.push(letter);
            continue;
        }
        match digits.len().checked_sub(NONCE_DIGITS) {
            Some(kept) => {
                normal.push_str(&digits[..kept]);
                normal.push('#');
            }
            None => normal.push_str(&digits),
        }
        digits.clear();
        normal.push(letter);
    }
    normal.pop();
    normal
}

fn without_number_behind(text: &str, name: &str) -> String {
    let mut pieces = text.split(name);
    let mut normal = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        normal.push_str(name);
        let rest = piece.trim_start_matches(' ');
        let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        normal.push('#');
        normal.push_str(rest);
    }
    normal
}

/// A run without all that; with the exit code that the component tells, where the runtime passes on only
/// whether it failed.
pub(crate) fn run(program: Program, run: &Run) -> Run {
    let mut code = run.code;
    let mut err: Vec<&str> = run.err.lines().collect();
    if program == Program::Portable
        && let Some(told) = err
            .last()
            .and_then(|line| line.strip_prefix("sidx: exit code "))
    {
        assert_eq!(code, 1, "{run:?}");
        code = told.parse().expect("a number");
        err.pop();
    }
    Run {
        code,
        out: text(&run.out),
        err: text(&err.join("\n")),
    }
}

/// The files of a store by name and size, without those that keep processes apart where there are locks.
pub(crate) fn store(directory: &Path) -> Vec<(String, u64)> {
    let all = files(directory).into_iter();
    let ours = all.filter(|(name, _)| {
        let mut parts = name.split('/');
        !parts.any(|part| part == "lock" || part == "readers" || part.starts_with('~'))
    });
    ours.map(|(name, size)| (without_nonces(&name), size))
        .collect()
}
