//! What the tools say about their work: reasons of failures, and warnings.

use phoenix_host::Output;

/// The warnings of a command that worked. The tools print them as `WARN: …`; a task only counts them in its last line when they
/// are in its log alone (pve-common `RESTEnvironment.pm`, `log_warn` and `TASK WARNINGS`).
#[must_use]
pub fn warnings(output: &Output) -> Vec<String> {
    let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
    let lines = || stderr.lines().chain(stdout.lines()).map(str::trim);
    let mut found: Vec<String> = Vec::new();
    for line in lines().filter_map(|line| line.strip_prefix("WARN: ")) {
        if !found.iter().any(|known| known == line) {
            found.push(line.to_owned());
        }
    }
    if found.is_empty() {
        let counted = |line: &&str| {
            line.starts_with("TASK WARNINGS: ")
                || (line.starts_with("Task finished with ") && line.contains(" warning"))
        };
        found.extend(lines().find(counted).map(|line| format!("{line} The task's log on the node says which")));
    }
    found
}

/// The reason that a tool gives, in one line: not its usage, and with QEMU's own words where the tool has none.
pub(crate) fn reason(stdout: &str, stderr: &str) -> Option<String> {
    let said = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_usage(line));
        lines.map(|line| line.strip_prefix("TASK ERROR: ").unwrap_or(line).to_owned()).collect()
    };
    let (out, err) = (said(stdout), said(stderr));
    let (last, before) = match err.split_last() {
        Some((last, before)) => (last, [&out, before].concat()),
        None => out.split_last().map(|(last, before)| (last, before.to_vec()))?,
    };
    // `400 Parameter verification failed.` is followed by a line for each parameter.
    if let Some(at) = err.iter().position(|line| line.starts_with("400 ") || line.starts_with("400:"))
        && err.len() > at + 1
    {
        return Some(err[at + 1..].join("; "));
    }
    // These say that something else has said why.
    let is_general =
        last.contains("QEMU exited with code") || (last.contains("command '") && last.contains("failed: exit code"));
    let why = before.iter().rev().find(|line| line.contains(':') && !line.ends_with("..."));
    Some(match why.filter(|_| is_general) {
        Some(why) => format!("{last} ({why})"),
        None => last.clone(),
    })
}

/// A line of a tool's usage, as it follows an error about parameters.
fn is_usage(line: &str) -> bool {
    let tool = ["pct ", "qm ", "pvesm ", "pvesh ", "USAGE: "].iter().any(|tool| line.starts_with(tool));
    tool && (line.contains("[OPTIONS]") || line.contains('<'))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("", "snapshot feature is not available\n", "snapshot feature is not available")]
    #[test_case(
        "",
        "400 Parameter verification failed.\nimport-from: has wrong type\nqm create <vmid> [OPTIONS]\n",
        "import-from: has wrong type"
    )]
    #[test_case("", "400 Parameter verification failed.\na: one\nb: two\npct set <vmid> [OPTIONS]\n", "a: one; b: two")]
    #[test_case(
        "kvm: -drive file=/x: Could not open '/x': No such file\n",
        "start failed: QEMU exited with code 1\n",
        "start failed: QEMU exited with code 1 (kvm: -drive file=/x: Could not open '/x': No such file)"
    )]
    #[test_case(
        "",
        "lvcreate: no space\nTASK ERROR: command '/sbin/lvcreate' failed: exit code 5\n",
        "command '/sbin/lvcreate' failed: exit code 5 (lvcreate: no space)"
    )]
    #[test_case("extracting archive\nno such image\n", "", "no such image")]
    fn reasons(stdout: &str, stderr: &str, expected: &str) {
        assert_eq!(reason(stdout, stderr).as_deref(), Some(expected));
    }

    #[test]
    fn a_tool_that_says_nothing_gives_no_reason() {
        assert_eq!(reason("\n", ""), None);
    }

    #[test_case("", "WARN: Systemd 255 detected. You may need to enable nesting.\nTask finished with 1 warning(s)!\n", &["Systemd 255 detected. You may need to enable nesting."])]
    #[test_case("a\nTASK WARNINGS: 2\n", "", &["TASK WARNINGS: 2 The task's log on the node says which"])]
    #[test_case("Logical volume created\n", "  WARNING: Sum of all thin volume sizes exceeds the pool\n", &[])]
    fn warnings_of_the_tools(stdout: &str, stderr: &str, expected: &[&str]) {
        let output = Output { stdout: stdout.into(), stderr: stderr.into(), ..Output::default() };
        assert_eq!(warnings(&output), expected);
    }
}
