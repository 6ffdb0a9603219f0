//! What a terminal can show, and the few ways in which text is set apart.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Whether text has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    On,
    Off,
}

/// Which signs are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glyphs {
    Unicode,
    Ascii,
}

/// What a piece of text is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Canvas {
    /// Columns.
    pub(crate) width: usize,
    pub(crate) colour: Colour,
    pub(crate) glyphs: Glyphs,
    pub(crate) overflow: Overflow,
}

/// What happens to a line of progress that is wider than the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It is cut: a terminal is for looking.
    Cut,
    /// It stays whole: a log is for searching.
    Keep,
}

/// What a piece of text means. Everything reads the same without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// The heading or the subject.
    Strong,
    /// Less important than the rest.
    Faint,
    Good,
    Bad,
    /// Something to look at; waiting.
    Warn,
    /// Work.
    Active,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Active => AnsiColor::Cyan.on_default(),
        }
    }
}

impl Canvas {
    /// The text in a tone.
    pub(crate) fn paint(self, tone: Tone, text: impl fmt::Display) -> String {
        match self.colour {
            Colour::On if tone != Tone::Plain => {
                let style = tone.style();
                format!("{style}{text}{style:#}")
            }
            _ => text.to_string(),
        }
    }

    /// One of two signs.
    pub(crate) fn glyph(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self.glyphs {
            Glyphs::Unicode => unicode,
            Glyphs::Ascii => ascii,
        }
    }

    /// A canvas without colours, for text that goes anywhere.
    pub(crate) fn plain(width: usize) -> Self {
        Self { width, colour: Colour::Off, glyphs: Glyphs::Unicode, overflow: Overflow::Keep }
    }
}

/// How many columns a text takes, escape sequences not counted.
pub(crate) fn columns(text: &str) -> usize {
    let mut total = 0;
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        total += unicode_width::UnicodeWidthStr::width(&rest[..at]);
        rest = rest[at..].find('m').map_or("", |end| &rest[at + end + 1..]);
    }
    total + unicode_width::UnicodeWidthStr::width(rest)
}

/// The text in at most `width` columns; what is cut off is shown as `…`. For text without escape sequences.
pub(crate) fn fit(text: &str, width: usize, glyphs: Glyphs) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let sign = if glyphs == Glyphs::Unicode { '…' } else { '~' };
    let mut room = width.saturating_sub(1);
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            let wide = unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
            let fits = wide <= room;
            room = room.saturating_sub(wide);
            fits
        })
        .collect();
    if width > 0 {
        kept.push(sign);
    }
    kept
}

/// A message for standard error, as it is after `label` columns: a terminal shows its lines below each other, everything else
/// has them whole, to be searched.
pub(crate) fn folded(text: &str, label: usize, canvas: Canvas) -> String {
    if canvas.overflow == Overflow::Keep {
        return text.to_owned();
    }
    let lines = text.lines().flat_map(|line| wrap(line, canvas.width.saturating_sub(label).max(20)));
    lines.collect::<Vec<_>>().join(&format!("\n{}", " ".repeat(label)))
}

/// The text broken at blanks into lines of at most `width` columns. Words that are longer than a line stay whole, so that
/// they can be copied.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let wide = columns(word);
        if used > 0 && used + 1 + wide > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += wide;
        }
    }
    lines
}

/// The text as one that cannot disturb a terminal: control characters are shown, not obeyed.
pub(crate) fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => tamed.push_str("    "),
            c if c.is_control() => tamed.extend(c.escape_default()),
            c => tamed.push(c),
        }
    }
    tamed
}

/// Adds words to a text, wrapped and indented: the first line as given, the others as far.
pub(super) fn push_wrapped(text: &mut String, indent: &str, words: &str, tone: Tone, canvas: Canvas) {
    let room = canvas.width.saturating_sub(indent.len()).max(20);
    let hanging = " ".repeat(indent.len());
    for (index, line) in wrap(words, room).iter().enumerate() {
        let indent = if index == 0 { indent } else { &hanging };
        text.push_str(&format!("{indent}{}\n", canvas.paint(tone, line)));
    }
}

/// A time that something takes at most: `45s`, `2m`, `17m 30s`, `1h 5m`.
pub(super) fn bound(seconds: u64) -> String {
    let units = [(seconds / 3600, "h"), (seconds % 3600 / 60, "m"), (seconds % 60, "s")];
    let reported: Vec<String> = units
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .take(2)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if reported.is_empty() { "0s".to_owned() } else { reported.join(" ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_take_no_columns() {
        let canvas = Canvas { colour: Colour::On, ..Canvas::plain(80) };
        let painted = canvas.paint(Tone::Bad, "ab→");
        assert_ne!(painted, "ab→");
        assert_eq!(columns(&painted), 3);
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(tame("a\u{1b}[31mb\tc\r"), "a\\u{1b}[31mb    c\\r");
    }

    proptest! {
        #[test]
        fn what_fits_is_kept_and_nothing_is_wider_than_asked(text in "[a-zä漢 ]{0,30}", width in 0usize..20) {
            let cut = fit(&text, width, Glyphs::Unicode);
            prop_assert!(columns(&cut) <= width);
            if columns(&text) <= width {
                prop_assert_eq!(cut, text);
            }
        }

        #[test]
        fn wrapping_loses_no_word(text in "[a-zä漢 ]{0,60}", width in 1usize..20) {
            let lines = wrap(&text, width);
            let words: Vec<&str> = text.split_whitespace().collect();
            let kept = lines.join(" ");
            prop_assert_eq!(kept.split_whitespace().collect::<Vec<_>>(), words);
            for line in lines {
                prop_assert!(columns(&line) <= width || !line.contains(' '));
            }
        }
    }
}
