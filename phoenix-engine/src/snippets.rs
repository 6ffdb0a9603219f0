//! Where the vendor data stands by which cloud-init installs the guest agent: on a storage for snippets.

use camino::Utf8PathBuf;
use phoenix_host::{Host, HostError};
use phoenix_pve::{Storage, Storages};
use phoenix_types::VolumeId;

use crate::guest::{VENDOR_DATA, VENDOR_DATA_NAME};

/// A place for the vendor data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSnippet {
    /// The file as Proxmox calls it.
    pub volume: VolumeId,
    /// The file on the node.
    pub path: Utf8PathBuf,
    /// Whether it exists as configured.
    pub is_written: bool,
}

/// The folder for snippets of the storage `local` of a node as it is installed.
pub(crate) fn likely_folder() -> Utf8PathBuf {
    "/var/lib/vz/snippets".into()
}

/// The file in it.
pub(crate) fn likely_file() -> Utf8PathBuf {
    likely_folder().join(VENDOR_DATA_NAME)
}

/// Looks for a storage that holds snippets, `local` before others, in the order of the list. Reads files only.
pub(crate) async fn find(host: &dyn Host, storages: &Storages) -> Result<Option<AgentSnippet>, HostError> {
    for (storage, folder) in folders(storages) {
        let Ok(volume) = format!("{storage}:snippets/{VENDOR_DATA_NAME}").parse::<VolumeId>() else { continue };
        // A network storage that is not mounted has no folder.
        if host.stat(&folder).await?.is_none() {
            continue;
        }
        let path = folder.join(VENDOR_DATA_NAME);
        let is_written = match host.read(&path, 1 << 16).await {
            Ok(text) => text == VENDOR_DATA.as_bytes(),
            Err(error) if error.is_not_found() => false,
            Err(error) => return Err(error),
        };
        return Ok(Some(AgentSnippet { volume, path, is_written }));
    }
    Ok(None)
}

/// The folders for snippets, with the storage of each.
fn folders(storages: &Storages) -> Vec<(&str, Utf8PathBuf)> {
    let holds = |storage: &&Storage| {
        !storage.is_disabled() && storage.contents().is_some_and(|contents| contents.contains(&"snippets"))
    };
    let mut found: Vec<_> = storages
        .iter()
        .filter(holds)
        .filter_map(|storage| Some((storage.id.as_str(), storage.folder("snippets")?)))
        .collect();
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
        let found: Vec<String> =
            folders(&Storages::parse(text)).into_iter().map(|(id, path)| format!("{id} {path}")).collect();
        assert_eq!(found, ["local /var/lib/vz/snippets", "share /mnt/pve/share/snippets", "other /srv/o/a/b"]);
        assert!(folders(&Storages::default()).is_empty());
    }
}
