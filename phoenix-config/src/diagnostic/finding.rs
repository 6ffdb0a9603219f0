//! What a check found, before it is known where in the text that is.

use phoenix_types::{GuestId, mask_secrets};

use super::{Code, Severity};
use crate::source::Segment;

/// One of the three files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `phoenix_hypervisor_config.json`.
    Hypervisor,
    /// `phoenix_lxc_configs.json`.
    Lxc,
    /// `phoenix_vm_configs.json`.
    Vm,
}

impl FileKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hypervisor, Self::Lxc, Self::Vm];

    /// The file's name in the folder of the configuration.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Hypervisor => "phoenix_hypervisor_config.json",
            Self::Lxc => "phoenix_lxc_configs.json",
            Self::Vm => "phoenix_vm_configs.json",
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Target {
    /// The object of a guest; paths begin inside it.
    Guest(GuestId),
    /// A whole file; paths begin at its top.
    File(FileKind),
    /// The value that begins at this byte of a file; paths begin inside it.
    At(FileKind, usize),
}

/// What a check found: a [`Diagnostic`](super::Diagnostic) whose place is given by the path of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub target: Target,
    /// The value that it is about, inside its target. Where the path ends early, the deepest value that is there is shown.
    pub path: Vec<Segment>,
    /// Whether the key is shown instead of the value.
    pub shows: Shows,
    /// What is wrong.
    pub message: String,
    /// What would be right there.
    pub expected: Option<String>,
    /// Other values that have to do with it.
    pub labels: Vec<(Target, Vec<Segment>, String)>,
    /// How to fix it.
    pub help: Option<String>,
}

/// Which part of a member is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Shows {
    /// The value.
    #[default]
    Value,
    /// The key.
    Key,
}

impl Finding {
    /// A finding. Secrets in its texts are masked.
    #[must_use]
    pub fn new(severity: Severity, code: Code, target: Target, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            target,
            path: Vec::new(),
            shows: Shows::Value,
            message: mask_secrets(&message.into()).into_owned(),
            expected: None,
            labels: Vec::new(),
            help: None,
        }
    }

    /// A finding that must be fixed before the configuration can be used.
    #[must_use]
    pub fn error(code: Code, target: Target, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, target, message)
    }

    /// A finding that lets the configuration be used.
    #[must_use]
    pub fn warning(code: Code, target: Target, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, target, message)
    }

    /// Points at the value at this path inside the target.
    #[must_use]
    pub fn at(mut self, path: impl IntoIterator<Item = impl Into<Segment>>) -> Self {
        self.path.extend(path.into_iter().map(Into::into));
        self
    }

    /// Points at an element of the list that the path so far leads to.
    #[must_use]
    pub fn nth(mut self, index: usize) -> Self {
        self.path.push(Segment::Index(index));
        self
    }

    /// Shows the key at the end of the path instead of its value.
    #[must_use]
    pub fn on_key(mut self) -> Self {
        self.shows = Shows::Key;
        self
    }

    /// Says what would be right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Names another value that has to do with it.
    #[must_use]
    pub fn label(
        mut self,
        target: Target,
        path: impl IntoIterator<Item = impl Into<Segment>>,
        message: impl Into<String>,
    ) -> Self {
        self.labels.push((
            target,
            path.into_iter().map(Into::into).collect(),
            mask_secrets(&message.into()).into_owned(),
        ));
        self
    }

    /// Says how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(mask_secrets(&help.into()).into_owned());
        self
    }
}
