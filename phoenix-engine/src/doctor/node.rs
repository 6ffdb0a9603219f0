//! The node itself: programs, version, cluster, clock, memory.

use phoenix_config::model::State;
use phoenix_host::HostError;
use serde::Deserialize;

use super::{Check, Gravity, Patient};
use crate::lock;

/// The programs that every run needs.
const TOOLS: [&str; 4] = ["pct", "qm", "pvesm", "pvesh"];

/// The oldest release whose tools Phoenix's command lines were compared with.
const OLDEST: u32 = 9;

/// Looks at the node; gives its version.
pub(super) async fn examine(patient: &mut Patient<'_>) -> Result<Option<String>, HostError> {
    programs(patient).await?;
    let version = version(patient).await?;
    basics(patient).await?;
    name(patient).await?;
    clock(patient).await?;
    under_way(patient).await?;
    memory(patient).await?;
    Ok(version)
}

/// Looks at what every change needs.
pub(super) async fn basics(patient: &mut Patient<'_>) -> Result<(), HostError> {
    user(patient).await?;
    quorum(patient).await?;
    kvm(patient).await
}

async fn programs(patient: &mut Patient<'_>) -> Result<(), HostError> {
    let Some(output) = patient.look.ask("which", &TOOLS).await? else { return Ok(()) };
    let found = output.stdout_text();
    let is_there = |tool: &&str| found.lines().any(|line| line.rsplit('/').next() == Some(*tool));
    let missing: Vec<&str> = TOOLS.into_iter().filter(|tool| !is_there(tool)).collect();
    if !missing.is_empty() {
        let message = format!("`{}` is not on the node's path", missing.join("`, `"));
        let advice = "run it on a Proxmox VE node, as root: its tools are in `/usr/sbin`";
        patient.note(Check::Programs, Gravity::Error, message, advice);
    }
    Ok(())
}

async fn version(patient: &mut Patient<'_>) -> Result<Option<String>, HostError> {
    #[derive(Deserialize)]
    struct Answer {
        version: String,
    }
    let Some(output) = patient.look.ask("pvesh", &["get", "/version", "--output-format", "json"]).await? else {
        return Ok(None);
    };
    let Ok(Answer { version }) = serde_json::from_slice(&output.stdout) else { return Ok(None) };
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major| major < OLDEST) {
        let message = format!("the node runs Proxmox VE {version}; Phoenix is made for {OLDEST} and newer");
        let advice = "look at `phoenix plan` with care, or upgrade the node";
        patient.note(Check::Version, Gravity::Warning, message, advice);
    }
    Ok(Some(version))
}

async fn user(patient: &mut Patient<'_>) -> Result<(), HostError> {
    let Some(output) = patient.look.ask("id", &["-u"]).await? else { return Ok(()) };
    let id = output.stdout_text().trim().to_owned();
    if !id.is_empty() && id != "0" {
        let message = format!("the user on the node has the number {id}, and is not root");
        patient.note(Check::User, Gravity::Error, message, "run it as root, or with `--host ssh://root@NODE`");
    }
    Ok(())
}

async fn quorum(patient: &mut Patient<'_>) -> Result<(), HostError> {
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
    let Some(text) = patient.look.text("/etc/pve/.members").await? else { return Ok(()) };
    if let Ok(Members { cluster: Some(Cluster { name, quorate: 0 }) }) = serde_json::from_str(&text) {
        let message = format!("the cluster `{name}` has no quorum: `/etc/pve` cannot be written");
        patient.note(Check::Quorum, Gravity::Error, message, "look at `pvecm status`, and bring the other nodes up");
    }
    Ok(())
}

async fn name(patient: &mut Patient<'_>) -> Result<(), HostError> {
    let (Some(name), Some(hosts)) = (patient.look.text("/etc/hostname").await?, patient.look.text("/etc/hosts").await?)
    else {
        return Ok(());
    };
    let name = name.trim();
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    if !name.is_empty() && !lines.flat_map(|line| line.split_whitespace().skip(1)).any(|known| known == name) {
        let message = format!("the node's name `{name}` is not in its `/etc/hosts`");
        let advice = "add a line with the node's address and name: Proxmox VE finds its own address there";
        patient.note(Check::NodeName, Gravity::Warning, message, advice);
    }
    Ok(())
}

async fn clock(patient: &mut Patient<'_>) -> Result<(), HostError> {
    let asked = patient.look.ask("timedatectl", &["show", "--property=NTPSynchronized", "--value"]).await?;
    if asked.is_some_and(|output| output.stdout_text().trim() == "no") {
        let message = "the node's clock is not synchronised".to_owned();
        let advice = "look at `systemctl status chrony`: certificates of a wrong hour are refused";
        patient.note(Check::Clock, Gravity::Warning, message, advice);
    }
    Ok(())
}

async fn under_way(patient: &mut Patient<'_>) -> Result<(), HostError> {
    let message = match lock::holder(patient.look.host()).await {
        Ok(None) => return Ok(()),
        Ok(Some(holder)) => {
            format!("{} (process {}) has run `{}` since {}", holder.who, holder.process.pid, holder.doing, holder.since)
        }
        Err(lock::LockError::Host(error)) => return Err(error),
        Err(error) => error.to_string(),
    };
    let advice = "wait for it to end; the lock of a run that died is taken over by the next one";
    patient.note(Check::Lock, Gravity::Warning, message, advice);
    Ok(())
}

async fn memory(patient: &mut Patient<'_>) -> Result<(), HostError> {
    let Some(text) = patient.look.text("/proc/meminfo").await? else { return Ok(()) };
    let Some(there) = total_mib(&text) else { return Ok(()) };
    let running = patient.guests.iter().filter(|guest| guest.state == State::Running);
    let wanted: u64 = running.clone().map(|guest| u64::from(guest.memory.0)).sum();
    if wanted > there {
        let ids: Vec<_> = running.map(|guest| guest.id).collect();
        let message = format!("the guests that should run want {wanted} MiB of memory, and the node has {there} MiB");
        let advice = "lower `memory_mb`, or run fewer guests at the same time".to_owned();
        patient.note_of((Check::Memory, Gravity::Warning), ids, &["memory_mb".into()], message, advice);
    }
    Ok(())
}

/// `MemTotal` (proc_meminfo(5)).
fn total_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
}

async fn kvm(patient: &mut Patient<'_>) -> Result<(), HostError> {
    let vms: Vec<_> = patient.guests.iter().filter(|guest| guest.vm().is_some()).map(|guest| guest.id).collect();
    if !vms.is_empty() && patient.look.stat("/dev/kvm").await?.is_none() {
        let message = "the node has no `/dev/kvm`: VMs do not start".to_owned();
        let advice = "switch virtualisation on in the firmware, or allow nested virtualisation".to_owned();
        patient.note_of((Check::Kvm, Gravity::Error), vms, &[], message, advice);
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
