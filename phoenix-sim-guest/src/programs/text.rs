//! Programs that pass text through.

use std::fmt::Write as _;

use phoenix_sim_shell::files::FileError;
use sha1::Digest as _;

use super::arguments::Arguments;
use super::{Call, Ending};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 without line breaks.
pub(super) fn encode64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = u32::from(chunk[0]) << 16
            | u32::from(chunk.get(1).copied().unwrap_or(0)) << 8
            | u32::from(chunk.get(2).copied().unwrap_or(0));
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(ALPHABET[(group >> (18 - 6 * place)) as usize & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// The bytes of a base64 text, line breaks passed over; nothing when it is none.
pub(super) fn decode64(text: &[u8]) -> Option<Vec<u8>> {
    let letters: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let data = letters.iter().rposition(|byte| *byte != b'=').map_or(&[][..], |last| &letters[..=last]);
    if !letters.len().is_multiple_of(4) || letters.len() - data.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(data.len() / 4 * 3);
    for chunk in data.chunks(4) {
        let mut group = 0_u32;
        for place in 0..4 {
            let value = match chunk.get(place) {
                Some(letter) => u32::try_from(ALPHABET.iter().position(|known| known == letter)?).ok()?,
                None => 0,
            };
            group = group << 6 | value;
        }
        let [_, first, second, third] = group.to_be_bytes();
        bytes.extend(&[first, second, third][..chunk.len().saturating_sub(1)]);
    }
    Some(bytes)
}

impl Call {
    /// The content of the operands one after the other, or of standard input; says what cannot be read.
    pub(super) async fn contents(&self, paths: &[String]) -> (Vec<(String, Vec<u8>)>, i32) {
        let own = ["-".to_owned()];
        let paths = if paths.is_empty() { &own[..] } else { paths };
        let (mut found, mut status) = (Vec::new(), 0);
        for path in paths {
            match self.read(path).await {
                Ok(bytes) => found.push((path.clone(), bytes)),
                Err(error) => {
                    self.complain(&format!("{path}: {error}")).await;
                    status = 1;
                }
            }
        }
        (found, status)
    }

    async fn whole(&self, paths: &[String]) -> (String, i32) {
        let (contents, status) = self.contents(paths).await;
        let bytes: Vec<u8> = contents.into_iter().flat_map(|(_, bytes)| bytes).collect();
        (String::from_utf8_lossy(&bytes).into_owned(), status)
    }

    pub(super) async fn head(&self) -> Ending {
        let words: Vec<String> = self.arguments().iter().map(|word| short_count(word)).collect();
        let arguments = Arguments::read_long(&words, "nc", &["lines", "bytes"]);
        let count = |text: &str| text.parse::<i64>().ok();
        let bytes = arguments.value('c').or(arguments.long_value("bytes")).and_then(count);
        let lines = arguments.value('n').or(arguments.long_value("lines")).and_then(count).unwrap_or(10);
        if arguments.rest.is_empty() && bytes.is_none() && lines >= 0 {
            // Line by line, so that the writer learns when there is enough.
            let input = self.file(0);
            for _ in 0..lines {
                let line = input.read_to(Some(b'\n')).await.unwrap_or_default();
                if line.is_empty() {
                    break;
                }
                self.out(line).await?;
            }
            return Ok(0);
        }
        let (contents, status) = self.contents(&arguments.rest).await;
        let several = contents.len() > 1 && !arguments.has('q');
        for (place, (path, content)) in contents.into_iter().enumerate() {
            if several {
                self.out(format!("{}==> {path} <==\n", if place > 0 { "\n" } else { "" })).await?;
            }
            let keep = |wanted: i64, total: usize| {
                let wanted_size = usize::try_from(wanted.unsigned_abs()).unwrap_or(usize::MAX);
                if wanted < 0 { total.saturating_sub(wanted_size) } else { wanted_size.min(total) }
            };
            match bytes {
                Some(bytes) => self.out(&content[..keep(bytes, content.len())]).await?,
                None => {
                    let parts: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
                    self.out(parts[..keep(lines, parts.len())].concat()).await?;
                }
            }
        }
        Ok(status)
    }

    pub(super) async fn tail(&self) -> Ending {
        let words: Vec<String> = self.arguments().iter().map(|word| short_count(word)).collect();
        let arguments = Arguments::read_long(&words, "ncs", &["lines", "bytes", "pid", "sleep-interval"]);
        let bytes = arguments.value('c').or(arguments.long_value("bytes"));
        let lines = arguments.value('n').or(arguments.long_value("lines")).unwrap_or("10");
        let follows = arguments.has('f') || arguments.has('F') || arguments.has_long("follow");
        let own = ["-".to_owned()];
        let paths = if arguments.rest.is_empty() { &own[..] } else { &arguments.rest[..] };
        let mut status = 0;
        for path in paths {
            let mut content = match self.read(path).await {
                Ok(content) => content,
                Err(error) => {
                    self.complain(&format!("cannot open '{path}' for reading: {error}")).await;
                    status = 1;
                    if arguments.has('F') { Vec::new() } else { continue }
                }
            };
            let number = |text: &str| text.trim_start_matches(['+', '-']).parse::<usize>().unwrap_or(0);
            let start = match bytes {
                Some(bytes) if bytes.starts_with('+') => number(bytes).saturating_sub(1).min(content.len()),
                Some(bytes) => content.len().saturating_sub(number(bytes)),
                None => {
                    let ends: Vec<usize> = content
                        .split_inclusive(|byte| *byte == b'\n')
                        .scan(0, |at, line| {
                            let start = *at;
                            *at += line.len();
                            Some(start)
                        })
                        .collect();
                    let first = if lines.starts_with('+') {
                        number(lines).saturating_sub(1)
                    } else {
                        ends.len().saturating_sub(number(lines))
                    };
                    ends.get(first).copied().unwrap_or(content.len())
                }
            };
            self.out(&content[start..]).await?;
            if !follows || path == "-" {
                continue;
            }
            let leader = arguments.long_value("pid").and_then(|text| text.parse::<u32>().ok());
            loop {
                // The end of the process is looked at first: what it wrote last is still told.
                let ended = leader.is_some_and(|id| self.machine().processes.get(id).is_none());
                let next = match self.read(path).await {
                    Ok(next) => next,
                    Err(FileError::NotFound) if arguments.has('F') || ended => Vec::new(),
                    Err(_) => content.clone(),
                };
                let from = if next.len() < content.len() { 0 } else { content.len() };
                self.out(&next[from..]).await?;
                content = next;
                if ended {
                    break;
                }
                let changed = self.machine().processes.changed.notified();
                let _ = tokio::time::timeout(std::time::Duration::from_secs(1), changed).await;
            }
        }
        Ok(status)
    }

    pub(super) async fn count(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let (contents, status) = self.contents(&arguments.rest).await;
        let letters: Vec<char> = ['l', 'w', 'm', 'c'].into_iter().filter(|letter| arguments.has(*letter)).collect();
        let letters = if letters.is_empty() { vec!['l', 'w', 'c'] } else { letters };
        let mut totals = vec![0; letters.len()];
        let width = if letters.len() == 1 && contents.len() < 2 {
            1
        } else if arguments.rest.is_empty() {
            7
        } else {
            contents.iter().map(|(_, bytes)| bytes.len()).sum::<usize>().to_string().len()
        };
        let row = |counts: &[usize], name: &str| {
            let numbers: Vec<String> = counts.iter().map(|count| format!("{count:width$}")).collect();
            let name = if name == "-" && arguments.rest.is_empty() { String::new() } else { format!(" {name}") };
            format!("{}{name}", numbers.join(" "))
        };
        for (path, bytes) in &contents {
            let counts: Vec<usize> = letters
                .iter()
                .map(|letter| match letter {
                    'l' => bytes.iter().filter(|byte| **byte == b'\n').count(),
                    'w' => bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count(),
                    'm' => String::from_utf8_lossy(bytes).chars().count(),
                    _ => bytes.len(),
                })
                .collect();
            for (total, count) in totals.iter_mut().zip(&counts) {
                *total += count;
            }
            self.line(&row(&counts, path)).await?;
        }
        if contents.len() > 1 {
            self.line(&row(&totals, "total")).await?;
        }
        Ok(status)
    }

    pub(super) async fn cut(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "dfcb", &["delimiter", "fields"]);
        let (text, status) = self.whole(&arguments.rest).await;
        let delimiter = arguments.value('d').or(arguments.long_value("delimiter")).unwrap_or("\t").to_owned();
        let fields = arguments.value('f').or(arguments.long_value("fields"));
        let Some(list) = fields.or(arguments.value('c')).or(arguments.value('b')) else {
            self.complain("you must specify a list of bytes, characters, or fields").await;
            return Ok(1);
        };
        let ranges: Vec<(usize, usize)> = list
            .split(',')
            .map(|range| {
                let number = |text: &str, default: usize| text.parse().unwrap_or(default);
                match range.split_once('-') {
                    Some((first, last)) => (number(first, 1), number(last, usize::MAX)),
                    None => (number(range, 1), number(range, 1)),
                }
            })
            .collect();
        let chosen = |place: usize| ranges.iter().any(|(first, last)| (*first..=*last).contains(&place));
        let mut result = String::new();
        for line in text.lines() {
            if fields.is_some() {
                if !line.contains(&delimiter) {
                    if !arguments.has('s') {
                        result.push_str(line);
                        result.push('\n');
                    }
                    continue;
                }
                let kept: Vec<&str> = line
                    .split(delimiter.as_str())
                    .enumerate()
                    .filter(|(place, _)| chosen(place + 1))
                    .map(|(_, field)| field)
                    .collect();
                result.push_str(&kept.join(&delimiter));
            } else {
                result.extend(line.chars().enumerate().filter(|(place, _)| chosen(place + 1)).map(|(_, ch)| ch));
            }
            result.push('\n');
        }
        self.out(result).await?;
        Ok(status)
    }

    pub(super) async fn translate(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let set = |place: usize| arguments.rest.get(place).map(|text| characters(text)).unwrap_or_default();
        let (from, to) = (set(0), set(1));
        let complement = arguments.has('c') || arguments.has('C');
        let deletes = arguments.has('d');
        let squeezes = arguments.has('s');
        let squeeze_set =
            if to.is_empty() || deletes { if deletes { to.clone() } else { from.clone() } } else { to.clone() };
        let input = self.file(0);
        let mut last = None;
        loop {
            let bytes = input.read_to(None).await.unwrap_or_default();
            if bytes.is_empty() {
                return Ok(0);
            }
            let mut result = Vec::with_capacity(bytes.len());
            for byte in bytes {
                let place = from.iter().rposition(|known| *known == byte);
                let found = place.is_some() != complement;
                if found && deletes {
                    continue;
                }
                let mapped = match (found, to.last()) {
                    (true, Some(end)) => place.and_then(|place| to.get(place)).copied().unwrap_or(*end),
                    _ => byte,
                };
                let in_squeezed = if to.is_empty() && !deletes { found } else { squeeze_set.contains(&mapped) };
                if squeezes && in_squeezed && last == Some(mapped) {
                    continue;
                }
                last = Some(mapped);
                result.push(mapped);
            }
            self.out(result).await?;
        }
    }

    pub(super) async fn sort(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "ktoST", &["key", "output"]);
        let (text, status) = self.whole(&arguments.rest).await;
        let separator = arguments.value('t').and_then(|text| text.chars().next());
        let key = arguments.value('k').or(arguments.long_value("key")).unwrap_or_default().to_owned();
        let field: Option<usize> =
            key.split([',', '.']).next().and_then(|text| text.trim_end_matches(char::is_alphabetic).parse().ok());
        let numeric = arguments.has('n') || key.contains('n');
        let reverse = arguments.has('r') || key.contains('r');
        let pick = |line: &str| -> String {
            let Some(field) = field else { return line.to_owned() };
            match separator {
                Some(separator) => line.split(separator).nth(field - 1).unwrap_or_default().to_owned(),
                None => line.split_whitespace().nth(field.saturating_sub(1)).unwrap_or_default().to_owned(),
            }
        };
        let number = |text: &str| {
            let text = text.trim_start();
            let end = text.find(|ch: char| !(ch.is_ascii_digit() || ch == '-' || ch == '.')).unwrap_or(text.len());
            text[..end].parse::<f64>().unwrap_or(0.0)
        };
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_by(|left, right| {
            let (a, b) = (pick(left), pick(right));
            let order = if numeric {
                number(&a).total_cmp(&number(&b))
            } else if arguments.has('V') || key.contains('V') {
                version(&a).cmp(&version(&b))
            } else if arguments.has('f') {
                a.to_lowercase().cmp(&b.to_lowercase())
            } else {
                a.cmp(&b)
            };
            let order = order.then_with(|| {
                if arguments.has('s') || arguments.has('u') { std::cmp::Ordering::Equal } else { left.cmp(right) }
            });
            if reverse { order.reverse() } else { order }
        });
        if arguments.has('u') {
            if numeric {
                lines.dedup_by(|a, b| number(&pick(a)).total_cmp(&number(&pick(b))).is_eq());
            } else {
                lines.dedup_by(|a, b| pick(a) == pick(b));
            }
        }
        let result: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if let Some(path) = arguments.value('o').or(arguments.long_value("output")) {
            let path = self.absolute(path);
            let place = phoenix_sim_shell::files::Offset::Replace;
            let _ = self.machine().files(|view| view.write(&path, result.as_bytes(), place, 0o644));
            return Ok(status);
        }
        self.out(result).await?;
        Ok(status)
    }

    pub(super) async fn unique(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "fsw");
        let (text, status) = self.whole(&arguments.rest[..arguments.rest.len().min(1)]).await;
        let mut groups: Vec<(usize, &str)> = Vec::new();
        for line in text.lines() {
            match groups.last_mut() {
                Some((count, last)) if *last == line || (arguments.has('i') && last.eq_ignore_ascii_case(line)) => {
                    *count += 1;
                }
                _ => groups.push((1, line)),
            }
        }
        let mut result = String::new();
        for (count, line) in groups {
            if (arguments.has('d') && count < 2) || (arguments.has('u') && count > 1) {
                continue;
            }
            if arguments.has('c') {
                // Writing to a string does not fail.
                let _ = write!(result, "{count:7} ");
            }
            result.push_str(line);
            result.push('\n');
        }
        self.out(result).await?;
        Ok(status)
    }

    pub(super) async fn base64(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "w", &["wrap"]);
        let (contents, status) = self.contents(&arguments.rest).await;
        let bytes: Vec<u8> = contents.into_iter().flat_map(|(_, bytes)| bytes).collect();
        if arguments.has('d') || arguments.has('D') || arguments.has_long("decode") {
            let Some(decoded) = decode64(&bytes) else {
                self.complain("invalid input").await;
                return Ok(1);
            };
            self.out(decoded).await?;
            return Ok(status);
        }
        let wrap = arguments
            .value('w')
            .or(arguments.long_value("wrap"))
            .and_then(|text| text.parse().ok())
            .unwrap_or(76_usize);
        let encoded = encode64(&bytes);
        if wrap == 0 {
            self.out(encoded).await?;
        } else {
            let lines: String =
                encoded.as_bytes().chunks(wrap).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
            self.out(lines).await?;
        }
        Ok(status)
    }

    pub(super) async fn digest(&self, program: &str) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let of = |bytes: &[u8]| -> String {
            let digest = match program {
                "sha256sum" => sha2::Sha256::digest(bytes).to_vec(),
                // No one compares MD5 sums with those of another system here: any digest of the right length will do.
                "md5sum" => sha1::Sha1::digest(bytes)[..16].to_vec(),
                _ => sha1::Sha1::digest(bytes).to_vec(),
            };
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let (contents, mut status) = self.contents(&arguments.rest).await;
        if arguments.has('c') || arguments.has_long("check") {
            for (_, list) in contents {
                for line in String::from_utf8_lossy(&list).lines() {
                    let Some((wanted, path)) = line.split_once("  ").or(line.split_once(" *")) else { continue };
                    let matches = self.read(path).await.is_ok_and(|bytes| of(&bytes) == wanted);
                    let silent = arguments.has_long("status") || (matches && arguments.has_long("quiet"));
                    if !silent {
                        self.line(&format!("{path}: {}", if matches { "OK" } else { "FAILED" })).await?;
                    }
                    if !matches {
                        status = 1;
                    }
                }
            }
            return Ok(status);
        }
        for (path, bytes) in contents {
            self.line(&format!("{}  {path}", of(&bytes))).await?;
        }
        Ok(status)
    }

    pub(super) async fn sequence(&self) -> Ending {
        let arguments = self.arguments();
        let (separator, numbers) = match arguments {
            [option, separator, rest @ ..] if option == "-s" => (separator.as_str(), rest),
            [option, rest @ ..] if option == "-w" => ("\n", rest),
            rest => ("\n", rest),
        };
        let numbers: Vec<i64> = numbers.iter().filter_map(|text| text.parse().ok()).collect();
        let (first, step, last) = match numbers.as_slice() {
            [last] => (1, 1, *last),
            [first, last] => (*first, 1, *last),
            [first, step, last] if *step != 0 => (*first, *step, *last),
            _ => {
                self.complain("invalid floating point argument").await;
                return Ok(1);
            }
        };
        let mut values = Vec::new();
        let mut value = first;
        while (step > 0 && value <= last) || (step < 0 && value >= last) {
            values.push(value.to_string());
            if values.len() > 1_000_000 {
                break;
            }
            value += step;
        }
        if !values.is_empty() {
            self.line(&values.join(separator)).await?;
        }
        Ok(0)
    }
}

/// `-5` as an old way to write `-n 5`.
fn short_count(word: &str) -> String {
    match word.strip_prefix('-') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => format!("-n{digits}"),
        _ => word.to_owned(),
    }
}

/// The runs of digits and of other characters in a version.
fn version(text: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word_end = rest.find(|ch: char| ch.is_ascii_digit()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        let number_end = after.find(|ch: char| !ch.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(number_end);
        parts.push((number.parse().unwrap_or(0), word.to_owned()));
        rest = after;
    }
    parts
}

/// The bytes of a set of `tr`.
fn characters(text: &str) -> Vec<u8> {
    let (text, _) = phoenix_sim_shell::unescape(text, phoenix_sim_shell::Escapes::Format);
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(b"[:")
            && let Some(end) = text[at..].windows(2).position(|pair| pair == b":]")
        {
            let name = &text[at + 2..at + end];
            let class = |byte: &u8| match name {
                b"alpha" => byte.is_ascii_alphabetic(),
                b"digit" => byte.is_ascii_digit(),
                b"alnum" => byte.is_ascii_alphanumeric(),
                b"upper" => byte.is_ascii_uppercase(),
                b"lower" => byte.is_ascii_lowercase(),
                b"space" => byte.is_ascii_whitespace() || *byte == 11,
                b"blank" => matches!(byte, b' ' | b'\t'),
                b"punct" => byte.is_ascii_punctuation(),
                b"cntrl" => byte.is_ascii_control(),
                b"xdigit" => byte.is_ascii_hexdigit(),
                b"print" => byte.is_ascii_graphic() || *byte == b' ',
                _ => byte.is_ascii_graphic(),
            };
            bytes.extend((0..=127).filter(class));
            at += end + 2;
        } else if at + 2 < text.len() && text[at + 1] == b'-' {
            bytes.extend(text[at]..=text[at + 2]);
            at += 3;
        } else {
            bytes.push(text[at]);
            at += 1;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn base64_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode64(encode64(&bytes).as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["a", "ab*=", "====", "abc"] {
            assert_eq!(decode64(text.as_bytes()), None, "{text}");
        }
    }
}
