//! Runs that are not compared, and why.

use super::Run;

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
    let stdout = run.stdout.as_str();
    if stdout.contains("MMP: device currently active") || stdout.contains("already mounted or mount point busy") {
        return Some("a loop device of an earlier command was still mounted on the test node".to_owned());
    }
    match run.argv.first().map(String::as_str) {
        Some(program @ ("vzdump" | "pveversion")) => Some(format!("`{program}` is no part of the simulated node")),
        _ => None,
    }
}

/// Why a command on the node between the runs is not run, when it is not.
pub(super) fn shell(text: &str) -> Option<&'static str> {
    text.starts_with("python3 ").then_some("there is no Python on the simulated node")
}
