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

mod arguments;
mod command;
mod firewall;
mod format;
mod getopt;
mod perl;
mod property;
mod pvesh;
mod schema;
mod table;
mod usage;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

pub use self::property::{
    PropertyString, PropertyStringError, format_size, parse_property_string, parse_size, print_property_string,
};
pub use self::schema::Reasons;
pub use phoenix_sim_guest::ground::NODE;

pub(crate) use self::command::has_command;
pub(crate) use self::perl::split_list;

use self::arguments::{Call, Refusal};
use self::command::Resolution;
use self::table::{Node, commands, formats};

/// A program of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// Containers.
    Pct,
    /// Virtual machines.
    Qm,
    /// Storages.
    Pvesm,
    /// Container templates.
    Pveam,
    /// The REST API.
    Pvesh,
    /// High availability.
    HaManager,
}

impl Tool {
    /// The tool of a program name or path.
    #[must_use]
    pub fn from_program(program: &str) -> Option<Self> {
        let name = program.rsplit('/').next().unwrap_or(program);
        [Self::Pct, Self::Qm, Self::Pvesm, Self::Pveam, Self::Pvesh, Self::HaManager]
            .into_iter()
            .find(|tool| tool.name() == name)
    }

    /// The program's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pct => "pct",
            Self::Qm => "qm",
            Self::Pvesm => "pvesm",
            Self::Pveam => "pveam",
            Self::Pvesh => "pvesh",
            Self::HaManager => "ha-manager",
        }
    }
}

/// Whether a command line reads its standard input. Others leave it alone, so that a shell's `while read` loop keeps its lines.
#[must_use]
pub fn reads_input(argv: &[String]) -> bool {
    let word = argv.get(1).map_or("", String::as_str);
    let reads = ["exec", "enter", "monitor", "terminal"].contains(&word);
    let bare = |at: usize| argv.get(at + 1).is_none_or(|next| next.starts_with('-'));
    let prompts =
        argv.iter().enumerate().any(|(at, arg)| ["--password", "--cipassword"].contains(&arg.as_str()) && bare(at));
    reads || prompts || argv.iter().any(|arg| arg.starts_with("--pass-stdin"))
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The locale that the tool runs in: it decides how arguments beyond ASCII arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    /// `C.UTF-8` and the like: text arrives as it was written.
    #[default]
    Utf8,
    /// `C`: every byte beyond ASCII becomes U+FFFD. The recordings were made so.
    C,
}

/// What the grammar has to say about an argv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A call that the API would get.
    Accepted(Box<Invocation>),
    /// Help, usage or a refusal: the whole answer, for which the node's state is not needed.
    Answered(Answer),
}

/// What a program prints and how it exits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The exit status.
    pub exit: i32,
    /// The text on stdout.
    pub stdout: String,
    /// The text on stderr.
    pub stderr: String,
}

/// One value of an API call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamValue {
    /// Nearly all parameters; booleans are `0` or `1`.
    Text(String),
    /// A parameter of array type, such as `command` of the guest agent's `exec`.
    List(Vec<String>),
}

/// The parameters of an API call, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params(BTreeMap<String, ParamValue>);

impl Params {
    /// A parameter's text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            ParamValue::Text(text) => Some(text),
            ParamValue::List(_) => None,
        }
    }

    /// A parameter of array type; empty when it was not given.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(ParamValue::List(texts)) => texts,
            _ => &[],
        }
    }

    /// A boolean parameter.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|text| text == "1")
    }

    /// The names and texts of all parameters but the arrays.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| match value {
            ParamValue::Text(text) => Some((name.as_str(), text.as_str())),
            ParamValue::List(_) => None,
        })
    }

    /// Sets a parameter, such as one that was read from a file or a terminal.
    pub fn set(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.insert(name.into(), ParamValue::Text(text.into()));
    }

    /// Takes a parameter out.
    pub fn remove(&mut self, name: &str) -> Option<ParamValue> {
        self.0.remove(name)
    }
}

/// The REST path that `pvesh` was called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiPath {
    /// The path as given.
    pub path: String,
    /// `GET`, `POST`, `PUT` or `DELETE`; `ls` uses `GET`.
    pub verb: String,
    /// The endpoint, such as `/nodes/{node}/lxc/{vmid}/config`.
    pub template: String,
}

/// An API call that passed every check which does not need the node's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program.
    pub tool: Tool,
    /// The command's full name: `create`, `guest exec`, `disk resize`. Abbreviations and aliases are resolved.
    pub command: String,
    /// The API method's name: `update_vm`.
    pub method: String,
    /// The API's parameters, with those that the tool sets itself (`node`, `restore`) and, for `pvesh`, those of the path.
    pub params: Params,
    /// The words behind the positional parameters of `pct exec` and `qm guest exec`.
    pub extra_args: Vec<String>,
    /// Parameters that the tool reads from its stdin (a password option without a value); they are not in `params`.
    pub prompts: Vec<String>,
    /// Parameters whose text is a path on the node: the API gets the file's content (`sshkeys`: percent-encoded).
    pub files: Vec<String>,
    /// `--output-format` and its companions, where the command has them.
    pub output: Params,
    /// The endpoint of `pvesh`.
    pub api_path: Option<ApiPath>,
    usage: Arc<str>,
    takes_extra_args: bool,
}

impl Invocation {
    /// The usage line that ends every parameter error, newline included.
    #[must_use]
    pub fn usage(&self) -> &str {
        &self.usage
    }

    /// The answer to a parameter that only the node's state shows to be wrong.
    #[must_use]
    pub fn refuse(&self, reasons: &Reasons) -> Answer {
        refusal(&Refusal::parameters(reasons.clone()), &self.usage)
    }

    /// The parameters as the API gets them, `extra-args` included.
    #[must_use]
    pub fn params_json(&self) -> Json {
        let list = |texts: &[String]| Json::Array(texts.iter().cloned().map(Json::String).collect());
        let mut object: serde_json::Map<String, Json> = self
            .params
            .0
            .iter()
            .map(|(name, value)| match value {
                ParamValue::Text(text) => (name.clone(), Json::String(text.clone())),
                ParamValue::List(texts) => (name.clone(), list(texts)),
            })
            .collect();
        if self.takes_extra_args {
            object.insert("extra-args".to_owned(), list(&self.extra_args));
        }
        Json::Object(object)
    }
}

/// The verdict of the real tools over an argv, in a UTF-8 locale. `argv[0]` is the program's name or path.
#[must_use]
pub fn parse(argv: &[String]) -> Verdict {
    parse_in(argv, Locale::Utf8)
}

/// As [`parse`], in a given locale.
#[must_use]
pub fn parse_in(argv: &[String], locale: Locale) -> Verdict {
    let (program, words) = argv.split_first().map_or(("", [].as_slice()), |(program, words)| (program.as_str(), words));
    let Some(tool) = Tool::from_program(program) else {
        return Verdict::Answered(Answer {
            exit: 127,
            stdout: String::new(),
            stderr: format!("{program}: command not found\n"),
        });
    };
    if tool == Tool::Pvesh {
        return pvesh::parse(words, locale);
    }
    let verdict = resolve(tool, words).and_then(|(command, rest)| {
        let call = arguments::read(command, rest, locale).map_err(|refused| refusal(&refused, &command.usage))?;
        if command.class == "PVE::CLIHandler" {
            return Err(command::help(tool, &call.extra_args));
        }
        Ok(invocation(tool, command, call))
    });
    verdict.map_or_else(Verdict::Answered, |call| Verdict::Accepted(Box::new(call)))
}

/// Finds the command, or the answer when there is none.
fn resolve(tool: Tool, words: &[String]) -> Result<(&'static table::Command, &[String]), Answer> {
    let first = words.first().map_or("", String::as_str);
    match command::resolve(tool, words) {
        Some(Resolution::Command { command, rest }) => Ok((command, rest)),
        _ if !perl::is_true(first) => Err(command::abort(tool, "no command specified", None)),
        // Words for the shell's completion and for developers; nothing to see without their environment.
        _ if first == "verifyapi" || first == "bashcomplete" => Err(Answer::default()),
        Some(Resolution::Incomplete { group, name }) => {
            Err(command::abort(tool, &format!("incomplete command '{name}'"), Some((group, &name))))
        }
        Some(Resolution::Unknown { name }) => Err(command::abort(tool, &format!("unknown command '{name}'"), None)),
        None => Err(command::abort(tool, &format!("unknown command '{tool} {first}'"), None)),
    }
}

fn invocation(tool: Tool, command: &table::Command, call: Call) -> Invocation {
    let mut params = call.params;
    let mut output = Params::default();
    if command.formatter {
        for name in usage::OUTPUT_OPTIONS {
            if let Some(value) = params.0.remove(name) {
                output.0.insert(name.to_owned(), value);
            }
        }
    }
    Invocation {
        tool,
        command: command.name.clone(),
        method: command.method.clone(),
        params,
        extra_args: call.extra_args,
        prompts: call.prompts,
        files: call.files,
        output,
        api_path: None,
        usage: Arc::clone(&command.usage),
        takes_extra_args: command.positional.iter().any(|name| name == "extra-args"),
    }
}

/// The answer to a command line that cannot be called: warnings, message, reasons, usage.
fn refusal(refused: &Refusal, usage: &str) -> Answer {
    let warnings: String = refused.warnings.iter().map(|line| format!("{line}\n")).collect();
    Answer {
        exit: 255,
        stdout: String::new(),
        stderr: format!("{warnings}400 {}\n{}{usage}", refused.message, refused.reasons),
    }
}

/// The property-string format of an option of `pct create` or `qm create`, such as `lxc-net` for `net0`.
#[must_use]
pub fn option_format(tool: Tool, option: &str) -> Option<&'static str> {
    let Node::Command(create) = commands(tool)?.get("create")? else { return None };
    let format = create.schema.properties.get(option)?.format.as_deref()?;
    formats().contains_key(format).then_some(format)
}

/// Whether an option of `pct set` or `qm set` is a whole number or a boolean.
pub(crate) fn is_integer_option(tool: Tool, option: &str) -> bool {
    let Some(Node::Command(set)) = commands(tool).and_then(|commands| commands.get("set")) else { return false };
    let from_create = || match commands(tool)?.get("create")? {
        Node::Command(create) => create.schema.properties.get(option),
        _ => None,
    };
    let property = set.schema.properties.get(option).or_else(from_create);
    property.is_some_and(|property| matches!(property.kind, Some(table::Kind::Integer | table::Kind::Boolean)))
}

/// What is right below a path of the API, with what each answers to as `pvesh ls` prints it: folder, read, write, create, delete.
pub(crate) fn endpoints_below(path: &str) -> Vec<(String, String)> {
    let depth = path.split('/').filter(|part| !part.is_empty()).count();
    let mut below: BTreeMap<&str, [bool; 5]> = BTreeMap::new();
    for endpoint in table::endpoints() {
        let mut given = path.split('/').filter(|part| !part.is_empty());
        let fits = endpoint.parts.len() > depth
            && endpoint.parts.iter().take(depth).all(|part| match (part, given.next()) {
                (table::Part::Fixed(name), Some(word)) => name == word,
                (table::Part::Param(_), Some(_)) => true,
                (_, None) => false,
            });
        let Some(table::Part::Fixed(name)) = endpoint.parts.get(depth).filter(|_| fits) else { continue };
        let flags = below.entry(name).or_default();
        if endpoint.parts.len() > depth + 1 {
            flags[0] = true;
        } else if let Some(at) = ["", "GET", "PUT", "POST", "DELETE"].iter().position(|verb| *verb == endpoint.verb) {
            flags[at] = true;
        }
    }
    let print = |flags: [bool; 5]| {
        "Drwcd".chars().zip(flags).map(|(letter, set)| if set { letter } else { '-' }).collect::<String>()
    };
    below.into_iter().map(|(name, flags)| (print(flags), name.to_owned())).collect()
}

#[cfg(test)]
mod tests;
