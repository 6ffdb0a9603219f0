//! The stories, one a file.

mod crowd;
mod kill;
mod life;
mod order;
mod power;
mod undo;
