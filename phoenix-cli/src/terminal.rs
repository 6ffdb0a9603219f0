//! Where output goes: standard output for data, standard error for progress and diagnostics, and what each can show.

use std::io::{self, IsTerminal as _, Write as _};

use anstream::AutoStream;
use anstream::ColorChoice;

use crate::args::ColorArg;
use crate::render::{Canvas, Colour, Glyphs, Overflow};

/// How wide text is where no terminal says it: logs, files, pipes.
const WIDTH_ELSEWHERE: usize = 100;

/// Both output streams.
#[derive(Debug)]
pub(crate) struct Terminal {
    out: Canvas,
    err: Canvas,
    err_is_terminal: bool,
    /// The width that was asked for, whatever the terminal's own is.
    columns: Option<usize>,
}

/// The least width that anything is drawn for.
const LEAST: usize = 40;

/// Variables that say something about the terminal.
#[derive(Debug, Clone, Default)]
pub(crate) struct TerminalEnv {
    /// `COLUMNS`: the width, before what the terminal says.
    pub(crate) columns: Option<String>,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set.
    pub(crate) locale: Option<String>,
}

impl Terminal {
    pub(crate) fn new(color: ColorArg, env: &TerminalEnv) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let glyphs = glyphs(env.locale.as_deref());
        let columns = env.columns.as_deref().and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
        let canvas = |is_terminal: bool, choice: ColorChoice| {
            let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
            let width = columns.or_else(|| if is_terminal { measured() } else { None }).unwrap_or(WIDTH_ELSEWHERE);
            Canvas {
                width: width.max(LEAST),
                colour: colour(color, choice),
                glyphs,
                overflow: if is_terminal { Overflow::Cut } else { Overflow::Keep },
            }
        };
        Self {
            out: canvas(out.is_terminal(), AutoStream::choice(&out)),
            err: canvas(err.is_terminal(), AutoStream::choice(&err)),
            err_is_terminal: err.is_terminal(),
            columns,
        }
    }

    /// What standard output can show, just now: a terminal's width may change.
    pub(crate) fn out(&self) -> Canvas {
        self.measured(self.out)
    }

    /// What standard error can show, just now.
    pub(crate) fn err(&self) -> Canvas {
        self.measured(self.err)
    }

    fn measured(&self, canvas: Canvas) -> Canvas {
        let is_fixed = self.columns.is_some() || canvas.overflow == Overflow::Keep;
        match terminal_size::terminal_size() {
            Some((width, _)) if !is_fixed => Canvas { width: usize::from(width.0).max(LEAST), ..canvas },
            _ => canvas,
        }
    }

    /// Takes the whole screen of standard output until the value is dropped; then what was there before is there again.
    pub(crate) fn screen(&self) -> io::Result<Screen<'_>> {
        self.data(ENTER)?;
        Ok(Screen { terminal: self })
    }

    /// Whether standard output can be drawn over.
    pub(crate) fn out_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Whether lines on standard error can be drawn over.
    pub(crate) fn err_is_terminal(&self) -> bool {
        self.err_is_terminal
    }

    /// Writes data.
    pub(crate) fn data(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes progress or diagnostics. When nobody can read them any more the work continues without.
    pub(crate) fn note(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Whether a person can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && self.err_is_terminal
    }

    /// Asks a yes/no question; everything but `y` and `yes` is a no.
    ///
    /// Cancel safety: a dropped future leaves a thread that reads a line, until the program ends.
    pub(crate) async fn ask(&self, question: &str) -> io::Result<bool> {
        self.note(&format!("{question} [y/N] "));
        let (answered, answer) = tokio::sync::oneshot::channel();
        // Not one of the runtime's threads: it would not end before they do.
        std::thread::spawn(move || {
            let mut answer = String::new();
            let _ = answered.send(io::stdin().read_line(&mut answer).map(|_| answer));
        });
        let answer = answer.await.unwrap_or_else(|_| Ok(String::new()))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// Standard error for what the libraries log. When nobody can read it any more the work continues without.
#[derive(Debug)]
pub(crate) struct Note;

impl io::Write for Note {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other screen of a terminal without a cursor, and back again (xterm's `1049` and `25`, which all terminals know).
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";

/// The whole screen of a terminal.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    terminal: &'a Terminal,
}

impl Screen<'_> {
    /// Shows a text instead of what is there, without a flicker; what does not fit is counted.
    pub(crate) fn show(&self, text: &str) -> io::Result<()> {
        let rows = terminal_size::terminal_size().map_or(24, |(_, rows)| usize::from(rows.0)).max(3);
        let lines: Vec<&str> = text.lines().collect();
        let hidden = if lines.len() >= rows { lines.len() + 2 - rows } else { 0 };
        let mut frame = String::from("\u{1b}[H");
        for line in lines.iter().take(lines.len() - hidden) {
            frame.push_str(&format!("{line}\u{1b}[K\n"));
        }
        if hidden > 0 {
            frame.push_str(&format!("and {hidden} more lines\u{1b}[K"));
        }
        frame.push_str("\u{1b}[J");
        self.terminal.data(&frame)
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // When nobody sees the terminal any more there is nothing to give back.
        let _ = self.terminal.data(LEAVE);
    }
}

fn colour(asked: ColorArg, detected: ColorChoice) -> Colour {
    match asked {
        ColorArg::Always => Colour::On,
        ColorArg::Never => Colour::Off,
        ColorArg::Auto if detected == ColorChoice::Never => Colour::Off,
        ColorArg::Auto => Colour::On,
    }
}

/// Signs beyond ASCII unless the locale is one that says it has none.
fn glyphs(locale: Option<&str>) -> Glyphs {
    match locale {
        Some("C" | "POSIX") => Glyphs::Ascii,
        _ => Glyphs::Unicode,
    }
}
