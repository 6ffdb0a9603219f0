//! Options of programs.

/// The words of a command line, taken apart.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    flags: String,
    values: Vec<(char, String)>,
    pub(super) long: Vec<(String, Option<String>)>,
    /// What is neither an option nor its value.
    pub(super) rest: Vec<String>,
}

impl Arguments {
    /// Takes words apart; the letters in `valued` have a value. Options may stand anywhere before `--`.
    pub(super) fn read(words: &[String], valued: &str) -> Self {
        Self::scan(words, valued, &[], false)
    }

    /// As [`Self::read`], with the long options that have a value in the next word.
    pub(super) fn read_long(words: &[String], valued: &str, long: &[&str]) -> Self {
        Self::scan(words, valued, long, false)
    }

    /// As [`Self::read`], but the first word that is no option ends the options: what follows is another command.
    pub(super) fn read_prefix(words: &[String], valued: &str) -> Self {
        Self::scan(words, valued, &[], true)
    }

    fn scan(words: &[String], valued: &str, long: &[&str], stop: bool) -> Self {
        let mut result = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                result.rest.extend(words.cloned());
                break;
            }
            if let Some(name) = word.strip_prefix("--") {
                let (name, value) = match name.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None if long.contains(&name) => (name.to_owned(), words.next().cloned()),
                    None => (name.to_owned(), None),
                };
                result.long.push((name, value));
                continue;
            }
            if word.len() < 2 || !word.starts_with('-') {
                result.rest.push(word.clone());
                if stop {
                    result.rest.extend(words.cloned());
                    break;
                }
                continue;
            }
            for (at, letter) in word.char_indices().skip(1) {
                if valued.contains(letter) {
                    let attached = &word[at + letter.len_utf8()..];
                    let value = if attached.is_empty() { words.next().cloned() } else { Some(attached.to_owned()) };
                    result.values.push((letter, value.unwrap_or_default()));
                    break;
                }
                result.flags.push(letter);
            }
        }
        result
    }

    /// Whether a letter was given.
    pub(super) fn has(&self, letter: char) -> bool {
        self.flags.contains(letter)
    }

    /// The last value of a letter.
    pub(super) fn value(&self, letter: char) -> Option<&str> {
        self.values.iter().rev().find(|(known, _)| *known == letter).map(|(_, value)| value.as_str())
    }

    /// All values of a letter.
    pub(super) fn all(&self, letter: char) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(known, _)| *known == letter).map(|(_, value)| value.as_str())
    }

    /// Whether a long option was given.
    pub(super) fn has_long(&self, name: &str) -> bool {
        self.long.iter().any(|(known, _)| known == name)
    }

    /// The value of a long option.
    pub(super) fn long_value(&self, name: &str) -> Option<&str> {
        self.long.iter().rev().find(|(known, _)| known == name).and_then(|(_, value)| value.as_deref())
    }
}
