//! File formats by name and by extension.

use std::path::Path;

/// A format that rows are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum InFormat {
    /// Comma-separated values, with or without a header line
    Csv,
    /// Parquet
    Parquet,
    /// Arrow IPC: a file (Feather) or a stream
    Arrow,
}

impl InFormat {
    /// Its name in messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            InFormat::Csv => "CSV",
            InFormat::Parquet => "Parquet",
            InFormat::Arrow => "Arrow",
        }
    }

    /// The format that a file's name tells.
    pub(crate) fn of(path: &Path) -> Option<InFormat> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" | "txt" => Some(InFormat::Csv),
            "parquet" | "pq" => Some(InFormat::Parquet),
            "arrow" | "feather" | "ipc" => Some(InFormat::Arrow),
            _ => None,
        }
    }
}

/// A format that rows are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutFormat {
    /// Comma-separated values with a header line
    Csv,
    /// Padded columns for people
    Table,
    /// JSON lines: one object a row
    Json,
    /// Parquet
    Parquet,
    /// An Arrow IPC file (Feather)
    Arrow,
}

impl OutFormat {
    /// The format that a file's name tells.
    pub(crate) fn of(path: &Path) -> Option<OutFormat> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "json" | "jsonl" | "ndjson" => Some(OutFormat::Json),
            _ => InFormat::of(path).map(|format| match format {
                InFormat::Csv => OutFormat::Csv,
                InFormat::Parquet => OutFormat::Parquet,
                InFormat::Arrow => OutFormat::Arrow,
            }),
        }
    }
}
