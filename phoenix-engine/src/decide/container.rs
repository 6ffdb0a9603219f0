//! What only a plan for a container has.

use crate::desired::{ContainerOrigin, DesiredContainer};
use crate::observe::Observed;

/// What makes the container, and why.
pub(super) fn origin_words(spec: &DesiredContainer) -> (String, &'static str) {
    let summary = match &spec.origin {
        ContainerOrigin::Template(template) => match spec.first_net() {
            Some(net) => format!("create from {template}, with {} on {} by DHCP", net.name, net.bridge),
            None => format!("create from {template}"),
        },
        ContainerOrigin::Clone { source, snapshot: Some(snapshot) } => {
            format!("clone guest {source} at snapshot {snapshot}")
        }
        ContainerOrigin::Clone { source, snapshot: None } => format!("clone guest {source}"),
    };
    (summary, "it does not exist")
}

/// Why the directories that it mounts have to be fixed; `None` when they are in order.
pub(super) fn host_paths_reason(spec: &DesiredContainer, observed: &Observed) -> Option<String> {
    spec.host_paths.iter().find_map(|path| match (observed.paths.get(&path.path), path.owner) {
        (None, _) => Some(format!("{} is not there", path.path)),
        (Some(stat), Some((uid, gid))) if (stat.uid, stat.gid) != (uid, gid) => {
            Some(format!("{} belongs to {}:{}, not {uid}:{gid}", path.path, stat.uid, stat.gid))
        }
        _ => None,
    })
}
