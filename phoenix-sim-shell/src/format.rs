//! `printf`, and the escapes of `echo`.

/// Which escapes are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// Of `echo` and `%b`: octal digits after `\0`.
    Echo,
    /// Of a `printf` format: octal digits after `\`.
    Format,
}

/// Replaces escapes; the second value says that `\c` ended the output.
pub fn unescape(text: &str, escapes: Escapes) -> (Vec<u8>, bool) {
    let bytes = text.as_bytes();
    let mut result = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        at += 1;
        if byte != b'\\' || at == bytes.len() {
            result.push(byte);
            continue;
        }
        let escaped = bytes[at];
        at += 1;
        let number = |at: &mut usize, radix: u32, limit: usize, mut value: u32| {
            for _ in 0..limit {
                let Some(digit) = bytes.get(*at).and_then(|byte| char::from(*byte).to_digit(radix)) else { break };
                value = value * radix + digit;
                *at += 1;
            }
            u8::try_from(value & 0xff).unwrap_or(0)
        };
        match escaped {
            b'a' => result.push(7),
            b'b' => result.push(8),
            b'e' if escapes == Escapes::Echo => result.push(27),
            b'f' => result.push(12),
            b'n' => result.push(b'\n'),
            b'r' => result.push(b'\r'),
            b't' => result.push(b'\t'),
            b'v' => result.push(11),
            b'\\' => result.push(b'\\'),
            b'"' if escapes == Escapes::Format => result.push(b'"'),
            b'c' if escapes == Escapes::Echo => return (result, true),
            b'x' => result.push(number(&mut at, 16, 2, 0)),
            b'0' if escapes == Escapes::Echo => result.push(number(&mut at, 8, 3, 0)),
            b'0'..=b'7' if escapes == Escapes::Format => {
                result.push(number(&mut at, 8, 2, u32::from(escaped - b'0')));
            }
            other => result.extend([b'\\', other]),
        }
    }
    (result, false)
}

/// What `printf` prints, and what it complains about.
pub(crate) fn printf(format: &str, arguments: &[String]) -> (Vec<u8>, Vec<String>) {
    let mut out = Vec::new();
    let mut complaints = Vec::new();
    let mut rest = arguments.iter();
    loop {
        let before = rest.len();
        if pass(format, &mut rest, &mut out, &mut complaints) {
            break;
        }
        if rest.len() == 0 || rest.len() == before {
            break;
        }
    }
    (out, complaints)
}

/// Goes through the format once; true when `%b` met `\c`.
fn pass(
    format: &str,
    rest: &mut std::slice::Iter<'_, String>,
    out: &mut Vec<u8>,
    complaints: &mut Vec<String>,
) -> bool {
    let chars: Vec<char> = format.chars().collect();
    let mut at = 0;
    let mut literal = String::new();
    while at < chars.len() {
        let ch = chars[at];
        if ch == '\\' && at + 1 < chars.len() {
            literal.extend([ch, chars[at + 1]]);
            at += 2;
            continue;
        }
        if ch != '%' {
            literal.push(ch);
            at += 1;
            continue;
        }
        out.extend(unescape(&std::mem::take(&mut literal), Escapes::Format).0);
        at += 1;
        if chars.get(at) == Some(&'%') {
            out.push(b'%');
            at += 1;
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.get(at).filter(|ch| "-+ #0".contains(**ch)) {
            match flag {
                '-' => spec.left = true,
                '0' => spec.zero = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                _ => spec.alternate = true,
            }
            at += 1;
        }
        let mut number = |at: &mut usize| {
            if chars.get(*at) == Some(&'*') {
                *at += 1;
                return rest.next().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
            }
            let start = *at;
            while chars.get(*at).is_some_and(char::is_ascii_digit) {
                *at += 1;
            }
            chars[start..*at].iter().collect::<String>().parse().unwrap_or(0)
        };
        let width = number(&mut at);
        spec.left |= width < 0;
        spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(0).min(10_000);
        if chars.get(at) == Some(&'.') {
            at += 1;
            spec.precision = Some(usize::try_from(number(&mut at).max(0)).unwrap_or(0).min(10_000));
        }
        while matches!(chars.get(at), Some('l' | 'h' | 'L' | 'j' | 'z')) {
            at += 1;
        }
        let Some(kind) = chars.get(at) else {
            complaints.push("%: missing format character".to_owned());
            return true;
        };
        at += 1;
        match kind {
            's' => {
                let text = rest.next().map_or("", String::as_str);
                let cut =
                    spec.precision.and_then(|length| text.char_indices().nth(length)).map_or(text.len(), |(at, _)| at);
                spec.pad(&text.as_bytes()[..cut], out);
            }
            'b' => {
                let (bytes, ended) = unescape(rest.next().map_or("", String::as_str), Escapes::Echo);
                spec.pad(&bytes, out);
                if ended {
                    return true;
                }
            }
            'q' => spec.pad(quote(rest.next().map_or("", String::as_str)).as_bytes(), out),
            'c' => {
                let first = rest.next().and_then(|text| text.chars().next()).map(String::from).unwrap_or_default();
                spec.pad(first.as_bytes(), out);
            }
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
                let value = rest.next().map_or(0, |text| integer(text, complaints));
                spec.integer(value, *kind, out);
            }
            'f' | 'F' | 'e' | 'g' | 'G' | 'E' => {
                let text = rest.next().map_or("0", String::as_str);
                let value = text.trim().parse::<f64>().unwrap_or_else(|_| {
                    complaints.push(format!("{text}: expected numeric value"));
                    0.0
                });
                let precision = spec.precision.unwrap_or(6);
                let text = match kind {
                    'g' | 'G' => format!("{value}"),
                    'e' | 'E' => format!("{value:.precision$e}"),
                    _ => format!("{value:.precision$}"),
                };
                spec.pad(text.as_bytes(), out);
            }
            other => {
                complaints.push(format!("%{other}: invalid directive"));
                return true;
            }
        }
    }
    out.extend(unescape(&literal, Escapes::Format).0);
    false
}

fn integer(text: &str, complaints: &mut Vec<String>) -> i64 {
    let trimmed = text.trim_start();
    if let Some(quoted) = trimmed.strip_prefix(['\'', '"']) {
        return quoted.chars().next().map_or(0, |ch| i64::from(u32::from(ch)));
    }
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (radix, digits) = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        (16, hex)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    let valid: String = digits.chars().take_while(|ch| ch.is_digit(radix)).collect();
    if valid.len() < digits.len() || (digits.is_empty() && !text.is_empty()) {
        complaints.push(format!(
            "{text}: {}",
            if valid.is_empty() { "expected numeric value" } else { "not completely converted" }
        ));
    }
    let value = i64::from_str_radix(&valid, radix).unwrap_or(if valid.is_empty() { 0 } else { i64::MAX });
    if negative { -value } else { value }
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own in printf")]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn pad(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let length = String::from_utf8_lossy(bytes).chars().count();
        let blanks = self.width.saturating_sub(length);
        if !self.left {
            out.extend(std::iter::repeat_n(b' ', blanks));
        }
        out.extend_from_slice(bytes);
        if self.left {
            out.extend(std::iter::repeat_n(b' ', blanks));
        }
    }

    fn integer(&self, value: i64, kind: char, out: &mut Vec<u8>) {
        let signed = matches!(kind, 'd' | 'i');
        let mut digits = match kind {
            'x' => format!("{value:x}"),
            'X' => format!("{value:X}"),
            'o' => format!("{value:o}"),
            'u' => value.cast_unsigned().to_string(),
            _ => value.unsigned_abs().to_string(),
        };
        if let Some(precision) = self.precision {
            digits = format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
        }
        let sign = match (signed, value < 0) {
            (true, true) => "-",
            (true, false) if self.plus => "+",
            (true, false) if self.space => " ",
            _ if self.alternate && kind == 'x' && value != 0 => "0x",
            _ if self.alternate && kind == 'o' => "0",
            _ => "",
        };
        if self.zero && !self.left && self.precision.is_none() {
            digits = format!("{}{digits}", "0".repeat(self.width.saturating_sub(digits.len() + sign.len())));
        }
        self.pad(format!("{sign}{digits}").as_bytes(), out);
    }
}

/// A word as a person would have to write it.
pub(crate) fn quote(word: &str) -> String {
    let plain = |ch: char| ch.is_ascii_alphanumeric() || "%+,-./:=@_".contains(ch);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
