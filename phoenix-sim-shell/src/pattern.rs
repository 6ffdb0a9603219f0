//! Shell patterns: `*`, `?`, `[…]`, and `\` before a character that stands for itself.

/// Whether a whole text matches a pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern = compile(pattern);
    let text: Vec<char> = text.chars().collect();
    matches_from(&pattern, &text)
}

/// A pattern with every special character escaped, so that it matches only itself.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for ch in text.chars() {
        if matches!(ch, '*' | '?' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(ch);
    }
    escaped
}

/// Whether a pattern has any special character at all.
pub(crate) fn is_special(pattern: &str) -> bool {
    let mut escaped = false;
    pattern.chars().any(|ch| {
        let special = !escaped && matches!(ch, '*' | '?' | '[');
        escaped = !escaped && ch == '\\';
        special
    })
}

/// A pattern without its escapes.
pub(crate) fn unescape(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(ch) = chars.next() {
        text.push(if ch == '\\' { chars.next().unwrap_or('\\') } else { ch });
    }
    text
}

/// How much of what a pattern matches is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Shortest,
    Longest,
}

/// Cuts what a pattern matches from the start (`${x#p}`, `${x##p}`).
pub(crate) fn cut_prefix<'a>(text: &'a str, pattern: &str, cut: Cut) -> &'a str {
    let compiled = compile(pattern);
    let mut ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    if cut == Cut::Longest {
        ends.reverse();
    }
    let found = ends.into_iter().find(|end| matches_from(&compiled, &text[..*end].chars().collect::<Vec<_>>()));
    &text[found.unwrap_or(0)..]
}

/// Cuts what a pattern matches from the end (`${x%p}`, `${x%%p}`).
pub(crate) fn cut_suffix<'a>(text: &'a str, pattern: &str, cut: Cut) -> &'a str {
    let compiled = compile(pattern);
    let mut starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    if cut == Cut::Shortest {
        starts.reverse();
    }
    let found = starts.into_iter().find(|start| matches_from(&compiled, &text[*start..].chars().collect::<Vec<_>>()));
    &text[..found.unwrap_or(text.len())]
}

/// The longest match at or after a place, as a range of bytes.
pub(crate) fn find(text: &str, pattern: &str, from: usize) -> Option<(usize, usize)> {
    let compiled = compile(pattern);
    let places: Vec<usize> =
        text.char_indices().map(|(at, _)| at).chain([text.len()]).filter(|at| *at >= from).collect();
    for (index, start) in places.iter().enumerate() {
        for end in places[index..].iter().rev() {
            if end > start && matches_from(&compiled, &text[*start..*end].chars().collect::<Vec<_>>()) {
                return Some((*start, *end));
            }
        }
    }
    None
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    One(char),
    Any,
    Many,
    Set { negated: bool, items: Vec<Item> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Range(char, char),
    Class(String),
}

fn compile(pattern: &str) -> Vec<Token> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::with_capacity(chars.len());
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '*' => {
                if tokens.last() != Some(&Token::Many) {
                    tokens.push(Token::Many);
                }
                at += 1;
            }
            '?' => {
                tokens.push(Token::Any);
                at += 1;
            }
            '\\' if at + 1 < chars.len() => {
                tokens.push(Token::One(chars[at + 1]));
                at += 2;
            }
            '[' => match set(&chars, at + 1) {
                Some((token, next)) => {
                    tokens.push(token);
                    at = next;
                }
                None => {
                    tokens.push(Token::One('['));
                    at += 1;
                }
            },
            ch => {
                tokens.push(Token::One(ch));
                at += 1;
            }
        }
    }
    tokens
}

/// The set that begins after a `[`, and the place after its `]`.
fn set(chars: &[char], mut at: usize) -> Option<(Token, usize)> {
    let negated = matches!(chars.get(at), Some('!' | '^'));
    if negated {
        at += 1;
    }
    let mut items = Vec::new();
    let first = at;
    loop {
        match *chars.get(at)? {
            ']' if at > first => return Some((Token::Set { negated, items }, at + 1)),
            '[' if chars.get(at + 1) == Some(&':') => {
                let end =
                    (at + 2..chars.len().saturating_sub(1)).find(|end| chars[*end] == ':' && chars[end + 1] == ']')?;
                items.push(Item::Class(chars[at + 2..end].iter().collect()));
                at = end + 2;
            }
            ch => {
                let mut low = ch;
                if ch == '\\' {
                    at += 1;
                    low = *chars.get(at)?;
                }
                at += 1;
                if chars.get(at) == Some(&'-') && chars.get(at + 1).is_some_and(|ch| *ch != ']') {
                    at += 1;
                    let mut high = chars[at];
                    if high == '\\' {
                        at += 1;
                        high = *chars.get(at)?;
                    }
                    at += 1;
                    items.push(Item::Range(low, high));
                } else {
                    items.push(Item::Range(low, low));
                }
            }
        }
    }
}

fn in_class(ch: char, class: &str) -> bool {
    match class {
        "alpha" => ch.is_alphabetic(),
        "digit" => ch.is_ascii_digit(),
        "alnum" => ch.is_alphanumeric(),
        "upper" => ch.is_uppercase(),
        "lower" => ch.is_lowercase(),
        "space" => ch.is_whitespace(),
        "blank" => ch == ' ' || ch == '\t',
        "punct" => ch.is_ascii_punctuation(),
        "xdigit" => ch.is_ascii_hexdigit(),
        "cntrl" => ch.is_control(),
        "print" => !ch.is_control(),
        "graph" => !ch.is_control() && !ch.is_whitespace(),
        _ => false,
    }
}

fn one(token: &Token, ch: char) -> bool {
    match token {
        Token::One(wanted) => *wanted == ch,
        Token::Any => true,
        Token::Many => false,
        Token::Set { negated, items } => {
            let found = items.iter().any(|item| match item {
                Item::Range(low, high) => *low <= ch && ch <= *high,
                Item::Class(class) => in_class(ch, class),
            });
            found != *negated
        }
    }
}

/// Goes back only to the last `*`: time is the product of the lengths at worst.
fn matches_from(pattern: &[Token], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == Token::Many {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && one(&pattern[p], text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            star = Some((star_p, star_t + 1));
            p = star_p + 1;
            t = star_t + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|token| *token == Token::Many)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("*", "", true)]
    #[test_case("a*c", "abbc", true)]
    #[test_case("a*c", "abbd", false)]
    #[test_case("[a-c]?[!x]", "b1y", true)]
    #[test_case("[a-c]?[!x]", "b1x", false)]
    #[test_case(r"\*", "*", true)]
    #[test_case(r"\*", "x", false)]
    #[test_case("[[:digit:]][]]", "5]", true)]
    #[test_case("[", "[", true)]
    fn patterns(pattern: &str, text: &str, expected: bool) {
        assert_eq!(matches(pattern, text), expected);
    }

    #[test]
    fn cuts() {
        assert_eq!(cut_prefix("a/b/c", "*/", Cut::Shortest), "b/c");
        assert_eq!(cut_prefix("a/b/c", "*/", Cut::Longest), "c");
        assert_eq!(cut_suffix("a/b/c", "/*", Cut::Shortest), "a/b");
        assert_eq!(cut_suffix("a/b/c", "/*", Cut::Longest), "a");
        assert_eq!(cut_suffix("abc", "x", Cut::Longest), "abc");
    }
}
