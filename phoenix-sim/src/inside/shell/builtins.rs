//! Commands that are part of the shell.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::super::process::{End, Process, TERM, signal_name, signal_number};
use super::super::programs;
use super::super::view::Follow;
use super::conditions::{self, Surroundings};
use super::format::{Escapes, printf, unescape};
use super::parse::{is_name, parse};
use super::run::{Position, quote};
use super::tree::Flavour;
use super::variables::Data;
use super::{Shell, Unwind};
use crate::files::{FileError, FileTree};

/// The trap `ERR` of bash among the signals.
pub(super) const ON_FAILURE: i32 = -1;

const SPECIAL: [&str; 15] = [
    ":", ".", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times",
    "trap", "unset",
];
const COMMON: [&str; 21] = [
    "true", "false", "echo", "printf", "test", "[", "read", "cd", "pwd", "local", "umask", "wait", "kill", "jobs",
    "type", "command", "hash", "getopts", "alias", "unalias", "ulimit",
];
const BASH: [&str; 13] = [
    "source",
    "declare",
    "typeset",
    "let",
    "shopt",
    "mapfile",
    "readarray",
    "disown",
    "pushd",
    "popd",
    "dirs",
    "builtin",
    "enable",
];

/// Whether an assignment before a command stays, and a mistake in it ends the shell.
pub(super) fn is_special(name: &str) -> bool {
    SPECIAL.contains(&name)
}

pub(super) fn is_builtin(name: &str, flavour: Flavour) -> bool {
    is_special(name) || COMMON.contains(&name) || (flavour == Flavour::Bash && BASH.contains(&name))
}

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
                        let word = super::tree::Word(vec![super::tree::Part::Quoted(text.clone())]);
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

    async fn echo(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let (mut newline, mut escapes) = (true, self.flavour == Flavour::Dash);
        let mut words = arguments;
        while let [first, rest @ ..] = words {
            let letters = first.strip_prefix('-').unwrap_or_default();
            let known = match self.flavour {
                Flavour::Dash => letters == "n",
                Flavour::Bash => !letters.is_empty() && letters.bytes().all(|b| matches!(b, b'n' | b'e' | b'E')),
            };
            if !known {
                break;
            }
            for letter in letters.chars() {
                match letter {
                    'n' => newline = false,
                    'e' => escapes = true,
                    _ => escapes = false,
                }
            }
            words = rest;
            if self.flavour == Flavour::Dash {
                break;
            }
        }
        let text = words.join(" ");
        let mut bytes = if escapes {
            let (bytes, ended) = unescape(&text, Escapes::Echo);
            newline &= !ended;
            bytes
        } else {
            text.into_bytes()
        };
        if newline {
            bytes.push(b'\n');
        }
        self.status = 0;
        self.print(&bytes).await
    }

    async fn printf(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let (variable, arguments) = match arguments {
            [option, variable, rest @ ..] if option == "-v" && self.flavour == Flavour::Bash => (Some(variable), rest),
            [option, rest @ ..] if option == "--" => (None, rest),
            rest => (None, rest),
        };
        let [format, values @ ..] = arguments else {
            self.complain("printf: usage: printf format [arg ...]").await;
            self.status = 2;
            return Ok(());
        };
        let (bytes, complaints) = printf(format, values);
        self.status = i32::from(!complaints.is_empty());
        for complaint in complaints {
            self.complain(&format!("printf: {complaint}")).await;
        }
        if let Some(variable) = variable {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return self.assign(variable, &text).await;
        }
        let status = self.status;
        self.print(&bytes).await?;
        self.status = self.status.max(status);
        Ok(())
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
        let around = Surroundings { machine: &self.machine, folder: &self.folder, flavour: self.flavour };
        match conditions::evaluate(words, &around) {
            Ok(value) => self.status = i32::from(!value),
            Err(reason) => {
                self.complain(&format!("{name}: {reason}")).await;
                self.status = 2;
            }
        }
    }

    async fn read(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let (mut raw, mut end, mut patience, mut array, mut from) = (false, b'\n', None, None, 0);
        let mut names: Vec<&str> = Vec::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if !names.is_empty() || !word.starts_with('-') {
                names.push(word);
                continue;
            }
            for (at, letter) in word.char_indices().skip(1) {
                let mut value = || {
                    let attached = &word[at + 1..];
                    if attached.is_empty() { words.next().cloned().unwrap_or_default() } else { attached.to_owned() }
                };
                match letter {
                    'r' => raw = true,
                    's' | 'e' => {}
                    'p' | 'n' | 'N' | 'i' => {
                        value();
                        break;
                    }
                    'd' => {
                        end = value().bytes().next().unwrap_or(0);
                        break;
                    }
                    't' => {
                        patience =
                            value().parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                        break;
                    }
                    'u' => {
                        from = value().parse().unwrap_or(0);
                        break;
                    }
                    'a' => {
                        array = Some(value());
                        break;
                    }
                    _ => {
                        self.complain(&format!("read: Illegal option -{letter}")).await;
                        self.status = 2;
                        return Ok(());
                    }
                }
            }
        }
        let source = self.file(from);
        let mut line: Vec<(char, bool)> = Vec::new();
        let mut complete;
        loop {
            let bytes = match patience {
                None => source.read_to(Some(end)).await,
                Some(patience) => match tokio::time::timeout(patience, source.read_to(Some(end))).await {
                    Ok(bytes) => bytes,
                    Err(_) => {
                        self.status = 142;
                        return Ok(());
                    }
                },
            };
            let mut bytes = bytes.unwrap_or_default();
            complete = bytes.last() == Some(&end);
            if complete {
                bytes.pop();
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let mut chars = text.chars().filter(|ch| *ch != '\0');
            let mut continues = false;
            while let Some(ch) = chars.next() {
                if ch == '\\' && !raw {
                    match chars.next() {
                        Some(ch) => line.push((ch, true)),
                        None => continues = complete,
                    }
                } else {
                    line.push((ch, false));
                }
            }
            if !continues {
                break;
            }
        }
        self.status = i32::from(!complete);
        let separators = self.variables.text("IFS").unwrap_or(" \t\n").to_owned();
        if let Some(array) = array {
            let fields = split_line(&line, &separators, usize::MAX);
            let elements = (0..).zip(fields).collect();
            self.variables.entry(&array).data = Some(Data::Array(elements));
            return Ok(());
        }
        if names.is_empty() {
            let text: String = line.iter().map(|(ch, _)| ch).collect();
            return self.assign("REPLY", &text).await;
        }
        let mut fields = split_line(&line, &separators, names.len()).into_iter();
        let status = self.status;
        for name in names {
            if !is_name(name) {
                return Err(self.abort(&format!("read: {name}: bad variable name")).await);
            }
            self.assign(name, &fields.next().unwrap_or_default()).await?;
        }
        self.status = status;
        Ok(())
    }

    async fn change_folder(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let target = arguments.iter().find(|word| !matches!(word.as_str(), "-P" | "-L" | "--" | "-e"));
        let target = match target.map(String::as_str) {
            None => self.variables.text("HOME").unwrap_or("/").to_owned(),
            Some("-") => self.variables.text("OLDPWD").unwrap_or(&self.folder).to_owned(),
            Some(path) => path.to_owned(),
        };
        let path = FileTree::normalise(&self.absolute(&target));
        match self.machine.files(|view| view.entry(&path, Follow::Last)) {
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
                _ => match programs::symbolic_mode(text, 0o777 & !self.umask, true) {
                    Some(mode) => self.umask = 0o777 & !mode,
                    None => return Err(self.abort(&format!("umask: Illegal mode: {text}")).await),
                },
            },
        }
        Ok(())
    }

    fn job(&self, text: &str) -> Option<Arc<Process>> {
        if let Some(number) = text.strip_prefix('%') {
            let place = number.parse::<usize>().unwrap_or(self.jobs.len());
            return self.jobs.get(place.checked_sub(1)?).cloned();
        }
        let id = text.parse::<u32>().ok()?;
        self.jobs.iter().find(|job| job.id == id).cloned()
    }

    async fn wait(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let any = arguments.first().is_some_and(|word| word == "-n");
        let named: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
        let targets: Vec<Option<Arc<Process>>> = if named.is_empty() {
            self.jobs.iter().cloned().map(Some).collect()
        } else {
            named.iter().map(|word| self.job(word)).collect()
        };
        self.status = 0;
        if any {
            let processes = Arc::clone(&self.machine.processes);
            loop {
                let changed = processes.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let ended = self.jobs.iter().position(|job| job.end().is_some());
                if let Some(place) = ended {
                    let job = self.jobs.remove(place);
                    self.status = job.end().map_or(0, End::status);
                    return Ok(());
                }
                if self.jobs.is_empty() {
                    self.status = 127;
                    return Ok(());
                }
                changed.await;
            }
        }
        for target in targets {
            let Some(job) = target else {
                self.status = 127;
                continue;
            };
            let end = tokio::select! {
                biased;
                end = self.machine.processes.wait(&job) => end,
                () = self.process.interrupted() => {
                    self.status = 128 + TERM;
                    return Ok(());
                }
            };
            self.jobs.retain(|other| other.id != job.id);
            if !named.is_empty() {
                self.status = end.status();
            }
        }
        Ok(())
    }

    async fn kill(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let mut signal = TERM;
        let mut words = arguments;
        match words {
            [option, rest @ ..] if option == "-l" || option == "-L" => {
                let names = match rest.first().and_then(|text| text.parse::<i32>().ok()) {
                    Some(number) => signal_name(number & 0x7f).unwrap_or_default().to_owned(),
                    None => (1..32).filter_map(signal_name).collect::<Vec<_>>().join(" "),
                };
                self.status = 0;
                return self.print(format!("{names}\n").as_bytes()).await;
            }
            [option, name, rest @ ..] if option == "-s" || option == "-n" => match signal_number(name) {
                Some(number) => {
                    signal = number;
                    words = rest;
                }
                None => return self.bad_signal(name).await,
            },
            [option, rest @ ..] if option.len() > 1 && option.starts_with('-') && option != "--" => {
                match signal_number(&option[1..]) {
                    Some(number) => {
                        signal = number;
                        words = rest;
                    }
                    None => return self.bad_signal(&option[1..]).await,
                }
            }
            _ => {}
        }
        self.status = 0;
        for word in words.iter().filter(|word| *word != "--") {
            let sent = match self.job(word) {
                Some(job) if word.starts_with('%') => {
                    job.signal(signal);
                    job.end().is_none()
                }
                _ => match word.parse::<i64>() {
                    Ok(id) => programs::send_signal(&self.machine, id, signal, &self.process),
                    Err(_) => {
                        let reason = match self.flavour {
                            Flavour::Dash => format!("kill: Illegal number: {word}"),
                            Flavour::Bash => format!("kill: {word}: arguments must be process or job IDs"),
                        };
                        self.complain(&reason).await;
                        self.status = if self.flavour == Flavour::Dash { 2 } else { 1 };
                        continue;
                    }
                },
            };
            if !sent {
                let reason = match self.flavour {
                    Flavour::Dash => "kill: No such process".to_owned(),
                    Flavour::Bash => format!("kill: ({word}) - No such process"),
                };
                self.complain(&reason).await;
                self.status = 1;
            }
        }
        Ok(())
    }

    async fn bad_signal(&mut self, name: &str) -> Result<(), Unwind> {
        let reason = match self.flavour {
            Flavour::Dash => format!("kill: Illegal option -{name}"),
            Flavour::Bash => format!("kill: {name}: invalid signal specification"),
        };
        self.complain(&reason).await;
        self.status = if self.flavour == Flavour::Dash { 2 } else { 1 };
        Ok(())
    }

    async fn list_jobs(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        self.jobs.retain(|job| job.end().is_none());
        let ids = arguments.iter().any(|word| word == "-p");
        let lines: String = self
            .jobs
            .iter()
            .enumerate()
            .map(
                |(place, job)| {
                    if ids { format!("{}\n", job.id) } else { format!("[{}] + Running {}\n", place + 1, job.name) }
                },
            )
            .collect();
        self.print(lines.as_bytes()).await
    }

    async fn command_builtin(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        match arguments {
            [option, rest @ ..] if option == "-v" => self.describe(rest, Form::Path).await,
            [option, rest @ ..] if option == "-V" => self.describe(rest, Form::Sentence).await,
            [option, rest @ ..] if option == "-p" || option == "--" => Box::pin(self.command_builtin(rest)).await,
            [] => {
                self.status = 0;
                Ok(())
            }
            argv if is_builtin(&argv[0], self.flavour) => self.builtin(argv).await,
            argv => self.program(argv, Position::Inner).await,
        }
    }

    async fn describe(&mut self, names: &[String], form: Form) -> Result<(), Unwind> {
        self.status = 0;
        let names = names.strip_prefix(&["--".to_owned()]).unwrap_or(names);
        let names = names.iter().filter(|name| !(form == Form::Sentence && name.starts_with('-')));
        for name in names {
            let (short, sentence) = if self.functions.contains_key(name) {
                (name.clone(), format!("{name} is a function"))
            } else if is_special(name) && self.flavour == Flavour::Dash {
                (name.clone(), format!("{name} is a special shell builtin"))
            } else if is_builtin(name, self.flavour) {
                (name.clone(), format!("{name} is a shell builtin"))
            } else if let Some(path) = programs::find(&self.machine, &self.folder, name) {
                (path.clone(), format!("{name} is {path}"))
            } else {
                self.status = if self.flavour == Flavour::Dash { 127 } else { 1 };
                if form == Form::Sentence {
                    if self.flavour == Flavour::Dash {
                        self.print(format!("{name}: not found\n").as_bytes()).await?;
                    } else {
                        self.complain(&format!("type: {name}: not found")).await;
                    }
                    self.status = if self.flavour == Flavour::Dash { 127 } else { 1 };
                }
                continue;
            };
            let status = self.status;
            let text = if form == Form::Path { short } else { sentence };
            self.print(format!("{text}\n").as_bytes()).await?;
            self.status = status;
        }
        Ok(())
    }

    async fn getopts(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let [letters, name, rest @ ..] = arguments else {
            self.complain("getopts: usage: getopts optstring name [arg]").await;
            self.status = 2;
            return Ok(());
        };
        let words: Vec<String> = if rest.is_empty() { self.positional.to_vec() } else { rest.to_vec() };
        let mut index: usize = self.variables.text("OPTIND").and_then(|text| text.parse().ok()).unwrap_or(1);
        if index <= 1 && self.option_place == 0 {
            index = 1;
        }
        let silent = letters.starts_with(':');
        let word = words.get(index - 1).cloned().unwrap_or_default();
        if self.option_place == 0 {
            if !word.starts_with('-') || word == "-" || word == "--" {
                let next = if word == "--" { index + 1 } else { index };
                self.variables.set("OPTIND", next.to_string());
                self.variables.set(name, "?");
                self.status = 1;
                return Ok(());
            }
            self.option_place = 1;
        }
        let chars: Vec<char> = word.chars().collect();
        let letter = chars.get(self.option_place).copied().unwrap_or('?');
        self.option_place += 1;
        let known = letter != ':' && letters.contains(letter);
        let takes_value = known && letters.split(letter).nth(1).is_some_and(|rest| rest.starts_with(':'));
        let mut result = letter.to_string();
        self.variables.remove("OPTARG");
        if !known {
            if silent {
                self.variables.set("OPTARG", letter.to_string());
            } else {
                self.complain(&format!("Illegal option -{letter}")).await;
            }
            result = "?".to_owned();
        }
        if takes_value {
            let attached: String = chars[self.option_place..].iter().collect();
            self.option_place = chars.len();
            if attached.is_empty() {
                index += 1;
                match words.get(index - 1) {
                    Some(value) => self.variables.set("OPTARG", value.clone()),
                    None if silent => {
                        self.variables.set("OPTARG", letter.to_string());
                        result = ":".to_owned();
                    }
                    None => {
                        self.complain(&format!("No arg for -{letter} option")).await;
                        result = "?".to_owned();
                    }
                }
            } else {
                self.variables.set("OPTARG", attached);
            }
        }
        if self.option_place >= chars.len() {
            self.option_place = 0;
            index += 1;
        }
        self.variables.set("OPTIND", index.to_string());
        self.status = 0;
        self.assign(name, &result).await
    }

    async fn mapfile(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let strip = arguments.iter().any(|word| word.starts_with("-t"));
        let name = arguments.iter().rev().find(|word| !word.starts_with('-')).map_or("MAPFILE", String::as_str);
        let bytes = self.file(0).read_all(1 << 20).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.split_inclusive('\n');
        let lines = lines.map(|line| if strip { line.trim_end_matches('\n') } else { line }.to_owned());
        self.variables.entry(name).data = Some(Data::Array((0..).zip(lines).collect()));
        self.status = 0;
        Ok(())
    }

    async fn source(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let Some(name) = arguments.first() else {
            self.status = 2;
            return Ok(());
        };
        let path = if name.contains('/') || self.flavour == Flavour::Bash { Some(self.absolute(name)) } else { None };
        let path = path.or_else(|| programs::find(&self.machine, &self.folder, name));
        let bytes = match path.as_deref() {
            Some(path) => match programs::device(path, &self.files) {
                Some(Ok(stream)) => stream.read_all(1 << 20).await,
                Some(Err(error)) => Err(error),
                None => self.machine.files(|view| view.read(path)).map(|bytes| bytes.to_vec()),
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
        if self.nesting > super::NESTING {
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

    async fn declare(&mut self, name: &str, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        let mut local = name == "local" || (matches!(name, "declare" | "typeset") && self.calls > 0);
        let (mut export, mut readonly) = (name == "export", name == "readonly");
        let (mut array, mut map, mut unexport, mut list) = (false, false, false, false);
        if name == "local" && self.calls == 0 {
            if self.flavour == Flavour::Dash {
                return Err(self.abort("local: not in a function").await);
            }
            self.complain("local: can only be used in a function").await;
            self.status = 1;
            return Ok(());
        }
        for argument in arguments {
            if let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                for letter in letters.chars() {
                    match letter {
                        'x' => export = true,
                        'r' => readonly = true,
                        'a' => array = true,
                        'A' => map = true,
                        'g' => local = false,
                        'n' if name == "export" => unexport = true,
                        'p' => list = true,
                        _ => {}
                    }
                }
                continue;
            }
            let (variable, value) = match argument.split_once('=') {
                Some((variable, value)) => (variable, Some(value)),
                None => (argument.as_str(), None),
            };
            let (variable, append) = match variable.strip_suffix('+') {
                Some(variable) if self.flavour == Flavour::Bash => (variable, true),
                _ => (variable, false),
            };
            if !is_name(variable) {
                let reason = match self.flavour {
                    Flavour::Dash => format!("{name}: {variable}: bad variable name"),
                    Flavour::Bash => format!("{name}: `{argument}': not a valid identifier"),
                };
                if self.flavour == Flavour::Dash {
                    return Err(self.abort(&reason).await);
                }
                self.complain(&reason).await;
                self.status = 1;
                continue;
            }
            if local && let Some(scope) = self.scopes.last_mut() {
                let old = self.variables.get(variable).cloned();
                scope.entry(variable.to_owned()).or_insert(old);
                let mut kept = self.variables.get(variable).cloned().unwrap_or_default();
                if self.flavour == Flavour::Bash {
                    // In bash a local variable begins without a value, in dash with the outer one.
                    kept.data = None;
                }
                self.variables.restore(variable, Some(kept));
            }
            if let Some(value) = value {
                let value = if append {
                    format!("{}{value}", self.variables.text(variable).unwrap_or_default())
                } else {
                    value.to_owned()
                };
                self.assign(variable, &value).await?;
            }
            let entry = self.variables.entry(variable);
            entry.exported = (entry.exported || export) && !unexport;
            entry.readonly |= readonly;
            if map && !matches!(entry.data, Some(Data::Map(_))) {
                entry.data = Some(Data::Map(std::collections::BTreeMap::new()));
            } else if array && !matches!(entry.data, Some(Data::Array(_))) {
                entry.data = Some(Data::Array(std::collections::BTreeMap::new()));
            }
        }
        if arguments.is_empty() || (list && arguments.len() == 1) {
            let lines: String = self
                .variables
                .iter()
                .filter(|(_, variable)| {
                    (name != "export" || variable.exported) && (name != "readonly" || variable.readonly)
                })
                .filter_map(|(variable, _)| {
                    let text = self.variables.text(variable)?;
                    let word = if self.flavour == Flavour::Bash { "declare -x" } else { name };
                    Some(format!("{word} {variable}='{}'\n", text.replace('\'', r"'\''")))
                })
                .collect();
            return self.print(lines.as_bytes()).await;
        }
        Ok(())
    }

    async fn set(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        if arguments.is_empty() {
            let lines: String = self
                .variables
                .iter()
                .filter_map(|(name, _)| Some(format!("{name}={}\n", quote(self.variables.text(name)?))))
                .collect();
            return self.print(lines.as_bytes()).await;
        }
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                self.positional = words.cloned().collect();
                return Ok(());
            }
            let (on, letters) = match (word.strip_prefix('-'), word.strip_prefix('+')) {
                (Some(letters), _) if !letters.is_empty() => (true, letters),
                (_, Some(letters)) if !letters.is_empty() => (false, letters),
                _ => {
                    self.positional = std::iter::once(word).chain(words).cloned().collect();
                    return Ok(());
                }
            };
            for letter in letters.chars() {
                if letter == 'o' {
                    let Some(name) = words.next() else { return Ok(()) };
                    match self.options.named(name).filter(|_| name != "pipefail" || self.flavour == Flavour::Bash) {
                        Some(switch) => *switch = on,
                        None if matches!(
                            name.as_str(),
                            "posix" | "errtrace" | "functrace" | "monitor" | "vi" | "emacs"
                        ) => {}
                        None => return Err(self.abort(&format!("set: Illegal option -o {name}")).await),
                    }
                } else if let Some(switch) = self.options.switch(letter) {
                    *switch = on;
                } else if !matches!(letter, 'E' | 'T' | 'm' | 'b' | 'h' | 'H' | 'B' | 'i' | 'I') {
                    return Err(self.abort(&format!("set: Illegal option -{letter}")).await);
                }
            }
        }
        Ok(())
    }

    async fn trap(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        let arguments = arguments.strip_prefix(&["--".to_owned()]).unwrap_or(arguments);
        if arguments.is_empty() || arguments[0] == "-p" {
            let lines: String = self
                .traps
                .iter()
                .filter_map(|(signal, text)| {
                    Some(format!("trap -- '{}' {}\n", text.replace('\'', r"'\''"), signal_name(*signal)?))
                })
                .collect();
            return self.print(lines.as_bytes()).await;
        }
        let (action, signals) = match arguments {
            [only] => ("-", std::slice::from_ref(only)),
            [first, ..] if !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit()) => ("-", arguments),
            [action, signals @ ..] => (action.as_str(), signals),
            [] => return Ok(()),
        };
        for name in signals {
            let signal = match name.as_str() {
                "ERR" if self.flavour == Flavour::Bash => ON_FAILURE,
                "DEBUG" | "RETURN" if self.flavour == Flavour::Bash => continue,
                name => match signal_number(name) {
                    Some(signal) => signal,
                    None => {
                        let reason = match self.flavour {
                            Flavour::Dash => format!("trap: {name}: bad trap"),
                            Flavour::Bash => format!("trap: {name}: invalid signal specification"),
                        };
                        self.complain(&reason).await;
                        self.status = 1;
                        continue;
                    }
                },
            };
            if action == "-" {
                self.traps.remove(&signal);
                self.process.dispose(signal, None);
            } else {
                self.traps.insert(signal, action.to_owned());
                if signal > 0 {
                    self.process.dispose(signal, Some(!action.is_empty()));
                }
            }
        }
        Ok(())
    }

    async fn unset(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        let mut functions = false;
        for argument in arguments {
            match argument.as_str() {
                "-f" => functions = true,
                "-v" | "-n" => functions = false,
                name if functions => {
                    Arc::make_mut(&mut self.functions).remove(name);
                }
                name => {
                    if let Some((array, index)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) {
                        let (array, index) = (array.to_owned(), index.to_owned());
                        match &mut self.variables.entry(&array).data {
                            Some(Data::Map(map)) => {
                                map.remove(&index);
                            }
                            Some(Data::Array(elements)) => {
                                elements.remove(&index.parse().unwrap_or(-1));
                            }
                            _ => {}
                        }
                        continue;
                    }
                    if self.variables.get(name).is_some_and(|variable| variable.readonly) {
                        return Err(self.abort(&format!("unset: {name}: is read only")).await);
                    }
                    if self.variables.remove(name).is_none() && self.flavour == Flavour::Bash {
                        Arc::make_mut(&mut self.functions).remove(name);
                    }
                }
            }
        }
        Ok(())
    }
}

/// What `command -v` and `type` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Path,
    Sentence,
}

/// The fields of a line that was read: as many as there are names, the last one with all the rest.
fn split_line(line: &[(char, bool)], separators: &str, count: usize) -> Vec<String> {
    let is_separator = |place: &(char, bool)| !place.1 && separators.contains(place.0);
    let is_blank = |place: &(char, bool)| is_separator(place) && place.0.is_ascii_whitespace();
    let mut fields = Vec::new();
    let mut at = 0;
    while at < line.len() && is_blank(&line[at]) {
        at += 1;
    }
    while at < line.len() {
        if fields.len() + 1 == count {
            let mut end = line.len();
            while end > at && is_blank(&line[end - 1]) {
                end -= 1;
            }
            // One separator at the very end closes the last field when there is no other in it.
            if end > at && is_separator(&line[end - 1]) && !line[at..end - 1].iter().any(is_separator) {
                end -= 1;
            }
            fields.push(line[at..end].iter().map(|(ch, _)| ch).collect());
            return fields;
        }
        let start = at;
        while at < line.len() && !is_separator(&line[at]) {
            at += 1;
        }
        fields.push(line[start..at].iter().map(|(ch, _)| ch).collect());
        while at < line.len() && is_blank(&line[at]) {
            at += 1;
        }
        if at < line.len()
            && is_separator(&line[at])
            && !(at > start && is_blank(&line[at - 1]) && !is_separator(&line[at]))
        {
            at += 1;
            while at < line.len() && is_blank(&line[at]) {
                at += 1;
            }
        }
    }
    fields
}
