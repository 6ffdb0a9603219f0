//! Property strings: `key=value,key=value`, where one key may stand without its name.
//!
//! Rules from `PVE::JSONSchema`: `parse_property_string`, `print_property_string`, `parse_size`, `format_size`; the extra
//! checks of `pve-vm-cpu-conf` from `PVE::QemuServer::CPUConfig`, those of `prune-backups` from `PVE::Storage::Plugin`.

use std::collections::BTreeMap;

use super::perl;
use super::properties::{Kind, Schema};
use super::schema::{Reasons, Unknown, check_object};
use super::table::formats;

/// The values of a property string by key; aliases are resolved to the key they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PropertyString(BTreeMap<String, String>);

impl PropertyString {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Sets a key; the former value is returned.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) -> Option<String> {
        self.0.insert(key.into(), value.into())
    }

    /// Removes a key and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for PropertyString {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// Why a property string was refused. Displayed as the real message that follows `invalid format - `, final newline included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyStringError {
    /// The format has no table.
    #[error("unknown format: {0}\n")]
    UnknownFormat(String),
    /// The text cannot be taken apart.
    #[error("{0}\n")]
    Syntax(String),
    /// Single keys are wrong.
    #[error("format error\n{0}")]
    Keys(Reasons),
    /// A value that would not survive being printed.
    #[error("illegal value with commas for {0}\n")]
    Comma(String),
}

/// Parses a property string by the name of its format, such as `lxc-net`, `qm-scsi` or `pve-qm-ipconfig`.
///
/// The names are those of `data/formats.json`; [`option_format`](super::option_format) gives the one of an option.
///
/// # Errors
/// In the real words, with keys named by themselves (`ip: invalid format - …`).
///
/// ```
/// use phoenix_sim::grammar::parse_property_string;
///
/// let net = parse_property_string("lxc-net", "name=eth0,bridge=vmbr0,ip=10.0.0.13/24")?;
/// assert_eq!(net.get("ip"), Some("10.0.0.13/24"));
/// # Ok::<(), phoenix_sim::grammar::PropertyStringError>(())
/// ```
pub fn parse_property_string(format: &str, text: &str) -> Result<PropertyString, PropertyStringError> {
    parse_at(format, "", text)
}

/// As [`parse_property_string`], with the name of the option before the keys in messages.
pub(crate) fn parse_at(format: &str, path: &str, text: &str) -> Result<PropertyString, PropertyStringError> {
    let schema = schema(format)?;
    let values = split(schema, text).map_err(PropertyStringError::Syntax)?;
    let mut reasons = Reasons::default();
    check_object(path, schema, &values, Unknown::Refused, &mut reasons);
    if !reasons.is_empty() {
        return Err(PropertyStringError::Keys(reasons));
    }
    validate(format, &values).map_err(PropertyStringError::Syntax)?;
    Ok(PropertyString(values))
}

fn schema(format: &str) -> Result<&'static Schema, PropertyStringError> {
    formats().get(format).ok_or_else(|| PropertyStringError::UnknownFormat(format.to_owned()))
}

fn split(schema: &Schema, text: &str) -> Result<BTreeMap<String, String>, String> {
    let duplicate = |key: &str| Err(format!("duplicate key in comma-separated list property: {key}"));
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut default_seen = false;
    for part in perl::split(text, ',').into_iter().filter(|part| !part.trim().is_empty()) {
        match part.split_once('=') {
            None => {
                let Some(key) = &schema.default_key else {
                    return Err("value without key, but schema does not define a default key".to_owned());
                };
                // A value that Perl takes for false may be overwritten by a later one.
                if default_seen || values.get(key).is_some_and(|value| perl::is_true(value)) {
                    return duplicate(key);
                }
                default_seen = true;
                values.insert(key.clone(), part.to_owned());
            }
            Some((key, value)) if !key.is_empty() && is_line(value) => {
                if values.contains_key(key) {
                    return duplicate(key);
                }
                let mut target = key;
                let mut property = schema.properties.get(key);
                if let Some(alias) = property.and_then(|property| property.alias.as_deref()) {
                    if let Some(name) = property.and_then(|property| property.key_alias.as_deref()) {
                        if values.contains_key(name) {
                            return Err(format!("key alias '{name}' is already defined"));
                        }
                        values.insert(name.to_owned(), key.to_owned());
                    }
                    target = alias;
                    property = schema.properties.get(alias);
                }
                let is_boolean = property.is_some_and(|property| property.kind == Some(Kind::Boolean));
                let value = perl::before_newline(value);
                let value = match perl::parse_boolean(value).filter(|_| is_boolean) {
                    Some(true) => "1",
                    Some(false) => "0",
                    None => value,
                };
                values.insert(target.to_owned(), value.to_owned());
            }
            Some(_) => return Err("missing key in comma-separated list property".to_owned()),
        }
    }
    Ok(values)
}

/// What `(.+)$` matches: one line, perhaps with its newline, which does not become part of the value.
fn is_line(value: &str) -> bool {
    let line = perl::before_newline(value);
    !line.is_empty() && !line.contains('\n')
}

/// The checks that a format adds to those of its keys.
fn validate(format: &str, values: &BTreeMap<String, String>) -> Result<(), String> {
    match format {
        "pve-vm-cpu-conf" => cpu(values),
        "prune-backups" => {
            let keeps = values.iter().any(|(key, value)| key != "keep-all" && perl::numeric(value) > 0.0);
            if keeps && values.get("keep-all").is_some_and(|all| all == "1") {
                return Err("keep-all cannot be set together with other options.".to_owned());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// CPU flags that a VM may set by itself.
const CPU_FLAGS: &[&str] = &[
    "nested-virt",
    "md-clear",
    "pcid",
    "spec-ctrl",
    "ssbd",
    "ibpb",
    "virt-ssbd",
    "amd-ssbd",
    "amd-no-ssb",
    "pdpe1gb",
    "hv-tlbflush",
    "hv-evmcs",
    "aes",
];

/// CPU types that Proxmox composes from `qemu64` and flags.
const CPU_LEVELS: &[&str] = &["x86-64-v2", "x86-64-v2-AES", "x86-64-v3", "x86-64-v4"];

fn cpu(values: &BTreeMap<String, String>) -> Result<(), String> {
    let Some(kind) = values.get("cputype").filter(|kind| perl::is_true(kind)) else {
        return Err("CPU is missing cputype".to_owned());
    };
    // The vendor list of the real check is the enumeration of `reported-model`.
    let is_built_in = || {
        CPU_LEVELS.contains(&kind.as_str())
            || schema("pve-vm-cpu-conf").is_ok_and(|schema| {
                schema
                    .properties
                    .get("reported-model")
                    .and_then(|property| property.choices.as_ref())
                    .is_some_and(|models| models.contains(kind))
            })
    };
    if let Some(custom) = kind.strip_prefix("custom-") {
        return Err(format!("Custom cputype '{custom}' not found"));
    } else if !is_built_in() {
        return Err(format!("Built-in cputype '{kind}' is not defined (missing 'custom-' prefix?)"));
    }
    if let Some(flags) = values.get("flags").filter(|flags| perl::is_true(flags)) {
        let is_known = |flag: &str| flag.strip_prefix(['+', '-']).is_some_and(|name| CPU_FLAGS.contains(&name));
        if !perl::before_newline(flags).split(';').all(is_known) {
            return Err(format!("VM-specific CPU flags must be a subset of: {}", CPU_FLAGS.join(", ")));
        }
    }
    if values.contains_key("reported-model") {
        return Err("Property 'reported-model' not allowed in VM-specific CPU config.".to_owned());
    }
    Ok(())
}

/// Prints a property string as the real tools write it into configurations: the default key bare, then the required keys
/// and then the others, both sorted; `model` and `macaddr` as `virtio=MAC`; sizes in their largest exact unit.
///
/// # Errors
/// When a value does not fit its format or contains a comma.
///
/// ```
/// use phoenix_sim::grammar::{parse_property_string, print_property_string};
///
/// let net = parse_property_string("qm-net", "bridge=vmbr0,virtio=BC:24:11:00:00:01,firewall=on")?;
/// assert_eq!(print_property_string("qm-net", &net)?, "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1");
/// # Ok::<(), phoenix_sim::grammar::PropertyStringError>(())
/// ```
pub fn print_property_string(format: &str, values: &PropertyString) -> Result<String, PropertyStringError> {
    let schema = schema(format)?;
    let mut reasons = Reasons::default();
    check_object("", schema, &values.0, Unknown::Taken, &mut reasons);
    if !reasons.is_empty() {
        return Err(PropertyStringError::Keys(reasons));
    }
    let is_required = |key: &&String| schema.properties.get(*key).is_some_and(|property| !property.optional);
    let order = schema.default_key.iter().chain(values.0.keys().filter(is_required)).chain(values.0.keys());
    let mut done: Vec<&str> = Vec::new();
    let mut parts = Vec::new();
    for key in order {
        let Some(value) = values.get(key).filter(|_| !done.contains(&key.as_str())) else { continue };
        done.push(key);
        let value = printed(schema, key, value)?;
        if let Some(partner) = schema.combined.get(key)
            && let Some(second) = values.get(partner)
        {
            done.push(partner);
            parts.push(format!("{value}={}", printed(schema, partner, second)?));
        } else if schema.default_key.as_ref() == Some(key) {
            parts.push(value);
        } else if schema.properties.contains_key(key) {
            parts.push(format!("{key}={value}"));
        } else {
            return Err(PropertyStringError::Syntax(format!("invalid key '{key}'")));
        }
    }
    Ok(parts.join(","))
}

fn printed(schema: &Schema, key: &str, value: &str) -> Result<String, PropertyStringError> {
    let format = schema.properties.get(key).and_then(|property| property.format.as_deref());
    if format == Some("disk-size")
        && let Some(bytes) = parse_size(value)
    {
        return Ok(format_size(bytes));
    }
    if value.contains(',') {
        return Err(PropertyStringError::Comma(key.to_owned()));
    }
    Ok(value.to_owned())
}

/// Reads a size: a number with an optional fraction and an optional binary unit `K`, `M`, `G`, `T` (or `KiB` …). Bytes.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = perl::before_newline(text);
    let digits = text.find(|ch: char| !(ch.is_ascii_digit() || ch == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if !perl::matches(r"\d+(?:\.\d+)?", number) {
        return None;
    }
    let shift = match unit.strip_suffix("iB").unwrap_or(unit) {
        "" if unit.is_empty() => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    let factor = 1_u64 << shift;
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(factor),
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the real tools compute sizes with fractions in floating point too"
        )]
        Err(_) => number.parse::<f64>().ok().map(|number| (number * factor as f64) as u64),
    }
}

/// Prints bytes in the largest unit that loses nothing: `8G`, `1536M`, `1000`.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let mut size = bytes;
    let mut unit = "";
    for next in ["K", "M", "G", "T"] {
        if !size.is_multiple_of(1024) {
            break;
        }
        size /= 1024;
        unit = next;
    }
    format!("{size}{unit}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("lxc-rootfs", "quickOS-lxc-disks:16", "quickOS-lxc-disks:16")]
    #[test_case("lxc-mp", "backup=yes,mp=/data,local-lvm:8,size=8192M", "local-lvm:8,mp=/data,backup=1,size=8G")]
    #[test_case("lxc-net", "ip=dhcp,bridge=vmbr0,name=eth0", "name=eth0,bridge=vmbr0,ip=dhcp")]
    #[test_case("qm-net", "virtio,bridge=vmbr0", "virtio,bridge=vmbr0")]
    #[test_case("qm-net", "bridge=vmbr0,e1000=BC:24:11:00:00:01", "e1000=BC:24:11:00:00:01,bridge=vmbr0")]
    #[test_case("qm-scsi", "volume=local-lvm:vm-1-disk-0,ssd=on", "local-lvm:vm-1-disk-0,ssd=1")]
    #[test_case("qm-agent", "1,fstrim_cloned_disks=1", "1,fstrim_cloned_disks=1")]
    #[test_case("qm-agent", "enabled=0,1", "1"; "a false value is overwritten")]
    #[test_case("pve-qm-boot", ",", ""; "nothing but a comma")]
    fn canonical(format: &str, text: &str, expected: &str) {
        let values = parse_property_string(format, text).expect("valid");
        assert_eq!(print_property_string(format, &values).expect("printable"), expected);
    }

    #[test_case("lxc-features", "nesting", "value without key, but schema does not define a default key\n")]
    #[test_case("lxc-features", "nesting=1,nesting=0", "duplicate key in comma-separated list property: nesting\n")]
    #[test_case("qm-agent", "1,1", "duplicate key in comma-separated list property: enabled\n")]
    #[test_case("qm-agent", "1,type=", "missing key in comma-separated list property\n")]
    #[test_case("qm-agent", "on", "format error\nenabled: type check ('boolean') failed - got 'on'\n"; "words only after a key")]
    #[test_case("qm-net", "model=virtio,virtio=BC:24:11:00:00:01", "key alias 'model' is already defined\n")]
    #[test_case("pve-qm-ipconfig", "gw=10.0.0.1", "format error\nip: missing property - 'gw' requires this property\n")]
    #[test_case("pve-vm-cpu-conf", "hidden=1", "CPU is missing cputype\n")]
    #[test_case("pve-vm-cpu-conf", "nosuch", "Built-in cputype 'nosuch' is not defined (missing 'custom-' prefix?)\n")]
    fn refused(format: &str, text: &str, message: &str) {
        assert_eq!(parse_property_string(format, text).expect_err("invalid").to_string(), message);
    }

    #[test_case(0, "0T"; "zero")]
    #[test_case(1000, "1000"; "bytes")]
    #[test_case(1536 << 20, "1536M"; "mebibytes")]
    #[test_case(8 << 30, "8G"; "gibibytes")]
    #[test_case(2048 << 40, "2048T"; "tebibytes")]
    fn sizes(bytes: u64, text: &str) {
        assert_eq!(format_size(bytes), text);
        assert_eq!(parse_size(text), Some(bytes));
    }

    #[test_case("1.5G", Some(1536 << 20); "fraction")]
    #[test_case("4MiB", Some(4 << 20); "long unit")]
    #[test_case("8g", None; "lower case")]
    #[test_case("G", None; "unit alone")]
    fn sizes_read(text: &str, bytes: Option<u64>) {
        assert_eq!(parse_size(text), bytes);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(?s).*", at in 0_usize..1000) {
            let formats: Vec<&String> = formats().keys().collect();
            let _ = parse_property_string(formats[at % formats.len()], &text);
        }

        #[test]
        fn printing_and_parsing_round_trips(
            id in 1_u32..200, mp in "/[a-z]{1,8}(/[a-z]{1,8})?", size in 1_u64..1 << 45, ro in any::<bool>(), backup in any::<bool>(),
        ) {
            let flag = |on: bool| if on { "1" } else { "0" };
            let values: PropertyString = [
                ("volume", format!("local-lvm:vm-{id}-disk-0")),
                ("mp", mp),
                ("size", format_size(size)),
                ("ro", flag(ro).to_owned()),
                ("backup", flag(backup).to_owned()),
            ].into_iter().collect();
            let text = print_property_string("lxc-mp", &values).expect("printable");
            prop_assert_eq!(parse_property_string("lxc-mp", &text).expect("valid"), values);
        }
    }
}
