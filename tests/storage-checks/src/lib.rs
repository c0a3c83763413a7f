//! The conformance component of `wit/storage`: whoever implements its functions, in any language, runs these
//! checks over them. It imports nothing else, and needs no vector instructions.
//!
//! [`checks`] has the checks by name, [`outcome`] what they say of a call, [`place`] the place that a check
//! works in.

#[forbid(unsafe_code)]
mod checks;
#[forbid(unsafe_code)]
mod outcome;
#[forbid(unsafe_code)]
mod place;

/// What `wit-bindgen` makes of `wit/storage`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    reason = "generated"
)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/storage",
        world: "conformance",
        generate_all,
        pub_export_macro: false,
    });
}

bindings::export!(Component with_types_in bindings);

/// The type that the export macro hangs the checks on.
struct Component;

impl bindings::exports::sidx::storage::checks::Guest for Component {
    fn names() -> Vec<String> {
        let names = checks::CHECKS.iter().map(|(name, _)| *name);
        names.map(str::to_owned).collect()
    }

    fn run(name: String) -> outcome::Verdict {
        let found = checks::CHECKS.iter().find(|(other, _)| *other == name);
        let Some((_, check)) = found else {
            return Err(format!(
                "there is no check {name:?}; `names` has those that there are"
            ));
        };
        let place = place::Place::make(&name)?;
        check(&place)?;
        place.remove()
    }
}
