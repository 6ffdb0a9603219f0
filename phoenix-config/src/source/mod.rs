//! The texts of the files: lines and columns, and where a value stands in them.

mod holes;
mod locate;
mod mask;
mod scan;
mod text;

pub(crate) use holes::Holes;
pub use locate::{Place, Segment};
pub(crate) use locate::{elements, find, locate};
pub(crate) use scan::{MAX_DEPTH, Scan, scan};
pub use text::{Location, Source, Span};
