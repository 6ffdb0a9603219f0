//! What went wrong with the predecessor, one test for each: `docs/concepts/predecessor.md` has the list, and the names of the
//! tests carry its numbers. Configuration files, the program, the simulated node, and the node's own files afterwards.

mod agents;
mod containment;
mod exit_status;
mod gpu;
mod idempotence;
mod machines;
mod power;
mod scripts;
mod secrets;
mod settings;
mod snapshots;
mod text;
