//! NFS volumes of a VM: the source directory on the node, the line in the VM's fstab, the mount, and a look whether it is there.

use std::time::Duration;

use phoenix_host::{Command, Effect};

use super::error::StepError;
use super::guest::Worker;
use super::settings;
use crate::desired::{NfsMount, NfsServer, Spec};
use crate::node::Site;

/// What is done inside the VM; its own comment says how it is called.
const SCRIPT: &str = include_str!("volumes.sh");

/// How long mounting all volumes may take. An NFS server that does not answer keeps `mount` waiting for two minutes.
const DEADLINE: Duration = Duration::from_secs(300);

/// A path as fstab writes it: blanks and backslashes as octal escapes (fstab(5)).
fn fstab_field(path: &str) -> String {
    path.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011")
}

fn mount_arguments(volume: &NfsMount) -> [String; 5] {
    let source = format!("{}:{}", volume.server, volume.path);
    let field = fstab_field(volume.mount_point.as_str());
    let line = format!("{} {field} nfs {} 0 0", fstab_field(&source), volume.options);
    ["mount".to_owned(), source, volume.mount_point.to_string(), field, line]
}

/// Mounts the volumes that are configured, and unmounts those that Phoenix mounted and that are configured no more.
pub(super) async fn mount(worker: &mut Worker<'_>, site: &Site) -> Result<(), StepError> {
    let Spec::Vm(spec) = &worker.guest.spec else { return Ok(()) };
    for volume in spec.volumes.iter().filter(|volume| volume.on == NfsServer::ThisNode) {
        if site.host.stat(&volume.path).await?.is_none() {
            settings::on_node(site, "mkdir", &["-p", "--", volume.path.as_str()], settings::QUICK).await?;
        }
    }
    let wanted: std::collections::BTreeSet<String> =
        spec.volumes.iter().map(|volume| volume.mount_point.to_string()).collect();
    let gone = worker.record.volumes.difference(&wanted);
    let arguments: Vec<String> = gone
        .flat_map(|target| ["unmount".to_owned(), String::new(), target.clone(), fstab_field(target), String::new()])
        .chain(spec.volumes.iter().flat_map(mount_arguments))
        .collect();
    if arguments.is_empty() {
        return Ok(());
    }
    let command = Command::new("sh", Effect::Change, DEADLINE).args(["-c", SCRIPT, "phoenix-volumes"]).args(arguments);
    let output = site.inside(worker.kind(), worker.id()).exec(command).await?;
    if !output.succeeded() {
        return Err(StepError::Volumes {
            status: output.status.map_or_else(|| "a signal".to_owned(), |status| format!("status {status}")),
            tail: output.stderr_text().trim().to_owned(),
        });
    }
    if worker.record.volumes != wanted {
        worker.record.volumes = wanted;
        settings::write_record(worker, site).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_paths_stay_in_one_field() {
        assert_eq!(fstab_field("/mnt/my data\\x"), "/mnt/my\\040data\\134x");
    }
}
