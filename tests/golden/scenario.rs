//! What the replays of the golden scenarios share: reading their JSON and their CSV.

use lakota::data::schema::{Schema, Type};
use serde_json::Value as Json;
use std::path::Path;

/// The scenario of a number, with its file's name.
pub(crate) fn load(n: usize) -> (String, Json) {
    let name = format!("scen_{n:05}.json");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scenarios");
    let text = std::fs::read_to_string(folder.join(&name)).unwrap();
    (name, serde_json::from_str(&text).unwrap())
}

/// The texts of a list.
pub(crate) fn texts(list: &Json) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The same CSV with every field of a text column quoted.
pub(crate) fn quote(text: &str, schema: &Schema) -> String {
    let (header, body) = text.split_once('\n').unwrap();
    let is_text: Vec<bool> = header
        .split(',')
        .map(|name| schema.columns()[schema.position(name).unwrap()].ty == Type::Str)
        .collect();
    let mut out = format!("{header}\n");
    for record in records(body) {
        let fields = record.iter().zip(&is_text).map(|(field, text)| match text {
            true => format!("\"{}\"", field.replace('"', "\"\"")),
            false => field.clone(),
        });
        out += &(fields.collect::<Vec<_>>().join(",") + "\n");
    }
    out
}

fn records(body: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    records
}
