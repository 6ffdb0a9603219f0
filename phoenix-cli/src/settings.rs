//! What the command line and the environment mean together. The one place that reads the environment.

use camino::Utf8PathBuf;

use crate::args::{Format, Global, HostArg};
use crate::render::progress::Detail;
use crate::terminal::{Terminal, TerminalEnv};

/// Environment variables that Phoenix itself reads, with what they do; the reference docs are made from this list.
pub const ENVIRONMENT: [(&str, &str); 7] = [
    ("PHOENIX_CONFIG_DIR", "The folder or the file of the configuration, when `-C` is not given."),
    ("PHOENIX_HOST", "The node, when `--host` is not given."),
    (
        "PHOENIX_LOG",
        "The log on standard error, as `tracing` filters: `debug`, `phoenix_engine=trace`. Default: warnings; `-vv` is `debug`.",
    ),
    ("USER", "Shown to other users while this run holds the lock of the node."),
    ("NO_COLOR", "When set and not empty: no colours, unless `--color always`."),
    ("COLUMNS", "The width of the output, in place of the terminal's width."),
    ("LC_ALL, LC_CTYPE, LANG", "When the first of them that is set is `C` or `POSIX`, output is drawn in ASCII."),
];

/// What holds for every verb.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The configuration that was asked for.
    pub(crate) config: Option<Utf8PathBuf>,
    /// Variables of the configuration.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) host: Option<HostArg>,
    pub(crate) world: Option<Utf8PathBuf>,
    pub(crate) pace: Option<f64>,
    pub(crate) format: Format,
    pub(crate) command_log: Option<Utf8PathBuf>,
    pub(crate) jobs_gates: Option<u16>,
    pub(crate) detail: Detail,
    /// The user, shown to others while the node is locked.
    pub(crate) user: String,
    /// The filter of tracing.
    pub(crate) log: String,
    pub(crate) terminal: Terminal,
}

/// A variable of the environment that a configuration names.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Settings {
    pub(crate) fn new(global: Global) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let env = TerminalEnv {
            columns: variable("COLUMNS"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable),
        };
        let default_log = if global.verbose >= 2 { "debug" } else { "warn" };
        Self {
            terminal: Terminal::new(global.color, &env),
            config: global.config,
            variables: global.variables,
            host: global.host,
            world: global.world,
            pace: global.pace,
            format: global.format,
            command_log: global.command_log,
            jobs_gates: global.jobs_gates,
            detail: if global.verbose > 0 { Detail::Full } else { Detail::Brief },
            user: variable("USER").unwrap_or_else(|| "somebody".to_owned()),
            log: variable("PHOENIX_LOG").unwrap_or_else(|| default_log.to_owned()),
        }
    }
}
