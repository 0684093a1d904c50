//! Where a node is, in words.

use super::ROOT;
use crate::mount::posix::copy::Purpose;
use crate::mount::posix::node::{Node, What};
use crate::vfs::name;
use crate::vfs::series::Series;

/// ` of temp/bxl`: where a node is, for messages.
pub(super) fn shown(node: &Node) -> String {
    let series = |series: &Series| format!(" of {}/{}", series.shelf.collection().label(), series.label);
    match &node.what {
        What::Collection(shelf) => format!(" of {}", shelf.collection().label()),
        What::Series(of) | What::Revisions(of) | What::At(of) | What::Diff(of) => series(of),
        What::Difference(of) => format!(" what differs{} at {}", series(&of.series), of.new.stamp),
        What::Moment(of, point) => format!("{} at {}", series(of), point.stamp),
        What::File(file) => {
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
