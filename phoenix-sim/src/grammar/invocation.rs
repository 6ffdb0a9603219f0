//! What becomes of a command line: an API call, or an answer.

use std::sync::Arc;

use serde_json::Value as Json;

use super::arguments::Refusal;
use super::params::{ParamValue, Params};
use super::schema::Reasons;
use super::tool::{Answer, Tool};

/// What the grammar has to say about an argv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A call that the API would get.
    Accepted(Box<Invocation>),
    /// Help, usage or a refusal: the whole answer, for which the node's state is not needed.
    Answered(Answer),
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
    pub(super) usage: Arc<str>,
    pub(super) takes_extra_args: bool,
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

/// The answer to a command line that cannot be called: warnings, message, reasons, usage.
pub(super) fn refusal(refused: &Refusal, usage: &str) -> Answer {
    let warnings: String = refused.warnings.iter().map(|line| format!("{line}\n")).collect();
    Answer {
        exit: 255,
        stdout: String::new(),
        stderr: format!("{warnings}400 {}\n{}{usage}", refused.message, refused.reasons),
    }
}
