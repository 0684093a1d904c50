//! What an inode is called in messages.

use crate::mount::posix::copy::Purpose;
use crate::mount::posix::node::{Node, What};
use crate::mount::posix::number::ROOT;
use crate::vfs::entry::Entry;
use crate::vfs::name;
use crate::vfs::series::Series;

/// ` of temp/bxl`: where a node is, for messages.
pub(super) fn shown(node: &Node) -> String {
    let series = |series: &Series| format!(" of {}/{}", series.cached.collection().label(), series.label);
    match &node.what {
        What::Repo(Entry::Collection(cached)) => format!(" of {}", cached.collection().label()),
        What::Repo(Entry::Series(of) | Entry::Revisions(of) | Entry::At(of) | Entry::Diff(of)) => series(of),
        What::Repo(Entry::Difference(of)) => {
            format!(" what differs{} at {}", series(&of.series), of.new.stamp)
        }
        What::Repo(Entry::Moment(of)) => format!("{} at {}", series(&of.series), of.point.stamp),
        What::Repo(Entry::File(file)) => {
            format!(" {}{} at {}", file.format.extension(), series(&file.series), file.from.stamp)
        }
        What::Copy(copy) => match &copy.purpose {
            Purpose::Rows(of, _) => format!(" {}{}", copy.name, series(of)),
            Purpose::Schema(label) => format!(" {} of {label}", copy.name),
        },
        What::Empty(of, format) => format!(" {}{}", format.extension(), series(of)),
        What::Scratch(of, _) => format!(" a scratch file{}", series(of)),
        What::Unborn(label) => format!(" of {label}"),
        _ if node.is_text_of(name::SCHEMA) => format!(" {}", name::SCHEMA),
        _ if node.ino == ROOT => " of the root".to_owned(),
        _ => String::new(),
    }
}
