//! Tests over all crates and the real program.

#[cfg(test)]
mod architecture;
