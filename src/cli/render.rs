//! Rows on their way out, in any format, with bounded memory.
//!
//! Text is made on all cores and written by a thread of its own, in order; buffers are used again.

use super::format::OutFormat;
use super::output::Output;
use crate::data::csv;
use crate::data::files::table::{Table, Texts};
use crate::data::files::{arrow, json, parquet};
use crate::data::schema::{Column, Type};
use crate::series::read::Rows;
use anyhow::{Context, Result, anyhow};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use parking_lot::Mutex;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Rows below which one thread does all.
const FEW: u64 = 20_000;

/// Texts that wait to be written.
const WAITING: usize = 3;

/// Writes rows of these columns and ends the output.
pub(crate) fn render(rows: Rows, columns: &[Column], format: OutFormat, output: Output) -> Result<()> {
    match format {
        OutFormat::Csv => {
            let head = csv::header(columns.iter().map(|c| c.name.as_str()));
            text(rows, output, head, |frame, out| csv_lines(columns, frame, out))
        }
        OutFormat::Json => text(rows, output, Vec::new(), |frame, out| {
            json::render(&paired(columns, frame, Column::clone), 0..frame.num_rows(), out);
        }),
        OutFormat::Table => table(rows, columns, output),
        OutFormat::Parquet => {
            binary(rows, output, |out, columns| Ok(Sink::Parquet(parquet::Sink::new(out, columns)?)))
        }
        OutFormat::Arrow => {
            binary(rows, output, |out, columns| Ok(Sink::Arrow(arrow::Sink::new(out, &columns)?)))
        }
    }
}

fn csv_lines(columns: &[Column], frame: &RecordBatch, out: &mut Vec<u8>) {
    let typed: Vec<(Type, ArrayRef)> = paired(columns, frame, |c| c.ty);
    csv::render(&typed, 0..frame.num_rows(), out);
}

fn paired<T>(columns: &[Column], frame: &RecordBatch, of: impl Fn(&Column) -> T) -> Vec<(T, ArrayRef)> {
    columns.iter().zip(frame.columns()).map(|(c, array)| (of(c), Arc::clone(array))).collect()
}

/// Writes lines, each frame's made by `lines`.
fn text(
    rows: Rows,
    mut output: Output,
    head: Vec<u8>,
    lines: impl Fn(&RecordBatch, &mut Vec<u8>) + Sync,
) -> Result<()> {
    if rows.len() < FEW {
        let mut out = head;
        for frame in rows {
            lines(&frame?, &mut out);
        }
        output.put(&out)?;
        return output.finish();
    }
    output.put(&head)?;
    let spare: Mutex<Vec<Vec<u8>>> = Mutex::default();
    let made = |frame: RecordBatch| {
        let mut out = spare.lock().pop().unwrap_or_default();
        lines(&frame, &mut out);
        out
    };
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING);
        let spare = &spare;
        let writer = scope.spawn(move || write(output, &receiver, spare));
        // A send fails where the writer stopped: its own error tells why.
        let sent = rows.map_ordered(made, |out| sender.send(out).context("the output ended early"));
        drop(sender);
        let output = writer.join().map_err(|_panic| anyhow!("the output's thread failed"))??;
        sent?;
        output.finish()
    })
}

fn write(mut output: Output, texts: &Receiver<Vec<u8>>, spare: &Mutex<Vec<Vec<u8>>>) -> Result<Output> {
    for mut text in texts {
        output.put(&text)?;
        text.clear();
        spare.lock().push(text);
    }
    Ok(output)
}

fn table(rows: Rows, columns: &[Column], mut output: Output) -> Result<()> {
    let mut table = Table::new(columns);
    let mut out = Vec::new();
    rows.map_ordered(
        |frame| Texts::of(columns, &frame),
        |texts| {
            out.clear();
            table.push(&texts, &mut out);
            output.put_lines(&out)
        },
    )?;
    out.clear();
    table.finish(&mut out);
    output.put_lines(&out)?;
    output.finish()
}

enum Sink<W: Write + Send> {
    Parquet(parquet::Sink<W>),
    Arrow(arrow::Sink<W>),
}

/// An output that remembers why it failed: the formats' own errors do not tell.
struct Watched {
    output: Output,
    failure: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes).map_err(|e| {
            let kind = e.kind();
            self.failure.lock().get_or_insert_with(|| self.output.failed(e));
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

type Buffered = BufWriter<Watched>;

fn binary(
    rows: Rows,
    output: Output,
    start: impl FnOnce(Buffered, SchemaRef) -> Result<Sink<Buffered>>,
) -> Result<()> {
    let failure: Arc<Mutex<Option<anyhow::Error>>> = Arc::default();
    let watched = Watched { output, failure: Arc::clone(&failure) };
    let columns = Arc::clone(rows.arrow());
    let sink = start(BufWriter::with_capacity(1 << 20, watched), columns);
    let written = sink.and_then(|sink| sink.fill(rows));
    match (failure.lock().take(), written) {
        (Some(failure), _) => Err(failure),
        (None, written) => written?.output.finish(),
    }
}

impl Sink<Buffered> {
    /// Writes all rows and ends the file.
    fn fill(mut self, rows: Rows) -> Result<Watched> {
        for frame in rows {
            match &mut self {
                Sink::Parquet(sink) => sink.write(&frame?)?,
                Sink::Arrow(sink) => sink.write(&frame?)?,
            }
        }
        let buffer = match self {
            Sink::Parquet(sink) => sink.finish()?,
            Sink::Arrow(sink) => sink.finish()?,
        };
        buffer.into_inner().map_err(|e| anyhow::Error::new(e.into_error()))
    }
}
