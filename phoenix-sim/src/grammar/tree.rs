//! The commands of a tool and the endpoints of the API.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::getopt::OptionTable;
use super::properties::{Mapping, Schema};

/// A command that exists.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) method: String,
    pub(crate) positional: Vec<String>,
    /// Parameters that the tool sets itself and the user cannot.
    pub(crate) fixed: BTreeMap<String, String>,
    pub(crate) schema: Schema,
    pub(crate) options: OptionTable,
    pub(crate) mappings: BTreeMap<String, Mapping>,
    /// The names of the output options (`--output-format` …), which the API never sees.
    pub(crate) formatter: bool,
    pub(crate) usage: Arc<str>,
}

/// A node of the tree of command words.
#[derive(Debug)]
pub(crate) enum Node {
    Command(Box<Command>),
    Group(BTreeMap<String, Self>),
    Alias(Vec<String>),
}

/// A component of an endpoint's path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Fixed(String),
    Param(String),
}

/// A REST endpoint that pvesh can reach.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) verb: String,
    /// `/nodes/{node}/lxc`, with the leading slash.
    pub(crate) template: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) method: String,
    pub(crate) schema: Schema,
    /// Unknown parameters are taken too.
    pub(crate) open: bool,
    /// What pvesh makes of it, built when first asked for.
    pub(crate) command: OnceLock<Command>,
}
