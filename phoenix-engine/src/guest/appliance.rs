//! Proxmox's own container templates.

use camino::Utf8PathBuf;
use phoenix_lxc::Template;
use phoenix_pve::Storages;

/// A template that `pveam` can download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appliance<'a> {
    /// The storage that it is on.
    pub(crate) storage: &'a str,
    /// Its file name: `debian-13-standard_13.1-2_amd64.tar.zst`.
    pub(crate) name: &'a str,
}

impl<'a> Appliance<'a> {
    /// The template as one of Proxmox's own; `None` for one whose name does not look like that.
    pub(crate) fn of(template: &'a Template) -> Option<Self> {
        let Template::Volume(volume) = template else { return None };
        let name = volume.volume().strip_prefix("vztmpl/")?;
        let stem = [".tar.zst", ".tar.xz", ".tar.gz"].iter().find_map(|end| name.strip_suffix(end))?;
        // System, version and architecture (pve-manager, `APLInfo.pm`).
        let is_appliance = match stem.split('_').collect::<Vec<_>>().as_slice() {
            [system, version, arch] => {
                !system.is_empty()
                    && version.starts_with(|c: char| c.is_ascii_digit())
                    && ["amd64", "arm64", "i386"].contains(arch)
            }
            _ => false,
        };
        is_appliance.then(|| Self { storage: volume.storage(), name })
    }

    /// The file on the node; `None` when the storage has no folder for templates.
    pub(crate) fn file(&self, storages: &Storages) -> Option<Utf8PathBuf> {
        Some(storages.get(self.storage)?.folder("vztmpl")?.join(self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst", true)]
    #[test_case("nas:vztmpl/alpine-3.22-default_20250617_amd64.tar.xz", true)]
    #[test_case("local:vztmpl/unknown-debian.tar.zst", false)]
    #[test_case("local:vztmpl/my_own_template.tar.zst", false)]
    #[test_case("/root/debian-13-standard_13.1-2_amd64.tar.zst", false)]
    fn names(template: &str, is_appliance: bool) {
        assert_eq!(Appliance::of(&template.parse().unwrap()).is_some(), is_appliance);
    }
}
