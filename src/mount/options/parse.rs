//! Reads what `-o` says.
//!
//! Words are parted by commas and may repeat, the last one wins. What mount(8) and fstab add for every file system is
//! taken and changes nothing; a word that is not known is an error, never ignored.

use super::MountOptions;
use crate::data::label::closest;
use crate::vfs::name::Names;
use std::path::PathBuf;
use std::time::Duration;

/// A word of `-o` that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No option of this name.
    #[error("unknown mount option {name:?}{}", hint(.closest.as_deref()))]
    Unknown {
        /// What was given.
        name: String,
        /// The option most like it.
        closest: Option<String>,
    },
    /// An option that is nothing without a value.
    #[error("mount option {name} needs a value: {name}={expected}")]
    NoValue {
        /// The option.
        name: &'static str,
        /// What a value looks like.
        expected: &'static str,
    },
    /// A value that the option does not have.
    #[error("mount option {name}={value}: expected {expected}")]
    Value {
        /// The option.
        name: &'static str,
        /// What was given.
        value: String,
        /// What a value looks like.
        expected: &'static str,
    },
    /// A switch that was given a value.
    #[error("mount option {0} takes no value")]
    Switch(&'static str),
    /// A change of a mount that is there already.
    #[error("a lakota mount cannot be changed while it is mounted: unmount it, then mount it again")]
    Remount,
}

fn hint(closest: Option<&str>) -> String {
    closest.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

const SIZE: &str = "a size such as 256M, 1GiB or 100000";
const TIME: &str = "a time such as 5s, 500ms or 1m";
const ID: &str = "a number, as `id` tells";
const MASK: &str = "permission bits in octal, such as 022";
const NAMES: &str = "live or label";
const NAME: &str = "a name for mount tables";
const FOLDER: &str = "a folder on local disk";
const MESSAGE: &str = "a text of one line for the log";

/// Our switches and options, for hints.
const KNOWN: [&str; 13] = [
    "ro",
    "rw",
    "allow_other",
    "uid",
    "gid",
    "umask",
    "hide_revisions",
    "names",
    "cache",
    "poll",
    "fsname",
    "spool",
    "message",
];

/// Words that mount(8) gives to, or fstab holds for, any file system. A lakota mount is always `nodev` and `nosuid`,
/// has no files to execute and no times of access; `default_permissions` comes with `allow_other`.
const STANDARD: [&str; 43] = [
    "defaults",
    "auto",
    "noauto",
    "user",
    "users",
    "nouser",
    "owner",
    "noowner",
    "group",
    "nogroup",
    "nofail",
    "_netdev",
    "_rnetdev",
    "dev",
    "nodev",
    "suid",
    "nosuid",
    "exec",
    "noexec",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "lazytime",
    "nolazytime",
    "sync",
    "async",
    "dirsync",
    "iversion",
    "noiversion",
    "mand",
    "nomand",
    "silent",
    "loud",
    "symfollow",
    "nosymfollow",
    "comment",
    "default_permissions",
    "helper",
];

impl MountOptions {
    /// The options that a list of `-o` arguments asks for.
    pub fn parse<'a>(lists: impl IntoIterator<Item = &'a str>) -> Result<MountOptions, OptionError> {
        let mut options = MountOptions::default();
        for word in lists.into_iter().flat_map(words) {
            options.set(&word)?;
        }
        Ok(options)
    }

    fn set(&mut self, word: &str) -> Result<(), OptionError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        match name {
            "ro" => {
                switch("ro", value)?;
                self.read_only = true;
            }
            "rw" => {
                switch("rw", value)?;
                self.read_only = false;
            }
            "allow_other" => {
                switch("allow_other", value)?;
                self.allow_other = true;
            }
            "hide_revisions" => {
                switch("hide_revisions", value)?;
                self.hide_revisions = true;
            }
            "uid" => self.uid = Some(valued("uid", value, ID, id)?),
            "gid" => self.gid = Some(valued("gid", value, ID, id)?),
            "umask" => self.umask = valued("umask", value, MASK, mask)?,
            "names" => self.names = valued("names", value, NAMES, names)?,
            "cache" => self.cache = valued("cache", value, SIZE, size)?,
            "poll" => self.poll = valued("poll", value, TIME, time)?,
            "fsname" => self.fsname = Some(valued("fsname", value, NAME, plain)?),
            "spool" => self.spool = Some(valued("spool", value, FOLDER, folder)?),
            "message" => self.message = Some(valued("message", value, MESSAGE, plain)?),
            "remount" => return Err(OptionError::Remount),
            _ if STANDARD.contains(&name) || name.starts_with("x-") || name.starts_with("X-") => {}
            _ => {
                let closest = closest(name, KNOWN).map(str::to_owned);
                return Err(OptionError::Unknown { name: name.to_owned(), closest });
            }
        }
        Ok(())
    }
}

/// The words of a list: parted by commas; `\,` stands for a comma in a word.
fn words(list: &str) -> Vec<String> {
    let (mut words, mut word, mut chars) = (Vec::new(), String::new(), list.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some(',' | '\\')) => word.extend(chars.next()),
            ',' => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn switch(name: &'static str, value: Option<&str>) -> Result<(), OptionError> {
    value.map_or(Ok(()), |_| Err(OptionError::Switch(name)))
}

fn valued<T>(
    name: &'static str,
    value: Option<&str>,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, OptionError> {
    let value = value.filter(|value| !value.is_empty()).ok_or(OptionError::NoValue { name, expected })?;
    parse(value).ok_or_else(|| OptionError::Value { name, value: value.to_owned(), expected })
}

fn id(text: &str) -> Option<u32> {
    // The highest number means "no change" to the kernel and is no user.
    text.parse().ok().filter(|id| *id != u32::MAX)
}

fn mask(text: &str) -> Option<u16> {
    u16::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777)
}

fn names(text: &str) -> Option<Names> {
    match text {
        "live" => Some(Names::Live),
        "label" => Some(Names::Label),
        _ => None,
    }
}

fn folder(text: &str) -> Option<PathBuf> {
    (!text.contains('\0')).then(|| text.into())
}

fn plain(text: &str) -> Option<String> {
    (!text.contains(char::is_control)).then(|| text.to_owned())
}

/// Bytes: a number, and a unit of 1024 (`M`, `MiB`) or of 1000 (`MB`).
fn size(text: &str) -> Option<u64> {
    let (number, unit) = parted(text)?;
    let lower = unit.to_ascii_lowercase();
    let (base, letter): (u64, &str) = match lower.strip_suffix("ib") {
        Some(letter) => (1024, letter),
        None => match lower.strip_suffix('b') {
            Some(letter) => (1000, letter),
            None => (1024, lower.as_str()),
        },
    };
    let power = match letter {
        "" if lower != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    number.checked_mul(base.pow(power))
}

/// A span of time: a number and `ms`, `s`, `m` or `h`; without a unit in seconds.
fn time(text: &str) -> Option<Duration> {
    let (number, unit) = parted(text)?;
    let unit = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_millis)
}

fn parted(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(list: &str) -> Result<MountOptions, OptionError> {
        MountOptions::parse([list])
    }

    #[test]
    fn every_option_is_read() {
        let options = one(
            "ro,allow_other,uid=1000,gid=100,umask=027,hide_revisions,names=label,cache=1GiB,poll=500ms,\
                 spool=/var/spool,message=by hand\\, as told",
        )
        .unwrap();
        let expected = MountOptions {
            read_only: true,
            allow_other: true,
            uid: Some(1000),
            gid: Some(100),
            umask: 0o027,
            hide_revisions: true,
            names: Names::Label,
            cache: 1 << 30,
            poll: Duration::from_millis(500),
            spool: Some("/var/spool".into()),
            message: Some("by hand, as told".to_owned()),
            ..MountOptions::default()
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn options_repeat_and_the_last_one_wins() {
        let options = MountOptions::parse(["cache=1M,poll=5s", "cache=2M", ""]).unwrap();
        assert_eq!((options.cache, options.poll), (2 << 20, Duration::from_secs(5)));
    }

    #[test]
    fn a_mount_is_written_unless_ro_comes_last() {
        let read_only = ["", "rw", "ro", "rw,ro", "ro,rw"].map(|list| one(list).unwrap().read_only);
        assert_eq!(read_only, [false, false, true, true, false]);
    }

    #[test]
    fn a_line_of_fstab_changes_nothing() {
        let list = "defaults,rw,noauto,user,nofail,_netdev,x-systemd.automount,x-systemd.idle-timeout=60,X-mount.mkdir,\
                    comment=a drive,nodev,nosuid,noexec,relatime";
        assert_eq!(one(list), Ok(MountOptions::default()));
    }

    #[test]
    fn unknown_options_are_named_with_the_closest_one() {
        let unknown = |name: &str, closest: Option<&str>| {
            Err(OptionError::Unknown { name: name.to_owned(), closest: closest.map(str::to_owned) })
        };
        assert_eq!(one("ro,cahce=1M"), unknown("cahce", Some("cache")));
        assert_eq!(one("allow-other"), unknown("allow-other", Some("allow_other")));
        assert_eq!(one("zzzzzzzzzzzz"), unknown("zzzzzzzzzzzz", None));
        assert_eq!(
            one("cahce=1M").unwrap_err().to_string(),
            "unknown mount option \"cahce\"; did you mean \"cache\"?"
        );
    }

    #[test]
    fn wrong_values_are_refused() {
        for list in [
            "uid=me",
            "uid=-1",
            "uid=4294967295",
            "gid=",
            "umask=8",
            "umask=1777",
            "names=both",
            "cache=1X",
            "cache=M",
            "cache=ib",
            "cache=1.5G",
            "cache=99999999999T",
            "poll=5d",
            "poll=s",
            "ro=1",
            "allow_other=yes",
            "cache",
            "fsname=",
            "fsname=a\nb",
            "spool",
            "spool=",
            "spool=a\0b",
            "message=",
            "message=a\nb",
            "remount",
        ] {
            assert!(one(list).is_err(), "{list} was taken");
        }
    }

    #[test]
    fn sizes_take_units_of_1024_and_of_1000() {
        let sizes = [
            ("100000", 100_000),
            ("256M", 256 << 20),
            ("1g", 1 << 30),
            ("2KiB", 2048),
            ("5MB", 5_000_000),
            ("7b", 7),
        ];
        for (text, bytes) in sizes {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn times_take_units() {
        let times = [("500ms", 500), ("5s", 5000), ("5", 5000), ("1m", 60_000), ("2h", 7_200_000), ("0", 0)];
        for (text, ms) in times {
            assert_eq!(time(text), Some(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn a_comma_can_be_part_of_a_name() {
        assert_eq!(one(r"ro,fsname=a\,b\\c,poll=1s").unwrap().fsname.as_deref(), Some(r"a,b\c"));
    }
}
