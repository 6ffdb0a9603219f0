//! What the node has to give: GPUs and memory.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::model::{Guest, State};
use crate::rules::order::reads_state;
use crate::rules::{Rule, View};

/// The guests that run fit into the node.
#[derive(Debug)]
pub(super) struct Resources;

/// Shares are decimal fractions; their sums miss 1 by less than this.
const TOLERANCE: f64 = 1e-9;

impl Rule for Resources {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let mut claims: BTreeMap<u32, Vec<(&Guest, f64)>> = BTreeMap::new();
        let mut memory = 0_u64;
        let runs = |guest: &&Guest| guest.state == State::Running && reads_state(view, guest.id);
        for guest in view.guests.values().filter(runs) {
            if view.reads(guest.id, &["memory_mb"]) && view.reads_node(&["proxmox_defaults"]) {
                memory += u64::from(guest.memory.0);
            }
            let Some(container) = guest.container() else { continue };
            if let Some(share) = container.gpu_memory_share {
                for gpu in &container.gpus {
                    claims.entry(*gpu).or_default().push((guest, share));
                }
            }
        }
        findings.extend(claims.iter().filter_map(|(gpu, claims)| claimed_twice(*gpu, claims)));
        if let Some(node) = view.hypervisor.memory.filter(|node| u64::from(node.0) < memory) {
            findings.push(
                Finding::warning(
                    Code::NodeMemory,
                    Target::File(FileKind::Hypervisor),
                    format!("the running guests need {memory} MiB in total, but the node has {node}"),
                )
                .at(["node", "memory_mb"])
                .help("give guests less memory, or start fewer of them"),
            );
        }
    }
}

fn claimed_twice(gpu: u32, claims: &[(&Guest, f64)]) -> Option<Finding> {
    let sum: f64 = claims.iter().map(|(_, share)| share).sum();
    if claims.len() < 2 || sum <= 1.0 + TOLERANCE {
        return None;
    }
    let path = ["vllm_engine_config", "CacheConfig", "gpu_memory_utilization"];
    let ((last, _), others) = claims.split_last()?;
    let message = format!("GPU {gpu} is claimed {sum:.2} times over by the {} guests that run on it", claims.len());
    let finding = Finding::error(Code::GpuShare, Target::Guest(last.id), message)
        .at(path)
        .help("lower the shares to a total of 1, or give one of the guests another GPU");
    let labelled = others.iter().fold(finding, |finding, (guest, share)| {
        finding.label(Target::Guest(guest.id), path, format!("{share} of it is for `{}`", guest.name))
    });
    Some(labelled)
}
