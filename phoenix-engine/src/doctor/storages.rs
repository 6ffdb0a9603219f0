//! Storages, and what is on them: templates and images.

use phoenix_config::Severity;
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use phoenix_config::model::{CloudImage, ContainerSource, Guest, Kind, VmSource};
use phoenix_config::source::Segment;
use phoenix_host::HostError;
use phoenix_lxc::Template;
use phoenix_pve::{Storage, Storages};
use phoenix_types::{DiskSize, GuestId, VolumeId};

use super::features;
use super::inspection::Inspection;
use crate::check::Check;
use crate::desired::Desired;
use crate::guest::Appliance;
use crate::observe::Observed;

/// What `pvesm status` says of a storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Status {
    word: String,
    available_kib: u64,
}

/// The contents that guests are made from.
const SOURCES: [&str; 3] = ["vztmpl", "iso", "import"];

/// What guests want of a storage.
#[derive(Debug, Clone, Default)]
struct Demand {
    /// Who wants it, and what is in the configuration.
    guests: Vec<(GuestId, Vec<Segment>)>,
    /// What is put there, by content type.
    contents: BTreeSet<&'static str>,
    /// The disks that are still to be made.
    bytes: u64,
}

/// Looks at the storages that guests name, and at what they are made from.
pub(super) async fn examine(
    inspection: &mut Inspection<'_>,
    desired: &Desired,
    observed: &Observed,
) -> Result<(), HostError> {
    let demands = demands(&inspection.guests, desired, observed);
    let statuses = statuses(inspection, demands.keys().map(String::as_str)).await?;
    // A storage of the simulated node may come into being when it is asked for, so the list is read after that.
    let storages = Storages::read(inspection.reader.host()).await?;
    for (name, demand) in &demands {
        judge(inspection, name, demand, &statuses, storages.get(name));
    }
    features::examine(inspection, &features::Situation { desired, observed, storages: &storages });
    sources(inspection, observed, &storages).await
}

fn demands(guests: &[&Guest], desired: &Desired, observed: &Observed) -> BTreeMap<String, Demand> {
    let mut demands: BTreeMap<String, Demand> = BTreeMap::new();
    let mut demand = |storage: &str, guest: &Guest, path: &[Segment], content: &'static str, size: Option<DiskSize>| {
        let demand = demands.entry(storage.to_owned()).or_default();
        demand.guests.push((guest.id, path.to_vec()));
        demand.contents.insert(content);
        if !observed.present.contains_key(&guest.id) {
            demand.bytes += size.map_or(0, DiskSize::bytes);
        }
    };
    for guest in guests {
        let disks = if guest.vm().is_some() { "images" } else { "rootdir" };
        // A guest that is there keeps its disks where they are.
        let made_on = desired.guests.get(&guest.id).and_then(|wanted| match wanted.clone_source() {
            None => desired.storage_of(wanted),
            Some(_) => None,
        });
        let absent = !observed.present.contains_key(&guest.id);
        if let Some(storage) = guest.storage.as_ref().or_else(|| made_on.filter(|_| absent)) {
            demand(storage.as_str(), guest, &["storage_pool".into()], disks, guest.first_disk());
        }
        match &guest.kind {
            Kind::Container(container) => {
                for (index, volume) in container.volumes.iter().enumerate() {
                    let path = ["volumes".into(), index.into()];
                    demand(volume.storage.as_str(), guest, &path, disks, Some(volume.size));
                }
                if let ContainerSource::Volume(volume) = &container.source {
                    demand(volume.storage(), guest, &["template".into()], "vztmpl", None);
                }
            }
            Kind::Vm(vm) => {
                if let VmSource::Image(CloudImage::Volume(volume)) = &vm.source {
                    demand(volume.storage(), guest, &["template_image".into()], "import", None);
                }
            }
        }
    }
    demands
}

/// The storages of the node. One that the list does not have is asked for by name once more: what the tool says then is the
/// last word.
async fn statuses(
    inspection: &Inspection<'_>,
    wanted: impl Iterator<Item = &str>,
) -> Result<BTreeMap<String, Status>, HostError> {
    let mut storages = BTreeMap::new();
    if let Some(output) = inspection.reader.ask("pvesm", &["status"]).await? {
        status(&output.stdout_text(), &mut storages);
    }
    let unknown: Vec<&str> = wanted.filter(|name| !storages.contains_key(*name)).collect();
    for name in unknown {
        if let Some(output) = inspection.reader.ask("pvesm", &["status", "--storage", name]).await? {
            status(&output.stdout_text(), &mut storages);
        }
    }
    Ok(storages)
}

/// Reads what `pvesm status` prints: name, type, status, total, used and available KiB, per cent.
fn status(text: &str, storages: &mut BTreeMap<String, Status>) {
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, _, status, _, _, available, ..] = words.as_slice() else { continue };
        let storage: &mut Status = storages.entry((*name).to_owned()).or_default();
        (*status).clone_into(&mut storage.word);
        storage.available_kib = available.parse().unwrap_or(0);
    }
}

fn judge(
    inspection: &mut Inspection<'_>,
    name: &str,
    demand: &Demand,
    statuses: &BTreeMap<String, Status>,
    storage: Option<&Storage>,
) {
    let Some((_, path)) = demand.guests.iter().min() else { return };
    let ids: Vec<GuestId> = demand.guests.iter().map(|(id, _)| *id).collect();
    let mut note = |check: Check, severity: Severity, message: String, advice: String| {
        inspection.note_of((check, severity), ids.iter().copied(), path, message, advice);
    };
    let Some(status) = statuses.get(name) else {
        let known: Vec<&str> = statuses.keys().map(String::as_str).collect();
        let message = format!("the node has no storage `{name}`");
        let advice = format!("use one of its storages (`{}`), or add it with `pvesm add`", known.join("`, `"));
        return note(Check::Storage, Severity::Error, message, advice);
    };
    if status.word != "active" {
        let message = format!("the storage `{name}` is {}", status.word);
        let advice = match status.word.as_str() {
            "disabled" => format!("enable it: `pvesm set {name} --disable 0`"),
            _ => format!("find the reason with `pvesm status --storage {name}`"),
        };
        return note(Check::Storage, Severity::Error, message, advice);
    }
    let refused = |content: &&str| storage.is_some_and(|storage| !storage.holds(content));
    let refused: Vec<&str> = demand.contents.iter().copied().filter(refused).collect();
    if !refused.is_empty() {
        let listed = storage.and_then(|storage| storage.option("content")).unwrap_or_default();
        let message = format!("the storage `{name}` does not allow `{}`, only {listed}", refused.join("`, `"));
        let advice = format!("allow it: `pvesm set {name} --content {listed},{}`", refused.join(","));
        return note(Check::StorageContent, Severity::Error, message, advice);
    }
    let wanted_kib = demand.bytes.div_ceil(1024);
    if wanted_kib > status.available_kib {
        let gib = |kib: u64| format!("{:.1} GiB", kib as f64 / f64::from(1 << 20));
        let message = format!(
            "new disks need up to {} on the storage `{name}`, which has {} left",
            gib(wanted_kib),
            gib(status.available_kib)
        );
        let advice = "free some space or reduce the disks; thin-provisioned disks may still fit".to_owned();
        note(Check::StorageSpace, Severity::Warning, message, advice);
    }
}

/// The file of a volume, on a storage with folders.
fn file_of(volume: &VolumeId, storages: &Storages) -> Option<Utf8PathBuf> {
    let (content, name) = volume.volume().split_once('/').filter(|(content, _)| SOURCES.contains(content))?;
    Some(storages.get(volume.storage())?.folder(content)?.join(name))
}

/// Looks for what the guests that are still to be made are made from.
async fn sources(inspection: &mut Inspection<'_>, observed: &Observed, storages: &Storages) -> Result<(), HostError> {
    let mut wanted: BTreeMap<(Check, Utf8PathBuf, String), BTreeSet<GuestId>> = BTreeMap::new();
    for guest in inspection.guests.iter().filter(|guest| !observed.present.contains_key(&guest.id)) {
        let of_volume = |volume: &VolumeId| Some((file_of(volume, storages)?, volume.to_string()));
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
        if inspection.reader.stat(file.clone()).await?.is_some() {
            continue;
        }
        let template: Option<Template> = name.parse().ok();
        if check == Check::Template && template.as_ref().is_some_and(|template| Appliance::of(template).is_some()) {
            let message = format!("`{name}` is not on the node, and `phoenix up` downloads it");
            let advice = format!("to have it before: `pveam download {}`", name.replacen(":vztmpl/", " ", 1));
            inspection.note_of((check, Severity::Warning), guests, &["template".into()], message, advice);
            continue;
        }
        let (key, advice) = match (check, name.split_once(":vztmpl/")) {
            (Check::Template, _) => ("template", "copy it there, or use another one".to_owned()),
            _ => ("template_image", format!("copy it to `{file}`, or use an image that Phoenix can download")),
        };
        let message = format!("`{name}` is not on the node");
        inspection.note_of((check, Severity::Error), guests, &[key.into()], message, advice);
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
        let mut statuses = BTreeMap::new();
        status(STATUS, &mut statuses);
        let seen: Vec<(&str, &str, u64)> =
            statuses.iter().map(|(name, one)| (name.as_str(), one.word.as_str(), one.available_kib)).collect();
        assert_eq!(seen, [("local", "active", 1_069_547_520), ("nas", "inactive", 0), ("old", "disabled", 0)]);
        let storages = Storages::parse("dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl\n");
        let file = |text: &str| file_of(&text.parse().unwrap(), &storages).map(Utf8PathBuf::into_string);
        assert_eq!(file("local:vztmpl/a.tar.zst").as_deref(), Some("/var/lib/vz/template/cache/a.tar.zst"));
        assert_eq!(file("local:import/a.qcow2").as_deref(), Some("/var/lib/vz/import/a.qcow2"));
        assert_eq!(file("local:103/vm-103-disk-0.raw"), None);
    }
}
