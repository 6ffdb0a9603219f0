//! Which guests a person means: by id, name, pattern, range, tag, pool, node or kind, with exclusions.

use std::collections::BTreeSet;

use phoenix_types::{GuestId, GuestKind};

use crate::expand::parse_range;
use crate::model::{Fleet, Guest};

/// Why guests cannot be selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// Nothing matches.
    #[error("no guest `{0}` is configured")]
    NoMatch(String),
    /// A range that is none.
    #[error("`{text}` is not a range of guests: expected {expected}")]
    Range {
        /// What was asked for.
        text: String,
        /// What would be right.
        expected: String,
    },
    /// The exclusions take everything away.
    #[error("the exclusions leave no guest")]
    Nothing,
}

impl Fleet {
    /// The guests that these selectors mean together: an id, a name, a name with `*` and `?`, a range `801..805`, `tag:NAME`,
    /// `pool:NAME`, `node:NAME` or `kind:vm` (`kind:container`). `!SELECTOR` excludes guests and everything that needs them;
    /// with exclusions alone all others are meant.
    ///
    /// # Errors
    /// A selector that matches nothing, so that a misspelt one is not taken for an empty one; and exclusions that leave
    /// nothing.
    pub fn select<'a>(&self, selectors: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<GuestId>, SelectError> {
        let (excluded, chosen): (Vec<&str>, Vec<&str>) = selectors.into_iter().partition(|text| text.starts_with('!'));
        let mut found: BTreeSet<GuestId> = BTreeSet::new();
        for text in &chosen {
            found.extend(self.matching(text)?);
        }
        if chosen.is_empty() {
            found.extend(self.guests.keys());
        }
        for text in excluded {
            let gone = self.matching(text.trim_start_matches('!'))?;
            for id in self.graph.dependants_closure(gone) {
                found.remove(&id);
            }
        }
        if found.is_empty() { Err(SelectError::Nothing) } else { Ok(found) }
    }

    fn matching(&self, text: &str) -> Result<BTreeSet<GuestId>, SelectError> {
        if let Some(guest) = self.find(text) {
            return Ok(BTreeSet::from([guest.id]));
        }
        let selector = Selector::parse(text)?;
        let found: BTreeSet<GuestId> =
            self.guests.values().filter(|guest| selector.matches(guest)).map(|guest| guest.id).collect();
        if found.is_empty() { Err(SelectError::NoMatch(text.to_owned())) } else { Ok(found) }
    }
}

enum Selector<'a> {
    Range(std::ops::RangeInclusive<u32>),
    Tag(&'a str),
    Pool(&'a str),
    Node(&'a str),
    Kind(Option<GuestKind>),
    Name(&'a str),
}

impl<'a> Selector<'a> {
    fn parse(text: &'a str) -> Result<Self, SelectError> {
        if let Some(range) = parse_range(text) {
            return range.map(Self::Range).map_err(|expected| SelectError::Range { text: text.to_owned(), expected });
        }
        Ok(match text.split_once(':') {
            Some(("tag", tag)) => Self::Tag(tag),
            Some(("pool", pool)) => Self::Pool(pool),
            Some(("node", node)) => Self::Node(node),
            Some(("kind", kind)) => Self::Kind(match kind {
                "vm" | "qemu" => Some(GuestKind::Vm),
                "container" | "lxc" | "ct" => Some(GuestKind::Container),
                _ => None,
            }),
            _ => Self::Name(text),
        })
    }

    fn matches(&self, guest: &Guest) -> bool {
        let written = |key: &str, value: &str| guest.context.text_of(key).is_some_and(|text| text == value);
        match self {
            Self::Range(range) => range.contains(&guest.id.get()),
            Self::Tag(tag) => guest.tags.contains(*tag),
            Self::Pool(pool) => written("pool", pool),
            Self::Node(node) => written("node", node),
            Self::Kind(kind) => *kind == Some(guest.kind()),
            Self::Name(pattern) => glob(&pattern.to_lowercase(), &guest.name.as_str().to_lowercase()),
        }
    }
}

/// Whether a name matches a pattern in which `*` stands for any characters and `?` for one.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut matched) = (0, 0);
    // Where the last `*` is, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while matched < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, matched));
                at += 1;
            }
            Some(&char) if char == '?' || name.get(matched) == Some(&char) => {
                at += 1;
                matched += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, matched) = (place + 1, taken + 1);
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|char| *char == '*'))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("web-*", "web-1", true)]
    #[test_case("*-1", "web-1", true)]
    #[test_case("w*b?1", "web-1", true)]
    #[test_case("web", "web-1", false)]
    #[test_case("*a*b", "aab", true)]
    #[test_case("?", "", false)]
    #[test_case("*", "", true)]
    fn globs(pattern: &str, name: &str, expected: bool) {
        assert_eq!(glob(pattern, name), expected);
    }

    #[test_case(&["103"], Ok(&[103]); "an id")]
    #[test_case(&["CA"], Ok(&[103]); "a name")]
    #[test_case(&["web-*"], Ok(&[101, 102]); "a pattern")]
    #[test_case(&["100..102", "kind:vm"], Ok(&[101, 102, 900]); "a range and a kind")]
    #[test_case(&["tag:ai"], Ok(&[102, 103]); "a tag")]
    #[test_case(&["!103"], Ok(&[900]); "what needs an excluded guest is excluded")]
    #[test_case(&["tag:ai", "!102"], Ok(&[103]); "a tag without one")]
    #[test_case(&["tag:aii"], Err("no guest `tag:aii` is configured"); "an unknown tag")]
    #[test_case(&["pool:lab"], Err("no guest `pool:lab` is configured"); "an unknown pool")]
    #[test_case(&["kind:windows"], Err("no guest `kind:windows` is configured"); "an unknown kind")]
    #[test_case(&["103", "!103"], Err("the exclusions leave no guest"); "nothing left")]
    #[test_case(&["105..101"], Err("`105..101` is not a range of guests: expected the smaller id first: `101..105`"); "no range")]
    fn selectors(asked: &[&str], expected: Result<&[u32], &str>) {
        let loaded = crate::Loader::new("/nowhere".into()).load_text(
            "-",
            "lxc_configs:
  103: {name: ca, template: \"local:a\", tags: [ai]}
  101: {name: web-1, template: \"local:a\", dependencies: [103]}
  102: {name: web-2, template: \"local:a\", dependencies: [101], tags: [ai]}
vms:
  900: {name: box, template_image: noble-server-cloudimg-amd64.img}
",
        );
        let fleet = loaded.fleet.unwrap();
        let found = fleet.select(asked.iter().copied());
        let ids = found.map(|ids| ids.into_iter().map(GuestId::get).collect::<Vec<u32>>());
        assert_eq!(ids.map_err(|error| error.to_string()), expected.map(<[u32]>::to_vec).map_err(str::to_owned));
    }
}
