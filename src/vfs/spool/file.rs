//! Files of bytes that wait: each a file of a number in `writes/`, with its ticket of that number in `tickets/`.

use super::slot::Slot;
use super::ticket::Ticket;
use parking_lot::Mutex;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file of bytes that wait. It goes when it is dropped.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    name: String,
    slot: Arc<Slot>,
    /// Whether ticket and names are on disk.
    placed: AtomicBool,
    /// Whether the bytes are of no use to a later server; they lie in `tmp/` then.
    committed: Mutex<bool>,
    /// Whether it stays for the next server.
    left: AtomicBool,
}

impl SpoolFile {
    pub(super) fn new(file: File, name: String, slot: Arc<Slot>) -> SpoolFile {
        SpoolFile {
            file,
            name,
            slot,
            placed: AtomicBool::new(false),
            committed: Mutex::new(false),
            left: AtomicBool::new(false),
        }
    }

    /// The file, open for reading and writing.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Brings the bytes, the ticket and their names on disk: a later server finds them.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.placed.load(Ordering::Acquire) {
            if let Some(ticket) = self.slot.tickets.open(OsStr::new(&self.name))? {
                ticket.sync_all()?;
            }
            self.slot.tickets.sync()?;
            self.slot.writes.sync()?;
            self.placed.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Keeps the file itself as rejected, on disk on return, and gives its name: where there is no space for a copy.
    pub(super) fn keep(&self, ticket: &Ticket) -> io::Result<String> {
        self.set_committed(false)?;
        self.file.sync_all()?;
        let (name, slot) = (OsStr::new(&self.name), &*self.slot);
        slot.rejected.moved(&slot.writes, name, ticket).or_else(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                slot.rejected.moved_with(&slot.writes, &slot.tickets, name, ticket)
            }
            _ => Err(error),
        })
    }

    /// Puts another ticket beside bytes that are committed: what is written from now on is a change of something else.
    pub fn renew(&self, ticket: &Ticket) -> io::Result<()> {
        let text = serde_json::to_vec(ticket)?;
        // A server that is killed between the two has no use for these bytes: they lie in `tmp/`.
        self.slot.tickets.forget(&self.name);
        self.slot.tickets.put(&self.name, &text).map(|_| ())
    }

    /// Whether all its bytes are in the store, as far as that was told.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        *self.committed.lock()
    }

    /// Leaves the file where it is, for the next server.
    pub fn leave(self) {
        self.left.store(true, Ordering::Release);
    }

    /// Tells whether all its bytes are in the store: then they are not rejected when this server is killed. To be taken back
    /// before more is written. The file stays open either way.
    pub fn set_committed(&self, committed: bool) -> io::Result<()> {
        let mut now = self.committed.lock();
        if *now == committed {
            return Ok(());
        }
        let parked = parked(&self.name);
        if committed {
            self.slot.writes.rename(OsStr::new(&self.name), &self.slot.tmp, &parked)?;
        } else {
            self.slot.tmp.rename(OsStr::new(&parked), &self.slot.writes, &self.name)?;
            self.placed.store(false, Ordering::Release);
        }
        *now = committed;
        Ok(())
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if self.left.load(Ordering::Acquire) {
            return;
        }
        // The bytes first: without its ticket a file would be one that nobody knows.
        if *self.committed.lock() {
            self.slot.tmp.forget(&parked(&self.name));
        } else {
            self.slot.writes.forget(&self.name);
        }
        self.slot.tickets.forget(&self.name);
    }
}

/// The name in `tmp/` of a file whose bytes are committed.
fn parked(name: &str) -> String {
    format!("committed-{name}")
}
