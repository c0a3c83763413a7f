//! What the library warns of, as lines on stderr: once each, as a command does one thing and ends.

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use sidx_command::one_line;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

/// Has warnings printed from now on. Errors are not: each comes back from the call that met it, and the
/// command tells it with its exit code.
pub(crate) fn print() {
    // Fails when it was called before, which changes nothing.
    let _ = registry().with(Warnings::default()).try_init();
}

#[derive(Default)]
struct Warnings {
    told: Mutex<BTreeSet<String>>,
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() == Level::WARN && metadata.target().starts_with("sidx")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let text = line.text();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(text.clone()) {
            // Without a stderr there is nobody to warn.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// A message and what belongs to it.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn text(&self) -> String {
        let Line { message, fields } = self;
        one_line(&match fields.is_empty() {
            true => format!("sidx: warning: {message}"),
            false => format!("sidx: warning: {message} ({fields})"),
        })
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
            return;
        }
        let separator = if self.fields.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(self.fields, "{separator}{}: {value:?}", field.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_one_line() {
        let line = Line {
            message: "a flush\nfailed".into(),
            fields: "index: \"i\", error: full".into(),
        };
        assert_eq!(
            line.text(),
            "sidx: warning: a flush failed (index: \"i\", error: full)"
        );
    }
}
