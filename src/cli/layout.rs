//! The folder layout of imports and exports, that of the original Lakota: a folder for each collection, in it
//! `_schema.json` and a CSV or Parquet file for each series, names percent-escaped.

use super::format::InFormat;
use super::input::Source;
use super::load::Item;
use crate::data::label::{escape, unescape};
use crate::data::schema::{Column, Schema, Type};
use anyhow::{Context, Result, bail};
use arrow_schema::TimeUnit;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};

/// The file of a collection's columns.
pub(crate) const SCHEMA_FILE: &str = "_schema.json";

/// A label as a file name of this layout, where names that start with `_` are no series.
pub(crate) fn file_name(label: &str) -> String {
    let name = escape(label);
    match name.strip_prefix('_') {
        Some(rest) => format!("%5F{rest}"),
        None => name,
    }
}

/// A column as the original writes it.
#[derive(Serialize, Deserialize)]
struct JsonColumn {
    /// A numpy type, such as `datetime64[s]` or `M8[s]`.
    dt: String,
    #[serde(default)]
    codecs: Vec<String>,
    #[serde(default)]
    idx: bool,
}

/// Columns in the order of the file.
struct JsonColumns(Vec<(String, JsonColumn)>);

#[derive(Serialize, Deserialize)]
struct JsonSchema {
    #[serde(default)]
    kind: Option<String>,
    columns: JsonColumns,
}

impl Serialize for JsonColumns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, column)| (name, column)))
    }
}

impl<'de> Deserialize<'de> for JsonColumns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JsonColumns, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = JsonColumns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("columns by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonColumns, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(JsonColumns(columns))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The type that a numpy type becomes: `M8[s]`, `datetime64[s]`, `<i8`, `float64`, `<U0`, `object`, `bool`.
fn parse_type(dt: &str) -> Option<Type> {
    let name = dt.trim_start_matches(['<', '>', '=', '|']);
    if let Some(unit) = name.strip_prefix("datetime64").or_else(|| name.strip_prefix("M8")) {
        return Some(match unit {
            "[D]" => Type::Date,
            "[s]" => Type::Timestamp(TimeUnit::Second),
            "[ms]" => Type::Timestamp(TimeUnit::Millisecond),
            "[us]" => Type::Timestamp(TimeUnit::Microsecond),
            "[ns]" => Type::Timestamp(TimeUnit::Nanosecond),
            _ => return None,
        });
    }
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    Some(match (name, letters) {
        ("b1" | "?" | "bool" | "bool_", _) => Type::Bool,
        (_, "i" | "u" | "int" | "uint") => Type::Int,
        (_, "f" | "float") => Type::Float,
        (_, "U" | "S" | "O" | "str" | "object") => Type::Str,
        _ => return None,
    })
}

const fn numpy_type(ty: Type) -> &'static str {
    match ty {
        Type::Date => "datetime64[D]",
        Type::Timestamp(TimeUnit::Second) => "datetime64[s]",
        Type::Timestamp(TimeUnit::Millisecond) => "datetime64[ms]",
        Type::Timestamp(TimeUnit::Microsecond) => "datetime64[us]",
        Type::Timestamp(TimeUnit::Nanosecond) => "datetime64[ns]",
        Type::Int => "int64",
        Type::Float => "float64",
        Type::Str => "<U0",
        Type::Bool => "bool",
    }
}

/// The text of a schema file.
pub(crate) fn schema_text(schema: &Schema) -> Result<String> {
    let columns = schema.columns().iter().map(|column| {
        let codecs = if column.ty == Type::Str { &["msgpack2", "zstd"][..] } else { &["blosc"] };
        let codecs = codecs.iter().map(|&codec| codec.to_owned()).collect();
        (column.name.clone(), JsonColumn { dt: numpy_type(column.ty).to_owned(), codecs, idx: column.index })
    });
    let schema = JsonSchema { kind: None, columns: JsonColumns(columns.collect()) };
    Ok(serde_json::to_string(&schema)? + "\n")
}

/// The columns that a schema file tells.
pub(crate) fn parse_schema(text: &str) -> Result<Schema> {
    let json: JsonSchema = serde_json::from_str(text)?;
    let mut columns = Vec::with_capacity(json.columns.0.len());
    for (name, column) in json.columns.0 {
        let Some(ty) = parse_type(&column.dt) else {
            bail!(
                "column {name:?} has type {:?}, expected a numpy type such as M8[s], i8, f8 or U",
                column.dt
            );
        };
        columns.push(Column { name, ty, index: column.idx });
    }
    Ok(Schema::new(columns)?)
}

/// A collection's folder, by label, sorted.
pub(crate) fn collections(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for (name, path) in list(folder)? {
        if path.join(SCHEMA_FILE).is_file() {
            found.push((label(&name, &path)?, path));
        }
    }
    Ok(found)
}

/// The columns of a collection's folder.
pub(crate) fn read_schema(folder: &Path) -> Result<Schema> {
    let path = folder.join(SCHEMA_FILE);
    let failed = || format!("cannot read {}", path.display());
    if !std::fs::metadata(&path).with_context(failed)?.is_file() {
        bail!("{} is not a regular file", path.display());
    }
    let text = std::fs::read_to_string(&path).with_context(failed)?;
    parse_schema(&text).with_context(failed)
}

/// The series of a collection's folder, by label; folders in it are parts of labels.
pub(crate) fn series(folder: &Path) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    collect(folder, "", &mut Vec::new(), &mut items)?;
    Ok(items)
}

/// `above`: device and number of the folders that this one lies in.
fn collect(folder: &Path, prefix: &str, above: &mut Vec<(u64, u64)>, items: &mut Vec<Item>) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let data = std::fs::metadata(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let number = (data.dev(), data.ino());
    if above.contains(&number) {
        bail!("{}: a link that leads back to a folder above it", folder.display());
    }
    above.push(number);
    for (name, path) in list(folder)? {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let found = std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if found.is_dir() {
            collect(&path, &format!("{prefix}{}/", label(&name, &path)?), above, items)?;
            continue;
        }
        // A pipe would be waited for. One that somebody names is read; one that is found was not meant.
        if !found.is_file() {
            bail!("{}: not a regular file", path.display());
        }
        let format = InFormat::of(&path);
        let (Some(format), Some((stem, _))) = (format, name.rsplit_once('.')) else {
            bail!("{}: expected a file of rows, such as {name}.csv or {name}.parquet", path.display());
        };
        let label = format!("{prefix}{}", label(stem, &path)?);
        items.push(Item { label, source: Source::new(Some(&path), Some(format)) });
    }
    above.pop();
    Ok(())
}

fn label(name: &str, path: &Path) -> Result<String> {
    unescape(name).with_context(|| format!("{}: the name is no escaped label", path.display()))
}

/// Names and paths in a folder, sorted.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed = || format!("cannot list {}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        match entry.file_name().into_string() {
            Ok(name) => found.push((name, entry.path())),
            Err(name) => bail!("{}: the name is not UTF-8", folder.join(name).display()),
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_keeps_the_order_of_its_columns() {
        let text = r#"{"kind": null, "columns": {
            "z": {"dt": "datetime64[s]", "codecs": ["blosc"], "idx": true},
            "a": {"dt": "<U0", "codecs": [], "idx": true},
            "m": {"dt": "<f8", "codecs": [], "idx": false}}}"#;
        let schema = parse_schema(text).unwrap();
        assert_eq!(schema.to_string(), "z timestamp[s]*\na str*\nm float\n");
    }

    #[test]
    fn schema_text_reads_back() {
        let columns = ["t timestamp[us]*", "d date*", "i int", "f float", "s str", "b bool"];
        let schema = Schema::parse(columns).unwrap();
        assert_eq!(parse_schema(&schema_text(&schema).unwrap()).unwrap(), schema);
    }

    #[test]
    fn unknown_numpy_type_is_refused_by_column() {
        let text = r#"{"kind": null, "columns": {"c": {"dt": "complex128", "codecs": [], "idx": true}}}"#;
        assert!(parse_schema(text).unwrap_err().to_string().contains("column \"c\""));
    }

    #[test]
    fn no_series_is_taken_for_a_schema() {
        assert_eq!(file_name("_schema"), "%5Fschema");
        assert_eq!(unescape(&file_name("_schema")).as_deref(), Some("_schema"));
    }
}
