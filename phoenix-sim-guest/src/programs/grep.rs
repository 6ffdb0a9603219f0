//! `grep`.

use phoenix_sim_shell::files::Follow;
use regex::Regex;

use super::arguments::Arguments;
use super::expression::{Case, Dialect, compile};
use super::{Broken, Call, Ending};

/// What makes a line fit.
struct Pattern {
    expressions: Vec<Regex>,
    /// `-x`: the whole line.
    is_line: bool,
    /// `-w`: whole words.
    is_word: bool,
    /// `-v`: lines that do not fit.
    is_inverted: bool,
}

impl Pattern {
    /// Whether a line is one of those that are looked for, and whether the pattern is in it.
    fn judge(&self, line: &str) -> Judgement {
        match (self.is_in(line), self.is_inverted) {
            (true, false) => Judgement::Fits,
            (false, true) => Judgement::FitsWithout,
            _ => Judgement::DoesNot,
        }
    }

    fn is_in(&self, line: &str) -> bool {
        let is_word = |ch: char| ch.is_alphanumeric() || ch == '_';
        let whole_word = |from: usize, to: usize| !line[..from].ends_with(is_word) && !line[to..].starts_with(is_word);
        self.expressions.iter().flat_map(|expression| expression.find_iter(line)).any(|found| {
            (!self.is_line || (found.start() == 0 && found.end() == line.len()))
                && (!self.is_word || whole_word(found.start(), found.end()))
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Fits,
    /// It is looked for because the pattern is not in it.
    FitsWithout,
    DoesNot,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// Nothing: the first line that fits decides.
    Nothing,
    Lines,
    /// `-o`
    Parts,
    /// `-c`
    Count,
    /// `-l`
    Names,
    /// `-L`, of which only the silence is known.
    NamesWithout,
}

impl Show {
    fn of(arguments: &Arguments) -> Self {
        if arguments.has('q') || arguments.has_long("quiet") || arguments.has_long("silent") {
            return Self::Nothing;
        }
        let by_letter = [('l', Self::Names), ('c', Self::Count), ('L', Self::NamesWithout), ('o', Self::Parts)];
        by_letter.into_iter().find(|(letter, _)| arguments.has(*letter)).map_or(Self::Lines, |(_, show)| show)
    }
}

/// The files that are searched.
struct Inputs {
    paths: Vec<String>,
    /// Whether one of them is a folder that is not searched.
    has_folder: bool,
}

/// How far a search has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// So many lines fit.
    Counted(usize),
    /// The file cannot be read.
    Unreadable,
}

impl Call {
    pub(super) async fn grep(&self, program: &str) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "efmABC", &["regexp", "include", "max-count"]);
        let mut rest = arguments.rest.clone();
        let Some(texts) = self.patterns(&arguments, &mut rest).await else {
            self.err("Usage: grep [OPTION]... PATTERNS [FILE]...\n").await;
            return Ok(2);
        };
        let Some(expressions) = compiled(&texts, &arguments, program) else {
            self.complain("Invalid regular expression").await;
            return Ok(2);
        };
        let pattern = Pattern {
            expressions,
            is_line: arguments.has('x'),
            is_word: arguments.has('w'),
            is_inverted: arguments.has('v') || arguments.has_long("invert-match"),
        };
        let recursive = arguments.has('r') || arguments.has('R');
        if rest.is_empty() {
            rest.push(if recursive { "." } else { "-" }.to_owned());
        }
        let inputs = self.inputs(rest, recursive).await;
        let show = Show::of(&arguments);
        let named = (inputs.paths.len() > 1 || recursive || arguments.has('H')) && !arguments.has('h');
        let (mut any, mut trouble) = (false, inputs.has_folder);
        for path in &inputs.paths {
            let name = if path == "-" { "(standard input)" } else { path };
            let prefix = if named { format!("{name}:") } else { String::new() };
            match self.search(path, &prefix, &pattern, &arguments).await? {
                Outcome::Unreadable => trouble = true,
                Outcome::Counted(count) => {
                    any |= count > 0;
                    match show {
                        Show::Nothing if any => return Ok(0),
                        Show::Count => self.line(&format!("{prefix}{count}")).await?,
                        Show::Names if count > 0 => self.line(path).await?,
                        _ => {}
                    }
                }
            }
        }
        Ok(if trouble { 2 } else { i32::from(!any) })
    }

    /// The texts of the patterns; the first word is one when no option gives any. None: there is no pattern.
    async fn patterns(&self, arguments: &Arguments, rest: &mut Vec<String>) -> Option<Vec<String>> {
        let given = arguments.all('e').chain(arguments.long_value("regexp"));
        let mut texts: Vec<String> = given.flat_map(str::lines).map(str::to_owned).collect();
        if texts.is_empty() && arguments.value('f').is_none() {
            if rest.is_empty() {
                return None;
            }
            texts = rest.remove(0).split('\n').map(str::to_owned).collect();
        }
        if let Some(path) = arguments.value('f') {
            let list = self.read(path).await.unwrap_or_default();
            texts.extend(String::from_utf8_lossy(&list).lines().map(str::to_owned));
        }
        Some(texts)
    }

    /// The files of the words, and with `-r` of the folders among them.
    async fn inputs(&self, words: Vec<String>, recursive: bool) -> Inputs {
        let mut inputs = Inputs { paths: Vec::new(), has_folder: false };
        for path in words {
            let absolute = self.absolute(&path);
            let entry = self.machine().files(|view| view.entry(&absolute, Follow::Last));
            if path == "-" || !entry.is_ok_and(|entry| entry.is_folder()) {
                inputs.paths.push(path);
            } else if recursive {
                let mut stack = vec![path];
                while let Some(path) = stack.pop() {
                    let absolute = self.absolute(&path);
                    let inside = |name: String| format!("{}/{name}", path.trim_end_matches('/'));
                    match self.machine().files(|view| view.list(&absolute)) {
                        Ok(names) => stack.extend(names.into_iter().rev().map(inside)),
                        Err(_) => inputs.paths.push(path),
                    }
                }
            } else {
                self.complain(&format!("{path}: Is a directory")).await;
                inputs.has_folder = true;
            }
        }
        inputs
    }

    /// Searches one file, and prints the lines that fit.
    async fn search(
        &self,
        path: &str,
        prefix: &str,
        pattern: &Pattern,
        arguments: &Arguments,
    ) -> Result<Outcome, Broken> {
        let content = match path {
            "-" => None,
            path => match self.read(path).await {
                Ok(bytes) => Some(bytes),
                Err(error) => {
                    if !arguments.has('s') {
                        self.complain(&format!("{path}: {error}")).await;
                    }
                    return Ok(Outcome::Unreadable);
                }
            },
        };
        let input = self.file(0);
        let show = Show::of(arguments);
        let limit = arguments.value('m').or(arguments.long_value("max-count")).and_then(|text| text.parse().ok());
        let mut kept = content.as_deref().map(|bytes| bytes.split_inclusive(|byte| *byte == b'\n'));
        let (mut count, mut number) = (0, 0);
        loop {
            let bytes = match &mut kept {
                Some(lines) => lines.next().map(<[u8]>::to_vec),
                None => input.read_to(Some(b'\n')).await.ok().filter(|line| !line.is_empty()),
            };
            let Some(bytes) = bytes else { break };
            number += 1;
            let line = String::from_utf8_lossy(&bytes);
            let line = line.strip_suffix('\n').unwrap_or(&line);
            let judgement = pattern.judge(line);
            if judgement == Judgement::DoesNot {
                continue;
            }
            count += 1;
            let numbered = if arguments.has('n') { format!("{number}:") } else { String::new() };
            match (show, judgement) {
                (Show::Nothing | Show::Names, _) => break,
                (Show::Count | Show::NamesWithout, _) => {}
                (Show::Parts, Judgement::Fits) => {
                    let found = pattern.expressions.iter().flat_map(|expression| expression.find_iter(line));
                    for found in found.filter(|found| !found.is_empty()) {
                        self.line(&format!("{prefix}{numbered}{}", found.as_str())).await?;
                    }
                }
                (Show::Lines | Show::Parts, _) => self.line(&format!("{prefix}{numbered}{line}")).await?,
            }
            if limit.is_some_and(|limit: usize| count >= limit) {
                break;
            }
        }
        Ok(Outcome::Counted(count))
    }
}

/// The patterns as expressions, unless one of them is none.
fn compiled(texts: &[String], arguments: &Arguments, program: &str) -> Option<Vec<Regex>> {
    let case = match arguments.has('i') || arguments.has('y') || arguments.has_long("ignore-case") {
        true => Case::Ignored,
        false => Case::Matters,
    };
    let is_extended = arguments.has('E') || arguments.has('P') || arguments.has_long("extended-regexp");
    let dialect = if arguments.has('F') || program == "fgrep" || arguments.has_long("fixed-strings") {
        Dialect::Fixed
    } else if is_extended || program == "egrep" {
        Dialect::Extended
    } else {
        Dialect::Basic
    };
    texts.iter().map(|text| compile(text, dialect, case).ok()).collect()
}
