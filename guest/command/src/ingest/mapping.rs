//! Which field of a line becomes what.

use super::rows::check_tag_name;
use crate::arguments::tag::TagMapping;
use crate::arguments::{IngestArguments, InputFormat};
use crate::exit::Failure;

/// Where the series comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SeriesSource {
    /// A field with a label; in NDJSON a number in it is an id.
    Label(String),
    /// A field with an id.
    Id(String),
}

/// Where the tags come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TagSource {
    /// The object in the field `tags`.
    Object,
    /// One field per tag.
    Fields(Vec<TagMapping>),
}

/// Where the payload comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PayloadSource {
    /// Nowhere: payloads are empty.
    None,
    /// A field.
    Field(String),
    /// The whole record as JSON text.
    Row,
}

/// How lines become rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// Where the series comes from.
    pub(super) series: SeriesSource,
    /// Field with the key.
    pub(super) key: String,
    /// Whether the user named that field, whose numbers may then be written as text.
    pub(super) key_mapped: bool,
    /// Where the tags come from.
    pub(super) tags: TagSource,
    /// Where the payload comes from.
    pub(super) payload: PayloadSource,
    /// Whether fields without a use are errors.
    pub(super) strict: bool,
    /// Whether rows without a key are counted instead of refused.
    pub(super) skip_missing_key: bool,
    /// Texts of CSV fields that count as empty.
    pub(super) nulls: Vec<String>,
}

impl Mapping {
    /// The mapping that the arguments ask for.
    pub(super) fn new(arguments: &IngestArguments) -> Result<Mapping, Failure> {
        check_tags(&arguments.tags)?;
        let csv = arguments.format == InputFormat::Csv;
        let series = match (&arguments.series, &arguments.series_id) {
            (_, Some(field)) => SeriesSource::Id(field.clone()),
            (Some(field), None) => SeriesSource::Label(field.clone()),
            (None, None) if csv => return Err(needed("--series or --series-id")),
            (None, None) => SeriesSource::Label(String::from("series")),
        };
        if csv && arguments.key.is_none() {
            return Err(needed("--key"));
        }
        let payload = match arguments.payload.as_deref() {
            Some("row") => PayloadSource::Row,
            Some(field) => PayloadSource::Field(field.to_owned()),
            None if csv => PayloadSource::None,
            None => PayloadSource::Field(String::from("payload")),
        };
        let tags = if arguments.tags.is_empty() && !csv {
            TagSource::Object
        } else {
            TagSource::Fields(arguments.tags.clone())
        };
        let mapped = arguments.key.is_some()
            || arguments.series.is_some()
            || arguments.series_id.is_some()
            || arguments.payload.is_some()
            || !arguments.tags.is_empty();
        Ok(Mapping {
            series,
            key: arguments.key.clone().unwrap_or_else(|| String::from("key")),
            key_mapped: arguments.key.is_some(),
            tags,
            payload,
            strict: !mapped,
            skip_missing_key: arguments.skip_missing_key,
            nulls: arguments.nulls.clone(),
        })
    }

    /// The field with the series.
    pub(super) fn series_field(&self) -> &str {
        match &self.series {
            SeriesSource::Label(field) | SeriesSource::Id(field) => field,
        }
    }
}

fn check_tags(tags: &[TagMapping]) -> Result<(), Failure> {
    for (at, tag) in tags.iter().enumerate() {
        if tags.iter().take(at).any(|earlier| earlier.name == tag.name) {
            let message = format!("--tag: the tag {:?} is mapped twice", tag.name);
            return Err(Failure::usage(message, "leave one of them out"));
        }
        if check_tag_name(&tag.name).is_err() {
            let message = format!("--tag: a name of {} bytes", tag.name.len());
            return Err(Failure::usage(message, "use a name of 1 to 255 bytes"));
        }
    }
    Ok(())
}

fn needed(flag: &str) -> Failure {
    let message = format!("--format csv needs {flag}");
    Failure::usage(message, "name the field, as the CSV's first line has it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser;

    fn tag(text: &str) -> TagMapping {
        text.parse().unwrap()
    }

    fn mapping(flags: &str) -> Result<Mapping, Failure> {
        let words = format!("sidx ingest s --index i {flags}");
        match Arguments::try_parse_from(words.split_whitespace())
            .unwrap()
            .command
        {
            Command::Ingest(arguments) => Mapping::new(&arguments),
            other => panic!("not an ingest: {other:?}"),
        }
    }

    #[test]
    fn csv_needs_series_and_key() {
        assert!(mapping("--format csv --key k").is_err());
        assert!(mapping("--format csv --series s").is_err());
        let mapping = mapping("--format csv --series s --key k --payload row").unwrap();
        assert_eq!(mapping.tags, TagSource::Fields(Vec::new()));
        assert_eq!(mapping.payload, PayloadSource::Row);
    }

    #[test]
    fn ndjson_flags_replace_parts_of_the_object() {
        let plain = mapping("--format ndjson").unwrap();
        assert!(plain.strict && plain.tags == TagSource::Object && plain.key == "key");
        let mapped = mapping("--format ndjson --key at --tag a:int").unwrap();
        assert!(!mapped.strict && mapped.key_mapped);
        assert_eq!(mapped.series_field(), "series");
        assert_eq!(mapped.tags, TagSource::Fields(vec![tag("a:int")]));
        assert!(mapping("--format ndjson --tag a --tag a:int=b").is_err());
    }
}
