//! The one place where panics of foreign decoders are caught.
//!
//! What can be checked is checked before they see it; what they do not check themselves is an error of the bytes, not of
//! this program. Looked at: parquet 60.1, which panics on some damaged pages.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether panics of this thread are caught here, and told as errors.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What `act` gives, or what the panic said that ended it. What `act` has changed is not to be used afterwards.
pub fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    quiet();
    let before = CAUGHT.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(act));
    CAUGHT.set(before);
    done.map_err(|payload| said(payload.as_ref()).to_owned())
}

/// Panics that are caught here are told once, as errors: the hook of the process is not asked.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                before(info);
            }
        }));
    });
}

/// What a panic said.
fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_what_it_said() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| -> u8 { panic!("no {}", 1) }), Err("no 1".to_owned()));
        assert_eq!(caught(|| -> u8 { panic!("plain") }), Err("plain".to_owned()));
    }
}
