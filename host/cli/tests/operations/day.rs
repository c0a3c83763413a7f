//! The walk-through of docs/operations.md, word for word: every command in its ```console blocks is run by a
//! shell, and prints what the document says, whichever program is the one called `sidx`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The section that is run.
const SECTION: &str = "## A first day as operator";

/// A command as the document has it, and what it says that it prints.
struct Step {
    command: String,
    printed: Vec<String>,
}

/// The steps of a text: in its console blocks, a line with `$ ` in front begins a command, lines indented
/// behind a `\` go on with it, and all others are output.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut in_block, mut goes_on) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        } else if !in_block {
        } else if let Some(command) = line.strip_prefix("$ ") {
            goes_on = command.ends_with('\\');
            let (command, printed) = (command.to_owned(), Vec::new());
            steps.push(Step { command, printed });
        } else if let Some(step) = steps.last_mut() {
            if goes_on {
                goes_on = line.ends_with('\\');
                step.command.push('\n');
                step.command.push_str(line);
            } else {
                step.printed.push(line.to_owned());
            }
        }
    }
    steps
}

/// Whether text is what a pattern says, in which `...` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether lines are what patterns say; a line of nothing but `...` stands for any number of lines.
fn all_match(patterns: &[String], lines: &[&str]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=lines.len()).any(|skipped| all_match(rest, &lines[skipped..]))
        }
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, lines)| matches(first, line) && all_match(rest, lines)),
    }
}

/// Runs all of it, with the `sidx` of a folder, and where that keeps machine code.
pub(crate) fn goes_as_written(programs: &Path, cache: &Path) {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let document = fs::read_to_string(document).expect("the document");
    let (_, section) = document.split_once(SECTION).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let steps = steps(section);
    assert!(steps.len() > 15, "{} steps were found", steps.len());
    let directory = tempfile::tempdir().expect("a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    for Step { command, printed } in steps {
        let output = Command::new("sh")
            .args(["-c", &format!("{{ {command}\n}} 2>&1")])
            .current_dir(directory.path())
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("SIDX_CACHE_DIR", cache)
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            all_match(&printed, &lines),
            "$ {command}\nprinted\n{text}\nand not\n{}",
            printed.join("\n")
        );
    }
}

#[test]
fn patterns_stand_for_what_they_should() {
    for (pattern, text, right) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a...", "ab", true),
        ("...b", "ab", true),
        ("a...b...c", "a1b2c", true),
        ("a...b...c", "a1c2b", false),
        ("aa...aa", "aaa", false),
    ] {
        assert_eq!(matches(pattern, text), right, "{pattern} {text}");
    }
    let patterns = ["a".to_owned(), "...".to_owned(), "c".to_owned()];
    assert!(all_match(&patterns, &["a", "x", "y", "c"]));
    assert!(all_match(&patterns, &["a", "c"]));
    assert!(!all_match(&patterns, &["a", "c", "d"]));
}
