//! Tables for people: a header, a rule, columns padded to one width, numbers to the right.
//!
//! Frames become cells side by side; lines are laid out in order, each column as wide as its widest cell so
//! far, so that memory stays bounded.

use super::cell::Cells;
use crate::data::plain;
use crate::data::schema::{Column, Type};
use arrow_array::RecordBatch;

/// The texts of a frame's cells.
#[derive(Debug, Default)]
pub struct Texts {
    rows: usize,
    text: String,
    /// Where the cells end in `text`, row by row, and how wide they are.
    cells: Vec<(usize, usize)>,
    widths: Vec<usize>,
}

impl Texts {
    /// The cells of a frame of these columns.
    #[must_use]
    pub fn of(columns: &[Column], frame: &RecordBatch) -> Texts {
        let mut cells: Vec<Cells> =
            columns.iter().zip(frame.columns()).map(|(c, array)| Cells::new(c.ty, array)).collect();
        let mut texts = Texts { rows: frame.num_rows(), widths: vec![0; cells.len()], ..Texts::default() };
        let mut cell = Vec::new();
        for row in 0..texts.rows {
            for (i, column) in cells.iter_mut().enumerate() {
                cell.clear();
                if !column.is_null(row) {
                    column.push(&mut cell, row);
                }
                texts.push(i, &String::from_utf8_lossy(&cell));
            }
        }
        texts
    }

    fn push(&mut self, column: usize, text: &str) {
        let start = self.text.len();
        // A newline in a cell must not break its row.
        self.text.push_str(&plain::line(text));
        let width = self.text[start..].chars().count();
        self.cells.push((self.text.len(), width));
        self.widths[column] = self.widths[column].max(width);
    }
}

/// Lays out lines.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(String, bool)>,
    widths: Vec<usize>,
    headed: bool,
}

impl Table {
    /// A table of these columns.
    #[must_use]
    pub fn new(columns: &[Column]) -> Table {
        let numeric = |ty| matches!(ty, Type::Int | Type::Float);
        let columns: Vec<_> =
            columns.iter().map(|c| (plain::line(&c.name).into_owned(), numeric(c.ty))).collect();
        let widths = columns.iter().map(|(name, _): &(String, bool)| name.chars().count()).collect();
        Table { columns, widths, headed: false }
    }

    /// Appends the lines of a frame to `out`, the first time below the header.
    pub fn push(&mut self, texts: &Texts, out: &mut Vec<u8>) {
        for (width, wanted) in self.widths.iter_mut().zip(&texts.widths) {
            *width = (*width).max(*wanted);
        }
        self.head(out);
        let (mut at, mut cells) = (0, texts.cells.iter());
        for _ in 0..texts.rows {
            for i in 0..self.columns.len() {
                let Some(&(end, width)) = cells.next() else { return };
                self.cell(i, &texts.text[at..end], width, out);
                at = end;
            }
        }
    }

    /// Appends what a table without rows has: the header.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.head(out);
    }

    fn head(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.headed, true) {
            return;
        }
        for i in 0..self.columns.len() {
            let name = &self.columns[i].0;
            self.cell(i, name, name.chars().count(), out);
        }
        for i in 0..self.columns.len() {
            let rule = "-".repeat(self.widths[i]);
            self.cell(i, &rule, rule.len(), out);
        }
    }

    fn cell(&self, i: usize, text: &str, width: usize, out: &mut Vec<u8>) {
        let pad = self.widths[i].saturating_sub(width);
        let last = i + 1 == self.columns.len();
        let right = self.columns[i].1;
        if right {
            out.resize(out.len() + pad, b' ');
        }
        out.extend_from_slice(text.as_bytes());
        if last {
            out.push(b'\n');
        } else {
            out.resize(out.len() + if right { 2 } else { pad + 2 }, b' ');
        }
    }
}
