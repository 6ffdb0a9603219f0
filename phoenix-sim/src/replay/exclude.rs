//! Runs that are not compared, and why.

use super::record::Run;

/// What a recorded run printed that shows its node to be the cause, and the cause.
const BY_OUTPUT: [(&str, &str); 5] = [
    ("MMP: device currently active", "a loop device of an earlier command was still mounted on the test node"),
    ("already mounted or mount point busy", "a loop device of an earlier command was still mounted on the test node"),
    (
        "An error occurred in another process",
        "the container's disk was empty: the snapshot was taken before the test node had written it",
    ),
    (
        "falling back to 'unmanaged'",
        "the container's disk was empty: the snapshot was taken before the test node had written it",
    ),
    ("local:backup/vzdump-", "it lists files that earlier sessions left on the test node"),
];

/// Programs that the simulated node does not have, and why.
const BY_PROGRAM: [(&str, &str); 2] = [
    ("vzdump", "backups are no part of the simulated node"),
    ("pveversion", "`pveversion` is no part of the simulated node"),
];

/// Why a run is not compared, when it is not.
pub(super) fn run(run: &Run) -> Option<String> {
    if let Some(artifact) = &run.artifact {
        let reason = match artifact {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(texts) => {
                texts.iter().filter_map(|text| text.as_str()).collect::<Vec<_>>().join("; ")
            }
            other => other.to_string(),
        };
        return Some(format!("the test node shaped it: {reason}"));
    }
    let words: Vec<&str> = run.argv.iter().map(String::as_str).collect();
    if let Some((_, reason)) = BY_PROGRAM.iter().find(|(program, _)| words.first() == Some(program)) {
        return Some((*reason).to_owned());
    }
    if matches!(words.as_slice(), ["pct", "restore", ..]) || words.contains(&"--restore") {
        return Some("backups are no part of the simulated node".to_owned());
    }
    if words == ["pct", "cpusets"] && run.stdout == "no running containers\n" {
        return Some("the test node had no cgroup controller for processors, so none was ever shown".to_owned());
    }
    let found = BY_OUTPUT.iter().find(|(sign, _)| run.stdout.contains(sign) || run.stderr.contains(sign));
    found.map(|(_, reason)| (*reason).to_owned())
}
