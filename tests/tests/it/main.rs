//! Tests over all crates and the real program.

mod architecture;
