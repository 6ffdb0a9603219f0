//! `${…}` in texts: names, defaults, and whole-number arithmetic. No loops and no conditions: what needs those prints the
//! configuration and hands it to `phoenix -C -`.

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Expression(Expression),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Name(String),
    /// `${name:-text}`: the text where the variable has no value.
    Otherwise(String, String),
    /// `${name:?text}`: an error with the text where the variable has no value.
    Required(String, String),
    Sum(Box<Sum>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sum {
    Number(i64),
    Name(String),
    Add(Box<Self>, Box<Self>),
    Subtract(Box<Self>, Box<Self>),
    Multiply(Box<Self>, Box<Self>),
}

/// Takes a text apart. The error says what is wrong.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        if let Some(after) = from.strip_prefix("$$") {
            plain.push('$');
            rest = after;
        } else if let Some(inside) = from.strip_prefix("${") {
            let Some((inside, after)) = inside.split_once('}') else {
                return Err("`${` has no `}`".to_owned());
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Expression(expression(inside)?));
            rest = after;
        } else {
            plain.push('$');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() || parts.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

fn expression(text: &str) -> Result<Expression, String> {
    let text = text.trim();
    for (sign, make) in
        [(":-", Expression::Otherwise as fn(String, String) -> Expression), (":?", Expression::Required)]
    {
        if let Some((name, rest)) = text.split_once(sign).filter(|(name, _)| is_name(name.trim())) {
            return Ok(make(name.trim().to_owned(), rest.to_owned()));
        }
    }
    if is_name(text) {
        return Ok(Expression::Name(text.to_owned()));
    }
    let mut reader = Reader { text, at: 0 };
    let sum = reader.sum(0)?;
    reader.blanks();
    match reader.peek() {
        None => Ok(Expression::Sum(Box::new(sum))),
        Some(char) => Err(format!("`{char}` is not expected in `${{{text}}}`")),
    }
}

/// Whether a text can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// How deep parentheses may be nested.
    const MAX_DEPTH: usize = 32;

    fn blanks(&mut self) {
        while self.peek() == Some(' ') {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn eat(&mut self, sign: char) -> bool {
        self.blanks();
        let there = self.peek() == Some(sign);
        self.at += if there { sign.len_utf8() } else { 0 };
        there
    }

    fn sum(&mut self, depth: usize) -> Result<Sum, String> {
        let mut left = self.product(depth)?;
        loop {
            if self.eat('+') {
                left = Sum::Add(Box::new(left), Box::new(self.product(depth)?));
            } else if self.eat('-') {
                left = Sum::Subtract(Box::new(left), Box::new(self.product(depth)?));
            } else {
                return Ok(left);
            }
        }
    }

    fn product(&mut self, depth: usize) -> Result<Sum, String> {
        let mut left = self.factor(depth)?;
        while self.eat('*') {
            left = Sum::Multiply(Box::new(left), Box::new(self.factor(depth)?));
        }
        Ok(left)
    }

    fn factor(&mut self, depth: usize) -> Result<Sum, String> {
        if depth > Self::MAX_DEPTH {
            return Err("parentheses are nested too deeply".to_owned());
        }
        if self.eat('(') {
            let inner = self.sum(depth + 1)?;
            return if self.eat(')') { Ok(inner) } else { Err("`(` has no `)`".to_owned()) };
        }
        if self.eat('-') {
            return Ok(Sum::Subtract(Box::new(Sum::Number(0)), Box::new(self.factor(depth + 1)?)));
        }
        self.blanks();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        self.at += length;
        if is_name(word) {
            return Ok(Sum::Name(word.to_owned()));
        }
        word.parse().map(Sum::Number).map_err(|_| match (word, self.peek()) {
            ("", Some(char)) => format!("`{char}` is not expected in `${{{}}}`", self.text),
            ("", None) => format!("`${{{}}}` ends early", self.text),
            _ => format!("`{word}` is neither a name nor a whole number"),
        })
    }
}

impl Sum {
    /// Computes it with the values of names.
    pub(super) fn value<E>(
        &self,
        name: &mut impl FnMut(&str) -> Result<i64, E>,
        overflow: &impl Fn() -> E,
    ) -> Result<i64, E> {
        let (left, right, both) = match self {
            Self::Number(number) => return Ok(*number),
            Self::Name(text) => return name(text),
            Self::Add(left, right) => (left, right, i64::checked_add as fn(i64, i64) -> Option<i64>),
            Self::Subtract(left, right) => (left, right, i64::checked_sub as _),
            Self::Multiply(left, right) => (left, right, i64::checked_mul as _),
        };
        both(left.value(name, overflow)?, right.value(name, overflow)?).ok_or_else(overflow)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn shown(text: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => format!("'{text}'"),
            Part::Expression(Expression::Sum(sum)) => sum
                .value(&mut |name| if name == "id" { Ok(801) } else { Err("name") }, &|| "overflow")
                .map_or_else(str::to_owned, |value| value.to_string()),
            Part::Expression(other) => format!("{other:?}"),
        };
        parse(text).map_or_else(|why| format!("! {why}"), |parts| parts.iter().map(part).collect::<Vec<_>>().join(" "))
    }

    #[test_case("plain", "'plain'")]
    #[test_case("", "''"; "nothing")]
    #[test_case("a$b $(c) $", "'a$b $(c) $'"; "other dollars stay")]
    #[test_case("$${a}", "'${a}'"; "a dollar for a dollar")]
    #[test_case("${a}", "Name(\"a\")")]
    #[test_case("x${ a }y", "'x' Name(\"a\") 'y'")]
    #[test_case("${a:-b c}", "Otherwise(\"a\", \"b c\")")]
    #[test_case("${a:?say a}", "Required(\"a\", \"say a\")")]
    #[test_case("10.0.0.${id - 600}/24", "'10.0.0.' 201 '/24'")]
    #[test_case("${(id - 800) * 2 + 3}", "5")]
    #[test_case("${-id}", "-801")]
    #[test_case("${2 + 3 * 4}", "14")]
    #[test_case("${9223372036854775807 + 1}", "overflow")]
    #[test_case("${x + 1}", "name")]
    #[test_case("${a", "! `${` has no `}`")]
    #[test_case("${}", "! `${}` ends early")]
    #[test_case("${a / 2}", "! `/` is not expected in `${a / 2}`")]
    #[test_case("${1a}", "! `1a` is neither a name nor a whole number")]
    #[test_case("${(1}", "! `(` has no `)`")]
    fn texts(text: &str, expected: &str) {
        assert_eq!(shown(text), expected);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r"([${}()+*:?-]|[a1ä ]){0,40}") {
            let _ = shown(&text);
        }
    }
}
