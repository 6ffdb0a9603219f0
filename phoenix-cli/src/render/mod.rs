//! From values to text. Pure: what the terminal can show is passed in, nothing is written.

pub(crate) mod adoption;
pub(crate) mod attempt;
mod commands;
mod diagnostics;
pub(crate) mod doctor;
mod duration;
pub(crate) mod graph;
pub(crate) mod health;
mod markup;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod report;
mod settings;
pub(crate) mod status;
mod style;
pub(crate) mod summary;
mod table;
mod timeline;

pub(crate) use diagnostics::diagnostics;
pub(crate) use duration::{clock, span};
pub(crate) use settings::settings;
pub(crate) use style::{Canvas, Colour, Glyphs, Overflow, Tone, folded};
pub(crate) use table::{Column, Table};
pub(crate) use timeline::timeline;

#[cfg(test)]
mod tests;
