//! The end by a signal: nothing is left behind, and it is told whether something was done.

use super::output;
use crate::halt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The exit code of a signal is this and its number, as shells show it.
const SIGNALS: i32 = 128;

/// How long the end waits until what it says is read.
const SAYING: Duration = Duration::from_secs(1);

/// From now on a signal ends the program in order; a second one does not wait, but a hangup: a terminal that is closed
/// sends that twice, with its shell, and nobody who is impatient. `reads` is a verb that changes nothing: it
/// goes without a word if it leaves nothing.
pub(crate) fn on_signals(reads: bool) -> io::Result<()> {
    let ignored = ignored();
    // What is ignored stays so: that is how nohup works.
    let wanted: Vec<i32> = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| ignored & 1_u64.wrapping_shl(signal.unsigned_abs() - 1) == 0)
        .collect();
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
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
