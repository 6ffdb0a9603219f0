//! Every option of every command in the option tables: what its schema allows is taken and reaches the API, what it forbids is
//! refused in the words of that class. The classes and their words are those of the recorded verdicts; which option belongs to
//! which class comes from the tables alone, so no option can be answered by example.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_sim::grammar::{Invocation, Verdict, parse};
use serde_json::Value;

/// Format, a text that has it, a text that has not, and how the reason begins.
const FORMATS: [(&str, &str, &str, &str); 71] = [
    ("pve-vmid", "100", "99", "invalid format - value does not look like a valid VM ID"),
    ("pve-storage-id", "tank", "1x", "invalid format - storage ID '1x' contains illegal characters"),
    ("pve-configid", "x1", "1x", "invalid format - invalid configuration ID '1x'"),
    ("pve-configid-list", "mp0,net1;swap", "x1 -y", "invalid format - invalid configuration ID '-y'"),
    ("pve-node", "pve", "a_b", "invalid format - value does not look like a valid node name"),
    ("pve-node-list", "pve,x1", "a_b", "invalid format - value does not look like a valid node name"),
    ("pve-poolid", "a/b", "a b", "invalid format - pool name 'a b' contains invalid characters"),
    ("dns-name", "a.example", "a_b", "invalid format - value does not look like a valid DNS name"),
    ("dns-name-list", "a.example b", "a_b", "invalid format - value does not look like a valid DNS name"),
    ("pve-volume-id", "tank:x", "x1", "invalid format - unable to parse volume ID 'x1'"),
    ("pve-storage-path", "/srv", "srv", "invalid format - value does not look like a valid absolute path"),
    ("pve-startup-order", "order=1,up=2", "x1", "invalid format - unable to parse startup options"),
    ("pve-tag-list", "a;B-1", "a,b!", "invalid format - invalid characters in tag"),
    ("pve-ha-resource-or-vm-id", "ct:100", "x1", "invalid format - value does not look like a valid ha resource id"),
    (
        "pve-ha-resource-id-list",
        "ct:100,vm:101",
        "x1",
        "invalid format - value does not look like a valid ha resource id",
    ),
    ("pve-ha-node-list", "pve:2,x1", "-", "invalid format - value does not look like a valid ha node"),
    ("storage-pair-list", "a1:b1,1", "x!", "invalid format - entry 'x!' contains invalid ID"),
    ("bridge-pair-list", "vmbr0:vmbr1", "x!", "invalid format - entry 'x!' contains invalid ID"),
    (
        "pve-storage-server",
        "10.0.0.1",
        "a_b",
        "invalid format - value does not look like a valid server name or IP address",
    ),
    ("pve-storage-content", "images", "x1", "invalid format - invalid content type 'x1'"),
    ("pve-storage-content-list", "images,iso", "x1", "invalid format - invalid content type 'x1'"),
    ("pve-storage-zfs-blocksize", "16k", "x1", "invalid format - value 'x1' is not a power of 2"),
    ("pve-storage-options", "a,b", " ", "invalid format - invalid options ' '"),
    ("pve-storage-vgname", "pve", "x!", "invalid format - lvm name 'x!' contains illegal characters"),
    (
        "pve-storage-portal-dns",
        "10.0.0.1:3260",
        "a_b",
        "invalid format - value does not look like a valid portal address",
    ),
    (
        "pve-storage-portal-dns-list",
        "a.example",
        "a_b",
        "invalid format - value does not look like a valid portal address",
    ),
    ("pve-dir-override-list", "iso=a/b", "x1", "invalid format - invalid override 'x1'"),
    (
        "lxc-ip-with-ll-iface-list",
        "1.1.1.1 fe80::1%eth0",
        "x1",
        "invalid format - value does not look like a valid IP address",
    ),
    ("address-list", "1.1.1.1,a.example", "a_b", "invalid format - value does not look like a valid address: a_b"),
    ("CIDR", "10.0.0.0/8", "10.0.0.1", "invalid format - value does not look like a valid CIDR network"),
    ("pve-ct-timezone", "Europe/Vienna", "x1", "invalid format - invalid time zone 'x1'"),
    ("pve-cpuset", "0,2-3", "x1", "invalid format - unable to parse cpuset option"),
    ("pve-qm-bootdisk", "scsi0", "x1", "invalid format - invalid boot disk 'x1'"),
    ("pve-hotplug-features", "disk,usb", "x1", "invalid format - invalid hotplug feature 'x1'"),
    ("urlencoded", "a%20b", "a b", "invalid format - invalid urlencoded string: a b"),
    ("string-list", "a,b", "", ""),
    // Property strings: a key that none of them has.
    ("lxc-dev", "/dev/x,mode=0660", "bogus=1", "invalid format - format error"),
    ("lxc-features", "nesting=1,mount=nfs;cifs", "bogus=1", "invalid format - format error"),
    ("lxc-mp", "tank:8,mp=/a", "tank:8", "invalid format - format error"),
    ("lxc-net", "name=eth0,bridge=vmbr0", "bridge=vmbr0", "invalid format - format error"),
    ("lxc-rootfs", "tank:8,ro=1", "ro=1", "invalid format - format error"),
    ("lxc-unused", "tank:x", "bogus=1", "invalid format - format error"),
    ("qm-machine", "type=q35,viommu=intel", "bogus=1", "invalid format - format error"),
    ("qm-agent", "1,type=isa", "bogus=1", "invalid format - format error"),
    ("pve-qemu-sev-fmt", "std", "bogus=1", "invalid format - format error"),
    ("pve-qemu-tdx-fmt", "tdx,attestation=0", "bogus=1", "invalid format - format error"),
    ("qm-audio", "device=AC97", "AC97", "invalid format - value without key, but schema does not define a default key"),
    ("pve-qm-boot", "order=scsi0;net0", "bogus=1", "invalid format - format error"),
    ("pve-qm-ide", "tank:8,media=disk", "bogus=1", "invalid format - format error"),
    ("qm-ide", "none,media=cdrom", "bogus=1", "invalid format - format error"),
    ("qm-sata", "tank:8", "bogus=1", "invalid format - format error"),
    ("qm-scsi", "tank:8,iothread=1", "bogus=1", "invalid format - format error"),
    ("qm-virtio", "tank:8,discard=on", "bogus=1", "invalid format - format error"),
    ("qm-efidisk", "tank:1,efitype=4m", "bogus=1", "invalid format - format error"),
    ("qm-tpmstate", "tank:1,version=v2.0", "bogus=1", "invalid format - format error"),
    ("qm-unused", "tank:x", "bogus=1", "invalid format - format error"),
    (
        "pve-qm-cicustom",
        "user=tank:snippets/x",
        "x1",
        "invalid format - value without key, but schema does not define a default key",
    ),
    ("pve-vm-cpu-conf", "host,flags=+aes", "bogus=1", "invalid format - format error"),
    ("pve-qm-hostpci", "0000:01:00.0,pcie=1", "bogus=1", "invalid format - format error"),
    ("pve-qm-ipconfig", "ip=dhcp,ip6=auto", "bogus=1", "invalid format - format error"),
    ("qm-ivshmem", "size=16,name=x", "bogus=1", "invalid format - format error"),
    ("qm-memory", "2048", "bogus=1", "invalid format - format error"),
    ("qm-net", "virtio,bridge=vmbr0", "bogus=1", "invalid format - format error"),
    ("qm-numa", "cpus=0-1", "bogus=1", "invalid format - format error"),
    ("pve-qm-rng", "/dev/urandom", "bogus=1", "invalid format - format error"),
    ("pve-qm-smbios1", "serial=QQ==", "bogus=1", "invalid format - format error"),
    ("qm-spice_enhancements", "foldersharing=1", "bogus=1", "invalid format - format error"),
    ("qm-usb", "spice", "bogus=1", "invalid format - format error"),
    ("qm-vga", "std,memory=16", "bogus=1", "invalid format - format error"),
    ("qm-virtiofs", "x1,cache=auto", "bogus=1", "invalid format - format error"),
    ("pve-qm-watchdog", "i6300esb,action=reset", "bogus=1", "invalid format - format error"),
];

/// Formats of few storages and of migration, tried in the same way.
const RARE_FORMATS: [(&str, &str, &str, &str); 3] = [
    ("bwlimit", "clone=1,restore=2", "bogus=1", "invalid format - format error"),
    ("prune-backups", "keep-last=3", "bogus=1", "invalid format - format error"),
    ("proxmox-remote", "apitoken=PVEAPIToken=a@b!c=d,host=x1.example", "bogus=1", "invalid format - format error"),
];

/// Texts that the patterns of these options match. None of them matches a lone `\u{1}`.
const PATTERNS: [(&str, &str); 14] = [
    ("escape", "^a"),
    ("nets-host-mtu", "net0=1500"),
    ("base", "x1"),
    ("snapshot", "x1"),
    ("delete-snapshot", "x1"),
    ("vg", "pve"),
    ("size", "8G"),
    ("entrypoint", "/sbin/init"),
    ("env", "A=b"),
    ("serial", "socket"),
    ("parallel", "/dev/parport0"),
    ("startdate", "now"),
    ("vmgenid", "1"),
    ("fingerprint", "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00"),
];

/// A command of a table.
struct Command {
    tool: &'static str,
    name: String,
    positional: Vec<String>,
    /// Options by name, `[n]` and all.
    options: BTreeMap<String, Value>,
    preset: BTreeSet<String>,
}

fn commands() -> Vec<Command> {
    let tables = [
        ("pct", include_str!("../data/pct.json")),
        ("qm", include_str!("../data/qm.json")),
        ("pvesm", include_str!("../data/pvesm.json")),
        ("pveam", include_str!("../data/pveam.json")),
        ("ha-manager", include_str!("../data/ha-manager.json")),
    ];
    let mut all = Vec::new();
    for (tool, text) in tables {
        let table: BTreeMap<String, Value> = serde_json::from_str(text).expect("a table");
        for (name, command) in table {
            if command.get("alias_of").is_some() {
                continue;
            }
            let names = |key: &str| -> Vec<String> {
                let list = command.get(key).and_then(Value::as_array).into_iter().flatten();
                list.map(|name| name.as_str().expect("a name").to_owned()).collect()
            };
            let preset =
                command.get("preset").and_then(Value::as_object).into_iter().flat_map(|preset| preset.keys().cloned());
            let node = command.get("node_preset").and_then(Value::as_bool).unwrap_or(false).then(|| "node".to_owned());
            let options = command.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
            all.push(Command {
                tool,
                positional: names("positional"),
                options: options.into_iter().collect(),
                preset: preset.chain(node).collect(),
                name,
            });
        }
    }
    all
}

fn text<'a>(schema: &'a Value, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Value::as_str)
}

fn number(schema: &Value, key: &str) -> Option<f64> {
    schema.get(key).and_then(Value::as_f64)
}

fn format_of(schema: &Value) -> Option<(&'static str, &'static str, &'static str)> {
    let name = text(schema, "format")?;
    let row = FORMATS.iter().chain(&RARE_FORMATS).find(|(known, ..)| *known == name);
    let (_, good, bad, reason) = row.unwrap_or_else(|| panic!("no sample for the format `{name}`"));
    Some((good, bad, reason))
}

/// Texts that the schema of an option allows, and texts that it forbids with how the reason begins.
fn samples(option: &str, schema: &Value) -> (Vec<String>, Vec<(String, String)>) {
    let (mut good, mut bad): (Vec<String>, Vec<(String, String)>) = (Vec::new(), Vec::new());
    let kind = text(schema, "type").unwrap_or("string");
    let base = option.strip_suffix("[n]").unwrap_or(option);
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let choices: Vec<&str> = choices.iter().map(|choice| choice.as_str().expect("a text")).collect();
        good.extend(choices.iter().map(|choice| (*choice).to_owned()));
        let wrong = if kind == "string" { "x1" } else { "99999" };
        let list = choices.join(", ");
        bad.push((wrong.to_owned(), format!("value '{wrong}' does not have a value in the enumeration '{list}'")));
        return (good, bad);
    }
    if let Some((valid, invalid, reason)) = format_of(schema) {
        good.push(valid.to_owned());
        if !reason.is_empty() {
            bad.push((invalid.to_owned(), reason.to_owned()));
        }
    }
    match kind {
        "integer" | "number" => {
            let (least, most) = (number(schema, "minimum"), number(schema, "maximum"));
            if good.is_empty() {
                good.push(least.or(most).unwrap_or(7.0).to_string());
                good.extend(most.map(|most| most.to_string()));
            }
            let wrong = if kind == "integer" { "1.5" } else { "8G" };
            bad.push((wrong.to_owned(), format!("type check ('{kind}') failed - got '{wrong}'")));
            if schema.get("format").is_none() {
                bad.extend(
                    least.map(|least| {
                        ((least - 1.0).to_string(), format!("value must have a minimum value of {least}"))
                    }),
                );
                bad.extend(
                    most.map(|most| ((most + 1.0).to_string(), format!("value must have a maximum value of {most}"))),
                );
            }
        }
        "boolean" => good.extend(["1", "0", "yes", "No", "ON", "off", "true", "FALSE"].map(str::to_owned)),
        _ if text(schema, "pattern").is_some() && text(schema, "format").is_none() => {
            let row = PATTERNS.iter().find(|(name, _)| *name == base);
            good.push(row.unwrap_or_else(|| panic!("no sample for the pattern of `{option}`")).1.to_owned());
            bad.push(("\u{1}".to_owned(), "value does not match the regex pattern".to_owned()));
        }
        _ => {
            let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(1);
            if good.is_empty() {
                good.push("y".repeat(usize::try_from(least.max(2)).expect("short")));
            }
            if let (Some(most), None) = (schema.get("maxLength").and_then(Value::as_u64), schema.get("format")) {
                let most = usize::try_from(most).expect("short");
                good.push("y".repeat(most));
                bad.push(("y".repeat(most + 1), format!("value may only be {most} characters long")));
            }
            if least > 1 {
                bad.push(("y".to_owned(), format!("value must be at least {least} characters long")));
            }
        }
    }
    (good, bad)
}

impl Command {
    fn is_optional(&self, option: &str) -> bool {
        self.options[option].get("optional").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The shortest command line that the command takes, with a value for one positional parameter.
    fn line(&self, given: Option<(&str, &str)>) -> Vec<String> {
        let mut argv = vec![self.tool.to_owned()];
        argv.extend(self.name.split(' ').map(str::to_owned));
        for name in &self.positional {
            match given.filter(|(position, _)| position == name) {
                Some((_, value)) => argv.push(value.to_owned()),
                None if name == "extra-args" => {}
                // What comes before a given positional has to be there.
                None if self.is_optional(name) && !self.is_followed(name, given) => {}
                None => argv.push(samples(name, &self.options[name]).0.remove(0)),
            }
        }
        for name in self.options.keys() {
            if !self.is_optional(name) && !self.positional.contains(name) && !self.preset.contains(name) {
                argv.extend([format!("--{name}"), samples(name, &self.options[name]).0.remove(0)]);
            }
        }
        argv
    }

    /// Whether a positional parameter is before one that is given or has to be there.
    fn is_followed(&self, name: &str, given: Option<(&str, &str)>) -> bool {
        let behind = self.positional.iter().skip_while(|known| *known != name).skip(1);
        behind
            .filter(|name| *name != "extra-args")
            .any(|name| !self.is_optional(name) || given.is_some_and(|(position, _)| position == name))
    }

    /// The options that a user can give by name, numbers filled in: the first and the last.
    fn named(&self) -> Vec<(String, &str)> {
        let mut all = Vec::new();
        for (name, schema) in &self.options {
            if self.positional.contains(name) || self.preset.contains(name) || !self.is_optional(name) {
                continue;
            }
            match (name.strip_suffix("[n]"), schema.get("index_max").and_then(Value::as_u64)) {
                (Some(base), Some(last)) => {
                    all.extend([(format!("{base}0"), name.as_str()), (format!("{base}{last}"), name.as_str())]);
                }
                _ => all.push((name.clone(), name.as_str())),
            }
        }
        all
    }

    /// What another option needs next to it.
    fn companion(&self, schema: &Value) -> Vec<String> {
        // The tool sets some itself, and positional ones are there anyway.
        let is_option =
            |other: &&str| self.options.contains_key(*other) && !self.positional.iter().any(|name| name == other);
        let Some(other) = text(schema, "requires").filter(is_option) else { return Vec::new() };
        vec![format!("--{other}"), samples(other, &self.options[other]).0.remove(0)]
    }
}

/// A value as the API gets it.
fn as_sent(schema: &Value, value: &str) -> String {
    match text(schema, "type") {
        Some("boolean") => if ["1", "yes", "ON", "true"].contains(&value) { "1" } else { "0" }.to_owned(),
        _ => value.to_owned(),
    }
}

fn taken(argv: &[String]) -> Box<Invocation> {
    match parse(argv) {
        Verdict::Accepted(call) => call,
        Verdict::Answered(answer) => panic!("{argv:?} is refused: {}", answer.stderr),
    }
}

fn refused(argv: &[String]) -> String {
    match parse(argv) {
        Verdict::Accepted(call) => panic!("{argv:?} is taken: {:?}", call.params),
        Verdict::Answered(answer) => {
            assert_eq!((answer.exit, answer.stdout.as_str()), (255, ""), "{argv:?}");
            answer.stderr
        }
    }
}

/// Commands whose options are all tried; those that only ask the user (`help`) and the experimental `remote-migrate` are left out.
fn tried() -> Vec<Command> {
    commands().into_iter().filter(|command| command.name != "help").collect()
}

#[test]
fn every_command_takes_its_shortest_line_and_counts_its_arguments() {
    for command in tried() {
        let line = command.line(None);
        taken(&line);
        let takes_all = command.positional.iter().any(|name| name == "extra-args");
        if !takes_all {
            let all: Vec<String> = vec!["7".to_owned(); command.positional.len() + 1];
            let error = refused(&[line.clone(), all].concat());
            assert!(error.starts_with("400 too many arguments\n"), "{line:?}: {error}");
        }
        let needs = command.positional.iter().any(|name| name != "extra-args" && !command.is_optional(name));
        if needs {
            let words = 1 + command.name.split(' ').count();
            let error = refused(&line[..words]);
            assert!(error.starts_with("400 not enough arguments\n"), "{line:?}: {error}");
        }
    }
}

#[test]
fn every_option_takes_what_its_schema_allows_and_refuses_the_rest_in_the_words_of_its_class() {
    let (mut good_values, mut bad_values) = (0, 0);
    for command in tried() {
        let line = command.line(None);
        for (option, name) in command.named() {
            let schema = &command.options[name];
            if text(schema, "type") == Some("array") {
                continue;
            }
            let companion = command.companion(schema);
            let (good, bad) = samples(name, schema);
            for value in good {
                let argv = [line.clone(), companion.clone(), vec![format!("--{option}"), value.clone()]].concat();
                let call = taken(&argv);
                let read_later = call.files.contains(&option) || call.prompts.contains(&option);
                let is_output = call.output.get(&option).is_some();
                if !read_later && !is_output {
                    let expected = as_sent(schema, &value);
                    assert_eq!(call.params.get(&option), Some(expected.as_str()), "{argv:?}");
                }
                good_values += 1;
            }
            if text(schema, "type") == Some("boolean") {
                let error = refused(&[line.clone(), vec![format!("--{option}=x1")]].concat());
                assert!(error.starts_with("400 unable to parse boolean option\n"), "{option}: {error}");
                continue;
            }
            for (value, reason) in bad {
                let argv = [line.clone(), companion.clone(), vec![format!("--{option}={value}")]].concat();
                if let Verdict::Accepted(call) = parse(&argv)
                    && call.files.contains(&option)
                {
                    continue;
                }
                let error = refused(&argv);
                let reasons = error.strip_prefix("400 Parameter verification failed.\n").unwrap_or_default();
                let wanted = format!("{option}: {reason}");
                assert!(reasons.lines().any(|line| line.starts_with(&wanted)), "{argv:?}\n{error}\nlacks {wanted}");
                bad_values += 1;
            }
        }
        for name in command.positional.iter().filter(|name| *name != "extra-args") {
            let (good, bad) = samples(name, &command.options[name]);
            for value in good.iter().filter(|value| !value.starts_with('-')) {
                let argv = command.line(Some((name, value)));
                let expected = as_sent(&command.options[name], value);
                assert_eq!(taken(&argv).params.get(name), Some(expected.as_str()), "{argv:?}");
            }
            for (value, reason) in bad.iter().filter(|(value, _)| !value.starts_with('-')) {
                let error = refused(&command.line(Some((name, value))));
                assert!(error.contains(&format!("\n{name}: {reason}")), "{} {name} {value:?}: {error}", command.name);
            }
        }
    }
    assert!(good_values > 3000 && bad_values > 600, "{good_values} and {bad_values} values were tried");
}

#[test]
fn every_option_can_be_shortened_as_far_as_it_is_the_only_one_and_written_in_any_case() {
    for command in tried() {
        let line = command.line(None);
        // Positional parameters and options share one space of names.
        let mut names: BTreeSet<String> = BTreeSet::new();
        for (name, schema) in command.options.iter().filter(|(name, _)| !command.preset.contains(*name)) {
            match (name.strip_suffix("[n]"), schema.get("index_max").and_then(Value::as_u64)) {
                (Some(base), Some(last)) => {
                    names.extend((0..=last).map(|index| format!("{base}{index}").to_lowercase()));
                }
                _ => {
                    names.insert(name.to_lowercase());
                }
            }
        }
        for (option, name) in command.named() {
            let schema = &command.options[name];
            if text(schema, "type") == Some("array") {
                continue;
            }
            let value = samples(name, schema).0.remove(0);
            let companion = command.companion(schema);
            for length in 1..=option.len() {
                let short = option[..length].to_uppercase();
                let key = short.to_lowercase();
                let fits: Vec<&String> = names.iter().filter(|name| name.starts_with(&key)).collect();
                let argv = [line.clone(), companion.clone(), vec![format!("-{short}"), value.clone()]].concat();
                if fits.len() == 1 || names.contains(&key) {
                    if length == option.len() {
                        taken(&argv);
                    }
                    continue;
                }
                let list: Vec<&str> = fits.iter().map(|name| name.as_str()).collect();
                let error = refused(&argv);
                let wanted = format!("Option {key} is ambiguous ({})\n", list.join(", "));
                assert!(error.starts_with(&wanted), "{argv:?}: {error}\nlacks {wanted}");
            }
            let unknown = refused(&[line.clone(), vec![format!("--no{option}")]].concat());
            assert!(
                unknown
                    .starts_with(&format!("Unknown option: no{}\n400 unable to parse option\n", option.to_lowercase())),
                "{unknown}"
            );
            if text(schema, "type") != Some("boolean") && !["password", "cipassword"].contains(&option.as_str()) {
                let bare = refused(&[line.clone(), vec![format!("--{option}")]].concat());
                assert!(
                    bare.starts_with(&format!(
                        "Option {} requires an argument\n400 unable to parse option\n",
                        option.to_lowercase()
                    )),
                    "{bare}"
                );
            }
        }
    }
}
