//! What is wrong with the files before they are expanded.

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Label, Severity};
use crate::source::{Source, Written};

/// One thing that is wrong, at a place of a file.
#[derive(Debug)]
pub(super) struct Fault {
    code: Code,
    severity: Severity,
    at: Written,
    message: String,
    expected: Option<String>,
    labels: Vec<(Written, String)>,
    help: Option<String>,
}

impl Fault {
    pub(super) fn error(code: Code, at: &Written, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            at: at.clone(),
            message: message.into(),
            expected: None,
            labels: Vec::new(),
            help: None,
        }
    }

    pub(super) fn warning(code: Code, at: &Written, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, at, message) }
    }

    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(super) fn label(mut self, at: &Written, message: impl Into<String>) -> Self {
        self.labels.push((at.clone(), message.into()));
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub(super) fn diagnostic(self, files: &[Arc<Source>]) -> Diagnostic {
        let location = |at: &Written| match files.get(at.file) {
            Some(source) => source.location(at.span.clone()),
            None => Source::new("--var", "").location(0..0),
        };
        Diagnostic {
            code: self.code,
            severity: self.severity,
            location: location(&self.at),
            pointer: String::new(),
            message: self.message,
            expected: self.expected,
            labels: self.labels.into_iter().map(|(at, message)| Label { location: location(&at), message }).collect(),
            through: None,
            help: self.help,
        }
    }
}
