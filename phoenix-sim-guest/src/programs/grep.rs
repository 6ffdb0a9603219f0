//! `grep`.

use phoenix_sim_shell::files::Follow;

use super::arguments::Arguments;
use super::expression::{Case, Dialect, compile};
use super::{Call, Ending};

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
        let case = match arguments.has('i') || arguments.has('y') || arguments.has_long("ignore-case") {
            true => Case::Ignored,
            false => Case::Matters,
        };
        let dialect = if arguments.has('F') || program == "fgrep" || arguments.has_long("fixed-strings") {
            Dialect::Fixed
        } else if ['E', 'P'].iter().any(|option| arguments.has(*option))
            || program == "egrep"
            || arguments.has_long("extended-regexp")
        {
            Dialect::Extended
        } else {
            Dialect::Basic
        };
        let mut expressions = Vec::new();
        for pattern in &patterns {
            match compile(pattern, dialect, case) {
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
}
