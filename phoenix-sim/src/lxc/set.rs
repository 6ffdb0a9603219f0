//! `pct set` and `pct unlock` (pve-container `API2/LXC/Config.pm`).

use std::time::Duration;

use phoenix_types::{GuestConf, conf_digest};

use super::config::{self, Changes, Life};
use super::rootfs;
use crate::grammar::{Reasons, split_list};
use crate::node::mount_points::{self, indexed};
use crate::node::{CT, Call, Failure};

/// Parameters of the call that are no keys of the configuration.
const NO_KEYS: [&str; 6] = ["vmid", "node", "digest", "delete", "revert", "extra-args"];

/// `pct set`, and `PUT /nodes/N/lxc/ID/config`.
pub(crate) async fn set(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let set: Vec<(String, String)> = call
        .inv
        .params
        .iter()
        .filter(|(key, _)| !NO_KEYS.contains(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    if set.is_empty() && call.param("delete").is_none() && call.param("revert").is_none() {
        return Err(Failure::die("no options specified"));
    }
    let digest = call.param("digest").map(str::to_owned);
    let lock = call.lock_guest(CT, vmid).await?;
    let text = call.state().conf_text(CT, vmid).ok_or_else(|| crate::node::missing(CT, vmid))?;
    let mut conf = GuestConf::parse(&text, CT);
    check_lock(&conf)?;
    if digest.is_some_and(|digest| digest != conf_digest(&text)) {
        return Err(Failure::die("detected modified configuration - file changed by other user? Try again."));
    }
    let revert = listed(call, Listed::Revert, &set, &[])?;
    let delete = listed(call, Listed::Delete, &set, &revert)?;
    let life = if call.state().is_running(vmid) { Life::Running } else { Life::Stopped };
    let errors = config::update(call, vmid, &mut conf, life, Changes { set, delete, revert }).await?;
    if !errors.is_empty() {
        let mut reasons = Reasons::default();
        for (key, reason) in errors {
            reasons.add(key, reason);
        }
        return Err(Failure::Answer(call.inv.refuse(&reasons)));
    }
    call.work(Duration::from_millis(30)).await;
    call.state().write_conf(CT, vmid, &conf);
    regenerate(call, &conf)?;
    drop(lock);
    Ok(())
}

/// The options that list keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Delete,
    Revert,
}

/// The keys that `--delete` or `--revert` name. Only known ones, and none that the same call sets or reverts.
fn listed(
    call: &Call<'_>,
    listed: Listed,
    set: &[(String, String)],
    revert: &[String],
) -> Result<Vec<String>, Failure> {
    let option = if listed == Listed::Delete { "delete" } else { "revert" };
    let mut keys = Vec::new();
    for key in split_list(call.param(option).unwrap_or_default()) {
        if !is_key(key) {
            return Err(call.bad_param(option, format!("unknown option '{key}'")));
        }
        if set.iter().any(|(known, _)| known == key) {
            let text = match listed {
                Listed::Delete => format!("you can't use '-{key}' and -delete {key}' at the same time"),
                Listed::Revert => format!("you can't use '-{key}' and '-revert {key}' at the same time"),
            };
            return Err(call.bad_param(option, text));
        }
        if revert.iter().any(|known| known == key) {
            let text = format!("you can't use '-delete {key}' and '-revert {key}' at the same time");
            return Err(call.bad_param(option, text));
        }
        keys.push(key.to_owned());
    }
    Ok(keys)
}

/// Keys without a number that a container's configuration can have.
const KEYS: [&str; 28] = [
    "arch",
    "cmode",
    "console",
    "cores",
    "cpulimit",
    "cpuunits",
    "debug",
    "description",
    "entrypoint",
    "env",
    "features",
    "hookscript",
    "hostname",
    "lock",
    "memory",
    "nameserver",
    "onboot",
    "ostype",
    "parent",
    "protection",
    "rootfs",
    "searchdomain",
    "startup",
    "swap",
    "tags",
    "template",
    "timezone",
    "tty",
];

fn is_key(key: &str) -> bool {
    let numbered = |prefix: &str, max: u32| {
        indexed(key, prefix)
            && key[prefix.len()..]
                .parse::<u32>()
                .is_ok_and(|number| number <= max && number.to_string() == key[prefix.len()..])
    };
    KEYS.contains(&key)
        || ["unprivileged", "snaptime"].contains(&key)
        || numbered("net", 31)
        || ["mp", "dev", "unused"].into_iter().any(|prefix| numbered(prefix, 255))
}

/// Refuses a guest that a command left locked.
pub(super) fn check_lock(conf: &GuestConf) -> Result<(), Failure> {
    match conf.lock() {
        Some(lock) => Err(Failure::die(format!("CT is locked ({lock})"))),
        None => Ok(()),
    }
}

/// What the tools do after each write: they write the run-time configuration, which looks at the bridges.
pub(super) fn regenerate(call: &mut Call<'_>, conf: &GuestConf) -> Result<(), Failure> {
    if conf.is_template() {
        return Ok(());
    }
    let nets: Vec<&String> =
        conf.live.keys.iter().filter(|(key, _)| indexed(key, "net")).map(|(_, value)| value).collect();
    for value in nets {
        let bridge = value.split(',').find_map(|item| item.strip_prefix("bridge="));
        config::bridge_mtu(call, bridge)?;
    }
    if mount_points::mount_points(&conf.live).iter().all(|(key, _)| key != "rootfs") {
        return Err(Failure::die("missing 'rootfs' configuration"));
    }
    // pve-container makes the profiles of seccomp and AppArmor from the features, unless a raw line names one (`LXC.pm`,
    // `make_seccomp_config`, `make_apparmor_config`).
    for (profile, prefix, features) in [
        ("lxc.seccomp.profile", "", &["keyctl", "mknod"][..]),
        ("lxc.apparmor.profile", "features:", &["fuse", "nesting", "mount"]),
    ] {
        let used: Vec<String> = features
            .iter()
            .filter(|feature| rootfs::has_feature(conf, feature))
            .map(|feature| format!("{prefix}{feature}"))
            .collect();
        if !used.is_empty() && conf.live.raw.iter().any(|(key, _)| key == profile) {
            let used = used.join(", ");
            call.err(&format!("explicitly configured {profile} overrides the following settings: {used}\n"));
        }
    }
    Ok(())
}

/// `pct unlock`.
pub(super) async fn unlock(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let _lock = call.lock_guest(CT, vmid).await?;
    let mut conf = call.state().conf(CT, vmid)?;
    if conf.live.keys.remove("lock").is_none() {
        return Err(Failure::die("no lock found trying to remove any lock"));
    }
    call.state().write_conf(CT, vmid, &conf);
    Ok(())
}
