//! `/etc/pve/storage.cfg`: sections `type: id` with tab-indented `key value` lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::node::{Failure, State, VolumeRef};
use crate::world::{StorageKind, StorageWorld, World};

const FILE: &str = "/etc/pve/storage.cfg";

/// A storage as its section describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    /// Its name.
    pub(crate) id: String,
    /// Its type.
    pub(crate) kind: StorageKind,
    /// The lines of its section.
    pub(crate) options: BTreeMap<String, String>,
}

impl StorageKind {
    /// Whether disks are files in folders by guest.
    pub(crate) fn is_folder(self) -> bool {
        matches!(self, Self::Dir | Self::Btrfs | Self::Nfs | Self::Cifs)
    }

    /// All types that the simulated node has.
    pub(crate) const ALL: [Self; 8] =
        [Self::Dir, Self::Btrfs, Self::Nfs, Self::Cifs, Self::Zfspool, Self::Lvm, Self::Lvmthin, Self::Rbd];

    /// The type of a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The options that a new storage of this type cannot do without.
    pub(crate) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Dir | Self::Btrfs => &["path"],
            Self::Nfs => &["server", "export"],
            Self::Cifs => &["server", "share"],
            Self::Zfspool => &["pool"],
            Self::Lvm => &["vgname"],
            Self::Lvmthin => &["thinpool", "vgname"],
            Self::Rbd => &[],
        }
    }

    fn default_content(self) -> &'static str {
        if self.is_folder() { "backup,import,iso,snippets,vztmpl,images,rootdir" } else { "images,rootdir" }
    }

    /// The option that says where it is.
    fn place_option(self) -> &'static str {
        match self {
            Self::Dir | Self::Btrfs | Self::Nfs | Self::Cifs => "path",
            Self::Zfspool | Self::Rbd => "pool",
            Self::Lvm | Self::Lvmthin => "vgname",
        }
    }
}

impl Storage {
    /// The folder, pool or volume group.
    pub(crate) fn place(&self) -> &str {
        self.options.get(self.kind.place_option()).map_or("", String::as_str)
    }

    /// Whether it may hold a kind of content.
    pub(crate) fn holds(&self, content: &str) -> bool {
        let content_option = self.options.get("content").map_or(self.kind.default_content(), String::as_str);
        content_option.split(',').any(|held| held.trim() == content)
    }

    /// Whether it is said to be on other nodes only.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.options.get("nodes").is_some_and(|nodes| !nodes.split(',').any(|node| node.trim() == crate::grammar::NODE))
    }

    /// Whether it is switched off.
    pub(crate) fn is_disabled(&self) -> bool {
        self.options.get("disable").is_some_and(|value| value == "1")
    }
}

/// How the names of files within a storage begin.
const FILES: [&str; 5] = ["vztmpl/", "iso/", "import/", "snippets/", "backup/"];
/// What a storage holds that comes into being for a file.
const EVERYTHING: [&str; 7] = ["images", "rootdir", "vztmpl", "iso", "import", "snippets", "backup"];

/// Writes the storages of a world.
pub(crate) fn set_up(state: &mut State, world: &World) {
    let mut sections = vec![];
    match &world.storages {
        Some(storages) => {
            if !storages.contains_key("local") {
                sections.push(local());
            }
            sections.extend(storages.iter().map(|(id, storage)| described(id, storage)));
        }
        None => {
            sections.push(local());
            state.assumed_storages = true;
        }
    }
    state.any_image = world.images == crate::world::Images::Any;
    state.write_storages(&sections);
}

fn local() -> Storage {
    let options = [("path", "/var/lib/vz"), ("content", "backup,import,iso,snippets,vztmpl")];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Storage { id: "local".to_owned(), kind: StorageKind::Dir, options }
}

fn described(id: &str, storage: &StorageWorld) -> Storage {
    let place = storage.path.clone().unwrap_or_else(|| match storage.kind.is_folder() {
        true => format!("/srv/{id}"),
        false => id.to_owned(),
    });
    let mut options = BTreeMap::from([(storage.kind.place_option().to_owned(), place)]);
    if storage.kind == StorageKind::Lvmthin {
        options.insert("thinpool".to_owned(), "data".to_owned());
    }
    let content =
        storage.content.as_ref().map_or_else(|| storage.kind.default_content().to_owned(), |held| held.join(","));
    options.insert("content".to_owned(), content);
    options.extend(storage.options.clone());
    Storage { id: id.to_owned(), kind: storage.kind, options }
}

impl State {
    /// All storages, in the order of the file.
    pub(crate) fn storages(&self) -> Vec<Storage> {
        let text = self.files.text(FILE).unwrap_or_default();
        let mut storages: Vec<Storage> = Vec::new();
        for line in text.lines() {
            if let Some(line) = line.strip_prefix(['\t', ' ']) {
                let line = line.trim();
                let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, "1"));
                if let Some(storage) = storages.last_mut() {
                    storage.options.insert(key.to_owned(), value.trim().to_owned());
                }
            } else if let Some((kind, id)) = line.split_once(':')
                && let Some(kind) = StorageKind::from_name(kind.trim())
            {
                storages.push(Storage { id: id.trim().to_owned(), kind, options: BTreeMap::new() });
            }
        }
        storages
    }

    /// Writes all storages.
    pub(crate) fn write_storages(&mut self, storages: &[Storage]) {
        let mut text = String::new();
        for storage in storages {
            if !text.is_empty() {
                text.push('\n');
            }
            let _ = writeln!(text, "{}: {}", storage.kind.name(), storage.id);
            for (key, value) in &storage.options {
                let _ = writeln!(text, "\t{key} {value}");
            }
            if storage.kind.is_folder() {
                for folder in ["images", "dump", "snippets", "import", "template/cache", "template/iso"] {
                    self.make_folders(&format!("{}/{folder}", storage.place()));
                }
            }
        }
        self.write_file(FILE, text.into_bytes());
    }

    /// A storage, enabled or not. In a world without a list of storages one that is asked for comes into being.
    pub(crate) fn storage(&mut self, id: &str) -> Result<Storage, Failure> {
        let storages = self.storages();
        if let Some(storage) = storages.iter().find(|storage| storage.id == id) {
            return Ok(storage.clone());
        }
        if !self.assumed_storages {
            return Err(Failure::die(format!("storage '{id}' does not exist")));
        }
        self.assume(id, StorageKind::Zfspool)
    }

    /// The storage of a volume, as [`Self::storage`]: one that comes into being for a file can hold files.
    pub(crate) fn storage_of(&mut self, volume: &VolumeRef<'_>) -> Result<Storage, Failure> {
        let is_new = self.assumed_storages && !self.storages().iter().any(|storage| storage.id == volume.storage);
        let holds_files = FILES.iter().any(|content| volume.name.starts_with(content));
        if is_new && holds_files {
            self.assume(volume.storage, StorageKind::Btrfs)
        } else {
            self.storage(volume.storage)
        }
    }

    /// Makes a storage that the world does not speak of.
    fn assume(&mut self, id: &str, kind: StorageKind) -> Result<Storage, Failure> {
        let is_folder = kind.is_folder();
        let world = StorageWorld {
            kind,
            path: (!is_folder).then(|| format!("rpool/{id}")),
            content: is_folder.then(|| EVERYTHING.map(str::to_owned).into()),
            size_gib: 0,
            options: BTreeMap::new(),
        };
        let mut storages = self.storages();
        let storage = described(id, &world);
        storages.push(storage.clone());
        self.write_storages(&storages);
        Ok(storage)
    }

    /// A storage that can be used.
    pub(crate) fn enabled_storage(&mut self, id: &str) -> Result<Storage, Failure> {
        let storage = self.storage(id)?;
        if storage.is_disabled() {
            return Err(Failure::die(format!("storage '{id}' is disabled")));
        }
        if storage.is_elsewhere() {
            return Err(Failure::die(format!("storage '{id}' is not available on node '{}'", crate::grammar::NODE)));
        }
        Ok(storage)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use crate::{SimNode, World};

    #[test_case(&["pct create 100 nas:vztmpl/debian-12.tar.zst --rootfs tank:4"]; "template")]
    #[test_case(&["pct create 100 nas:vztmpl/debian-12.tar.zst --rootfs nas:4", "pct snapshot 100 one"]; "template and disk")]
    #[test_case(&["qm create 100 --ide2 isos:iso/debian.iso,media=cdrom"]; "iso")]
    #[test_case(&["qm create 100 --scsi0 tank:0,import-from=nas:import/image.qcow2"]; "image")]
    #[test_case(&["qm create 100", "qm set 100 --cicustom user=other:snippets/user.yaml"]; "snippet")]
    #[test_case(&["pct create 100 local:vztmpl/debian-12.tar.zst --rootfs tank:4 --hookscript other:snippets/hook.sh"]; "hook script")]
    #[tokio::test(start_paused = true)]
    async fn a_storage_that_is_asked_for_holds_what_is_asked_of_it(lines: &[&str]) {
        let node = SimNode::new(World::default());
        let mut state = node.state();
        state.write_file("/srv/other/snippets/hook.sh", b"#!/bin/sh\n".to_vec());
        state.files.change("/srv/other/snippets/hook.sh", |entry| entry.mode = 0o755).unwrap();
        drop(state);
        for line in lines {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let answer = node.run(&argv, b"").await;
            assert_eq!(answer.exit, 0, "{line}: {}{}", answer.stdout, answer.stderr);
        }
    }
}
