//! What is known of each key of a VM's configuration.

use phoenix_types::{Absent, EffectRule, ItemRule, ItemValue, KeyEffect, KeyForm, KeyRule, PropertyRules, ValueRule};

use crate::{devices, drive, net};

const HOT: EffectRule = EffectRule::Always(KeyEffect::Hot);
const RESTART: EffectRule = EffectRule::Always(KeyEffect::Restart);
const CLOUD_INIT: EffectRule = EffectRule::Always(KeyEffect::CloudInit);

const fn single(key: &'static str, value: ValueRule, default: Option<&'static str>, effect: EffectRule) -> KeyRule {
    KeyRule { key, form: KeyForm::Single, value, default, effect }
}

const fn indexed(key: &'static str, last: u16, value: ValueRule, effect: EffectRule) -> KeyRule {
    KeyRule { key, form: KeyForm::Indexed(last), value, default: None, effect }
}

/// A property string of which nothing but the key that may be left out is known.
const fn properties(default_key: &'static str) -> PropertyRules {
    PropertyRules { default_key: Some(default_key), alias: None, items: &[] }
}

const PLAIN: PropertyRules = PropertyRules { default_key: None, alias: None, items: &[] };
/// A VM keeps the number by which its system knows it.
const SMBIOS: PropertyRules = PropertyRules {
    default_key: None,
    alias: None,
    items: &[ItemRule { key: "uuid", value: ItemValue::AnyCase, absent: Absent::Kept }],
};
const TYPE: PropertyRules = properties("type");
const USB: PropertyRules = PropertyRules {
    default_key: Some("host"),
    alias: None,
    items: &[ItemRule { key: "usb3", value: ItemValue::Flag, absent: Absent::Is("0") }],
};
const STARTUP: PropertyRules = properties("order");
const VGA: PropertyRules = properties("type");
const MACHINE: PropertyRules = properties("type");
const BOOT: PropertyRules = properties("legacy");
const RNG: PropertyRules = properties("source");
const MEMORY: PropertyRules = PropertyRules {
    default_key: Some("current"),
    alias: None,
    items: &[ItemRule { key: "current", value: ItemValue::Number, absent: Absent::Is("512") }],
};

/// The keys of a VM that can be set, with their defaults and with what a change means for a running VM (qemu-server
/// `QemuServer.pm`: `$confdesc`, `vmconfig_hotplug_pending`; hot-plugging of network, disk and USB is Proxmox's default).
pub const KEYS: &[KeyRule] = &[
    single("acpi", ValueRule::Flag, Some("1"), RESTART),
    single("affinity", ValueRule::List, None, RESTART),
    single("allow-ksm", ValueRule::Flag, Some("1"), RESTART),
    single("amd-sev", ValueRule::Properties(&TYPE), None, RESTART),
    single("arch", ValueRule::Text, None, RESTART),
    single("args", ValueRule::Text, None, RESTART),
    single("audio0", ValueRule::Properties(&PLAIN), None, RESTART),
    single("autostart", ValueRule::Flag, Some("0"), RESTART),
    single("agent", ValueRule::Properties(&devices::AGENT_RULES), Some("enabled=0"), RESTART),
    single("balloon", ValueRule::Number, None, HOT),
    single("bios", ValueRule::Text, Some("seabios"), RESTART),
    single("boot", ValueRule::Properties(&BOOT), None, RESTART),
    single("cicustom", ValueRule::Properties(&PLAIN), None, CLOUD_INIT),
    single("citype", ValueRule::Text, None, CLOUD_INIT),
    single("ciupgrade", ValueRule::Flag, Some("1"), CLOUD_INIT),
    single("ciuser", ValueRule::Text, None, CLOUD_INIT),
    single("cores", ValueRule::Number, Some("1"), RESTART),
    single("cpu", ValueRule::Properties(&devices::CPU_RULES), Some("kvm64"), RESTART),
    single("cpulimit", ValueRule::Number, Some("0"), HOT),
    single("cpuunits", ValueRule::Number, Some("100"), HOT),
    single("description", ValueRule::Text, None, HOT),
    single("efidisk0", ValueRule::Properties(&drive::RULES), None, RESTART),
    single("hookscript", ValueRule::Text, None, HOT),
    indexed("hostpci", 15, ValueRule::Properties(&devices::PCI_RULES), RESTART),
    single("hugepages", ValueRule::Text, None, RESTART),
    single("intel-tdx", ValueRule::Properties(&TYPE), None, RESTART),
    single("ivshmem", ValueRule::Properties(&PLAIN), None, RESTART),
    single("keephugepages", ValueRule::Flag, Some("0"), RESTART),
    single("keyboard", ValueRule::Text, None, RESTART),
    single("localtime", ValueRule::Flag, None, RESTART),
    single("migrate_downtime", ValueRule::Number, Some("0.1"), HOT),
    single("migrate_speed", ValueRule::Number, Some("0"), HOT),
    indexed("numa", 7, ValueRule::Properties(&PLAIN), RESTART),
    indexed("parallel", 2, ValueRule::Text, RESTART),
    single("reboot", ValueRule::Flag, Some("1"), RESTART),
    single("smbios1", ValueRule::Properties(&SMBIOS), None, RESTART),
    single("spice_enhancements", ValueRule::Properties(&PLAIN), None, RESTART),
    single("startdate", ValueRule::Text, Some("now"), RESTART),
    single("tdf", ValueRule::Flag, Some("0"), RESTART),
    indexed("usb", 13, ValueRule::Properties(&USB), HOT),
    indexed("virtiofs", 9, ValueRule::Properties(&properties("dirid")), RESTART),
    single("vmstatestorage", ValueRule::Text, None, HOT),
    single("watchdog", ValueRule::Properties(&properties("model")), None, RESTART),
    single("hotplug", ValueRule::Set, Some("network,disk,usb"), RESTART),
    indexed("ide", 3, ValueRule::Properties(&drive::RULES), RESTART),
    indexed("ipconfig", 31, ValueRule::Properties(&net::IP_RULES), CLOUD_INIT),
    single("kvm", ValueRule::Flag, Some("1"), RESTART),
    single("machine", ValueRule::Properties(&MACHINE), None, RESTART),
    single("memory", ValueRule::Properties(&MEMORY), Some("512"), RESTART),
    single("name", ValueRule::Text, None, HOT),
    single("nameserver", ValueRule::List, None, CLOUD_INIT),
    indexed("net", 31, ValueRule::Properties(&net::RULES), HOT),
    single("numa", ValueRule::Flag, Some("0"), RESTART),
    single("onboot", ValueRule::Flag, Some("0"), HOT),
    single("ostype", ValueRule::Text, Some("other"), RESTART),
    single("protection", ValueRule::Flag, Some("0"), HOT),
    single("rng0", ValueRule::Properties(&RNG), None, RESTART),
    indexed("sata", 5, ValueRule::Properties(&drive::RULES), RESTART),
    indexed("scsi", 30, ValueRule::Properties(&drive::RULES), EffectRule::NewIsHot),
    single("scsihw", ValueRule::Text, Some("lsi"), RESTART),
    single("searchdomain", ValueRule::List, None, CLOUD_INIT),
    indexed("serial", 3, ValueRule::Text, RESTART),
    single("shares", ValueRule::Number, Some("1000"), HOT),
    single("sockets", ValueRule::Number, Some("1"), RESTART),
    single("sshkeys", ValueRule::Encoded, None, CLOUD_INIT),
    single("startup", ValueRule::Properties(&STARTUP), None, HOT),
    single("tablet", ValueRule::Flag, Some("1"), RESTART),
    single("tags", ValueRule::Set, None, HOT),
    single("tpmstate0", ValueRule::Properties(&drive::RULES), None, RESTART),
    single("vcpus", ValueRule::Number, None, RESTART),
    single("vga", ValueRule::Properties(&VGA), Some("std"), RESTART),
    indexed("virtio", 15, ValueRule::Properties(&drive::RULES), EffectRule::NewIsHot),
];
