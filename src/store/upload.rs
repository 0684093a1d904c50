//! Puts objects while their successors are still being encoded.
//!
//! One thread, batches of a few objects, at most a few batches waiting. `finish` returns when all is durable:
//! a revision is put only after that.

use super::{Store, StoreError};
use crate::backend::BackendErrorKind;
use crate::digest::Digest;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Objects put at once.
const BATCH: usize = 16;

/// Objects that may wait.
const WAITING: usize = 16;

type Item = (Digest, Bytes);

#[derive(Debug)]
pub(super) struct Upload {
    sender: Option<SyncSender<Item>>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Upload {
    pub(super) fn start(store: Arc<Store>) -> Upload {
        let (sender, receiver) = sync_channel(WAITING);
        let thread = std::thread::spawn(move || run(&store, &receiver));
        Upload { sender: Some(sender), thread: Some(thread) }
    }

    /// Hands an object over; where the thread has failed, `finish` tells why.
    pub(super) fn put(&self, digest: Digest, bytes: Bytes) {
        if let Some(sender) = &self.sender
            && sender.send((digest, bytes)).is_err()
        {
            log::debug!("the upload has ended early");
        }
    }

    /// Waits until all objects are durable.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_panic)) => Err(StoreError::Encode("the upload thread panicked".to_owned())),
            None => Ok(()),
        }
    }
}

fn run(store: &Store, receiver: &Receiver<Item>) -> Result<(), StoreError> {
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        batch.extend(receiver.try_iter().take(BATCH - 1));
        put_missing(store, batch)?;
    }
    Ok(())
}

/// Puts what is not there under its plain name.
pub(super) fn put_missing(store: &Store, objects: Vec<Item>) -> Result<(), StoreError> {
    let mut missing = Vec::with_capacity(objects.len());
    let mut there = Vec::new();
    for (digest, bytes) in objects {
        let key = digest.key();
        // An object that is there may be damaged: then it is put again, which heals it.
        match store.backend().get_within(&key, bytes.len() as u64) {
            Ok(found) if found == bytes => there.push(key),
            Ok(_) => missing.push((key, bytes)),
            Err(e) if e.is_not_found() || e.kind == BackendErrorKind::NoFile => missing.push((key, bytes)),
            Err(e) => return Err(e.into()),
        }
    }
    // Somebody else may have put them just now, and not have synced their folder yet.
    if !there.is_empty() {
        store.backend().sync(&there)?;
    }
    if !missing.is_empty() {
        store.backend().put_many(&missing)?;
    }
    Ok(())
}
