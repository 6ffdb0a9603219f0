//! Commands at work.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::super::process::{End, on_own_stack};
use super::super::programs::{self, Invocation, Role};
use super::super::streams::{Stream, pipe};
use super::pattern;
use super::tree::{AfterArm, Arm, Assignment, Command, Flavour, Item, Kind, Link, List, Mode, Pipeline, Script, Value};
use super::variables::{Data, Variable};
use super::{NESTING, STACK, Shell, Unwind};

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Unwind>> + Send + 'a>>;

/// The output of a substitution is cut off beyond this many bytes.
const OUTPUT: usize = 8 << 20;

/// Whether `set -e` looks at a command's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strict {
    Yes,
    No,
}

/// Whether a command is the last thing that its process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// The process goes on afterwards.
    Inner,
    /// The process becomes the program.
    Last,
}

/// Polls all futures until each has ended; gives what they gave, in their order.
async fn join<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(Some).collect();
    let mut results: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (slot, result) in running.iter_mut().zip(&mut results) {
            if let Some(future) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => {
                        *result = Some(value);
                        // Dropping it closes its ends of pipes.
                        *slot = None;
                    }
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    results.into_iter().flatten().collect()
}

impl Shell {
    pub(super) fn list<'a>(&'a mut self, list: &'a List) -> Running<'a> {
        Box::pin(async move {
            for item in &list.0 {
                match item.mode {
                    Mode::Foreground => self.item(item, Position::Inner).await?,
                    Mode::Background => self.background(item),
                }
            }
            Ok(())
        })
    }

    /// Runs a list of which nothing follows.
    fn last_list<'a>(&'a mut self, list: &'a List) -> Running<'a> {
        Box::pin(async move {
            match list.0.as_slice() {
                [item] if item.mode == Mode::Foreground && self.traps.is_empty() => {
                    self.item(item, Position::Last).await
                }
                _ => self.list(list).await,
            }
        })
    }

    async fn masked_list(&mut self, list: &List) -> Result<(), Unwind> {
        self.masked += 1;
        let result = self.list(list).await;
        self.masked -= 1;
        result
    }

    async fn item(&mut self, item: &Item, position: Position) -> Result<(), Unwind> {
        if item.rest.is_empty() {
            return self.pipeline(&item.first, Strict::Yes, position).await;
        }
        self.masked += 1;
        let result = self.pipeline(&item.first, Strict::No, Position::Inner).await;
        self.masked -= 1;
        result?;
        for (index, (link, pipeline)) in item.rest.iter().enumerate() {
            if (*link == Link::And) != (self.status == 0) {
                continue;
            }
            let is_last = index + 1 == item.rest.len();
            if is_last {
                self.pipeline(pipeline, Strict::Yes, Position::Inner).await?;
            } else {
                self.masked += 1;
                let result = self.pipeline(pipeline, Strict::No, Position::Inner).await;
                self.masked -= 1;
                result?;
            }
        }
        Ok(())
    }

    fn background(&mut self, item: &Item) {
        let item = Item { mode: Mode::Foreground, ..item.clone() };
        let mut shell = self.fork();
        shell.process = self.machine.processes.start(&self.zero, Some(&self.process));
        // Without job control, a background command reads nothing.
        shell.files.insert(0, Arc::new(Stream::Null));
        for signal in [2, 3] {
            shell.process.dispose(signal, Some(false));
        }
        self.last_background = Some(shell.process.id);
        self.jobs.push(Arc::clone(&shell.process));
        let processes = Arc::clone(&self.machine.processes);
        let process = Arc::clone(&shell.process);
        tokio::spawn(async move {
            processes
                .run(&process, async move {
                    let result = shell.item(&item, Position::Last).await;
                    shell.finish(result.err()).await
                })
                .await
        });
        self.status = 0;
    }

    async fn pipeline(&mut self, pipeline: &Pipeline, strict: Strict, position: Position) -> Result<(), Unwind> {
        if pipeline.negated {
            self.masked += 1;
        }
        let position = if pipeline.negated { Position::Inner } else { position };
        let result = match pipeline.commands.as_slice() {
            [command] => {
                self.depth += 1;
                let result = if self.depth.is_multiple_of(STACK) {
                    self.on_own_stack(Arc::clone(command), position).await
                } else {
                    self.command(command, position).await
                };
                self.depth -= 1;
                result
            }
            commands => self.piped(commands).await,
        };
        if pipeline.negated {
            self.masked -= 1;
            result?;
            self.status = i32::from(self.status == 0);
            return Ok(());
        }
        result?;
        let counts = match pipeline.commands.as_slice() {
            [command] => matches!(
                command.kind,
                Kind::Simple { .. } | Kind::Subshell(_) | Kind::Arithmetic(_) | Kind::Condition(_)
            ),
            _ => true,
        };
        if strict == Strict::Yes && counts { self.check().await } else { Ok(()) }
    }

    /// Runs a command with a new stack: the shell goes there and comes back.
    async fn on_own_stack(&mut self, command: Arc<Command>, position: Position) -> Result<(), Unwind> {
        let mut absent = self.fork();
        // It must not keep pipes open.
        absent.files.clear();
        let mut shell = std::mem::replace(self, absent);
        let (shell, result) = on_own_stack(async move {
            let result = shell.command(&command, position).await;
            (shell, result)
        })
        .await;
        *self = shell;
        result
    }

    /// Runs the trap for failures, and ends the shell when `set -e` says so.
    async fn check(&mut self) -> Result<(), Unwind> {
        if self.status == 0 || self.masked > 0 {
            return Ok(());
        }
        if self.calls == 0
            && let Some(text) = self.traps.get(&super::builtins::ON_FAILURE).cloned()
        {
            let status = self.status;
            self.masked += 1;
            let result = self.evaluate(&text).await;
            self.masked -= 1;
            result?;
            self.status = status;
        }
        if self.options.errexit { Err(Unwind::Exit) } else { Ok(()) }
    }

    async fn piped(&mut self, commands: &[Arc<Command>]) -> Result<(), Unwind> {
        let mut stages: Vec<Pin<Box<dyn Future<Output = End> + Send + '_>>> = Vec::with_capacity(commands.len());
        let mut input = None;
        for (index, command) in commands.iter().enumerate() {
            let mut shell = self.fork();
            if let Some(reader) = input.take() {
                shell.files.insert(0, reader);
            }
            if index + 1 < commands.len() {
                let (reader, writer) = pipe();
                shell.files.insert(1, writer);
                input = Some(reader);
            }
            stages.push(Box::pin(async move {
                let mut shell = shell;
                let result = shell.command(command, Position::Inner).await;
                shell.finish(result.err()).await
            }));
        }
        let ends = join(stages).await;
        self.pipe_status = ends.iter().map(|end| end.status()).collect();
        let last = self.pipe_status.last().copied().unwrap_or(0);
        let failed = self.pipe_status.iter().rev().copied().find(|status| *status != 0);
        self.status = if self.options.pipefail { failed.unwrap_or(0) } else { last };
        Ok(())
    }

    /// Counts a step, lets signals act.
    async fn step(&mut self) -> Result<(), Unwind> {
        if !self.machine.spend(1, 0) {
            return Err(self.exhausted());
        }
        if self.process.is_doomed() {
            // Whoever runs this process sees the signal and drops this future.
            std::future::pending::<()>().await;
        }
        while !self.is_subshell
            && let Some(signal) = self.process.take_pending()
        {
            if let Some(text) = self.traps.get(&signal).cloned() {
                let status = self.status;
                self.evaluate(&text).await?;
                self.status = status;
            }
        }
        Ok(())
    }

    fn command<'a>(&'a mut self, command: &'a Command, position: Position) -> Running<'a> {
        Box::pin(async move {
            self.step().await?;
            if self.options.noexec {
                return Ok(());
            }
            self.line = command.line;
            if let Kind::Simple { assignments, words } = &command.kind {
                return self.simple(command, assignments, words, position).await;
            }
            if let Kind::Function { name, body } = &command.kind {
                Arc::make_mut(&mut self.functions).insert(name.clone(), Arc::clone(body));
                self.status = 0;
                return Ok(());
            }
            let saved = if command.redirects.is_empty() {
                None
            } else {
                let saved = self.files.clone();
                if !self.redirect(&command.redirects).await? {
                    self.files = saved;
                    return self.check().await;
                }
                Some(saved)
            };
            let result = self.compound(&command.kind, position).await;
            if let Some(saved) = saved {
                self.files = saved;
            }
            result
        })
    }

    async fn compound(&mut self, kind: &Kind, position: Position) -> Result<(), Unwind> {
        match kind {
            Kind::Simple { .. } | Kind::Function { .. } => Ok(()),
            Kind::Group(list) if position == Position::Last => self.last_list(list).await,
            Kind::Group(list) => self.list(list).await,
            Kind::Subshell(list) => {
                if self.nesting > NESTING {
                    return Err(self.abort("subshells are nested too deeply").await);
                }
                let mut shell = self.fork();
                let result =
                    if position == Position::Last { shell.last_list(list).await } else { shell.list(list).await };
                let end = shell.finish(result.err()).await;
                self.status = end.status();
                Ok(())
            }
            Kind::If { arms, otherwise } => {
                for (condition, body) in arms {
                    self.masked_list(condition).await?;
                    if self.status == 0 {
                        return self.list(body).await;
                    }
                }
                self.status = 0;
                match otherwise {
                    Some(body) => self.list(body).await,
                    None => Ok(()),
                }
            }
            Kind::Loop { until, condition, body } => {
                let mut status = 0;
                loop {
                    self.step().await?;
                    self.loops += 1;
                    let result = self.masked_list(condition).await;
                    self.loops -= 1;
                    if !self.goes_on(result)? {
                        break;
                    }
                    if (self.status == 0) == *until {
                        break;
                    }
                    if !self.pass(body).await? {
                        status = self.status;
                        break;
                    }
                    status = self.status;
                }
                self.status = status;
                Ok(())
            }
            Kind::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.fields(words).await?,
                    None => self.positional.to_vec(),
                };
                self.status = 0;
                for value in values {
                    self.step().await?;
                    self.assign(name, &value).await?;
                    if !self.pass(body).await? {
                        break;
                    }
                }
                Ok(())
            }
            Kind::Count { init, condition, step, body } => {
                self.arithmetic(init).await?;
                while super::tree::Word::default() == *condition || self.holds(condition).await? {
                    self.step().await?;
                    if !self.pass(body).await? {
                        break;
                    }
                    self.arithmetic(step).await?;
                }
                Ok(())
            }
            Kind::Case { word, arms } => {
                let subject = self.text(word).await?;
                self.case(&subject, arms).await
            }
            Kind::Arithmetic(word) => {
                self.status = i32::from(self.arithmetic(word).await? == 0);
                Ok(())
            }
            Kind::Condition(condition) => {
                let holds = self.condition(condition).await?;
                if self.status != 2 {
                    self.status = i32::from(!holds);
                }
                Ok(())
            }
        }
    }

    /// The condition of a counting loop; an empty one holds.
    async fn holds(&mut self, condition: &super::tree::Word) -> Result<bool, Unwind> {
        Ok(self.text(condition).await?.trim().is_empty() || self.arithmetic(condition).await? != 0)
    }

    /// Runs a loop's body once; false when the loop ends.
    async fn pass(&mut self, body: &List) -> Result<bool, Unwind> {
        self.loops += 1;
        let result = self.list(body).await;
        self.loops -= 1;
        self.goes_on(result)
    }

    #[expect(clippy::unused_self, reason = "belongs to the loops of a shell")]
    fn goes_on(&self, result: Result<(), Unwind>) -> Result<bool, Unwind> {
        match result {
            Ok(()) | Err(Unwind::Continue(1)) => Ok(true),
            Err(Unwind::Break(1)) => Ok(false),
            Err(Unwind::Break(levels)) => Err(Unwind::Break(levels - 1)),
            Err(Unwind::Continue(levels)) => Err(Unwind::Continue(levels - 1)),
            Err(unwind) => Err(unwind),
        }
    }

    async fn case(&mut self, subject: &str, arms: &[Arm]) -> Result<(), Unwind> {
        self.status = 0;
        let mut falls = false;
        for arm in arms {
            let mut chosen = std::mem::take(&mut falls);
            for word in &arm.patterns {
                if chosen {
                    break;
                }
                let wanted = self.pattern(word).await?;
                chosen = pattern::matches(&wanted, subject);
            }
            if chosen {
                self.list(&arm.body).await?;
                match arm.then {
                    AfterArm::Leave => return Ok(()),
                    AfterArm::FallThrough => falls = true,
                    AfterArm::TestNext => {}
                }
            }
        }
        Ok(())
    }

    async fn simple(
        &mut self,
        command: &Command,
        assignments: &[Assignment],
        words: &[super::tree::Word],
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
            if self.flavour == Flavour::Dash && super::builtins::is_special(&argv[0]) {
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

    async fn dispatch(
        &mut self,
        argv: &[String],
        assignments: &[Assignment],
        position: Position,
    ) -> Result<(), Unwind> {
        let name = argv[0].as_str();
        let declares = matches!(name, "local" | "declare" | "typeset" | "export" | "readonly");
        if super::builtins::is_special(name) || declares {
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
        } else if super::builtins::is_builtin(name, self.flavour) {
            self.builtin(argv).await
        } else {
            self.program(argv, position).await
        };
        for (name, variable) in before.into_iter().rev() {
            self.variables.restore(&name, variable);
        }
        result
    }

    async fn call(&mut self, body: &Arc<Command>, argv: &[String]) -> Result<(), Unwind> {
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
    pub(super) async fn program(&mut self, argv: &[String], position: Position) -> Result<(), Unwind> {
        let process = (position == Position::Last && !self.files.is_empty()).then(|| Arc::clone(&self.process));
        let invocation = Invocation {
            machine: self.machine.clone(),
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
        let end = if self.nesting > NESTING { End::Exit(126) } else { programs::run(invocation).await };
        match end {
            End::Exit(programs::NOT_FOUND) if !programs::exists(&self.machine, &self.folder, &argv[0]) => {
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
            End::Exit(programs::DENIED) if argv[0].contains('/') => {
                self.complain(&format!("{}: Permission denied", argv[0])).await;
                self.status = 126;
            }
            end => self.status = end.status(),
        }
        Ok(())
    }

    /// The output of a substitution.
    pub(super) async fn output_of(&mut self, script: &Arc<Script>) -> Result<String, Unwind> {
        if self.nesting > NESTING {
            return Err(self.abort("substitutions are nested too deeply").await);
        }
        let mut shell = self.fork();
        let (reader, writer) = pipe();
        shell.files.insert(1, writer);
        let script = Arc::clone(script);
        let work = Box::pin(async move {
            let mut shell = shell;
            // bash lets `set -e` end a substitution only in its POSIX mode.
            if shell.flavour == Flavour::Bash {
                shell.options.errexit = false;
            }
            shell.masked = 0;
            let mut result = Ok(());
            for line in &script.lines {
                result = shell.list(line).await;
                if result.is_err() {
                    break;
                }
            }
            shell.finish(result.err()).await
        });
        let (end, bytes) = tokio::join!(work, reader.read_all(OUTPUT));
        let Ok(bytes) = bytes else { return Err(self.exhausted()) };
        if !self.machine.spend(1, bytes.len()) {
            return Err(self.exhausted());
        }
        self.substituted = Some(end.status());
        self.status = end.status();
        Ok(String::from_utf8_lossy(&bytes).replace('\0', ""))
    }

    /// `<(…)`: what the commands print, as a path that can be read.
    pub(super) async fn process_input(&mut self, script: &Arc<Script>) -> Result<String, Unwind> {
        let (status, substituted) = (self.status, self.substituted);
        let text = self.output_of(script).await?;
        (self.status, self.substituted) = (status, substituted);
        let descriptor = (10..64).rev().find(|number| !self.files.contains_key(number)).unwrap_or(63);
        self.files.insert(descriptor, Stream::text(text));
        Ok(format!("/dev/fd/{descriptor}"))
    }

    async fn assign_word(&mut self, assignment: &Assignment) -> Result<(), Unwind> {
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

    async fn trace(&mut self, line: &str) {
        let text = format!("+ {line}\n");
        // Nobody is left to tell about a broken standard error.
        let _ = self.file(2).write(text.as_bytes()).await;
    }
}

/// A word as a person would have to write it.
pub(super) fn quote(word: &str) -> String {
    let plain = |ch: char| ch.is_ascii_alphanumeric() || "%+,-./:=@_".contains(ch);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
