//! `pvesh`: its options come from the endpoint that the path leads to (`PVE::CLI::pvesh`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::arguments::{self, Refusal};
use super::getopt::OptionTable;
use super::perl;
use super::schema::{Reasons, Unknown, check_object};
use super::table::{Command, Endpoint, Kind, Node, Property, Schema, tables};
use super::usage::{self, Blank, OUTPUT_OPTIONS};
use super::{Answer, ApiPath, Invocation, Locale, ParamValue, Params, Tool, Verdict, refusal};

const COMMANDS: [(&str, &str); 5] =
    [("create", "POST"), ("delete", "DELETE"), ("get", "GET"), ("ls", "GET"), ("set", "PUT")];

/// The verdict over the words behind `pvesh`.
pub(crate) fn parse(words: &[String], locale: Locale) -> Verdict {
    read(words, locale).map_or_else(Verdict::Answered, |call| Verdict::Accepted(Box::new(call)))
}

fn read(words: &[String], locale: Locale) -> Result<Invocation, Answer> {
    let quiet = words.iter().take_while(|word| *word == "--noproxy" || *word == "--nooutput");
    let skipped = quiet.clone().count();
    let no_output = quiet.into_iter().any(|word| word == "--nooutput");
    let words = &words[skipped..];

    // The options of the endpoint are known only when its path directly follows the full command word.
    let mut endpoint = None;
    if let [name, path, ..] = words
        && name != "ls"
        && perl::is_true(path)
        && let Some((_, verb)) = COMMANDS.into_iter().find(|(known, _)| known == name)
    {
        endpoint = find(verb, path);
        if endpoint.is_none() {
            return Err(Answer {
                exit: 1,
                stdout: String::new(),
                stderr: format!("No '{name}' handler defined for '{path}'\n"),
            });
        }
    }
    let root = commands(endpoint.as_ref());
    let first = words.first().map_or("", String::as_str);
    if !perl::is_true(first) {
        return Err(abort("no command specified", &root));
    }
    let Some((name, Node::Command(command))) = expand(&root, first) else {
        return Err(abort(&format!("unknown command 'pvesh {first}'"), &root));
    };
    let refuse = |refused: &Refusal| refusal(refused, &command.usage);
    let call = arguments::read(command, &words[1..], locale).map_err(|refused| refuse(&refused))?;
    if name == "help" {
        return Err(help(&root, &call.extra_args));
    }
    let mut params = call.params;
    let path = match params.0.remove("api_path") {
        Some(ParamValue::Text(path)) => path,
        _ => String::new(),
    };
    if name == "usage" {
        return Err(endpoint_usage(&path, params.get("command")));
    }
    let verb = COMMANDS.into_iter().find(|(known, _)| *known == name).map_or("GET", |(_, verb)| verb);
    let Some((endpoint, path_params)) = find(verb, &path) else {
        let text = if name == "ls" {
            format!("no such resource '{path}'\n")
        } else {
            format!("no '{name}' handler for '{path}'\n")
        };
        return Err(Answer { exit: 255, stdout: String::new(), stderr: text });
    };
    let mut output = Params::default();
    for option in OUTPUT_OPTIONS {
        if let Some(value) = params.0.remove(option) {
            output.0.insert(option.to_owned(), value);
        }
    }
    if no_output {
        output.set("quiet", "1");
    }
    for (name, value) in path_params {
        params.set(name, value);
    }
    // The API checks its own schema again, now with the parameters of the path.
    let values: BTreeMap<String, String> =
        params.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let unknown = if endpoint.open { Unknown::Taken } else { Unknown::Refused };
    let mut reasons = Reasons::default();
    let arrays = Schema::of(
        endpoint
            .schema
            .properties
            .iter()
            .filter(|(_, property)| property.kind != Some(Kind::Array))
            .map(|(name, property)| (name.clone(), Arc::clone(property)))
            .collect(),
    );
    check_object("", &arrays, &values, unknown, &mut reasons);
    if !reasons.is_empty() {
        return Err(refuse(&Refusal::parameters(reasons)));
    }
    Ok(Invocation {
        tool: Tool::Pvesh,
        command: name.to_owned(),
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

/// The endpoint of a path, with the parameters that the path gives. A fixed component is preferred to a parameter.
fn find(verb: &str, path: &str) -> Option<(&'static Endpoint, Vec<(String, String)>)> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut best: Option<(usize, &'static Endpoint)> = None;
    for endpoint in tables().endpoints.iter().filter(|endpoint| endpoint.verb == verb) {
        let mut fixed = 0;
        let mut template = endpoint.template.split('/').filter(|part| !part.is_empty());
        let fits = parts.iter().all(|part| match template.next() {
            Some(name) if name.starts_with('{') => !part.contains(char::is_whitespace),
            Some(name) if name == *part => {
                fixed += 1;
                true
            }
            _ => false,
        });
        if fits && template.next().is_none() && best.is_none_or(|(most, _)| fixed > most) {
            best = Some((fixed, endpoint));
        }
    }
    let (_, endpoint) = best?;
    let names = endpoint.template.split('/').filter(|part| !part.is_empty());
    let params = names
        .zip(&parts)
        .filter_map(|(name, part)| {
            let name = name.strip_prefix('{')?.strip_suffix('}')?;
            Some((name.to_owned(), (*part).to_owned()))
        })
        .collect();
    Some((endpoint, params))
}

/// The commands of pvesh; all but `usage` and `help` take the endpoint's options.
fn commands(endpoint: Option<&(&'static Endpoint, Vec<(String, String)>)>) -> BTreeMap<String, Node> {
    let mut properties: BTreeMap<String, Arc<Property>> = BTreeMap::new();
    if let Some((endpoint, path)) = endpoint {
        properties.extend(
            endpoint
                .schema
                .properties
                .iter()
                .filter(|(name, _)| !path.iter().any(|(given, _)| given == *name))
                .map(|(name, property)| (name.clone(), Arc::clone(property))),
        );
    }
    let required = Arc::new(Property { optional: false, ..Property::optional(Kind::String) });
    let flag = Arc::new(Property::optional(Kind::Boolean));
    let choice = |names: &[&str]| {
        let choices = Some(names.iter().map(|name| (*name).to_owned()).collect());
        Arc::new(Property { choices, ..Property::optional(Kind::String) })
    };
    properties.insert("api_path".to_owned(), Arc::clone(&required));
    properties.insert("noproxy".to_owned(), Arc::clone(&flag));
    for name in OUTPUT_OPTIONS {
        let property =
            if name == "output-format" { choice(&["text", "json", "json-pretty", "yaml"]) } else { Arc::clone(&flag) };
        properties.insert(name.to_owned(), property);
    }
    let mut root = BTreeMap::new();
    let mut add = |name: &str, class: &str, positional: &str, properties: BTreeMap<String, Arc<Property>>| {
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
        root.insert(name.to_owned(), Node::Command(Box::new(command)));
    };
    for (name, _) in COMMANDS {
        add(name, "PVE::CLI::pvesh", "api_path", properties.clone());
    }
    add(
        "usage",
        "PVE::CLI::pvesh",
        "api_path",
        BTreeMap::from([
            ("api_path".to_owned(), required),
            ("command".to_owned(), choice(&["create", "delete", "get", "set"])),
            ("returns".to_owned(), Arc::clone(&flag)),
            ("verbose".to_owned(), Arc::clone(&flag)),
        ]),
    );
    let words = Arc::new(Property::optional(Kind::Array));
    add(
        "help",
        "PVE::CLIHandler",
        "extra-args",
        BTreeMap::from([("extra-args".to_owned(), words), ("verbose".to_owned(), flag)]),
    );
    root
}

fn expand<'a>(root: &'a BTreeMap<String, Node>, word: &str) -> Option<(&'a str, &'a Node)> {
    if let Some((name, node)) = root.get_key_value(word) {
        return Some((name, node));
    }
    let mut hits = root.iter().filter(|(name, _)| name.starts_with(word));
    let (name, node) = hits.next()?;
    hits.next().is_none().then_some((name.as_str(), node))
}

fn abort(reason: &str, root: &BTreeMap<String, Node>) -> Answer {
    let listing = usage::listing(root, "pvesh", Blank::BetweenClasses);
    let stderr = format!("ERROR: {reason}\n{}{listing}", usage::heading(Tool::Pvesh));
    Answer { exit: 255, stdout: String::new(), stderr }
}

fn help(root: &BTreeMap<String, Node>, words: &[String]) -> Answer {
    let stdout = match words.first() {
        None => usage::heading(Tool::Pvesh) + &usage::listing(root, "pvesh", Blank::BetweenClasses),
        Some(word) => match expand(root, word) {
            Some((_, Node::Command(command))) => format!("USAGE: {}\n", command.usage),
            _ => return abort(&format!("unknown command '{word}'"), root),
        },
    };
    Answer { exit: 0, stdout, stderr: String::new() }
}

/// `pvesh usage PATH`: the usage line of every verb that the path answers to.
fn endpoint_usage(path: &str, only: Option<&str>) -> Answer {
    let mut stdout = String::new();
    for (name, verb) in ["get", "set", "create", "delete"].into_iter().filter_map(|name| {
        COMMANDS.into_iter().find(|(known, _)| *known == name && only.is_none_or(|only| only == name))
    }) {
        let Some((endpoint, params)) = find(verb, path) else { continue };
        let command = Command {
            name: name.to_owned(),
            class: String::new(),
            method: endpoint.method.clone(),
            positional: Vec::new(),
            fixed: params.into_iter().collect(),
            schema: endpoint.schema.clone(),
            options: OptionTable::default(),
            mappings: BTreeMap::new(),
            formatter: false,
            usage: Arc::from(""),
        };
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
