//! `pveam`: container templates (pve-manager `CLI/pveam.pm`, `API2/Nodes.pm`).

use std::time::Duration;

use super::Storage;
use crate::node::{Call, Failure, VolumeRef, Worker};

/// What can be downloaded: section, template, architecture (Proxmox's index of November 2026).
const AVAILABLE: &str = include_str!("../../data/appliances.txt");

/// Runs a command of `pveam`.
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    match call.inv.command.as_str() {
        "update" => {
            call.out("update successful\n");
            Ok(())
        }
        "available" => {
            let section = call.param("section").map(str::to_owned);
            let mut text = String::new();
            for line in AVAILABLE.lines() {
                let mut words = line.split(' ');
                let (Some(of), Some(template), Some(arch)) = (words.next(), words.next(), words.next()) else {
                    continue;
                };
                if section.as_ref().is_none_or(|section| section == of) {
                    text.push_str(&format!("{of:<15} {template:<60} {arch}\n"));
                }
            }
            call.out(&text);
            Ok(())
        }
        "list" => list(call),
        "download" => download(call).await,
        "remove" => remove(call),
        other => Err(Failure::die(format!("`pveam {other}` is not part of the simulated node"))),
    }
}

fn template_storage(call: &mut Call<'_>, id: &str) -> Result<Storage, Failure> {
    let storage = call.state().enabled_storage(id)?;
    if storage.holds("vztmpl") { Ok(storage) } else { Err(Failure::die("Storage does not support templates!")) }
}

fn list(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.param("storage").unwrap_or_default().to_owned();
    let storage = template_storage(call, &id)?;
    let items = call.state().listing(&storage);
    let mut text = format!("{:<60} {:<6}\n", "NAME", "SIZE");
    for item in items.iter().filter(|item| item.content == "vztmpl") {
        #[expect(clippy::cast_precision_loss, reason = "a size with two decimals")]
        let size = item.size as f64 / f64::from(1 << 20);
        text.push_str(&format!("{:<60} {size:.2}MB\n", item.volid));
    }
    call.out(&text);
    Ok(())
}

async fn download(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.param("storage").unwrap_or_default().to_owned();
    let template = call.param("template").unwrap_or_default().to_owned();
    let Some(section) = AVAILABLE.lines().find_map(|line| {
        let mut words = line.split(' ');
        let section = words.next()?;
        (words.next()? == template).then_some(section)
    }) else {
        return Err(call.bad_param("template", "no such template"));
    };
    let storage = call.state().enabled_storage(&id)?;
    if !storage.holds("vztmpl") {
        return Err(Failure::die(format!("storage '{id}' does not support templates")));
    }
    let path = storage.path(&format!("vztmpl/{template}"), None);
    call.begin(Worker::Unchecked, "download", "");
    let url = format!("http://download.proxmox.com/images/{section}/{template}");
    if call.state().files.exists(&path) {
        call.out("calculating checksum of existing file...OK, got correct file already, no need to download\n");
        return Ok(());
    }
    call.out(&format!("downloading {url} to {path}\n"));
    call.work(Duration::from_secs(20)).await;
    call.state().write_file(&path, template.clone().into_bytes());
    call.out(&format!("calculating checksum...OK, checksum verified\ndownload of '{url}' to '{path}' finished\n"));
    Ok(())
}

fn remove(call: &mut Call<'_>) -> Result<(), Failure> {
    let volid = call.param("template_path").unwrap_or_default().to_owned();
    let volume =
        VolumeRef::parse(&volid).ok_or_else(|| Failure::die(format!("unable to parse volume ID '{volid}'")))?;
    let storage = template_storage(call, volume.storage)?;
    let path = storage.path(volume.name, None);
    match call.state().files.remove(&path) {
        Ok(()) => Ok(()),
        Err(_) => Err(Failure::with_exit(format!("volume '{volid}' does not exist"), 2)),
    }
}
