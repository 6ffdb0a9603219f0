//! A shell that runs, and what it knows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::parse::{self, parse};
use crate::process::{End, KILL, Process};
use crate::streams::{Handle, Stream, WriteError};
use crate::system::System;
use crate::tree::{Command, Flavour, Script};
use crate::variables::{self, Variables};

/// How deep functions, substitutions and programs may call each other.
pub(crate) const NESTING: u32 = 200;
/// So many commands are nested on one stack before a new one is taken.
pub(crate) const STACK: u32 = 4;

/// The trap `ERR` of bash among the signals.
pub(crate) const ON_FAILURE: i32 = -1;

/// Whether a command is the last thing that its process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// The process continues afterwards.
    Inner,
    /// The process becomes the program.
    Last,
}

/// Why commands do not continue one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwind {
    /// `break` out of so many loops.
    Break(u32),
    /// `continue` of the loop so many levels up.
    Continue(u32),
    /// `return` from a function or a sourced file.
    Return,
    /// The end of the shell, with its status.
    Exit,
    /// The end of the shell by a signal: no trap runs.
    Killed(i32),
}

/// What `set` switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in every shell")]
pub(crate) struct Options {
    pub(crate) errexit: bool,
    pub(crate) nounset: bool,
    pub(crate) pipefail: bool,
    pub(crate) xtrace: bool,
    pub(crate) noglob: bool,
    pub(crate) noexec: bool,
    pub(crate) allexport: bool,
    pub(crate) noclobber: bool,
    pub(crate) verbose: bool,
}

impl Options {
    pub(crate) fn switch(&mut self, letter: char) -> Option<&mut bool> {
        Some(match letter {
            'e' => &mut self.errexit,
            'u' => &mut self.nounset,
            'x' => &mut self.xtrace,
            'f' => &mut self.noglob,
            'n' => &mut self.noexec,
            'a' => &mut self.allexport,
            'C' => &mut self.noclobber,
            'v' => &mut self.verbose,
            _ => return None,
        })
    }

    pub(crate) fn named(&mut self, name: &str) -> Option<&mut bool> {
        if name == "pipefail" {
            return Some(&mut self.pipefail);
        }
        let letter = match name {
            "errexit" => 'e',
            "nounset" => 'u',
            "xtrace" => 'x',
            "noglob" => 'f',
            "noexec" => 'n',
            "allexport" => 'a',
            "noclobber" => 'C',
            "verbose" => 'v',
            _ => return None,
        };
        self.switch(letter)
    }

    pub(crate) fn letters(mut self) -> String {
        "aefnuvxC".chars().filter(|letter| self.switch(*letter).is_some_and(|on| *on)).collect()
    }
}

/// What a shell is started with.
#[derive(Debug)]
pub struct Start {
    /// Where it runs.
    pub system: Arc<dyn System>,
    /// The process that it is.
    pub process: Arc<Process>,
    /// Which shell it is.
    pub flavour: Flavour,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// `$0`
    pub zero: String,
    /// `$1` and those that follow.
    pub arguments: Vec<String>,
    /// Its open files, by descriptor.
    pub files: BTreeMap<u32, Handle>,
    /// Its current folder.
    pub folder: String,
    /// The permission bits that new files lack.
    pub umask: u32,
    /// How deep programs and shells have called each other.
    pub nesting: u32,
}

/// A shell that runs.
#[derive(Debug)]
pub struct Shell {
    pub(crate) system: Arc<dyn System>,
    pub(crate) process: Arc<Process>,
    /// `$$`: that of the shell itself, in its subshells too.
    pub(crate) main_process: u32,
    pub(crate) flavour: Flavour,
    pub(crate) variables: Variables,
    pub(crate) functions: Arc<BTreeMap<String, Arc<Command>>>,
    /// What variables were before functions made them local.
    pub(crate) scopes: Vec<BTreeMap<String, Option<variables::Variable>>>,
    pub(crate) positional: Arc<[String]>,
    pub(crate) zero: String,
    pub(crate) options: Options,
    pub(crate) files: BTreeMap<u32, Handle>,
    pub(crate) folder: String,
    pub(crate) umask: u32,
    pub(crate) status: i32,
    pub(crate) pipe_status: Vec<i32>,
    pub(crate) last_background: Option<u32>,
    pub(crate) jobs: Vec<Arc<Process>>,
    pub(crate) traps: BTreeMap<i32, String>,
    /// Above zero where `set -e` does not hold: conditions, `!`, left sides of `&&` and `||`.
    pub(crate) masked: u32,
    pub(crate) loops: u32,
    pub(crate) calls: u32,
    pub(crate) sourced: u32,
    pub(crate) nesting: u32,
    pub(crate) line: u32,
    /// Commands that are nested in each other here.
    pub(crate) depth: u32,
    pub(crate) is_subshell: bool,
    /// Where the current `getopts` is within a word.
    pub(crate) option_place: usize,
    pub(crate) seed: u32,
    pub(crate) began: Duration,
    /// The status of the last substitution in this command.
    pub(crate) substituted: Option<i32>,
}

impl Shell {
    /// A shell that has not run anything yet.
    pub fn new(start: Start) -> Self {
        let mut variables = Variables::default();
        for (name, text) in start.environment {
            if parse::is_name(&name) {
                variables.set(&name, text);
                variables.entry(&name).exported = true;
            }
        }
        // What the caller has in its environment is no separator here.
        variables.remove("IFS");
        variables.set("IFS", " \t\n");
        if variables.text("PATH").is_none() {
            variables.set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        }
        if start.flavour == Flavour::Bash {
            variables.set("BASH_VERSION", "5.2.15(1)-release");
            variables.set("OSTYPE", "linux-gnu");
            variables.set("BASH_SOURCE", start.zero.clone());
        }
        variables.set("PWD", start.folder.clone());
        variables.set("OPTIND", "1");
        let began = start.system.now();
        Self {
            main_process: start.process.id,
            process: start.process,
            flavour: start.flavour,
            variables,
            functions: Arc::default(),
            scopes: Vec::new(),
            positional: start.arguments.into(),
            zero: start.zero,
            options: Options::default(),
            files: start.files,
            folder: start.folder,
            umask: start.umask,
            status: 0,
            pipe_status: Vec::new(),
            last_background: None,
            jobs: Vec::new(),
            traps: BTreeMap::new(),
            masked: 0,
            loops: 0,
            calls: 0,
            sourced: 0,
            nesting: start.nesting + 1,
            line: 1,
            // A program that runs another one has used much of its stack: the first command takes a new one.
            depth: STACK - 1,
            is_subshell: false,
            option_place: 0,
            seed: 1,
            began,
            substituted: None,
            system: start.system,
        }
    }

    /// A subshell: a copy that changes nothing here.
    pub(crate) fn fork(&self) -> Self {
        let ignored = self.traps.iter().filter(|(signal, text)| **signal != 0 && text.is_empty());
        Self {
            system: Arc::clone(&self.system),
            process: Arc::clone(&self.process),
            main_process: self.main_process,
            flavour: self.flavour,
            variables: self.variables.clone(),
            functions: Arc::clone(&self.functions),
            scopes: Vec::new(),
            positional: Arc::clone(&self.positional),
            zero: self.zero.clone(),
            options: self.options,
            files: self.files.clone(),
            folder: self.folder.clone(),
            umask: self.umask,
            status: self.status,
            pipe_status: Vec::new(),
            last_background: self.last_background,
            jobs: Vec::new(),
            traps: ignored.map(|(signal, text)| (*signal, text.clone())).collect(),
            masked: self.masked,
            loops: 0,
            calls: self.calls,
            sourced: self.sourced,
            nesting: self.nesting + 1,
            line: self.line,
            depth: self.depth,
            is_subshell: true,
            option_place: 0,
            seed: self.seed,
            began: self.began,
            substituted: None,
        }
    }

    /// Switches options as `set` does; what is no option is passed over.
    pub fn switch(&mut self, words: &[String]) {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let on = word.starts_with('-');
            for letter in word.chars().skip(1) {
                let switch = if letter == 'o' {
                    words.next().and_then(|name| self.options.named(name))
                } else {
                    self.options.switch(letter)
                };
                if let Some(switch) = switch {
                    *switch = on;
                }
            }
        }
    }

    /// Runs one command of the shell itself, as the program of the same name.
    pub async fn run_builtin(mut self, argv: &[String]) -> End {
        let result = self.builtin(argv).await;
        self.finish(result.err()).await
    }

    /// Runs a whole script and the trap for its end.
    pub async fn run(mut self, script: &Script) -> End {
        let mut unwind = None;
        for line in &script.lines {
            if let Err(reason) = self.list(line).await {
                unwind = Some(reason);
                break;
            }
        }
        if unwind.is_none()
            && let Some(fault) = &script.fault
        {
            self.line = fault.line;
            self.complain(&fault.reason).await;
            self.status = 2;
        }
        self.finish(unwind).await
    }

    /// The end of a shell or subshell: its trap, and its status.
    pub(crate) async fn finish(&mut self, unwind: Option<Unwind>) -> End {
        if let Some(Unwind::Killed(signal)) = unwind {
            return End::Signal(signal);
        }
        if let Some(text) = self.traps.remove(&0)
            && !text.is_empty()
        {
            let status = self.status;
            self.masked += 1;
            match self.evaluate(&text).await {
                Err(Unwind::Killed(signal)) => return End::Signal(signal),
                Err(Unwind::Exit) => {}
                _ => self.status = status,
            }
        }
        End::Exit(self.status & 0xff)
    }

    /// Runs a text in this shell.
    pub(crate) async fn evaluate(&mut self, text: &str) -> Result<(), Unwind> {
        let script = Arc::new(parse(text, self.flavour));
        let line = self.line;
        let result = self.script(&script).await;
        self.line = line;
        result
    }

    pub(crate) async fn script(&mut self, script: &Script) -> Result<(), Unwind> {
        if script.lines.is_empty() {
            self.status = 0;
        }
        for line in &script.lines {
            Box::pin(self.list(line)).await?;
        }
        if let Some(fault) = &script.fault {
            self.line = fault.line;
            let reason = fault.reason.clone();
            self.complain(&reason).await;
            self.status = 2;
            if self.flavour == Flavour::Dash {
                return Err(Unwind::Exit);
            }
        }
        Ok(())
    }

    /// A relative path taken from the current folder.
    pub(crate) fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.folder) }
    }

    pub(crate) fn file(&self, descriptor: u32) -> Handle {
        self.files.get(&descriptor).cloned().unwrap_or_else(|| Arc::new(Stream::Null))
    }

    /// Writes to standard output. A broken pipe ends the shell, as the signal does.
    pub(crate) async fn print(&mut self, bytes: &[u8]) -> Result<(), Unwind> {
        if !self.system.spend(1, bytes.len()) {
            return Err(self.exhausted().await);
        }
        let Some(out) = self.files.get(&1).cloned() else {
            self.complain("write error: Bad file descriptor").await;
            self.status = 1;
            return Ok(());
        };
        match out.write(bytes).await {
            Ok(()) => Ok(()),
            Err(WriteError::Broken) => {
                self.status = 128 + 13;
                Err(Unwind::Killed(13))
            }
            Err(error) => {
                self.complain(&format!("write error: {error}")).await;
                self.status = 1;
                Ok(())
            }
        }
    }

    /// The beginning of a message of this shell.
    pub(crate) fn prefix(&self) -> String {
        match self.flavour {
            Flavour::Dash => format!("{}: {}: ", self.zero, self.line),
            Flavour::Bash => format!("{}: line {}: ", self.zero, self.line),
        }
    }

    /// Writes a message of the shell itself to standard error.
    pub(crate) async fn complain(&mut self, reason: &str) {
        let text = format!("{}{reason}\n", self.prefix());
        // Nobody is left to tell about a broken standard error.
        let _ = self.file(2).write(text.as_bytes()).await;
    }

    /// A mistake that ends a shell which is not interactive.
    pub(crate) async fn abort(&mut self, reason: &str) -> Unwind {
        self.complain(reason).await;
        self.status = match self.flavour {
            Flavour::Dash => 2,
            Flavour::Bash => 1,
        };
        Unwind::Exit
    }

    /// The end of a shell that would never end, or that eats all memory.
    pub(crate) async fn exhausted(&mut self) -> Unwind {
        self.complain("the simulated machine ends this script: it did too much without letting time pass").await;
        self.status = 128 + KILL;
        Unwind::Killed(KILL)
    }

    pub(crate) fn random(&mut self) -> u32 {
        self.seed = self.seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (self.seed >> 16) & 0x7fff
    }
}
