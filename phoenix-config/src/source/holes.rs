//! What of a value could not be read, and the value without it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Segment;

/// The places of a value that could not be read. What depends on them is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Holes {
    /// Left out of the rest, by their places in the whole value.
    missing: BTreeSet<Vec<Segment>>,
    /// There, but perhaps not as they are meant.
    doubtful: BTreeSet<Vec<Segment>>,
}

impl Holes {
    /// Nothing could be read.
    pub(crate) fn everything() -> Self {
        Self { missing: BTreeSet::from([Vec::new()]), ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.doubtful.is_empty()
    }

    /// Leaves a place out. Says whether it was in.
    pub(crate) fn leave_out(&mut self, path: Vec<Segment>) -> bool {
        self.missing.insert(path)
    }

    /// Keeps a place, but believes nothing that follows from it alone.
    pub(crate) fn doubt(&mut self, path: Vec<Segment>) {
        self.doubtful.insert(path);
    }

    /// Doubts what a VM has from `vm_defaults` where that has holes.
    pub(crate) fn doubt_defaults(&mut self, file: &Self, written: impl Fn(&str) -> bool) {
        for key in ["cores", "memory_mb", "disk_size_gb", "storage_pool", "network_bridge"] {
            if !file.spare(&["vm_defaults".into(), key.into()]) && !written(key) {
                self.doubt(vec![key.into()]);
            }
        }
    }

    /// Whether the value at `path`, all of it, is as it is written.
    pub(crate) fn spare(&self, path: &[Segment]) -> bool {
        !self.missing.iter().chain(&self.doubtful).any(|hole| related(path, hole))
    }

    /// The value without its holes. A firewall rule with a hole does nothing instead: so the others keep their numbers, and
    /// nobody takes it for what it is not.
    pub(crate) fn cut(&self, whole: &Value) -> Value {
        self.cut_at(whole, &mut Vec::new())
    }

    fn cut_at(&self, value: &Value, path: &mut Vec<Segment>) -> Value {
        match value {
            Value::Object(members) => {
                let mut kept = Map::new();
                for (key, inner) in members {
                    path.push(key.as_str().into());
                    if !self.missing.contains(path) {
                        kept.insert(key.clone(), self.cut_at(inner, path));
                    }
                    path.pop();
                }
                Value::Object(kept)
            }
            Value::Array(items) => {
                let mut kept = Vec::with_capacity(items.len());
                for (index, inner) in items.iter().enumerate() {
                    path.push(index.into());
                    if is_rule(path) && !self.spare(path) {
                        kept.push(self.silent_rule(inner, path));
                    } else if !self.missing.contains(path) {
                        kept.push(self.cut_at(inner, path));
                    }
                    path.pop();
                }
                Value::Array(kept)
            }
            other => other.clone(),
        }
    }

    fn silent_rule(&self, rule: &Value, path: &mut Vec<Segment>) -> Value {
        let mut silent = if self.missing.contains(path) { json!({}) } else { self.cut_at(rule, path) };
        if let Value::Object(members) = &mut silent {
            members.insert("enabled".to_owned(), false.into());
            members.entry("type").or_insert_with(|| "in".into());
            members.entry("action").or_insert_with(|| "ACCEPT".into());
        }
        silent
    }

    /// The place in the whole value of what is at `path` in the value without the holes.
    pub(crate) fn original(&self, path: &[Segment]) -> Vec<Segment> {
        let mut whole: Vec<Segment> = Vec::with_capacity(path.len());
        for segment in path {
            let Segment::Index(left) = segment else {
                whole.push(segment.clone());
                continue;
            };
            let mut index = 0;
            let mut left = *left;
            loop {
                whole.push(index.into());
                let gone = self.missing.contains(&whole) && !is_rule(&whole);
                if !gone && left == 0 {
                    break;
                }
                left -= usize::from(!gone);
                index += 1;
                whole.pop();
            }
        }
        whole
    }
}

/// Whether one of two places holds the other. A list of one may be written as its one element, so a number is passed over
/// where the other has none.
fn related(path: &[Segment], hole: &[Segment]) -> bool {
    match (path, hole) {
        ([], _) | (_, []) => true,
        ([Segment::Index(_), rest @ ..], [Segment::Key(_), ..]) => related(rest, hole),
        ([Segment::Key(_), ..], [Segment::Index(_), rest @ ..]) => related(path, rest),
        ([one, path @ ..], [other, hole @ ..]) => one == other && related(path, hole),
    }
}

/// Whether a firewall rule of a guest stands here.
fn is_rule(path: &[Segment]) -> bool {
    matches!(path, [Segment::Key(firewall), Segment::Key(rules), Segment::Index(_)] if firewall == "firewall" && rules == "rules")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holes(paths: &[&[Segment]]) -> Holes {
        let mut holes = Holes::default();
        for path in paths {
            assert!(holes.leave_out(path.to_vec()));
        }
        holes
    }

    #[test]
    fn what_is_left_is_found_again_in_the_whole() {
        let whole = json!({"a": [1, "x", 2, "y", 3], "b": {"c": 1, "d": 2}});
        let holes = holes(&[&["a".into(), 1.into()], &["a".into(), 3.into()], &["b".into(), "c".into()]]);
        assert_eq!(holes.cut(&whole), json!({"a": [1, 2, 3], "b": {"d": 2}}));
        assert_eq!(holes.original(&["a".into(), 0.into()]), ["a".into(), 0.into()]);
        assert_eq!(holes.original(&["a".into(), 2.into()]), ["a".into(), 4.into()]);
        assert_eq!(holes.original(&["b".into(), "d".into()]), ["b".into(), "d".into()]);
    }

    #[test]
    fn what_has_a_hole_is_not_spared_nor_what_lies_in_one() {
        let holes = holes(&[&["wait_for".into(), "retries".into()], &["a".into()]]);
        assert!(!holes.spare(&["wait_for".into()]));
        assert!(!holes.spare(&["wait_for".into(), 0.into()]));
        assert!(holes.spare(&["wait_for".into(), 0.into(), "timeout".into()]));
        assert!(!holes.spare(&["a".into(), "b".into()]));
        assert!(holes.spare(&["b".into()]));
        assert!(!Holes::everything().spare(&["b".into()]));
    }

    #[test]
    fn a_firewall_rule_with_a_hole_keeps_its_number_and_does_nothing() {
        let whole = json!({"firewall": {"rules": [{"type": "in", "action": "DROP", "proto": 5}, 7, {"type": "out", "action": "DROP"}]}});
        let rule = |index: usize| ["firewall".into(), "rules".into(), index.into()];
        let holes = holes(&[&[&rule(0)[..], &["proto".into()]].concat(), &rule(1)]);
        let silent = json!({"type": "in", "action": "ACCEPT", "enabled": false});
        assert_eq!(
            holes.cut(&whole)["firewall"]["rules"],
            json!([{"type": "in", "action": "DROP", "enabled": false}, silent, {"type": "out", "action": "DROP"}])
        );
        assert_eq!(holes.original(&rule(2)), rule(2));
    }
}
