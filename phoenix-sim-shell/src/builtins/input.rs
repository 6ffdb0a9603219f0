//! Reading: `read`, `mapfile`, and the arguments by `getopts`.

use std::time::Duration;

use crate::parse::is_name;
use crate::shell::{Shell, Unwind};
use crate::variables::Data;

impl Shell {
    pub(super) async fn read(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let (mut raw, mut end, mut patience, mut array, mut from) = (false, b'\n', None, None, 0);
        let mut names: Vec<&str> = Vec::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if !names.is_empty() || !word.starts_with('-') {
                names.push(word);
                continue;
            }
            for (at, letter) in word.char_indices().skip(1) {
                let mut value = || {
                    let attached = &word[at + 1..];
                    if attached.is_empty() { words.next().cloned().unwrap_or_default() } else { attached.to_owned() }
                };
                match letter {
                    'r' => raw = true,
                    's' | 'e' => {}
                    'p' | 'n' | 'N' | 'i' => {
                        value();
                        break;
                    }
                    'd' => {
                        end = value().bytes().next().unwrap_or(0);
                        break;
                    }
                    't' => {
                        patience =
                            value().parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                        break;
                    }
                    'u' => {
                        from = value().parse().unwrap_or(0);
                        break;
                    }
                    'a' => {
                        array = Some(value());
                        break;
                    }
                    _ => {
                        self.complain(&format!("read: Illegal option -{letter}")).await;
                        self.status = 2;
                        return Ok(());
                    }
                }
            }
        }
        let source = self.file(from);
        let mut line: Vec<(char, bool)> = Vec::new();
        let mut complete;
        loop {
            let bytes = match patience {
                None => source.read_to(Some(end)).await,
                Some(patience) => match tokio::time::timeout(patience, source.read_to(Some(end))).await {
                    Ok(bytes) => bytes,
                    Err(_) => {
                        self.status = 142;
                        return Ok(());
                    }
                },
            };
            let mut bytes = bytes.unwrap_or_default();
            complete = bytes.last() == Some(&end);
            if complete {
                bytes.pop();
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let mut chars = text.chars().filter(|ch| *ch != '\0');
            let mut continues = false;
            while let Some(ch) = chars.next() {
                if ch == '\\' && !raw {
                    match chars.next() {
                        Some(ch) => line.push((ch, true)),
                        None => continues = complete,
                    }
                } else {
                    line.push((ch, false));
                }
            }
            if !continues {
                break;
            }
        }
        self.status = i32::from(!complete);
        let separators = self.variables.text("IFS").unwrap_or(" \t\n").to_owned();
        if let Some(array) = array {
            let fields = split_line(&line, &separators, usize::MAX);
            let elements = (0..).zip(fields).collect();
            self.variables.entry(&array).data = Some(Data::Array(elements));
            return Ok(());
        }
        if names.is_empty() {
            let text: String = line.iter().map(|(ch, _)| ch).collect();
            return self.assign("REPLY", &text).await;
        }
        let mut fields = split_line(&line, &separators, names.len()).into_iter();
        let status = self.status;
        for name in names {
            if !is_name(name) {
                return Err(self.abort(&format!("read: {name}: bad variable name")).await);
            }
            self.assign(name, &fields.next().unwrap_or_default()).await?;
        }
        self.status = status;
        Ok(())
    }

    pub(super) async fn mapfile(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let strip = arguments.iter().any(|word| word.starts_with("-t"));
        let name = arguments.iter().rev().find(|word| !word.starts_with('-')).map_or("MAPFILE", String::as_str);
        let bytes = self.file(0).read_all(1 << 20).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.split_inclusive('\n');
        let lines = lines.map(|line| if strip { line.trim_end_matches('\n') } else { line }.to_owned());
        self.variables.entry(name).data = Some(Data::Array((0..).zip(lines).collect()));
        self.status = 0;
        Ok(())
    }

    pub(super) async fn getopts(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let [letters, name, rest @ ..] = arguments else {
            self.complain("getopts: usage: getopts optstring name [arg]").await;
            self.status = 2;
            return Ok(());
        };
        let words: Vec<String> = if rest.is_empty() { self.positional.to_vec() } else { rest.to_vec() };
        let mut index: usize = self.variables.text("OPTIND").and_then(|text| text.parse().ok()).unwrap_or(1);
        if index <= 1 && self.option_place == 0 {
            index = 1;
        }
        let silent = letters.starts_with(':');
        let word = words.get(index - 1).cloned().unwrap_or_default();
        if self.option_place == 0 {
            if !word.starts_with('-') || word == "-" || word == "--" {
                let next = if word == "--" { index + 1 } else { index };
                self.variables.set("OPTIND", next.to_string());
                self.variables.set(name, "?");
                self.status = 1;
                return Ok(());
            }
            self.option_place = 1;
        }
        let chars: Vec<char> = word.chars().collect();
        let letter = chars.get(self.option_place).copied().unwrap_or('?');
        self.option_place += 1;
        let known = letter != ':' && letters.contains(letter);
        let takes_value = known && letters.split(letter).nth(1).is_some_and(|rest| rest.starts_with(':'));
        let mut result = letter.to_string();
        self.variables.remove("OPTARG");
        if !known {
            if silent {
                self.variables.set("OPTARG", letter.to_string());
            } else {
                self.complain(&format!("Illegal option -{letter}")).await;
            }
            result = "?".to_owned();
        }
        if takes_value {
            let attached: String = chars[self.option_place..].iter().collect();
            self.option_place = chars.len();
            if attached.is_empty() {
                index += 1;
                match words.get(index - 1) {
                    Some(value) => self.variables.set("OPTARG", value.clone()),
                    None if silent => {
                        self.variables.set("OPTARG", letter.to_string());
                        result = ":".to_owned();
                    }
                    None => {
                        self.complain(&format!("No arg for -{letter} option")).await;
                        result = "?".to_owned();
                    }
                }
            } else {
                self.variables.set("OPTARG", attached);
            }
        }
        if self.option_place >= chars.len() {
            self.option_place = 0;
            index += 1;
        }
        self.variables.set("OPTIND", index.to_string());
        self.status = 0;
        self.assign(name, &result).await
    }
}

/// The fields of a line that was read: as many as there are names, the last one with all the rest.
fn split_line(line: &[(char, bool)], separators: &str, count: usize) -> Vec<String> {
    let is_separator = |place: &(char, bool)| !place.1 && separators.contains(place.0);
    let is_blank = |place: &(char, bool)| is_separator(place) && place.0.is_ascii_whitespace();
    let mut fields = Vec::new();
    let mut at = 0;
    while at < line.len() && is_blank(&line[at]) {
        at += 1;
    }
    while at < line.len() {
        if fields.len() + 1 == count {
            let mut end = line.len();
            while end > at && is_blank(&line[end - 1]) {
                end -= 1;
            }
            // One separator at the very end closes the last field when there is no other in it.
            if end > at && is_separator(&line[end - 1]) && !line[at..end - 1].iter().any(is_separator) {
                end -= 1;
            }
            fields.push(line[at..end].iter().map(|(ch, _)| ch).collect());
            return fields;
        }
        let start = at;
        while at < line.len() && !is_separator(&line[at]) {
            at += 1;
        }
        fields.push(line[start..at].iter().map(|(ch, _)| ch).collect());
        while at < line.len() && is_blank(&line[at]) {
            at += 1;
        }
        if at < line.len()
            && is_separator(&line[at])
            && !(at > start && is_blank(&line[at - 1]) && !is_separator(&line[at]))
        {
            at += 1;
            while at < line.len() && is_blank(&line[at]) {
                at += 1;
            }
        }
    }
    fields
}
