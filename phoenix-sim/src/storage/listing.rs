//! What is on a storage, and how full it is.

use super::Storage;
use crate::node::{State, VolumeRef};

/// One entry of `pvesm list`.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Its volume id.
    pub(crate) volid: String,
    /// Its form: `raw`, `tzst`, `iso`, …
    pub(crate) format: String,
    /// What it is: `images`, `rootdir`, `vztmpl`, `iso`, `backup`, `snippets`, `import`.
    pub(crate) content: &'static str,
    /// In bytes.
    pub(crate) size: u64,
    /// The guest that it belongs to.
    pub(crate) vmid: Option<u32>,
    /// When it was made, in seconds since 1970.
    pub(crate) made: i64,
}

/// Contents that are files, the folder of each below a storage's place, and how its files end.
const FILES: [(&str, &str, &[&str]); 5] = [
    ("backup", "dump", &[".tar", ".tar.gz", ".tar.lzo", ".tar.zst", ".vma", ".vma.gz", ".vma.lzo", ".vma.zst"]),
    ("iso", "template/iso", &[".iso", ".img"]),
    ("vztmpl", "template/cache", &[".tar.gz", ".tar.xz", ".tar.zst", ".tar"]),
    ("snippets", "snippets", &[""]),
    ("import", "import", &[".ova", ".ovf", ".qcow2", ".raw", ".vmdk"]),
];

fn file_format(content: &str, name: &str) -> String {
    match content {
        "iso" => "iso".to_owned(),
        "snippets" => "snippet".to_owned(),
        "backup" => name.split_once(".tar").map_or_else(|| "vma".to_owned(), |(_, rest)| format!("tar{rest}")),
        "vztmpl" => match name.rsplit('.').next() {
            Some("zst") => "tzst".to_owned(),
            Some("xz") => "txz".to_owned(),
            Some("gz") => "tgz".to_owned(),
            _ => "tar".to_owned(),
        },
        _ => name.rsplit('.').next().unwrap_or_default().to_owned(),
    }
}

impl State {
    /// Everything on a storage, sorted by volume id.
    pub(crate) fn listing(&self, storage: &Storage) -> Vec<Item> {
        let mut items = Vec::new();
        if storage.kind.is_folder() {
            for (content, folder, ends) in FILES {
                if !storage.holds(content) {
                    continue;
                }
                let path = format!("{}/{folder}", storage.place());
                for name in self.files.list(&path).unwrap_or_default() {
                    let Some(entry) = self.files.get(&format!("{path}/{name}")) else { continue };
                    let Some(bytes) = entry.bytes() else { continue };
                    if !ends.iter().any(|end| name.ends_with(end)) {
                        continue;
                    }
                    let vmid = (content == "backup").then(|| name.split('-').nth(2)?.parse().ok()).flatten();
                    items.push(Item {
                        volid: format!("{}:{content}/{name}", storage.id),
                        format: file_format(content, &name),
                        content,
                        size: bytes.len() as u64,
                        vmid,
                        made: entry.mtime,
                    });
                }
            }
        }
        for (volid, volume) in self.volumes.range(format!("{}:", storage.id)..) {
            let Some(reference) = VolumeRef::parse(volid).filter(|reference| reference.storage == storage.id) else {
                break;
            };
            let vmid = reference.owner();
            let kind = vmid.and_then(|vmid| self.guest_kind(vmid));
            let content = if kind == Some(phoenix_types::GuestKind::Container) { "rootdir" } else { "images" };
            items.push(Item {
                volid: volid.clone(),
                format: volume.format.name().to_owned(),
                content,
                size: volume.space.size,
                vmid,
                made: volume.made,
            });
        }
        items.sort_by(|one, two| one.volid.cmp(&two.volid));
        items
    }
}
