//! The NFS volumes of a VM, as its fstab and its record have them.

use std::collections::BTreeMap;

use crate::desired::{DesiredVm, NfsMount};
use crate::digest::Digest;

/// A path as fstab writes it: blanks and backslashes as octal escapes (fstab(5)).
pub(crate) fn fstab_field(path: &str) -> String {
    path.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011")
}

impl NfsMount {
    pub(crate) fn source(&self) -> String {
        format!("{}:{}", self.server, self.path)
    }

    /// Its line in fstab.
    pub(crate) fn line(&self) -> String {
        let fields = [self.source(), self.mount_point.to_string()].map(|field| fstab_field(&field));
        format!("{} nfs {} 0 0", fields.join(" "), self.options)
    }
}

/// The lines of fstab that mount the volumes of a VM, by mount point.
pub(crate) fn mounts(spec: &DesiredVm) -> BTreeMap<String, String> {
    spec.volumes.iter().map(|volume| (volume.mount_point.to_string(), volume.line())).collect()
}

/// What the record says when the volumes of a VM are in place.
pub(crate) fn mounted_by(spec: &DesiredVm) -> BTreeMap<String, Digest> {
    mounts(spec).into_iter().map(|(point, line)| (point, Digest::of([line.as_bytes()]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_paths_stay_in_one_field() {
        assert_eq!(fstab_field("/mnt/my data\\x"), "/mnt/my\\040data\\134x");
    }
}
