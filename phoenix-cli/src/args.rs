//! What can be typed. What it means is decided in [`crate::settings`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use clap::builder::styling::{AnsiColor, Effects, Styles};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use phoenix_engine::{Check, Provision};
use phoenix_host::{InvalidSshAddress, Ssh};
use phoenix_types::Span;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default().effects(Effects::BOLD))
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
Exit status: 0 done and healthy, 1 convergence or health failed, 2 usage or invalid configuration,
3 changes pending (`plan --exit-code`), 4 another run holds the lock, 5 not a Proxmox VE node, 130 cancelled.

Try it without a node: `phoenix -C examples/step-ca --host sim: up`";

/// Brings a Proxmox VE node to the state that configuration files describe, gated by health.
#[derive(Debug, Parser)]
#[command(name = "phoenix", version, styles = STYLES, after_help = AFTER_HELP)]
#[command(max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or
    /// `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]
    #[arg(
        short = 'C',
        long = "config",
        alias = "config-dir",
        value_name = "PATH",
        global = true,
        env = "PHOENIX_CONFIG_DIR"
    )]
    pub(crate) config: Option<Utf8PathBuf>,

    /// Set a variable of the configuration; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", global = true, value_parser = variable)]
    pub(crate) variables: Vec<(String, String)>,

    /// The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a
    /// folder) [default: `local` if `pct` and `qm` exist]
    #[arg(long, value_name = "HOST", global = true, env = "PHOENIX_HOST")]
    pub(crate) host: Option<HostArg>,

    /// The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) world: Option<Utf8PathBuf>,

    /// Run the simulated node at N times real time [default: as fast as possible]
    #[arg(long, value_name = "N", global = true, value_parser = pace)]
    pub(crate) pace: Option<f64>,

    /// The format of results on standard output
    #[arg(long, value_name = "FORMAT", global = true, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,

    /// Write one line of JSON for every command that reaches the host
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) command_log: Option<Utf8PathBuf>,

    /// How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) jobs_gates: Option<u16>,

    /// Show the output of scripts and every attempt of a gate; twice: also the debug log
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// When to use colours
    #[arg(long, value_name = "WHEN", global = true, value_enum, default_value_t = ColorArg::Auto)]
    pub(crate) color: ColorArg,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a first configuration: one container with one script and one gate
    Init(Init),
    /// Check the configuration; touches no node
    Validate(Validate),
    /// Print the resolved configuration as one JSON document, which is a valid configuration
    Config(Config),
    /// Print a JSON Schema
    Schema(Schema),
    /// Show what `up` would do, and why
    Plan(Plan),
    /// Bring guests to the state that the configuration describes
    #[command(visible_alias = "LetsGo")]
    Up(Up),
    /// As `up` for these guests, but existing dependencies are not changed
    Create(UpOf),
    /// As `up` for these guests and their dependencies, and run all their scripts again
    Converge(UpOf),
    /// Show the configured guests and their state
    Status(Guests),
    /// Run the gates once, now
    #[command(visible_alias = "health-check")]
    Health(Health),
    /// Wait until guests are healthy, running or off; for scripts and service units
    Wait(Wait),
    /// Start guests, after their dependencies are healthy
    Start(Power),
    /// Shut guests down, after their dependants are off
    Stop(Power),
    /// Stop and start guests and their dependants
    Restart(Power),
    /// Check that the node has what the configuration needs; changes nothing
    Doctor(Guests),
    /// Draw the dependencies and gates of the guests; touches no node
    Graph(Graph),
    /// Print the guests as an Ansible inventory; touches no node
    Inventory(Inventory),
    /// Print addresses and names for other programs; touches no node
    Output(Output),
    /// Adopt guests that exist and are configured, but are not managed by Phoenix
    Adopt(Adopt),
    /// Destroy guests; refused while they have dependants
    #[command(aliases = ["destroy", "remove", "rm"])]
    Delete(Delete),
    /// Destroy all guests of the configuration
    Down(Down),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder for the files
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: Utf8PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Treat warnings as errors
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Print every setting of every guest, including defaults, and its origin
    #[arg(long)]
    pub(crate) show_defaults: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// Print the place of each value instead
    #[arg(long)]
    pub(crate) origins: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The file, or the output, that it describes
    #[arg(value_enum)]
    pub(crate) name: SchemaName,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) guests: Guests,
    /// Exit with status 3 when there are changes to make
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Also show the commands and files of every step (JSON always has them)
    #[arg(long)]
    pub(crate) commands: bool,
    /// Also write the plan as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) provision: ProvisionArgs,
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) guests: Guests,
    /// Destroy this guest and create it again; the guests that need it stay, wait until it is healthy, and are asked again
    #[arg(long, value_name = "GUEST", conflicts_with = "plan")]
    pub(crate) replace: Vec<String>,
    /// Destroy the guests of this fleet that are removed from the configuration
    #[arg(long, conflicts_with_all = ["plan", "guests"])]
    pub(crate) prune: bool,
    /// Run only this plan of `plan --out FILE`; refused when the node has drifted since
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) provision: ProvisionArgs,
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UpOf {
    /// The guests, by id, name or selector: `tag:ai`, `pool:lab`, `kind:vm`, `web-*`, `801..805`, `!103` (without it and its dependants)
    #[arg(value_name = "GUEST", required = true)]
    pub(crate) guests: Vec<String>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Do not ask before changing the node
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Only show the plan
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also write a report of the run to this file, as one HTML page
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<Utf8PathBuf>,
    /// How many commands may change the node at the same time
    #[arg(short, long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// How many scripts may run at the same time
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) jobs_scripts: u16,
    /// How many guests may be created on one storage at the same time
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs_per_storage: u16,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Continue when this check of `phoenix doctor` finds an error; may be repeated
    #[arg(long, value_name = "CHECK", value_parser = check_names())]
    skip_check: Vec<Check>,
}

fn check_names() -> impl TypedValueParser<Value = Check> {
    PossibleValuesParser::new(Check::ALL.map(Check::name)).try_map(|name| name.parse())
}

impl CheckArgs {
    /// The checks that do not block guests.
    pub(crate) fn skipped(&self) -> BTreeSet<Check> {
        self.skip_check.iter().copied().collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProvisionArgs {
    /// Run all scripts again, changed or not
    #[arg(long)]
    pub(crate) force_provision: bool,
}

impl ProvisionArgs {
    /// Which scripts run again.
    pub(crate) fn get(&self) -> Provision {
        if self.force_provision { Provision::Always } else { Provision::WhenChanged }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Guests {
    /// The guests, by id, name or selector: `tag:ai`, `pool:lab`, `kind:vm`, `web-*`, `801..805`, `!103` (without it and its dependants) [default: all]
    #[arg(value_name = "GUEST")]
    pub(crate) guests: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Power {
    #[command(flatten)]
    pub(crate) guests: Guests,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) guests: Guests,
    /// The format of the drawing
    #[arg(long, value_name = "LANGUAGE", value_enum, default_value_t = Drawing::Mermaid)]
    pub(crate) to: Drawing,
}

/// A language that graphs are drawn in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    /// Mermaid, for Markdown
    Mermaid,
    /// DOT, for Graphviz
    Dot,
    /// A picture
    Svg,
}

#[derive(Debug, Args)]
pub(crate) struct Inventory {
    #[command(flatten)]
    pub(crate) guests: Guests,
    /// Print the whole inventory; Ansible passes this option, and it is the default
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    #[command(flatten)]
    pub(crate) guests: Guests,
    /// The form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value_t = OutputForm::Hosts)]
    pub(crate) to: OutputForm,
}

/// The format for other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// Lines of `/etc/hosts`
    Hosts,
    /// Hosts of `~/.ssh/config`
    SshConfig,
    /// Variables for a shell: `NAME_ID` and `NAME_ADDRESS`
    Env,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    #[command(flatten)]
    pub(crate) guests: Guests,
    /// Repeat every SECONDS, until interrupted
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) watch: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The guests, by id, name or selector: `tag:ai`, `pool:lab`, `kind:vm`, `web-*`, `801..805`, `!103` (without it and its dependants)
    #[arg(value_name = "GUEST", required = true)]
    pub(crate) guests: Vec<String>,
    /// The state to wait for
    #[arg(long = "for", value_name = "STATE", value_enum, default_value_t = Awaited::Healthy)]
    pub(crate) awaited: Awaited,
    /// The limit of the wait, as `90` or `1m30s`
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub(crate) timeout: Span,
}

/// The state that guests must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Awaited {
    /// They run, and all their gates pass
    Healthy,
    /// They run
    Running,
    /// They are off
    Stopped,
}

#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// The guests, by id or name [default: all that can be adopted]
    #[arg(value_name = "GUEST")]
    pub(crate) guests: Vec<String>,
    /// Count their scripts as run and their NFS volumes as mounted; otherwise the next `up` runs and mounts them
    #[arg(long)]
    pub(crate) provisioned: bool,
    /// Do not adopt guests; write configuration files for them into this folder; without GUEST for all guests of the
    /// node
    #[arg(long, value_name = "DIR", conflicts_with_all = ["provisioned", "yes", "dry_run"])]
    pub(crate) write: Option<Utf8PathBuf>,
    /// Do not ask before writing on the node
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Only show the guests that would be adopted
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The guests, by id, name or selector: `tag:ai`, `pool:lab`, `kind:vm`, `web-*`, `801..805`, `!103` (without it and its dependants)
    #[arg(value_name = "GUEST", required = true)]
    pub(crate) guests: Vec<String>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    Human,
    /// One JSON document
    Json,
    /// JSON, one object a line
    Jsonl,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorArg {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The schema: first those of input files, then those of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    /// `phoenix_lxc_configs.json`
    Lxc,
    /// `phoenix_vm_configs.json`
    Vm,
    /// `phoenix_hypervisor_config.json`
    Hypervisor,
    /// `phoenix.yaml`, and any other file with the whole configuration
    Fleet,
    /// `world.json` of the simulated node
    #[cfg(feature = "sim")]
    World,
    /// What `validate` prints
    Validate,
    /// What `config --origins` prints
    Origins,
    /// What `plan` prints, and `plan --out` writes
    Plan,
    /// What `up`, `create`, `converge`, `start`, `stop`, `restart`, `delete` and `down` print
    Up,
    /// A line of what they print with `--format jsonl`
    Event,
    /// What `status` prints
    Status,
    /// What `health` prints
    Health,
    /// What `wait` prints
    Wait,
    /// What `graph` prints
    Graph,
    /// What `adopt` prints
    Adopt,
    /// What `adopt --write` prints
    AdoptWrite,
    /// What `doctor` prints
    Doctor,
    /// A line of the command log
    CommandLog,
}

impl SchemaName {
    /// Whether it is of a file that Phoenix reads.
    pub(crate) fn is_read(self) -> bool {
        match self {
            Self::Lxc | Self::Vm | Self::Hypervisor | Self::Fleet => true,
            #[cfg(feature = "sim")]
            Self::World => true,
            _ => false,
        }
    }
}

/// The node, as given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostArg {
    Local,
    /// A simulated node; with a folder it is stored there.
    Sim(Option<Utf8PathBuf>),
    Ssh(Ssh),
}

impl fmt::Display for HostArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Sim(folder) => write!(f, "sim:{}", folder.as_deref().unwrap_or("".into())),
            Self::Ssh(ssh) => ssh.fmt(f),
        }
    }
}

impl FromStr for HostArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "local" => Ok(Self::Local),
            Some(("sim", "")) => Ok(Self::Sim(None)),
            Some(("sim", folder)) => Ok(Self::Sim(Some(folder.into()))),
            Some(("ssh", _)) => text.parse().map(Self::Ssh).map_err(|error: InvalidSshAddress| error.to_string()),
            _ => Err("expected `local`, `sim:`, `sim:DIR` or `ssh://USER@NODE`".to_owned()),
        }
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected `NAME=VALUE`".to_owned()),
    }
}

fn pace(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(pace) if pace > 0.0 && pace <= 10_000.0 => Ok(pace),
        _ => Err("expected a number above 0 and at most 10000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use test_case::test_case;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test_case("local", "Some(Local)")]
    #[test_case("sim:", "Some(Sim(None))")]
    #[test_case("sim:a:b", "Some(Sim(Some(\"a:b\")))"; "a folder may have a colon")]
    #[test_case("ssh://root@node", "Some(Ssh(Ssh { target: \"ssh://root@node\", program: \"ssh\" }))")]
    #[test_case("sim", "None")]
    #[test_case("ssh://", "None")]
    #[test_case("", "None"; "nothing")]
    fn hosts(text: &str, expected: &str) {
        assert_eq!(format!("{:?}", text.parse::<HostArg>().ok()), expected);
    }

    #[test_case("20", true)]
    #[test_case("0.5", true)]
    #[test_case("0", false)]
    #[test_case("-1", false)]
    #[test_case("NaN", false)]
    #[test_case("inf", false)]
    fn paces(text: &str, valid: bool) {
        assert_eq!(pace(text).is_ok(), valid);
    }
}
