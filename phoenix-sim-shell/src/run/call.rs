//! Simple commands: assignments, functions, what is part of the shell, programs.

use std::sync::Arc;

use crate::builtin_names::{is_builtin, is_special};
use crate::format::quote;
use crate::process::End;
use crate::shell::{NESTING, Position, Shell, Unwind};
use crate::system::{DENIED, Found, Invocation, NOT_FOUND, Role};
use crate::tree::{Assignment, Command, Flavour, Value, Word};
use crate::variables::{Data, Variable};

impl Shell {
    pub(super) async fn simple(
        &mut self,
        command: &Command,
        assignments: &[Assignment],
        words: &[Word],
        position: Position,
    ) -> Result<(), Unwind> {
        self.substituted = None;
        let argv = self.fields(words).await?;
        if argv.is_empty() {
            let status = self.substituted;
            let saved = self.files.clone();
            let redirected = self.redirect(&command.redirects).await?;
            self.files = saved;
            if !redirected {
                return Ok(());
            }
            for assignment in assignments {
                self.assign_word(assignment).await?;
            }
            self.status = self.substituted.or(status).unwrap_or(0);
            if self.options.xtrace && !assignments.is_empty() {
                let names: Vec<String> = assignments
                    .iter()
                    .map(|assignment| {
                        let name = &assignment.name;
                        format!("{name}={}", quote(self.variables.text(name).unwrap_or_default()))
                    })
                    .collect();
                self.trace(&names.join(" ")).await;
            }
            return Ok(());
        }
        if self.options.xtrace {
            let line: Vec<String> = argv.iter().map(|word| quote(word)).collect();
            self.trace(&line.join(" ")).await;
        }
        // `exec` without a program keeps its redirections.
        let keeps = argv[0] == "exec" && argv.len() == 1;
        let saved = if command.redirects.is_empty() { None } else { Some(self.files.clone()) };
        if !command.redirects.is_empty() && !self.redirect(&command.redirects).await? {
            if let Some(saved) = saved {
                self.files = saved;
            }
            // A failed redirection of a special builtin ends a dash.
            if self.flavour == Flavour::Dash && is_special(&argv[0]) {
                return Err(Unwind::Exit);
            }
            return Ok(());
        }
        let result = self.dispatch(&argv, assignments, position).await;
        if !keeps && let Some(saved) = saved {
            self.files = saved;
        }
        result
    }

    pub(super) async fn dispatch(
        &mut self,
        argv: &[String],
        assignments: &[Assignment],
        position: Position,
    ) -> Result<(), Unwind> {
        let name = argv[0].as_str();
        let declares = matches!(name, "local" | "declare" | "typeset" | "export" | "readonly");
        if is_special(name) || declares {
            // Their assignments stay; arrays are given their elements after they are declared.
            for assignment in
                assignments.iter().filter(|assignment| !declares || matches!(assignment.value, Value::Word(_)))
            {
                self.assign_word(assignment).await?;
            }
            self.builtin(argv).await?;
            for assignment in
                assignments.iter().filter(|assignment| declares && matches!(assignment.value, Value::Array(_)))
            {
                self.assign_word(assignment).await?;
            }
            return Ok(());
        }
        let mut before: Vec<(String, Option<Variable>)> = Vec::new();
        for assignment in assignments {
            before.push((assignment.name.clone(), self.variables.get(&assignment.name).cloned()));
            self.assign_word(assignment).await?;
            self.variables.entry(&assignment.name).exported = true;
        }
        let result = if let Some(body) = self.functions.get(name).cloned() {
            self.call(&body, argv).await
        } else if is_builtin(name, self.flavour) {
            self.builtin(argv).await
        } else {
            self.program(argv, position).await
        };
        for (name, variable) in before.into_iter().rev() {
            self.variables.restore(&name, variable);
        }
        result
    }

    pub(super) async fn call(&mut self, body: &Arc<Command>, argv: &[String]) -> Result<(), Unwind> {
        if self.nesting > NESTING {
            return Err(self.abort(&format!("{}: maximum function nesting level exceeded", argv[0])).await);
        }
        let positional = std::mem::replace(&mut self.positional, argv[1..].into());
        let loops = std::mem::take(&mut self.loops);
        self.scopes.push(std::collections::BTreeMap::new());
        self.calls += 1;
        self.nesting += 1;
        let result = self.command(body, Position::Inner).await;
        self.nesting -= 1;
        self.calls -= 1;
        self.loops = loops;
        self.positional = positional;
        for (name, variable) in self.scopes.pop().unwrap_or_default() {
            self.variables.restore(&name, variable);
        }
        match result {
            Err(Unwind::Return | Unwind::Break(_) | Unwind::Continue(_)) => Ok(()),
            result => result,
        }
    }

    /// Runs a program that is not part of the shell.
    pub(crate) async fn program(&mut self, argv: &[String], position: Position) -> Result<(), Unwind> {
        let process = (position == Position::Last && !self.files.is_empty()).then(|| Arc::clone(&self.process));
        let invocation = Invocation {
            argv: argv.to_vec(),
            environment: self.variables.environment(),
            files: self.files.clone(),
            folder: self.folder.clone(),
            umask: self.umask,
            nesting: self.nesting,
            parent: Arc::clone(&self.process),
            role: match process {
                Some(_) => Role::Replacement,
                None => Role::Child,
            },
        };
        let end = if self.nesting > NESTING { End::Exit(126) } else { self.system.run(invocation).await };
        match end {
            End::Exit(NOT_FOUND) if self.system.find(&self.folder, &argv[0]) == Found::Nothing => {
                let reason = match self.flavour {
                    _ if argv[0].contains('/') && self.flavour == Flavour::Bash => {
                        format!("{}: No such file or directory", argv[0])
                    }
                    Flavour::Dash => format!("{}: not found", argv[0]),
                    Flavour::Bash => format!("{}: command not found", argv[0]),
                };
                self.complain(&reason).await;
                self.status = 127;
            }
            End::Exit(DENIED) if argv[0].contains('/') => {
                self.complain(&format!("{}: Permission denied", argv[0])).await;
                self.status = 126;
            }
            end => self.status = end.status(),
        }
        Ok(())
    }

    pub(super) async fn assign_word(&mut self, assignment: &Assignment) -> Result<(), Unwind> {
        let name = assignment.name.as_str();
        match &assignment.value {
            Value::Word(word) => {
                let mut text = self.text(word).await?;
                let Some(index) = &assignment.index else {
                    if assignment.append {
                        text = format!("{}{text}", self.variables.text(name).unwrap_or_default());
                    }
                    return self.assign(name, &text).await;
                };
                let is_map = matches!(self.variables.get(name).and_then(|v| v.data.as_ref()), Some(Data::Map(_)));
                let (key, place) =
                    if is_map { (self.text(index).await?, 0) } else { (String::new(), self.arithmetic(index).await?) };
                let append = assignment.append;
                match &mut self.variables.entry(name).data {
                    Some(Data::Map(map)) => {
                        let slot = map.entry(key).or_default();
                        *slot = if append { format!("{slot}{text}") } else { text };
                    }
                    Some(Data::Array(array)) => {
                        let slot = array.entry(place).or_default();
                        *slot = if append { format!("{slot}{text}") } else { text };
                    }
                    data => {
                        let first = match data.take() {
                            Some(Data::Text(text)) => Some((0, text)),
                            _ => None,
                        };
                        *data = Some(Data::Array(first.into_iter().chain([(place, text)]).collect()));
                    }
                }
                Ok(())
            }
            Value::Array(elements) => {
                let current = self.variables.get(name).and_then(|variable| variable.data.clone());
                if let Some(Data::Map(mut map)) = current {
                    if !assignment.append {
                        map.clear();
                    }
                    for (index, word) in elements {
                        let key = match index {
                            Some(index) => self.text(index).await?,
                            None => continue,
                        };
                        map.insert(key, self.text(word).await?);
                    }
                    self.variables.entry(name).data = Some(Data::Map(map));
                    return Ok(());
                }
                let mut array = match current {
                    Some(Data::Array(array)) if assignment.append => array,
                    Some(Data::Text(text)) if assignment.append => [(0, text)].into(),
                    _ => std::collections::BTreeMap::new(),
                };
                let mut place = array.keys().next_back().map_or(0, |last| last + 1);
                for (index, word) in elements {
                    if let Some(index) = index {
                        place = self.arithmetic(index).await?;
                        array.insert(place, self.text(word).await?);
                        place += 1;
                        continue;
                    }
                    for text in self.fields(std::slice::from_ref(word)).await? {
                        array.insert(place, text);
                        place += 1;
                    }
                }
                self.variables.entry(name).data = Some(Data::Array(array));
                Ok(())
            }
        }
    }

    pub(super) async fn trace(&mut self, line: &str) {
        let text = format!("+ {line}\n");
        // Nobody is left to tell about a broken standard error.
        let _ = self.file(2).write(text.as_bytes()).await;
    }
}
