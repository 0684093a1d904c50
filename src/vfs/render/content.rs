//! An open file: which part holds an offset, and the bytes of parts.
//!
//! A file is a front (header line, magic number), the units of its segments in order, and for Parquet an end (gap
//! and footer). Offsets of units are sums of the index, found by descending its tree.

use super::ahead::Flow;
use super::cache::{Item, Key};
use super::leaf::{Leaf, Unit};
use super::{Format, Renderer, Source, footer, header, part, text};
use crate::digest::Check;
use crate::history::segment::ChunkRef;
use crate::history::tree::{Leaf as _, Sums};
use crate::series::RowsError;
use crate::store::place::Place;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// Segments whose text is shorter together are rendered as one.
const UNIT_TEXT: u64 = 256 << 10;

/// About how many bytes of memory an item takes beside its own.
const ITEM: u64 = 512;

/// An open file: immutable, shared by all its readers.
#[derive(Debug)]
pub struct Content {
    file: Arc<File>,
}

#[derive(Debug)]
struct File {
    renderer: Arc<Renderer>,
    source: Source,
    format: Format,
    /// Digests what the file is made of.
    id: Check,
    front: Bytes,
    /// Where the segments end.
    body_end: u64,
    size: u64,
    /// Where the last read was: most reads go on there. The cache owns it.
    leaf: Mutex<Weak<Leaf>>,
    flow: Mutex<Flow>,
}

impl Content {
    pub(super) fn new(renderer: Arc<Renderer>, source: Source, format: Format) -> Content {
        let sums = source.segments.sums();
        let front = match format {
            Format::Csv => Bytes::from(header(&source.schema)),
            Format::Parquet => Bytes::from_static(footer::MAGIC),
        };
        let body_end = front.len() as u64 + measure(&source, format, &sums);
        let size = format.size(&source.schema, &sums);
        let id = Check::of(
            &[format.extension().as_bytes(), source.identity().as_bytes(), source.places().as_bytes()]
                .concat(),
        );
        let (leaf, flow) = (Mutex::default(), Mutex::default());
        Content { file: Arc::new(File { renderer, source, format, id, front, body_end, size, leaf, flow }) }
    }

    /// Its length in bytes: what [`Format::size`] says.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.file.size
    }

    /// Bytes from `offset`: `len` of them, fewer only at the end of the file.
    pub fn read(&self, offset: u64, len: usize) -> Result<Bytes, RowsError> {
        let file = &self.file;
        let end = file.size.min(offset.saturating_add(len as u64));
        if offset >= end {
            return Ok(Bytes::new());
        }
        let mut parts = Vec::new();
        let mut at = offset;
        while at < end {
            let before = parts.len();
            file.push(at, end, &mut parts)?;
            let pushed = parts[before..].iter().map(|part: &Bytes| part.len() as u64).sum::<u64>();
            if pushed == 0 {
                return Err(text::nothing(at));
            }
            at += pushed;
        }
        file.read_ahead(offset, end);
        if let [one] = parts.as_slice() {
            return Ok(one.clone());
        }
        let mut whole = file.renderer.buffers.take((end - offset) as usize);
        parts.iter().for_each(|part| whole.extend_from_slice(part));
        Ok(file.renderer.buffers.share(whole).0)
    }
}

/// Bytes of segments that add up to `sums`.
fn measure(source: &Source, format: Format, sums: &Sums) -> u64 {
    match format {
        Format::Csv => text::len(&source.schema, sums),
        Format::Parquet => sums.pages,
    }
}

impl File {
    /// Adds the bytes from `at`, up to `end` or to the end of the part that holds `at`.
    fn push(&self, at: u64, end: u64, parts: &mut Vec<Bytes>) -> Result<(), RowsError> {
        if at < self.front.len() as u64 {
            slice(&self.front, 0, at, end, parts);
            return Ok(());
        }
        if at >= self.body_end {
            slice(&self.tail()?, self.body_end, at, end, parts);
            return Ok(());
        }
        let unit = self.unit(at)?;
        let mut start = unit.start();
        match self.format {
            Format::Csv => {
                if let Some((from, part)) = self.part(&unit, at)? {
                    slice(&part, from, at, end, parts);
                    return Ok(());
                }
                for piece in self.text(&unit)?.iter() {
                    slice(piece, start, at, end, parts);
                    start += piece.len() as u64;
                }
            }
            Format::Parquet => {
                for chunk in unit.segments().iter().flat_map(|segment| &segment.chunks) {
                    if start < end && start + chunk.layout.len > at {
                        slice(&self.pages(chunk)?, start, at, end, parts);
                    }
                    start += chunk.layout.len;
                }
            }
        }
        Ok(())
    }

    /// The unit at an offset of the body.
    fn unit(&self, at: u64) -> Result<Unit, RowsError> {
        let hint = self.leaf.lock().upgrade();
        if let Some(unit) = hint.and_then(|leaf| leaf.unit(at)) {
            return Ok(unit);
        }
        let leaf = self.find(at)?;
        *self.leaf.lock() = Arc::downgrade(&leaf);
        leaf.unit(at).ok_or_else(|| text::nothing(at))
    }

    fn find(&self, at: u64) -> Result<Arc<Leaf>, RowsError> {
        let front = self.front.len() as u64;
        let measure = |sums: &Sums| measure(&self.source, self.format, sums);
        let found = self.source.segments.around(&self.source.view, at - front, measure)?;
        let (before, segments) = found.ok_or_else(|| text::nothing(at))?;
        let made = self.renderer.cache.get::<RowsError>(Key::Leaf(self.id, before.segments), || {
            let joined = if self.format == Format::Csv { UNIT_TEXT } else { 0 };
            let start = front + measure(&before);
            let leaf = Leaf::new(start, segments, |segment| measure(&segment.sums()), joined);
            let memory = ITEM + leaf.memory;
            Ok((Item::Leaf(Arc::new(leaf)), memory))
        })?;
        match made {
            Item::Leaf(leaf) => Ok(leaf),
            _ => Err(text::nothing(at)),
        }
    }

    /// A part of a unit for a reader who jumps; none where the whole is there or will be wanted.
    fn part(&self, unit: &Unit, at: u64) -> Result<Option<(u64, Bytes)>, RowsError> {
        let [segment] = unit.segments() else { return Ok(None) };
        let id = text::identity(&self.source.schema, unit.segments());
        let cache = &self.renderer.cache;
        if !part::has_parts(segment) || !self.flow.lock().jumps(at) || cache.has(Key::Text(id)) {
            return Ok(None);
        }
        let (from, bytes) = part::around(cache, &self.source, segment, id, at - unit.start())?;
        Ok(Some((unit.start() + from, bytes)))
    }

    fn text(&self, unit: &Unit) -> Result<Arc<Vec<Bytes>>, RowsError> {
        let (source, renderer) = (&self.source, &self.renderer);
        let key = Key::Text(text::identity(&source.schema, unit.segments()));
        let made = renderer.cache.get(key, || {
            let pieces = text::render(&source.view, &source.schema, unit.segments(), &renderer.buffers)?;
            let (pieces, memory): (Vec<Bytes>, Vec<u64>) = pieces.into_iter().unzip();
            Ok::<_, RowsError>((Item::Text(Arc::new(pieces)), ITEM + memory.iter().sum::<u64>()))
        })?;
        match made {
            Item::Text(pieces) => Ok(pieces),
            _ => Err(RowsError::Index("text is kept as something else".to_owned())),
        }
    }

    fn pages(&self, chunk: &ChunkRef) -> Result<Bytes, RowsError> {
        let len = chunk.layout.len;
        let read = || self.source.view.pages(&chunk.place, len, chunk.check);
        // Bundles' groups are kept by the store.
        let Place::Object(_) = chunk.place else { return Ok(read()?) };
        self.bytes(Key::Pages(chunk.check), || Ok(read()?))
    }

    /// The gap, the footer and what stands behind it.
    fn tail(&self) -> Result<Bytes, RowsError> {
        self.bytes(Key::Footer(self.id), || {
            let footer = footer::write(&self.source.schema, &self.source.view, &self.source.segments)?;
            let mut out = vec![0; (self.size - self.body_end - footer::END) as usize - footer.len()];
            out.reserve_exact(footer.len() + footer::END as usize);
            out.extend_from_slice(&footer);
            out.extend_from_slice(&(footer.len() as u32).to_le_bytes());
            out.extend_from_slice(footer::MAGIC);
            Ok(Bytes::from(out))
        })
    }

    fn bytes(&self, key: Key, make: impl FnOnce() -> Result<Bytes, RowsError>) -> Result<Bytes, RowsError> {
        let made = self.renderer.cache.get(key, || {
            let bytes = make()?;
            let len = bytes.len() as u64;
            Ok::<_, RowsError>((Item::Bytes(bytes), ITEM + len))
        })?;
        match made {
            Item::Bytes(bytes) => Ok(bytes),
            _ => Err(RowsError::Index("bytes are kept as something else".to_owned())),
        }
    }

    /// Has the next parts prepared where a reader goes through the file.
    fn read_ahead(self: &Arc<File>, offset: u64, end: u64) {
        let window = self.renderer.window;
        if window > 0 && end < self.body_end && self.flow.lock().saw(offset, end - offset, window) {
            let worker = Worker(Arc::downgrade(self));
            self.renderer.ahead.run(Box::new(move || worker.work()));
        }
    }

    /// Prepares the next part; false where nothing is left to do.
    fn prepare(&self) -> Result<bool, RowsError> {
        let window = self.renderer.window;
        let Some(start) = self.flow.lock().next(window).filter(|&start| start < self.body_end) else {
            return Ok(false);
        };
        let unit = self.unit(start.max(self.front.len() as u64))?;
        // A part that would drive most others out of the cache is made when it is asked for.
        if (unit.end() - unit.start()) > self.renderer.counters().limit / 4 {
            return Ok(false);
        }
        if !self.flow.lock().take(start, unit.end()) {
            return Ok(true);
        }
        match self.format {
            Format::Csv => {
                let key = Key::Text(text::identity(&self.source.schema, unit.segments()));
                if !self.renderer.cache.has(key) {
                    self.renderer.cache.count_ahead();
                    self.text(&unit)?;
                }
            }
            Format::Parquet => {
                for chunk in unit.segments().iter().flat_map(|segment| &segment.chunks) {
                    if matches!(chunk.place, Place::Object(_))
                        && !self.renderer.cache.has(Key::Pages(chunk.check))
                    {
                        self.renderer.cache.count_ahead();
                        self.pages(chunk)?;
                    }
                }
            }
        }
        Ok(true)
    }
}

/// A thread's errand for a file that may be closed meanwhile.
struct Worker(Weak<File>);

impl Worker {
    fn work(&self) {
        loop {
            let Some(file) = self.0.upgrade() else { return };
            match file.prepare() {
                Ok(true) => {}
                Ok(false) => return,
                // Who reads there meets it again, and is told.
                Err(e) => return log::debug!("cannot read ahead: {e}"),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(file) = self.0.upgrade() {
            file.flow.lock().done();
        }
    }
}

/// Adds what of `bytes`, which start at `start` of the file, lies from `at` to `end`.
fn slice(bytes: &Bytes, start: u64, at: u64, end: u64, parts: &mut Vec<Bytes>) {
    let from = at.saturating_sub(start).min(bytes.len() as u64) as usize;
    let to = end.saturating_sub(start).min(bytes.len() as u64) as usize;
    if from < to {
        parts.push(bytes.slice(from..to));
    }
}
