//! Shells and scripts as programs.

use std::sync::Arc;
use std::time::Duration;

use phoenix_sim_shell::files::{Entry, FileError};
use phoenix_sim_shell::process::{End, KILL};
use phoenix_sim_shell::system::{DENIED, Invocation, NOT_FOUND};
use phoenix_sim_shell::{self as shell, Flavour, Shell, Start};

use super::Call;
use crate::journal;
use crate::services::{self, Cause};
use crate::world::ScriptWorld;

/// Whether a program is a shell.
pub(super) fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "dash" | "bash" | "ash")
}

fn flavour(name: &str) -> Flavour {
    if name == "bash" { Flavour::Bash } else { Flavour::Dash }
}

/// The interpreter that the first line of a file names.
enum Interpreter {
    Shell(Flavour, Vec<String>),
    /// Something that cannot be carried out here.
    Other,
}

fn interpreter(text: &str) -> Interpreter {
    let Some(line) = text.lines().next().and_then(|line| line.strip_prefix("#!")) else {
        return if text.contains('\0') { Interpreter::Other } else { Interpreter::Shell(Flavour::Dash, Vec::new()) };
    };
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut name = program.rsplit('/').next().unwrap_or_default();
    let mut options: Vec<String> = words.map(str::to_owned).collect();
    let first;
    if name == "env" {
        options.retain(|word| word != "-S");
        if options.is_empty() {
            return Interpreter::Other;
        }
        first = options.remove(0);
        name = &first;
    }
    if is_shell(name) { Interpreter::Shell(flavour(name), options) } else { Interpreter::Other }
}

/// What a shell was told to do.
struct Task {
    text: String,
    zero: String,
    arguments: Vec<String>,
    /// Switches as `set` takes them.
    switches: Vec<String>,
    flavour: Flavour,
    /// The file that the text is from.
    path: Option<String>,
}

impl Call {
    /// `sh`, `bash` and their like.
    pub(super) async fn shell(&self, program: &str) -> End {
        let flavour = flavour(program);
        let mut switches = Vec::new();
        let (mut is_text, mut from_input) = (false, false);
        let mut words = self.arguments().iter();
        let mut operands: Vec<String> = Vec::new();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--" | "-" => {
                    operands.extend(words.cloned());
                    break;
                }
                "--login" | "--norc" | "--noprofile" | "--posix" => continue,
                "--rcfile" | "--init-file" => {
                    words.next();
                    continue;
                }
                _ => {}
            }
            let Some(letters) = word.strip_prefix(['-', '+']).filter(|letters| !letters.is_empty()) else {
                operands.push(word.clone());
                operands.extend(words.cloned());
                break;
            };
            let sign = &word[..1];
            for letter in letters.chars() {
                match letter {
                    'c' => is_text = true,
                    's' => from_input = true,
                    'l' | 'i' => {}
                    'o' | 'O' => {
                        let name = words.next().cloned().unwrap_or_default();
                        if letter == 'o' {
                            switches.extend([format!("{sign}o"), name]);
                        }
                    }
                    letter => switches.push(format!("{sign}{letter}")),
                }
            }
        }
        let mut operands = operands.into_iter();
        let invoked = self.invocation.argv.first().cloned().unwrap_or_default();
        let mut task =
            Task { text: String::new(), zero: invoked.clone(), arguments: Vec::new(), switches, flavour, path: None };
        if is_text {
            let Some(text) = operands.next() else {
                let reason = match flavour {
                    Flavour::Dash => format!("{invoked}: 0: -c requires an argument\n"),
                    Flavour::Bash => format!("{invoked}: -c: option requires an argument\n"),
                };
                self.err(&reason).await;
                return End::Exit(2);
            };
            task.text = text;
            task.zero = operands.next().unwrap_or(invoked);
        } else if from_input {
            task.text = String::from_utf8_lossy(&self.input().await).into_owned();
        } else if let Some(path) = operands.next() {
            match self.read(&path).await {
                Ok(bytes) => task.text = String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => {
                    let said = match error {
                        FileError::NotFound => "No such file".to_owned(),
                        error => error.to_string(),
                    };
                    let (reason, status) = match flavour {
                        Flavour::Dash => (format!("{invoked}: 0: cannot open {path}: {said}\n"), 2),
                        Flavour::Bash => (format!("{invoked}: {path}: {error}\n"), NOT_FOUND),
                    };
                    self.err(&reason).await;
                    return End::Exit(status);
                }
            }
            task.zero.clone_from(&path);
            task.path = Some(path);
        } else {
            task.text = String::from_utf8_lossy(&self.input().await).into_owned();
        }
        task.arguments = operands.collect();
        self.carry_out(task).await
    }

    /// A file that is run as a program.
    pub(super) async fn run_file(&self, path: &str, entry: &Entry) -> End {
        let Some(bytes) = entry.bytes() else { return End::Exit(DENIED) };
        let name = path.rsplit('/').next().unwrap_or(path);
        if bytes.is_empty() {
            // A file that stands for an installed program.
            return self.known_or_other(name).await;
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        let invoked = self.invocation.argv.first().cloned().unwrap_or_default();
        let zero = if invoked.contains('/') { invoked } else { path.to_owned() };
        let arguments = self.arguments().to_vec();
        match interpreter(&text) {
            Interpreter::Shell(flavour, switches) => {
                self.carry_out(Task { text, zero, arguments, switches, flavour, path: Some(path.to_owned()) }).await
            }
            Interpreter::Other => self.strange_script(path).await,
        }
    }

    /// Whether a file is a script whose first line names this program.
    pub(super) fn interprets(&self, program: &str, file: &str) -> bool {
        let path = self.absolute(file);
        let Ok(bytes) = self.machine().files(|view| view.read(&path)) else { return false };
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        let mut words = first.strip_prefix("#!").unwrap_or_default().split_whitespace();
        words.any(|word| word.rsplit('/').next() == Some(program))
    }

    /// A script of something that cannot be carried out here.
    pub(super) async fn strange_script(&self, path: &str) -> End {
        let script = self.script_name(Some(path));
        self.note(&format!("{path} is no shell script: it is taken to succeed"));
        self.opaque(script.as_deref()).await
    }

    /// The name by which the world knows the script in a file, when it begins here.
    fn script_name(&self, path: Option<&str>) -> Option<String> {
        let machine = self.machine();
        machine.guest?;
        let file = path?;
        let file = file.rsplit('/').next().unwrap_or(file);
        let stem = file.strip_suffix(".sh").unwrap_or(file);
        let described = self.variable("PHOENIX_SCRIPT").filter(|_| !machine.world().knows_script(stem));
        let name = described.unwrap_or(stem);
        // What a script runs is not that script again, though it inherits the variable.
        if self.process.script().as_deref() == Some(name) {
            return None;
        }
        self.process.set_script(name);
        Some(name.to_owned())
    }

    fn note(&self, text: &str) {
        if let Some(vmid) = self.machine().guest {
            journal::log(&mut *self.machine().node.state(), vmid, "phoenix-sim", text);
        }
    }

    /// A script that cannot, or shall not, be carried out: it takes its time and succeeds.
    async fn opaque(&self, script: Option<&str>) -> End {
        let described = script.and_then(|name| self.machine().world().script(name));
        if let Some(described) = described {
            self.pause(described.duration.get()).await;
        }
        self.script_ended(script, End::Exit(0))
    }

    async fn carry_out(&self, task: Task) -> End {
        if self.invocation.nesting > 200 {
            return End::Signal(KILL);
        }
        let script = self.script_name(task.path.as_deref());
        let machine = self.machine().clone();
        let described = script.as_deref().and_then(|name| machine.world().script(name));
        let started = machine.node.elapsed();
        let name = script.as_deref().unwrap_or_default();
        let status = described.and_then(|described| self.described_status(name, described));
        // A script that failed as often as it shall is itself again.
        if let Some(described) = described.filter(|described| status.is_some() || described.exit.is_none()) {
            if self.out(&described.output).await.is_err() {
                return End::Signal(13);
            }
            self.err(&described.errors).await;
            if let Some(status) = status {
                self.pause(described.duration.get()).await;
                return self.script_ended(script.as_deref(), End::Exit(status));
            }
            if !described.interpret {
                return self.opaque(script.as_deref()).await;
            }
        }
        let parsed = shell::parse(&task.text, task.flavour);
        if let Some(fault) = parsed.fault.as_ref().filter(|fault| fault.cause == shell::Cause::Unknown) {
            let name = task.path.as_deref().unwrap_or("the command line");
            self.note(&format!("cannot interpret {name}: {fault}; it is taken to succeed"));
            return self.opaque(script.as_deref()).await;
        }
        let mut shell = Shell::new(Start {
            system: Arc::new(machine.clone()),
            process: Arc::clone(&self.process),
            flavour: task.flavour,
            environment: self.invocation.environment.clone(),
            zero: task.zero,
            arguments: task.arguments,
            files: self.invocation.files.clone(),
            folder: self.invocation.folder.clone(),
            umask: self.invocation.umask,
            nesting: self.invocation.nesting,
        });
        shell.switch(&task.switches);
        let end = Box::pin(shell.run(&parsed)).await;
        if let Some(described) = described {
            let passed = machine.node.elapsed().saturating_sub(started);
            self.pause(described.duration.get().saturating_sub(passed)).await;
        }
        self.script_ended(script.as_deref(), end)
    }

    fn script_ended(&self, script: Option<&str>, end: End) -> End {
        if let (Some(name), Some(vmid), End::Exit(0)) = (script, self.machine().guest, end) {
            services::succeeded(&*self.machine().node, vmid, Cause::Script(name));
        }
        end
    }

    /// The status that the world gives a script this time.
    fn described_status(&self, name: &str, described: &ScriptWorld) -> Option<i32> {
        let status = described.exit?;
        let vmid = self.machine().guest?;
        match described.times {
            Some(times) if !self.first_times(&format!("{vmid} script {name}"), times) => None,
            _ => Some(status & 0xff),
        }
    }

    /// Runs a part of the shell as a program.
    pub(super) async fn shell_builtin(&self, argv: &[String]) -> End {
        let Invocation { environment, files, folder, umask, nesting, .. } = self.invocation.clone();
        let shell = Shell::new(Start {
            system: Arc::new(self.machine.clone()),
            process: Arc::clone(&self.process),
            flavour: Flavour::Bash,
            environment,
            zero: self.program().to_owned(),
            arguments: Vec::new(),
            files,
            folder,
            umask,
            nesting,
        });
        Box::pin(shell.run_builtin(argv)).await
    }

    pub(super) async fn pause(&self, span: Duration) {
        self.machine().sleep(span).await;
    }
}
