//! Commands that are part of the shell.

mod input;
mod jobs;
mod names;
mod output;
mod variables;

use std::future::Future;
use std::pin::Pin;

use self::names::Form;
use crate::conditions::{self, ConditionContext};
use crate::files::{FileError, FileTree, Follow, symbolic_mode};
use crate::parse::parse;
use crate::shell::{NESTING, Position, Shell, Unwind};
use crate::streams::device;
use crate::system::Found;
use crate::tree::Flavour;

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Unwind>> + Send + 'a>>;

impl Shell {
    pub(super) fn builtin<'a>(&'a mut self, argv: &'a [String]) -> Running<'a> {
        Box::pin(async move {
            let arguments = &argv[1..];
            let name = argv[0].as_str();
            match name {
                ":" | "true" | "hash" | "alias" | "unalias" | "times" | "shopt" | "disown" | "enable" => {
                    self.status = 0;
                }
                "false" => self.status = 1,
                "echo" => return self.echo(arguments).await,
                "printf" => return self.printf(arguments).await,
                "test" | "[" => self.test(name, arguments).await,
                "read" => return self.read(arguments).await,
                "cd" | "pushd" | "popd" => return self.change_folder(arguments).await,
                "pwd" | "dirs" => {
                    self.status = 0;
                    let text = format!("{}\n", self.folder);
                    return self.print(text.as_bytes()).await;
                }
                "umask" => return self.change_mask(arguments).await,
                "wait" => return self.wait(arguments).await,
                "kill" => return self.kill(arguments).await,
                "jobs" => return self.list_jobs(arguments).await,
                "type" => return self.describe(arguments, Form::Sentence).await,
                "command" => return self.command_builtin(arguments).await,
                "builtin" => {
                    self.status = 0;
                    if !arguments.is_empty() {
                        return self.builtin(arguments).await;
                    }
                }
                "getopts" => return self.getopts(arguments).await,
                "ulimit" => {
                    self.status = 0;
                    if arguments.len() <= 1 {
                        return self.print(b"unlimited\n").await;
                    }
                }
                "let" => {
                    let mut value = 0;
                    for text in arguments {
                        let word = crate::tree::Word(vec![crate::tree::Part::Quoted(text.clone())]);
                        value = self.arithmetic(&word).await?;
                    }
                    self.status = i32::from(value == 0);
                }
                "mapfile" | "readarray" => return self.mapfile(arguments).await,
                "." | "source" => return self.source(arguments).await,
                "break" | "continue" => return self.leave_loop(name, arguments),
                "eval" => return self.evaluate(&arguments.join(" ")).await,
                "exec" => return self.exec(arguments).await,
                "exit" => {
                    if let Some(status) = arguments.first() {
                        self.status = self.number(name, status).await?;
                    }
                    return Err(Unwind::Exit);
                }
                "return" => {
                    if let Some(status) = arguments.first() {
                        self.status = self.number(name, status).await?;
                    }
                    // Outside of functions and sourced files dash leaves the script.
                    return Err(if self.calls + self.sourced > 0 { Unwind::Return } else { Unwind::Exit });
                }
                "export" | "readonly" | "local" | "declare" | "typeset" => return self.declare(name, arguments).await,
                "set" => return self.set(arguments).await,
                "shift" => {
                    let count = match arguments.first() {
                        Some(count) => usize::try_from(self.number(name, count).await?).unwrap_or(0),
                        None => 1,
                    };
                    if count > self.positional.len() {
                        if self.flavour == Flavour::Dash {
                            return Err(self.abort("shift: can't shift that many").await);
                        }
                        self.status = 1;
                    } else {
                        self.positional = self.positional[count..].into();
                        self.status = 0;
                    }
                }
                "trap" => return self.trap(arguments).await,
                "unset" => self.unset(arguments).await?,
                _ => self.status = 127,
            }
            Ok(())
        })
    }

    /// The path of a program, as `command -v` prints it.
    fn find(&self, name: &str) -> Option<String> {
        match self.system.find(&self.folder, name) {
            Found::Program(path) => Some(path),
            Found::Denied | Found::Nothing => None,
        }
    }

    async fn number(&mut self, name: &str, text: &str) -> Result<i32, Unwind> {
        match text.parse::<i64>() {
            Ok(number) if number >= 0 || self.flavour == Flavour::Bash => Ok(i32::try_from(number & 0xff).unwrap_or(0)),
            _ if self.flavour == Flavour::Dash => Err(self.abort(&format!("{name}: Illegal number: {text}")).await),
            _ => {
                self.complain(&format!("{name}: {text}: numeric argument required")).await;
                Ok(2)
            }
        }
    }

    async fn test(&mut self, name: &str, arguments: &[String]) {
        let words = match arguments {
            [words @ .., last] if name == "[" && last == "]" => words,
            _ if name == "[" => {
                self.complain("[: missing ]").await;
                self.status = 2;
                return;
            }
            words => words,
        };
        let context = ConditionContext { system: &*self.system, folder: &self.folder, flavour: self.flavour };
        match conditions::evaluate(words, &context) {
            Ok(value) => self.status = i32::from(!value),
            Err(reason) => {
                self.complain(&format!("{name}: {reason}")).await;
                self.status = 2;
            }
        }
    }

    async fn change_folder(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let target = arguments.iter().find(|word| !matches!(word.as_str(), "-P" | "-L" | "--" | "-e"));
        let target = match target.map(String::as_str) {
            None => self.variables.text("HOME").unwrap_or("/").to_owned(),
            Some("-") => self.variables.text("OLDPWD").unwrap_or(&self.folder).to_owned(),
            Some(path) => path.to_owned(),
        };
        let path = FileTree::normalise(&self.absolute(&target));
        match self.system.entry(&path, Follow::Last) {
            Ok(entry) if entry.is_folder() => {
                let old = std::mem::replace(&mut self.folder, path.clone());
                self.variables.set("OLDPWD", old);
                self.variables.set("PWD", path.clone());
                self.status = 0;
                if arguments.first().is_some_and(|word| word == "-") {
                    return self.print(format!("{path}\n").as_bytes()).await;
                }
            }
            result => {
                let reason = match (self.flavour, result) {
                    (Flavour::Dash, _) => format!("cd: can't cd to {target}"),
                    (Flavour::Bash, Ok(_)) => format!("cd: {target}: Not a directory"),
                    (Flavour::Bash, Err(error)) => format!("cd: {target}: {error}"),
                };
                self.complain(&reason).await;
                self.status = if self.flavour == Flavour::Dash { 2 } else { 1 };
            }
        }
        Ok(())
    }

    async fn change_mask(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        match arguments.first() {
            None => {
                let text = format!("{:04o}\n", self.umask);
                return self.print(text.as_bytes()).await;
            }
            Some(text) => match u32::from_str_radix(text, 8) {
                Ok(mask) if mask <= 0o777 => self.umask = mask,
                _ => match symbolic_mode(text, 0o777 & !self.umask, true) {
                    Some(mode) => self.umask = 0o777 & !mode,
                    None => return Err(self.abort(&format!("umask: Illegal mode: {text}")).await),
                },
            },
        }
        Ok(())
    }

    async fn source(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let Some(name) = arguments.first() else {
            self.status = 2;
            return Ok(());
        };
        let path = if name.contains('/') || self.flavour == Flavour::Bash { Some(self.absolute(name)) } else { None };
        let path = path.or_else(|| self.find(name));
        let bytes = match path.as_deref() {
            Some(path) => match device(path, &self.files) {
                Some(Ok(stream)) => stream.read_all(1 << 20).await,
                Some(Err(error)) => Err(error),
                None => self.system.read(path).map(|bytes| bytes.to_vec()),
            },
            None => Err(FileError::NotFound),
        };
        let Ok(bytes) = bytes else {
            let reason = match self.flavour {
                Flavour::Dash if name.contains('/') => format!(".: cannot open {name}: No such file"),
                Flavour::Dash => format!(".: {name}: not found"),
                Flavour::Bash => format!("{name}: No such file or directory"),
            };
            if self.flavour == Flavour::Dash {
                return Err(self.abort(&reason).await);
            }
            self.complain(&reason).await;
            self.status = 1;
            return Ok(());
        };
        if self.nesting > NESTING {
            return Err(self.abort(".: files are nested too deeply").await);
        }
        let script = parse(&String::from_utf8_lossy(&bytes), self.flavour);
        let positional = if arguments.len() > 1 {
            Some(std::mem::replace(&mut self.positional, arguments[1..].into()))
        } else {
            None
        };
        self.sourced += 1;
        self.nesting += 1;
        let line = self.line;
        let result = self.script(&script).await;
        self.line = line;
        self.nesting -= 1;
        self.sourced -= 1;
        if let Some(positional) = positional {
            self.positional = positional;
        }
        match result {
            Err(Unwind::Return) => Ok(()),
            result => result,
        }
    }

    fn leave_loop(&mut self, name: &str, arguments: &[String]) -> Result<(), Unwind> {
        let levels = arguments.first().and_then(|text| text.parse::<u32>().ok()).unwrap_or(1).max(1);
        self.status = 0;
        if self.loops == 0 {
            return Ok(());
        }
        let levels = levels.min(self.loops);
        Err(if name == "break" { Unwind::Break(levels) } else { Unwind::Continue(levels) })
    }

    async fn exec(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        let arguments = match arguments {
            [option, _, rest @ ..] if option == "-a" => rest,
            [option, rest @ ..] if option == "--" => rest,
            rest => rest,
        };
        if arguments.is_empty() {
            return Ok(());
        }
        self.program(arguments, if self.is_subshell { Position::Inner } else { Position::Last }).await?;
        // The program took the shell's place: its traps are gone with it.
        self.traps.clear();
        Err(Unwind::Exit)
    }
}
