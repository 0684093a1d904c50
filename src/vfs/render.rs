//! The bytes of live files: CSV text and stitched Parquet, by range, within a fixed memory.
//!
//! Every length and offset follows from sums of the index; what is read of chunks is checked on its way. Parts are
//! made once, kept in one cache by what they are made of, and shared by files and revisions that have them in
//! common. Threads of `rayon` never wait for a part: who makes one may be waiting for them.

mod ahead;
mod buffer;
mod cache;
mod content;
mod footer;
mod leaf;
mod part;
mod text;
mod thrift;

pub use cache::Counters;
pub use content::Content;

use crate::data::csv;
use crate::data::schema::Schema;
use crate::digest::Digest;
use crate::history::entry::Segments;
use crate::history::tree::Sums;
use crate::series::RowsError;
use crate::store::View;
use ahead::Ahead;
use buffer::Buffers;
use cache::Cache;
use std::sync::Arc;

/// The rows of one series at one revision.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where its bytes are read.
    pub view: View,
    /// Its columns.
    pub schema: Arc<Schema>,
    /// Its rows.
    pub segments: Segments,
}

impl Source {
    /// Digests what its files are made of: names, types, and chunks in their order. Equal ones show the same bytes.
    #[must_use]
    pub fn identity(&self) -> Digest {
        let mut id = self.schema.to_string().into_bytes();
        match &self.segments {
            Segments::Many(tree) => {
                id.push(1);
                id.extend_from_slice(tree.root.node.check.as_bytes());
            }
            Segments::Few(list) => {
                id.push(0);
                for segment in list {
                    id.extend_from_slice(&segment.rows.to_le_bytes());
                    segment.chunks.iter().for_each(|chunk| id.extend_from_slice(chunk.check.as_bytes()));
                }
            }
        }
        Digest::of(&id)
    }

    /// Digests where those chunks are read: a commit may move them without another change.
    #[must_use]
    pub fn places(&self) -> Digest {
        let mut id = Vec::new();
        match &self.segments {
            Segments::Many(tree) => tree.root.node.spot.identify(&mut id),
            Segments::Few(list) => {
                let chunks = list.iter().flat_map(|segment| &segment.chunks);
                chunks.for_each(|chunk| chunk.place.identify(&mut id));
            }
        }
        Digest::of(&id)
    }
}

/// A form in which rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text, a header line and a line a row.
    Csv,
    /// One Parquet file, stitched from the chunks of the store.
    Parquet,
}

impl Format {
    /// How names of such files end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Parquet => "parquet",
        }
    }

    /// The exact length in bytes of a file of rows that add up to `sums`.
    #[must_use]
    pub fn size(self, schema: &Schema, sums: &Sums) -> u64 {
        match self {
            Format::Csv => header(schema).len() as u64 + text::len(schema, sums),
            Format::Parquet => {
                footer::MAGIC.len() as u64 + sums.pages + footer::most_bytes(schema, sums) + footer::END
            }
        }
    }
}

fn header(schema: &Schema) -> Vec<u8> {
    csv::header(schema.columns().iter().map(|column| column.name.as_str()))
}

/// What all files of a mount share: the cache of chunks and of rendered text, the threads that read ahead.
///
/// ```
/// use lakota::data::schema::Schema;
/// use lakota::history::entry::Segments;
/// use lakota::vfs::render::{Format, Renderer, Source};
/// # use lakota::backend::memory::MemoryBackend;
/// # use lakota::store::{Store, View};
/// # use std::sync::Arc;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let view = View::new(Arc::new(Store::new(Arc::new(MemoryBackend::new()))));
/// let schema = Arc::new(Schema::parse(["timestamp timestamp*", "value float"])?);
/// let source = Source { view, schema, segments: Segments::Few(Vec::new()) };
/// let content = Renderer::new(64 << 20).open(source, Format::Csv)?;
/// assert_eq!(content.size(), 16);
/// assert_eq!(content.read(0, 100)?, "timestamp,value\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Renderer {
    cache: Cache,
    ahead: Ahead,
    buffers: Buffers,
    window: u64,
}

impl Renderer {
    /// Keeps at most `cache` bytes in memory, or one part of a file where that is longer.
    #[must_use]
    pub fn new(cache: u64) -> Arc<Renderer> {
        Arc::new(Renderer {
            cache: Cache::new(cache),
            ahead: Ahead::default(),
            buffers: Buffers::default(),
            window: ahead::window(cache),
        })
    }

    /// Bytes kept now.
    #[must_use]
    pub fn cached(&self) -> u64 {
        self.counters().kept
    }

    /// Gives up what is kept: most of it is of revisions that are gone.
    pub fn clear(&self) {
        self.cache.clear();
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.cache.counters()
    }

    /// Opens the file of a source. Reads no chunk.
    pub fn open(self: &Arc<Renderer>, source: Source, format: Format) -> Result<Content, RowsError> {
        Ok(Content::new(Arc::clone(self), source, format))
    }
}
