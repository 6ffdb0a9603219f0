//! The texts of the files: lines and columns, and where a value stands in them.

mod locate;
mod mask;
mod scan;
mod text;

pub use locate::{Place, Segment};
pub(crate) use locate::{elements, find, locate};
pub(crate) use scan::{MAX_DEPTH, scan};
pub use text::{Location, Source, Span};
