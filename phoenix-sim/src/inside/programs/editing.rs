//! `grep` and `sed`.

use regex::{Regex, RegexBuilder};

use super::super::view::{Follow, Offset};
use super::arguments::Arguments;
use super::{Call, Ending};

/// A basic regular expression as the `regex` crate writes it.
pub(super) fn basic_regex(pattern: &str, ignore_case: bool) -> Result<Regex, regex::Error> {
    let mut result = String::new();
    let mut chars = pattern.chars().peekable();
    let mut in_set = false;
    while let Some(ch) = chars.next() {
        if in_set {
            if ch == '[' && chars.peek() != Some(&':') {
                result.push('\\');
            }
            if ch == ']' {
                in_set = false;
            }
            if ch == '[' && chars.peek() == Some(&':') {
                result.push('[');
                for inner in chars.by_ref() {
                    result.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
                continue;
            }
            if ch == '\\' {
                result.push('\\');
            }
            result.push(ch);
            continue;
        }
        match ch {
            '\\' => match chars.next() {
                Some(ch @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => result.push(ch),
                Some('<' | '>') => result.push_str(r"\b"),
                Some(ch @ ('w' | 'W' | 's' | 'S' | 'b' | 'B' | 'n' | 't')) => result.extend(['\\', ch]),
                Some(ch) => result.push_str(&regex::escape(&ch.to_string())),
                None => result.push_str(r"\\"),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' => result.extend(['\\', ch]),
            '*' if result.is_empty() || result == "^" || result.ends_with('(') => result.push_str(r"\*"),
            '[' => {
                in_set = true;
                result.push('[');
                if chars.peek() == Some(&'^') {
                    result.push('^');
                    chars.next();
                }
                if chars.peek() == Some(&']') {
                    result.push_str(r"\]");
                    chars.next();
                }
            }
            '^' if !result.is_empty() && !result.ends_with(['(', '|']) => result.push_str(r"\^"),
            '$' if chars.peek().is_some_and(|next| *next != '\\' && *next != ')') => result.push_str(r"\$"),
            ch => result.push(ch),
        }
    }
    build(&result, ignore_case)
}

fn build(pattern: &str, ignore_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).case_insensitive(ignore_case).size_limit(1 << 20).build()
}

impl Call {
    pub(super) async fn grep(&self, program: &str) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "efmABC", &["regexp", "include", "max-count"]);
        let mut rest = arguments.rest.clone();
        let mut patterns: Vec<String> = arguments
            .all('e')
            .chain(arguments.long_value("regexp"))
            .flat_map(|text| text.lines())
            .map(str::to_owned)
            .collect();
        if patterns.is_empty() && arguments.value('f').is_none() {
            if rest.is_empty() {
                self.err("Usage: grep [OPTION]... PATTERNS [FILE]...\n").await;
                return Ok(2);
            }
            patterns = rest.remove(0).split('\n').map(str::to_owned).collect();
        }
        if let Some(path) = arguments.value('f') {
            let list = self.read(path).await.unwrap_or_default();
            patterns.extend(String::from_utf8_lossy(&list).lines().map(str::to_owned));
        }
        let ignore_case = arguments.has('i') || arguments.has('y') || arguments.has_long("ignore-case");
        let fixed = arguments.has('F') || program == "fgrep" || arguments.has_long("fixed-strings");
        let extended =
            arguments.has('E') || arguments.has('P') || program == "egrep" || arguments.has_long("extended-regexp");
        let mut expressions = Vec::new();
        for pattern in &patterns {
            let compiled = if fixed {
                build(&regex::escape(pattern), ignore_case)
            } else if extended {
                build(pattern, ignore_case)
            } else {
                basic_regex(pattern, ignore_case)
            };
            match compiled {
                Ok(expression) => expressions.push(expression),
                Err(_) => {
                    self.complain("Invalid regular expression").await;
                    return Ok(2);
                }
            }
        }
        let whole_word = |line: &str, from: usize, to: usize| {
            let is_word = |ch: char| ch.is_alphanumeric() || ch == '_';
            !line[..from].ends_with(is_word) && !line[to..].starts_with(is_word)
        };
        let found_in = |line: &str| -> Option<String> {
            expressions.iter().find_map(|expression| {
                expression
                    .find_iter(line)
                    .find(|found| {
                        (!arguments.has('x') || (found.start() == 0 && found.end() == line.len()))
                            && (!arguments.has('w') || whole_word(line, found.start(), found.end()))
                    })
                    .map(|found| found.as_str().to_owned())
            })
        };
        let quiet = arguments.has('q') || arguments.has_long("quiet") || arguments.has_long("silent");
        let inverted = arguments.has('v') || arguments.has_long("invert-match");
        let limit =
            arguments.value('m').or(arguments.long_value("max-count")).and_then(|text| text.parse::<usize>().ok());
        let recursive = arguments.has('r') || arguments.has('R');
        let mut paths = Vec::new();
        let (mut any, mut trouble) = (false, false);
        for path in if rest.is_empty() { vec![if recursive { "." } else { "-" }.to_owned()] } else { rest } {
            let absolute = self.absolute(&path);
            let folder = path != "-"
                && self
                    .machine()
                    .files(|view| view.entry(&absolute, Follow::Last))
                    .is_ok_and(|entry| entry.is_folder());
            if !folder {
                paths.push(path);
            } else if recursive {
                let mut stack = vec![path];
                while let Some(path) = stack.pop() {
                    let absolute = self.absolute(&path);
                    match self.machine().files(|view| view.list(&absolute)) {
                        Ok(names) => stack.extend(
                            names.into_iter().rev().map(|name| format!("{}/{name}", path.trim_end_matches('/'))),
                        ),
                        Err(_) => paths.push(path),
                    }
                }
            } else {
                self.complain(&format!("{path}: Is a directory")).await;
                trouble = true;
            }
        }
        let named = (paths.len() > 1 || recursive || arguments.has('H')) && !arguments.has('h');
        for path in paths {
            let prefix = if named {
                format!("{}:", if path == "-" { "(standard input)" } else { &path })
            } else {
                String::new()
            };
            let input = self.file(0);
            let content = if path == "-" {
                None
            } else {
                match self.read(&path).await {
                    Ok(bytes) => Some(bytes),
                    Err(error) => {
                        if !arguments.has('s') {
                            self.complain(&format!("{path}: {error}")).await;
                        }
                        trouble = true;
                        continue;
                    }
                }
            };
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
                let found = found_in(line);
                if found.is_some() == inverted {
                    continue;
                }
                any = true;
                count += 1;
                if quiet {
                    return Ok(0);
                }
                if arguments.has('l') {
                    break;
                }
                if !arguments.has('c') && !arguments.has('L') {
                    let numbered = if arguments.has('n') { format!("{number}:") } else { String::new() };
                    match found {
                        Some(_) if arguments.has('o') => {
                            for expression in &expressions {
                                for found in expression.find_iter(line).filter(|found| !found.is_empty()) {
                                    self.line(&format!("{prefix}{numbered}{}", found.as_str())).await?;
                                }
                            }
                        }
                        _ => self.line(&format!("{prefix}{numbered}{line}")).await?,
                    }
                }
                if limit.is_some_and(|limit| count >= limit) {
                    break;
                }
            }
            if arguments.has('c') && !quiet {
                self.line(&format!("{prefix}{count}")).await?;
            }
            if arguments.has('l') && count > 0 {
                self.line(&path).await?;
            }
        }
        Ok(if trouble && !(any && quiet) { 2 } else { i32::from(!any) })
    }

    pub(super) async fn sed(&self) -> Ending {
        let words: Vec<String> =
            self.arguments()
                .iter()
                .map(|word| {
                    if word.starts_with("-i") && !word.starts_with("--") {
                        "--in-place".to_owned()
                    } else {
                        word.clone()
                    }
                })
                .collect();
        let arguments = Arguments::read_long(&words, "ef", &["expression", "file"]);
        let mut rest = arguments.rest.clone();
        let mut text: Vec<String> =
            arguments.all('e').chain(arguments.long_value("expression")).map(str::to_owned).collect();
        if let Some(path) = arguments.value('f').or(arguments.long_value("file")) {
            text.push(String::from_utf8_lossy(&self.read(path).await.unwrap_or_default()).into_owned());
        }
        if text.is_empty() {
            if rest.is_empty() {
                self.err("Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...\n").await;
                return Ok(1);
            }
            text.push(rest.remove(0));
        }
        let extended = arguments.has('E') || arguments.has('r') || arguments.has_long("regexp-extended");
        let script = match read_script(&text.join("\n"), extended) {
            Ok(script) => script,
            Err(reason) => {
                self.complain(&format!("-e expression #1, {reason}")).await;
                return Ok(1);
            }
        };
        let quiet = arguments.has('n') || arguments.has_long("quiet");
        let in_place = arguments.has_long("in-place");
        let (contents, mut status) = self.contents(&rest).await;
        if in_place {
            for (path, bytes) in contents {
                let (result, _) = apply(&script, &String::from_utf8_lossy(&bytes), quiet);
                let absolute = self.absolute(&path);
                if let Err(error) =
                    self.machine().files(|view| view.write(&absolute, result.as_bytes(), Offset::Replace, 0o644))
                {
                    self.complain(&format!("couldn't open file {path}: {error}")).await;
                    status = 4;
                }
            }
            return Ok(if status == 1 { 2 } else { status });
        }
        let whole: Vec<u8> = contents.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let (result, code) = apply(&script, &String::from_utf8_lossy(&whole), quiet);
        self.out(result).await?;
        Ok(code.unwrap_or(if status == 1 { 2 } else { status }))
    }
}

/// One command of a `sed` script.
struct Edit {
    first: Option<Address>,
    last: Option<Address>,
    negated: bool,
    action: Action,
}

enum Address {
    Line(usize),
    Last,
    Match(Regex),
}

enum Action {
    Substitute { pattern: Regex, with: String, global: bool, nth: usize, print: bool },
    Delete,
    Print,
    Quit(i32),
    Append(String),
    Insert(String),
    Change(String),
    Translate(Vec<char>, Vec<char>),
    Number,
    Group(Vec<Edit>),
}

fn read_script(text: &str, extended: bool) -> Result<Vec<Edit>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let script = read_edits(&chars, &mut at, extended, 0)?;
    Ok(script)
}

fn delimited(chars: &[char], at: &mut usize, end: char) -> Option<String> {
    let mut text = String::new();
    while let Some(ch) = chars.get(*at).copied() {
        *at += 1;
        if ch == end {
            return Some(text);
        }
        if ch != '\\' {
            text.push(ch);
            continue;
        }
        let next = chars.get(*at).copied()?;
        *at += 1;
        if next != end {
            text.push('\\');
        }
        text.push(next);
    }
    None
}

fn read_address(chars: &[char], at: &mut usize, extended: bool) -> Result<Option<Address>, String> {
    match chars.get(*at) {
        Some('$') => {
            *at += 1;
            Ok(Some(Address::Last))
        }
        Some(ch) if ch.is_ascii_digit() => {
            let digits: String = chars[*at..].iter().take_while(|ch| ch.is_ascii_digit()).collect();
            *at += digits.len();
            Ok(Some(Address::Line(digits.parse().unwrap_or(usize::MAX))))
        }
        Some('/' | '\\') => {
            if chars[*at] == '\\' {
                *at += 1;
            }
            let Some(end) = chars.get(*at).copied() else { return Err("unterminated address regex".to_owned()) };
            *at += 1;
            let pattern = delimited(chars, at, end).ok_or("unterminated address regex")?;
            let expression = if extended { build(&pattern, false) } else { basic_regex(&pattern, false) };
            Ok(Some(Address::Match(expression.map_err(|_| "Invalid regular expression".to_owned())?)))
        }
        _ => Ok(None),
    }
}

fn read_edits(chars: &[char], at: &mut usize, extended: bool, depth: u32) -> Result<Vec<Edit>, String> {
    let mut edits = Vec::new();
    loop {
        while chars.get(*at).is_some_and(|ch| ch.is_whitespace() || *ch == ';') {
            *at += 1;
        }
        let Some(_) = chars.get(*at) else {
            return if depth == 0 { Ok(edits) } else { Err("unmatched `{'".to_owned()) };
        };
        if chars[*at] == '}' && depth > 0 {
            *at += 1;
            return Ok(edits);
        }
        if chars[*at] == '#' {
            while chars.get(*at).is_some_and(|ch| *ch != '\n') {
                *at += 1;
            }
            continue;
        }
        let first = read_address(chars, at, extended)?;
        let mut last = None;
        if first.is_some() && chars.get(*at) == Some(&',') {
            *at += 1;
            last = read_address(chars, at, extended)?;
        }
        while chars.get(*at) == Some(&' ') {
            *at += 1;
        }
        let negated = chars.get(*at) == Some(&'!');
        if negated {
            *at += 1;
        }
        let Some(command) = chars.get(*at).copied() else { return Err("missing command".to_owned()) };
        *at += 1;
        let rest_of_line = |at: &mut usize| {
            while chars
                .get(*at)
                .is_some_and(|ch| *ch == ' ' || *ch == '\\' || (*ch == '\n' && chars.get(*at - 1) == Some(&'\\')))
            {
                *at += 1;
            }
            let text: String = chars[*at..].iter().take_while(|ch| **ch != '\n').collect();
            *at += text.chars().count();
            text
        };
        let action = match command {
            's' => {
                let Some(end) = chars.get(*at).copied() else { return Err("unterminated `s' command".to_owned()) };
                *at += 1;
                let pattern = delimited(chars, at, end).ok_or("unterminated `s' command")?;
                let with = delimited(chars, at, end).ok_or("unterminated `s' command")?;
                let (mut global, mut print, mut ignore, mut digits) = (false, false, false, String::new());
                while let Some(flag) = chars.get(*at) {
                    match flag {
                        'g' => global = true,
                        'p' => print = true,
                        'i' | 'I' => ignore = true,
                        digit if digit.is_ascii_digit() => digits.push(*digit),
                        _ => break,
                    }
                    *at += 1;
                }
                let expression = if extended { build(&pattern, ignore) } else { basic_regex(&pattern, ignore) };
                let pattern = expression.map_err(|_| "Invalid regular expression".to_owned())?;
                Action::Substitute { pattern, with, global, nth: digits.parse().unwrap_or(1), print }
            }
            'y' => {
                let Some(end) = chars.get(*at).copied() else { return Err("unterminated `y' command".to_owned()) };
                *at += 1;
                let from = delimited(chars, at, end).ok_or("unterminated `y' command")?;
                let to = delimited(chars, at, end).ok_or("unterminated `y' command")?;
                Action::Translate(from.chars().collect(), to.chars().collect())
            }
            'd' => Action::Delete,
            'p' => Action::Print,
            '=' => Action::Number,
            'q' => {
                let digits: String = chars[*at..].iter().take_while(|ch| ch.is_ascii_digit()).collect();
                *at += digits.len();
                Action::Quit(digits.parse().unwrap_or(0))
            }
            'a' => Action::Append(rest_of_line(at)),
            'i' => Action::Insert(rest_of_line(at)),
            'c' => Action::Change(rest_of_line(at)),
            '{' if depth < 10 => Action::Group(read_edits(chars, at, extended, depth + 1)?),
            other => return Err(format!("unknown command: `{other}'")),
        };
        edits.push(Edit { first, last, negated, action });
    }
}

/// What a `sed` script makes of a text, and the status that `q` gave.
fn apply(script: &[Edit], text: &str, quiet: bool) -> (String, Option<i32>) {
    struct Pass {
        line: String,
        before: String,
        after: String,
        deleted: bool,
        quit: Option<i32>,
    }
    fn selects(edit: &Edit, open: &mut bool, number: usize, total: usize, line: &str) -> bool {
        let hits = |address: &Address| match address {
            Address::Line(wanted) => *wanted == number,
            Address::Last => number == total,
            Address::Match(expression) => expression.is_match(line),
        };
        let selected = match (&edit.first, &edit.last) {
            (None, _) => true,
            (Some(first), None) => hits(first),
            (Some(first), Some(last)) => {
                if *open {
                    let ends = match last {
                        Address::Line(wanted) => number >= *wanted,
                        last => hits(last),
                    };
                    *open = !ends;
                    true
                } else if hits(first) {
                    *open = !matches!(last, Address::Line(wanted) if *wanted <= number);
                    true
                } else {
                    false
                }
            }
        };
        selected != edit.negated
    }
    fn go(edits: &[Edit], open: &mut Vec<bool>, base: &mut usize, pass: &mut Pass, number: usize, total: usize) {
        for edit in edits {
            let place = *base;
            *base += 1;
            if open.len() <= place {
                open.resize(place + 1, false);
            }
            let line = pass.line.clone();
            let chosen = !pass.deleted && pass.quit.is_none() && selects(edit, &mut open[place], number, total, &line);
            match &edit.action {
                Action::Group(inner) if chosen => go(inner, open, base, pass, number, total),
                Action::Group(inner) => *base += size(inner),
                _ if !chosen => {}
                Action::Substitute { pattern, with, global, nth, print } => {
                    if let Some(line) = substitute(&pass.line, pattern, with, *global, *nth) {
                        pass.line = line;
                        if *print {
                            pass.before.push_str(&format!("{}\n", pass.line));
                        }
                    }
                }
                Action::Delete => pass.deleted = true,
                Action::Print => pass.before.push_str(&format!("{}\n", pass.line)),
                Action::Number => pass.before.push_str(&format!("{number}\n")),
                Action::Quit(status) => pass.quit = Some(*status),
                Action::Append(text) => pass.after.push_str(&format!("{text}\n")),
                Action::Insert(text) => pass.before.push_str(&format!("{text}\n")),
                Action::Change(text) => {
                    pass.before.push_str(&format!("{text}\n"));
                    pass.deleted = true;
                }
                Action::Translate(from, to) => {
                    let swap = |ch: char| {
                        from.iter()
                            .position(|known| *known == ch)
                            .and_then(|place| to.get(place))
                            .copied()
                            .unwrap_or(ch)
                    };
                    pass.line = pass.line.chars().map(swap).collect();
                }
            }
        }
    }
    fn size(edits: &[Edit]) -> usize {
        edits.iter().map(|edit| 1 + if let Action::Group(inner) = &edit.action { size(inner) } else { 0 }).sum()
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut open = Vec::new();
    let mut result = String::new();
    for (index, raw) in lines.iter().enumerate() {
        let line = raw.strip_suffix('\n').unwrap_or(raw).to_owned();
        let mut pass = Pass { line, before: String::new(), after: String::new(), deleted: false, quit: None };
        go(script, &mut open, &mut 0, &mut pass, index + 1, lines.len());
        result.push_str(&pass.before);
        if !quiet && !pass.deleted {
            result.push_str(&pass.line);
            if raw.ends_with('\n') || !pass.after.is_empty() {
                result.push('\n');
            }
        }
        result.push_str(&pass.after);
        if let Some(status) = pass.quit {
            return (result, Some(status));
        }
    }
    (result, None)
}

fn substitute(line: &str, pattern: &Regex, with: &str, global: bool, nth: usize) -> Option<String> {
    let mut result = String::new();
    let mut from = 0;
    let mut done = false;
    for (place, found) in pattern.captures_iter(line).enumerate() {
        if place + 1 < nth {
            continue;
        }
        let Some(whole) = found.get(0) else { continue };
        result.push_str(&line[from..whole.start()]);
        let mut chars = with.chars();
        while let Some(ch) = chars.next() {
            match ch {
                '&' => result.push_str(whole.as_str()),
                '\\' => match chars.next() {
                    Some(digit) if digit.is_ascii_digit() => {
                        let group = digit.to_digit(10).and_then(|digit| found.get(digit as usize));
                        result.push_str(group.map_or("", |group| group.as_str()));
                    }
                    Some('n') => result.push('\n'),
                    Some('t') => result.push('\t'),
                    Some(ch) => result.push(ch),
                    None => result.push('\\'),
                },
                ch => result.push(ch),
            }
        }
        from = whole.end();
        done = true;
        if !global {
            break;
        }
    }
    done.then(|| result + &line[from..])
}
