//! The end by a signal: nothing is left behind, and it is told whether something was done.

use super::output;
use crate::halt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::time::Duration;

/// The exit code of a signal is this and its number, as shells show it.
const SIGNALS: i32 = 128;

/// How long the end waits until what it says is read.
const SAYING: Duration = Duration::from_secs(1);

/// Set while a signal ends the program at once, without the thread.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on a signal ends the program in order; a second one does not wait, but a hangup: a terminal that is closed
/// sends that twice, with its shell, and nobody who is impatient. `reads` is a verb that changes nothing: it
/// goes without a word if it leaves nothing.
///
/// Such a verb has nothing to put in order until it begins a file. The thread that waits for signals is started no
/// earlier, so that a short read does not pay for it.
pub(crate) fn on_signals(reads: bool) -> io::Result<()> {
    if !reads {
        return in_order(false);
    }
    AT_ONCE.store(true, Ordering::SeqCst);
    for signal in wanted() {
        flag::register_conditional_shutdown(signal, SIGNALS + signal, Arc::clone(&AT_ONCE))?;
    }
    halt::before_first(|| match in_order(true) {
        Ok(()) => AT_ONCE.store(false, Ordering::SeqCst),
        Err(error) => log::warn!("signals end the program at once: {error}"),
    });
    Ok(())
}

/// Starts the thread that waits for signals.
fn in_order(reads: bool) -> io::Result<()> {
    let wanted = wanted();
    let again = Arc::new(AtomicBool::new(false));
    for &signal in &wanted {
        if signal != SIGHUP {
            flag::register_conditional_shutdown(signal, SIGNALS + signal, Arc::clone(&again))?;
        }
        flag::register(signal, Arc::clone(&again))?;
    }
    let mut signals = Signals::new(&wanted)?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            end(signal, reads);
        }
    })?;
    Ok(())
}

/// The signals that end the program. What is ignored stays so: that is how nohup works.
fn wanted() -> Vec<i32> {
    let ignored = ignored();
    [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| ignored & 1_u64.wrapping_shl(signal.unsigned_abs() - 1) == 0)
        .collect()
}

fn end(signal: i32, reads: bool) {
    let stopped = halt::stop();
    let told = match stopped.changed {
        true => Some("interrupted; what was done until then stays"),
        false if reads && stopped.removed == 0 => None,
        false => Some("interrupted, nothing changed"),
    };
    if let Some(told) = told {
        say(told);
    }
    // What other threads do meanwhile is no matter: they can finish nothing any more.
    low_level::exit(SIGNALS + signal);
}

/// Says something on stderr. A pipe that nobody reads may be full, or another thread may wait for it: that must not keep
/// the program.
fn say(told: &'static str) {
    let (done, said) = mpsc::channel();
    let saying = move || {
        // Behind ^C, or a line of progress.
        output::leave_line();
        output::warn(told);
        done.send(()).ok();
    };
    if thread::Builder::new().name("last words".to_owned()).spawn(saying).is_ok() {
        said.recv_timeout(SAYING).ok();
    }
}

/// The signals that whoever started the program has it ignore, a bit for each.
fn ignored() -> u64 {
    // Without /proc, as if nothing was ignored.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
