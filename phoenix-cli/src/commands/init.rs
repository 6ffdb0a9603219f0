//! `phoenix init`

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camino::Utf8Path;
use phoenix_engine::{Desired, Node, observe};
use phoenix_host::{Changes, Command, Effect, Host as _, HostError};
use phoenix_types::{FleetName, KnownSecrets};

use crate::args::Init;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::host::Choice;
use crate::settings::Settings;

/// How long a question to the node may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the first configuration says where the node cannot be asked.
const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
const STORAGE: &str = "local-lvm";

/// What is known of the node.
struct Found {
    template: String,
    storage: String,
    id: u32,
    /// What is not known, for a comment.
    remarks: Vec<&'static str>,
}

pub(super) fn run(args: &Init, settings: &Settings) -> Result<ExitStatus, CliError> {
    let dir = &args.dir;
    let files = [dir.join("phoenix.yaml"), dir.join("features/hello.sh")];
    if let Some(path) = files.iter().find(|path| path.exists()) {
        return Err(CliError::WouldOverwrite { path: path.clone() });
    }
    if phoenix_config::has_configuration(dir) {
        return Err(CliError::WouldOverwrite { path: dir.clone() });
    }
    let found = match Choice::new(settings, dir) {
        Ok(choice) => choice.work(settings, Changes::Refused, async |node| look(node).await)?,
        Err(CliError::NotANode) => Found {
            template: TEMPLATE.to_owned(),
            storage: STORAGE.to_owned(),
            id: 101,
            remarks: vec![
                "No node was queried: check `template` and `storage_pool`, or run `phoenix init` with `--host`.",
            ],
        },
        Err(error) => return Err(error),
    };
    let [configuration, script] = files;
    write(&configuration, &text(&found))?;
    write(&script, SCRIPT)?;
    let shown = format!(
        "wrote `{configuration}` and `{script}`\n\nTry it on a simulated node: phoenix -C {dir} --host sim: up\n\
         See what it would do:       phoenix -C {dir} plan\n"
    );
    settings.terminal.data(&shown).map_err(CliError::Output)?;
    Ok(ExitStatus::Done)
}

fn write(path: &Utf8Path, text: &str) -> Result<(), CliError> {
    let file = |source| CliError::File { action: "write", path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(file)?;
    }
    std::fs::write(path, text).map_err(file)
}

/// Asks the node for a storage, a template and a free id.
async fn look(node: &Node) -> Result<Found, CliError> {
    let mut remarks = Vec::new();
    let storages = active(&ask(node, &["status", "--content", "rootdir"]).await?);
    let storage = storages.first().cloned().unwrap_or_else(|| {
        remarks.push("The node has no active storage for containers: choose one with `pvesm status`.");
        STORAGE.to_owned()
    });
    let mut templates = Vec::new();
    for storage in active(&ask(node, &["status", "--content", "vztmpl"]).await?) {
        let listed = ask(node, &["list", &storage, "--content", "vztmpl"]).await?;
        templates.extend(listed.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned));
    }
    // The newest Debian, else whatever there is.
    templates.sort_by_key(|template| (template.contains("debian"), template.clone()));
    let template = templates.pop().unwrap_or_else(|| {
        remarks.push("The node has no template: `pveam update` and `pveam download` fetch one.");
        TEMPLATE.to_owned()
    });
    let site = node.labelled(None, "observe");
    let nothing = Desired {
        fleet: FleetName::default(),
        configured: BTreeSet::new(),
        guests: BTreeMap::new(),
        order: Vec::new(),
        dependants: BTreeMap::new(),
        secrets: KnownSecrets::default(),
    };
    let seen = observe(&site, &nothing).await?;
    let taken: BTreeSet<u32> = seen.present.keys().chain(seen.elsewhere.keys()).map(|id| id.get()).collect();
    let id = (101..).find(|id| !taken.contains(id)).unwrap_or(101);
    Ok(Found { template, storage, id, remarks })
}

/// What `pvesm` answers; nothing where it fails.
async fn ask(node: &Node, args: &[&str]) -> Result<String, HostError> {
    let command = Command::new("pvesm", Effect::Read, DEADLINE).args(args.iter().copied());
    let output = node.host().run(command).await?;
    Ok(if output.succeeded() { output.stdout_text().into_owned() } else { String::new() })
}

/// The active storages of `pvesm status`.
fn active(status: &str) -> Vec<String> {
    let columns = status.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    columns
        .filter(|columns| columns.get(2) == Some(&"active"))
        .filter_map(|columns| columns.first().map(|name| (*name).to_owned()))
        .collect()
}

fn text(found: &Found) -> String {
    let Found { template, storage, id, remarks } = found;
    let remarks: String = remarks.iter().map(|remark| format!("# {remark}\n")).collect();
    format!(
        "# yaml-language-server: $schema=/usr/share/phoenix/schemas/fleet.schema.json
#
# The first configuration of Phoenix: one container with one script and one gate.
# `phoenix plan` shows what it would do, `phoenix up` does it, `phoenix down` removes it again.
{remarks}
lxc_configs:
  {id}:
    name: hello
    template: {template}
    storage_pool: {storage}
    cores: 1
    memory_mb: 512
    network_config: {{ bridge: vmbr0, ip: dhcp }}

    # Scripts that run inside once it has started, in order: this one is features/hello.sh.
    # It runs again when the script changes.
    features: [hello]

    # The container is done when this passes. Guests with `dependencies: [{id}]` begin only then.
    health_check:
      command: test -e /etc/hello
      retries: 10
      interval: 3
"
    )
}

const SCRIPT: &str = "#!/bin/sh
# Runs as root in the container. `$PHOENIX_CONTEXT` is a JSON file with the container's settings.
set -eu
echo 'made by Phoenix' >/etc/hello
";
