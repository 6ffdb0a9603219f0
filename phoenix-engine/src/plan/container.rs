//! What differs of a container.

use super::guest::Settings;
use super::{Difference, Effect};
use crate::converge::{is_mark, line_digest, root_disk};
use crate::desired::{ContainerOrigin, DesiredContainer, DesiredGuest};
use crate::observe::{Observed, Present};
use crate::record::Record;

/// What makes the container, and why.
pub(super) fn origin_words(spec: &DesiredContainer) -> (String, &'static str) {
    let summary = match &spec.origin {
        ContainerOrigin::Template(template) => format!("create from {template}"),
        ContainerOrigin::Clone { source, snapshot: Some(snapshot) } => {
            format!("clone guest {source} at snapshot {snapshot}")
        }
        ContainerOrigin::Clone { source, snapshot: None } => format!("clone guest {source}"),
    };
    (summary, "it does not exist")
}

/// Raw lines that are added or taken away. They act at the next start.
pub(super) fn raw_differences(spec: &DesiredContainer, present: &Present, record: &Record) -> Vec<Difference> {
    let have = &present.conf.live.raw;
    let added = spec.raw_lines.iter().filter(|line| !have.contains(line)).map(|(key, value)| Difference {
        key: key.clone(),
        from: None,
        to: Some(value.clone()),
        effect: Effect::Restart,
    });
    let gone = have
        .iter()
        .filter(|line| !is_mark(line) && !spec.raw_lines.contains(line) && record.lines.contains(&line_digest(line)))
        .map(|(key, value)| Difference {
            key: key.clone(),
            from: Some(value.clone()),
            to: None,
            effect: Effect::Restart,
        });
    added.chain(gone).collect()
}

pub(super) fn settings(guest: &DesiredGuest, spec: &DesiredContainer, present: &Present, record: &Record) -> Settings {
    let mut settings = Settings::of_keys(guest, present, record);
    settings.differences.extend(raw_differences(spec, present, record));
    settings.disk = root_disk(&present.conf.live, present.kind).and_then(|(_, size)| size);
    settings
}

/// Why the directories that it mounts have to be mended; `None` when they are in order.
pub(super) fn host_paths_reason(spec: &DesiredContainer, observed: &Observed) -> Option<String> {
    spec.host_paths.iter().find_map(|path| match (observed.paths.get(&path.path), path.owner) {
        (None, _) => Some(format!("{} is not there", path.path)),
        (Some(stat), Some((uid, gid))) if (stat.uid, stat.gid) != (uid, gid) => {
            Some(format!("{} belongs to {}:{}, not {uid}:{gid}", path.path, stat.uid, stat.gid))
        }
        _ => None,
    })
}
