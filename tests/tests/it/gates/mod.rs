//! Gates as the configuration has them, asked by the engine through the real adapters on the simulated node: what probes run inside
//! guests is understood there, and what they conclude is true of the world.

mod asked;
mod asking;
mod clocks;
mod page;
mod secrets;
mod sockets;
mod table;
mod ticks;
mod unruly;
