//! Other processes and signals: `wait`, `kill`, `jobs`, `trap`.

use std::sync::Arc;

use crate::process::{End, Process, TERM, signal_name, signal_number};
use crate::shell::{ON_FAILURE, Shell, Unwind};
use crate::tree::Flavour;

impl Shell {
    pub(super) fn job(&self, text: &str) -> Option<Arc<Process>> {
        if let Some(number) = text.strip_prefix('%') {
            let place = number.parse::<usize>().unwrap_or(self.jobs.len());
            return self.jobs.get(place.checked_sub(1)?).cloned();
        }
        let id = text.parse::<u32>().ok()?;
        self.jobs.iter().find(|job| job.id == id).cloned()
    }

    pub(super) async fn wait(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let any = arguments.first().is_some_and(|word| word == "-n");
        let named: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
        let targets: Vec<Option<Arc<Process>>> = if named.is_empty() {
            self.jobs.iter().cloned().map(Some).collect()
        } else {
            named.iter().map(|word| self.job(word)).collect()
        };
        self.status = 0;
        if any {
            let processes = Arc::clone(self.system.processes());
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
                end = self.system.processes().wait(&job) => end,
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

    pub(super) async fn kill(&mut self, arguments: &[String]) -> Result<(), Unwind> {
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
                    // Behind a signal like this dash knows no end of options.
                    Some(_) if self.flavour == Flavour::Dash && rest.first().is_some_and(|word| word == "--") => {
                        self.complain("kill: Illegal number: -").await;
                        self.status = 2;
                        return Ok(());
                    }
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
                    Ok(id) => self.system.processes().send(id, signal, &self.process),
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

    pub(super) async fn bad_signal(&mut self, name: &str) -> Result<(), Unwind> {
        let reason = match self.flavour {
            Flavour::Dash => format!("kill: Illegal option -{name}"),
            Flavour::Bash => format!("kill: {name}: invalid signal specification"),
        };
        self.complain(&reason).await;
        self.status = if self.flavour == Flavour::Dash { 2 } else { 1 };
        Ok(())
    }

    pub(super) async fn list_jobs(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        self.jobs.retain(|job| job.end().is_none());
        let ids = arguments.iter().any(|word| word == "-p");
        let lines: String = self
            .jobs
            .iter()
            .enumerate()
            .map(
                |(place, job)| {
                    if ids { format!("{}\n", job.id) } else { format!("[{}] + Running {}\n", place + 1, job.name()) }
                },
            )
            .collect();
        self.print(lines.as_bytes()).await
    }

    pub(super) async fn trap(&mut self, arguments: &[String]) -> Result<(), Unwind> {
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
}
