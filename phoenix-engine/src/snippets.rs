//! Where the vendor data stands by which cloud-init installs the guest agent: on a storage for snippets.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Host, HostError};
use phoenix_types::VolumeId;

use crate::guest::{VENDOR_DATA, VENDOR_DATA_NAME};

/// Where Proxmox keeps the list of storages.
const STORAGES: &str = "/etc/pve/storage.cfg";

/// A place for the vendor data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSnippet {
    /// The file as Proxmox calls it.
    pub volume: VolumeId,
    /// The file on the node.
    pub path: Utf8PathBuf,
    /// Whether it is there as it should be.
    pub is_written: bool,
}

/// Looks for a storage that holds snippets, `local` before others, in the order of the list. Reads files only.
pub(crate) async fn find(host: &dyn Host) -> Result<Option<AgentSnippet>, HostError> {
    let list = Utf8Path::new(STORAGES);
    if host.stat(list).await?.is_none() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&host.read(list, 4 << 20).await?).into_owned();
    for (storage, folder) in folders(&text) {
        let Ok(volume) = format!("{storage}:snippets/{VENDOR_DATA_NAME}").parse::<VolumeId>() else { continue };
        // A network storage that is not mounted has no folder.
        if host.stat(&folder).await?.is_none() {
            continue;
        }
        let path = folder.join(VENDOR_DATA_NAME);
        let is_written = match host.stat(&path).await? {
            Some(_) => host.read(&path, 1 << 16).await? == VENDOR_DATA.as_bytes(),
            None => false,
        };
        return Ok(Some(AgentSnippet { volume, path, is_written }));
    }
    Ok(None)
}

/// A storage of the list.
struct Section<'a> {
    kind: &'a str,
    id: &'a str,
    options: BTreeMap<&'a str, &'a str>,
}

/// Reads the list of storages (pve-common `SectionConfig.pm`).
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(option) = line.strip_prefix(['\t', ' ']) {
            let option = option.trim();
            let (key, value) = option.split_once(char::is_whitespace).unwrap_or((option, "1"));
            if let Some(section) = sections.last_mut() {
                section.options.insert(key, value.trim());
            }
        } else if let Some((kind, id)) = line.split_once(':') {
            sections.push(Section { kind: kind.trim(), id: id.trim(), options: BTreeMap::new() });
        }
    }
    sections
}

impl Section<'_> {
    /// Where its snippets are, when it holds some (pve-storage: `Storage/Plugin.pm`, and the plugins for where they mount).
    fn snippets(&self) -> Option<Utf8PathBuf> {
        let option = |name: &str| self.options.get(name).copied();
        let holds = option("content").is_some_and(|content| content.split(',').any(|kind| kind.trim() == "snippets"));
        if !holds || option("disable").is_some_and(|value| value != "0") {
            return None;
        }
        let root = match self.kind {
            "dir" | "btrfs" => option("path").map(Utf8PathBuf::from)?,
            "nfs" | "cifs" | "cephfs" => {
                option("path").map_or_else(|| Utf8Path::new("/mnt/pve").join(self.id), Utf8PathBuf::from)
            }
            _ => return None,
        };
        let folder = option("content-dirs")
            .and_then(|dirs| dirs.split(',').find_map(|dir| dir.trim().strip_prefix("snippets=")))
            .unwrap_or("snippets");
        Some(root.join(folder.trim_start_matches('/')))
    }
}

/// The storages that hold snippets, with the folder of each.
fn folders(text: &str) -> Vec<(&str, Utf8PathBuf)> {
    let mut found: Vec<_> =
        sections(text).into_iter().filter_map(|section| Some((section.id, section.snippets()?))).collect();
    found.sort_by_key(|(id, _)| *id != "local");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storages_that_hold_snippets() {
        let text = "zfspool: tank\n\tpool rpool\n\tcontent images,rootdir\n\nnfs: share\n\tserver 10.0.0.9\n\tcontent iso,snippets\n\n\
                    dir: old\n\tpath /old\n\tcontent snippets\n\tdisable\n\ndir: other\n\tpath /srv/o\n\tcontent-dirs iso=i,snippets=a/b\n\tcontent snippets\n\n\
                    dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl, snippets\n\ndir: plain\n\tpath /p\n\tcontent iso\n";
        let found: Vec<String> = folders(text).into_iter().map(|(id, path)| format!("{id} {path}")).collect();
        assert_eq!(found, ["local /var/lib/vz/snippets", "share /mnt/pve/share/snippets", "other /srv/o/a/b"]);
        assert!(folders("").is_empty());
    }
}
