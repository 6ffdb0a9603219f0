//! The tree of snapshots.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use phoenix_sim_guest::calendar::local_time;
use phoenix_types::{ConfSection, GuestConf};

/// The tree of snapshots, as both tools print it (pve-guest-common `GuestHelpers.pm`, `print_snapshot_tree`).
pub(crate) fn snapshot_tree(conf: &GuestConf) -> String {
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let known = |name: &str| name == "current" || conf.snapshots.contains_key(name);
    let parent =
        |section: &'_ ConfSection| section.get("parent").filter(|name| known(name)).unwrap_or_default().to_owned();
    let parents: BTreeMap<&str, String> = conf
        .snapshots
        .iter()
        .map(|(name, section)| (name.as_str(), parent(section)))
        .chain([("current", parent(&conf.live))])
        .collect();
    for (name, parent) in &parents {
        children.entry(parent).or_default().push(name);
    }
    let time = |name: &str| -> i64 {
        let section = conf.snapshots.get(name);
        section.and_then(|section| section.get("snaptime")).and_then(|time| time.parse().ok()).unwrap_or(i64::MAX)
    };
    for names in children.values_mut() {
        names.sort_by_key(|name| (time(name), *name));
    }
    let mut text = String::new();
    let mut stack: Vec<(usize, &str)> = children.get("").into_iter().flatten().rev().map(|name| (0, *name)).collect();
    while let Some((depth, name)) = stack.pop() {
        let prefix = format!("{}`->", " ".repeat(depth));
        let width = 30_usize.saturating_sub(prefix.len());
        let section = conf.snapshots.get(name);
        let when = section.map(|_| local_time(time(name))).unwrap_or_default();
        let description = match section {
            None => "You are here!",
            Some(section) => {
                section.description.as_deref().and_then(|text| text.lines().next()).unwrap_or("no-description")
            }
        };
        let _ = writeln!(text, "{prefix} {name:<width$} {when:<23} {description}");
        if depth < 10_000 {
            stack.extend(children.get(name).into_iter().flatten().rev().map(|name| (depth + 1, *name)));
        }
    }
    text
}
