//! Small made-up crates, each with its cycle or without.

use super::*;

/// Faults of the crate whose files these are, the first one its root.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let read = |path: &Path| {
        let mut files = files.iter();
        let found = files.find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned())
    };
    let mut faults = Vec::new();
    let made = Crate {
        root: files[0].0.to_owned(),
        package: String::new(),
    };
    check(&[made], &read, &mut faults);
    faults
}

fn lines(files: &[(&str, &str)]) -> Vec<String> {
    let faults = faults(files);
    faults
        .iter()
        .flat_map(|fault| fault.lines())
        .map(|line| line.trim().to_owned())
        .collect()
}

#[track_caller]
fn none(files: &[(&str, &str)]) {
    assert_eq!(lines(files), [] as [&str; 0]);
}

const ROOT_OF_TWO: &str = "mod a;\nmod b;\n";

#[test]
fn the_shortest_cycle_is_told_with_a_place_for_each_arrow() {
    let told = lines(&[
        ("src/lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("src/a.rs", "\nuse crate::b::B;\npub struct A;\n"),
        ("src/b.rs", "use crate::c::C;\npub struct B(crate::a::A);\n"),
        ("src/c.rs", "use super::a;\npub struct C;\n"),
    ]);
    assert_eq!(
        told,
        [
            "src/lib.rs: modules in a cycle: a, b, c",
            "a uses b: src/a.rs:2",
            "b uses a: src/b.rs:2",
        ]
    );
}

#[test]
fn one_direction_is_no_cycle() {
    none(&[
        ("src/lib.rs", "mod a;\nmod b;\nuse a::A;\nuse b::B;\n"),
        ("src/a.rs", "use crate::b::B;\npub struct A;\n"),
        ("src/b.rs", "pub struct B;\n"),
    ]);
}

#[test]
fn a_module_and_what_is_in_it_may_use_each_other() {
    none(&[
        ("src/lib.rs", "mod a;\npub struct Top;\n"),
        ("src/a.rs", "mod child;\nuse child::Child;\npub struct A;\n"),
        (
            "src/a/child.rs",
            "use super::A;\nuse crate::Top;\npub struct Child;\n",
        ),
    ]);
}

#[test]
fn siblings_count_with_everything_below_them() {
    let told = lines(&[
        ("src/lib.rs", ROOT_OF_TWO),
        ("src/a.rs", "mod deep;\npub struct A;\n"),
        ("src/a/deep.rs", "use crate::b::B;\n"),
        ("src/b.rs", "mod deeper;\npub struct B;\n"),
        ("src/b/deeper.rs", "use crate::a::A;\n"),
    ]);
    assert_eq!(
        told,
        [
            "src/lib.rs: modules in a cycle: a, b",
            "a uses b: src/a/deep.rs:1",
            "b uses a: src/b/deeper.rs:1",
        ]
    );
}

#[test]
fn cycles_below_the_root_are_found() {
    let told = lines(&[
        ("src/lib.rs", "mod top;\n"),
        ("src/top.rs", "mod a;\nmod b;\n"),
        ("src/top/a.rs", "use super::b::B;\npub struct A;\n"),
        ("src/top/b.rs", "use super::a::A;\npub struct B;\n"),
    ]);
    assert_eq!(told[1], "top::a uses top::b: src/top/a.rs:1");
    assert_eq!(told.len(), 3);
}

#[test]
fn a_re_export_leads_to_what_it_exports() {
    let files = |a: &'static str| {
        [
            (
                "src/lib.rs",
                "mod a;\nmod b;\npub use a::A as Renamed;\npub use b::B;\n",
            ),
            ("src/a.rs", a),
            ("src/b.rs", "use crate::Renamed;\npub struct B;\n"),
        ]
    };
    let told = lines(&files("pub struct A;\nfn make() { crate::B; }\n"));
    assert_eq!(told[1..], ["a uses b: src/a.rs:2", "b uses a: src/b.rs:1"]);
    none(&files("pub struct A;\n"));
}

#[test]
fn globs_bring_in_what_they_may_see() {
    let files = |b: &'static str| {
        [
            ("src/lib.rs", "mod a;\nmod b;\nuse b::Hidden;\n"),
            ("src/a.rs", "use super::*;\npub struct A(Hidden);\n"),
            ("src/b.rs", b),
        ]
    };
    let told = lines(&files("use crate::a::*;\npub struct Hidden;\n"));
    assert_eq!(told[1..], ["a uses b: src/a.rs:2", "b uses a: src/b.rs:1"]);
    none(&files("pub struct Hidden;\n"));
}

#[test]
fn what_a_module_imports_for_itself_is_in_no_glob_of_it() {
    let told = lines(&[
        ("src/lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("src/a.rs", "use crate::b::*;\nfn made() -> Made {}\n"),
        ("src/b.rs", "use crate::c::Made;\npub struct B;\n"),
        ("src/c.rs", "use crate::a;\npub struct Made;\n"),
    ]);
    // Otherwise `a` would use `c`, and there were a shorter way.
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
fn paths_lead_through_groups_self_and_super() {
    let told = lines(&[
        ("src/lib.rs", ROOT_OF_TWO),
        ("src/a.rs", "use super::{b::{self, B}};\npub struct A;\n"),
        ("src/b.rs", "mod deep;\npub struct B;\n"),
        (
            "src/b/deep.rs",
            "fn f() {\n    let _ = super::super::a::A;\n}\n",
        ),
    ]);
    assert_eq!(
        told[1..],
        ["a uses b: src/a.rs:1", "b uses a: src/b/deep.rs:2"]
    );
}

#[test]
fn paths_in_macros_are_read() {
    let told = lines(&[
        ("src/lib.rs", ROOT_OF_TWO),
        (
            "src/a.rs",
            "fn f() {\n    assert!(matches!(1, crate::b::ONE));\n}\npub const TWO: u8 = 2;\n",
        ),
        (
            "src/b.rs",
            "pub const ONE: u8 = 1;\nmacro_rules! two { () => { $crate::a::TWO } }\n",
        ),
    ]);
    assert_eq!(told[1..], ["a uses b: src/a.rs:2", "b uses a: src/b.rs:2"]);
}

#[test]
fn variables_that_are_called_like_a_module_are_none() {
    none(&[
        ("src/lib.rs", ROOT_OF_TWO),
        (
            "src/a.rs",
            "use super::*;\nfn f(b: u8) { g(b); print!(\"{}\", b); }\n",
        ),
        ("src/b.rs", "use crate::a;\n"),
    ]);
}

#[test]
fn tests_are_passed_over() {
    none(&[
        ("src/lib.rs", ROOT_OF_TWO),
        ("src/a.rs", "use crate::b::B;\npub struct A;\n"),
        (
            "src/b.rs",
            "pub struct B;\n#[cfg(test)]\nuse crate::a::A;\n#[cfg(all(test, unix))]\nmod missing;\n\
             #[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
        ),
    ]);
}

#[test]
fn files_are_found_where_the_compiler_finds_them() {
    let told = lines(&[
        (
            "x/main.rs",
            "#[path = \"../y\"]\nmod y {\n    mod a;\n    #[path = \"other.rs\"]\n    mod b;\n}\n",
        ),
        ("y/a/mod.rs", "mod deep;\npub struct A;\n"),
        ("y/a/deep.rs", "use crate::y::b::B;\n"),
        ("y/other.rs", "use super::a::A;\npub struct B;\n"),
    ]);
    assert_eq!(
        told[1..],
        [
            "y::a uses y::b: y/a/deep.rs:1",
            "y::b uses y::a: y/other.rs:1"
        ]
    );
    let told = lines(&[("src/lib.rs", "mod gone;\n")]);
    assert_eq!(told, ["src/lib.rs: module gone has no file"]);
}
