//! Content digests: blake3, 32 bytes, written as 64 hex digits.
//!
//! Owns the mapping from a digest to its key in a backend (`aa/bb…`, one level of 256 folders).
//! Knows nothing of what the bytes mean.

use std::fmt;

/// A blake3 digest of some bytes; the name of an object or of a changelog folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Hex digits of a digest that users see.
pub const SHORT_DIGITS: usize = 10;

impl Digest {
    /// The zero digest: the registry's changelog folder, and the parent of a first revision.
    pub const ZERO: Digest = Digest([0; 32]);

    /// Digests `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// Takes 32 bytes that are a digest already.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// Gives the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses 64 lower-case hex digits; anything else is `None`.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Digest> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
            *byte = hex_value(pair[0])? << 4 | hex_value(pair[1])?;
        }
        Some(Digest(out))
    }

    /// All hex digits.
    fn digits(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        digits
    }

    /// The first 10 hex digits, as shown to users.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(SHORT_DIGITS);
        text
    }

    /// The key of this digest in a backend: `aa/` and the other 62 digits.
    #[must_use]
    pub fn key(&self) -> String {
        let text = self.to_string();
        format!("{}/{}", &text[..2], &text[2..])
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At once: a log shows thousands, and a byte at a time takes longer than all else about them.
        let digits = self.digits();
        f.write_str(std::str::from_utf8(&digits).map_err(|_not_ascii| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// The first 16 bytes of a blake3 digest: identifies a chunk or a node inside a bundle, where
/// thousands of them make a commit and every byte counts.
#[doc(hidden)] // A part of index nodes: tests and fuzz targets make them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check([u8; 16]);

impl Check {
    /// Digests `bytes` and keeps 16 bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Check {
        Check::from(Digest::of(bytes))
    }

    /// Takes 16 bytes that are a truncated digest already.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Check {
        Check(bytes)
    }

    /// Gives the 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<Digest> for Check {
    fn from(digest: Digest) -> Check {
        let mut out = [0; 16];
        out.copy_from_slice(&digest.0[..16]);
        Check(out)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({:02x}{:02x}{:02x}{:02x})", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips() {
        let digest = Digest::of(b"lakota");
        assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
    }

    #[test]
    fn other_text_is_no_digest() {
        assert_eq!(Digest::from_hex("zz"), None);
        assert_eq!(Digest::from_hex(&"G".repeat(64)), None);
    }

    #[test]
    fn key_has_one_level_of_folders() {
        assert_eq!(Digest::ZERO.key(), format!("00/{}", "0".repeat(62)));
    }
}
