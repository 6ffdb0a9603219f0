//! Has cloud-init finished?

use std::fmt;
use std::time::Duration;

use phoenix_host::{Command, Effect, Output};
use phoenix_types::gate::{Absence, CloudInitProbe, Place, Recoverable};
use serde_json::Value;

use super::answer::{self, OUTPUT_KEPT, last_line};
use crate::{Answer, Ask, ProbeContext, Verdict};

/// Prints what cloud-init left in files, since the program takes half a minute on a slow machine: `status.json` and `result.json`
/// when it has finished. The program is asked when the files say nothing, or when one of its services failed.
pub(crate) const CLOUD_INIT: &str = r#"cd /run/cloud-init 2>/dev/null || exec cloud-init status --long
units="cloud-init-local cloud-init cloud-init-main cloud-init-network cloud-config cloud-final"
if [ -s result.json ]; then cat status.json; echo; echo "== result"; cat result.json
elif [ -e disabled ]; then echo "status: disabled"
elif [ -s status.json ] && ! systemctl is-failed --quiet $units 2>/dev/null; then echo "status: running"
else exec cloud-init status --long
fi"#;

/// What stands between the two files.
const RESULT: &str = "== result";

/// What cloud-init says of itself.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// As `cloud-init status` calls it; empty when it says nothing.
    pub(crate) status: String,
    /// Whether it finished with errors that it got over.
    degraded: bool,
    errors: Vec<String>,
}

impl Report {
    /// Reads what [`CLOUD_INIT`] prints.
    pub(crate) fn parse(text: &str) -> Self {
        if let Some((status, result)) = text.split_once(RESULT) {
            return Self::of_files(status, result).unwrap_or_default();
        }
        let field = |name: &str| {
            text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
        };
        let status = field("status").unwrap_or_default();
        let degraded =
            status.contains("degraded") || field("extended_status").is_some_and(|it| it.contains("degraded"));
        let status = if status == "degraded done" { "done".to_owned() } else { status };
        let errors = listed(text);
        let errors = if errors.is_empty() && status == "error" { detail(text) } else { errors };
        Self { status, degraded, errors }
    }

    /// By `status.json` and `result.json` (<https://docs.cloud-init.io/en/latest/explanation/failure_states.html>).
    fn of_files(status: &str, result: &str) -> Option<Self> {
        let result: Value = serde_json::from_str(result).ok()?;
        // The file about the stages may be cut off; the result says what counts.
        let stages: Value = serde_json::from_str(status).unwrap_or_default();
        let texts = |list: &Value| -> Vec<String> {
            let items = list.as_array().into_iter().flatten();
            items.map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
        };
        let errors = texts(result.get("v1")?.get("errors")?);
        let stages = stages.get("v1").and_then(Value::as_object).into_iter().flatten();
        let mut recoverable: Vec<String> = stages
            .filter_map(|(_, stage)| stage.get("recoverable_errors")?.as_object())
            .flat_map(|levels| levels.values().flat_map(texts))
            .collect();
        recoverable.dedup();
        let degraded = !recoverable.is_empty();
        let (status, found) = if errors.is_empty() { ("done", recoverable) } else { ("error", errors) };
        let errors = found.iter().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        Some(Self { status: status.to_owned(), degraded, errors })
    }

    /// Whether [`CLOUD_INIT`] printed the files, and not the words of cloud-init's own program.
    pub(crate) fn is_of_files(text: &str) -> bool {
        text.contains(RESULT)
    }

    /// A finding with cloud-init's own errors.
    pub(crate) fn with_errors(&self, what: &str) -> String {
        match last_line(&self.errors.join("; ")) {
            Some(errors) => format!("{what}: {errors}"),
            None => what.to_owned(),
        }
    }
}

/// In the words of `cloud-init status --long`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status: {}{}", if self.degraded { "degraded " } else { "" }, self.status)?;
        let list = if self.degraded { "recoverable_errors" } else { "errors" };
        if !self.errors.is_empty() {
            write!(f, "\n{list}:")?;
        }
        self.errors.iter().try_for_each(|error| write!(f, "\n\t- {error}"))
    }
}

impl Ask for CloudInitProbe {
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer {
        let mut command = Command::new("sh", Effect::Read, limit).args(["-c", CLOUD_INIT]);
        command.output_limit = 8 * OUTPUT_KEPT;
        match context.run(Place::Guest, command).await {
            Ok(output) => judge(*self, &output),
            Err(answer) => answer,
        }
    }
}

fn judge(probe: CloudInitProbe, output: &Output) -> Answer {
    let report = Report::parse(&output.stdout_text());
    let text = answer::both_streams(output);
    let text = if Report::is_of_files(&text) { report.to_string() } else { text };
    let absent = match probe.absent {
        Absence::Fails => Verdict::Never,
        Absence::Passes => Verdict::Yes,
    };
    let finished = report.status == "done";
    let degraded = report.degraded || output.status == Some(2);
    let (verdict, said) = match (report.status.as_str(), output.status) {
        ("error", _) => (Verdict::Never, report.with_errors("cloud-init failed")),
        ("disabled", _) => (absent, "cloud-init is disabled in this guest".to_owned()),
        (_, Some(0 | 2)) if finished && degraded => (
            match probe.recoverable {
                Recoverable::NeedsReboot => Verdict::NeedsReboot,
                Recoverable::Passes => Verdict::Yes,
            },
            report.with_errors("done with errors"),
        ),
        (_, Some(0)) if finished => (Verdict::Yes, "done".to_owned()),
        (_, Some(127)) => (absent, "cloud-init is not installed in this guest".to_owned()),
        ("", status) => (
            Verdict::No,
            match (status, last_line(&text)) {
                (Some(status), Some(line)) => format!("`cloud-init status` ended with {status}: {line}"),
                (Some(status), None) => format!("`cloud-init status` ended with {status}"),
                (None, _) => "`cloud-init status` was ended by a signal".to_owned(),
            },
        ),
        (status, _) => (Verdict::No, report.with_errors(&format!("cloud-init: {status}"))),
    };
    Answer::new(verdict, said).with_output(text)
}

/// What `--long` lists below `errors:` and `recoverable_errors:`.
fn listed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some((name, rest)) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t', '-'])) {
            // The recoverable ones are grouped by their log level, a line in capitals of its own.
            inside = matches!(name, "errors" | "recoverable_errors") || (inside && name == name.to_uppercase());
            let rest = rest.trim();
            if inside && !matches!(rest, "" | "[]" | "{}") {
                found.push(rest.to_owned());
            }
        } else if inside {
            let item = line.trim().trim_start_matches("- ");
            if !item.is_empty() {
                found.push(item.to_owned());
            }
        }
    }
    found
}

/// What `--long` of cloud-init 22 (Debian 12) writes below `detail:`; it lists no errors.
fn detail(text: &str) -> Vec<String> {
    let detail = text.split_once("\ndetail:").map(|(_, detail)| detail).unwrap_or_default();
    detail.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    const DEGRADED: &str = "status: done\nextended_status: degraded done\ndetail: DataSourceNoCloud [seed=/dev/sr0]\n\
        errors: []\nrecoverable_errors:\nWARNING:\n\t- Failed at merging in cloud config part from p-01\n";

    #[test_case("status: done\nextended_status: done\nerrors: []\n", 0, Verdict::Yes, "done"; "done")]
    #[test_case("status: running\nextended_status: running\n", 0, Verdict::No, "cloud-init: running"; "running")]
    #[test_case("status: not run\n", 0, Verdict::No, "cloud-init: not run"; "not run")]
    #[test_case("status: not started\n", 0, Verdict::No, "cloud-init: not started"; "not started")]
    #[test_case("status: disabled\n", 0, Verdict::Never, "cloud-init is disabled in this guest"; "disabled")]
    #[test_case(DEGRADED, 2, Verdict::NeedsReboot, "done with errors"; "degraded")]
    #[test_case("status: error\nerrors:\n\t- ('scripts_user', RuntimeError('1 of 2 failed'))\n", 1, Verdict::Never,
        "cloud-init failed: ('scripts_user', RuntimeError('1 of 2 failed'))"; "its own error text")]
    #[test_case("", 127, Verdict::Never, "cloud-init is not installed in this guest"; "not installed")]
    #[test_case("", 1, Verdict::No, "`cloud-init status` ended with 1"; "says nothing")]
    #[test_case("status: done\n", 1, Verdict::No, "cloud-init: done"; "done but exit 1 is never taken for healthy")]
    #[test_case("status: error\nboot_status_code: enabled-by-generator\nlast_update: Tue, 01 Dec 2026 02:00:00 +0000\ndetail:\n\
        ('users_groups', ProcessExecutionError(\"Unexpected error while running command.\"))\n", 1, Verdict::Never,
        "cloud-init failed: ('users_groups', ProcessExecutionError("; "as cloud-init 22 says it")]
    #[test_case("{\"v1\": {\"stage\": null}}\n== result\n{\"v1\": {\"datasource\": \"x\", \"errors\": []}}", 0, Verdict::Yes,
        "done"; "files")]
    #[test_case("{\"v1\": {\"init\": {\"errors\": [\"a\"]}}}\n== result\n{\"v1\": {\"errors\": [\"('scripts_user', RuntimeError('x'))\"]}}",
        0, Verdict::Never, "cloud-init failed: ('scripts_user', RuntimeError('x'))"; "files with errors")]
    #[test_case("{\"v1\": {\"init\": {\"recoverable_errors\": {\"WARNING\": [\"slow\"]}}}}\n== result\n{\"v1\": {\"errors\": []}}", 0,
        Verdict::NeedsReboot, "done with errors: slow"; "files with errors that it got over")]
    #[test_case("{\"v1\": \n== result\n{\"v1\"", 0, Verdict::No, "`cloud-init status` ended with 0"; "files cut off")]
    fn its_words(stdout: &str, status: i32, verdict: Verdict, said: &str) {
        let output = Output { status: Some(status), stdout: stdout.into(), ..Output::default() };
        let answer =
            judge(CloudInitProbe { recoverable: Recoverable::NeedsReboot, ..CloudInitProbe::default() }, &output);
        assert_eq!(answer.verdict, verdict);
        assert!(answer.said.starts_with(said), "{}", answer.said);
    }

    #[test]
    fn recoverable_errors_can_pass_and_are_told() {
        let output = Output { status: Some(2), stdout: DEGRADED.into(), ..Output::default() };
        let answer = judge(CloudInitProbe::default(), &output);
        assert_eq!(answer.verdict, Verdict::Yes);
        assert_eq!(answer.said, "done with errors: Failed at merging in cloud config part from p-01");
    }
}
