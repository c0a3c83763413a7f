//! Line coverage by all tests: of the engine, the executors and the kernels, as they run natively, of the
//! host's library, and of the command line and the `sidx` command, which tests start as a process. Each has a
//! floor, below which the task fails.
//!
//! The crates of the workspace are instrumented, by standing between cargo and the compiler, so that
//! everything they need is shared with normal builds: all of them, because generic code of the engine is
//! compiled where it is used. Lines of tests do not count.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

/// Set while this program stands in for the compiler.
const WRAPPER: &str = "SIDX_COVERAGE_WRAPPER";

/// Code that is reported together.
struct Crate {
    name: &'static str,
    /// The folder of its sources.
    sources: &'static str,
    /// Fewest percent of lines that must run: a little below what ran when this was written.
    floor: f64,
}

const CRATES: [Crate; 10] = [
    Crate {
        name: "sidx_engine",
        sources: "guest/engine/src/",
        floor: 95.0,
    },
    Crate {
        name: "sidx_columns",
        sources: "guest/columns/src/",
        floor: 94.0,
    },
    Crate {
        name: "sidx_log",
        sources: "guest/log/src/",
        floor: 95.0,
    },
    Crate {
        name: "sidx_kernels",
        sources: "guest/kernels/src/",
        // 97 and more where the processor has AVX-512 VBMI: a twentieth of the lines are for that.
        floor: 92.0,
    },
    Crate {
        name: "sidx_executor",
        sources: "guest/executor/src/",
        floor: 95.0,
    },
    Crate {
        name: "sidx_session",
        sources: "guest/session/src/",
        // It runs in WebAssembly, too, where nothing counts lines.
        floor: 75.0,
    },
    Crate {
        name: "sidx_command",
        sources: "guest/command/src/",
        floor: 94.0,
    },
    Crate {
        name: "sidx_stores",
        sources: "host/stores/src/",
        floor: 92.0,
    },
    Crate {
        name: "sidx_host",
        sources: "host/runtime/src/",
        floor: 94.0,
    },
    Crate {
        name: "sidx",
        sources: "host/cli/src/",
        floor: 93.0,
    },
];

/// Packages of guest and host that have no floor.
const UNMEASURED: [&str; 4] = [
    // They run in WebAssembly only, where nothing counts lines.
    "guest/component",
    "guest/filesystem",
    "guest/adapter",
    "guest/program",
];

/// Faults where a package of guest or host has no floor, or a floor no package.
pub fn check_floors(packages: &[String], faults: &mut Vec<String>) {
    let known = |package: &str| {
        let sources = format!("{package}/src/");
        CRATES.iter().any(|each| each.sources == sources) || UNMEASURED.contains(&package)
    };
    let product = |package: &&String| package.starts_with("guest/") || package.starts_with("host/");
    for package in packages
        .iter()
        .filter(product)
        .filter(|package| !known(package))
    {
        faults.push(format!(
            "{package}: no floor of coverage in xtask/src/coverage.rs"
        ));
    }
    let sources: Vec<&str> = CRATES
        .iter()
        .map(|each| each.sources.trim_end_matches("/src/"))
        .collect();
    for package in sources.iter().chain(&UNMEASURED) {
        if !packages.iter().any(|other| other == package) {
            faults.push(format!(
                "{package}: a floor of coverage in xtask/src/coverage.rs for no package"
            ));
        }
    }
}

impl Crate {
    fn has(&self, file: &str) -> bool {
        file.starts_with(self.sources)
    }
}

/// What came of it.
pub struct Coverage {
    /// Percentages per file and crate.
    pub report: String,
    /// Crates that are below their floors, in words.
    pub faults: Vec<String>,
}

/// Files that hold tests only.
const TESTS: [&str; 4] = ["tests", "fuzzing", "samples", "_tests"];

/// Runs the compiler when cargo calls this program as one; none when it is called as itself.
pub fn stand_in() -> Option<ExitCode> {
    std::env::var_os(WRAPPER)?;
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let rustc = arguments.first()?.clone();
    arguments.remove(0);
    let mut command = Command::new(rustc);
    command.args(arguments).arg("-Cinstrument-coverage");
    let done = command.status().is_ok_and(|status| status.success());
    Some(if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds and runs all tests, and returns what they cover.
pub fn run(root: &Path) -> Result<Coverage> {
    // Asked first: the tests take long.
    let tools = tools()?;
    let folder = root.join("target/coverage");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let built = cargo(root, &folder, &["--no-run", "--message-format=json"])?;
    let binaries = executables(&built);
    cargo(root, &folder, &[])?;
    let profiles = profiles(&folder)?;
    let merged = folder.join("all.profdata");
    let mut merge = Command::new(tools.join("llvm-profdata"));
    // A process that a test killed may have left half a profile.
    merge.args(["merge", "-sparse", "--failure-mode=all", "-o"]);
    output(merge.arg(&merged).args(profiles))?;
    let mut export = Command::new(tools.join("llvm-cov"));
    export
        .args(["export", "-format=lcov", "-instr-profile"])
        .arg(&merged);
    for binary in &binaries {
        export.arg("-object").arg(binary);
    }
    export
        .arg("-sources")
        .args(CRATES.map(|each| root.join(each.sources)));
    report(root, &folder, &output(&mut export)?)
}

fn cargo(root: &Path, folder: &Path, arguments: &[&str]) -> Result<String> {
    let this = std::env::current_exe()?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(root)
        .args(["test", "--tests"])
        .args(arguments)
        .env("RUSTC_WORKSPACE_WRAPPER", this)
        .env(WRAPPER, "1")
        .env("LLVM_PROFILE_FILE", folder.join("%p-%m.profraw"));
    output(&mut command)
}

/// What a command that must succeed printed.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("{name} does not run; is the component llvm-tools installed?"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let end: Vec<&str> = said.lines().rev().take(40).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    bail!("{name} failed:\n{}", end.join("\n"))
}

/// The paths behind `"executable":"..."` in cargo's messages.
fn executables(messages: &str) -> Vec<PathBuf> {
    let after = messages.split("\"executable\":\"").skip(1);
    after
        .filter_map(|rest| rest.split('"').next())
        .map(PathBuf::from)
        .collect()
}

fn profiles(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "profraw")
        {
            found.push(path);
        }
    }
    Ok(found)
}

/// Where rustup keeps the tools that fit the compiler.
fn tools() -> Result<PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let path = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host.unwrap_or_default());
    let path = path.join("bin");
    if path.join("llvm-cov").exists() {
        return Ok(path);
    }
    bail!("llvm-cov is missing: rustup component add llvm-tools")
}

/// Lines of a file that have code, with how often they ran.
type Lines = BTreeMap<usize, u64>;

/// Percentages per file and crate; the lines that never ran go to `target/coverage/missed.txt`.
fn report(root: &Path, folder: &Path, lcov: &str) -> Result<Coverage> {
    let files = lines_of(root, lcov);
    let (mut report, mut missed, mut faults) = (String::new(), String::new(), Vec::new());
    for each in CRATES {
        let (mut all, mut ran) = (0, 0);
        for (file, lines) in files.iter().filter(|(file, _)| each.has(file)) {
            let Some(end) = production_lines(root, file) else {
                continue;
            };
            let lines: Vec<(usize, u64)> = lines
                .range(..=end)
                .map(|(line, count)| (*line, *count))
                .collect();
            let here = lines.iter().filter(|(_, count)| *count > 0).count();
            (all, ran) = (all + lines.len(), ran + here);
            let _ = writeln!(report, "{:6.2} %  {file}", percent(here, lines.len()));
            for (line, _) in lines.iter().filter(|(_, count)| *count == 0) {
                let _ = writeln!(missed, "{file}:{line}");
            }
        }
        let (name, floor, covered) = (each.name, each.floor, percent(ran, all));
        let _ = writeln!(
            report,
            "{covered:6.2} %  {name}: {ran} of {all} lines, at least {floor} %\n"
        );
        if covered < floor {
            faults.push(format!(
                "{name}: {covered:.2} % of the lines ran in a test, at least {floor} % must; \
                 target/coverage/missed.txt has those that did not"
            ));
        }
    }
    fs::write(folder.join("missed.txt"), missed)?;
    Ok(Coverage { report, faults })
}

/// Every line that has code, by file.
fn lines_of(root: &Path, lcov: &str) -> BTreeMap<String, Lines> {
    let mut files: BTreeMap<String, Lines> = BTreeMap::new();
    let mut current = String::new();
    for line in lcov.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let path = Path::new(path);
            current = path
                .strip_prefix(root)
                .unwrap_or(path)
                .display()
                .to_string();
        } else if let Some((number, count)) = line
            .strip_prefix("DA:")
            .and_then(|data| data.split_once(','))
        {
            let count: u64 = count.parse().unwrap_or(0);
            let lines = files.entry(current.clone()).or_default();
            *lines.entry(number.parse().unwrap_or(0)).or_default() += count;
        }
    }
    files
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// The last line before the tests of a file; none for a file of tests.
fn production_lines(root: &Path, file: &str) -> Option<usize> {
    let components = Path::new(file).with_extension("");
    let is_test = |part: &str| TESTS.iter().any(|end| part.ends_with(end));
    if components
        .iter()
        .any(|part| part.to_str().is_some_and(is_test))
    {
        return None;
    }
    let text = fs::read_to_string(root.join(file)).ok()?;
    Some(tests_of(&text).unwrap_or(usize::MAX))
}

/// The line before the module of tests in a file; a module of tests in a file of its own is passed over.
fn tests_of(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_inline = |next: &&str| next.contains("mod ") && next.ends_with('{');
    (0..lines.len())
        .find(|at| lines[*at] == "#[cfg(test)]" && lines.get(at + 1).is_some_and(&is_inline))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_told_from_the_command_in_it() {
        let of = |file: &str| {
            let mut found = CRATES.iter().filter(|each| each.has(file));
            let first = found.next().map(|each| each.name);
            assert!(found.next().is_none(), "{file} belongs to two");
            first
        };
        assert_eq!(of("host/runtime/src/store.rs"), Some("sidx_host"));
        assert_eq!(of("host/cli/src/main.rs"), Some("sidx"));
        assert_eq!(of("guest/engine/src/lib.rs"), Some("sidx_engine"));
        assert_eq!(of("xtask/src/main.rs"), None);
    }

    #[test]
    fn every_package_has_a_floor_and_every_floor_a_package() {
        let mut packages: Vec<String> = CRATES
            .iter()
            .map(|each| each.sources.trim_end_matches("/src/").to_owned())
            .chain(UNMEASURED.map(str::to_owned))
            .chain(["xtask".to_owned()])
            .collect();
        let faults = |packages: &[String]| {
            let mut faults = Vec::new();
            check_floors(packages, &mut faults);
            faults.len()
        };
        assert_eq!(faults(&packages), 0);
        packages.push("guest/new".to_owned());
        assert_eq!(faults(&packages), 1);
        packages.remove(0);
        assert_eq!(faults(&packages), 2);
    }

    #[test]
    fn only_a_module_of_tests_in_the_file_ends_its_code() {
        assert_eq!(tests_of("a\n#[cfg(test)]\nmod tests;\nb\n"), None);
        assert_eq!(tests_of("a\n#[cfg(test)]\nmod tests {\n}\n"), Some(1));
        let both = "#[cfg(test)]\nmod x;\na\n#[cfg(test)]\npub(crate) mod tests {\n}\n";
        assert_eq!(tests_of(both), Some(3));
    }
}
