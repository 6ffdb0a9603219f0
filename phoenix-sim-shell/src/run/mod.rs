//! Commands at work.

mod call;
mod compound;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crate::process::{End, on_own_stack};
use crate::shell::{NESTING, ON_FAILURE, Position, STACK, Shell, Unwind};
use crate::streams::{Stream, pipe};
use crate::tree::{Command, Flavour, Item, Kind, Link, List, Mode, Pipeline, Script};

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Unwind>> + Send + 'a>>;

/// The output of a substitution is cut off beyond this many bytes.
const OUTPUT: usize = 8 << 20;

/// Whether `set -e` looks at a command's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strict {
    Yes,
    No,
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
        shell.process = self.system.processes().start(&self.zero, Some(&self.process));
        // Without job control, a background command reads nothing.
        shell.files.insert(0, Arc::new(Stream::Null));
        for signal in [2, 3] {
            shell.process.dispose(signal, Some(false));
        }
        self.last_background = Some(shell.process.id);
        self.jobs.push(Arc::clone(&shell.process));
        let processes = Arc::clone(self.system.processes());
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
            && let Some(text) = self.traps.get(&ON_FAILURE).cloned()
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
        if !self.system.spend(1, 0) {
            return Err(self.exhausted().await);
        }
        if self.process.is_doomed() {
            // The owner of this process sees the signal and drops this future.
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
        let Ok(bytes) = bytes else { return Err(self.exhausted().await) };
        if !self.system.spend(1, bytes.len()) {
            return Err(self.exhausted().await);
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
}
