//! NFS volumes of a VM: the source directory on the node, the line in the VM's fstab, the mount, and a check whether it is there.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;
use phoenix_host::{Command, Effect};

use super::on_node::{QUICK, on_node};
use crate::converge::error::StepError;
use crate::converge::record;
use crate::converge::worker::Worker;
use crate::desired::{DesiredVm, NfsMount, NfsServer, Spec};
use crate::digest::Digest;
use crate::guest::{fstab_field, mounted_by};
use crate::node::Site;

/// What is done inside the VM; its own comment says how it is called.
const SCRIPT: &str = include_str!("volumes.sh");

/// How long mounting all volumes may take. An NFS server that does not answer keeps `mount` waiting for two minutes.
const DEADLINE: Duration = Duration::from_secs(300);

fn arguments_of(volume: &NfsMount) -> [String; 5] {
    let target = volume.mount_point.to_string();
    let field = fstab_field(&target);
    ["mount".to_owned(), volume.source(), target, field, volume.line()]
}

/// What the script is told: volumes that are no more, and those below one that changes, those further down first; then the
/// others, those further up first, so that one may be mounted below another.
fn arguments(spec: &DesiredVm, before: &BTreeMap<String, Digest>) -> Vec<String> {
    let wanted = mounted_by(spec);
    let changes =
        |target: &Utf8Path| before.get(target.as_str()).is_some_and(|old| wanted.get(target.as_str()) != Some(old));
    let goes = |target: &str| !wanted.contains_key(target) || Utf8Path::new(target).ancestors().skip(1).any(changes);
    let gone =
        before.keys().rev().filter(|target| goes(target)).flat_map(|target| {
            ["unmount".to_owned(), String::new(), target.clone(), fstab_field(target), String::new()]
        });
    let mut volumes: Vec<&NfsMount> = spec.volumes.iter().collect();
    volumes.sort_by_key(|volume| &volume.mount_point);
    gone.chain(volumes.into_iter().flat_map(arguments_of)).collect()
}

/// Mounts the volumes that are configured, and unmounts those that Phoenix mounted and that are no longer configured.
pub(in crate::converge) async fn mount(worker: &mut Worker<'_>, site: &Site) -> Result<(), StepError> {
    let Spec::Vm(spec) = &worker.guest.spec else { return Ok(()) };
    for volume in spec.volumes.iter().filter(|volume| volume.on == NfsServer::ThisNode) {
        if site.host.stat(&volume.path).await?.is_none() {
            on_node(site, "mkdir", &["-p", "--", volume.path.as_str()], QUICK).await?;
        }
    }
    let arguments = arguments(spec, &worker.record.volumes);
    if arguments.is_empty() {
        return Ok(());
    }
    let wanted = mounted_by(spec);
    // Should this run die now and a volume be no longer configured, the next one knows that it is ours to unmount; and as long as
    // it is configured, that it may not be there yet.
    let in_progress = wanted.iter().filter(|(target, digest)| worker.record.volumes.get(*target) != Some(digest));
    let in_progress: Vec<String> = in_progress.map(|(target, _)| target.clone()).collect();
    if !in_progress.is_empty() {
        worker.record.volumes.extend(in_progress.into_iter().map(|target| (target, Digest::of([]))));
        record::note(worker, site).await?;
    }
    let command = Command::new("sh", Effect::Change, DEADLINE).args(["-c", SCRIPT, "phoenix-volumes"]).args(arguments);
    let output = site.guests(worker.kind()).inside(worker.id()).exec(command).await?;
    if !output.succeeded() {
        return Err(StepError::Volumes {
            status: output.status.map_or_else(|| "a signal".to_owned(), |status| format!("status {status}")),
            tail: output.stderr_text().trim().to_owned(),
        });
    }
    if worker.record.volumes != wanted {
        worker.record.volumes = wanted;
        record::write(worker, site).await?;
    }
    Ok(())
}
