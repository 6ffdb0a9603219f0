//! The programs of the node, and what they print.

use std::fmt;

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

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
