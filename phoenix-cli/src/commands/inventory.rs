//! `phoenix inventory` and `phoenix output`: the configuration for other programs. No node is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use phoenix_config::model::Guest;
use phoenix_config::{Fleet, Warnings};
use phoenix_types::{GuestId, GuestKind};
use serde_json::{Map, Value, json};

use crate::args::{HostArg, Inventory, Output, OutputForm};
use crate::configuration::{self, Configuration};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::diagnostics;
use crate::settings::Settings;

/// The configuration, and the profiles that each guest has.
fn load(settings: &Settings) -> Result<(Configuration, BTreeMap<GuestId, BTreeSet<String>>), CliError> {
    let (place, loaded) = configuration::load(settings, Warnings::Allow)?;
    let profiles = loaded.profiles();
    let configuration = Configuration::of(place.dir().to_owned(), loaded, |loaded| {
        settings.terminal.note(&diagnostics(loaded, settings.terminal.err()));
    })?;
    Ok((configuration, profiles))
}

/// The guests that were selected, templates aside: nothing runs in them.
fn chosen<'a>(configuration: &'a Configuration, selectors: &[String]) -> Result<Vec<&'a Guest>, CliError> {
    let named = configuration.select(selectors)?;
    let guests = configuration.fleet.guests.values().filter(|guest| guest.state != phoenix_config::State::Template);
    Ok(guests.filter(|guest| named.as_ref().is_none_or(|named| named.contains(&guest.id))).collect())
}

fn address(guest: &Guest) -> Option<IpAddr> {
    guest.network().and_then(phoenix_config::model::Network::address)
}

/// The inventory of Ansible: every guest with its variables, in groups by kind, state, tag and profile.
pub(super) fn inventory(args: &Inventory, settings: &Settings) -> Result<ExitStatus, CliError> {
    let (configuration, profiles) = load(settings)?;
    let guests = chosen(&configuration, &args.guests.guests)?;
    let node = node_address(&configuration.fleet, settings);
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut variables = Map::new();
    for guest in guests {
        let name = guest.name.as_str();
        let kind = match guest.kind() {
            GuestKind::Container => "containers",
            GuestKind::Vm => "vms",
        };
        let tags = guest.tags.iter().map(|tag| format!("tag_{tag}"));
        let profiles = profiles.get(&guest.id).into_iter().flatten().map(|profile| format!("profile_{profile}"));
        for group in [kind.to_owned(), format!("state_{}", guest.state)].into_iter().chain(tags).chain(profiles) {
            groups.entry(group_name(&group)).or_default().push(name);
        }
        variables.insert(name.to_owned(), Value::Object(host_variables(guest, node.as_deref())));
    }
    let mut inventory = Map::new();
    inventory.insert("_meta".to_owned(), json!({"hostvars": variables}));
    inventory.insert("all".to_owned(), json!({"children": groups.keys().collect::<Vec<_>>()}));
    inventory.extend(groups.into_iter().map(|(group, hosts)| (group, json!({"hosts": hosts}))));
    print(settings, &(serde_json::to_string_pretty(&inventory).map_err(super::io)? + "\n"))
}

/// Groups of Ansible have names of letters, digits and `_`.
fn group_name(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect()
}

/// The node, as Ansible reaches it.
fn node_address(fleet: &Fleet, settings: &Settings) -> Option<String> {
    match &settings.host {
        Some(HostArg::Ssh(ssh)) => {
            let target = ssh.to_string();
            let target = target.trim_start_matches("ssh://");
            Some(target.rsplit_once('@').map_or(target, |(_, host)| host).to_owned())
        }
        _ => Some(fleet.hypervisor.network.as_ref()?.address?.address().to_string()),
    }
}

/// The variables of a guest. A container is reached through its node, a VM by its address.
fn host_variables(guest: &Guest, node: Option<&str>) -> Map<String, Value> {
    let mut variables = Map::new();
    let mut say = |key: &str, value: Value| {
        variables.insert(key.to_owned(), value);
    };
    say("proxmox_vmid", json!(guest.id.get()));
    match (guest.vm(), node) {
        (None, Some(node)) => {
            say("ansible_connection", json!("community.proxmox.proxmox_pct_remote"));
            say("ansible_host", json!(node));
            say("ansible_user", json!("root"));
        }
        (None, None) => {
            if let Some(address) = address(guest) {
                say("ansible_host", json!(address));
            }
        }
        (Some(vm), _) => {
            if let Some(address) = address(guest) {
                say("ansible_host", json!(address));
            }
            if let Some(user) = vm.user.as_ref().and_then(|user| user.name.as_ref()) {
                say("ansible_user", json!(user));
            }
        }
    }
    if let Some(address) = address(guest) {
        say("phoenix_address", json!(address));
    }
    say("phoenix_state", json!(guest.state));
    say("phoenix_tags", json!(guest.tags));
    variables
}

/// Addresses and names in the forms of other programs.
pub(super) fn output(args: &Output, settings: &Settings) -> Result<ExitStatus, CliError> {
    let (configuration, _) = load(settings)?;
    let guests = chosen(&configuration, &args.guests.guests)?;
    let domain = configuration.fleet.hypervisor.domain.as_ref();
    let mut text = String::new();
    for guest in guests {
        let name = guest.name.as_str();
        // Without a fixed address there is nothing to write: DHCP gives one later.
        let Some(address) = address(guest) else { continue };
        text.push_str(&match args.to {
            OutputForm::Hosts => match domain {
                Some(domain) => format!("{address}\t{name}.{domain} {name}\n"),
                None => format!("{address}\t{name}\n"),
            },
            OutputForm::SshConfig => {
                let user = guest.vm().and_then(|vm| vm.user.as_ref()?.name.as_deref()).unwrap_or("root");
                format!("Host {name}\n    HostName {address}\n    User {user}\n")
            }
            OutputForm::Env => {
                let key = group_name(name).to_ascii_uppercase();
                format!("{key}_ID={}\n{key}_ADDRESS={address}\n", guest.id)
            }
        });
    }
    print(settings, &text)
}

fn print(settings: &Settings, text: &str) -> Result<ExitStatus, CliError> {
    settings.terminal.data(text).map_err(CliError::Output)?;
    Ok(ExitStatus::Done)
}
