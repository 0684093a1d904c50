//! Blocks of records to batches.
//!
//! Pure: a block and a plan in, a batch or the place of the first error out, so that blocks can be
//! parsed side by side. Lines count from the block's start.

use super::column::Builder;
use super::field::{Field, Malformed, field, fields};
use super::text::{stray_problem, stray_return};
use crate::data::input::{InputError, Problem};
use crate::data::schema::{Column, Schema, Type};
use crate::data::value::{expected, number::trim};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use memchr::memchr_iter;

/// What the fields of each line are.
pub(super) struct Plan {
    /// The columns in the order of the fields.
    fields: Vec<Column>,
    /// The fields in the order of the schema.
    order: Vec<usize>,
    batch: SchemaRef,
}

/// What a block holds.
pub(super) struct Parsed {
    pub(super) batch: Result<RecordBatch, InputError>,
    /// Line ends of the block.
    pub(super) lines: u64,
}

impl Plan {
    /// `positions` are the fields' places in the schema.
    pub(super) fn new(schema: &Schema, positions: &[usize]) -> Plan {
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_by_key(|&field| positions[field]);
        let arrow: Vec<_> = order.iter().map(|&i| schema.arrow().fields()[positions[i]].clone()).collect();
        let batch = if arrow.len() == schema.columns().len() {
            schema.arrow().clone()
        } else {
            SchemaRef::new(arrow_schema::Schema::new(arrow))
        };
        Plan { fields: positions.iter().map(|&i| schema.columns()[i].clone()).collect(), order, batch }
    }

    /// Parses a block that ends with a line end.
    pub(super) fn parse(&self, block: &[u8]) -> Parsed {
        let lines = memchr_iter(b'\n', block).count();
        Parsed { batch: self.batch(block, lines), lines: lines as u64 }
    }

    fn batch(&self, block: &[u8], lines: usize) -> Result<RecordBatch, InputError> {
        // Of many columns, few rows fit into a block however many line ends it has.
        let rows = lines.min(block.len() / self.fields.len().max(1) + 1);
        let mut builders: Vec<Builder> = self.fields.iter().map(|c| Builder::new(c, rows)).collect();
        let mut at = 0;
        while at < block.len() {
            at = match block[at..] {
                [b'\n', ..] => at + 1,
                [b'\r', b'\n', ..] => at + 2,
                _ => self.record(block, at, &mut builders)?,
            };
        }
        if builders.iter().any(Builder::has_return)
            && let Some(at) = stray_return(block)
        {
            return Err(place(block, at, stray_problem()));
        }
        let arrays: Result<Vec<_>, _> = builders.into_iter().map(Builder::finish).collect();
        // A string that is not UTF-8 is the only failure, and is looked for once it is known to be there.
        let arrays = arrays.map_err(|e| self.find_broken_text(block, &e))?;
        let arrays = self.order.iter().map(|&field| arrays[field].clone()).collect();
        RecordBatch::try_new(self.batch.clone(), arrays)
            .map_err(|e| InputError::new(Problem::Other(e.to_string())))
    }

    /// Takes the record that starts at `at`: where the next one starts.
    #[inline]
    fn record(&self, block: &[u8], start: usize, builders: &mut [Builder]) -> Result<usize, InputError> {
        let mut at = start;
        let last = builders.len() - 1;
        for (i, builder) in builders.iter_mut().enumerate() {
            let separator = if i == last { b'\n' } else { b',' };
            match builder.take(&block[at..], separator) {
                Some(len) => at += len,
                None => match self.field(block, start, at, i, builder)? {
                    (next, true) => at = next,
                    (next, false) => return Ok(next),
                },
            }
        }
        Ok(at)
    }

    /// Takes field `i` of a record, which starts at `at`: where to go on, and false where the whole
    /// line is blank and nothing was taken.
    #[cold]
    #[inline(never)]
    fn field(
        &self,
        block: &[u8],
        record: usize,
        at: usize,
        i: usize,
        builder: &mut Builder,
    ) -> Result<(usize, bool), InputError> {
        let malformed = |m: Malformed| place(block, at, m.problem()).in_column(&self.fields[i].name);
        let field = field(block, at).map_err(malformed)?;
        if i == 0 && field.last && self.is_blank(&field.text, field.quoted) {
            return Ok((field.next, false));
        }
        if field.last != (i + 1 == self.fields.len()) {
            return Err(self.wrong_count(block, record));
        }
        if let Err(expected) = builder.push(&field) {
            // A field that stands in the wrong column is a matter of the line rather than of the value.
            if fields(block, record).is_ok_and(|(fields, _)| fields.len() != self.fields.len()) {
                return Err(self.wrong_count(block, record));
            }
            let problem = if is_broken(&field) { stray_problem() } else { value(&field.text, expected) };
            return Err(place(block, at, problem).in_column(&self.fields[i].name));
        }
        Ok((field.next, true))
    }

    /// Blanks alone are no record, unless they can be a string.
    fn is_blank(&self, text: &[u8], quoted: bool) -> bool {
        let string = matches!(&self.fields[..], [only] if only.ty == Type::Str);
        !quoted && !string && trim(text).is_empty()
    }

    fn wrong_count(&self, block: &[u8], record: usize) -> InputError {
        let names = self.fields.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        match fields(block, record) {
            Ok((fields, _)) if fields.iter().any(is_broken) => place(block, record, stray_problem()),
            Ok((fields, _)) => {
                let (found, expected) = (fields.len(), self.fields.len());
                place(block, record, Problem::Fields { found, expected, names })
            }
            Err((malformed, at)) => place(block, at, malformed.problem()),
        }
    }

    /// The place of the first string that is not UTF-8.
    fn find_broken_text(&self, block: &[u8], error: &arrow_schema::ArrowError) -> InputError {
        let mut at = 0;
        while let Ok((fields, next)) = fields(block, at) {
            let starts = std::iter::once(at).chain(fields.iter().map(|field| field.next));
            for ((field, column), start) in fields.iter().zip(&self.fields).zip(starts) {
                if column.ty == Type::Str && std::str::from_utf8(&field.text).is_err() {
                    return place(block, start, value(&field.text, expected(Type::Str)))
                        .in_column(&column.name);
                }
            }
            if next >= block.len() {
                break;
            }
            at = next;
        }
        InputError::new(Problem::Other(error.to_string()))
    }
}

/// Whether a line end that is none stands in a field.
fn is_broken(field: &Field<'_>) -> bool {
    !field.quoted && field.text.contains(&b'\r')
}

/// An error at a byte of a block.
pub(super) fn place(block: &[u8], at: usize, problem: Problem) -> InputError {
    InputError::new(problem).at_line(1 + memchr_iter(b'\n', &block[..at]).count() as u64)
}

/// A field that is no value, shortened to 40 characters.
fn value(text: &[u8], expected: &'static str) -> Problem {
    let start = String::from_utf8_lossy(&text[..text.len().min(200)]);
    let mut found: String = start.chars().take(40).collect();
    if found.len() < start.len() {
        found.pop();
        found.push('…');
    }
    Problem::Value { found, expected }
}
