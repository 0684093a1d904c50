//! Pages of which the reader unpacks all there is, whatever their header claims: of parquet 60.1 those of gzip, of Brotli
//! and of the older LZ4. Others are unpacked into memory of the size that is claimed.
//!
//! They are unpacked here first, into a small buffer, and only counted.

use parquet::basic::Compression;
use std::io::Read;

/// Bytes that a page may unpack to without being counted.
const FREE: u64 = 64 << 20;

/// Bytes that are unpacked at a time.
const PIECE: usize = 64 << 10;

/// A packing whose reader knows no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Brotli,
    /// The one whose pages may be frames.
    Lz4,
}

impl Packing {
    pub(super) const fn of(compression: Compression) -> Option<Packing> {
        match compression {
            Compression::GZIP(_) => Some(Packing::Gzip),
            Compression::BROTLI(_) => Some(Packing::Brotli),
            Compression::LZ4 => Some(Packing::Lz4),
            _ => None,
        }
    }

    /// No `packed` bytes unpack to much more than `raw`, so that they need not be counted.
    pub(super) const fn is_within(self, raw: u64, packed: u64) -> bool {
        let times = match self {
            Packing::Gzip => 1032,
            Packing::Lz4 => 255,
            Packing::Brotli => return false,
        };
        let most = if raw > FREE { raw } else { FREE };
        packed.saturating_mul(times) <= most
    }

    /// True if bytes unpack to more than `raw` of them. What cannot be unpacked is left to the reader, which says why.
    pub(super) fn exceeds(self, packed: &[u8], raw: u64) -> bool {
        match self {
            Packing::Gzip => counted(flate2::read::MultiGzDecoder::new(packed), raw),
            Packing::Brotli => counted(brotli_decompressor::Decompressor::new(packed, PIECE), raw),
            Packing::Lz4 => counted(lz4_flex::frame::FrameDecoder::new(packed), raw),
        }
    }
}

/// True if `unpacked` has more than `raw` bytes.
fn counted(mut unpacked: impl Read, raw: u64) -> bool {
    let mut piece = vec![0; PIECE];
    let mut count = 0;
    while let Ok(more @ 1..) = unpacked.read(&mut piece) {
        count += more as u64;
        if count > raw {
            return true;
        }
    }
    false
}
