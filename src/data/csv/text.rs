//! Inputs as UTF-8 whose lines end in LF: other encodings and line ends are made so as they are read.
//!
//! What an input is, its first bytes tell. Plain ones pass through untouched.

use crate::data::input::{InputError, Problem};
use memchr::{memchr, memchr2_iter, memchr3_iter};
use std::io::{self, Read};

/// Bytes looked at to tell line ends.
const SAMPLE: usize = 1 << 16;

/// Bytes looked at to tell an encoding.
const START: usize = 1 << 12;

/// An encoding of more than one byte a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wide {
    Utf16 { little: bool },
    Utf32 { little: bool },
}

/// Bytes that are not what their encoding says.
#[derive(Debug, thiserror::Error)]
#[error("this looks like {name}, but has {what}; `iconv -f {name} -t UTF-8` makes text of what is")]
struct Garbled {
    name: &'static str,
    what: String,
}

impl Wide {
    const fn name(self) -> &'static str {
        match self {
            Wide::Utf16 { little: true } => "UTF-16LE",
            Wide::Utf16 { little: false } => "UTF-16BE",
            Wide::Utf32 { little: true } => "UTF-32LE",
            Wide::Utf32 { little: false } => "UTF-32BE",
        }
    }

    fn garbled(self, what: impl Into<String>) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, Garbled { name: self.name(), what: what.into() })
    }

    /// The bytes of a character that is one unit.
    const fn unit(self, c: u8) -> ([u8; 4], usize) {
        match self {
            Wide::Utf16 { little: true } => ([c, 0, 0, 0], 2),
            Wide::Utf16 { little: false } => ([0, c, 0, 0], 2),
            Wide::Utf32 { little: true } => ([c, 0, 0, 0], 4),
            Wide::Utf32 { little: false } => ([0, 0, 0, c], 4),
        }
    }

    /// Appends the characters that start `bytes` to `out`: how many bytes they take. What may go on stays, but at the end.
    fn decode(self, bytes: &[u8], end: bool, out: &mut Vec<u8>) -> io::Result<usize> {
        let mut utf8 = [0; 4];
        let mut put = |c: char| out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
        let mut taken = 0;
        match self {
            Wide::Utf16 { little } => {
                let unit = |pair: &[u8; 2]| {
                    if little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) }
                };
                let (pairs, _) = bytes.as_chunks::<2>();
                let open = pairs.last().is_some_and(|pair| (0xd800..0xdc00).contains(&unit(pair)));
                let whole = &pairs[..pairs.len() - usize::from(open && !end)];
                for c in char::decode_utf16(whole.iter().map(unit)) {
                    put(c.map_err(|e| {
                        self.garbled(format!("half of a character (0x{:x})", e.unpaired_surrogate()))
                    })?);
                }
                taken += 2 * whole.len();
            }
            Wide::Utf32 { little } => {
                for quad in bytes.as_chunks::<4>().0 {
                    let code = if little { u32::from_le_bytes(*quad) } else { u32::from_be_bytes(*quad) };
                    put(char::from_u32(code)
                        .ok_or_else(|| self.garbled(format!("no character (0x{code:x})")))?);
                    taken += 4;
                }
            }
        }
        if end && taken < bytes.len() {
            return Err(self.garbled("an end within a character"));
        }
        Ok(taken)
    }

    /// What the first bytes of an input say; `None` for UTF-8.
    ///
    /// Without a mark it is a guess, and texts of UTF-8 may hold NUL. So nearly all separators must stand beside a NUL as
    /// they do in the encoding. If other characters tell too, it is sure; else it is refused, as is a text without any
    /// separator.
    fn of(start: &[u8]) -> io::Result<Option<Wide>> {
        match start {
            [0xff, 0xfe, 0, 0, ..] => return Ok(Some(Wide::Utf32 { little: true })),
            [0, 0, 0xfe, 0xff, ..] => return Ok(Some(Wide::Utf32 { little: false })),
            [0xff, 0xfe, ..] => return Ok(Some(Wide::Utf16 { little: true })),
            [0xfe, 0xff, ..] => return Ok(Some(Wide::Utf16 { little: false })),
            _ => {}
        }
        if memchr(0, start).is_none() {
            return Ok(None);
        }
        let ends = [true, false];
        let looks = ends.map(|little| (Wide::Utf32 { little }, utf32(start, little))).into_iter();
        let looks = looks.chain(ends.map(|little| (Wide::Utf16 { little }, utf16(start, little))));
        // Of equal ones the last: UTF-32 looks like UTF-16 with NUL in it.
        match looks.rev().max_by_key(|(_, guess)| *guess) {
            Some((wide, Guess::Sure)) => Ok(Some(wide)),
            Some((wide, Guess::Maybe)) => Err(wide.garbled(
                "no byte order mark, and may be UTF-8 with a NUL at each separator (then begin with the header and \
                 end its line)",
            )),
            _ => Ok(None),
        }
    }
}

/// Whether bytes are of an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Guess {
    No,
    Maybe,
    Sure,
}

const fn is_separator(b: u8) -> bool {
    matches!(b, b',' | b';' | b'\t' | b'\r' | b'\n')
}

fn utf32(start: &[u8], little: bool) -> Guess {
    let (quads, _) = start.as_chunks::<4>();
    let code = |quad: &[u8; 4]| if little { u32::from_le_bytes(*quad) } else { u32::from_be_bytes(*quad) };
    let basic = quads.iter().filter(|quad| (1..1 << 16).contains(&code(quad))).count();
    let fits = !quads.is_empty()
        && quads.iter().all(|quad| code(quad) != 0 && char::from_u32(code(quad)).is_some())
        && 2 * basic >= quads.len();
    let parted = quads.iter().any(|quad| u8::try_from(code(quad)).is_ok_and(is_separator));
    match fits {
        true if parted || is_broken(start) => Guess::Sure,
        true => Guess::Maybe,
        false => Guess::No,
    }
}

/// Whether bytes are no UTF-8, wherever they end.
fn is_broken(start: &[u8]) -> bool {
    std::str::from_utf8(start).is_err_and(|e| e.error_len().is_some())
}

fn utf16(start: &[u8], little: bool) -> Guess {
    let (pairs, _) = start.as_chunks::<2>();
    let (low, high) = if little { (0, 1) } else { (1, 0) };
    let parted = pairs.iter().filter(|pair| is_separator(pair[low]) && pair[high] == 0).count();
    let separators = start.iter().filter(|b| is_separator(**b)).count();
    // Scripts of few signs have control characters as high halves; of the others the bytes are no UTF-8.
    let control = |b: u8| b < b' ' && !is_separator(b);
    let controls = pairs.iter().filter(|pair| control(pair[high])).count();
    let broken = is_broken(start);
    if separators == 0 {
        return match pairs.len() > 1 && controls == pairs.len() {
            true if broken => Guess::Sure,
            true => Guess::Maybe,
            false => Guess::No,
        };
    }
    // A few bytes of other characters look like separators.
    match 4 * parted >= 3 * separators {
        true if broken || 4 * controls > 3 * pairs.len() => Guess::Sure,
        true => Guess::Maybe,
        false => Guess::No,
    }
}

/// Lines that end in CR, made to end in LF.
#[derive(Debug, Default)]
struct Returns {
    /// Whether a quoted field goes on.
    inside: bool,
    /// Whether the last byte was the end of a line.
    after: bool,
}

impl Returns {
    /// Whether the first line of a sample ends in CR alone.
    fn are_in(sample: &[u8]) -> bool {
        let mut inside = false;
        for at in memchr3_iter(b'"', b'\r', b'\n', sample) {
            match sample[at] {
                b'"' => inside = !inside,
                _ if inside => {}
                b'\r' => return sample.get(at + 1).is_some_and(|next| *next != b'\n'),
                _ => return false,
            }
        }
        false
    }

    fn replace(&mut self, bytes: &mut Vec<u8>) {
        bytes.retain_mut(|byte| {
            let after = std::mem::take(&mut self.after);
            match *byte {
                b'"' => self.inside = !self.inside,
                b'\r' if !self.inside => {
                    *byte = b'\n';
                    self.after = true;
                }
                b'\n' if after => return false,
                _ => {}
            }
            true
        });
    }
}

/// An input of any encoding and line ends.
pub(super) struct Text<R> {
    input: R,
    /// Where UTF-8 begins so, it is no other encoding: what output of ours begins with.
    own: Vec<u8>,
    started: bool,
    ended: bool,
    wide: Option<Wide>,
    returns: Option<Returns>,
    /// Bytes that are read and not decoded.
    raw: Vec<u8>,
    /// Text that is not given out yet, from a place on.
    ready: (Vec<u8>, usize),
}

impl<R: Read> Text<R> {
    /// Text of `input`, which is UTF-8 where it begins with `own`.
    pub(super) fn new(input: R, own: Vec<u8>) -> Text<R> {
        let (raw, ready) = (Vec::new(), (Vec::new(), 0));
        Text { input, own, started: false, ended: false, wide: None, returns: None, raw, ready }
    }

    /// The rest of an input, from the start of a line on.
    pub(super) fn resumed(input: R, form: Form) -> Text<R> {
        let returns = form.returns.then(Returns::default);
        Text { started: true, wide: form.wide, returns, ..Text::new(input, Vec::new()) }
    }

    /// How it is written, as far as it was read.
    pub(super) const fn form(&self) -> Form {
        Form { wide: self.wide, returns: self.returns.is_some() }
    }

    /// Whether what was read is given out byte for byte.
    const fn is_plain(&self) -> bool {
        self.wide.is_none() && self.returns.is_none()
    }

    /// Reads up to a sample more of the input.
    fn read_more(&mut self) -> io::Result<()> {
        let read = self.input.by_ref().take(SAMPLE as u64).read_to_end(&mut self.raw)?;
        self.ended = read < SAMPLE;
        Ok(())
    }

    /// Makes what was read text.
    fn prepare(&mut self) -> io::Result<()> {
        let mut text = std::mem::take(&mut self.ready.0);
        text.clear();
        match self.wide {
            Some(wide) => {
                let taken = wide.decode(&self.raw, self.ended, &mut text)?;
                self.raw.drain(..taken);
            }
            None => std::mem::swap(&mut text, &mut self.raw),
        }
        if !self.started {
            self.returns = Returns::are_in(&text).then(Returns::default);
        }
        if let Some(returns) = &mut self.returns {
            returns.replace(&mut text);
        }
        self.started = true;
        self.ready = (text, 0);
        Ok(())
    }

    fn start(&mut self) -> io::Result<()> {
        self.read_more()?;
        let start = &self.raw[..self.raw.len().min(START)];
        let own = start.strip_prefix(&self.own[..]).and_then(|rest| rest.first());
        if !matches!(own, Some(b',' | b'\r' | b'\n')) {
            self.wide = Wide::of(start)?;
        }
        self.prepare()
    }

    /// Appends `size` bytes of text, fewer only at the end: how many.
    pub(super) fn fill(&mut self, size: usize, out: &mut Vec<u8>) -> io::Result<usize> {
        let before = out.len();
        if !self.started {
            self.start()?;
        }
        loop {
            let room = before + size - out.len();
            let (text, at) = &mut self.ready;
            let len = room.min(text.len() - *at);
            out.extend_from_slice(&text[*at..*at + len]);
            *at += len;
            if len == room || self.ended {
                break;
            }
            if self.is_plain() {
                // Past the sample the input fills the block itself: nothing is copied.
                self.ready = (Vec::new(), 0);
                self.input.by_ref().take((room - len) as u64).read_to_end(out)?;
                break;
            }
            self.read_more()?;
            self.prepare()?;
        }
        Ok(out.len() - before)
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut text = Vec::with_capacity(bytes.len());
        let count = self.fill(bytes.len(), &mut text)?;
        bytes[..count].copy_from_slice(&text);
        Ok(count)
    }
}

/// How a text is written: its encoding, and whether its lines end in CR alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    wide: Option<Wide>,
    returns: bool,
}

impl Form {
    /// What the first bytes of a text tell, of which the encoding may be in doubt.
    fn of(start: &[u8]) -> Form {
        let start = &start[..start.len().min(START)];
        let Ok(wide) = Wide::of(start) else { return Form::default() };
        let mut text = Vec::new();
        match wide {
            Some(wide) => wide.decode(start, false, &mut text).map_or((), |_| ()),
            None => text.extend_from_slice(start),
        }
        Form { wide, returns: Returns::are_in(&text) }
    }

    /// Whether a text whose last bytes are `end` ends in the end of a line.
    pub fn ends_line(self, end: &[u8]) -> bool {
        let ends = |c: u8| match self.wide {
            Some(wide) => {
                let (unit, size) = wide.unit(c);
                end.ends_with(&unit[..size])
            }
            None => end.ends_with(&[c]),
        };
        ends(b'\n') || (self.returns && ends(b'\r'))
    }

    /// What of a text follows the end of a line, as UTF-8 whose lines end in LF.
    pub fn rest(self, input: impl Read) -> impl Read {
        Text::resumed(input, self)
    }
}

/// Whether a text of some first and last bytes, four at least if it has them, ends in the end of a line.
pub fn ends_line(start: &[u8], end: &[u8]) -> bool {
    Form::of(start).ends_line(end)
}

/// What a failed read means for the input.
pub(super) fn unread(error: io::Error) -> InputError {
    match error.get_ref() {
        Some(inner) if inner.is::<Garbled>() => InputError::new(Problem::Other(inner.to_string())),
        _ => InputError::new(Problem::Read(error)),
    }
}

/// A short text of any encoding and line ends, without its byte order mark.
///
/// Fails on what is no text.
pub fn decoded(bytes: &[u8]) -> Result<String, InputError> {
    let mut text = Vec::new();
    // No character of another encoding takes more than twice its bytes.
    Text::new(bytes, Vec::new()).fill(2 * bytes.len() + 1, &mut text).map_err(unread)?;
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text).to_vec();
    String::from_utf8(text).map_err(|e| InputError::new(Problem::Other(e.to_string())))
}

/// Where a CR stands outside of quotes and ends no line, in a block of whole records.
pub(super) fn stray_return(block: &[u8]) -> Option<usize> {
    let mut inside = false;
    memchr2_iter(b'"', b'\r', block).find(|&at| {
        if block[at] == b'"' {
            inside = !inside;
        }
        block[at] == b'\r' && !inside && block.get(at + 1) != Some(&b'\n')
    })
}

/// What is wrong with that.
pub(super) fn stray_problem() -> Problem {
    let message = "a carriage return stands in an unquoted field: lines end in LF or CR LF, or all of them in CR; \
                   quote the field if it is part of it";
    Problem::Other(message.to_owned())
}
