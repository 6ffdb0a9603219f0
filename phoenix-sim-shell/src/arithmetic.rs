//! Integer arithmetic of `$((…))`.

/// The variables that an expression reads and writes.
pub(super) trait Variables {
    /// The value of a variable as text; empty when it is not set.
    fn get(&self, name: &str) -> String;
    /// Sets a variable.
    fn set(&mut self, name: &str, value: i64);
}

/// Why an expression has no value, in words that follow the expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invalid(pub(super) String);

/// The value of an expression; an empty one is 0.
pub(super) fn evaluate(text: &str, variables: &mut dyn Variables) -> Result<i64, Invalid> {
    evaluate_at(text, variables, 0)
}

fn evaluate_at(text: &str, variables: &mut dyn Variables, depth: u32) -> Result<i64, Invalid> {
    if depth > 20 {
        return Err(Invalid("expression recursion level exceeded".to_owned()));
    }
    let mut reader = Reader { chars: text.chars().collect(), at: 0, variables, depth, nesting: 0, skip: 0 };
    reader.blanks();
    if reader.at == reader.chars.len() {
        return Ok(0);
    }
    let value = reader.comma()?;
    reader.blanks();
    if reader.at < reader.chars.len() {
        return Err(Invalid(format!("expecting EOF: \"{text}\"")));
    }
    Ok(value)
}

struct Reader<'a> {
    chars: Vec<char>,
    at: usize,
    variables: &'a mut dyn Variables,
    depth: u32,
    nesting: u32,
    /// Above zero in the branch of `&&`, `||` or `?:` that has no effect.
    skip: u32,
}

/// Binary operators by how tightly they bind, loosest first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];
const ASSIGNMENTS: [&str; 11] = ["<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "^=", "|=", "="];

impl Reader<'_> {
    fn blanks(&mut self) {
        while self.chars.get(self.at).is_some_and(|ch| ch.is_whitespace()) {
            self.at += 1;
        }
    }

    fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, ch)| self.chars.get(self.at + offset) == Some(&ch))
    }

    fn take(&mut self, text: &str) -> bool {
        self.blanks();
        let found = self.looking_at(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn comma(&mut self) -> Result<i64, Invalid> {
        let mut value = self.assignment()?;
        while self.take(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn name(&self) -> Option<String> {
        let first = self.chars.get(self.at)?;
        if !(first.is_ascii_alphabetic() || *first == '_') {
            return None;
        }
        Some(self.chars[self.at..].iter().take_while(|ch| ch.is_ascii_alphanumeric() || **ch == '_').collect())
    }

    fn assignment(&mut self) -> Result<i64, Invalid> {
        self.nesting += 1;
        if self.nesting > 100 {
            return Err(Invalid("expression recursion level exceeded".to_owned()));
        }
        self.blanks();
        let start = self.at;
        if let Some(name) = self.name() {
            self.at += name.len();
            self.blanks();
            for operator in ASSIGNMENTS {
                if self.looking_at(operator) && !(operator == "=" && self.looking_at("==")) {
                    self.at += operator.len();
                    let right = self.assignment()?;
                    let value = match operator.strip_suffix('=') {
                        Some("") | None => right,
                        Some(binary) => {
                            let left = self.variable(&name)?;
                            self.apply(binary, left, right)?
                        }
                    };
                    if self.skip == 0 {
                        self.variables.set(&name, value);
                    }
                    self.nesting -= 1;
                    return Ok(value);
                }
            }
            self.at = start;
        }
        let value = self.ternary()?;
        self.nesting -= 1;
        Ok(value)
    }

    fn ternary(&mut self) -> Result<i64, Invalid> {
        let condition = self.binary(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let chosen = condition != 0;
        self.skip += u32::from(!chosen);
        let first = self.assignment()?;
        self.skip -= u32::from(!chosen);
        if !self.take(":") {
            return Err(Invalid("expecting ':'".to_owned()));
        }
        self.skip += u32::from(chosen);
        let second = self.assignment()?;
        self.skip -= u32::from(chosen);
        Ok(if chosen { first } else { second })
    }

    fn operator(&mut self, level: usize) -> Option<&'static str> {
        self.blanks();
        LEVELS[level].iter().copied().find(|operator| {
            self.looking_at(operator) && {
                let next = self.chars.get(self.at + operator.len()).copied();
                match *operator {
                    "|" | "&" => next != Some(operator.chars().next().unwrap_or(' ')) && next != Some('='),
                    "<" | ">" => next != Some(operator.chars().next().unwrap_or(' ')),
                    "*" => next != Some('=') && next != Some('*'),
                    "<<" | ">>" | "+" | "-" | "/" | "%" | "^" => next != Some('='),
                    _ => true,
                }
            }
        })
    }

    fn binary(&mut self, level: usize) -> Result<i64, Invalid> {
        if level == LEVELS.len() {
            return self.power();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            self.at += operator.len();
            let idle = matches!((operator, left), ("||", 1.. | ..=-1) | ("&&", 0));
            self.skip += u32::from(idle);
            let right = self.binary(level + 1)?;
            self.skip -= u32::from(idle);
            left = match operator {
                "||" => i64::from(left != 0 || right != 0),
                "&&" => i64::from(left != 0 && right != 0),
                _ => self.apply(operator, left, right)?,
            };
        }
        Ok(left)
    }

    /// `a ** b` of bash, which binds to the right.
    fn power(&mut self) -> Result<i64, Invalid> {
        let base = self.unary()?;
        if !self.take("**") {
            return Ok(base);
        }
        let exponent = self.power()?;
        u32::try_from(exponent)
            .map(|exponent| base.wrapping_pow(exponent))
            .map_err(|_| Invalid("exponent less than 0".to_owned()))
    }

    fn apply(&self, operator: &str, left: i64, right: i64) -> Result<i64, Invalid> {
        let shift = u32::try_from(right & 63).unwrap_or(0);
        Ok(match operator {
            "|" => left | right,
            "^" => left ^ right,
            "&" => left & right,
            "==" => i64::from(left == right),
            "!=" => i64::from(left != right),
            "<=" => i64::from(left <= right),
            ">=" => i64::from(left >= right),
            "<" => i64::from(left < right),
            ">" => i64::from(left > right),
            "<<" => left.wrapping_shl(shift),
            ">>" => left.wrapping_shr(shift),
            "+" => left.wrapping_add(right),
            "-" => left.wrapping_sub(right),
            "*" => left.wrapping_mul(right),
            "/" | "%" if right == 0 => {
                if self.skip > 0 {
                    return Ok(0);
                }
                return Err(Invalid("division by zero".to_owned()));
            }
            "/" => left.wrapping_div(right),
            _ => left.wrapping_rem(right),
        })
    }

    fn unary(&mut self) -> Result<i64, Invalid> {
        self.nesting += 1;
        if self.nesting > 100 {
            return Err(Invalid("expression recursion level exceeded".to_owned()));
        }
        self.blanks();
        let value = if self.looking_at("++") || self.looking_at("--") {
            let by = if self.looking_at("++") { 1 } else { -1 };
            self.at += 2;
            self.blanks();
            match self.name() {
                Some(name) => {
                    self.at += name.len();
                    let value = self.variable(&name)?.wrapping_add(by);
                    if self.skip == 0 {
                        self.variables.set(&name, value);
                    }
                    value
                }
                None => self.unary()?,
            }
        } else if self.take("!") {
            i64::from(self.unary()? == 0)
        } else if self.take("~") {
            !self.unary()?
        } else if self.take("-") {
            self.unary()?.wrapping_neg()
        } else if self.take("+") {
            self.unary()?
        } else {
            self.primary()?
        };
        self.nesting -= 1;
        Ok(value)
    }

    fn primary(&mut self) -> Result<i64, Invalid> {
        if self.take("(") {
            let value = self.comma()?;
            return if self.take(")") { Ok(value) } else { Err(Invalid("expecting ')'".to_owned())) };
        }
        self.blanks();
        if let Some(name) = self.name() {
            self.at += name.len();
            let value = self.variable(&name)?;
            if self.looking_at("++") || self.looking_at("--") {
                let by = if self.looking_at("++") { 1 } else { -1 };
                self.at += 2;
                if self.skip == 0 {
                    self.variables.set(&name, value.wrapping_add(by));
                }
            }
            return Ok(value);
        }
        let digits: String =
            self.chars[self.at..].iter().take_while(|ch| ch.is_ascii_alphanumeric() || **ch == '#').collect();
        if digits.is_empty() {
            return Err(Invalid("expecting primary".to_owned()));
        }
        self.at += digits.len();
        number(&digits).ok_or_else(|| Invalid(format!("bad number \"{digits}\"")))
    }

    fn variable(&mut self, name: &str) -> Result<i64, Invalid> {
        let text = self.variables.get(name);
        let text = text.trim();
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(value) = number(text) {
            return Ok(value);
        }
        if let Some(value) = text.strip_prefix('-').and_then(number) {
            return Ok(value.wrapping_neg());
        }
        if text.starts_with(|ch: char| ch.is_ascii_digit()) {
            return Err(Invalid(format!("Illegal number: {text}")));
        }
        evaluate_at(text, self.variables, self.depth + 1)
    }
}

fn number(digits: &str) -> Option<i64> {
    let (radix, digits) = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        (16, hex)
    } else if let Some((base, digits)) = digits.split_once('#') {
        (base.parse().ok().filter(|base| (2..=36).contains(base))?, digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    // Too large a number wraps around to the largest.
    match i64::from_str_radix(digits, radix) {
        Ok(value) => Some(value),
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => Some(i64::MAX),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use test_case::test_case;

    #[derive(Default)]
    struct Map(BTreeMap<String, String>);

    impl Variables for Map {
        fn get(&self, name: &str) -> String {
            self.0.get(name).cloned().unwrap_or_default()
        }

        fn set(&mut self, name: &str, value: i64) {
            self.0.insert(name.to_owned(), value.to_string());
        }
    }

    #[test_case("", 0)]
    #[test_case("1+2*3", 7)]
    #[test_case("(1+2)*3", 9)]
    #[test_case("7/2", 3)]
    #[test_case("-7%3", -1)]
    #[test_case("1<<4|1", 17)]
    #[test_case("0x10+010", 24)]
    #[test_case("2>1 && 1>=1", 1)]
    #[test_case("0 || 0", 0)]
    #[test_case("0 ? 5 : 1 ? 6 : 7", 6)]
    #[test_case("!0+~0", 0)]
    #[test_case("x=5, x+=2, x", 7)]
    #[test_case("0 && 1/0", 0)]
    #[test_case("y==0", 1)]
    #[test_case("a<b", 0)]
    #[test_case("2**3**2", 512)]
    fn values(text: &str, expected: i64) {
        assert_eq!(evaluate(text, &mut Map::default()), Ok(expected));
    }

    #[test_case("1/0")]
    #[test_case("1+")]
    #[test_case("(1")]
    #[test_case("1 2")]
    fn invalid(text: &str) {
        assert!(evaluate(text, &mut Map::default()).is_err());
    }
}
