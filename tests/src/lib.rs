//! What several programs and tests of this crate share.

pub mod real;
