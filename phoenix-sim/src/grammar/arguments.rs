//! From the words behind a command to the API's parameters (`PVE::JSONSchema::get_options`, `PVE::RESTHandler::cli_handler`).

use super::getopt::Value;
use super::params::{Locale, ParamValue, Params};
use super::perl;
use super::properties::{Kind, Mapping};
use super::schema::{Reasons, Unknown, Values, check_object};
use super::tree::Command;

/// A command line that cannot be called.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Lines that come before the message.
    pub(crate) warnings: Vec<String>,
    /// The message, without the status 400 in front.
    pub(crate) message: String,
    pub(crate) reasons: Reasons,
}

impl Refusal {
    pub(crate) fn new(message: &str) -> Self {
        Self { warnings: Vec::new(), message: message.to_owned(), reasons: Reasons::default() }
    }

    /// In the C locale Perl warns when the message carries what the locale could not decode.
    fn printed_in(mut self, locale: Locale) -> Self {
        if locale == Locale::C && self.reasons.iter().any(|(_, reason)| reason.contains('\u{fffd}')) {
            self.warnings.push("Wide character in die at /usr/share/perl5/PVE/RESTHandler.pm line 1143.".to_owned());
        }
        self
    }

    pub(crate) fn parameters(reasons: Reasons) -> Self {
        Self { reasons, ..Self::new("Parameter verification failed.") }
    }
}

/// The parameters of a call that passed all checks.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) params: Params,
    pub(crate) extra_args: Vec<String>,
    /// Parameters that have to be asked for on the terminal.
    pub(crate) prompts: Vec<String>,
    /// Parameters whose value is the path of a file with the real value.
    pub(crate) files: Vec<String>,
}

/// Reads the words behind a command.
pub(crate) fn read(command: &Command, args: &[String], locale: Locale) -> Result<Call, Refusal> {
    let mut words = command.options.parse(args);
    if !words.complaints.is_empty() {
        return Err(Refusal { warnings: words.complaints, ..Refusal::new("unable to parse option") });
    }
    let extra_args = positional(command, &mut words)?;
    let mut params = Params::default();
    for (name, value) in words.options {
        let property = command.schema.properties.get(&name);
        let value = match value {
            Value::Text(text) => ParamValue::Text(perl::decode(locale, &text)),
            Value::List(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| perl::decode(locale, text)).collect();
                if property.is_some_and(|property| property.is_list()) {
                    ParamValue::Text(texts.join(","))
                } else {
                    ParamValue::List(texts)
                }
            }
        };
        let value = match value {
            ParamValue::Text(text) if property.is_some_and(|property| property.kind == Some(Kind::Boolean)) => {
                let on = if text.is_empty() { Some(true) } else { perl::parse_boolean(&text) };
                match on {
                    Some(true) => ParamValue::Text("1".to_owned()),
                    Some(false) => ParamValue::Text("0".to_owned()),
                    None => return Err(Refusal::new("unable to parse boolean option")),
                }
            }
            other => other,
        };
        params.0.insert(name, value);
    }
    for (name, value) in &command.fixed {
        params.0.insert(name.clone(), ParamValue::Text(value.clone()));
    }
    let extra_args: Option<Vec<String>> =
        extra_args.map(|words| words.iter().map(|word| perl::decode(locale, word)).collect());
    let (prompts, files) = mapped(command, &mut params);
    check(command, &params, &prompts, &files).map_err(|refused| refused.printed_in(locale))?;
    Ok(Call { params, extra_args: extra_args.unwrap_or_default(), prompts, files })
}

/// Gives the arguments to the command's positional parameters. What the command takes beyond them is returned.
fn positional(command: &Command, words: &mut super::getopt::Words) -> Result<Option<Vec<String>>, Refusal> {
    let is_optional = |name: &String| command.schema.properties.get(name).is_some_and(|property| property.optional);
    let mut extra = None;
    let mut names = command.positional.iter();
    if words.arguments.is_empty() {
        for name in names {
            if name == "extra-args" {
                words.options.remove(name);
                extra = Some(Vec::new());
            } else if !is_optional(name) {
                return Err(Refusal::new("not enough arguments"));
            }
        }
        return Ok(extra);
    }
    while let Some(name) = names.next() {
        if words.options.contains_key("extra-args") {
            return Err(Refusal::new("internal error: extra-args must be the last argument"));
        }
        if name == "extra-args" {
            extra = Some(words.arguments.drain(..).collect());
        } else if let Some(argument) = words.arguments.pop_front() {
            words.options.insert(name.clone(), Value::Text(argument));
        } else {
            let rest = std::iter::once(name).chain(names.by_ref());
            if rest.into_iter().any(|name| !is_optional(name)) {
                return Err(Refusal::new("not enough arguments"));
            }
            if command.positional.last().is_some_and(|last| last == "extra-args") {
                extra = Some(Vec::new());
            }
        }
    }
    if words.arguments.is_empty() { Ok(extra) } else { Err(Refusal::new("too many arguments")) }
}

/// Finds the parameters that come from a terminal or a file.
fn mapped(command: &Command, params: &mut Params) -> (Vec<String>, Vec<String>) {
    let (mut prompts, mut files) = (Vec::new(), Vec::new());
    for (name, mapping) in &command.mappings {
        let given = params.get(name).map(perl::is_true);
        let is_optional = command.schema.properties.get(name).is_some_and(|property| property.optional);
        match (mapping, given) {
            (Mapping::Prompt, Some(false)) => {
                params.0.remove(name);
                prompts.push(name.clone());
            }
            (Mapping::Prompt, None) if !is_optional => prompts.push(name.clone()),
            (Mapping::File, Some(_)) => files.push(name.clone()),
            _ => {}
        }
    }
    (prompts, files)
}

/// The parameters without those whose value is not known yet.
struct Known<'a> {
    params: &'a Params,
    hidden: [&'a [String]; 2],
}

impl Known<'_> {
    fn is_hidden(&self, name: &str) -> bool {
        self.hidden.iter().any(|names| names.iter().any(|hidden| hidden == name))
    }
}

impl Values for Known<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        Values::get(self.params, key).or_else(|| self.is_hidden(key).then_some(""))
    }

    fn keys(&self) -> Vec<&str> {
        self.params.keys().into_iter().filter(|name| !self.is_hidden(name)).collect()
    }
}

impl Values for Params {
    /// An array is there, and of the right type: nothing else is checked of it.
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| match value {
            ParamValue::Text(text) => text.as_str(),
            ParamValue::List(_) => "",
        })
    }

    fn keys(&self) -> Vec<&str> {
        self.iter().map(|(name, _)| name).collect()
    }
}

/// Checks the parameters against the API's schema.
fn check(command: &Command, params: &Params, prompts: &[String], files: &[String]) -> Result<(), Refusal> {
    let mut reasons = Reasons::default();
    let known = Known { params, hidden: [prompts, files] };
    // A tool may set a parameter that the table leaves out (`node`).
    let unknown = if command.fixed.is_empty() { Unknown::Refused } else { Unknown::Taken };
    check_object("", &command.schema, &known, unknown, &mut reasons);
    if reasons.is_empty() { Ok(()) } else { Err(Refusal::parameters(reasons)) }
}
