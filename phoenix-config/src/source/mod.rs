//! The texts of the files: lines and columns, and where a value stands in them.

mod locate;
mod scan;
mod text;

pub(crate) use locate::locate;
pub use locate::{Place, Segment};
pub(crate) use scan::{MAX_DEPTH, scan};
pub use text::{Location, Source, Span};
