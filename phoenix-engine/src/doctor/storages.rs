//! Storages, and what is on them: templates and images.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::model::{CloudImage, ContainerSource, Guest, Kind, VmSource};
use phoenix_config::source::Segment;
use phoenix_host::HostError;
use phoenix_types::{DiskSize, GuestId, VolumeId};

use super::{Check, Gravity, Patient};
use crate::observe::Observed;

/// A storage of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Storage {
    /// What its section in `storage.cfg` says.
    settings: BTreeMap<String, String>,
    /// What `pvesm status` says, and how much room there is.
    status: String,
    available_kib: u64,
}

impl Storage {
    /// Whether it may hold this; nothing is said where the file says nothing.
    fn holds(&self, content: &str) -> bool {
        let listed = self.settings.get("content").map(|text| text.split(',').any(|one| one.trim() == content));
        listed.unwrap_or(true)
    }
}

/// What guests want of a storage.
#[derive(Debug, Clone, Default)]
struct Wish {
    /// Who wants it, and what stands in the configuration.
    guests: Vec<(GuestId, Vec<Segment>)>,
    /// What is put there, by content type.
    contents: BTreeSet<&'static str>,
    /// The disks that are still to be made.
    bytes: u64,
}

/// Looks at the storages that guests name, and at what they are made from.
pub(super) async fn examine(patient: &mut Patient<'_>, observed: &Observed) -> Result<(), HostError> {
    let wishes = wishes(&patient.guests, observed);
    let storages = storages(patient, wishes.keys().map(String::as_str)).await?;
    for (name, wish) in &wishes {
        judge(patient, name, wish, &storages);
    }
    sources(patient, observed, &storages).await
}

fn wishes(guests: &[&Guest], observed: &Observed) -> BTreeMap<String, Wish> {
    let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
    let mut wish = |storage: &str, guest: &Guest, path: &[Segment], content: &'static str, size: Option<DiskSize>| {
        let wish = wishes.entry(storage.to_owned()).or_default();
        wish.guests.push((guest.id, path.to_vec()));
        wish.contents.insert(content);
        if !observed.present.contains_key(&guest.id) {
            wish.bytes += size.map_or(0, DiskSize::bytes);
        }
    };
    for guest in guests {
        let disks = if guest.vm().is_some() { "images" } else { "rootdir" };
        if let Some(storage) = &guest.storage {
            wish(storage.as_str(), guest, &["storage_pool".into()], disks, guest.disk);
        }
        match &guest.kind {
            Kind::Container(container) => {
                for (index, volume) in container.volumes.iter().enumerate() {
                    let path = ["volumes".into(), index.into()];
                    wish(volume.storage.as_str(), guest, &path, disks, Some(volume.size));
                }
                if let ContainerSource::Volume(volume) = &container.source {
                    wish(volume.storage(), guest, &["template".into()], "vztmpl", None);
                }
            }
            Kind::Vm(vm) => {
                if let VmSource::Image(CloudImage::Volume(volume)) = &vm.source {
                    wish(volume.storage(), guest, &["template_image".into()], "import", None);
                }
            }
        }
    }
    wishes
}

/// The storages of the node. One that the list does not have is asked for by name once more: what the tool says then is the
/// last word.
async fn storages(
    patient: &Patient<'_>,
    wanted: impl Iterator<Item = &str>,
) -> Result<BTreeMap<String, Storage>, HostError> {
    let mut storages = BTreeMap::new();
    if let Some(output) = patient.look.ask("pvesm", &["status"]).await? {
        status(&output.stdout_text(), &mut storages);
    }
    let unknown: Vec<&str> = wanted.filter(|name| !storages.contains_key(*name)).collect();
    for name in unknown {
        if let Some(output) = patient.look.ask("pvesm", &["status", "--storage", name]).await? {
            status(&output.stdout_text(), &mut storages);
        }
    }
    let text = patient.look.text("/etc/pve/storage.cfg").await?.unwrap_or_default();
    for (name, settings) in sections(&text) {
        storages.entry(name).or_default().settings = settings;
    }
    Ok(storages)
}

/// Reads what `pvesm status` prints: name, type, status, total, used and available KiB, per cent.
fn status(text: &str, storages: &mut BTreeMap<String, Storage>) {
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, _, status, _, _, available, ..] = words.as_slice() else { continue };
        let storage: &mut Storage = storages.entry((*name).to_owned()).or_default();
        (*status).clone_into(&mut storage.status);
        storage.available_kib = available.parse().unwrap_or(0);
    }
}

/// Reads `storage.cfg`: a line `type: name`, then settings that are indented (pve-common, `PVE/SectionConfig.pm`).
fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut current = None;
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with([' ', '\t']) {
            let (key, value) = line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), "1"));
            if let Some(settings) = current.as_ref().and_then(|name: &String| sections.get_mut(name)) {
                settings.insert(key.to_owned(), value.trim().to_owned());
            }
        } else if let Some((kind, name)) = line.split_once(':') {
            let name = name.trim().to_owned();
            sections.insert(name.clone(), [("type".to_owned(), kind.trim().to_owned())].into());
            current = Some(name);
        }
    }
    sections
}

fn judge(patient: &mut Patient<'_>, name: &str, wish: &Wish, storages: &BTreeMap<String, Storage>) {
    let Some((_, path)) = wish.guests.iter().min() else { return };
    let ids: Vec<GuestId> = wish.guests.iter().map(|(id, _)| *id).collect();
    let mut note = |check: Check, gravity: Gravity, message: String, advice: String| {
        patient.note_of((check, gravity), ids.iter().copied(), path, message, advice);
    };
    let Some(storage) = storages.get(name).filter(|storage| !storage.status.is_empty()) else {
        let known: Vec<&str> = storages.keys().map(String::as_str).collect();
        let message = format!("the node has no storage `{name}`");
        let advice = format!("name one that it has (`{}`), or add it with `pvesm add`", known.join("`, `"));
        return note(Check::Storage, Gravity::Error, message, advice);
    };
    if storage.status != "active" {
        let message = format!("the storage `{name}` is {}", storage.status);
        let advice = match storage.status.as_str() {
            "disabled" => format!("enable it: `pvesm set {name} --disable 0`"),
            _ => format!("look why: `pvesm status --storage {name}`"),
        };
        return note(Check::Storage, Gravity::Error, message, advice);
    }
    let refused: Vec<&str> = wish.contents.iter().copied().filter(|content| !storage.holds(content)).collect();
    if !refused.is_empty() {
        let listed = storage.settings.get("content").cloned().unwrap_or_default();
        let message = format!("the storage `{name}` may not hold `{}`, only {listed}", refused.join("`, `"));
        let advice = format!("allow it: `pvesm set {name} --content {listed},{}`", refused.join(","));
        return note(Check::StorageContent, Gravity::Error, message, advice);
    }
    let wanted_kib = wish.bytes.div_ceil(1024);
    if wanted_kib > storage.available_kib {
        let gib = |kib: u64| format!("{:.1} GiB", kib as f64 / f64::from(1 << 20));
        let message = format!(
            "disks of up to {} are to be made on the storage `{name}`, which has {} left",
            gib(wanted_kib),
            gib(storage.available_kib)
        );
        let advice =
            "make room or the disks smaller; disks that grow as they are filled may fit all the same".to_owned();
        note(Check::StorageSpace, Gravity::Warning, message, advice);
    }
}

/// Where a storage with a folder keeps a volume (pve-storage, `PVE/Storage/Plugin.pm`, `get_subdir`); nothing for others.
fn file_of(volume: &VolumeId, storage: &Storage) -> Option<Utf8PathBuf> {
    let (content, name) = volume.volume().split_once('/')?;
    let below = match content {
        "vztmpl" => "template/cache",
        "iso" => "template/iso",
        "import" => "import",
        _ => return None,
    };
    let usual = format!("/mnt/pve/{}", volume.storage());
    let folder = match storage.settings.get("type").map(String::as_str) {
        Some("dir" | "btrfs") => storage.settings.get("path")?.clone(),
        Some("nfs" | "cifs" | "cephfs") => storage.settings.get("path").cloned().unwrap_or(usual),
        _ => return None,
    };
    Some(Utf8Path::new(&folder).join(below).join(name))
}

/// Looks for what the guests that are still to be made are made from.
async fn sources(
    patient: &mut Patient<'_>,
    observed: &Observed,
    storages: &BTreeMap<String, Storage>,
) -> Result<(), HostError> {
    let mut wanted: BTreeMap<(Check, Utf8PathBuf, String), BTreeSet<GuestId>> = BTreeMap::new();
    for guest in patient.guests.iter().filter(|guest| !observed.present.contains_key(&guest.id)) {
        let of_volume =
            |volume: &VolumeId| Some((file_of(volume, storages.get(volume.storage())?)?, volume.to_string()));
        let of_path = |path: &Utf8PathBuf| Some((path.clone(), path.to_string()));
        let source = match &guest.kind {
            Kind::Container(container) => match &container.source {
                ContainerSource::Volume(volume) => of_volume(volume).map(|found| (Check::Template, found)),
                ContainerSource::Path(path) => of_path(path).map(|found| (Check::Template, found)),
                ContainerSource::Clone => None,
            },
            Kind::Vm(vm) => match &vm.source {
                VmSource::Image(CloudImage::Volume(volume)) => of_volume(volume).map(|found| (Check::Image, found)),
                VmSource::Image(CloudImage::Path(path)) => of_path(path).map(|found| (Check::Image, found)),
                // It is fetched when it is not there.
                VmSource::Image(CloudImage::Download { .. }) | VmSource::Clone => None,
            },
        };
        if let Some((check, (file, name))) = source {
            wanted.entry((check, file, name)).or_default().insert(guest.id);
        }
    }
    for ((check, file, name), guests) in wanted {
        if patient.look.stat(file.clone()).await?.is_some() {
            continue;
        }
        let (key, advice) = match (check, name.split_once(":vztmpl/")) {
            (Check::Template, Some((storage, template))) => {
                ("template", format!("fetch it: `pveam update && pveam download {storage} {template}`"))
            }
            (Check::Template, None) => ("template", "copy it there, or name another one".to_owned()),
            _ => ("template_image", format!("copy it to `{file}`, or name an image that Phoenix can fetch")),
        };
        let message = format!("`{name}` is not on the node");
        patient.note_of((check, Gravity::Error), guests, &[key.into()], message, advice);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const STATUS: &str = "\
Name             Type     Status     Total (KiB)      Used (KiB) Available (KiB)        %
local             dir     active      1073741824         4194304      1069547520    0.39%
nas               nfs   inactive               0               0               0    0.00%
old               dir   disabled               0               0               0      N/A
";

    #[test]
    fn storages_are_read_from_what_the_node_says() {
        let mut storages = BTreeMap::new();
        status(STATUS, &mut storages);
        let seen: Vec<(&str, &str, u64)> =
            storages.iter().map(|(name, one)| (name.as_str(), one.status.as_str(), one.available_kib)).collect();
        assert_eq!(seen, [("local", "active", 1_069_547_520), ("nas", "inactive", 0), ("old", "disabled", 0)]);
        let text = "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl\n\n# a comment\nnfs: nas\n\tdisable\n\texport /x y\nbroken\n";
        let sections = sections(text);
        assert_eq!(sections["local"]["path"], "/var/lib/vz");
        assert_eq!((sections["nas"]["disable"].as_str(), sections["nas"]["export"].as_str()), ("1", "/x y"));
        let local = Storage { settings: sections["local"].clone(), ..Storage::default() };
        assert!(local.holds("iso") && !local.holds("images") && Storage::default().holds("images"));
        let file = |text: &str| file_of(&text.parse().unwrap(), &local).map(Utf8PathBuf::into_string);
        assert_eq!(file("local:vztmpl/a.tar.zst").as_deref(), Some("/var/lib/vz/template/cache/a.tar.zst"));
        assert_eq!(file("local:import/a.qcow2").as_deref(), Some("/var/lib/vz/import/a.qcow2"));
        assert_eq!(file("local:103/vm-103-disk-0.raw"), None);
    }
}
