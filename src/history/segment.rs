//! Segments: the chunks of all columns for one run of rows, as the index names them.
//!
//! Everything `stat`, `len`, a footer or a range needs stands here, so that no chunk is read for it.
//! docs/format.md describes the bytes.

use super::tree::{Item, Leaf, Sums};
use crate::data::key;
use crate::data::pages::{Layout, MOST_ROWS, MOST_TEXT};
use crate::data::schema::{MOST_COLUMNS, Schema};
use crate::data::value::Value;
use crate::digest::{Check, Digest};
use crate::interval::{Interval, Key};
use crate::store::place::{Bundles, Place};
use crate::wire::{Damaged, Reader, Writer};

/// A column's slice of rows, as the index names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChunkRef {
    /// Where its pages lie.
    pub place: Place,
    /// What its pages (of an object: the object) must digest to.
    pub check: Check,
    /// How to read its pages.
    pub layout: Layout,
    /// Bytes its values take in CSV, without separators.
    pub csv_len: u64,
    /// Least and greatest value as keys of one column: index columns but the first, whose are the
    /// segment's first and last key.
    pub range: Option<(Key, Key)>,
}

/// The chunks of all columns, in schema order, for one run of rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Rows, at least one.
    pub rows: u64,
    /// Index value of the first row.
    pub first: Key,
    /// Index value of the last row.
    pub last: Key,
    /// One for each column.
    pub chunks: Vec<ChunkRef>,
}

impl Segment {
    /// From its first index value to its last.
    #[must_use]
    pub fn span(&self) -> Interval {
        Interval::closed(&self.first, &self.last)
    }

    /// Least and greatest value of a column, where the index knows them: index columns.
    #[must_use]
    pub fn bounds(&self, schema: &Schema, column: usize) -> Option<(Value, Value)> {
        let at = schema.index().iter().position(|&i| i == column)?;
        if at == 0 {
            let first = |key: &[u8]| key::decode(schema, key).map(|values| values.into_iter().next());
            return Some((first(&self.first)??, first(&self.last)??));
        }
        let (least, greatest) = self.chunks.get(column)?.range.as_ref()?;
        let alone = Schema::new(vec![schema.columns()[column].clone()]).ok()?;
        let only = |key: &[u8]| key::decode(&alone, key).map(|values| values.into_iter().next());
        Some((only(least)??, only(greatest)??))
    }
}

impl Leaf for Segment {
    const HEAD_ONLY: bool = false;
    const UNIQUE: bool = false;

    fn sums(&self) -> Sums {
        let ranges = self.chunks.iter().filter_map(|c| c.range.as_ref());
        let keys = self.first.len() + self.last.len() + ranges.map(|(a, b)| a.len() + b.len()).sum::<usize>();
        Sums {
            segments: 1,
            rows: self.rows,
            pages: self.chunks.iter().map(|c| c.layout.len).sum(),
            csv: self.chunks.iter().map(|c| c.csv_len).sum(),
            keys: keys as u64,
            ..Sums::default()
        }
    }

    fn span(&self) -> (&[u8], &[u8]) {
        (&self.first, &self.last)
    }

    fn read_leaf(
        bundles: &Bundles,
        head: &mut Reader<'_>,
        _body: &mut Reader<'_>,
    ) -> Result<Vec<Segment>, Damaged> {
        read_list(bundles, head)
    }
}

impl Item for Segment {
    fn weight(&self) -> usize {
        16 + self.first.len() + self.chunks.len() * 40
    }

    fn write_leaf(items: &[Segment], bundles: &mut Bundles, head: &mut Writer, _body: &mut Writer) {
        write_list(items, bundles, head);
    }
}

/// Bytes of a segment in a list, at least: rows and two keys.
const LEAST_SEGMENT: usize = 1 + 4;

/// Bytes of a chunk in a list, at least: layout, bytes of CSV, no range, a place in a group.
const LEAST_CHUNK: usize = 5 + 1 + 1 + (1 + 4 + 1 + 16);

/// Appends a list of segments, a field at a time, since like fields compress together.
pub fn write_list(segments: &[Segment], bundles: &mut Bundles, out: &mut Writer) {
    out.size(segments.len());
    let Some(first) = segments.first() else { return };
    let columns = first.chunks.len();
    out.size(columns);
    let mut previous: &[u8] = &[];
    for segment in segments {
        out.uint(segment.rows);
        out.after(previous, &segment.first);
        out.after(&segment.first, &segment.last);
        previous = &segment.last;
    }
    for column in 0..columns {
        let chunks = || segments.iter().map(|s| &s.chunks[column]);
        chunks().for_each(|c| c.layout.write(out));
        chunks().for_each(|c| out.uint(c.csv_len));
        chunks().for_each(|c| match &c.range {
            None => out.uint(0),
            Some((least, greatest)) => {
                out.uint(1);
                out.string(least);
                out.string(greatest);
            }
        });
        chunks().for_each(|c| write_place(c, bundles, out));
    }
}

fn write_place(chunk: &ChunkRef, bundles: &mut Bundles, out: &mut Writer) {
    match chunk.place {
        Place::Object(digest) => {
            out.uint(0);
            out.raw(digest.as_bytes());
        }
        Place::Member(spot, offset) => {
            out.uint(1);
            bundles.write_spot(&spot, out);
            out.uint(offset);
            out.raw(chunk.check.as_bytes());
        }
        // `Laid::resolve` comes before every encoding; a staged place here would be read as damage.
        Place::Staged(_) => out.uint(2),
    }
}

fn read_place(bundles: &Bundles, input: &mut Reader<'_>) -> Result<(Place, Check), Damaged> {
    match input.uint()? {
        0 => {
            let digest = Digest::from_bytes(input.array()?);
            Ok((Place::Object(digest), Check::from(digest)))
        }
        1 => {
            let place = Place::Member(bundles.read_spot(input)?, input.uint()?);
            Ok((place, Check::from_bytes(input.array()?)))
        }
        _ => Err(input.damaged()),
    }
}

/// Reads what [`write_list`] wrote.
pub fn read_list(bundles: &Bundles, input: &mut Reader<'_>) -> Result<Vec<Segment>, Damaged> {
    let mut counts = input.clone();
    if counts.size()? == 0 {
        *input = counts;
        return Ok(Vec::new());
    }
    let columns = counts.size()?;
    if columns == 0 || columns > MOST_COLUMNS {
        return Err(input.damaged());
    }
    let count = input.count_of(LEAST_SEGMENT + columns * LEAST_CHUNK)?;
    input.size()?;
    let mut segments: Vec<Segment> = Vec::with_capacity(count);
    for _ in 0..count {
        let rows = input.uint()?;
        if !(1..=MOST_ROWS).contains(&rows) {
            return Err(input.damaged());
        }
        let first = input.after(segments.last().map_or(&[], |s| s.last.as_slice()))?;
        let last = input.after(&first)?;
        segments.push(Segment { rows, first, last, chunks: Vec::with_capacity(columns) });
    }
    for _ in 0..columns {
        let layouts = segments.iter().map(|s| Layout::read(input, s.rows)).collect::<Result<Vec<_>, _>>()?;
        let lens = (0..count).map(|_| read_csv_len(input)).collect::<Result<Vec<_>, _>>()?;
        let ranges = (0..count).map(|_| read_range(input)).collect::<Result<Vec<_>, _>>()?;
        for (((segment, layout), csv_len), range) in segments.iter_mut().zip(layouts).zip(lens).zip(ranges) {
            let (place, check) = read_place(bundles, input)?;
            segment.chunks.push(ChunkRef { place, check, layout, csv_len, range });
        }
    }
    Ok(segments)
}

fn read_csv_len(input: &mut Reader<'_>) -> Result<u64, Damaged> {
    let len = input.uint()?;
    if len > MOST_TEXT { Err(input.damaged()) } else { Ok(len) }
}

fn read_range(input: &mut Reader<'_>) -> Result<Option<(Key, Key)>, Damaged> {
    match input.uint()? {
        0 => Ok(None),
        _ => Ok(Some((input.string()?.to_vec(), input.string()?.to_vec()))),
    }
}
