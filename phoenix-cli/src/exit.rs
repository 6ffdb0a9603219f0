//! The exit statuses of the program: one list, which the reference docs are made from.

use std::process::ExitCode;

/// How a run of the program ended, for the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitStatus {
    /// Done, and healthy.
    Done,
    /// Convergence or health failed.
    Failed,
    /// The command line or the configuration is not valid; nothing was run.
    Invalid,
    /// `plan --exit-code` found changes.
    Pending,
    /// Another run works on the node.
    Locked,
    /// This machine is no Proxmox VE node, and no other host was named.
    NoNode,
    /// The user declined or interrupted.
    Cancelled,
}

impl ExitStatus {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Done, Self::Failed, Self::Invalid, Self::Pending, Self::Locked, Self::NoNode, Self::Cancelled];

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Invalid => 2,
            Self::Pending => 3,
            Self::Locked => 4,
            Self::NoNode => 5,
            Self::Cancelled => 130,
        }
    }

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "Done, and all gates passed.",
            Self::Failed => "A change or a gate failed. The report shows the reason.",
            Self::Invalid => "The command line or the configuration is not valid. Nothing was run.",
            Self::Pending => "`plan --exit-code` found changes.",
            Self::Locked => "Another run works on the node. Nothing was changed.",
            Self::NoNode => "This machine is not a Proxmox VE node, and `--host` was not given.",
            Self::Cancelled => "Declined or interrupted. Completed changes stay; the next run continues from there.",
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
