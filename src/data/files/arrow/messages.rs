//! The messages of an Arrow IPC file or stream, checked before the reader sees them.
//!
//! Of arrow-ipc 60.1: places and lengths of buffers are asserted, blocks and unpacked buffers are given the memory that
//! they claim, and a batch whose header tells of none ends the file silently. Here, all of that is an error.

use crate::data::files::claim;
use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, MessageHeader, MetadataVersion};
use arrow_schema::{ArrowError, SchemaRef};
use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

/// How an Arrow IPC file starts and ends; a stream starts otherwise.
const MAGIC: &[u8] = b"ARROW1";

/// Bytes of the end that tells where the footer is.
const TAIL: usize = 10;

/// What stands before the length of a message, since format 0.15.
const MARKER: [u8; 4] = [0xff; 4];

type Result<T> = std::result::Result<T, ArrowError>;

fn damaged<T>(message: impl Into<String>) -> Result<T> {
    Err(ArrowError::IpcError(message.into()))
}

/// The batches of a file or a stream, in turn.
pub(super) struct Messages<R> {
    input: R,
    len: u64,
    schema: SchemaRef,
    version: MetadataVersion,
    /// None until the columns that are read are known.
    decoder: Option<FileDecoder>,
    way: Way,
}

/// Where the next message is.
enum Way {
    /// In the blocks that the footer of a file names: dictionaries first.
    File(VecDeque<Block>),
    /// Behind the one before.
    Stream(u64),
}

impl<R: Read + Seek> Messages<R> {
    /// Reads what a file or a stream says of its columns.
    pub(super) fn open(mut input: R) -> Result<Messages<R>> {
        let len = input.seek(SeekFrom::End(0))?;
        let mut start = Vec::with_capacity(MAGIC.len());
        input.rewind()?;
        Read::by_ref(&mut input).take(MAGIC.len() as u64).read_to_end(&mut start)?;
        if start == MAGIC { Messages::file(input, len) } else { Messages::stream(input, len) }
    }

    fn file(mut input: R, len: u64) -> Result<Messages<R>> {
        let least = (MAGIC.len() + TAIL) as u64;
        let Some(room) = len.checked_sub(least) else { return damaged(format!("{len} bytes are too few")) };
        let tail = bytes(&mut input, len - TAIL as u64, TAIL)?;
        let tail = tail.as_slice().try_into().map_err(|e| ArrowError::IpcError(format!("{e}")))?;
        let footer = read_footer_length(tail)?;
        if footer as u64 > room {
            return damaged(format!("its footer would have {footer} bytes, the file has {len}"));
        }
        let end = len - TAIL as u64 - footer as u64;
        let footer = bytes(&mut input, end, footer)?;
        let footer = arrow_ipc::root_as_footer(&footer).or_else(|e| damaged(format!("its footer: {e}")))?;
        let (Some(schema), Some(batches)) = (footer.schema(), footer.recordBatches()) else {
            return damaged("its footer names no columns or no batches");
        };
        let dictionaries = footer.dictionaries().into_iter().flatten();
        let blocks: VecDeque<Block> = dictionaries.chain(batches).copied().collect();
        Ok(Messages {
            schema: columns(schema)?,
            version: footer.version(),
            decoder: None,
            way: Way::File(blocks),
            // What the footer names lies before it.
            len: end,
            input,
        })
    }

    fn stream(mut input: R, len: u64) -> Result<Messages<R>> {
        let Some((meta, at)) = header(&mut input, 0, len)? else { return damaged("it is empty") };
        let message = message(&meta)?;
        let Some(schema) = message.header_as_schema() else {
            return damaged("it does not begin with its columns");
        };
        let Some(at) = length(message.bodyLength()).and_then(|body| at.checked_add(body)) else {
            return damaged("its first message has no length");
        };
        let (schema, version) = (columns(schema)?, message.version());
        Ok(Messages { schema, version, decoder: None, way: Way::Stream(at), len, input })
    }

    /// All columns.
    pub(super) const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The same, whose batches have only the columns at these places.
    pub(super) fn only(mut self, places: Vec<usize>) -> Messages<R> {
        let decoder = FileDecoder::new(Arc::clone(&self.schema), self.version);
        self.decoder = Some(decoder.with_projection(places));
        self
    }

    /// The next batch.
    pub(super) fn batch(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(block) = self.block()? {
            let start = u64::try_from(block.offset()).unwrap_or(0);
            let meta = usize::try_from(block.metaDataLength()).unwrap_or(0);
            let whole = meta + usize::try_from(block.bodyLength()).unwrap_or(0);
            let whole = bytes(&mut self.input, start, whole)?;
            let head = match whole[..4] == MARKER {
                true => &whole[8..meta],
                false => &whole[4..meta],
            };
            let message = message(head)?;
            check(&message, &whole[meta..])?;
            let Some(decoder) = &mut self.decoder else { return Ok(None) };
            if message.header_type() == MessageHeader::DictionaryBatch {
                decoder.read_dictionary(&block, &whole)?;
                continue;
            }
            return match decoder.read_record_batch(&block, &whole)? {
                Some(batch) => Ok(Some(batch)),
                None => damaged("a batch of it is none"),
            };
        }
        Ok(None)
    }

    /// The next message, which lies in the file.
    fn block(&mut self) -> Result<Option<Block>> {
        match &mut self.way {
            Way::File(blocks) => {
                let Some(block) = blocks.pop_front() else { return Ok(None) };
                let parts =
                    (length(block.offset()), length(block.metaDataLength()), length(block.bodyLength()));
                let (Some(start), Some(meta @ 8..), Some(body)) = parts else {
                    return damaged("its footer names a batch of no length");
                };
                let end = start.checked_add(meta).and_then(|end| end.checked_add(body));
                match end.is_some_and(|end| end <= self.len) {
                    true => Ok(Some(block)),
                    false => damaged("its footer names a batch that does not lie in it"),
                }
            }
            Way::Stream(at) => {
                let start = *at;
                let Some((meta, end)) = header(&mut self.input, start, self.len)? else { return Ok(None) };
                let body = message(&meta)?.bodyLength();
                let whole = length(body).and_then(|body| end.checked_add(body));
                let Some(next) = whole.filter(|next| *next <= self.len) else {
                    return damaged(format!("it ends within a batch of {body} bytes"));
                };
                *at = next;
                let meta = i32::try_from(end - start).or_else(|e| damaged(e.to_string()))?;
                let start = i64::try_from(start).or_else(|e| damaged(e.to_string()))?;
                Ok(Some(Block::new(start, meta, body)))
            }
        }
    }
}

/// Bytes at a place that is known to lie in the file.
fn bytes(input: &mut (impl Read + Seek), at: u64, count: usize) -> Result<Buffer> {
    let mut bytes =
        MutableBuffer::try_from_len_zeroed(count).map_err(|e| ArrowError::MemoryError(e.to_string()))?;
    input.seek(SeekFrom::Start(at))?;
    input.read_exact(bytes.as_slice_mut())?;
    Ok(bytes.into())
}

/// The header of a stream's message at a place, and where that ends; none at the end of the stream.
fn header(input: &mut (impl Read + Seek), at: u64, len: u64) -> Result<Option<(Buffer, u64)>> {
    if at == len {
        // Writers may leave out the mark of the end.
        return Ok(None);
    }
    let word = |input: &mut _, at: u64| -> Result<[u8; 4]> {
        if len.saturating_sub(at) < 4 {
            return damaged("it ends within a message");
        }
        let word = bytes(input, at, 4)?;
        word.as_slice().try_into().or_else(|e: std::array::TryFromSliceError| damaged(e.to_string()))
    };
    let mut start = at + 4;
    let mut count = word(input, at)?;
    if count == MARKER {
        count = word(input, start)?;
        start += 4;
    }
    let count = i32::from_le_bytes(count);
    if count == 0 {
        return Ok(None);
    }
    let end = length(count).and_then(|count| start.checked_add(count)).filter(|end| *end <= len);
    let (Some(end), Ok(count)) = (end, usize::try_from(count)) else {
        return damaged("it ends within a message");
    };
    Ok(Some((bytes(input, start, count)?, end)))
}

fn message(head: &[u8]) -> Result<arrow_ipc::Message<'_>> {
    arrow_ipc::root_as_message(head).or_else(|e| damaged(format!("a message of it: {e}")))
}

fn columns(schema: arrow_ipc::Schema<'_>) -> Result<SchemaRef> {
    if !schema.endianness().equals_to_target_endianness() {
        return damaged("its numbers have the bytes in the order of another machine");
    }
    Ok(Arc::new(try_fb_to_schema(schema)?))
}

fn length(length: impl Into<i64>) -> Option<u64> {
    u64::try_from(length.into()).ok()
}

/// Fails if a batch has lengths or places that cannot be: its reader trusts them.
fn check(message: &arrow_ipc::Message<'_>, body: &[u8]) -> Result<()> {
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|d| d.data()),
        other => return damaged(format!("a message of it is {other:?}, expected rows")),
    };
    let Some(batch) = batch else { return damaged("a message of it has no rows") };
    let nodes = batch.nodes().into_iter().flatten();
    let mut counts = nodes.map(|node| (length(node.length()), length(node.null_count())));
    if length(batch.length()).is_none()
        || counts.any(|(all, nulls)| all.is_none() || nulls > all || nulls.is_none())
    {
        return damaged("a batch of it has fewer rows than none, or fewer than nulls");
    }
    let mut claimed = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let start = usize::try_from(buffer.offset()).ok();
        let end = start.zip(usize::try_from(buffer.length()).ok()).and_then(|(a, b)| a.checked_add(b));
        let Some(bytes) = start.zip(end).and_then(|(start, end)| body.get(start..end)) else {
            return damaged("values of a batch do not lie in it");
        };
        if batch.compression().is_some() && !bytes.is_empty() {
            let raw = bytes.first_chunk().map(|raw| i64::from_le_bytes(*raw));
            claimed = match raw {
                // These are not compressed.
                Some(-1) => claimed,
                Some(raw @ 0..) => claimed.saturating_add(raw.unsigned_abs()),
                _ => return damaged("compressed values of a batch have no length"),
            };
        }
    }
    claim(claimed, body.len() as u64).or_else(damaged)
}
