//! Terms in documents.

use sidx_log::Term;

/// For documents that leave out the term of what was made before there were any.
pub(crate) fn is_none(term: &Term) -> bool {
    *term == Term::NONE
}

/// As text.
pub(crate) mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use sidx_log::Term;

    pub(crate) fn serialize<S: Serializer>(term: &Term, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(term)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Term, D::Error> {
        let text = String::deserialize(from)?;
        Term::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a term")))
    }
}
