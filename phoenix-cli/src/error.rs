//! What ends the program early.

use std::io;

use camino::Utf8PathBuf;

use phoenix_engine::{LOCK, LockError, LowerError, NotAdoptable, ObserveError, PowerRefused, RemovalRefused};
use phoenix_host::HostError;
use phoenix_types::Span;

use crate::exit::ExitStatus;

/// Why a verb could not be carried out. Its message says what happened; [`CliError::hint`] what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The filter of tracing is none.
    #[error("`PHOENIX_LOG` is not a filter: {reason}")]
    Log {
        /// Why.
        reason: String,
    },
    /// No folder with configuration files.
    #[error("no configuration found: none of `phoenix.yaml`, `phoenix_lxc_configs.json` and `phoenix_vm_configs.json` is in {}", places(.looked))]
    NoConfiguration {
        /// The folders that were looked at.
        looked: Vec<Utf8PathBuf>,
    },
    /// The configuration is not valid; the diagnostics have been shown.
    #[error("the configuration in `{dir}` is not valid")]
    InvalidConfiguration {
        /// The folder.
        dir: Utf8PathBuf,
    },
    /// A guest that nobody has configured.
    #[error("no guest `{asked}` is configured in `{dir}`")]
    UnknownGuest {
        /// What was asked for.
        asked: String,
        /// The folder of the configuration.
        dir: Utf8PathBuf,
        /// The name or id that was probably meant.
        nearest: Option<String>,
        /// The guests that there are: id and name.
        known: Vec<String>,
    },
    /// The selection of guests is not possible.
    #[error(transparent)]
    Select(#[from] phoenix_config::SelectError),
    /// No node.
    #[error("this machine is not a Proxmox VE node: `pct` and `qm` are not on its path")]
    NotANode,
    /// The folder of a simulated node cannot be used.
    #[error(transparent)]
    Kept(Box<dyn std::error::Error + Send + Sync>),
    /// An option that only the simulated node has.
    #[error("`{option}` is for simulated nodes, and the host is {host}")]
    SimulatedOnly {
        /// The option.
        option: &'static str,
        /// The host.
        host: String,
    },
    /// The description of the simulated node cannot be used.
    #[error(transparent)]
    World(Box<dyn std::error::Error + Send + Sync>),
    /// A simulated node was asked for, and this program has none.
    #[error("this program was built without the simulated node")]
    NoSimulator,
    /// A change without a word from the user.
    #[error("this changes {host}, but confirmation needs a terminal")]
    CannotAsk {
        /// The host.
        host: String,
    },
    /// The user said no.
    #[error("nothing was changed")]
    Declined,
    /// A file of ours cannot be read or written.
    #[error("cannot {action} `{path}`")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A script or a secret is gone since the configuration was read.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// The node cannot be looked at.
    #[error("cannot observe the node")]
    Observe(#[from] ObserveError),
    /// The node's lock was not got.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The node's files cannot be reached.
    #[error(transparent)]
    Host(#[from] HostError),
    /// What was waited for did not come.
    #[error("after {waited}, not {awaited}: {}", .guests.join(", "))]
    StillWaiting {
        /// What was waited for.
        awaited: &'static str,
        /// How long.
        waited: Span,
        /// The guests that are not so, each with what it is.
        guests: Vec<String>,
    },
    /// The plan that was approved is not what would be done now.
    #[error("the plan in `{path}` is out of date: the node, the configuration or the options have changed")]
    Drifted {
        /// The file.
        path: Utf8PathBuf,
        /// What differs.
        differences: Vec<String>,
    },
    /// Guests are not taken over.
    #[error("no guest was adopted")]
    NotAdopted(Vec<NotAdoptable>),
    /// A node without guests, of which nothing can be written down.
    #[error("there are no guests on {host}")]
    NoGuests {
        /// The node.
        host: String,
    },
    /// A guest that is not on the node.
    #[error("no guest `{asked}` is on {host}")]
    NotOnNode {
        /// What was asked for.
        asked: String,
        /// The node.
        host: String,
    },
    /// A file that is there already is not written over.
    #[error("`{path}` is there already")]
    WouldOverwrite {
        /// The file.
        path: Utf8PathBuf,
    },
    /// Guests are not destroyed.
    #[error("nothing was destroyed")]
    RemovalRefused(Vec<RemovalRefused>),
    /// Guests are not started, stopped or restarted.
    #[error("nothing was changed")]
    PowerRefused(Vec<PowerRefused>),
    /// The work is done, but a file about it cannot be written to its end.
    #[error("the work is done, but the {what} `{path}` cannot be written")]
    Incomplete {
        /// What it is: plan, report, command log.
        what: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Standard output is gone.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// The program's own start failed.
    #[error("cannot start")]
    Start(#[source] io::Error),
}

impl CliError {
    /// The status that the program ends with.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::Log { .. }
            | Self::NoConfiguration { .. }
            | Self::InvalidConfiguration { .. }
            | Self::UnknownGuest { .. }
            | Self::Select(_)
            | Self::Kept(_)
            | Self::SimulatedOnly { .. }
            | Self::World(_)
            | Self::NoSimulator
            | Self::CannotAsk { .. }
            | Self::Lower(_)
            | Self::RemovalRefused(_)
            | Self::NotAdopted(_)
            | Self::NotOnNode { .. }
            | Self::NoGuests { .. }
            | Self::WouldOverwrite { .. }
            | Self::File { .. } => ExitStatus::Invalid,
            Self::Lock(LockError::Held(_)) => ExitStatus::Locked,
            Self::NotANode => ExitStatus::NoNode,
            Self::Declined => ExitStatus::Cancelled,
            // The reader of our output has closed it.
            Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe => ExitStatus::Done,
            Self::StillWaiting { .. }
            | Self::Drifted { .. }
            | Self::PowerRefused(_)
            | Self::Incomplete { .. }
            | Self::Observe(_)
            | Self::Lock(_)
            | Self::Host(_)
            | Self::Output(_)
            | Self::Start(_) => ExitStatus::Failed,
        }
    }

    /// Single things that stand against it, when there are several.
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::RemovalRefused(refused) => refused.iter().map(ToString::to_string).collect(),
            Self::Drifted { differences, .. } => differences.clone(),
            Self::PowerRefused(refused) => refused.iter().map(ToString::to_string).collect(),
            Self::NotAdopted(why) => why.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoConfiguration { .. } => {
                "name the folder or the file with `-C PATH`, or in `$PHOENIX_CONFIG_DIR`".to_owned()
            }
            Self::UnknownGuest { nearest: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::UnknownGuest { known, .. } if known.is_empty() => "the configuration has no guests".to_owned(),
            Self::UnknownGuest { known, .. } => format!("configured are {}", known.join(", ")),
            Self::NotANode => {
                "run it on a node, or try the configuration on a simulated one with `--host sim:`".to_owned()
            }
            Self::SimulatedOnly { .. } => "add `--host sim:` or leave it out".to_owned(),
            Self::NoSimulator => "build `phoenix-cli` with its feature `sim`, which is on by default".to_owned(),
            Self::World(_) => "`phoenix schema world` prints the schema of the file".to_owned(),
            Self::Drifted { path, .. } => {
                format!("check the new plan with `phoenix plan --out {path}`, with the same guests and options")
            }
            Self::WouldOverwrite { .. } => "name a folder without configuration files".to_owned(),
            Self::Incomplete { .. } => "free some space, or name another file".to_owned(),
            Self::Lock(LockError::Held(_)) => {
                format!("wait until it ends; remove `{LOCK}` on the node if you know that it has died")
            }
            Self::CannotAsk { .. } => "check `phoenix plan`, then add `--yes`".to_owned(),
            _ => return None,
        })
    }
}

fn places(looked: &[Utf8PathBuf]) -> String {
    let quoted: Vec<String> = looked.iter().map(|path| format!("`{path}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "any folder".to_owned(),
    }
}
