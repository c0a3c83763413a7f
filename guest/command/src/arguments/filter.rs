//! `--where` and `--where-file`: a filter from the command line or from a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::{Code, Failure};

/// Longest text that is read: the engine refuses longer ones with their size.
const TEXT_BYTES_MAX: u64 = sidx_engine::expression::MAX_TEXT_BYTES as u64 + 1;

/// The filter of a command.
#[derive(Args, Debug)]
pub(crate) struct FilterArguments {
    /// Filter by tags; see below
    #[arg(long = "where", value_name = "EXPR", allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    /// Read the filter from a file, - for standard input: the command line itself takes some 128 KiB
    #[arg(
        long = "where-file",
        value_name = "FILE",
        conflicts_with = "text",
        value_parser = clap::value_parser!(PathBuf)
    )]
    pub(crate) file: Option<PathBuf>,
}

impl FilterArguments {
    /// The text of the filter, if there is one.
    pub(crate) fn text(&self) -> Result<Option<String>, Failure> {
        match &self.file {
            None => Ok(self.text.clone()),
            Some(path) => read(path).map(Some),
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: io::Error| {
        let code = match error.kind() {
            io::ErrorKind::NotFound => Code::NotFound,
            io::ErrorKind::InvalidData => Code::Usage,
            _ => Code::Other,
        };
        let message = format!("--where-file: cannot read {}: {error}", path.display());
        Failure::new(code, message, "check the file")
    };
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(unreadable)?)
    };
    let mut text = Vec::new();
    input
        .take(TEXT_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to() as u64 + 1;
        if at + 4 > TEXT_BYTES_MAX {
            // Cut within a character.
            let message = format!("--where-file: {} is too long", path.display());
            return Failure::usage(message, "a filter has at most 1 MiB");
        }
        let message = format!(
            "--where-file: byte {at} of {} is not valid UTF-8",
            path.display()
        );
        Failure::usage(
            message,
            "write the filter as UTF-8; bytes(\"base64\") holds any bytes",
        )
    })
}
