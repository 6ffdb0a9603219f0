//! Placeholder crate root, replaced by the generator binary.
