//! What an inode is: a place in the tree, and what `stat` needs of it.

use super::copy::WorkingCopy;
use super::number::{ROOT, number, of_series as number_of};
use super::scratch::Held;
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::vfs::catalog::{Point, Shelf};
use crate::vfs::delta::Key;
use crate::vfs::render::Format;
use crate::vfs::series::Series;
use std::sync::Arc;

/// A live file, or the file of a revision: the rows of a state, in a format.
#[derive(Debug, Clone)]
pub struct File {
    /// The series.
    pub series: Series,
    /// The state that holds the rows: where to load them from.
    pub from: Point,
    /// CSV or Parquet.
    pub format: Format,
    /// Bytes.
    pub size: u64,
    /// Where its bytes are read: the inode is the same when they are moved, what was opened before is of no use then.
    pub places: Digest,
}

/// What differs between two states of a series, as text.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The series.
    pub series: Series,
    /// The earlier state; none: all rows came.
    pub old: Option<Point>,
    /// The later state.
    pub new: Point,
    /// What the text follows from.
    pub key: Key,
    /// Bytes.
    pub len: u64,
    /// Tells the text from all others.
    pub digest: Digest,
}

/// What an inode is.
#[derive(Debug, Clone)]
pub enum What {
    /// The mountpoint: collections.
    Root,
    /// `.lakota`.
    Control,
    /// A collection: series.
    Collection(Arc<Shelf>),
    /// A series: live files and folders of revisions.
    Series(Series),
    /// `revisions`.
    Revisions(Series),
    /// `at`.
    At(Series),
    /// `diff`.
    Diff(Series),
    /// A series as of a revision: a folder below `revisions` or `at`.
    Moment(Series, Point),
    /// What differs between two states of a series.
    Difference(Difference),
    /// Rows.
    File(File),
    /// A text that does not change: what does change is another inode.
    Text(Arc<str>),
    /// A link, and where it leads.
    Link(Arc<str>),
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

impl Node {
    fn new(ino: u64, mtime: u64, what: What) -> Node {
        let mode = match what {
            What::File(_) | What::Text(_) | What::Difference(_) | What::Copy(_) | What::Empty(..) => FILE,
            _ => FOLDER,
        };
        Node { ino, mtime, what, mode, owner: None }
    }

    /// The mountpoint.
    #[must_use]
    pub fn root() -> Node {
        Node::new(ROOT, 0, What::Root)
    }

    /// The folder of control files.
    #[must_use]
    pub fn control(mtime: u64) -> Node {
        Node::new(number(&[b"control"]), mtime, What::Control)
    }

    /// A text of that name: a new text is a new inode. Readable by all who may use the mount.
    #[must_use]
    pub fn text(name: &str, text: &str, mtime: u64) -> Node {
        let ino = number(&[b"text", name.as_bytes(), text.as_bytes(), &mtime.to_le_bytes()]);
        Node { mode: 0o444, ..Node::new(ino, mtime, What::Text(text.into())) }
    }

    /// Whether it is a text of that name.
    #[must_use]
    pub fn is_text_of(&self, name: &str) -> bool {
        matches!(&self.what, What::Text(text) if Node::text(name, text, self.mtime).ino == self.ino)
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
        let ino = number_of(series, "empty", &[format.extension().as_bytes(), &mtime.to_le_bytes()]);
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

    /// A collection's folder.
    #[must_use]
    pub fn collection(shelf: &Arc<Shelf>, mtime: u64) -> Node {
        let ino = number(&[b"collection", shelf.key().as_bytes()]);
        Node::new(ino, mtime, What::Collection(Arc::clone(shelf)))
    }

    /// A series' folder.
    #[must_use]
    pub fn series(series: Series, mtime: u64) -> Node {
        Node::new(number_of(&series, "series", &[]), mtime, What::Series(series))
    }

    /// The folder of a series' revisions.
    #[must_use]
    pub fn revisions(series: Series, mtime: u64) -> Node {
        Node::new(number_of(&series, "revisions", &[]), mtime, What::Revisions(series))
    }

    /// The folder of a series' moments.
    #[must_use]
    pub fn at(series: Series, mtime: u64) -> Node {
        Node::new(number_of(&series, "at", &[]), mtime, What::At(series))
    }

    /// The folder of what differs between a series' moments.
    #[must_use]
    pub fn diff(series: Series, mtime: u64) -> Node {
        Node::new(number_of(&series, "diff", &[]), mtime, What::Diff(series))
    }

    /// What differs between two states of a series: equal texts of one time are one inode.
    #[must_use]
    pub fn difference(of: Difference, mtime: u64) -> Node {
        let ino = number_of(&of.series, "difference", &[of.digest.as_bytes(), &mtime.to_le_bytes()]);
        Node { mode: 0o444, ..Node::new(ino, mtime, What::Difference(of)) }
    }

    /// The link to a series' newest revision.
    #[must_use]
    pub fn latest(series: &Series, stamp: Stamp) -> Node {
        let target = format!("{}/{stamp}", crate::vfs::name::REVISIONS);
        let ino = number_of(series, "latest", &[target.as_bytes()]);
        Node::new(ino, stamp.time, What::Link(target.into()))
    }

    /// A series' folder of a revision. One below `at` is another inode than the one below `revisions`, and another
    /// for each name: a folder is in one place only.
    #[must_use]
    pub fn moment(series: Series, point: Point, at: Option<&str>, mtime: u64) -> Node {
        let ino = moment_number(&series, &point, at);
        Node::new(ino, mtime, What::Moment(series, point))
    }

    /// Whether it is a folder of `revisions`.
    #[must_use]
    pub fn is_revision(&self) -> bool {
        matches!(&self.what, What::Moment(series, point) if moment_number(series, point, None) == self.ino)
    }

    /// A file of rows. `content` tells the bytes it is made of from all others.
    #[must_use]
    pub fn file(file: File, content: &[u8], mtime: u64) -> Node {
        let time = mtime.to_le_bytes();
        let ino = number_of(&file.series, file.format.extension(), &[content, &time]);
        Node::new(ino, mtime, What::File(file))
    }

    /// Whether it can be opened as a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        match &self.what {
            What::Scratch(_, held) => held.is_folder(),
            What::File(_)
            | What::Text(_)
            | What::Difference(_)
            | What::Link(_)
            | What::Copy(_)
            | What::Empty(..)
            | What::Kept(..) => false,
            _ => true,
        }
    }

    /// Bytes, as `stat` shows them; of scratch files their folder knows.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.what {
            What::File(file) => file.size,
            What::Text(text) | What::Link(text) => text.len() as u64,
            What::Difference(of) => of.len,
            What::Copy(copy) => copy.size(),
            What::Kept(_, size) => *size,
            _ => 0,
        }
    }
}

fn moment_number(series: &Series, point: &Point, at: Option<&str>) -> u64 {
    let name = point.stamp.file_name();
    let kind = if at.is_some() { "moment" } else { "revision" };
    number_of(series, kind, &[name.as_bytes(), at.unwrap_or_default().as_bytes()])
}

/// The number of the folder above, where it is known without a look; the root's is its own.
#[must_use]
pub fn parent(node: &Node) -> u64 {
    match &node.what {
        What::Series(series) => number(&[b"collection", series.shelf.key().as_bytes()]),
        What::Revisions(series) | What::At(series) | What::Diff(series) => number_of(series, "series", &[]),
        What::Moment(series, _) => number_of(series, "revisions", &[]),
        What::Rejected => number(&[b"control"]),
        _ => ROOT,
    }
}
