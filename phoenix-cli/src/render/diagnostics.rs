//! What is wrong with the configuration, with the lines that it is about.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use phoenix_config::source::{Location, Source};
use phoenix_config::{Diagnostic, Loaded, Severity};

use super::style::{columns, tame, wrap};
use super::{Canvas, Colour, Glyphs, Tone};

/// How far apart two places may be to be shown in one excerpt, in lines.
const NEAR: usize = 40;

/// What stands to the left of an excerpt, and the mark itself, in columns.
const GUTTER: usize = 12;

/// Lines longer than this, in bytes, are not shown: nobody reads them.
const LONG: usize = 4096;

/// All diagnostics, one after the other, and how many there are.
pub(crate) fn diagnostics(loaded: &Loaded, canvas: Canvas) -> String {
    let renderer = if canvas.colour == Colour::On { Renderer::styled() } else { Renderer::plain() };
    let decor = if canvas.glyphs == Glyphs::Unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    let renderer = renderer.term_width(canvas.width).decor_style(decor);
    let mut text = String::new();
    for diagnostic in &loaded.diagnostics {
        text.push_str(&one(diagnostic, loaded, canvas.width, &renderer));
        text.push_str("\n\n");
    }
    text.push_str(&count(loaded, canvas));
    text
}

fn one(diagnostic: &Diagnostic, loaded: &Loaded, width: usize, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(tame(&diagnostic.message)).id(diagnostic.code.as_str());
    let expected = diagnostic.expected.as_ref().map(|expected| format!("expected {}", tame(expected)));
    // What is short stands next to the place; what is long would be cut there, and gets lines of its own.
    let beside = expected.as_ref().filter(|expected| columns(expected) + diagnostic.location.column + GUTTER <= width);
    let mut excerpts = vec![Excerpt::new(&diagnostic.location)];
    excerpts[0].marks.push(Mark {
        kind: AnnotationKind::Primary,
        location: &diagnostic.location,
        text: beside.cloned().unwrap_or_default(),
    });
    for label in &diagnostic.labels {
        let mark = Mark { kind: AnnotationKind::Context, location: &label.location, text: tame(&label.message) };
        match excerpts.iter_mut().find(|excerpt| excerpt.is_near(&label.location)) {
            Some(excerpt) => excerpt.take(mark),
            None => {
                let mut excerpt = Excerpt::new(&label.location);
                excerpt.take(mark);
                excerpts.push(excerpt);
            }
        }
    }
    let mut group = Group::with_title(title);
    for excerpt in &excerpts {
        group = group.elements(excerpt.elements(loaded.source(&excerpt.first.file)));
    }
    let message = |text: &str| wrap(text, width.saturating_sub(GUTTER + 4).max(30)).join("\n");
    if let Some(expected) = expected.as_ref().filter(|_| beside.is_none()) {
        group = group.element(Level::NOTE.message(message(expected)));
    }
    if let Some(through) = &diagnostic.through {
        group = group.element(Level::NOTE.message(message(&tame(&through.to_string()))));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(message(&tame(help))));
    }
    renderer.render(&[group])
}

/// A marked place.
struct Mark<'a> {
    kind: AnnotationKind,
    location: &'a Location,
    text: String,
}

/// Lines of one file with the places in them.
struct Excerpt<'a> {
    first: &'a Location,
    lines: Range<usize>,
    marks: Vec<Mark<'a>>,
}

impl<'a> Excerpt<'a> {
    fn new(location: &'a Location) -> Self {
        Self { first: location, lines: location.line..location.line + 1, marks: Vec::new() }
    }

    fn is_near(&self, location: &Location) -> bool {
        self.first.file == location.file
            && location.line + NEAR > self.lines.start
            && location.line < self.lines.end + NEAR
    }

    fn take(&mut self, mark: Mark<'a>) {
        let line = mark.location.line;
        self.lines = self.lines.start.min(line)..self.lines.end.max(line + 1);
        self.marks.push(mark);
    }

    fn elements(&self, source: Option<&'a Source>) -> Vec<Element<'a>> {
        match source.and_then(|source| self.snippet(source)) {
            Some(snippet) => vec![snippet.into()],
            None => self.marks.iter().flat_map(Mark::origin).collect(),
        }
    }

    fn snippet(&self, source: &'a Source) -> Option<Snippet<'a, Annotation<'a>>> {
        let text = source.shown();
        let starts = self.marks.iter().map(|mark| mark.location.span.start.min(text.len()));
        let (first, last) = (starts.clone().min()?, starts.max()?);
        let from = text.get(..first)?.rfind('\n').map_or(0, |at| at + 1);
        let to = text.get(last..)?.find('\n').map_or(text.len(), |at| last + at);
        let shown = text.get(from..to)?;
        if shown.lines().any(|line| line.len() > LONG) {
            return None;
        }
        let marks = self.marks.iter().map(|mark| {
            let start = mark.location.span.start.clamp(from, to);
            let line_end = text.get(start..to).and_then(|rest| rest.find('\n')).map_or(to, |at| start + at);
            let end = mark.location.span.end.clamp(start, line_end);
            let annotation = mark.kind.span(start - from..end - from);
            if mark.text.is_empty() { annotation } else { annotation.label(mark.text.clone()) }
        });
        Some(Snippet::source(shown).line_start(self.lines.start).path(self.first.file.as_str()).annotations(marks))
    }
}

impl<'a> Mark<'a> {
    /// The place without its text.
    fn origin(&self) -> Vec<Element<'a>> {
        let Location { file, line, column, .. } = self.location;
        let mut elements = vec![Origin::path(file.as_str()).line(*line).char_column(*column).into()];
        if !self.text.is_empty() {
            elements.push(Level::NOTE.message(self.text.clone()).into());
        }
        elements
    }
}

fn count(loaded: &Loaded, canvas: Canvas) -> String {
    let (errors, warnings) = (loaded.errors(), loaded.warnings());
    let number = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        count => Some(format!("{count} {what}s")),
    };
    let accepted = match loaded.accepted {
        0 => None,
        count => Some(format!("{count} accepted")),
    };
    let parts: Vec<String> =
        [number(errors, "error"), number(warnings, "warning"), accepted].into_iter().flatten().collect();
    if parts.is_empty() {
        return String::new();
    }
    let tone = if errors > 0 { Tone::Bad } else { Tone::Warn };
    format!("{}\n", canvas.paint(tone, parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use insta::assert_snapshot;

    use super::*;

    /// What is said about a folder with this file, with the folder's own path left out.
    fn said(name: &str, text: &str, width: usize) -> String {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        std::fs::write(dir.join(name), text).unwrap();
        diagnostics(&phoenix_config::load(dir), Canvas::plain(width)).replace(dir.as_str(), "DIR")
    }

    const LXC: &str = "phoenix_lxc_configs.json";

    #[test]
    fn faults_are_shown_where_they_stand() {
        let text = r#"{
  "lxc_configs": {
    "101": {
      "name": "web",
      "template": "local:vztmpl/debian-12.tar.zst",
      "memory_mb": "lots",
      "helth_check": {"command": "true"},
      "dependencies": ["103"],
      "features": ["does_not_exist_anywhere"]
    }
  }
}
"#;
        assert_snapshot!("diagnostics_80", said(LXC, text, 80));
        assert_snapshot!("diagnostics_120", said(LXC, text, 120));
    }

    #[test]
    fn places_far_apart_have_excerpts_of_their_own() {
        let guest =
            |name: &str| format!(r#""{name}": {{"name": "web", "template": "local:vztmpl/debian-12.tar.zst"}}"#);
        let text = format!("{{\"lxc_configs\": {{\n{},{}{}}}}}\n", guest("101"), "\n".repeat(200), guest("102"));
        assert_snapshot!("diagnostics_far_apart", said(LXC, &text, 100));
    }

    #[test]
    fn what_is_no_json_or_one_long_line_is_located_too() {
        assert_snapshot!("diagnostics_not_json", said(LXC, "{\n  \"lxc_configs\": {,}\n}\n", 80));
        let blank = " ".repeat(LONG);
        let text = format!(r#"{{"lxc_configs": {{{blank}"9": {{"name": "web"}}}}}}"#);
        assert_snapshot!("diagnostics_long_line", said(LXC, &text, 80));
    }
}
