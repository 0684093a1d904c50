//! Names of users and of this machine: what the log says of who wrote.
//!
//! The system's name service is asked (`getpwuid_r`), so users whom no `/etc/passwd` lists have names too. It may ask a server
//! that does not answer for minutes: so it is asked on a thread of its own, waited for only for a moment, and a number stands for who
//! cannot be named in time.

use nix::unistd::{Uid, User};
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long somebody waits for a name.
const WAIT: Duration = Duration::from_secs(1);

/// How long a name is believed.
const KNOWN: Duration = Duration::from_secs(600);

/// How long it is believed that there is no name.
const UNKNOWN: Duration = Duration::from_secs(30);

/// Questions under way at once: each has a thread, and may never be answered.
const QUESTIONS: usize = 16;

/// Users that are remembered.
const REMEMBERED: usize = 1000;

/// Characters of a name that are kept.
const LONGEST: usize = 64;

/// The name of a user, or that there is none; fails where that cannot be told now.
type Ask = dyn Fn(u32) -> io::Result<Option<String>> + Send + Sync;

/// What is known of a user.
#[derive(Debug, Clone)]
struct Known {
    /// The last answer.
    name: Option<String>,
    answered: Option<Instant>,
    /// How long that is believed.
    lasts: Duration,
    /// Since when a question is under way.
    asked: Option<Instant>,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.answered.is_some_and(|answered| answered.elapsed() < self.lasts)
    }
}

#[derive(Debug, Default)]
struct Answers {
    known: Mutex<HashMap<u32, Known>>,
    came: Condvar,
}

/// The users of a system, by number.
pub(crate) struct Users {
    ask: Arc<Ask>,
    wait: Duration,
    answers: Arc<Answers>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("wait", &self.wait).finish_non_exhaustive()
    }
}

impl Users {
    /// Users that `ask` names; it is waited for no longer than `wait`.
    pub(crate) fn new(
        ask: impl Fn(u32) -> io::Result<Option<String>> + Send + Sync + 'static,
        wait: Duration,
    ) -> Users {
        Users { ask: Arc::new(ask), wait, answers: Arc::default() }
    }

    /// The name of a user, or the number if none is known in time. Not to be asked for while a lock is held.
    #[must_use]
    pub(crate) fn name(&self, uid: u32) -> String {
        let mut known = self.answers.known.lock();
        self.begin(&mut known, uid);
        let until = Instant::now() + self.wait;
        while let Some(one) = known.get(&uid) {
            // A name that is old is as good as none in time. Whoever asks while nobody answers does not wait as well.
            let waits = one.answered.is_none() && one.asked.is_some_and(|asked| asked.elapsed() < self.wait);
            if !waits || self.answers.came.wait_until(&mut known, until).timed_out() {
                break;
            }
        }
        let name = known.get(&uid).and_then(|one| one.name.as_deref()).map(clean);
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| uid.to_string())
    }

    /// Begins to ask for a name that will be wanted soon.
    #[cfg(any(feature = "mount", test))]
    pub(crate) fn expect(&self, uid: u32) {
        self.begin(&mut self.answers.known.lock(), uid);
    }

    /// Asks for a name unless it is known, or asked for.
    fn begin(&self, known: &mut HashMap<u32, Known>, uid: u32) {
        let is_known = known.get(&uid).is_some_and(|one| one.is_fresh() || one.asked.is_some());
        let asked = known.values().filter(|one| one.asked.is_some()).count();
        if is_known || asked >= QUESTIONS {
            return;
        }
        if known.len() >= REMEMBERED {
            known.retain(|_, one| one.asked.is_some());
        }
        let (ask, answers) = (Arc::clone(&self.ask), Arc::clone(&self.answers));
        let question = move || {
            let mut answer = Answer { answers, uid, name: None };
            answer.name = Some(ask(uid));
        };
        if thread::Builder::new().name("user".to_owned()).spawn(question).is_ok() {
            let nothing = Known { name: None, answered: None, lasts: UNKNOWN, asked: None };
            known.entry(uid).or_insert(nothing).asked = Some(Instant::now());
        }
    }
}

/// An answer, also that there is none because asking failed or panicked.
struct Answer {
    answers: Arc<Answers>,
    uid: u32,
    name: Option<io::Result<Option<String>>>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let named = matches!(self.name, Some(Ok(Some(_))));
        let mut known = self.answers.known.lock();
        let name = match self.name.take() {
            Some(Ok(name)) => name,
            // The name that was known is as good as it was.
            _ => known.remove(&self.uid).and_then(|before| before.name),
        };
        let lasts = if named { KNOWN } else { UNKNOWN };
        let answered = Some(Instant::now());
        known.insert(self.uid, Known { name, answered, lasts, asked: None });
        self.answers.came.notify_all();
    }
}

/// The users of this system.
#[must_use]
pub(crate) fn system() -> &'static Users {
    static USERS: LazyLock<Users> = LazyLock::new(|| Users::new(ask, WAIT));
    &USERS
}

fn ask(uid: u32) -> io::Result<Option<String>> {
    let user = User::from_uid(Uid::from_raw(uid));
    let user = user.inspect_err(|e| log::warn!("cannot learn the name of user {uid}: {e}"));
    Ok(user?.map(|user| user.name))
}

/// The name of this machine; empty if it has none.
#[must_use]
#[cfg(feature = "cli")]
pub(crate) fn host() -> String {
    clean(std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim())
}

/// `user@host` of a name that was not cleaned yet.
#[must_use]
pub(crate) fn author(user: &str, host: &str) -> String {
    let (user, host) = (clean(user), clean(host));
    if host.is_empty() { user } else { format!("{user}@{host}") }
}

/// A name that stays one word before or behind an `@`: names come from servers and variables that may hold anything.
fn clean(name: &str) -> String {
    // Also what nobody sees, or what turns the direction of a line.
    let is_odd = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '@' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    name.chars().take(LONGEST).map(|c| if is_odd(c) { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_system_names_root() {
        assert_eq!(system().name(0), "root");
    }

    #[test]
    fn a_user_of_a_directory_is_named_and_asked_for_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let ask = move |uid| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok((uid == 81234).then(|| "ann".to_owned()))
        };
        let users = Users::new(ask, LONG);
        for _ in 0..3 {
            assert_eq!((users.name(81234), users.name(7)), ("ann".to_owned(), "7".to_owned()));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2, "that there is no name is known too");
    }

    #[test]
    fn a_directory_that_does_not_answer_delays_one_who_asks_for_a_moment() {
        let (answer, question) = mpsc::channel::<()>();
        let question = Mutex::new(question);
        let ask = move |_| Ok(question.lock().recv().ok().map(|()| "ann".to_owned()));
        let users = Users::new(ask, Duration::from_millis(200));
        users.expect(5);
        assert_eq!(users.name(5), "5");
        let began = Instant::now();
        (0..1000).for_each(|_| assert_eq!(users.name(5), "5"));
        assert!(began.elapsed() < Duration::from_secs(10), "only the first waits");
        answer.send(()).unwrap();
        let until = Instant::now() + LONG;
        while users.name(5) != "ann" && Instant::now() < until {
            thread::yield_now();
        }
        assert_eq!(users.name(5), "ann", "an answer that comes late is one");
    }

    #[test]
    fn questions_without_an_answer_are_few() {
        let (answer, question) = mpsc::channel::<()>();
        let question = Mutex::new(question);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let ask = move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(question.lock().recv().ok().map(|()| String::new()))
        };
        let users = Users::new(ask, Duration::ZERO);
        assert!((0..100).all(|uid| users.name(uid) == uid.to_string()));
        assert!(asked.load(Ordering::Relaxed) <= QUESTIONS);
        drop(answer);
    }

    #[test]
    fn who_panics_is_waited_for_no_longer() {
        let users = Users::new(|_| std::panic::panic_any("made to fail"), LONG);
        assert_eq!(users.name(3), "3");
    }

    #[test]
    fn a_name_is_kept_where_it_cannot_be_asked_for_again() {
        let asked = AtomicUsize::new(0);
        let users = Users::new(
            move |_| match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(Some("ann".to_owned())),
                1 => Err(io::ErrorKind::TimedOut.into()),
                2 => std::panic::panic_any("made to fail"),
                _ => Ok(None),
            },
            LONG,
        );
        for expected in ["ann", "ann", "ann", "5"] {
            // As after its time: it is asked for again.
            if let Some(one) = users.answers.known.lock().get_mut(&5) {
                one.lasts = Duration::ZERO;
            }
            assert!(!users.name(5).is_empty());
            let until = Instant::now() + LONG;
            while users.answers.known.lock()[&5].asked.is_some() && Instant::now() < until {
                thread::yield_now();
            }
            assert_eq!(users.answers.known.lock()[&5].name.as_deref().unwrap_or("5"), expected);
        }
    }

    #[test]
    fn odd_names_stay_one_word() {
        assert_eq!(author("ann", "host"), "ann@host");
        assert_eq!(author("ann@example.org", "a b"), "ann_example.org@a_b");
        assert_eq!(author("EXAMPLE\\ann", ""), "EXAMPLE\\ann");
        assert_eq!(author("a\x1b[31m\n\u{202e}b", "h\t"), "a_[31m__b@h_");
        assert_eq!(author(&"x".repeat(1000), "h").len(), LONGEST + 2);
        let users = Users::new(|_| Ok(Some("Ann Smith".to_owned())), LONG);
        assert_eq!(users.name(1), "Ann_Smith");
        assert_eq!(Users::new(|_| Ok(Some(String::new())), LONG).name(1), "1");
    }
}
