//! What an inode is: a place in the tree, and what `stat` needs of it.

use super::copy::WorkingCopy;
use super::number::{ROOT, number, of_series};
use super::scratch::Held;
use crate::vfs::catalog::CachedCollection;
use crate::vfs::entry::{Entry, Moment};
use crate::vfs::render::Format;
use crate::vfs::series::Series;
use std::sync::Arc;

/// What an inode is.
#[derive(Debug, Clone)]
pub enum What {
    /// A file or folder of the repository, or a text that tells of it.
    Repo(Entry),
    /// `.lakota`.
    Control,
    /// A live file while a program writes it.
    Copy(Arc<WorkingCopy>),
    /// A live file that was emptied a moment ago.
    Empty(Series, Format),
    /// A file or folder beside the live files of a series, which only the mount has.
    Scratch(Series, Arc<Held>),
    /// A collection that has no columns yet: only the mount has it.
    Unborn(Arc<str>),
    /// `.lakota/rejected`.
    Rejected,
    /// Bytes that were refused: a name in `rejected`, and its bytes.
    Kept(Arc<str>, u64),
    /// `rejected/.retry` (or, where rows may go, `rejected/.replace`): what is written to a name of refused bytes there
    /// is saved as those were meant.
    Again(bool),
}

/// An inode.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its number.
    pub ino: u64,
    /// When it changed, in milliseconds since 1970-01-01 UTC.
    pub mtime: u64,
    /// What it is.
    pub what: What,
    /// Permission bits before the mount's umask.
    pub mode: u16,
    /// Whose it is, where it is not the mount's owner's.
    pub owner: Option<u32>,
}

const FOLDER: u16 = 0o777;
const FILE: u16 = 0o666;
const READ_ONLY: u16 = 0o444;

impl Node {
    fn new(ino: u64, mtime: u64, what: What) -> Node {
        let mode = match what {
            What::Repo(Entry::Text(..) | Entry::Difference(_)) => READ_ONLY,
            What::Repo(Entry::File(_)) | What::Copy(_) | What::Empty(..) => FILE,
            _ => FOLDER,
        };
        Node { ino, mtime, what, mode, owner: None }
    }

    /// The mountpoint.
    #[must_use]
    pub fn root() -> Node {
        Node::of(Entry::Root, 0)
    }

    /// What was found in the repository, and when it changed.
    #[must_use]
    pub fn of(entry: Entry, mtime: u64) -> Node {
        Node::new(number_of(&entry, mtime), mtime, What::Repo(entry))
    }

    /// The folder of control files.
    #[must_use]
    pub fn control(mtime: u64) -> Node {
        Node::new(number(&[b"control"]), mtime, What::Control)
    }

    /// A text of that name: a new text is a new inode. Readable by all who may use the mount.
    #[must_use]
    pub fn text(name: &'static str, text: &str, mtime: u64) -> Node {
        Node::of(Entry::Text(name, text.into()), mtime)
    }

    /// Whether it is a text of that name.
    #[must_use]
    pub fn is_text_of(&self, name: &str) -> bool {
        matches!(&self.what, What::Repo(Entry::Text(own, _)) if *own == name)
    }

    /// The same, for one user only.
    #[must_use]
    pub fn private(self, uid: u32) -> Node {
        let ino = number(&[b"private", &self.ino.to_le_bytes(), &uid.to_le_bytes()]);
        Node { ino, mode: if self.is_folder() { 0o700 } else { 0o600 }, owner: Some(uid), ..self }
    }

    /// A live file that a program writes.
    #[must_use]
    pub fn copy(copy: &Arc<WorkingCopy>) -> Node {
        Node::new(copy.ino, copy.mtime(), What::Copy(Arc::clone(copy)))
    }

    /// A live file that was emptied at a time.
    #[must_use]
    pub fn empty(series: &Series, format: Format, mtime: u64) -> Node {
        let ino = of_series(series, "empty", &[format.extension().as_bytes(), &mtime.to_le_bytes()]);
        Node::new(ino, mtime, What::Empty(series.clone(), format))
    }

    /// A file or folder of the scratch area.
    #[must_use]
    pub fn scratch(series: &Series, held: Arc<Held>) -> Node {
        let mode = if held.is_folder() { FOLDER } else { FILE };
        Node { mode, ..Node::new(held.number(), 0, What::Scratch(series.clone(), held)) }
    }

    /// A collection without columns.
    #[must_use]
    pub fn unborn(label: &str, mtime: u64) -> Node {
        Node::new(
            number(&[b"unborn", label.as_bytes(), &mtime.to_le_bytes()]),
            mtime,
            What::Unborn(label.into()),
        )
    }

    /// The folder of refused bytes.
    #[must_use]
    pub fn rejected(mtime: u64) -> Node {
        Node::new(number(&[b"rejected"]), mtime, What::Rejected)
    }

    /// The folder where refused bytes are written again; `consent`: whether rows may go.
    #[must_use]
    pub fn again(consent: bool, mtime: u64) -> Node {
        Node::new(number(&[b"again", &[u8::from(consent)]]), mtime, What::Again(consent))
    }

    /// Refused bytes.
    #[must_use]
    pub fn kept(name: &str, size: u64, mtime: u64) -> Node {
        Node {
            mode: 0o600,
            ..Node::new(number(&[b"kept", name.as_bytes()]), mtime, What::Kept(name.into(), size))
        }
    }

    /// Whether it can be opened as a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        match &self.what {
            What::Repo(entry) => entry.is_folder(),
            What::Scratch(_, held) => held.is_folder(),
            What::Copy(_) | What::Empty(..) | What::Kept(..) => false,
            _ => true,
        }
    }

    /// Bytes, as `stat` shows them; of scratch files their folder knows.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.what {
            What::Repo(entry) => entry.size(),
            What::Copy(copy) => copy.size(),
            What::Kept(_, size) => *size,
            _ => 0,
        }
    }
}

/// The number of what is found in the repository. Equal texts of one time are one inode, and so are equal rows.
fn number_of(entry: &Entry, mtime: u64) -> u64 {
    let time = mtime.to_le_bytes();
    match entry {
        Entry::Root => ROOT,
        Entry::Collection(cached) => of_collection(cached),
        Entry::Series(series) => of_series(series, "series", &[]),
        Entry::Revisions(series) => of_series(series, "revisions", &[]),
        Entry::At(series) => of_series(series, "at", &[]),
        Entry::Diff(series) => of_series(series, "diff", &[]),
        Entry::Moment(Moment { series, point, at }) => {
            let revision = point.stamp.file_name();
            // A folder of `at` is another inode than the one of `revisions`, and another for each name.
            let kind = if at.is_some() { "moment" } else { "revision" };
            of_series(series, kind, &[revision.as_bytes(), at.as_deref().unwrap_or_default().as_bytes()])
        }
        Entry::Difference(of) => of_series(&of.series, "difference", &[of.digest.as_bytes(), &time]),
        Entry::File(file) => {
            of_series(&file.series, file.format.extension(), &[file.content.as_bytes(), &time])
        }
        Entry::Text(name, text) => number(&[b"text", name.as_bytes(), text.as_bytes(), &time]),
        Entry::Link(series, target) => of_series(series, "latest", &[target.as_bytes()]),
    }
}

fn of_collection(cached: &CachedCollection) -> u64 {
    number(&[b"collection", cached.key().as_bytes()])
}

/// The number of the folder above, where it is known without a look; the root's is its own.
#[must_use]
pub fn parent(node: &Node) -> u64 {
    match &node.what {
        What::Repo(Entry::Series(series)) => of_collection(&series.cached),
        What::Repo(Entry::Revisions(series) | Entry::At(series) | Entry::Diff(series)) => {
            of_series(series, "series", &[])
        }
        What::Repo(Entry::Moment(of)) => of_series(&of.series, "revisions", &[]),
        What::Rejected => number(&[b"control"]),
        _ => ROOT,
    }
}
