//! A shell for simulated machines: dash, and as much of bash as scripts usually need.
//!
//! A [`Shell`] runs on a [`System`]: a machine with files, processes and programs. It touches nothing else, so the same shell runs
//! on a simulated guest, on the simulated node, and on a machine that a test makes up.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`system`] | the trait of the machine, and how the shell runs a program on it |
//! | [`files`], [`process`], [`streams`] | files, processes and signals, pipes and redirected files |
//! | `tree`, `parse`, `words` | a script as data, and how its text is read |
//! | `expand`, `arithmetic`, `braces`, [`pattern`] | how words become fields |
//! | `run`, `builtins`, `conditions`, `redirect` | how commands run |
//!
//! Time passes only in programs; a script that does too much without letting time pass is ended ([`System::spend`]).

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod arithmetic;
mod braces;
mod builtin_names;
mod builtins;
mod conditions;
mod expand;
pub mod files;
mod format;
mod parse;
pub mod pattern;
pub mod process;
mod redirect;
mod run;
mod shell;
pub mod streams;
pub mod system;
mod tree;
mod variables;
mod words;

pub use self::format::{Escapes, unescape};
pub use self::parse::parse;
pub use self::shell::{Shell, Start};
pub use self::system::System;
pub use self::tree::{Cause, Fault, Flavour, Script};
