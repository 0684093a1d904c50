//! The parents of a revision in memory.
//!
//! Thousands of revisions are listed by every command, so the usual one takes no allocation.

use crate::clock::Stamp;

/// The parents of a revision, sorted: one nearly always, which takes no memory of its own.
#[derive(Debug, Clone, Default)]
pub(super) enum Parents {
    #[default]
    First,
    One(Stamp),
    Several(Vec<Stamp>),
}

impl From<Vec<Stamp>> for Parents {
    /// Sorts them, once for all: one at a time would take long for many.
    fn from(mut all: Vec<Stamp>) -> Parents {
        all.sort_unstable();
        all.dedup();
        match all.as_slice() {
            [] => Parents::First,
            [one] => Parents::One(*one),
            _ => Parents::Several(all),
        }
    }
}

impl Parents {
    pub(super) fn to_vec(&self) -> Vec<Stamp> {
        self.as_slice().to_vec()
    }

    /// Bytes beside its own.
    pub(super) fn bytes(&self) -> usize {
        if let Parents::Several(all) = self { all.capacity() * size_of::<Stamp>() } else { 0 }
    }

    pub(super) fn as_slice(&self) -> &[Stamp] {
        match self {
            Parents::First => &[],
            Parents::One(one) => std::slice::from_ref(one),
            Parents::Several(all) => all,
        }
    }

    /// Adds one; gives whether it is new. Those of a first revision are none.
    pub(super) fn add(&mut self, parent: Stamp) -> bool {
        let Err(at) = self.as_slice().binary_search(&parent) else { return false };
        *self = match std::mem::replace(self, Parents::First) {
            Parents::First => Parents::One(parent),
            Parents::One(one) => {
                Parents::Several(if at == 0 { vec![parent, one] } else { vec![one, parent] })
            }
            Parents::Several(mut all) => {
                all.insert(at, parent);
                Parents::Several(all)
            }
        };
        true
    }
}
