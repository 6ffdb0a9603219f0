//! The node itself: programs, version, cluster, clock, memory.

use phoenix_config::Severity;
use phoenix_config::model::State;
use phoenix_host::HostError;
use serde::Deserialize;

use super::inspection::Inspection;
use crate::check::Check;
use crate::lock;

/// The programs that every run needs.
const TOOLS: [&str; 4] = ["pct", "qm", "pvesm", "pvesh"];

/// The oldest release whose tools Phoenix's command lines were compared with.
const OLDEST: u32 = 9;

/// Looks at the node; gives its version.
pub(super) async fn examine(inspection: &mut Inspection<'_>) -> Result<Option<String>, HostError> {
    programs(inspection).await?;
    let version = version(inspection).await?;
    basics(inspection).await?;
    name(inspection).await?;
    clock(inspection).await?;
    under_way(inspection).await?;
    memory(inspection).await?;
    Ok(version)
}

/// Looks at what every change needs.
pub(super) async fn basics(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    user(inspection).await?;
    quorum(inspection).await?;
    kvm(inspection).await
}

async fn programs(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let Some(output) = inspection.reader.ask("which", &TOOLS).await? else { return Ok(()) };
    let found = output.stdout_text();
    let is_there = |tool: &&str| found.lines().any(|line| line.rsplit('/').next() == Some(*tool));
    let missing: Vec<&str> = TOOLS.into_iter().filter(|tool| !is_there(tool)).collect();
    if !missing.is_empty() {
        let message = format!("`{}` is not on the node's path", missing.join("`, `"));
        let advice = "run it on a Proxmox VE node, as root: its tools are in `/usr/sbin`";
        inspection.note(Check::Programs, Severity::Error, message, advice);
    }
    Ok(())
}

async fn version(inspection: &mut Inspection<'_>) -> Result<Option<String>, HostError> {
    #[derive(Deserialize)]
    struct Answer {
        version: String,
    }
    let Some(output) = inspection.reader.ask("pvesh", &["get", "/version", "--output-format", "json"]).await? else {
        return Ok(None);
    };
    let Ok(Answer { version }) = serde_json::from_slice(&output.stdout) else { return Ok(None) };
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major| major < OLDEST) {
        let message = format!("the node runs Proxmox VE {version}; Phoenix supports {OLDEST} and newer");
        let advice = "check `phoenix plan` carefully, or upgrade the node";
        inspection.note(Check::Version, Severity::Warning, message, advice);
    }
    Ok(Some(version))
}

async fn user(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let Some(output) = inspection.reader.ask("id", &["-u"]).await? else { return Ok(()) };
    let id = output.stdout_text().trim().to_owned();
    if !id.is_empty() && id != "0" {
        let message = format!("the user on the node has the uid {id} and is not root");
        inspection.note(Check::User, Severity::Error, message, "run it as root, or with `--host ssh://root@NODE`");
    }
    Ok(())
}

async fn quorum(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    // Written by the cluster file system (pve-cluster, `status.c`); a node that is alone has no `cluster` in it.
    #[derive(Deserialize)]
    struct Members {
        cluster: Option<Cluster>,
    }
    #[derive(Deserialize)]
    struct Cluster {
        name: String,
        quorate: u8,
    }
    let Some(text) = inspection.reader.text("/etc/pve/.members").await? else { return Ok(()) };
    if let Ok(Members { cluster: Some(Cluster { name, quorate: 0 }) }) = serde_json::from_str(&text) {
        let message = format!("the cluster `{name}` has no quorum: `/etc/pve` cannot be written");
        inspection.note(Check::Quorum, Severity::Error, message, "check `pvecm status` and start the other nodes");
    }
    Ok(())
}

async fn name(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let (Some(name), Some(hosts)) =
        (inspection.reader.text("/etc/hostname").await?, inspection.reader.text("/etc/hosts").await?)
    else {
        return Ok(());
    };
    let name = name.trim();
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    if !name.is_empty() && !lines.flat_map(|line| line.split_whitespace().skip(1)).any(|known| known == name) {
        let message = format!("the node's name `{name}` is not in its `/etc/hosts`");
        let advice = "add a line with the node's address and name: Proxmox VE reads its own address from there";
        inspection.note(Check::NodeName, Severity::Warning, message, advice);
    }
    Ok(())
}

async fn clock(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let asked = inspection.reader.ask("timedatectl", &["show", "--property=NTPSynchronized", "--value"]).await?;
    if asked.is_some_and(|output| output.stdout_text().trim() == "no") {
        let message = "the node's clock is not synchronised".to_owned();
        let advice = "check `systemctl status chrony`: a wrong clock invalidates certificates";
        inspection.note(Check::Clock, Severity::Warning, message, advice);
    }
    Ok(())
}

async fn under_way(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let message = match lock::holder(inspection.reader.host()).await {
        Ok(None) => return Ok(()),
        Ok(Some(holder)) => {
            format!("{} (process {}) has run `{}` since {}", holder.who, holder.process.pid, holder.doing, holder.since)
        }
        Err(lock::LockError::Host(error)) => return Err(error),
        Err(error) => error.to_string(),
    };
    let advice = "wait for it to end; the next run takes over the lock of a dead run";
    inspection.note(Check::Lock, Severity::Warning, message, advice);
    Ok(())
}

async fn memory(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let Some(text) = inspection.reader.text("/proc/meminfo").await? else { return Ok(()) };
    let Some(there) = total_mib(&text) else { return Ok(()) };
    let running = inspection.guests.iter().filter(|guest| guest.state == State::Running);
    let wanted: u64 = running.clone().map(|guest| u64::from(guest.memory.0)).sum();
    if wanted > there {
        let ids: Vec<_> = running.map(|guest| guest.id).collect();
        let message = format!("the guests that should run need {wanted} MiB of memory, but the node has {there} MiB");
        let advice = "lower `memory_mb`, or run fewer guests at the same time".to_owned();
        inspection.note_of((Check::Memory, Severity::Warning), ids, &["memory_mb".into()], message, advice);
    }
    Ok(())
}

/// `MemTotal` (proc_meminfo(5)).
fn total_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
}

async fn kvm(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let vms: Vec<_> = inspection.guests.iter().filter(|guest| guest.vm().is_some()).map(|guest| guest.id).collect();
    if !vms.is_empty() && inspection.reader.stat("/dev/kvm").await?.is_none() {
        let message = "the node has no `/dev/kvm`: VMs do not start".to_owned();
        let advice = "enable virtualisation in the firmware, or allow nested virtualisation".to_owned();
        inspection.note_of((Check::Kvm, Severity::Error), vms, &[], message, advice);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(total_mib("MemTotal:       65536000 kB\nMemFree:  1 kB\n"), Some(64_000));
        assert_eq!(total_mib("MemFree: 1 kB\n"), None);
        assert_eq!(total_mib("MemTotal: x\n"), None);
    }
}
