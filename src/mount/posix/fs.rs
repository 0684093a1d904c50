//! What every operation on the mount does; knows nothing of FUSE.
//!
//! Here is what looks and reads; `list` lists, `write` changes the bytes of files, `names` makes names. Parts that say what they
//! touch: `contents` has the files of rows that are open, `stat` whose files they are, `authors` what the log says; a `Saver` makes
//! revisions of what was written, a `Renamer` renames, a `Remover` drops.

mod again;
mod authors;
mod beside;
mod contents;
mod find;
mod list;
mod names;
mod remove;
mod rename;
mod save;
mod shown;
mod stat;
mod write;

use super::child::{self, Child};
use super::control::{Control, Counters, Kept};
use super::errno::Errno;
use super::handle::{Handles, Opening};
use super::hidden::HiddenNames;
use super::inode::Inodes;
use super::node::{Node, What};
use super::scratch;
use super::write_state::WriteState;
use crate::mount::options::MountOptions;
use crate::repo::Repo;
use crate::users;
use crate::vfs::catalog::Catalog;
use crate::vfs::delta::Deltas;
use crate::vfs::entry::Entry;
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::spool::Spool;
use crate::vfs::tree::Tree;
use crate::vfs::view::SeriesViews;
use bytes::Bytes;
use std::ffi::OsStr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use super::attr::{Attr, Caller, Found, Kind, Line, Opened};
pub use super::number::ROOT;
use authors::Authors;
use contents::Contents;
use list::Listings;
pub use rename::Renaming;
use save::Saver;
use shown::shown;
use stat::Owner;
pub use write::Change;

/// One byte in so many of the cache is for the store below.
const STORE_PART: u64 = 4;

/// A mounted repository.
#[derive(Debug)]
pub struct Fs {
    tree: Tree,
    control: Control,
    options: MountOptions,
    inodes: Inodes,
    handles: Handles,
    contents: Contents,
    listings: Listings,
    owner: Owner,
    authors: Authors,
    writes: Option<WriteState>,
}

impl Fs {
    /// Serves a repository for reading.
    #[must_use]
    pub fn new(repo: Repo, options: MountOptions) -> Fs {
        let control = Control::new(repo.context().clock.now());
        // What the store keeps counts as well: nodes and groups, of which many series share each.
        let below = options.cache / STORE_PART;
        repo.store().limit_cache(usize::try_from(below).unwrap_or(usize::MAX));
        let deltas = Deltas::new(repo.context().spool.clone());
        Fs {
            contents: Contents::new(options.cache - below),
            owner: Owner::of(&options),
            authors: Authors::new(repo.context().author.clone(), options.message.clone()),
            tree: Tree {
                catalog: Catalog::new(repo, options.poll),
                views: SeriesViews::default(),
                deltas,
                names: options.names,
                hide_revisions: options.hide_revisions,
            },
            control,
            options,
            inodes: Inodes::default(),
            handles: Handles::default(),
            listings: Listings::default(),
            writes: None,
        }
    }

    /// Serves a repository for reading and writing: what is written waits in the spool.
    #[must_use]
    pub fn writable(repo: Repo, options: MountOptions, spool: Spool) -> Fs {
        let fs = Fs::new(repo, options);
        for kept in spool.rejected() {
            fs.control.keep(Some(kept.ticket.uid), kept.ticket.line(Some(&kept.name)));
        }
        if let Err(error) = scratch::age(&spool.scratch_root(), fs.now()) {
            log::warn!("cannot remove old scratch files in {}: {error}", spool.folder().display());
        }
        Fs { writes: Some(WriteState::new(spool)), ..fs }
    }

    /// Looks at processes in another folder than `/proc`.
    #[must_use]
    pub fn with_proc(mut self, path: &Path) -> Fs {
        if let Some(writes) = &mut self.writes {
            path.clone_into(&mut writes.proc);
        }
        self
    }

    /// Lets live names that are emptied or removed come back after another time than two seconds.
    #[must_use]
    pub fn with_hidden_for(mut self, time: Duration) -> Fs {
        if let Some(writes) = &mut self.writes {
            writes.hidden = HiddenNames::lasting(time);
        }
        self
    }

    /// Looks at every collection once, so that the first user need not wait for it. On one thread: whoever asks for
    /// something meanwhile has the others.
    pub fn warm(&self) {
        let look = || match self.tree.catalog.collections() {
            Ok(collections) => {
                for (label, cached) in collections {
                    if let Err(e) = cached.now().map(|_| ()) {
                        self.fail(None, format_args!("a first look at {label}"), &e.into());
                    }
                }
            }
            Err(e) => {
                self.fail(None, "a first look", &e.into());
            }
        };
        match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
            Ok(pool) => pool.install(look),
            Err(_) => look(),
        }
    }

    fn fail(&self, caller: Option<Caller>, what: impl std::fmt::Display, failure: &Failure) -> Errno {
        // What concerns all is the owner's to know, whoever met it.
        let own = matches!(failure, Failure::Refused { .. } | Failure::Schema(_) | Failure::Input(_));
        let uid = caller.filter(|_| own).map(|caller| caller.uid);
        self.control.note(self.now(), uid, &what, failure)
    }

    fn saver<'a>(&'a self, writes: &'a WriteState) -> Saver<'a> {
        let Fs { tree, control, authors, handles, .. } = self;
        Saver { tree, control, authors, handles, writes }
    }

    fn now(&self) -> u64 {
        self.tree.catalog.repo().context().clock.now()
    }

    /// How long names and attributes that a commit may change are believed.
    fn soon(&self) -> Duration {
        self.options.poll.min(Duration::from_secs(1))
    }

    fn node(&self, ino: u64) -> Result<Arc<Node>, Errno> {
        self.inodes.get(ino).ok_or(Errno::ESTALE)
    }

    /// What is open or kept now.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let counters = self.contents.counters();
        let (revisions, history_bytes) = self.tree.catalog.history();
        Kept {
            revisions,
            history_bytes,
            handles: self.handles.len() as u64,
            inodes: self.inodes.len() as u64,
            cache_bytes: counters.kept,
            index_bytes: (self.tree.catalog.repo().store().cached_bytes() + self.tree.catalog.kept_bytes())
                as u64,
            cache_limit: self.options.cache,
            cache_hits: counters.hits,
            cache_misses: counters.misses,
        }
    }

    fn found(&self, child: &Child) -> Found {
        Found {
            attr: self.owner.attr(&child.node),
            entry_ttl: child.ttl,
            attr_ttl: child::attr_ttl(&child.node, self.soon()),
        }
    }

    /// Finds a name in a folder. Counts as one lookup of what it finds.
    pub fn lookup(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<Found, Errno> {
        Counters::add(&self.control.counters.lookups, 1);
        let parent = self.node(parent)?;
        let child = self.find(caller, &parent, name).map_err(|e| {
            let place = name.to_string_lossy();
            self.fail(Some(caller), format_args!("look up {place:?}{}", shown(&parent)), &e)
        })?;
        if self.tree.catalog.take_shrunk() {
            self.give_back();
        }
        Ok(self.known(child))
    }

    /// Gives up what is kept where history was trimmed: most of it is of revisions that are gone, and what is not is soon
    /// there again.
    fn give_back(&self) {
        self.tree.views.clear();
        self.contents.clear();
        self.listings.clear();
        self.tree.catalog.repo().store().clear_cache();
    }

    /// Counts a lookup of what was found.
    fn known(&self, child: Child) -> Found {
        let found = self.found(&child);
        self.inodes.remember(child.node);
        found
    }

    /// Whether looking a name up, or opening what it is, may take long: a text has to be made.
    #[must_use]
    pub fn is_slow(&self, ino: u64, name: Option<&OsStr>) -> bool {
        let Ok(node) = self.node(ino) else { return false };
        match (&node.what, name) {
            (What::Repo(Entry::Moment(_)), Some(name)) => name == name::DELTA,
            (What::Repo(Entry::Diff(_)), Some(_)) => true,
            (What::Repo(Entry::Difference(of)), None) => self.tree.deltas.known(&of.key).is_none(),
            _ => false,
        }
    }

    /// Takes back `count` lookups.
    pub fn forget(&self, ino: u64, count: u64) {
        self.inodes.forget(ino, count);
    }

    /// What `stat` shows, and how long it holds.
    pub fn getattr(&self, caller: Caller, ino: u64) -> Result<(Attr, Duration), Errno> {
        let node = self.node(ino)?;
        let ttl = child::attr_ttl(&node, self.soon());
        if let What::Copy(copy) = &node.what {
            return Ok((Attr { ino: copy.shown(), ..self.owner.attr(&node) }, ttl));
        }
        if !node.is_folder() {
            return Ok((self.owner.attr(&node), ttl));
        }
        let mtime = self
            .mtime(&node)
            .map_err(|e| self.fail(Some(caller), format_args!("stat{}", shown(&node)), &e))?;
        let attr = self.owner.attr(&node);
        Ok((Attr { mtime: mtime.max(attr.mtime), ..attr }, ttl))
    }

    /// When a folder changed last, and whether it is still there.
    fn mtime(&self, node: &Node) -> Result<u64, Failure> {
        Ok(match &node.what {
            // Also where the repository cannot be read: `.lakota` below tells why.
            What::Repo(Entry::Root) => self.tree.mtime(&Entry::Root)?.unwrap_or(self.control.began()),
            What::Repo(entry) => self.tree.mtime(entry)?.unwrap_or(node.mtime),
            _ => node.mtime,
        })
    }

    /// The target of a link.
    pub fn readlink(&self, ino: u64) -> Result<Vec<u8>, Errno> {
        match &self.node(ino)?.what {
            What::Repo(Entry::Link(_, target)) => Ok(target.as_bytes().to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Opens a file; `flags` as for open(2).
    pub fn open(&self, caller: Caller, ino: u64, flags: i32) -> Result<Opened, Errno> {
        Counters::add(&self.control.counters.opens, 1);
        let node = self.node(ino)?;
        // No renaming takes the file away before its handle is known.
        let scratch = matches!(node.what, What::Scratch(..));
        let _steady = self.writes.as_ref().filter(|_| scratch).map(|writes| writes.handover.steady());
        let opening = if flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0 {
            if caller.uid != rustix::process::geteuid().as_raw() {
                // The log will name who writes: known by the time of the close.
                users::system().expect(caller.uid);
            }
            self.open_to_write(caller, &node, flags)
        } else {
            self.open_to_read(caller, &node)
        };
        let opening =
            opening.map_err(|e| self.fail(Some(caller), format_args!("open{}", shown(&node)), &e))?;
        // What is not written never changes: what the kernel kept of it is right.
        let keep_cache = matches!(opening, Opening::Rows(..) | Opening::Text(_) | Opening::Difference(_));
        Ok(Opened { handle: self.handles.open(opening), keep_cache })
    }

    fn open_to_read(&self, caller: Caller, node: &Arc<Node>) -> Result<Opening, Failure> {
        Ok(match &node.what {
            What::Repo(Entry::File(file)) => {
                Opening::Rows(self.contents.of(node.ino, file, &self.tree)?, Arc::clone(node))
            }
            What::Repo(Entry::Text(_, text)) => Opening::Text(Bytes::copy_from_slice(text.as_bytes())),
            What::Repo(Entry::Difference(of)) => Opening::Difference(self.tree.text(of)?),
            What::Empty(..) => Opening::Text(Bytes::new()),
            What::Copy(copy) => self.open_copy(caller, copy, libc::O_RDONLY)?,
            What::Scratch(_, held) if !held.is_folder() => {
                let file = held.reopen(false, false).map_err(Failure::spool)?;
                Opening::Scratch(Arc::new(file), node.ino, false)
            }
            What::Kept(name, _) => Opening::Kept(self.open_kept(name)?),
            What::Repo(Entry::Link(..)) => return Err(Errno::EINVAL.into()),
            _ => return Err(Errno::EISDIR.into()),
        })
    }

    /// Bytes of an open file: fewer than `len` only at its end.
    pub fn read(&self, handle: u64, offset: u64, len: usize) -> Result<Bytes, Errno> {
        let counters = &self.control.counters;
        Counters::add(&counters.reads, 1);
        let bytes = match self.handles.file(handle)? {
            Opening::Text(text) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
                text.slice(start..start.saturating_add(len).min(text.len()))
            }
            Opening::Rows(content, node) => content.read(offset, len).map_err(|e| {
                self.fail(None, format_args!("read {len} bytes at {offset}{}", shown(&node)), &e.into())
            })?,
            Opening::Difference(text) => {
                let failed = |e| self.fail(None, "read what differs", &Failure::unread(e));
                text.read(offset, len).map_err(failed)?
            }
            Opening::Copy(copy) => {
                copy.read(offset, len).map_err(|e| self.fail(None, format_args!("read {}", copy.name), &e))?
            }
            Opening::Scratch(file, ..) | Opening::Kept(file) => {
                read_at(&file, offset, len).map_err(|e| self.fail(None, "read a scratch file", &e))?
            }
            Opening::Folder(_) => return Err(Errno::EISDIR),
        };
        Counters::add(&counters.read_bytes, bytes.len() as u64);
        Ok(bytes)
    }
}

fn read_at(file: &std::fs::File, offset: u64, len: usize) -> Result<Bytes, Failure> {
    let most = file.metadata().map_err(Failure::unread)?.len().saturating_sub(offset);
    let mut bytes = vec![0; len.min(usize::try_from(most).unwrap_or(usize::MAX))];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64).map_err(Failure::unread)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes.into())
}
