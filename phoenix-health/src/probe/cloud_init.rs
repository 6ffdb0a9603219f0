//! Has cloud-init finished?

use std::time::Duration;

use phoenix_host::{Command, Effect, Output};
use phoenix_types::gate::{Absence, CloudInitProbe, Place, Recoverable};

use super::answer::{self, OUTPUT_KEPT};
use crate::{Answer, Ask, ProbeContext, Verdict};

impl Ask for CloudInitProbe {
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer {
        let mut command = Command::new("cloud-init", Effect::Read, limit).args(["status", "--long"]);
        command.output_limit = OUTPUT_KEPT;
        match answer::run(context, Place::Guest, command).await {
            Ok(output) => judge(*self, &output),
            Err(answer) => answer,
        }
    }
}

fn judge(probe: CloudInitProbe, output: &Output) -> Answer {
    let text = answer::both_streams(output);
    let field =
        |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()));
    let status = field("status").unwrap_or_default();
    let extended = field("extended_status").unwrap_or_default();
    let with_errors = |what: String| match errors(&text) {
        Some(errors) => format!("{what}: {errors}"),
        None => what,
    };
    let degraded = status.contains("degraded") || extended.contains("degraded") || output.status == Some(2);
    let absent = match probe.absent {
        Absence::Fails => Verdict::Never,
        Absence::Passes => Verdict::Yes,
    };
    let finished = status == "done" || status == "degraded done";
    let (verdict, said) = match (status.as_str(), output.status) {
        ("error", _) => (Verdict::Never, with_errors("cloud-init failed".to_owned())),
        ("disabled", _) => (absent, "cloud-init is disabled in this guest".to_owned()),
        (_, Some(0 | 2)) if finished && degraded => (
            match probe.recoverable {
                Recoverable::NeedsReboot => Verdict::NeedsReboot,
                Recoverable::Passes => Verdict::Yes,
            },
            with_errors("done with errors".to_owned()),
        ),
        (_, Some(0)) if finished => (Verdict::Yes, "done".to_owned()),
        (_, Some(127)) => (absent, "cloud-init is not installed in this guest".to_owned()),
        ("", status) => (
            Verdict::No,
            match (status, answer::last_line(&text)) {
                (Some(status), Some(line)) => format!("`cloud-init status` ended with {status}: {line}"),
                (Some(status), None) => format!("`cloud-init status` ended with {status}"),
                (None, _) => "`cloud-init status` was ended by a signal".to_owned(),
            },
        ),
        (status, _) => (Verdict::No, with_errors(format!("cloud-init: {status}"))),
    };
    Answer::new(verdict, said).with_output(text)
}

/// What `--long` lists below `errors:` and `recoverable_errors:`, in one line.
pub(crate) fn errors(text: &str) -> Option<String> {
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
    if found.is_empty() { None } else { answer::last_line(&found.join("; ")) }
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
