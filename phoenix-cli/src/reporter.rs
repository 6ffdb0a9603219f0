//! Tells a run as it goes: lines for people on standard error, or events as JSON on standard output. On a terminal, what goes
//! on just now is at the foot.

use std::convert::Infallible;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phoenix_engine::{Event, EventSink};
use tokio::time::Instant;

use crate::args::Format;
use crate::history::RunHistory;
use crate::render::{Tone, progress};
use crate::runtime::Time;
use crate::settings::Settings;

/// How many guests the foot names.
const FOOT: usize = 8;

/// How often the foot is drawn again, in real time.
const REFRESH: Duration = Duration::from_millis(250);

/// Takes in the events of a run. Copies are one reporter.
#[derive(Debug, Clone)]
pub(crate) struct Reporter<'a> {
    settings: &'a Settings,
    /// When the run began, and how often the foot is refreshed; absent where there is no foot.
    live: Option<(Instant, Duration)>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    reported: Reported,
    /// Lines of the foot that are on the screen.
    foot: usize,
}

/// What a reporter has heard and reported.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    pub(crate) history: RunHistory,
    /// The first thing that went wrong with standard output; nothing was written there after it.
    pub(crate) failed: Option<io::Error>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(settings: &'a Settings, history: RunHistory, time: Time) -> Self {
        // Virtual time passes faster than anybody looks.
        let refresh = match time {
            Time::Real => Some(REFRESH),
            Time::Simulated(pace) => pace.seen(REFRESH),
        };
        let has_foot = settings.terminal.err_is_terminal() && settings.format != Format::Jsonl;
        let live = refresh.filter(|_| has_foot).map(|refresh| (Instant::now(), refresh));
        let reported = Reported { history, failed: None };
        Self { settings, live, state: Arc::new(Mutex::new(State { reported, foot: 0 })) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the foot again from time to time. Never ends; drop it when the run is over.
    pub(crate) async fn keep_up_to_date(&self) -> Infallible {
        let Some((_, refresh)) = self.live else { return std::future::pending().await };
        loop {
            tokio::time::sleep(refresh).await;
            self.print(&mut self.state(), "");
        }
    }

    /// Says what happens now that the run was interrupted: nothing new starts, and what runs ends.
    pub(crate) fn stopping(&self) {
        let mut state = self.state();
        let canvas = self.settings.terminal.err();
        let now = self.live.map_or(state.reported.history.now, |(began, _)| millis(began));
        let running = progress::foot(&state.reported.history, now, usize::MAX, canvas);
        let what = match running.len() {
            0 => "nothing is running".to_owned(),
            1 => "1 step runs to its end; interrupt again to kill it".to_owned(),
            count => format!("{count} steps run to their end; interrupt again to kill them"),
        };
        let mut text = format!("{}\n", canvas.paint(Tone::Warn, format!("stopping, no new step starts: {what}")));
        // A terminal shows them at its foot.
        if self.live.is_none() {
            text.extend(running.iter().map(|line| format!("{line}\n")));
        }
        self.print(&mut state, &text);
    }

    /// Takes the foot away and gives out what was reported.
    pub(crate) fn finish(&self) -> Reported {
        let mut state = self.state();
        let erase = erase(mem::take(&mut state.foot));
        self.settings.terminal.note(&erase);
        mem::take(&mut state.reported)
    }

    /// Prints a line above the foot.
    fn print(&self, state: &mut State, line: &str) {
        let terminal = &self.settings.terminal;
        let Some((began, _)) = self.live else { return terminal.note(line) };
        let now = millis(began);
        let foot = progress::foot(&state.reported.history, now, FOOT, terminal.err());
        let mut text = erase(mem::replace(&mut state.foot, foot.len()));
        text.push_str(line);
        for line in foot {
            text.push_str(&line);
            text.push('\n');
        }
        terminal.note(&text);
    }
}

/// The time since the run began, in milliseconds.
fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Removes the last lines of a terminal.
fn erase(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\u{1b}[{lines}A\u{1b}[J") }
}

impl EventSink for Reporter<'_> {
    fn emit(&mut self, event: &Event) {
        let mut state = self.state();
        state.reported.history.take(event);
        let Settings { terminal, format, detail, .. } = self.settings;
        if *format != Format::Jsonl {
            let line = progress::line(event, &state.reported.history, *detail, terminal.err());
            self.print(&mut state, &line.unwrap_or_default());
        } else if state.reported.failed.is_none() {
            let line = serde_json::to_string(event).map_err(io::Error::from);
            state.reported.failed = line.and_then(|line| terminal.data(&(line + "\n"))).err();
        }
    }
}
