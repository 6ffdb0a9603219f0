//! Programs about processes and time.

use std::sync::Arc;
use std::time::Duration;

use phoenix_sim_shell::process::{End, KILL, Process, TERM, signal_number};
use phoenix_sim_shell::system::{Invocation, Role};

use super::arguments::Arguments;
use super::{Call, Ending};

/// A duration as `sleep` and `timeout` take it.
fn span(text: &str) -> Option<Duration> {
    if text == "infinity" || text == "inf" {
        return Some(Duration::from_secs(10 * 366 * 86_400));
    }
    let (number, unit) = match text.char_indices().next_back()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3600.0),
        (at, 'd') => (&text[..at], 86_400.0),
        _ => (text, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

impl Call {
    pub(super) async fn sleep(&self) -> Ending {
        let mut total = Duration::ZERO;
        for word in self.arguments() {
            match span(word) {
                Some(time) => total = total.saturating_add(time),
                None => {
                    self.complain(&format!("invalid time interval '{word}'")).await;
                    return Ok(1);
                }
            }
        }
        if self.arguments().is_empty() {
            self.complain("missing operand").await;
            return Ok(1);
        }
        self.pause(total).await;
        Ok(0)
    }

    pub(super) async fn timeout(&self) -> End {
        let arguments = Arguments::read_prefix(self.arguments(), "ks");
        let [limit, argv @ ..] = arguments.rest.as_slice() else {
            self.complain("missing operand").await;
            return End::Exit(125);
        };
        let signal = arguments.value('s').or(arguments.long_value("signal")).and_then(signal_number).unwrap_or(TERM);
        let grace = arguments.value('k').or(arguments.long_value("kill-after")).and_then(span);
        let Some(limit) = span(limit) else {
            self.complain(&format!("invalid time interval '{limit}'")).await;
            return End::Exit(125);
        };
        let line = argv.join(" ");
        let child = self.machine().processes.start(&line, Some(&self.process));
        child.lead();
        let invocation = Invocation {
            argv: argv.to_vec(),
            nesting: self.invocation.nesting + 1,
            parent: Arc::clone(&child),
            role: Role::Replacement,
            ..self.invocation.clone()
        };
        let mut work = Box::pin(self.machine().processes.run(&child, self.run_invocation(invocation)));
        if limit.is_zero() {
            return work.await;
        }
        if let Ok(end) = tokio::time::timeout(limit, &mut work).await {
            return end;
        }
        self.machine().processes.signal_group(child.id, signal);
        let end = match grace {
            None => work.await,
            Some(grace) => match tokio::time::timeout(grace, &mut work).await {
                Ok(end) => end,
                Err(_) => {
                    self.machine().processes.signal_group(child.id, KILL);
                    work.await;
                    return End::Exit(137);
                }
            },
        };
        match end {
            End::Signal(KILL) => End::Exit(137),
            end if self.arguments().iter().any(|word| word == "--preserve-status") => end,
            _ => End::Exit(124),
        }
    }

    /// Programs that run another one with something changed.
    pub(super) async fn wrapper(&self, program: &str) -> End {
        let valued = match program {
            "sudo" | "runuser" => "ugCphr",
            "stdbuf" => "ioe",
            "nice" => "n",
            "ionice" => "cnp",
            _ => "",
        };
        let arguments = Arguments::read_prefix(self.arguments(), valued);
        let mut argv = arguments.rest.clone();
        let mut environment = self.invocation.environment.clone();
        while program == "sudo"
            && let Some((name, value)) = argv.first().and_then(|word| word.split_once('='))
        {
            environment.push((name.to_owned(), value.to_owned()));
            argv.remove(0);
        }
        if argv.is_empty() {
            return End::Exit(i32::from(program != "sudo"));
        }
        match program {
            "nohup" => self.process.dispose(1, Some(false)),
            "setsid" => {
                let forks = arguments.has('f') || arguments.has_long("fork");
                if forks {
                    let child = self.machine().processes.start(&argv.join(" "), Some(&self.process));
                    self.leave_running(&child, argv, environment);
                    return End::Exit(0);
                }
                self.process.lead();
            }
            _ => {}
        }
        self.run_in(argv, environment).await
    }

    /// `setpriv`: nothing here asks who runs it, but the cluster's file system answers the node's tools for root only.
    pub(super) async fn as_another_user(&self) -> End {
        const VALUED: [&str; 11] = [
            "--reuid",
            "--regid",
            "--ruid",
            "--euid",
            "--rgid",
            "--egid",
            "--groups",
            "--inh-caps",
            "--ambient-caps",
            "--bounding-set",
            "--securebits",
        ];
        let (mut user, mut words) = ("root", self.arguments());
        while let [option, rest @ ..] = words
            && option.starts_with("--")
        {
            let (name, value) =
                option.split_once('=').map_or((option.as_str(), None), |(name, value)| (name, Some(value)));
            words = rest;
            let value = match (value, words) {
                (None, [value, rest @ ..]) if VALUED.contains(&name) => {
                    words = rest;
                    Some(value.as_str())
                }
                (value, _) => value,
            };
            if let ("--reuid" | "--euid", Some(value)) = (name, value) {
                user = value;
            }
        }
        let Some(program) = words.first() else { return End::Exit(127) };
        let is_tool = self.is_tool(program);
        if is_tool && user != "root" && user != "0" {
            let refused: String =
                (1..=3).map(|call| format!("ipcc_send_rec[{call}] failed: Unknown error -1\n")).collect();
            self.err(&format!("{refused}Unable to load access control list: Unknown error -1\n")).await;
            return End::Exit(255);
        }
        self.run_in(words.to_vec(), self.invocation.environment.clone()).await
    }

    /// Runs a program as the leader of a group of its own, and does not wait for it.
    fn leave_running(&self, child: &Arc<Process>, argv: Vec<String>, environment: Vec<(String, String)>) {
        tokio::spawn(self.detached(child, argv, environment));
    }

    /// A program that is the leader of a group of its own.
    pub(super) fn detached(
        &self,
        child: &Arc<Process>,
        argv: Vec<String>,
        environment: Vec<(String, String)>,
    ) -> impl Future<Output = End> + Send + use<> {
        child.lead();
        let invocation = Invocation {
            argv,
            environment,
            parent: Arc::clone(child),
            role: Role::Replacement,
            nesting: self.invocation.nesting + 1,
            ..self.invocation.clone()
        };
        let (call, child, processes) = (self.clone(), Arc::clone(child), Arc::clone(&self.machine().processes));
        async move { processes.run(&child, async move { call.run_invocation(invocation).await }).await }
    }

    pub(super) async fn flock(&self) -> End {
        let arguments = Arguments::read_prefix(self.arguments(), "wcE");
        let [target, argv @ ..] = arguments.rest.as_slice() else { return End::Exit(0) };
        let path = self.absolute(target);
        let key = format!("{}:{path}", self.machine().guest.unwrap_or(0));
        if target.bytes().all(|b| b.is_ascii_digit()) {
            // A lock on a descriptor of the shell: no two scripts of one guest run at once here unless they are started so.
            return End::Exit(0);
        }
        let patience = arguments.value('w').or(arguments.long_value("timeout")).and_then(span);
        let patience =
            if arguments.has('n') || arguments.has_long("nonblock") { Some(Duration::ZERO) } else { patience };
        let locks = self.machine().node.locks();
        let held = match patience {
            None => Some(locks.hold(&key).await),
            Some(patience) => tokio::time::timeout(patience, locks.hold(&key)).await.ok(),
        };
        let Some(_held) = held else { return End::Exit(1) };
        let argv = match arguments.value('c') {
            Some(text) => vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()],
            None => match argv {
                [option, text] if option == "-c" => vec!["sh".to_owned(), "-c".to_owned(), text.clone()],
                argv => argv.to_vec(),
            },
        };
        self.run_other(argv).await
    }

    pub(super) async fn by_name(&self, program: &str) -> Ending {
        let mut signal = TERM;
        let mut words: Vec<String> = Vec::new();
        for word in self.arguments() {
            match word.strip_prefix('-').and_then(signal_number) {
                Some(number) if number > 0 => signal = number,
                _ => words.push(word.clone()),
            }
        }
        let arguments = Arguments::read(&words, "uPgts");
        let Some(wanted) = arguments.rest.first() else { return Ok(2) };
        let expression = regex::Regex::new(wanted).ok();
        let exact = arguments.has('x') || matches!(program, "killall" | "pidof");
        let found: Vec<Arc<Process>> = self
            .machine()
            .processes
            .list()
            .into_iter()
            .filter(|process| process.id != self.process.id)
            .filter(|process| {
                let line = process.name();
                let name = line.split(' ').next().unwrap_or_default();
                let name = name.rsplit('/').next().unwrap_or_default();
                let subject = if arguments.has('f') { line.as_str() } else { name };
                if exact {
                    subject == wanted
                } else {
                    expression.as_ref().is_some_and(|expression| expression.is_match(subject))
                }
            })
            .collect();
        match program {
            "pgrep" => {
                for process in &found {
                    let text = if arguments.has('a') || arguments.has('l') {
                        format!("{} {}", process.id, process.name())
                    } else {
                        process.id.to_string()
                    };
                    self.line(&text).await?;
                }
            }
            "pidof" if !found.is_empty() => {
                let ids: Vec<String> = found.iter().rev().map(|process| process.id.to_string()).collect();
                self.line(&ids.join(" ")).await?;
            }
            _ => {
                for process in &found {
                    process.signal(signal);
                }
            }
        }
        Ok(i32::from(found.is_empty()))
    }

    pub(super) async fn ps(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "opC");
        let mut listed = self.machine().processes.list();
        if let Some(ids) = arguments.value('p') {
            let ids: Vec<&str> = ids.split(',').collect();
            listed.retain(|process| ids.contains(&process.id.to_string().as_str()));
            if listed.is_empty() {
                return Ok(1);
            }
        }
        let columns: Vec<String> = match arguments.value('o') {
            Some(columns) => columns.split([',', ' ']).map(str::to_owned).collect(),
            None => ["pid", "tty", "time", "cmd"].map(str::to_owned).into(),
        };
        let silent = columns.iter().all(|column| column.ends_with('='));
        if !silent {
            let header: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
            self.line(&header.join(" ")).await?;
        }
        for process in listed {
            let row: Vec<String> = columns
                .iter()
                .map(|column| match column.trim_end_matches('=') {
                    "pid" => process.id.to_string(),
                    "ppid" => process.parent.to_string(),
                    "pgid" | "pgrp" | "sid" => process.group().to_string(),
                    "tty" => "?".to_owned(),
                    "time" => "00:00:00".to_owned(),
                    "stat" | "state" | "s" => "S".to_owned(),
                    _ => process.name(),
                })
                .collect();
            self.line(&row.join(" ")).await?;
        }
        Ok(0)
    }

    pub(super) async fn xargs(&self) -> End {
        let arguments = Arguments::read_prefix(self.arguments(), "nIPLsda");
        let input = self.input().await;
        let text = String::from_utf8_lossy(&input).into_owned();
        let mut argv = arguments.rest.clone();
        if argv.is_empty() {
            argv.push("echo".to_owned());
        }
        let items: Vec<String> = if arguments.has('0') {
            text.split('\0').filter(|item| !item.is_empty()).map(str::to_owned).collect()
        } else if arguments.value('I').is_some() || arguments.value('d').is_some() || arguments.value('L').is_some() {
            text.lines().filter(|line| !line.is_empty()).map(|line| line.trim_start().to_owned()).collect()
        } else {
            text.split_whitespace().map(|item| item.trim_matches(['\'', '"']).to_owned()).collect()
        };
        if items.is_empty() && arguments.has('r') {
            return End::Exit(0);
        }
        let runs: Vec<Vec<String>> = if let Some(mark) = arguments.value('I') {
            items.iter().map(|item| argv.iter().map(|word| word.replace(mark, item)).collect()).collect()
        } else {
            let count =
                arguments.value('n').or(arguments.value('L')).and_then(|text| text.parse().ok()).unwrap_or(5000_usize);
            let groups: Vec<&[String]> =
                if items.is_empty() { vec![&[]] } else { items.chunks(count.max(1)).collect() };
            groups.into_iter().map(|group| [argv.as_slice(), group].concat()).collect()
        };
        let mut status = 0;
        for argv in runs {
            match self.run_other(argv).await {
                End::Exit(0) => {}
                End::Exit(code @ (126 | 127)) => return End::Exit(code),
                End::Exit(255) => return End::Exit(124),
                End::Exit(_) => status = 123,
                End::Signal(_) => return End::Exit(125),
            }
        }
        End::Exit(status)
    }
}
