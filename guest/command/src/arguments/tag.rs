//! `--tag`: a tag, its type and the field that it comes from.

use std::str::FromStr;

use sidx_columns::ColumnType;

/// `--tag NAME[:TYPE][=FIELD]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TagMapping {
    /// Name of the tag.
    pub(crate) name: String,
    /// Its type; none when it follows from the value.
    pub(crate) kind: Option<ColumnType>,
    /// The field it comes from.
    pub(crate) field: String,
}

impl FromStr for TagMapping {
    type Err = String;

    fn from_str(text: &str) -> Result<TagMapping, String> {
        let (left, field) = match text.split_once('=') {
            Some((left, field)) => (left, Some(field)),
            None => (text, None),
        };
        let (name, kind) = match left.rsplit_once(':') {
            Some((name, kind)) => (
                name,
                Some(
                    kind.parse::<ColumnType>()
                        .map_err(|error| error.to_string())?,
                ),
            ),
            None => (left, None),
        };
        let field = field.unwrap_or(name);
        if name.is_empty() || field.is_empty() {
            return Err("expected NAME, NAME:TYPE, NAME=FIELD or NAME:TYPE=FIELD".into());
        }
        Ok(TagMapping {
            name: name.to_owned(),
            kind,
            field: field.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> TagMapping {
        text.parse().unwrap()
    }

    #[test]
    fn tags_name_type_and_field() {
        let expected = |name: &str, kind: Option<&str>, field: &str| TagMapping {
            name: name.into(),
            kind: kind.map(|kind| kind.parse().unwrap()),
            field: field.into(),
        };
        assert_eq!(tag("a"), expected("a", None, "a"));
        assert_eq!(tag("a:int"), expected("a", Some("int"), "a"));
        assert_eq!(tag("a=b=c"), expected("a", None, "b=c"));
        assert_eq!(
            tag("../x:string[]=b"),
            expected("../x", Some("string[]"), "b")
        );
        assert_eq!(tag("a:b:bool"), expected("a:b", Some("bool"), "a:b"));
        for text in ["", ":int", "=b", "a=", "a:number", "a:int[][]"] {
            assert!(text.parse::<TagMapping>().is_err(), "{text}");
        }
    }
}
