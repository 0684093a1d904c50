//! Texts that were damaged: read or refused, without a panic, in bounded memory; what is read reads back.
//!
//! `LAKOTA_MUTATIONS` says how many, `LAKOTA_SEED` where they begin.

use super::*;
use std::process::Command;

/// KiB of address space for all of them.
const MEMORY: &str = "1000000";

const SCHEMAS: [&str; 5] = [
    "name str*, country str",
    "t timestamp[ns]*, v float",
    "k int*, f float*, s str, b bool",
    "s str*",
    "k int*, s timestamp[s], m timestamp, u timestamp[us], d date, i int, f float, t str, b bool",
];

const TEXTS: [&str; 7] = [
    "name,country\nbob,AT\ncat,\"B\"\"E\"\n\"d\r\nan\",\n",
    "t,v\r\n2020-01-01,1\r\n2020-01-01T12:30:00.000000001Z,-1.5e300\r\n2020-01-02 00:00:00 +0100,nan\r\n",
    "1,2.5,\"a,b\",true\n-9223372036854775808,1e22,,f\n7.0,9007199254740992.0,x\0y,1\n",
    "s\n\"\"\n a \n\"\n\"\n",
    "k,s,m,u,d,i,f,t,b\n1,2020-01-01,1969-12-31T23:59:59.999,+12020-01-01,-0044-03-15,42,0.1,\u{e9}\u{65e5},0\n",
    "Name ,COUNTRY\rbob,AT\r\"c\rat\",BE\r",
    "k,t\n\u{feff},\u{feff}\n",
];

const PIECES: [&[u8]; 22] = [
    b"\"",
    b"\"\"",
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\0\0",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\0\0\xfe\xff",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"\x80",
    b".",
    b"e",
    b"-",
    b"+99:99",
    b" UTC",
    b"99999999999999999999999999",
    b"\n\n\n\n\n\n\n\n",
    b"\xf0\x9f\x98\x80",
];

/// A small generator: each seed makes its own text.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }

    /// A part of a text.
    fn range(&mut self, text: &[u8]) -> std::ops::Range<usize> {
        let start = self.roll(text.len() + 1);
        start..start + self.roll(text.len() - start + 1)
    }
}

fn widened(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    match dice.roll(4) {
        0 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        1 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        2 => text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
        _ => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
    }
}

fn mutated(dice: &mut Dice) -> Vec<u8> {
    let mut text = dice.pick(&TEXTS).as_bytes().to_vec();
    for _ in 0..=dice.roll(5) {
        let range = dice.range(&text);
        match dice.roll(9) {
            0 => text.truncate(range.start),
            1 if range.start < text.len() => text[range.start] ^= 1 << dice.roll(8),
            2 => drop(text.splice(range, dice.pick(&TEXTS).bytes())),
            3 => drop(text.drain(range)),
            4 => {
                let part = text[range.clone()].repeat(1 + dice.roll(20));
                drop(text.splice(range, part));
            }
            5 => text = widened(&text, dice),
            6 => drop(text.splice(range.start..range.start, dice.pick(&PIECES).repeat(1 + dice.roll(300)))),
            _ => drop(text.splice(range.start..range.start, dice.pick(&PIECES).iter().copied())),
        }
        text.truncate(1 << 20);
    }
    text
}

fn check(columns: &str, text: &[u8], dice: &mut Dice) {
    let header = dice.pick(&[Header::Guess, Header::Guess, Header::Needed, Header::Present, Header::Absent]);
    let size = dice.pick(&[3, 17, 64, 1 << 20]);
    let reader = CsvReader::new(schema(columns), Trickle(text, 1 + dice.roll(5000)), 100);
    let reader = reader.header(header).block_size(size, 1 << 20).parallel(1 + dice.roll(3));
    let Ok(batches) = reader.collect::<Result<Vec<_>, _>>() else { return };
    let schema = schema(columns);
    let head = String::from_utf8(super::header(schema.columns().iter().map(|c| c.name.as_str()))).unwrap();
    let once = head + &lines(&schema, &batches);
    let again: Vec<_> = reader_of(&schema, &once).map(Result::unwrap).collect();
    assert!(once.ends_with(&lines(&schema, &again)), "{text:?}");
    assert_eq!(rows(&again), rows(&batches), "{text:?}");
}

fn reader_of(schema: &Arc<Schema>, text: &str) -> CsvReader<Cursor<Vec<u8>>> {
    CsvReader::new(schema.clone(), Cursor::new(text.as_bytes().to_vec()), 1000).header(Header::Needed)
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn damaged_texts_are_read_or_refused() {
    let start = number("LAKOTA_SEED", 1);
    for seed in start..start + number("LAKOTA_MUTATIONS", 1000) {
        let mut dice = Dice(seed.wrapping_mul(1_000_003));
        let text = mutated(&mut dice);
        for columns in SCHEMAS {
            check(columns, &text, &mut dice);
        }
    }
}

#[test]
fn many_columns_and_many_line_ends_take_no_more_memory_than_the_text() {
    let columns: String = (0..2000).map(|i| format!("c{i} float, ")).collect::<String>() + "k int*";
    let text = "1,".repeat(2000) + "1\n" + &"\n".repeat(1 << 20);
    assert_eq!(rows(&read(&columns, text).unwrap()), 1);
}

/// The two above again, where memory is short.
#[test]
fn damaged_texts_take_bounded_memory() {
    let script = format!("ulimit -v {MEMORY} && exec \"$0\" \"$@\"");
    let tests = std::env::current_exe().unwrap();
    let names = [
        "damaged_texts_are_read_or_refused",
        "many_columns_and_many_line_ends_take_no_more_memory_than_the_text",
    ];
    let names = names.map(|name| format!("data::csv::tests::mutated::{name}"));
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(tests).args(["--exact", "--test-threads=1"]).args(names);
    let ran = command.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        ran.status.success() && said.contains("2 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}
