//! What the command line accepts, and its help.

pub(crate) mod duration;
pub(crate) mod filter;
pub(crate) mod keys;
pub(crate) mod parameter;
pub(crate) mod size;
pub(crate) mod tag;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::help;
use filter::FilterArguments;
use keys::KeyRange;
use tag::TagMapping;

/// An ordered index: rows sorted by an int64 key, filtered by typed tags, queried exactly.
// A program that has commands of its own puts them behind these in an enum of its own.
#[derive(Debug, Parser)]
#[command(name = "sidx", version, after_help = help::PROGRAM)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub struct Arguments<C: Subcommand = Command> {
    /// The command.
    #[command(subcommand)]
    pub command: C,
}

/// One variant per command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load NDJSON or CSV rows into an index, which is created when it does not exist
    #[command(after_help = help::INGEST)]
    Ingest(IngestArguments),
    /// Print the rows that a query selects, in key order unless told otherwise
    #[command(after_help = help::QUERY)]
    Query(QueryArguments),
    /// Write the rows that are still in the log into a part
    #[command(after_help = help::FLUSH)]
    Flush(FlushArguments),
    /// Merge parts of similar size, or all of them
    #[command(after_help = help::MERGE)]
    Merge(MergeArguments),
    /// Drop rows by key or by a filter, or tell what would be dropped
    #[command(after_help = help::RETAIN)]
    Retain(RetainArguments),
    /// Check every file, page and cross-reference of an index
    #[command(after_help = help::VERIFY)]
    Verify(InspectArguments),
    /// Save what can be read of a damaged index, and set the rest aside
    #[command(after_help = help::REPAIR)]
    Repair(RepairArguments),
    /// List the indexes of a store
    #[command(after_help = help::INDEXES)]
    Indexes(IndexesArguments),
    /// Remove an index with everything in it
    #[command(after_help = help::DROP)]
    Drop(DropArguments),
    /// Tell what of an index lies in its store and nothing needs, or remove it
    #[command(after_help = help::GC)]
    Gc(GcArguments),
    /// List the parts of an index
    #[command(after_help = help::PARTS)]
    Parts(InspectArguments),
    /// Print counts and sizes of an index
    #[command(after_help = help::STATS)]
    Stats(InspectArguments),
    /// Copy an index to another store
    #[command(after_help = help::BACKUP)]
    Backup(BackupArguments),
    /// Copy indexes to a store of any kind, comparing every byte; goes on where it was stopped
    #[command(after_help = help::COPY)]
    Copy(CopyArguments),
    /// Make a second index that begins as one is now, and shares its parts
    #[command(after_help = help::BRANCH)]
    Branch(BranchArguments),
    /// Print every physical row with its part and row ordinal, unsorted
    #[command(after_help = help::DUMP)]
    Dump(DumpArguments),
}

impl Command {
    /// Whether it leaves a store other than it was.
    pub fn changes(&self) -> bool {
        match self {
            Self::Retain(arguments) => !arguments.dry_run,
            Self::Gc(arguments) => arguments.apply,
            Self::Ingest(_)
            | Self::Flush(_)
            | Self::Merge(_)
            | Self::Repair(_)
            | Self::Drop(_)
            | Self::Backup(_)
            | Self::Copy(_)
            | Self::Branch(_) => true,
            Self::Query(_)
            | Self::Verify(_)
            | Self::Indexes(_)
            | Self::Parts(_)
            | Self::Stats(_)
            | Self::Dump(_) => false,
        }
    }

    /// Whether it is a load of what comes in at standard input, which may pause.
    pub fn loads_stdin(&self) -> bool {
        matches!(self, Self::Ingest(arguments) if arguments.file.as_os_str() == "-")
    }
}

/// Where the index is.
#[derive(Args, Debug)]
pub struct Target {
    /// A directory, a file: URL of one, or an address of a bucket
    #[arg(value_name = "STORE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) store: String,
    /// Index in the store
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) index: String,
}

/// How long a command that writes waits for another one.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct WaitArguments {
    /// Wait so long for another writer to close the index [default: fail at once]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) wait: Option<Duration>,
}

/// How much of the store and its medium a command that writes may take, and how it takes it.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct RoomArguments {
    /// Bytes that the index may take in the store; writes are refused near it [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) disk: Option<u64>,
    /// Bytes that stay free on the medium [default: 256MiB, or 2 % of a small medium]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) min_free: Option<u64>,
    /// Make each part as one file, not as a folder of files: for rows with very many tags
    #[arg(long)]
    pub(crate) one_file_parts: bool,
}

/// `sidx ingest`
#[derive(Args, Debug)]
pub struct IngestArguments {
    /// A directory, a file: URL of one, or an address of a bucket; a directory is made when it does not exist
    #[arg(value_name = "STORE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) store: String,
    /// Input file, or - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,
    /// Index in the store; created when it does not exist
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) index: String,
    /// Format of the input
    #[arg(long, value_enum)]
    pub(crate) format: InputFormat,
    /// Field with the series label
    #[arg(long, value_name = "FIELD", conflicts_with = "series_id")]
    pub(crate) series: Option<String>,
    /// Field with the series id, an unsigned 64-bit number
    #[arg(long, value_name = "FIELD")]
    pub(crate) series_id: Option<String>,
    /// Field with the key, a signed 64-bit integer
    #[arg(long, value_name = "FIELD")]
    pub(crate) key: Option<String>,
    /// A tag, its type and the field it comes from; repeat for more tags
    #[arg(long = "tag", value_name = "NAME[:TYPE][=FIELD]")]
    pub(crate) tags: Vec<TagMapping>,
    /// Field with the payload, or `row` for the whole record as JSON text
    #[arg(long, value_name = "FIELD|row")]
    pub(crate) payload: Option<String>,
    /// Rows per write; large rows make smaller batches
    #[arg(long, value_name = "ROWS", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) batch: u32,
    /// When a batch counts as written
    #[arg(long, value_enum, default_value_t = DurabilityName::Sync)]
    pub(crate) durability: DurabilityName,
    /// Print {"acknowledged": N} with the rows written so far after each durable batch
    #[arg(long)]
    pub(crate) ack: bool,
    /// CSV: take a key or tag field with this text as empty; repeat for more
    #[arg(long = "null", value_name = "TEXT")]
    pub(crate) nulls: Vec<String>,
    /// Count rows with an empty or missing key as skipped instead of stopping at the first
    #[arg(long)]
    pub(crate) skip_missing_key: bool,
    /// Pass over the first N rows, which an earlier load of this input wrote before it stopped
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip_rows: u64,
    /// Budgets.
    #[command(flatten)]
    pub(crate) room: RoomArguments,
    /// Others.
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
}

/// `sidx flush`
#[derive(Args, Debug)]
pub struct FlushArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Budgets.
    #[command(flatten)]
    pub(crate) room: RoomArguments,
    /// Others.
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
}

/// `sidx query`
#[derive(Args, Debug)]
pub struct QueryArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Select the series with this label; repeat for more series (none: all series)
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    pub(crate) series: Vec<String>,
    /// Select the series with this id; repeat for more series
    #[arg(long, value_name = "N")]
    pub(crate) series_id: Vec<u64>,
    /// Keys to select: A..B without B, A..=B with B; either end may be left out
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    pub(crate) keys: Option<KeyRange>,
    /// Filter by tags.
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Order by key, or any order, which is the fastest for many rows
    #[arg(long, value_enum, default_value_t = OrderName::Asc)]
    pub(crate) order: OrderName,
    /// Return at most N rows
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Keep the first row of each payload, in result order
    #[arg(long)]
    pub(crate) distinct_payload: bool,
    /// Tags to return: names in the wanted order, `none` or `all`
    #[arg(
        long,
        value_name = "TAG,...|none|all",
        value_delimiter = ',',
        default_value = "all"
    )]
    pub(crate) select: Vec<String>,
    /// Return no payloads
    #[arg(long)]
    pub(crate) no_payload: bool,
    /// Print only the number of rows that the query would return
    #[arg(long, conflicts_with_all = ["format", "explain"])]
    pub(crate) count: bool,
    /// Output format [default: table on a terminal, else ndjson]
    #[arg(long, value_enum)]
    pub(crate) format: Option<RowFormat>,
    /// Stop after this time with exit code 7: 500ms, 2s, 1m
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Return what is left when rows are lost or cannot be read; tells so on stderr, exit code 5
    #[arg(long)]
    pub(crate) allow_partial: bool,
    /// Fail with exit code 6 when the query has more than N rows; --limit cuts instead
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<u64>,
    /// Memory that the query may use in the engine, then it fails with exit code 6 [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) memory: Option<u64>,
    /// Most threads that share the work of a query of very many rows [default: the processors]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// After the rows, print on stderr what the query read and skipped, as one JSON object
    #[arg(long)]
    pub(crate) explain: bool,
}

/// `sidx merge`
#[derive(Args, Debug)]
pub struct MergeArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Merge everything into one part
    #[arg(long)]
    pub(crate) all: bool,
    /// Budgets.
    #[command(flatten)]
    pub(crate) room: RoomArguments,
    /// Others.
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
}

/// `sidx retain`
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("rule").args(["below", "filter"]).required(true).multiple(true)))]
pub struct RetainArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Drop rows with keys below this one
    #[arg(long, value_name = "KEY", value_parser = keys::key, allow_hyphen_values = true)]
    pub(crate) below: Option<i64>,
    /// Drop rows for which this filter by tags is true; see `sidx query --help`
    #[arg(long = "where", value_name = "EXPR", allow_hyphen_values = true)]
    pub(crate) filter: Option<String>,
    /// Tell what would be dropped, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Others.
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// Output format [default: table on a terminal, else ndjson]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ReportFormat>,
}

/// `sidx parts`, `sidx stats` and `sidx verify`
#[derive(Args, Debug)]
pub struct InspectArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Output format [default: table on a terminal, else ndjson for parts, json for the others]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ReportFormat>,
}

/// `sidx indexes`
#[derive(Args, Debug)]
pub struct IndexesArguments {
    /// A directory, a file: URL of one, or an address of a bucket
    #[arg(value_name = "STORE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) store: String,
    /// Output format [default: table on a terminal, else ndjson]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ReportFormat>,
}

/// `sidx drop`
#[derive(Args, Debug)]
pub struct DropArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long)]
    pub(crate) yes: bool,
    /// Others.
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
}

/// `sidx gc`
#[derive(Args, Debug)]
pub struct GcArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Remove it; without, nothing is changed
    #[arg(long)]
    pub(crate) apply: bool,
    /// Others.
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// Output format [default: table on a terminal, else json]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ReportFormat>,
}

/// `sidx repair`
#[derive(Args, Debug)]
pub struct RepairArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Take what is lost for gone: queries no longer fail because of it
    #[arg(long)]
    pub(crate) accept_loss: bool,
    /// Others.
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// Output format [default: table on a terminal, else json]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ReportFormat>,
}

/// `sidx backup`
#[derive(Args, Debug)]
pub struct BackupArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// The store that the copy goes to, under the same name: a directory, a file: URL of one, or an address
    /// of a bucket
    #[arg(value_name = "DEST", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) dest: String,
}

/// `sidx copy`
#[derive(Args, Debug)]
pub struct CopyArguments {
    /// The store to copy from: a directory, a file: URL of one, or an address of a bucket
    #[arg(value_name = "SRC-STORE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) source: String,
    /// The store to copy to, likewise; made when it does not exist
    #[arg(value_name = "DST-STORE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) dest: String,
    /// Index to copy [default: all]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) index: Option<String>,
    /// Name of the copy [default: that of the index]
    #[arg(long, value_name = "NAME", requires = "index")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) to: Option<String>,
}

/// `sidx branch`
#[derive(Args, Debug)]
pub struct BranchArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// The name of the new index, in the same store
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) to: String,
}

/// `sidx dump`
#[derive(Args, Debug)]
pub struct DumpArguments {
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Output format
    #[arg(long, value_enum, default_value_t = DumpFormat::Ndjson)]
    pub(crate) format: DumpFormat,
}

/// Format of ingested rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// One JSON object per line
    Ndjson,
    /// Comma-separated values with a header line
    Csv,
}

/// Format of query results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// One JSON object per row; `sidx ingest --format ndjson` reads it back without loss
    Ndjson,
    /// A header line and one line per row
    Csv,
    /// For reading on a terminal
    Table,
}

/// Format of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For reading on a terminal
    Table,
    /// One JSON object per line
    Ndjson,
    /// One JSON document
    Json,
}

/// Format of dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DumpFormat {
    /// One JSON object per row
    Ndjson,
}

/// `--order`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderName {
    /// Least key first
    Asc,
    /// Greatest key first
    Desc,
    /// As the rows lie
    Any,
}

/// `--durability`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityName {
    /// On the medium before the batch counts as written
    Sync,
    /// Handed to the operating system: survives the process, not the power
    Os,
    /// In memory; everything becomes durable at the end of the load
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(words: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(words.split_whitespace())
    }

    #[test]
    fn the_definition_is_consistent() {
        <Arguments>::command().debug_assert();
    }

    #[test]
    fn negative_keys_and_labels_need_no_quoting() {
        let arguments = parse("sidx query s --index i --keys -5..-2 --series -x").unwrap();
        let Command::Query(query) = arguments.command else {
            panic!("not a query")
        };
        assert_eq!(query.keys, "-5..-2".parse().ok());
        assert_eq!(query.series, ["-x"]);
    }

    #[test]
    fn a_retention_takes_a_bound_or_a_filter_or_both() {
        for (words, below, filter) in [
            ("--below -5", Some(-5), None),
            ("--where a=1", None, Some("a=1")),
            ("--below 7 --where a=1 --dry-run", Some(7), Some("a=1")),
        ] {
            let arguments = parse(&format!("sidx retain s --index i {words}")).unwrap();
            let Command::Retain(retain) = arguments.command else {
                panic!("not a retention")
            };
            assert_eq!((retain.below, retain.filter.as_deref()), (below, filter));
            assert_eq!(retain.dry_run, words.contains("dry"));
        }
    }

    #[test]
    fn wrong_usage_is_refused() {
        for words in [
            "sidx",
            "sidx query s",
            "sidx query s --index i --keys 5",
            "sidx query s --index i --limit -1",
            "sidx query s --index i --where a=1 --where-file f",
            "sidx query s --index i --series-id 18446744073709551616",
            "sidx query s --index i --count --format csv",
            "sidx query s --index i --count --explain",
            "sidx query s --index i --where a=$a --param a",
            "sidx query s --index i --where a=$a --param $a=1",
            "sidx retain s --index i",
            "sidx retain s --index i --dry-run",
            "sidx retain s --index i --below 1.5",
            "sidx ingest s f --index i",
            "sidx ingest s f --index i --format csv --series a --series-id b",
            "sidx ingest s f --index i --format csv --batch 0",
            "sidx ingest s f --index i --format csv --tag a:integer",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
