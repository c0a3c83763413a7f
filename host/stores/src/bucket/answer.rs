use crate::error::{Error, ErrorKind};
pub(super) fn status(error: &object_store::Error) -> Option<u16> {
    let text = format!("{error}");
    let rest = text.split_once("status code: ")?.1;
    rest.get(..3)?.parse().ok()
}
pub(super) fn code(error: &object_store::Error) -> Option<String> {
    let text = format!("{error}");
    Some(
        text.split_once("<Code>")?
            .1
            .split_once("</Code>")?
            .0
            .to_owned(),
    )
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Definite,
    NotSent,
    Doubt,
}
pub(super) fn outcome(error: &object_store::Error) -> Outcome {
    use object_store::Error as S;
    match status(error) {
        Some(409 | 429) => return Outcome::NotSent,
        Some(408 | 425) => return Outcome::Doubt,
        Some(400..=499) => return Outcome::Definite,
        Some(_) => return Outcome::Doubt,
        None => {}
    }
    match error {
        S::Generic { .. } => Outcome::Doubt,
        _ => Outcome::Definite,
    }
}
pub(super) fn told(verb: &str, key: &str, error: object_store::Error) -> Error {
    use object_store::Error as S;
    let kind = match &error {
        S::NotFound { .. } => ErrorKind::NotFound,
        S::AlreadyExists { .. } | S::Precondition { .. } => ErrorKind::Conflict,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("cannot {verb} {key}: {error}"))
}
