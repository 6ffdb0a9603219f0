//! `cargo run -p xtask -- acceptance`: Phoenix on a node, from nothing to nothing, with every command of the node's tools recorded.
//!
//! It makes guests within a range of ids only, refuses to begin when one of them is taken, and destroys all that it made.

mod fleet;
mod record;
mod stories;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use self::fleet::Variant;

pub(crate) use self::record::run as record;

/// What the suite needs to know of the node.
#[derive(Debug, Args)]
pub(crate) struct Acceptance {
    /// The node, as `ssh://root@NODE`
    #[arg(long)]
    host: String,
    /// The ids that the suite may use, as FIRST-LAST; at least 12
    #[arg(long, value_parser = range)]
    ids: (u32, u32),
    /// The storage for disks
    #[arg(long)]
    storage: String,
    /// The bridge; a DHCP server is expected behind it
    #[arg(long)]
    bridge: String,
    /// The template for containers; it is downloaded when the node does not have it
    #[arg(long, default_value = "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst")]
    template: String,
    /// The cloud image for a VM; without it no VM is made
    #[arg(long)]
    image: Option<String>,
    /// Where the recording of the node's tools goes
    #[arg(long, default_value = "target/acceptance.jsonl")]
    transcript: Utf8PathBuf,
    /// The program that is tried; by default it is built from this repository
    #[arg(long)]
    phoenix: Option<Utf8PathBuf>,
    /// The `ssh` that leads to the node
    #[arg(long, default_value = "ssh")]
    ssh: Utf8PathBuf,
}

fn range(text: &str) -> Result<(u32, u32), String> {
    let parse = |text: &str| text.trim().parse::<u32>().ok().filter(|id| (100..=999_999_999).contains(id));
    let (first, last) = text.split_once('-').ok_or("write it as FIRST-LAST, such as 9900-9949")?;
    match (parse(first), parse(last)) {
        (Some(first), Some(last)) if first + 11 <= last => Ok((first, last)),
        (Some(_), Some(_)) => Err("the suite needs 12 ids".to_owned()),
        _ => Err("ids are numbers from 100 to 999999999".to_owned()),
    }
}

/// One thing that was tried.
struct Row {
    what: String,
    took: Duration,
    /// What went wrong.
    fault: Option<String>,
}

/// The suite at work.
struct Suite<'a> {
    acceptance: &'a Acceptance,
    folder: Utf8PathBuf,
    phoenix: Utf8PathBuf,
    rows: Vec<Row>,
}

impl Acceptance {
    /// The authority, the guest that needs it, the clone, and the VM.
    fn guests(&self) -> (u32, u32, u32, u32) {
        let first = self.ids.0;
        (first + 3, first + 1, first + 2, first + 11)
    }

    /// A container that somebody makes by hand.
    fn foreign(&self) -> u32 {
        self.ids.0 + 4
    }

    /// Runs the suite; the table that it prints, and whether all is well.
    pub(crate) fn run(&self) -> Result<(String, bool), String> {
        let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
        let folder = Utf8PathBuf::from(format!("target/acceptance-{}", std::process::id()));
        let folder = std::path::absolute(&folder).map_err(failed("the folder"))?;
        let folder = Utf8PathBuf::from_path_buf(folder).map_err(|_| "the path of this folder is no text")?;
        let absolute =
            |path: &Utf8Path| std::path::absolute(path).ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
        let transcript = absolute(&self.transcript).ok_or("the recording has no path")?;
        let ssh =
            if self.ssh.as_str().contains('/') { absolute(&self.ssh).ok_or("no ssh")? } else { found(&self.ssh)? };
        let phoenix = match &self.phoenix {
            Some(path) => absolute(path).ok_or("no program")?,
            None => built()?,
        };
        fs::create_dir_all(folder.join("bin")).map_err(failed("the folder"))?;
        let _ = fs::remove_file(&transcript);
        record::install(&folder.join("bin"), &transcript, &ssh).map_err(failed("the recording"))?;
        let mut suite = Suite { acceptance: self, folder, phoenix, rows: Vec::new() };
        let result = suite.run(&transcript);
        let _ = fs::remove_dir_all(&suite.folder);
        result?;
        let is_good = suite.rows.iter().all(|row| row.fault.is_none());
        let mut table = String::new();
        for row in &suite.rows {
            let mark = if row.fault.is_some() { "BAD" } else { "ok " };
            let _ = writeln!(table, "{mark} {} ({:.1} s)", row.what, row.took.as_secs_f64());
            for line in row.fault.iter().flat_map(|fault| fault.lines()) {
                let _ = writeln!(table, "    {line}");
            }
        }
        let commands = fs::read_to_string(&transcript).map_or(0, |text| text.lines().count());
        let _ = writeln!(table, "\n{commands} commands of the node's tools are recorded in {transcript}");
        Ok((table, is_good))
    }
}

/// A program on the path.
fn found(name: &Utf8Path) -> Result<Utf8PathBuf, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let places = path.split(':').map(|folder| Utf8Path::new(folder).join(name));
    places.into_iter().find(|path| path.is_file()).ok_or_else(|| format!("there is no `{name}` on the path"))
}

/// Builds the program of this repository.
fn built() -> Result<Utf8PathBuf, String> {
    let status = Command::new("cargo").args(["build", "--quiet", "-p", "phoenix-cli"]).status();
    if !status.map_err(|error| format!("cargo: {error}"))?.success() {
        return Err("`cargo build -p phoenix-cli` failed".to_owned());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let own = Utf8PathBuf::from_path_buf(own).map_err(|_| "the path of this program is no text")?;
    Ok(own.with_file_name("phoenix"))
}

impl Suite<'_> {
    fn command(&self, args: &[&str]) -> Command {
        self.command_in("config", args)
    }

    /// Phoenix with one of the configurations.
    fn command_in(&self, config: &str, args: &[&str]) -> Command {
        let mut path = OsString::from(self.folder.join("bin"));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(self.phoenix.as_str());
        command.args(["-C", self.folder.join(config).as_str(), "--host", &self.acceptance.host]).args(args);
        command.env("PATH", path).stdin(Stdio::null());
        command
    }

    /// Runs a command of the node's tools by hand, the way a person would.
    fn by_hand(&self, words: &[&str]) -> Result<String, String> {
        let line = shell_words::join(["sh", "-c", "shift; exec \"$@\"", "phoenix", "30"].iter().chain(words));
        let target = self.acceptance.host.trim_start_matches("ssh://");
        let output =
            Command::new(self.folder.join("bin/ssh").as_str()).args([target, &line]).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("ssh: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("`{}`: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
        }
    }

    fn write(&self, variant: Variant) -> Result<(), String> {
        let config = self.folder.join("config");
        fleet::write(&config, self.acceptance, variant).map_err(|error| format!("{config}: {error}"))
    }

    fn row(&mut self, what: impl Into<String>, begun: Instant, fault: Option<String>) {
        self.rows.push(Row { what: what.into(), took: begun.elapsed(), fault });
    }

    /// Runs Phoenix; `expected` is the exit status, and `words` what it must say.
    fn expect(&mut self, what: &str, args: &[&str], expected: i32, words: &[&str]) -> Result<(), String> {
        self.expect_one_of(what, args, &[expected], words)
    }

    fn expect_one_of(&mut self, what: &str, args: &[&str], expected: &[i32], words: &[&str]) -> Result<(), String> {
        let command = self.command(args);
        self.expect_of(what, command, expected, words)
    }

    fn expect_of(&mut self, what: &str, mut command: Command, expected: &[i32], words: &[&str]) -> Result<(), String> {
        let begun = Instant::now();
        let output = command.output().map_err(|error| format!("{}: {error}", self.phoenix))?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let missing: Vec<&str> = words.iter().copied().filter(|word| !text.contains(word)).collect();
        let fault =
            (!output.status.code().is_some_and(|code| expected.contains(&code)) || !missing.is_empty()).then(|| {
                format!("ended with {:?} instead of {expected:?}, without {missing:?}:\n{text}", output.status.code())
            });
        self.row(what, begun, fault);
        Ok(())
    }

    /// The ids of the range that are taken.
    fn taken(&self) -> Result<Vec<u32>, String> {
        let (first, last) = self.acceptance.ids;
        let mut taken = Vec::new();
        for tool in ["pct", "qm"] {
            let listed = self.by_hand(&[tool, "list"])?;
            let ids = listed.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u32>().ok());
            taken.extend(ids.filter(|id| (first..=last).contains(id)));
        }
        Ok(taken)
    }

    fn run(&mut self, transcript: &Utf8Path) -> Result<(), String> {
        let taken = self.taken()?;
        if !taken.is_empty() {
            return Err(format!("these ids are taken, so nothing was done: {taken:?}"));
        }
        self.template()?;
        self.write(Variant::WELL)?;
        let begun = Instant::now();
        if let Err(reason) = self.stories(transcript) {
            self.row("the rest of the suite", begun, Some(reason));
        }
        // Whatever happened, nothing of it stays.
        self.write(Variant::WELL)?;
        if self.taken()?.contains(&self.acceptance.foreign()) {
            let foreign = self.acceptance.foreign().to_string();
            self.by_hand(&["pct", "set", &foreign, "--protection", "0"])?;
            self.by_hand(&["pct", "destroy", &foreign, "--force", "1"])?;
        }
        self.expect("everything is removed", &["down", "--yes"], 0, &[])?;
        let begun = Instant::now();
        let left = self.taken()?;
        self.row("no id of the range is taken", begun, (!left.is_empty()).then(|| format!("{left:?}")));
        Ok(())
    }

    /// Downloads the template when the node does not have it.
    fn template(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let template = self.acceptance.template.clone();
        let (storage, name) = template.split_once(":vztmpl/").ok_or("write the template as STORAGE:vztmpl/NAME")?;
        if !self.by_hand(&["pveam", "list", storage])?.contains(&template) {
            self.by_hand(&["pveam", "update"])?;
            self.by_hand(&["pveam", "download", storage, name])?;
        }
        self.row("the template is on the node", begun, None);
        Ok(())
    }
}

/// Prints the table.
#[expect(clippy::print_stdout, reason = "the table is what the suite is for")]
pub(crate) fn main(acceptance: &Acceptance) -> ExitCode {
    match acceptance.run() {
        Ok((table, is_good)) => {
            println!("{table}");
            ExitCode::from(u8::from(!is_good))
        }
        Err(error) => {
            super::report(&format!("acceptance: {error}"));
            ExitCode::from(2)
        }
    }
}
