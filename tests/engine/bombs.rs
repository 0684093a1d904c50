//! Parquet files of a page that claims a hundred bytes and unpacks to a gibibyte: refused, in little memory.

use super::bounded;
use lakota::data::files::parquet;
use lakota::data::schema::Schema;
use std::io::{Read, Write};

/// What the page claims, and what it unpacks to.
const CLAIMED: u64 = 100;
const UNPACKED: u64 = 1 << 30;

/// Memory that the process may have, and that it takes at most, in MiB: the bomb of snappy, packed, is in it three times.
const MEMORY: u64 = 768 << 20;
const PEAK: u64 = 256;

fn zeros() -> impl Read {
    std::io::repeat(0).take(UNPACKED)
}

fn gzip() -> Vec<u8> {
    // Members behind each other are one.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&[0; 16 << 20]).unwrap();
    packer.finish().unwrap().repeat((UNPACKED >> 24) as usize)
}

fn brotli() -> Vec<u8> {
    let mut packed = Vec::new();
    let mut packer = brotli::CompressorWriter::new(&mut packed, 1 << 16, 3, 22);
    std::io::copy(&mut zeros(), &mut packer).unwrap();
    drop(packer);
    packed
}

/// A frame, which readers of the older LZ4 take too.
fn lz4_frame() -> Vec<u8> {
    let mut packer = lz4_flex::frame::FrameEncoder::new(Vec::new());
    std::io::copy(&mut zeros(), &mut packer).unwrap();
    packer.finish().unwrap()
}

/// A block of one match: how far back is 1, how long is told by bytes of 255.
fn lz4_block() -> Vec<u8> {
    let mut packed = vec![0x1f, 0, 1, 0];
    packed.resize(packed.len() + (UNPACKED / 255) as usize, 255);
    // A block ends with literals.
    packed.extend([0, 0x50, 0, 0, 0, 0, 0]);
    packed
}

/// Frames behind each other are one.
fn zstd() -> Vec<u8> {
    zstd::bulk::compress(&vec![0; 16 << 20], 1).unwrap().repeat((UNPACKED >> 24) as usize)
}

/// The length, then a literal and matches of 64 bytes, each of three.
fn snappy() -> Vec<u8> {
    let mut packed = vec![0x80, 0x80, 0x80, 0x80, 4, 0, 0];
    packed.extend([0xfe, 1, 0].repeat((UNPACKED / 64) as usize));
    packed
}

/// A number as Thrift's compact protocol has it.
fn int(value: u64) -> Vec<u8> {
    let (mut left, mut bytes) = (value << 1, Vec::new());
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A file of a column `t int`, of one page; codecs have the numbers of the format.
fn file(codec: u64, packed: &[u8], second: bool) -> Vec<u8> {
    let mut file = b"PAR1".to_vec();
    let kind = if second { 3 } else { 0 };
    // Kind, sizes unpacked and packed.
    for number in [kind, CLAIMED, packed.len() as u64] {
        file.push(0x15);
        file.extend(int(number));
    }
    match second {
        // Values, nulls, rows, encoding, lengths of both kinds of levels.
        true => file.extend([0x5c, 0x15, 24, 0x15, 0, 0x15, 24, 0x15, 0, 0x15, 0, 0x15, 0, 0, 0]),
        // Values, encodings of values and of both kinds of levels.
        false => file.extend([0x2c, 0x15, 24, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]),
    }
    file.extend(packed);
    let size = file.len() as u64 - 4;
    // The version, the root of one column, and that column: 64 bits, required.
    let mut footer = vec![0x15, 4, 0x19, 0x2c, 0x48, 1, b'm', 0x15, 2, 0];
    footer.extend([0x15, 4, 0x25, 0, 0x18, 1, b't', 0]);
    // Rows; a group of a chunk: where it is, type, encodings, path, codec, values, sizes, place of the page.
    footer.extend([
        0x16, 24, 0x19, 0x1c, 0x19, 0x1c, 0x26, 8, 0x1c, 0x15, 4, 0x19, 0x15, 0, 0x19, 0x18, 1, b't', 0x15,
    ]);
    footer.extend(int(codec));
    footer.extend([0x16, 24, 0x16]);
    footer.extend(int(CLAIMED));
    footer.push(0x16);
    footer.extend(int(size));
    footer.extend([0x26, 8, 0, 0, 0x16]);
    footer.extend(int(size));
    footer.extend([0x16, 24, 0, 0]);
    file.extend(&footer);
    file.extend((footer.len() as u32).to_le_bytes());
    file.extend(b"PAR1");
    file
}

/// What is said of a file.
fn refused(name: &str, file: &[u8]) -> String {
    let schema = Schema::parse_text("t int*").unwrap();
    let said = parquet::drain(file, &schema).unwrap_err().to_string();
    assert!(said.starts_with("not a readable Parquet file: ") && !said.contains('\n'), "{name}: {said}");
    assert!(!said.contains("Parquet error"), "{name}: {said}");
    said
}

fn bomb(name: &str, codec: u64, make: fn() -> Vec<u8>) {
    let within = || {
        let packed = make();
        for second in [false, true] {
            let said = refused(name, &file(codec, &packed, second));
            println!("{name}, {} bytes: {said}", packed.len());
            if matches!(codec, 2 | 4 | 5) {
                assert!(said.contains("would unpack to more than the 100 that it claims"), "{said}");
            }
        }
        println!("{name}: {} MiB", bounded::peak());
        assert!(bounded::peak() < PEAK, "{name}: {} MiB", bounded::peak());
    };
    if let Some(said) = bounded::run(&format!("bombs::{name}_is_refused"), MEMORY, within) {
        println!("{said}");
    }
}

macro_rules! bombs {
    ($($test:ident $name:literal $codec:literal $make:ident)*) => {
        $(#[test]
        fn $test() {
            bomb($name, $codec, $make);
        })*
    };
}

bombs! {
    snappy_is_refused "snappy" 1 snappy
    gzip_is_refused "gzip" 2 gzip
    brotli_is_refused "brotli" 4 brotli
    lz4_frame_is_refused "lz4_frame" 5 lz4_frame
    zstd_is_refused "zstd" 6 zstd
    lz4_raw_is_refused "lz4_raw" 7 lz4_block
}

/// The same file with a page that is what it claims is read.
#[test]
fn pages_that_keep_their_claim_are_read() {
    let schema = Schema::parse_text("t int*").unwrap();
    let raw: Vec<u8> = (0..12_i64).flat_map(i64::to_le_bytes).collect();
    let claimed: Vec<u8> = raw.iter().copied().chain([0; 4]).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&claimed).unwrap();
    let mut brotli = Vec::new();
    brotli::CompressorWriter::new(&mut brotli, 4096, 5, 22).write_all(&claimed).unwrap();
    let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
    frame.write_all(&claimed).unwrap();
    let pages = [(2, gzip.finish().unwrap()), (4, brotli), (5, frame.finish().unwrap())];
    for (codec, packed) in pages {
        for second in [false, true] {
            let read = parquet::drain(&file(codec, &packed, second), &schema);
            assert_eq!(read.map_err(|e| e.to_string()), Ok(12), "codec {codec}");
        }
    }
}
