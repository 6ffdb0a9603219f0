//! The command-line grammar of `pct`, `qm`, `pvesm`, `pveam`, `pvesh` and `ha-manager`.
//!
//! [`parse`] does with an argv what the real tools do before they look at the node: find the command, read the options,
//! check every parameter. What the real tool refuses is refused in its words, on its stream, with its exit status; what it
//! accepts becomes the API call that it would make. The options are data (`phoenix-sim/data`), taken from the tools
//! themselves; the rules are those of `PVE::CLIHandler`, `PVE::RESTHandler`, `PVE::JSONSchema` and Perl's `Getopt::Long`.
//!
//! ```
//! use phoenix_sim::grammar::{Verdict, parse};
//!
//! let argv = ["pct", "conf", "103"].map(str::to_owned);
//! let Verdict::Accepted(call) = parse(&argv) else { panic!("refused") };
//! assert_eq!((call.command.as_str(), call.params.get("vmid")), ("config", Some("103")));
//!
//! let argv = ["pct", "set", "103", "--memory", "8"].map(str::to_owned);
//! let Verdict::Answered(answer) = parse(&argv) else { panic!("accepted") };
//! assert_eq!(answer.exit, 255);
//! assert!(answer.stderr.contains("memory: value must have a minimum value of 16"));
//! ```

mod addresses;
mod arguments;
mod command;
mod firewall;
mod format;
mod getopt;
mod invocation;
mod lookup;
mod params;
mod parse;
mod perl;
mod properties;
mod property;
mod pvesh;
mod schema;
mod table;
#[cfg(test)]
mod tests;
mod tool;
mod tree;
mod usage;

pub use phoenix_sim_guest::ground::NODE;

pub(crate) use self::command::has_command;
pub use self::invocation::{ApiPath, Invocation, Verdict};
pub use self::lookup::option_format;
pub(crate) use self::lookup::{endpoints_below, is_integer_option};
pub use self::params::{Locale, ParamValue, Params};
pub use self::parse::{parse, parse_in};
pub(crate) use self::perl::split_list;
pub use self::property::{
    PropertyString, PropertyStringError, format_size, parse_property_string, parse_size, print_property_string,
};
pub use self::schema::Reasons;
pub use self::tool::{Answer, Tool, reads_input};
