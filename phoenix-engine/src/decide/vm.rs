//! What only a plan for a VM has.

use crate::desired::{DesiredVm, VmOrigin};
use crate::guest::{Record, mounted_by};

/// What makes the VM, and why.
pub(super) fn origin_words(spec: &DesiredVm) -> (String, &'static str) {
    let summary = match &spec.origin {
        VmOrigin::Image(image) => format!("create from image {image}"),
        VmOrigin::Clone { source, snapshot: Some(snapshot) } => format!("clone guest {source} at snapshot {snapshot}"),
        VmOrigin::Clone { source, snapshot: None } => format!("clone guest {source}"),
    };
    (summary, "it does not exist")
}

/// Why the volumes have to be looked at inside; `None` when what was mounted is what is configured.
pub(super) fn volumes_reason(spec: &DesiredVm, record: &Record) -> Option<&'static str> {
    (mounted_by(spec) != record.volumes).then_some("its mounts differ")
}
