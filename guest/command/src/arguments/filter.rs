//! `--where`, `--where-file` and `--param`: a filter from the command line or from a file, and the values of
//! its parameters.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use sidx_engine::expression::Template;

use super::parameter;
use crate::database::Parameter;
use crate::exit::{Code, Failure};

/// From here on a text is too long.
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
    /// Value of a parameter of the filter, which stands in it as $NAME; repeat for more parameters
    #[arg(
        long = "param",
        value_name = "NAME=VALUE",
        value_parser = parameter::parse
    )]
    pub(crate) parameters: Vec<Parameter>,
}

impl FilterArguments {
    /// The text of the filter, if there is one.
    pub(crate) fn text(&self) -> Result<Option<String>, Failure> {
        match &self.file {
            None => Ok(self.text.clone()),
            Some(path) => read(path).map(Some),
        }
    }

    /// Refuses values that do not belong to the parameters of the filter, which has this text. What else is
    /// wrong with the text is left for whoever runs it to tell.
    pub(crate) fn check_parameters(&self, text: Option<&str>) -> Result<(), Failure> {
        for (at, parameter) in self.parameters.iter().enumerate() {
            let name = &parameter.name;
            if names(self.parameters.iter().take(at)).any(|earlier| earlier == name) {
                let message = format!("--param: the parameter ${name} has two values");
                return Err(Failure::usage(message, "give each parameter one value"));
            }
        }
        let Some(text) = text else {
            return match self.parameters.is_empty() {
                true => Ok(()),
                false => Err(Failure::usage(
                    "--param: there is no filter that has parameters",
                    "give one with --where or --where-file",
                )),
            };
        };
        if self.parameters.is_empty() && !text.contains('$') {
            return Ok(());
        }
        match Template::parse(text) {
            Ok(template) => self.check_names(template.parameters()),
            Err(_) => Ok(()),
        }
    }

    /// Refuses values of other parameters than these, and fewer.
    fn check_names(&self, known: &[String]) -> Result<(), Failure> {
        if let Some(name) = names(&self.parameters).find(|name| !known.contains(name)) {
            let message = format!("--param: the filter has no parameter ${name}");
            let shown: Vec<String> = known.iter().map(|name| format!("${name}")).collect();
            let next = match shown.is_empty() {
                true => "a parameter stands in it as $ and a name, in place of a value".to_owned(),
                false => format!("its parameters are {}", shown.join(", ")),
            };
            return Err(Failure::usage(message, next));
        }
        let has_value = |name: &&String| names(&self.parameters).any(|given| given == *name);
        match known.iter().find(|name| !has_value(name)) {
            Some(name) => {
                let message = format!("the parameter ${name} of the filter has no value");
                let next = format!("give it one with --param {name}=VALUE");
                Err(Failure::usage(message, next))
            }
            None => Ok(()),
        }
    }
}

fn names<'p>(
    parameters: impl IntoIterator<Item = &'p Parameter>,
) -> impl Iterator<Item = &'p String> {
    parameters.into_iter().map(|parameter| &parameter.name)
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
    if text.len() as u64 >= TEXT_BYTES_MAX {
        let message = format!("--where-file: {} is too long", path.display());
        return Err(Failure::usage(message, "a filter has at most 1 MiB"));
    }
    String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to() as u64 + 1;
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
