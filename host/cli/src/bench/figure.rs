//! What is measured.

use sidx_command::Failure;
use sidx_host::Durability;
use sidx_w1::Query;

/// Writers of the ingest figures with many.
const MANY_WRITERS: usize = 16;

/// A figure of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// Rows per second into an empty index.
    Ingest(Load),
    /// Rows per second from memory to a part.
    Flush,
    /// Rows per second of ten parts into one.
    Merge,
    /// Bytes per row in the file system.
    Size,
    /// Microseconds to open the merged index.
    Open,
    /// Microseconds of a query whose pages are in memory.
    Warm(Query),
    /// The same of a query that was prepared.
    Prepared(Query),
    /// Microseconds of the first query after opening.
    Cold(Query),
}

/// In which form a program has the rows that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Structs, of which batches are made while the clock runs.
    Rows,
    /// Columns, as a program has them that reads Arrow or Parquet.
    Columns,
}

/// How rows are ingested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// In which form the rows are when the clock starts.
    pub(super) form: Form,
    /// Rows of a batch.
    pub(super) batch_rows: u64,
    /// When a batch is acknowledged.
    pub(super) durability: Durability,
    /// Threads that write at once.
    pub(super) writers: usize,
}

impl Load {
    /// The name of its durability.
    pub(super) fn durability_name(self) -> &'static str {
        match self.durability {
            Durability::Sync => "sync",
            Durability::Os => "os",
            Durability::None => "none",
        }
    }
}

impl Figure {
    /// All of them, in the order in which they are measured and told.
    pub(super) fn all() -> Vec<Figure> {
        let load = |batch_rows, durability, writers| {
            Figure::Ingest(Load {
                form: Form::Rows,
                batch_rows,
                durability,
                writers,
            })
        };
        let both = [Durability::Os, Durability::Sync];
        let mut figures = Vec::new();
        for batch_rows in [100, 1_000, 10_000] {
            figures.extend(both.map(|durability| load(batch_rows, durability, 1)));
        }
        figures.extend(both.map(|durability| load(1_000, durability, MANY_WRITERS)));
        figures.extend([1_000, 10_000].map(|batch_rows| {
            Figure::Ingest(Load {
                form: Form::Columns,
                batch_rows,
                durability: Durability::Os,
                writers: 1,
            })
        }));
        figures.extend([Figure::Flush, Figure::Merge, Figure::Size, Figure::Open]);
        figures.extend(Query::ALL.map(Figure::Warm));
        figures.extend(Query::ALL.map(Figure::Prepared));
        figures.extend(Query::ALL.map(Figure::Cold));
        figures
    }

    /// Those that words choose: exact names, or else what names begin with. No words choose all.
    pub(super) fn chosen(words: &[String]) -> Result<Vec<Figure>, Failure> {
        let all = Figure::all();
        let named = |word: &str| all.iter().any(|figure| figure.name() == word);
        let is_chosen = |figure: &Figure, word: &str| match named(word) {
            true => figure.name() == word,
            false => figure.name().starts_with(word),
        };
        for word in words {
            if word.is_empty() || !all.iter().any(|figure| is_chosen(figure, word)) {
                let message = format!("--figures: no figure is called {word:?} or begins so");
                return Err(Failure::usage(message, "`sidx bench --help` lists them"));
            }
        }
        let chosen =
            |figure: &Figure| words.is_empty() || words.iter().any(|word| is_chosen(figure, word));
        Ok(all.iter().copied().filter(chosen).collect())
    }

    /// Its name; loads that differ in durability and writers share one.
    pub(super) fn name(self) -> String {
        match self {
            Figure::Ingest(load) => match load.form {
                Form::Rows => format!("ingest-{}", load.batch_rows),
                Form::Columns => format!("columns-{}", load.batch_rows),
            },
            Figure::Flush => "flush".to_owned(),
            Figure::Merge => "merge".to_owned(),
            Figure::Size => "size".to_owned(),
            Figure::Open => "open".to_owned(),
            Figure::Warm(query) => query.name().to_owned(),
            Figure::Prepared(query) => format!("{}-prepared", query.name()),
            Figure::Cold(query) => format!("{}-cold", query.name()),
        }
    }

    /// Its name with all that tells it from others, for people.
    pub(super) fn title(self) -> String {
        match self {
            Figure::Ingest(load) if load.writers > 1 => {
                let (name, durability) = (self.name(), load.durability_name());
                format!("{name} {durability}, {} writers", load.writers)
            }
            Figure::Ingest(load) => format!("{} {}", self.name(), load.durability_name()),
            _ => self.name(),
        }
    }

    /// Its unit.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Figure::Ingest(_) | Figure::Flush | Figure::Merge => "rows/s",
            Figure::Size => "bytes/row",
            Figure::Open | Figure::Warm(_) | Figure::Prepared(_) | Figure::Cold(_) => "us",
        }
    }

    /// Whether more is better.
    pub(super) fn is_rate(self) -> bool {
        self.unit() == "rows/s"
    }

    /// Whether it is measured on the merged index, or on the way to it.
    pub(super) fn needs_merged_index(self) -> bool {
        !matches!(self, Figure::Ingest(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let figures = Figure::chosen(&words).unwrap();
        figures.into_iter().map(Figure::name).collect()
    }

    #[test]
    fn names_win_over_beginnings() {
        assert_eq!(names(&["q3"]), ["q3"]);
        assert_eq!(names(&["q3-"]), ["q3-prepared", "q3-cold"]);
        assert_eq!(names(&["ingest-100"]), ["ingest-100", "ingest-100"]);
        assert_eq!(names(&["ingest"]).len(), 8);
        assert_eq!(names(&["q4", "size"]), ["size", "q4"]);
        assert_eq!(names(&["columns"]), ["columns-1000", "columns-10000"]);
        assert_eq!(names(&[]).len(), 8 + 2 + 4 + 30);
    }

    #[test]
    fn a_word_that_chooses_nothing_is_refused() {
        assert!(Figure::chosen(&["q9".to_owned()]).is_err());
        assert!(Figure::chosen(&[String::new()]).is_err());
    }
}
