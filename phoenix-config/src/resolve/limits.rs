//! How long the work on a guest may take.

use phoenix_types::Span;

use super::defaults;
use crate::dialect::{LimitsEntry, Seconds, VmLimitsEntry};
use crate::model::Limits;

pub(super) fn of_container(entry: Option<&LimitsEntry>) -> Limits {
    Limits {
        start: entry.and_then(|entry| span(entry.start)),
        shutdown: entry.and_then(|entry| span(entry.shutdown)),
        script: entry.and_then(|entry| span(entry.script)).unwrap_or(defaults::SCRIPT),
        agent: None,
        cloud_init: defaults::CLOUD_INIT,
    }
}

pub(super) fn of_vm(entry: Option<&VmLimitsEntry>) -> Limits {
    let shared = entry.map(|VmLimitsEntry { start, shutdown, script, .. }| LimitsEntry {
        start: *start,
        shutdown: *shutdown,
        script: *script,
    });
    let usual = of_container(shared.as_ref());
    Limits {
        agent: entry.and_then(|entry| span(entry.agent)),
        cloud_init: entry.and_then(|entry| span(entry.cloud_init)).unwrap_or(usual.cloud_init),
        ..usual
    }
}

fn span(written: Option<Seconds>) -> Option<Span> {
    written.map(|seconds| Span::from_secs(seconds.get()))
}
