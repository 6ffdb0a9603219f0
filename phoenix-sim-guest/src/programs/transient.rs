//! `systemd-run`: services that exist only while they run.

use phoenix_sim_shell::files::Offset;
use phoenix_sim_shell::process::End;

use super::Call;
use super::arguments::Arguments;
use super::units::short;
use crate::journal;
use crate::services::{self, TRANSIENT};
use crate::world::UnitState;

/// The environment of a service.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Expands `$` in the arguments of a service as systemd does (systemd.service(5), "Command lines"): `$$` is a dollar sign,
/// `${NAME}` a value, and a word `$NAME` the words of a value. Any other `$` stays.
fn expand(argv: &[String], environment: &[(String, String)]) -> Vec<String> {
    let value = |name: &str| {
        let found = environment.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let mut words = Vec::new();
    for (at, word) in argv.iter().enumerate() {
        if let Some(name) = word.strip_prefix('$').filter(|name| at > 0 && !name.starts_with(['$', '{'])) {
            words.extend(value(name).split_whitespace().map(str::to_owned));
            continue;
        }
        let (mut expanded, mut rest) = (String::new(), word.as_str());
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                (expanded, rest) = (expanded + "$", after);
            } else if let Some((name, after)) = after.strip_prefix('{').and_then(|text| text.split_once('}')) {
                (expanded, rest) = (expanded + value(name), after);
            } else {
                (expanded, rest) = (expanded + "$", after);
            }
        }
        words.push(expanded + rest);
    }
    words
}

/// What systemd says of the lines of a unit file that it cannot read.
fn complaints(path: &str, text: &str) -> Vec<String> {
    let mut section = "";
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if line.is_empty() || line.starts_with('#') {
        } else if let Some((key, _)) = line.split_once('=') {
            if !key.starts_with(|first: char| first.is_ascii_uppercase()) {
                found.push(format!("{path}:{number}: Unknown key '{key}' in section [{section}], ignoring."));
            }
        } else {
            found.push(format!("{path}:{number}: Missing '=', ignoring line."));
        }
    }
    found
}

impl Call {
    pub(super) async fn systemd_run(&self) -> End {
        let arguments = Arguments::read_prefix(self.arguments(), "pEu");
        let argv = arguments.rest.clone();
        let Some(vmid) = self.machine().guest.filter(|_| !argv.is_empty()) else { return End::Exit(1) };
        let unit = arguments.long_value("unit").or(arguments.value('u')).unwrap_or("run-u1");
        let unit = short(unit).to_owned();
        let line = argv.join(" ");
        let file = format!("{TRANSIENT}/{unit}.service");
        if self.machine().files(|view| view.exists(&file)) {
            let refusal = format!("Unit {unit}.service was already loaded or has a fragment file.");
            self.err(&format!("Failed to start transient service unit: {refusal}\n")).await;
            return End::Exit(1);
        }
        let description = arguments.long_value("description").unwrap_or(&line).to_owned();
        // The words of a command are escaped, a description is not.
        let words: Vec<String> = argv.iter().map(|word| format!("\"{}\"", word.escape_default())).collect();
        let text = format!(
            "# This is a transient unit file, created programmatically via the systemd API. Do not edit.\n\
             [Unit]\nDescription={description}\n\n[Service]\nExecStart=\nExecStart={}\n",
            words.join(" ")
        );
        self.machine().files(|view| {
            // The folder is in `/run`, which takes both.
            let _ = view.make_folders(TRANSIENT, 0o755);
            let _ = view.write(&file, text.as_bytes(), Offset::Replace, 0o644);
        });
        let environment = vec![("PATH".to_owned(), PATH.to_owned())];
        let argv = expand(&argv, &environment);
        let child = self.machine().processes.start_unit(&argv.join(" "), &unit);
        services::set_state(&mut *self.machine().node.state(), vmid, &unit, UnitState::Active);
        let (work, machine) = (self.detached(&child, argv, environment), self.machine().clone());
        tokio::spawn(async move {
            let end = work.await;
            services::transient_ended(&mut *machine.node.state(), vmid, &machine.processes, &unit, end);
        });
        End::Exit(0)
    }

    /// `systemctl daemon-reload` reads all units once more and writes into the journal what it cannot read.
    pub(super) fn daemon_reload(&self, vmid: u32) {
        let said: Vec<String> = self.machine().files(|view| {
            let names = view.list(TRANSIENT).unwrap_or_default();
            let texts = names.into_iter().filter_map(|name| {
                let path = format!("{TRANSIENT}/{name}");
                let text = view.read(&path).ok()?;
                Some(complaints(&path, &String::from_utf8_lossy(&text)))
            });
            texts.flatten().collect()
        });
        let mut state = self.machine().node.state();
        journal::log(&mut *state, vmid, "systemd[1]", "Reloading.");
        for line in said {
            journal::log(&mut *state, vmid, "systemd[1]", &line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    /// Recorded with systemd 252.
    #[test]
    fn dollar_signs_in_the_arguments_of_a_service() {
        let argv = ["sh", "-c", "echo $$ ${HOME} $1 %n 100% a$", "$HOME", "$NONE", "$$"].map(str::to_owned);
        let home = [("HOME".to_owned(), "/root /x".to_owned())];
        assert_eq!(expand(&argv, &home), ["sh", "-c", "echo $ /root /x $1 %n 100% a$", "/root", "/x", "$"]);
    }

    #[test]
    fn a_description_of_several_lines_is_a_broken_unit() {
        let text = "# A comment\n[Unit]\nDescription=/bin/sh -c \n  a=1\n  sleep 3\nCollectMode=inactive\n";
        let expected =
            ["/x.service:4: Unknown key 'a' in section [Unit], ignoring.", "/x.service:5: Missing '=', ignoring line."];
        assert_eq!(complaints("/x.service", text), expected);
    }
}
