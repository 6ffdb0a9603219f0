//! The texts of the files: lines and columns, and where a value is in them.

mod holes;
mod locate;
mod mask;
mod origins;
mod scan;
mod text;

pub(crate) use holes::Holes;
pub use locate::{Place, Segment};
pub(crate) use locate::{Walker, elements, find, leaves, locate, unquote};
pub(crate) use mask::mask_value;
pub(crate) use origins::{Filled, Origins, Written};
pub(crate) use scan::{MAX_DEPTH, Scan, scan};
pub use text::{Location, Source, Span};
