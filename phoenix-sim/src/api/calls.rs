//! The calls of the API by path.

use serde_json::{Value as Json, json};

use super::{firewall, guests, output, pools, resources};
use crate::grammar::NODE;
use crate::node::{Call, Failure};

/// The calls of guests that are commands of `pct` and `qm`: verb, rest of the path below the guest, command.
const COMMANDS: [(&str, &str, &str); 21] = [
    ("PUT", "config", "set"),
    ("POST", "config", "set"),
    ("DELETE", "", "destroy"),
    ("POST", "clone", "clone"),
    ("POST", "template", "template"),
    ("POST", "migrate", "migrate"),
    ("PUT", "resize", "resize"),
    ("POST", "move_volume", "move-volume"),
    ("POST", "move_disk", "disk move"),
    ("PUT", "unlink", "disk unlink"),
    ("PUT", "sendkey", "sendkey"),
    ("POST", "snapshot", "snapshot"),
    ("DELETE", "snapshot/{snapname}", "delsnapshot"),
    ("POST", "snapshot/{snapname}/rollback", "rollback"),
    ("POST", "status/start", "start"),
    ("POST", "status/stop", "stop"),
    ("POST", "status/shutdown", "shutdown"),
    ("POST", "status/reboot", "reboot"),
    ("POST", "status/reset", "reset"),
    ("POST", "status/suspend", "suspend"),
    ("POST", "status/resume", "resume"),
];

/// Answers a call of the API.
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let Some(path) = call.inv.api_path.clone() else {
        return Err(Failure::die("no path was given"));
    };
    if call.inv.command == "ls" {
        return resources::children(call, &path.path);
    }
    if let Some(node) = call.param("node").filter(|node| *node != NODE && *node != "localhost") {
        return Err(Failure::with_exit(
            format!(
                "hostname lookup '{node}' failed - failed to get address info for: {node}: Name or service not known"
            ),
            11,
        ));
    }
    let template = path.template.as_str();
    for (prefix, is_container) in [("/nodes/{node}/lxc", true), ("/nodes/{node}/qemu", false)] {
        let Some(rest) = template.strip_prefix(prefix) else { continue };
        let command = match rest.strip_prefix("/{vmid}") {
            None if path.verb == "POST" => Some("create"),
            None => None,
            Some(rest) => {
                let rest = rest.trim_start_matches('/');
                COMMANDS
                    .iter()
                    .find(|(verb, path_rest, _)| *verb == path.verb && *path_rest == rest)
                    .map(|(.., name)| *name)
            }
        };
        if let Some(command) = command {
            call.inv.command = command.to_owned();
            return if is_container { crate::lxc::run(call).await } else { crate::qemu::run(call).await };
        }
    }
    let value = if template.contains("/firewall") {
        firewall::answer(call, &path)?
    } else if template.starts_with("/pools") {
        pools::answer(call, &path)?
    } else if template.contains("/agent") {
        agent(call, template).await?
    } else if template.contains("{vmid}") {
        guests::answer(call, &path)?
    } else {
        resources::answer(call, &path)?
    };
    print(call, &value);
    Ok(())
}

/// The guest agent's calls.
async fn agent(call: &mut Call<'_>, template: &str) -> Result<Json, Failure> {
    use crate::qemu::agent;
    let name = template.rsplit('/').next().unwrap_or_default();
    match name {
        "exec" => agent::api_exec(call).await,
        "exec-status" => agent::api_exec_status(call).await,
        "file-write" => agent::api_file_write(call).await,
        "file-read" => agent::api_file_read(call).await,
        "set-user-password" => {
            call.inv.command = "guest passwd".to_owned();
            crate::qemu::run(call).await?;
            Ok(json!({"result": {}}))
        }
        "agent" => {
            let name = call.param("command").unwrap_or("ping").to_owned();
            Ok(json!({"result": agent::ask(call, &name).await?}))
        }
        name => Ok(json!({"result": agent::ask(call, name).await?})),
    }
}

/// Writes a value in the form that was asked for; nothing for null.
fn print(call: &mut Call<'_>, value: &Json) {
    if call.inv.output.flag("quiet") == Some(true) {
        return;
    }
    let format = call.inv.output.get("output-format").unwrap_or("text").to_owned();
    let text = output::render(value, &format);
    call.out(&text);
}
