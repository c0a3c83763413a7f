//! Tables for people.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use sidx_columns::Value;

use super::csv::{write_payload, write_text};
use super::{Page, RowWriter, Shape, TagColumns};

/// Longer cells are cut with a mark.
const CELL_CHARACTERS_MAX: usize = 60;

/// Rows of one table; more rows make further tables, so that results of any length stream.
const TABLE_ROWS_MAX: usize = 1_000;

/// Narrower terminals get tables as wide as they are.
const WIDTH_MIN: u16 = 40;

/// Writes tables.
pub(crate) struct TableRows {
    shape: Shape,
    table: Table,
    rows: usize,
    total: u64,
}

impl TableRows {
    /// A writer of rows of a shape.
    pub(crate) fn new(shape: Shape) -> TableRows {
        let table = empty(&shape);
        TableRows {
            shape,
            table,
            rows: 0,
            total: 0,
        }
    }

    fn print(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let table = std::mem::replace(&mut self.table, empty(&self.shape));
        self.rows = 0;
        writeln!(out, "{table}")
    }
}

impl RowWriter for TableRows {
    fn write(&mut self, page: &Page<'_>, out: &mut dyn Write) -> io::Result<()> {
        let tags = TagColumns::new(&self.shape, page);
        let mut text = Vec::new();
        for row in 0..page.len() {
            let mut cells = Vec::with_capacity(self.shape.tags.len() + 3);
            cells.push(match page.series(row) {
                Ok(label) => cell(label),
                Err(id) => numeric(id.to_string()),
            });
            cells.push(numeric(page.key(row).to_string()));
            for value in tags.values(row) {
                cells.push(value_cell(value, &mut text)?);
            }
            if self.shape.with_payload {
                text.clear();
                write_payload(page.payload(row), &mut text)?;
                cells.push(cell(&String::from_utf8_lossy(&text)));
            }
            self.table.add_row(cells);
            self.rows += 1;
            self.total += 1;
            if self.rows >= TABLE_ROWS_MAX {
                self.print(out)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, whole: bool, out: &mut dyn Write) -> io::Result<()> {
        if self.rows > 0 {
            self.print(out)?;
        }
        let noun = if self.total == 1 { "row" } else { "rows" };
        writeln!(
            out,
            "{} {noun}{}",
            self.total,
            if whole { "" } else { ", not all" }
        )
    }
}

fn empty(shape: &Shape) -> Table {
    let columns = shape.columns();
    grid(columns.iter().map(|column| cell(column)).collect())
}

/// A table with a header and no rows.
pub fn grid(header: Vec<Cell>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    // Some terminals do not know their width; folding to it would leave a letter per line.
    if table.width().is_some_and(|width| width >= WIDTH_MIN) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(header);
    table
}

fn value_cell(value: Option<Value<'_>>, text: &mut Vec<u8>) -> io::Result<Cell> {
    let Some(value) = value else {
        return Ok(Cell::new(""));
    };
    text.clear();
    write_text(value, text)?;
    let shown = String::from_utf8_lossy(text);
    Ok(match value {
        Value::Int(_) | Value::Float(_) => numeric(shown.into_owned()),
        _ => cell(&shown),
    })
}

/// A cell of a number.
pub fn numeric(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A cell of text from a store: cut, and without control characters that would steer the terminal.
pub fn cell(text: &str) -> Cell {
    let mut shown = tame(text.chars().take(CELL_CHARACTERS_MAX));
    if text.chars().nth(CELL_CHARACTERS_MAX).is_some() {
        shown.push('\u{2026}');
    }
    Cell::new(shown)
}

/// The same without a cut: what is too long is folded, where the width of the terminal is known.
pub(crate) fn whole_cell(text: &str) -> Cell {
    Cell::new(tame(text.chars()))
}

/// Text without control characters.
pub(crate) fn tame(characters: impl Iterator<Item = char>) -> String {
    let mut shown = String::new();
    for character in characters {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_short_and_tame() {
        assert_eq!(cell("a\u{1b}[2J\n").content(), "a\\u{1b}[2J\\n");
        assert_eq!(
            cell(&"x".repeat(61)).content(),
            format!("{}\u{2026}", "x".repeat(60))
        );
    }

    #[test]
    fn an_empty_result_says_so() {
        let mut out = Vec::new();
        TableRows::new(Shape::default())
            .finish(true, &mut out)
            .unwrap();
        TableRows::new(Shape::default())
            .finish(false, &mut out)
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "0 rows\n0 rows, not all\n");
    }
}
