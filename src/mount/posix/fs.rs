//! What every operation on the mount does; knows nothing of FUSE.
//!
//! Here is what looks and reads; `write` has what changes the bytes of files, `names` and `rename` what
//! changes names, `save` makes revisions of what was written.

mod again;
mod find;
mod names;
mod remove;
mod rename;
mod save;
mod shown;
mod write;

use super::control::{Control, Counters, Kept};
use super::errno::Errno;
use super::handle::{Folder, Handles, Opening};
use super::inode::Inodes;
use super::node::{self, File, Node, What};
use super::pen::Pen;
use super::scratch;
use super::tree::{Child, Tree};
use super::veil::Veils;
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::mount::options::MountOptions;
use crate::repo::Repo;
use crate::users;
use crate::vfs::catalog::Catalog;
use crate::vfs::delta::Deltas;
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::render::{Content, Renderer};
use crate::vfs::spool::Spool;
use crate::vfs::view::Sheets;
use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use super::attr::{Attr, Caller, Found, Kind, Line, Opened};
use super::attr::{READ, WRITE};
pub use super::number::ROOT;
pub use rename::Renaming;
use shown::shown;
pub use write::Change;

/// Contents kept open beyond the last close: the next open of a file that did not change costs nothing.
const RECENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Long listings kept.
const LISTINGS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// A listing, and what it follows from.
type Listing = ((Stamp, u64), Arc<[Child]>);

/// One byte in so many of the cache is for the store below.
const STORE_PART: u64 = 4;

/// A mounted repository.
#[derive(Debug)]
pub struct Fs {
    tree: Tree,
    inodes: Inodes,
    handles: Handles,
    renderer: Arc<Renderer>,
    recent: Mutex<LruCache<(u64, Digest), Arc<Content>>>,
    listings: Mutex<LruCache<u64, Listing>>,
    owner: (u32, u32),
    pen: Option<Pen>,
}

impl Fs {
    /// Serves a repository for reading.
    #[must_use]
    pub fn new(repo: Repo, options: MountOptions) -> Fs {
        let control = Control::new(repo.context().clock.now());
        let owner = (
            options.uid.unwrap_or_else(|| rustix::process::geteuid().as_raw()),
            options.gid.unwrap_or_else(|| rustix::process::getegid().as_raw()),
        );
        // What the store keeps counts as well: nodes and groups, of which many series share each.
        let below = options.cache / STORE_PART;
        repo.store().limit_cache(usize::try_from(below).unwrap_or(usize::MAX));
        let deltas = Deltas::new(repo.context().spool.clone());
        Fs {
            renderer: Renderer::new(options.cache - below),
            tree: Tree {
                catalog: Catalog::new(repo, options.poll),
                sheets: Sheets::default(),
                deltas,
                control,
                options,
            },
            inodes: Inodes::default(),
            handles: Handles::default(),
            recent: Mutex::new(LruCache::new(RECENT)),
            listings: Mutex::new(LruCache::new(LISTINGS)),
            owner,
            pen: None,
        }
    }

    /// Serves a repository for reading and writing: what is written waits in the spool.
    #[must_use]
    pub fn writable(repo: Repo, options: MountOptions, spool: Spool) -> Fs {
        let fs = Fs::new(repo, options);
        for kept in spool.rejected() {
            fs.tree.control.keep(Some(kept.ticket.uid), kept.ticket.line(Some(&kept.name)));
        }
        if let Err(error) = scratch::age(&spool.scratch_root(), fs.now()) {
            log::warn!("cannot remove old scratch files in {}: {error}", spool.folder().display());
        }
        Fs { pen: Some(Pen::new(spool)), ..fs }
    }

    /// Looks at processes in another folder than `/proc`.
    #[must_use]
    pub fn with_proc(mut self, path: &Path) -> Fs {
        if let Some(pen) = &mut self.pen {
            path.clone_into(&mut pen.proc);
        }
        self
    }

    /// Lets live names that are emptied or removed come back after another time than two seconds.
    #[must_use]
    pub fn with_veil(mut self, time: Duration) -> Fs {
        if let Some(pen) = &mut self.pen {
            pen.veils = Veils::lasting(time);
        }
        self
    }

    /// Looks at every collection once, so that the first user need not wait for it. On one thread: whoever asks for
    /// something meanwhile has the others.
    pub fn warm(&self) {
        let look = || match self.tree.catalog.shelves() {
            Ok(shelves) => {
                for (label, shelf) in shelves {
                    if let Err(e) = shelf.now().map(|_| ()) {
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
        self.tree.control.note(self.now(), uid, &what, failure)
    }

    fn now(&self) -> u64 {
        self.tree.catalog.repo().context().clock.now()
    }

    fn node(&self, ino: u64) -> Result<Arc<Node>, Errno> {
        self.inodes.get(ino).ok_or(Errno::ESTALE)
    }

    /// What is open or kept now.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let counters = self.renderer.counters();
        let (revisions, history_bytes) = self.tree.catalog.history();
        Kept {
            revisions,
            history_bytes,
            handles: self.handles.len() as u64,
            inodes: self.inodes.len() as u64,
            cache_bytes: counters.kept,
            index_bytes: (self.tree.catalog.repo().store().cached_bytes() + self.tree.catalog.kept_bytes())
                as u64,
            cache_limit: self.tree.options.cache,
            cache_hits: counters.hits,
            cache_misses: counters.misses,
        }
    }

    fn attr(&self, node: &Node) -> Attr {
        let (kind, perm) = match node.what {
            What::Link(_) => (Kind::Link, 0o777),
            _ if node.is_folder() => (Kind::Folder, node.mode & !self.tree.options.umask),
            _ => (Kind::File, node.mode & !self.tree.options.umask),
        };
        let (uid, gid) = (node.owner.unwrap_or(self.owner.0), self.owner.1);
        let plain = Attr {
            ino: node.ino,
            size: node.size(),
            mtime: node.mtime,
            kind,
            links: 1,
            piece: READ,
            perm,
            uid,
            gid,
        };
        match &node.what {
            // It is held open: its folder's disk knows.
            What::Scratch(_, held) => held.facts().map_or(plain, |facts| Attr {
                size: if facts.folder { 0 } else { facts.size },
                mtime: facts.mtime,
                piece: WRITE,
                links: if facts.folder { 1 } else { u32::try_from(facts.links).unwrap_or(u32::MAX) },
                ..plain
            }),
            What::Copy(copy) => Attr { mtime: copy.mtime(), piece: WRITE, ..plain },
            _ => plain,
        }
    }

    fn found(&self, child: &Child) -> Found {
        Found {
            attr: self.attr(&child.node),
            entry_ttl: child.ttl,
            attr_ttl: self.tree.attr_ttl(&child.node),
        }
    }

    /// Finds a name in a folder. Counts as one lookup of what it finds.
    pub fn lookup(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<Found, Errno> {
        Counters::add(&self.tree.control.counters.lookups, 1);
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
        self.tree.sheets.clear();
        self.recent.lock().clear();
        self.listings.lock().clear();
        self.renderer.clear();
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
            (What::Moment(..), Some(name)) => name == name::DELTA,
            (What::Diff(_), Some(_)) => true,
            (What::Difference(of), None) => self.tree.deltas.known(&of.key).is_none(),
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
        let ttl = self.tree.attr_ttl(&node);
        if let What::Copy(copy) = &node.what {
            return Ok((Attr { ino: copy.shown(), ..self.attr(&node) }, ttl));
        }
        if !node.is_folder() {
            return Ok((self.attr(&node), ttl));
        }
        let mtime = self
            .tree
            .mtime(&node)
            .map_err(|e| self.fail(Some(caller), format_args!("stat{}", shown(&node)), &e))?;
        let attr = self.attr(&node);
        Ok((Attr { mtime: mtime.max(attr.mtime), ..attr }, ttl))
    }

    /// The target of a link.
    pub fn readlink(&self, ino: u64) -> Result<Vec<u8>, Errno> {
        match &self.node(ino)?.what {
            What::Link(target) => Ok(target.as_bytes().to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Opens a file; `flags` as for open(2).
    pub fn open(&self, caller: Caller, ino: u64, flags: i32) -> Result<Opened, Errno> {
        Counters::add(&self.tree.control.counters.opens, 1);
        let node = self.node(ino)?;
        // No renaming takes the file away before its handle is known.
        let scratch = matches!(node.what, What::Scratch(..));
        let _steady = self.pen.as_ref().filter(|_| scratch).map(|pen| pen.handover.steady());
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
            What::File(file) => Opening::Rows(self.content(node.ino, file)?, Arc::clone(node)),
            What::Text(text) => Opening::Text(Bytes::copy_from_slice(text.as_bytes())),
            What::Difference(of) => Opening::Difference(self.tree.text(of)?),
            What::Empty(..) => Opening::Text(Bytes::new()),
            What::Copy(copy) => self.open_copy(caller, copy, libc::O_RDONLY)?,
            What::Scratch(_, held) if !held.is_folder() => {
                let file = held.reopen(false, false).map_err(Failure::spool)?;
                Opening::Scratch(Arc::new(file), node.ino, false)
            }
            What::Kept(name, _) => Opening::Kept(self.open_kept(name)?),
            What::Link(_) => return Err(Errno::EINVAL.into()),
            _ => return Err(Errno::EISDIR.into()),
        })
    }

    fn content(&self, ino: u64, file: &File) -> Result<Arc<Content>, Failure> {
        let key = (ino, file.places);
        if let Some(content) = self.recent.lock().get(&key) {
            return Ok(Arc::clone(content));
        }
        let sheet = {
            let now = file.series.shelf.now()?;
            self.tree.sheet(&now, &file.series, &file.from)?
        };
        let content = Arc::new(self.renderer.open(sheet.source.clone(), file.format)?);
        self.recent.lock().put(key, Arc::clone(&content));
        Ok(content)
    }

    /// Bytes of an open file: fewer than `len` only at its end.
    pub fn read(&self, handle: u64, offset: u64, len: usize) -> Result<Bytes, Errno> {
        let counters = &self.tree.control.counters;
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

    /// Opens a folder: what it lists does not change until it is closed.
    pub fn opendir(&self, caller: Caller, ino: u64) -> Result<Opened, Errno> {
        let node = self.node(ino)?;
        if !node.is_folder() {
            return Err(Errno::ENOTDIR);
        }
        let children = self
            .children(caller, &node)
            .map_err(|e| self.fail(Some(caller), format_args!("list{}", shown(&node)), &e))?;
        let folder = Folder { own: self.attr(&node), above: node::parent(&node), children };
        let handle = self.handles.open(Opening::Folder(Arc::new(folder)));
        Ok(Opened { handle, keep_cache: false })
    }

    /// What a folder lists; a long listing is made once for each state.
    fn children(&self, caller: Caller, node: &Node) -> Result<Arc<[Child]>, Failure> {
        if let (What::Revisions(series), Some(pen)) = (&node.what, &self.pen)
            && self.is_removing(caller, pen, series)
        {
            return Ok(Arc::new([]));
        }
        let version = self.tree.version(node)?;
        if let (Some(version), Some((of, children))) = (version, self.listings.lock().get(&node.ino))
            && *of == version
        {
            return Ok(Arc::clone(children));
        }
        let children: Arc<[Child]> = self.list(caller, node)?.into();
        if let Some(version) = version {
            self.listings.lock().put(node.ino, (version, Arc::clone(&children)));
        }
        Ok(children)
    }

    /// Lines of an open folder from `offset` (0, or the `next` of a line), until `take` says that it is full by
    /// returning false: that line was not taken. With `plus`, each line taken (but `.` and `..`) counts as a lookup.
    pub fn readdir(
        &self,
        handle: u64,
        offset: u64,
        plus: bool,
        take: &mut dyn FnMut(&Line<'_>) -> bool,
    ) -> Result<(), Errno> {
        let Opening::Folder(folder) = self.handles.file(handle)? else { return Err(Errno::ENOTDIR) };
        let above = Attr { ino: folder.above, ..folder.own };
        let dots = [(".", folder.own), ("..", above)];
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        for (i, (name, attr)) in dots.into_iter().enumerate().skip(start) {
            let found = Found { attr, entry_ttl: Duration::ZERO, attr_ttl: Duration::ZERO };
            if !take(&Line { next: i as u64 + 1, name: OsStr::new(name), found }) {
                return Ok(());
            }
        }
        for (i, child) in folder.children.iter().enumerate().skip(start.saturating_sub(dots.len())) {
            let found = self.found(child);
            // Before the kernel can ask about it.
            if plus {
                self.inodes.remember(child.node.clone());
            }
            let next = (i + dots.len() + 1) as u64;
            if !take(&Line { next, name: &child.name, found }) {
                if plus {
                    self.inodes.forget(child.node.ino, 1);
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Closes a folder.
    pub fn releasedir(&self, handle: u64) {
        self.handles.close(handle);
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
