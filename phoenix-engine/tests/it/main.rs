//! The engine over hand-made and simulated nodes.

mod fleet;
mod planning;
