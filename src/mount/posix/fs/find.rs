//! What a name is for who asks: the tree, and over it what only this mount has.

use super::beside::{in_scratch, scratch_child, scratch_children, unborn_child};
use super::remove::emptied_folder;
use super::{Caller, Fs};
use crate::mount::machine::process;
use crate::mount::posix::child::{Child, FOREVER};
use crate::mount::posix::control::{self, Asker, SpoolStatus};
use crate::mount::posix::copy::{Purpose, Start, WorkingCopy};
use crate::mount::posix::errno::Errno;
use crate::mount::posix::hidden::Hidden;
use crate::mount::posix::node::{Node, What};
use crate::mount::posix::scratch;
use crate::mount::posix::write_state::WriteState;
use crate::vfs::entry::Entry;
use crate::vfs::failure::{Failure, Kind};
use crate::vfs::name;
use crate::vfs::render::Format;
use crate::vfs::save::Basis;
use crate::vfs::series::Series;
use crate::vfs::spool::Kept;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

/// The folder of refused bytes, in `.lakota`.
const REJECTED: &str = "rejected";

/// What is known of them, an object a line; not listed.
const INDEX: &str = ".index";

impl Fs {
    /// What a name in a folder is.
    pub(super) fn find(&self, caller: Caller, parent: &Node, name: &OsStr) -> Result<Child, Failure> {
        if let Some(writes) = &self.writes {
            writes.hidden.report_ended(&self.control, self.now());
        }
        let Some(writes) = &self.writes else { return self.in_tree(caller, parent, name) };
        match &parent.what {
            What::Repo(Entry::Series(series)) => self.in_series(caller, writes, parent, series, name),
            What::Scratch(series, held) => {
                let child = held.child(name).map_err(Failure::spool)?.ok_or(Errno::ENOENT)?;
                Ok(scratch_child(name, series, child))
            }
            What::Repo(Entry::Root) => match self.in_tree(caller, parent, name) {
                Err(Failure::Plain(Kind::NotFound)) => unborn(writes, name),
                found => found,
            },
            What::Repo(Entry::Collection(cached)) => match self.in_tree(caller, parent, name) {
                Err(Failure::Plain(Kind::NotFound)) => {
                    Ok(emptied_folder(caller, writes, cached, name, self.now()).ok_or(Errno::ENOENT)?)
                }
                found => found,
            },
            What::Unborn(label) => match self.tree.catalog.collection(label)? {
                Some(cached) => self.in_repo(&Entry::Collection(cached), name),
                None => Err(Errno::ENOENT.into()),
            },
            What::Control if name == REJECTED => Ok(rejected_folder(caller, self.control.began())),
            What::Rejected => self.in_rejected(caller, writes, name),
            What::Again(consent) => self.in_again(caller, writes, *consent, name),
            _ => self.in_tree(caller, parent, name),
        }
    }

    pub(super) fn in_tree(&self, caller: Caller, parent: &Node, name: &OsStr) -> Result<Child, Failure> {
        let (kept, spool) = (|| self.kept(), || self.spool_status());
        match &parent.what {
            What::Repo(Entry::Root) if name == control::CONTROL => {
                Ok(Child::new(control::CONTROL, Node::control(self.control.began()), FOREVER))
            }
            What::Repo(entry) => self.in_repo(entry, name),
            What::Control => {
                let known = control::NAMES.into_iter().find(|known| name == *known);
                self.control_file(known.ok_or(Errno::ENOENT)?, &self.asker(caller, &kept, &spool))
            }
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    pub(super) fn in_repo(&self, parent: &Entry, name: &OsStr) -> Result<Child, Failure> {
        Ok(Child::found(self.tree.find(parent, name)?, self.soon()))
    }

    fn list_tree(&self, node: &Node, asker: &Asker<'_>) -> Result<Vec<Child>, Failure> {
        match &node.what {
            What::Repo(entry) => self.list_repo(entry),
            What::Control => control::NAMES.iter().map(|name| self.control_file(name, asker)).collect(),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    fn list_repo(&self, folder: &Entry) -> Result<Vec<Child>, Failure> {
        let children = self.tree.list(folder)?.into_iter();
        Ok(children.map(|child| Child::found(child, self.soon())).collect())
    }

    fn control_file(&self, name: &'static str, asker: &Asker<'_>) -> Result<Child, Failure> {
        let text = self.control.text(name, &self.tree.catalog, &self.options, asker);
        let mtime = if name == "version" { self.control.began() } else { self.now() };
        let node = Node::text(name, &text.ok_or(Errno::ENOENT)?, mtime);
        let node = if name == "errors" { node.private(asker.uid) } else { node };
        Ok(Child::new(name, node, Duration::ZERO))
    }

    fn asker<'a>(
        &self,
        caller: Caller,
        kept: &'a dyn Fn() -> crate::mount::posix::control::Kept,
        spool: &'a dyn Fn() -> Option<SpoolStatus>,
    ) -> Asker<'a> {
        Asker { uid: caller.uid, owner: self.is_owner(caller), kept, spool }
    }

    /// Whether a user sees what concerns all.
    fn is_owner(&self, caller: Caller) -> bool {
        caller.uid == rustix::process::geteuid().as_raw() || caller.uid == self.owner.uid
    }

    fn spool_status(&self) -> Option<SpoolStatus> {
        let writes = self.writes.as_ref()?;
        let scratch = scratch::age(&writes.spool.scratch_root(), self.now()).unwrap_or_else(|error| {
            log::warn!("cannot look at scratch files: {error}");
            (0, 0)
        });
        Some(SpoolStatus {
            folder: writes.spool.folder().display().to_string(),
            writing: self.handles.copies().len() as u64,
            rejected: writes.spool.rejected().len(),
            scratch_files: scratch.0,
            scratch_bytes: scratch.1,
        })
    }

    fn in_series(
        &self,
        caller: Caller,
        writes: &WriteState,
        parent: &Node,
        series: &Series,
        name: &OsStr,
    ) -> Result<Child, Failure> {
        if let Some(format) = self.tree.live_format(series, name)? {
            if let Some(copy) = self.copy_for(caller, writes, series, format, name)? {
                return Ok(Child::new(name, Node::copy(&copy), Duration::ZERO));
            }
            return match self.hidden_from(caller, writes, series, format)? {
                None => self.in_tree(caller, parent, name),
                Some(Hidden::Emptied) => {
                    Ok(Child::new(name, Node::empty(series, format, self.now()), Duration::ZERO))
                }
                Some(_) => Err(Errno::ENOENT.into()),
            };
        }
        if name == name::DIFF
            && let Some(child) = in_scratch(writes, series, name)?
        {
            return Ok(child);
        }
        match self.in_tree(caller, parent, name) {
            Err(Failure::Plain(Kind::NotFound)) => {
                Ok(in_scratch(writes, series, name)?.ok_or(Errno::ENOENT)?)
            }
            found => found,
        }
    }

    /// The working copy that a thread was told to look for.
    fn copy_for(
        &self,
        caller: Caller,
        writes: &WriteState,
        series: &Series,
        format: Format,
        name: &OsStr,
    ) -> Result<Option<Arc<WorkingCopy>>, Failure> {
        let who = (caller.pid, caller.uid);
        let Some(reopen) = writes.expected(who).filter(|reopen| reopen.is_of(series, format)) else {
            return Ok(None);
        };
        if let Some(copy) = reopen.copy {
            return Ok(Some(copy));
        }
        let copy = self.new_copy(writes, (series, format), name, reopen.empty)?;
        // One that its process writes as well must be told apart when it is closed.
        let twice = self.is_written_by(writes, caller, reopen.ino);
        let copy = Arc::new(if twice { copy } else { copy.shown_as(reopen.ino) });
        writes.give(who, &copy);
        Ok(Some(copy))
    }

    /// Whether the process of a caller has a working copy open that is shown by a number.
    fn is_written_by(&self, writes: &WriteState, caller: Caller, number: u64) -> bool {
        let mut copies = self.handles.copies();
        copies.retain(|copy| copy.numbers().contains(&number) && !copy.is_left());
        if copies.is_empty() {
            return false;
        }
        let pid = writes.pid(caller);
        copies.retain(|copy| copy.writer().map(|writer| writer.pid) == pid);
        // The kernel does not wait for releases: one that is closed may be open here still.
        copies.retain(|copy| {
            let gone = copy.is_flushed()
                && process::others(&writes.proc, caller.pid, copy.ino, &copy.numbers()) == Some(0);
            if gone {
                copy.leave();
            }
            !gone
        });
        !copies.is_empty()
    }

    /// A working copy of a live file: of its rows, or one that begins without a byte.
    pub(super) fn new_copy(
        &self,
        writes: &WriteState,
        (series, format): (&Series, Format),
        name: &OsStr,
        empty: bool,
    ) -> Result<WorkingCopy, Failure> {
        let basis = Basis::now(&self.tree.views, series)?;
        let front = match &basis {
            Some(basis) if !empty => Some(Arc::new(self.contents.open(&basis.view.source, format)?)),
            _ => None,
        };
        let purpose = Purpose::Rows(series.clone(), format);
        let start = Start { basis, front };
        let copy = WorkingCopy::new(writes.serial(), purpose, &name.to_string_lossy(), start, self.now());
        Ok(copy)
    }

    fn in_rejected(&self, caller: Caller, writes: &WriteState, name: &OsStr) -> Result<Child, Failure> {
        if name == control::RETRY || name == control::REPLACE {
            let node = Node::again(name == control::REPLACE, self.control.began()).private(caller.uid);
            return Ok(Child::new(name, node, Duration::ZERO));
        }
        let own = self.rejected_of(caller, writes);
        if name == INDEX {
            let lines: Result<Vec<String>, _> = own.iter().map(serde_json::to_string).collect();
            let mut text = lines.unwrap_or_default().join("\n");
            text.push_str(if own.is_empty() { "" } else { "\n" });
            let node = Node::text(INDEX, &text, self.now()).private(caller.uid);
            return Ok(Child::new(name, node, Duration::ZERO));
        }
        let kept = own.iter().find(|kept| name == kept.name.as_str()).ok_or(Errno::ENOENT)?;
        Ok(kept_child(caller, kept))
    }

    /// The refused bytes that a user may see.
    pub(super) fn rejected_of(&self, caller: Caller, writes: &WriteState) -> Vec<Kept> {
        let mut kept = writes.spool.rejected();
        kept.retain(|kept| self.is_owner(caller) || kept.ticket.uid == caller.uid);
        kept
    }

    /// What a folder lists, in order.
    pub(super) fn list(&self, caller: Caller, node: &Node) -> Result<Vec<Child>, Failure> {
        if let Some(writes) = &self.writes {
            writes.hidden.report_ended(&self.control, self.now());
        }
        let (kept, spool) = (|| self.kept(), || self.spool_status());
        let asker = self.asker(caller, &kept, &spool);
        let Some(writes) = &self.writes else { return self.list_tree(node, &asker) };
        match &node.what {
            What::Repo(Entry::Root) => {
                let mut children = self.list_tree(node, &asker)?;
                for (label, made) in writes.unborn.lock().iter() {
                    children.push(unborn_child(label, *made));
                }
                Ok(children)
            }
            What::Unborn(label) => match self.tree.catalog.collection(label)? {
                Some(cached) => self.list_repo(&Entry::Collection(cached)),
                None => Ok(Vec::new()),
            },
            What::Repo(Entry::Series(series)) => {
                let mut children = self.list_tree(node, &asker)?;
                self.hide_names(caller, writes, series, &mut children)?;
                if let Some(held) = writes.scratch_of(series)? {
                    // Before the link and the history: what removes all of it comes to those last.
                    let own = children.iter().position(|child| !is_live(child)).unwrap_or(children.len());
                    children.splice(own..own, scratch_children(series, &held)?);
                }
                Ok(children)
            }
            What::Scratch(series, held) => Ok(scratch_children(series, held)?),
            What::Control => {
                let mut children = self.list_tree(node, &asker)?;
                children.push(rejected_folder(caller, self.control.began()));
                Ok(children)
            }
            What::Rejected => {
                Ok(self.rejected_of(caller, writes).iter().map(|kept| kept_child(caller, kept)).collect())
            }
            What::Again(_) => Ok(Vec::new()),
            _ => self.list_tree(node, &asker),
        }
    }

    /// What a live name shows a program instead of its rows.
    pub(super) fn hidden_from(
        &self,
        caller: Caller,
        writes: &WriteState,
        series: &Series,
        format: Format,
    ) -> Result<Option<Hidden>, Failure> {
        let Some(over) = writes.hidden.get(series, format) else { return Ok(None) };
        if !over.how.is_own() {
            return Ok(Some(over.how));
        }
        if over.by.pid == 0 || over.by.pid != writes.writer(caller).pid {
            return Ok(None);
        }
        // Written by others, it is to be seen.
        let shown = match over.how {
            Hidden::New => {
                Basis::now(&self.tree.views, series)?.is_some_and(|basis| basis.view.sums.rows > 0)
            }
            _ => false,
        };
        Ok((!shown).then_some(over.how))
    }

    /// Shows live names of a listing as they are while they are being saved.
    fn hide_names(
        &self,
        caller: Caller,
        writes: &WriteState,
        series: &Series,
        children: &mut Vec<Child>,
    ) -> Result<(), Failure> {
        let mut shown = Vec::with_capacity(children.len());
        for mut child in children.drain(..) {
            let format =
                if let What::Repo(Entry::File(file)) = &child.node.what { Some(file.format) } else { None };
            let how = match format {
                Some(format) => self.hidden_from(caller, writes, series, format)?.map(|how| (how, format)),
                None => None,
            };
            match how {
                Some((Hidden::Emptied, format)) => child.node = Node::empty(series, format, self.now()),
                Some(_) => continue,
                None => {}
            }
            shown.push(child);
        }
        *children = shown;
        Ok(())
    }
}

fn is_live(child: &Child) -> bool {
    matches!(child.node.what, What::Repo(Entry::File(_)) | What::Empty(..))
}

fn unborn(writes: &WriteState, name: &OsStr) -> Result<Child, Failure> {
    let label = name::label_of(name).ok_or(Errno::ENOENT)?;
    let made = writes.unborn.lock().get(&label).copied();
    Ok(unborn_child(&label, made.ok_or(Errno::ENOENT)?))
}

fn rejected_folder(caller: Caller, began: u64) -> Child {
    Child::new(REJECTED, Node::rejected(began).private(caller.uid), Duration::ZERO)
}

fn kept_child(caller: Caller, kept: &Kept) -> Child {
    let node = Node::kept(&kept.name, kept.size, kept.ticket.time).private(caller.uid);
    Child::new(&kept.name, node, Duration::ZERO)
}
