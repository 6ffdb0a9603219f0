//! What is known of each key of a container's configuration.

use phoenix_types::{EffectRule, KeyEffect, KeyForm, KeyRule, ValueRule};

use crate::{mount, net, options};

const HOT: EffectRule = EffectRule::Always(KeyEffect::Hot);
const RESTART: EffectRule = EffectRule::Always(KeyEffect::Restart);

const fn single(key: &'static str, value: ValueRule, default: Option<&'static str>, effect: EffectRule) -> KeyRule {
    KeyRule { key, form: KeyForm::Single, value, default, effect }
}

const fn indexed(key: &'static str, last: u16, value: ValueRule, effect: EffectRule) -> KeyRule {
    KeyRule { key, form: KeyForm::Indexed(last), value, default: None, effect }
}

/// The keys of a container that can be set, with their defaults and with what a change means for a running container
/// (pve-container `LXC/Config.pm`: `$confdesc`, `vmconfig_hotplug_pending`).
pub const KEYS: &[KeyRule] = &[
    single("arch", ValueRule::Text, None, RESTART),
    single("cmode", ValueRule::Text, Some("tty"), RESTART),
    single("console", ValueRule::Flag, Some("1"), RESTART),
    single("cores", ValueRule::Number, None, HOT),
    single("cpulimit", ValueRule::Number, Some("0"), HOT),
    single("cpuunits", ValueRule::Number, Some("100"), HOT),
    single("debug", ValueRule::Flag, Some("0"), RESTART),
    single("description", ValueRule::Text, None, HOT),
    indexed("dev", 255, ValueRule::Properties(&options::DEVICE_RULES), EffectRule::NewIsHot),
    single("entrypoint", ValueRule::Text, Some("/sbin/init"), RESTART),
    single("env", ValueRule::Text, None, RESTART),
    single("features", ValueRule::Properties(&options::FEATURE_RULES), None, RESTART),
    single("hookscript", ValueRule::Text, None, HOT),
    // The name inside changes at the next start; for Proxmox it is changed at once.
    single("hostname", ValueRule::Text, None, HOT),
    single("memory", ValueRule::Number, Some("512"), HOT),
    indexed("mp", 255, ValueRule::Properties(&mount::RULES), EffectRule::NewIsHot),
    single("nameserver", ValueRule::List, None, RESTART),
    indexed("net", 31, ValueRule::Properties(&net::RULES), EffectRule::HotButTwoDigits),
    single("onboot", ValueRule::Flag, Some("0"), HOT),
    single("ostype", ValueRule::Text, None, RESTART),
    single("protection", ValueRule::Flag, Some("0"), HOT),
    single("rootfs", ValueRule::Properties(&mount::RULES), None, RESTART),
    single("searchdomain", ValueRule::List, None, RESTART),
    single("startup", ValueRule::Properties(&STARTUP), None, HOT),
    // A container without the key has no swap at all, whatever the default of `pct create` is.
    single("swap", ValueRule::Number, Some("0"), HOT),
    single("tags", ValueRule::Set, None, HOT),
    single("timezone", ValueRule::Text, None, RESTART),
    single("tty", ValueRule::Number, Some("2"), RESTART),
    single(
        "unprivileged",
        ValueRule::Flag,
        Some("0"),
        EffectRule::Always(KeyEffect::Impossible {
            why: "`unprivileged` is set when a container is created; recreate it, or back it up and restore it",
        }),
    ),
];

const STARTUP: phoenix_types::PropertyRules =
    phoenix_types::PropertyRules { default_key: Some("order"), alias: None, items: &[] };
