//! Memory for text, used again: megabytes that come and go would tear holes into the heap, and pages that are there
//! already cost no faults.

use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// Bytes of buffers that wait for use.
const IDLE: usize = 16 << 20;

/// Bytes of a buffer that is worth it.
const LEAST: usize = 64 << 10;

/// Buffers that wait for use.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Buffers {
    /// An empty buffer for `len` bytes.
    pub(super) fn take(&self, len: usize) -> Vec<u8> {
        let mut idle = self.idle.lock();
        // Not one far too long: its bytes count as kept.
        let found = idle.iter().position(|b| (len..=len + len / 4).contains(&b.capacity()));
        found.map_or_else(|| Vec::with_capacity(len), |i| idle.swap_remove(i))
    }

    /// A full buffer as bytes, and how many it takes in memory; it comes back when nobody has them any more.
    pub(super) fn share(&self, buffer: Vec<u8>) -> (Bytes, u64) {
        if buffer.capacity() - buffer.len() > buffer.capacity() / 8 {
            // A copy, since one that is shrunk in place leaves a hole behind it that nothing fits: thousands of short
            // texts would take a full buffer each.
            let bytes = Bytes::copy_from_slice(&buffer);
            self.put(buffer);
            let memory = bytes.len() as u64;
            return (bytes, memory);
        }
        let memory = buffer.capacity() as u64;
        (Bytes::from_owner(Shared { buffer, home: self.clone() }), memory)
    }

    fn put(&self, mut buffer: Vec<u8>) {
        if !(LEAST..=IDLE).contains(&buffer.capacity()) {
            return;
        }
        buffer.clear();
        let mut idle = self.idle.lock();
        let mut bytes = idle.iter().map(Vec::capacity).sum::<usize>() + buffer.capacity();
        // Those of a length nobody asks for any more are the oldest.
        while bytes > IDLE {
            bytes -= idle.remove(0).capacity();
        }
        idle.push(buffer);
    }
}

/// A buffer that is read.
struct Shared {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_comes_back_when_its_last_slice_goes() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(100_000);
        buffer.resize(90_000, b'x');
        let address = buffer.as_ptr();
        let slice = buffers.share(buffer).0.slice(1..3);
        let other = buffers.take(90_000);
        assert_ne!(other.as_ptr(), address);
        assert_eq!(slice, "xx");
        drop(slice);
        let same = buffers.take(90_000);
        assert_eq!(same.as_ptr(), address);
    }

    #[test]
    fn idle_bytes_are_bounded() {
        let buffers = Buffers::default();
        (0..40).for_each(|_| drop(buffers.share(vec![0; 1 << 20])));
        assert!((IDLE - (1 << 20)..=IDLE).contains(&buffers.idle.lock().iter().map(Vec::capacity).sum()));
    }

    #[test]
    fn short_text_takes_little_memory() {
        let mut buffer = Vec::with_capacity(100_000);
        buffer.extend_from_slice(b"text");
        assert!(Buffers::default().share(buffer).1 < 100);
    }
}
