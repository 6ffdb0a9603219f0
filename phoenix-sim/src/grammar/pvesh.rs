//! `pvesh`: its options come from the endpoint that the path leads to (`PVE::CLI::pvesh`).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::arguments::{self, Refusal};
use super::getopt::OptionTable;
use super::invocation::{ApiPath, Invocation, Verdict, refusal};
use super::params::{Locale, ParamValue, Params};
use super::perl;
use super::properties::{Kind, Property, Schema};
use super::schema::{Reasons, Unknown, check_object};
use super::table::endpoints;
use super::tool::{Answer, Tool};
use super::tree::{Command, Endpoint, Node, Part};
use super::usage::{self, Blank, OUTPUT_OPTIONS};

const COMMANDS: [(&str, &str); 5] =
    [("create", "POST"), ("delete", "DELETE"), ("get", "GET"), ("ls", "GET"), ("set", "PUT")];

/// The verdict over the words behind `pvesh`.
pub(crate) fn parse(words: &[String], locale: Locale) -> Verdict {
    read(words, locale).map_or_else(Verdict::Answered, |call| Verdict::Accepted(Box::new(call)))
}

fn read(words: &[String], locale: Locale) -> Result<Invocation, Answer> {
    let leading = words.iter().take_while(|word| *word == "--noproxy" || *word == "--nooutput").count();
    let (leading, words) = words.split_at(leading);
    let command = command(words)?;
    let refuse = |refused: &Refusal| refusal(refused, &command.usage);
    let call = arguments::read(command, &words[1..], locale).map_err(|refused| refuse(&refused))?;
    let mut params = call.params;
    let path = match params.0.remove("api_path") {
        Some(ParamValue::Text(path)) => path,
        _ => String::new(),
    };
    match command.name.as_str() {
        "help" => return Err(help(&call.extra_args)),
        "usage" => return Err(endpoint_usage(&path, params.get("command"))),
        _ => {}
    }
    let name = &command.name;
    let verb = verb(name).unwrap_or("GET");
    let Some(endpoint) = find(verb, &path) else {
        let text = match name.as_str() {
            "ls" => format!("no such resource '{path}'\n"),
            _ => format!("no '{name}' handler for '{path}'\n"),
        };
        return Err(Answer { exit: 255, stdout: String::new(), stderr: text });
    };
    let mut output = Params::default();
    for option in OUTPUT_OPTIONS {
        if let Some(value) = params.0.remove(option) {
            output.0.insert(option.to_owned(), value);
        }
    }
    if leading.iter().any(|word| word == "--nooutput") {
        output.set("quiet", "1");
    }
    for (part, text) in endpoint.parts.iter().zip(components(&path)) {
        if let Part::Param(name) = part {
            params.set(name, text);
        }
    }
    // The API checks its own schema again, now with the parameters of the path.
    let unknown = if endpoint.open { Unknown::Taken } else { Unknown::Refused };
    let mut reasons = Reasons::default();
    check_object("", &endpoint.schema, &params, unknown, &mut reasons);
    if !reasons.is_empty() {
        return Err(refuse(&Refusal::parameters(reasons)));
    }
    Ok(Invocation {
        tool: Tool::Pvesh,
        command: name.clone(),
        method: endpoint.method.clone(),
        params,
        extra_args: Vec::new(),
        prompts: Vec::new(),
        files: Vec::new(),
        output,
        api_path: Some(ApiPath { path, verb: verb.to_owned(), template: endpoint.template.clone() }),
        usage: Arc::clone(&command.usage),
        takes_extra_args: false,
    })
}

fn verb(command: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(name, _)| *name == command).map(|(_, verb)| *verb)
}

/// The command of the first word. The endpoint's options belong to it only when the path follows the full word directly:
/// the real tool looks there before it reads its options.
fn command(words: &[String]) -> Result<&'static Command, Answer> {
    if let [name, path, ..] = words
        && name != "ls"
        && perl::is_true(path)
        && let Some(verb) = verb(name)
    {
        let endpoint = find(verb, path).ok_or_else(|| Answer {
            exit: 1,
            stdout: String::new(),
            stderr: format!("No '{name}' handler defined for '{path}'\n"),
        })?;
        return Ok(endpoint.command.get_or_init(|| api_command(name, Some(endpoint))));
    }
    let first = words.first().map_or("", String::as_str);
    if !perl::is_true(first) {
        return Err(abort("no command specified"));
    }
    expand(first).ok_or_else(|| abort(&format!("unknown command 'pvesh {first}'")))
}

/// The commands without the options of an endpoint.
fn root() -> &'static BTreeMap<String, Node> {
    static ROOT: OnceLock<BTreeMap<String, Node>> = OnceLock::new();
    ROOT.get_or_init(|| {
        COMMANDS
            .iter()
            .map(|(name, _)| api_command(name, None))
            .chain([usage_command(), help_command()])
            .map(|command| (command.name.clone(), Node::Command(Box::new(command))))
            .collect()
    })
}

fn expand(word: &str) -> Option<&'static Command> {
    let commands = || {
        root().iter().filter_map(|(name, node)| match node {
            Node::Command(command) => Some((name, &**command)),
            _ => None,
        })
    };
    if let Some((_, command)) = commands().find(|(name, _)| *name == word) {
        return Some(command);
    }
    let mut hits = commands().filter(|(name, _)| name.starts_with(word));
    let (_, only) = hits.next()?;
    hits.next().is_none().then_some(only)
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// The endpoint of a path. A fixed component is preferred to a parameter.
fn find(verb: &str, path: &str) -> Option<&'static Endpoint> {
    let given: Vec<&str> = components(path).collect();
    let fits = |part: &Part, text: &&str| match part {
        Part::Fixed(name) => name == text,
        Part::Param(_) => !text.contains(char::is_whitespace),
    };
    let fixed = |endpoint: &&Endpoint| endpoint.parts.iter().filter(|part| matches!(part, Part::Fixed(_))).count();
    endpoints()
        .iter()
        .filter(|endpoint| endpoint.verb == verb && endpoint.parts.len() == given.len())
        .filter(|endpoint| endpoint.parts.iter().zip(&given).all(|(part, text)| fits(part, text)))
        .max_by_key(fixed)
}

/// `get`, `set`, `create`, `delete` or `ls`, with the options of an endpoint.
fn api_command(name: &str, endpoint: Option<&Endpoint>) -> Command {
    let mut properties: BTreeMap<String, Arc<Property>> = BTreeMap::new();
    if let Some(endpoint) = endpoint {
        let in_path =
            |name: &str| endpoint.parts.iter().any(|part| matches!(part, Part::Param(param) if param == name));
        properties.extend(
            endpoint
                .schema
                .properties
                .iter()
                .filter(|(name, _)| !in_path(name))
                .map(|(name, property)| (name.clone(), Arc::clone(property))),
        );
    }
    properties.insert("api_path".to_owned(), required_text());
    properties.insert("noproxy".to_owned(), flag());
    for name in OUTPUT_OPTIONS {
        let property = if name == "output-format" { choice(&["text", "json", "json-pretty", "yaml"]) } else { flag() };
        properties.insert(name.to_owned(), property);
    }
    build(name, "PVE::CLI::pvesh", "api_path", properties)
}

fn usage_command() -> Command {
    let properties = BTreeMap::from([
        ("api_path".to_owned(), required_text()),
        ("command".to_owned(), choice(&["create", "delete", "get", "set"])),
        ("returns".to_owned(), flag()),
        ("verbose".to_owned(), flag()),
    ]);
    build("usage", "PVE::CLI::pvesh", "api_path", properties)
}

fn help_command() -> Command {
    let properties = BTreeMap::from([
        ("extra-args".to_owned(), Arc::new(Property::optional(Kind::Array))),
        ("verbose".to_owned(), flag()),
    ]);
    build("help", "PVE::CLIHandler", "extra-args", properties)
}

fn required_text() -> Arc<Property> {
    Arc::new(Property { optional: false, ..Property::optional(Kind::String) })
}

fn flag() -> Arc<Property> {
    Arc::new(Property::optional(Kind::Boolean))
}

fn choice(names: &[&str]) -> Arc<Property> {
    let choices = Some(names.iter().map(|name| (*name).to_owned()).collect());
    Arc::new(Property { choices, ..Property::optional(Kind::String) })
}

fn build(name: &str, class: &str, positional: &str, properties: BTreeMap<String, Arc<Property>>) -> Command {
    let schema = Schema::of(properties);
    let mut command = Command {
        name: name.to_owned(),
        class: class.to_owned(),
        method: name.to_owned(),
        positional: vec![positional.to_owned()],
        fixed: BTreeMap::new(),
        options: OptionTable::new(&schema, &BTreeMap::new(), &BTreeMap::new()),
        formatter: schema.properties.contains_key("output-format"),
        schema,
        mappings: BTreeMap::new(),
        usage: Arc::from(""),
    };
    command.usage = usage::line(&format!("pvesh {name}"), &command).into();
    command
}

fn listing() -> String {
    usage::heading(Tool::Pvesh) + &usage::listing(root(), "pvesh", Blank::BetweenClasses)
}

fn abort(reason: &str) -> Answer {
    Answer { exit: 255, stdout: String::new(), stderr: format!("ERROR: {reason}\n{}", listing()) }
}

fn help(words: &[String]) -> Answer {
    let stdout = match words.first() {
        None => listing(),
        Some(word) => match expand(word) {
            Some(command) => format!("USAGE: {}\n", command.usage),
            None => return abort(&format!("unknown command '{word}'")),
        },
    };
    Answer { exit: 0, stdout, stderr: String::new() }
}

/// `pvesh usage PATH`: the usage line of every verb that the path answers to.
fn endpoint_usage(path: &str, only: Option<&str>) -> Answer {
    let mut stdout = String::new();
    for name in ["get", "set", "create", "delete"].into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        let Some(endpoint) = verb(name).and_then(|verb| find(verb, path)) else { continue };
        let in_path = endpoint.parts.iter().filter_map(|part| match part {
            Part::Param(name) => Some((name.clone(), String::new())),
            Part::Fixed(_) => None,
        });
        let mut command = build(name, "", "", endpoint.schema.properties.clone());
        command.positional.clear();
        command.fixed = in_path.collect();
        stdout.push_str("USAGE: ");
        stdout.push_str(&usage::line(&format!("pvesh {name} {path}"), &command));
    }
    if stdout.is_empty() {
        let stderr = match only {
            Some(name) => format!("no '{name}' handler for '{path}'\n"),
            None => format!("no such resource '{path}'\n"),
        };
        return Answer { exit: 255, stdout, stderr };
    }
    Answer { exit: 0, stdout, stderr: String::new() }
}
