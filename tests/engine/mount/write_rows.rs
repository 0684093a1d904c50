//! The model of writes: rows as files, and files as rows.

use super::write_model::World;
use crate::support::{SeriesRows, keyed};
use bytes::Bytes;
use lakota::data::csv::CsvReader;
use lakota::data::files::parquet::Sink;
use lakota::data::sort::Sorted;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::sync::Arc;

impl World {
    pub(super) fn csv(rows: &[(u8, u8)], header: bool) -> Vec<u8> {
        let lines: String = rows.iter().map(|(k, v)| format!("{k},{v}\n")).collect();
        format!("{}{lines}", if header { "k,v\n" } else { "" }).into_bytes()
    }

    /// A whole file of rows.
    pub(super) fn file(&self, format: usize, rows: &[(u8, u8)]) -> Vec<u8> {
        if format == 0 {
            return World::csv(rows, true);
        }
        let frame =
            crate::support::frame(&self.schema, std::str::from_utf8(&World::csv(rows, true)).unwrap());
        let mut sink = Sink::new(Vec::new(), Arc::clone(self.schema.arrow())).unwrap();
        sink.write(&frame).unwrap();
        sink.finish().unwrap()
    }

    /// The rows of bytes; none where they are no file of this format.
    pub(super) fn parse(&self, format: usize, bytes: &[u8]) -> Option<SeriesRows> {
        let frames: Vec<_> = match format {
            0 => CsvReader::new(Arc::new(self.schema.clone()), bytes, 1000).collect::<Result<_, _>>().ok()?,
            _ => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(bytes)).ok()?;
                reader.build().ok()?.collect::<Result<_, _>>().ok()?
            }
        };
        let mut rows = SeriesRows::new();
        for (key, line) in frames.iter().flat_map(|frame| keyed(&self.schema, frame)) {
            rows.entry(key).or_default().push(line);
        }
        rows.values_mut().for_each(|lines| lines.sort());
        Some(rows)
    }

    pub(super) fn rows(&self, rows: &[(u8, u8)]) -> SeriesRows {
        self.parse(0, &World::csv(rows, true)).unwrap()
    }

    pub(super) fn sorted(&self, rows: &[(u8, u8)]) -> Sorted {
        let text = World::csv(rows, true);
        let frame = crate::support::frame(&self.schema, std::str::from_utf8(&text).unwrap());
        Sorted::of(&self.schema, vec![lakota::data::frame::sort(&self.schema, &frame).unwrap()])
    }
}
