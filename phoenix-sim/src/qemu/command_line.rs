//! `qm showcmd`: the command line of QEMU for a VM.
//!
//! Rules from `PVE::QemuServer` (`config_to_command`), `PVE::QemuServer::PCI` (`get_pci_addr_map`), `::Blockdev` and
//! `::CPUConfig`, for what guests of a fleet use: disks, network, display, serial ports, agent, processor and memory. USB,
//! audio, watchdog, random numbers, passed-through devices and SPICE leave no trace in it.

use phoenix_types::{ConfSection, GuestConf};
use serde_json::{Value as Json, json};

use crate::grammar::{PropertyString, parse_property_string};
use crate::node::{Call, Failure, Format};

use super::drive::{self, Drive};
use super::{power, settings, volumes};

/// `qm showcmd`.
pub(super) fn show(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let mut conf = call.vm(id)?;
    if let Some(name) = call.param("snapshot").filter(|name| !name.is_empty()) {
        let section = conf.snapshots.get(name).cloned();
        conf.live = section.ok_or_else(|| Failure::die(format!("snapshot '{name}' does not exist")))?;
    }
    for warning in power::warnings(&conf) {
        call.warn(&warning);
    }
    let words = Builder::new(call, id, &conf).build()?;
    let mut line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    if call.is_set("pretty") {
        line = line.replace(" -", " \\\n  -");
    }
    call.out(&format!("{line}\n"));
    Ok(())
}

/// A word as a shell needs it (`String::ShellQuote`).
fn quoted(word: &str) -> String {
    let is_plain = |ch: char| ch.is_ascii_alphanumeric() || "_!%+,-./:@^".contains(ch);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The place of a device on the PCI bus of the machine type `pc`.
fn address(device: &str) -> String {
    let (family, number) = device.split_at(device.find(|ch: char| ch.is_ascii_digit()).unwrap_or(device.len()));
    let number: u32 = number.parse().unwrap_or(0);
    let (bus, slot) = match (family, number) {
        ("vga", 0) => (0, 2),
        ("balloon", _) => (0, 3),
        ("scsihw", number) => (0, 5 + number),
        ("ahci", _) => (0, 7),
        ("qga", _) => (0, 8),
        ("virtio", number @ 0..6) => (0, 10 + number),
        ("virtio", number) => (2, number - 5),
        ("net", number @ 0..6) => (0, 18 + number),
        ("net", number) => (1, number - 5),
        ("virtioscsi", number) => (3, 1 + number),
        _ => (0, 31),
    };
    format!(",bus=pci.{bus},addr=0x{slot:x}")
}

struct Builder<'a, 'b> {
    call: &'a Call<'b>,
    id: u32,
    conf: &'a ConfSection,
    words: Vec<String>,
    devices: Vec<String>,
    boot: Vec<String>,
}

impl<'a, 'b> Builder<'a, 'b> {
    fn new(call: &'a Call<'b>, id: u32, conf: &'a GuestConf) -> Self {
        let conf = &conf.live;
        let boot = drive::boot_order(conf).unwrap_or_default();
        Self { call, id, conf, words: Vec::new(), devices: Vec::new(), boot }
    }

    fn option(&mut self, name: &str, value: impl Into<String>) {
        self.words.extend([name.to_owned(), value.into()]);
    }

    fn device(&mut self, name: &str, value: impl Into<String>) {
        self.devices.extend([name.to_owned(), value.into()]);
    }

    fn count(&self, key: &str) -> Option<u64> {
        self.conf.get(key)?.parse().ok().filter(|count| *count > 0)
    }

    fn properties(&self, key: &str, format: &str) -> PropertyString {
        self.conf.get(key).and_then(|text| parse_property_string(format, text).ok()).unwrap_or_default()
    }

    fn boot_index(&self, key: &str) -> String {
        let place = self.boot.iter().position(|device| device == key);
        place.map_or_else(String::new, |place| format!(",bootindex={}", 100 + place))
    }

    fn build(mut self) -> Result<Vec<String>, Failure> {
        let id = self.id;
        let runs = format!("/var/run/qemu-server/{id}");
        self.words.push("/usr/bin/kvm".to_owned());
        self.option("-id", id.to_string());
        let name = self.conf.get("name").map_or_else(|| format!("vm{id}"), str::to_owned);
        self.option("-name", format!("{name},debug-threads=on"));
        self.words.push("-no-shutdown".to_owned());
        self.option("-chardev", format!("socket,id=qmp,path={runs}.qmp,server=on,wait=off"));
        self.option("-mon", "chardev=qmp,mode=control");
        self.option("-chardev", "socket,id=qmp-event,path=/var/run/qmeventd.sock,reconnect-ms=5000");
        self.option("-mon", "chardev=qmp-event,mode=control");
        self.option("-pidfile", format!("{runs}.pid"));
        self.words.push("-daemonize".to_owned());
        if let Some(smbios) = self.conf.get("smbios1") {
            self.option("-smbios", format!("type=1,{smbios}"));
        }
        let machine = self.properties("machine", "qm-machine");
        let machine = machine.get("type").unwrap_or("pc");
        let is_q35 = machine.contains("q35");
        self.bridges(is_q35);
        if let Some(generation) = self.conf.get("vmgenid").filter(|generation| *generation != "0") {
            self.device("-device", format!("vmgenid,guid={generation}"));
        }
        if !is_q35 {
            self.device("-device", "piix3-usb-uhci,id=uhci,bus=pci.0,addr=0x1.0x2");
        }
        let flags = self.processors_and_display(&runs)?;
        self.channels(&runs);
        self.drives()?;
        self.networks();
        let manager = if is_q35 { "ICH9-LPC" } else { "PIIX4_PM" };
        self.option("-global", format!("{manager}.disable_s3=1"));
        self.option("-global", format!("{manager}.disable_s4=1"));
        let devices = std::mem::take(&mut self.devices);
        self.words.extend(devices);
        let kind = machine.split('+').next().unwrap_or(machine);
        self.option("-machine", format!("{flags}type={kind}+pve1"));
        if let Some(args) = self.conf.get("args") {
            self.words.extend(split_words(args));
        }
        Ok(self.words)
    }

    fn bridges(&mut self, is_q35: bool) {
        if is_q35 {
            self.device("-readconfig", "/usr/share/qemu-server/pve-q35-4.0.cfg");
            return;
        }
        for (number, slot) in [(1, 0x1e), (2, 0x1f)] {
            self.device("-device", format!("pci-bridge,id=pci.{number},chassis_nr={number},bus=pci.0,addr=0x{slot:x}"));
        }
        if self.conf.get("scsihw") == Some("virtio-scsi-single") {
            self.device("-device", "pci-bridge,id=pci.3,chassis_nr=3,bus=pci.0,addr=0x5");
        }
    }

    /// Gives the flags of the machine, each with a comma behind it.
    fn processors_and_display(&mut self, runs: &str) -> Result<String, Failure> {
        let (sockets, cores) = (self.count("sockets").unwrap_or(1), self.count("cores").unwrap_or(1));
        let all = sockets.saturating_mul(cores);
        power::check_processors(self.call, self.conf)?;
        let used = self.count("vcpus").unwrap_or(all);
        self.option("-smp", format!("{used},sockets={sockets},cores={cores},maxcpus={all}"));
        self.words.push("-nodefaults".to_owned());
        self.option("-boot", "menu=on,strict=on,reboot-timeout=1000,splash=/usr/share/qemu-server/bootsplash.jpg");
        let display = self.properties("vga", "qm-vga");
        let display = display.get("type").unwrap_or("std");
        let is_serial = display.starts_with("serial");
        if !is_serial && self.conf.get("tablet") != Some("0") {
            self.device("-device", "usb-tablet,id=tablet,bus=uhci.0,port=1");
        }
        for number in 0..4 {
            let Some(path) = self.conf.get(&format!("serial{number}")) else { continue };
            let kind = if path == "socket" {
                format!("socket,id=serial{number},path={runs}.serial{number},server=on,wait=off")
            } else {
                format!("serial,id=serial{number},path={path}")
            };
            self.device("-chardev", kind);
            self.device("-device", format!("isa-serial,chardev=serial{number}"));
        }
        if is_serial || display == "none" {
            if display == "none" {
                self.option("-vga", "none");
            }
            self.words.push("-nographic".to_owned());
        } else {
            let device = match display {
                "std" => "VGA",
                "cirrus" => "cirrus-vga",
                "virtio" => "virtio-vga",
                "vmware" => "vmware-svga",
                _ => "qxl-vga",
            };
            self.device("-device", format!("{device},id=vga{}", address("vga")));
            self.option("-vnc", format!("unix:{runs}.vnc,password=on"));
        }
        let uses_kvm = self.conf.get("kvm") != Some("0");
        let processor = self.processor(uses_kvm);
        self.option("-cpu", processor);
        self.option("-m", settings::memory_mib(self.conf.get("memory")).to_string());
        let mut flags = String::new();
        if self.conf.get("acpi") == Some("0") {
            flags.push_str("acpi=off,");
        }
        if !uses_kvm {
            flags.push_str("accel=tcg,");
        }
        if (is_serial || display == "none") && self.conf.get("bios") != Some("ovmf") {
            flags.push_str("smm=off,");
        }
        Ok(flags)
    }

    fn processor(&self, uses_kvm: bool) -> String {
        let values = self.properties("cpu", "pve-vm-cpu-conf");
        let kind = values.get("cputype").unwrap_or("kvm64");
        let (model, own): (&str, &[&str]) = match kind {
            "kvm64" if uses_kvm => ("kvm64", &["+lahf_lm", "+sep"]),
            "x86-64-v2" => ("qemu64", &["+pni", "+popcnt", "+sse4.1", "+sse4.2", "+ssse3"]),
            "x86-64-v2-AES" => ("qemu64", &["+aes", "+pni", "+popcnt", "+sse4.1", "+sse4.2", "+ssse3"]),
            other => (other, &[]),
        };
        let mut flags: Vec<String> = own.iter().map(|flag| (*flag).to_owned()).collect();
        flags.extend(
            values.get("flags").unwrap_or_default().split(';').filter(|flag| !flag.is_empty()).map(str::to_owned),
        );
        if uses_kvm {
            flags.extend(["+kvm_pv_eoi", "+kvm_pv_unhalt"].map(str::to_owned));
            if kind != "host" {
                flags.push("enforce".to_owned());
            }
        }
        // Flags are sorted by their names, whatever sign they have.
        flags.sort_by(|one, two| one.trim_start_matches(['+', '-']).cmp(two.trim_start_matches(['+', '-'])));
        flags.dedup();
        std::iter::once(model.to_owned()).chain(flags).collect::<Vec<_>>().join(",")
    }

    fn channels(&mut self, runs: &str) {
        let agent = self.properties("agent", "qm-agent");
        if agent.get("enabled") == Some("1") {
            self.device("-chardev", format!("socket,path={runs}.qga,server=on,wait=off,id=qga0"));
            if agent.get("type") == Some("isa") {
                self.device("-device", "isa-serial,chardev=qga0");
            } else {
                self.device("-device", format!("virtio-serial,id=qga0{}", address("qga0")));
                self.device("-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0");
            }
        }
        if self.conf.get("balloon") != Some("0") {
            let place = address("balloon0");
            self.device("-device", format!("virtio-balloon-pci,id=balloon0{place},free-page-reporting=on"));
        }
    }

    fn drives(&mut self) -> Result<(), Failure> {
        let controller = self.conf.get("scsihw").unwrap_or("lsi").to_owned();
        let is_single = controller == "virtio-scsi-single";
        let mut controllers: Vec<String> = Vec::new();
        for (key, drive) in drive::drives(self.conf) {
            let digits = key.find(|ch: char| ch.is_ascii_digit()).unwrap_or(key.len());
            let (bus, number) = key.split_at(digits);
            let number: u32 = number.parse().unwrap_or(0);
            let has_thread = drive.get("iothread") == Some("1");
            let mut thread = String::new();
            let place = match bus {
                "efidisk" | "tpmstate" => continue,
                "scsi" => {
                    let name = match controller.as_str() {
                        "virtio-scsi-single" => format!("virtioscsi{number}"),
                        "virtio-scsi-pci" => "scsihw0".to_owned(),
                        _ => format!("scsihw{}", number / 7),
                    };
                    if is_single && has_thread {
                        self.option("-object", format!("iothread,id=iothread-{name}"));
                        thread = format!(",iothread=iothread-{name}");
                    }
                    if !controllers.contains(&name) {
                        let kind = if is_single { "virtio-scsi-pci" } else { &controller };
                        self.device("-device", format!("{kind},id={name}{}{thread}", address(&name)));
                        controllers.push(name.clone());
                    }
                    thread.clear();
                    match controller.as_str() {
                        "virtio-scsi-single" | "virtio-scsi-pci" => {
                            format!("bus={name}.0,channel=0,scsi-id=0,lun={number},")
                        }
                        _ => format!("bus={name}.0,scsi-id={},", number % 7),
                    }
                }
                "ide" => format!("bus=ide.{},unit={},", number / 2, number % 2),
                "sata" => {
                    if controllers.iter().all(|name| name != "ahci0") {
                        self.device("-device", format!("ahci,id=ahci0,multifunction=on{}", address("ahci0")));
                        controllers.push("ahci0".to_owned());
                    }
                    format!("bus=ahci0.{number},")
                }
                _ => {
                    if has_thread {
                        self.option("-object", format!("iothread,id=iothread-{key}"));
                        thread = format!(",iothread=iothread-{key}");
                    }
                    String::new()
                }
            };
            self.drive(&key, bus, &drive, &place, &thread)?;
        }
        Ok(())
    }

    /// One drive: its limits, what is behind it, and the device that the guest sees.
    fn drive(&mut self, key: &str, bus: &str, drive: &Drive, place: &str, thread: &str) -> Result<(), Failure> {
        let is_medium = drive.is_medium();
        let boot = self.boot_index(key);
        let mut behind = String::new();
        if drive.file() != "none" {
            let limits = json!({"id": format!("throttle-drive-{key}"), "limits": {}, "qom-type": "throttle-group"});
            self.option("-object", limits.to_string());
            let chain = self.block_chain(key, drive)?;
            self.device("-blockdev", chain.to_string());
            behind = format!("drive=drive-{key},");
        }
        let cache = if is_medium { "" } else { ",write-cache=on" };
        let solid = if drive.get("ssd") == Some("1") && bus != "virtio" { ",rotation_rate=1" } else { "" };
        let text = match bus {
            "virtio" => format!("virtio-blk-pci,{behind}id={key}{}{thread}{boot}{cache}", address(key)),
            "scsi" => {
                let kind = if is_medium { "cd" } else { "hd" };
                let device = if drive.file() == "none" { String::new() } else { format!(",device_id=drive-{key}") };
                format!("scsi-{kind},{place}{behind}id={key}{device}{solid}{boot}{cache}")
            }
            _ => {
                let kind = if is_medium { "cd" } else { "hd" };
                format!("ide-{kind},{place}{behind}id={key}{solid}{boot}{cache}")
            }
        };
        self.device("-device", text);
        Ok(())
    }

    /// The block nodes behind a drive: throttle, format, file.
    fn block_chain(&self, key: &str, drive: &Drive) -> Result<Json, Failure> {
        let file = drive.file();
        let (path, format, is_block) = match drive.volume() {
            Some((storage, name)) => {
                let storage = self.call.state().storage(storage)?;
                (
                    storage.path(name, Some(volumes::format_of(name))),
                    volumes::format_of(name),
                    !storage.kind.is_folder(),
                )
            }
            None => (file.to_owned(), Format::Raw, file.starts_with("/dev/")),
        };
        let is_medium = drive.is_medium();
        let cache = drive.get("cache").unwrap_or(if is_medium { "writeback" } else { "none" });
        let cache = json!({
            "direct": matches!(cache, "none" | "directsync"),
            "no-flush": cache == "unsafe",
        });
        let discards = drive.get("discard") == Some("on");
        let node = |kind: char, mut node: Json| {
            node["node-name"] = json!(node_name(kind, key, file));
            node["read-only"] = json!(is_medium);
            if !is_medium {
                node["discard"] = json!(if discards { "unmap" } else { "ignore" });
                node["detect-zeroes"] = json!(if discards { "unmap" } else { "on" });
            }
            node
        };
        let aio = drive.get("aio").unwrap_or("io_uring");
        let driver = if is_block { "host_device" } else { "file" };
        let file_node = node('e', json!({"aio": aio, "cache": cache, "driver": driver, "filename": path}));
        let format_node = node('f', json!({"cache": cache, "driver": format.name(), "file": file_node}));
        let mut top = node(
            't',
            json!({"driver": "throttle", "file": format_node, "throttle-group": format!("throttle-drive-{key}")}),
        );
        top["node-name"] = json!(format!("drive-{key}"));
        Ok(top)
    }

    fn networks(&mut self) {
        let nets: Vec<(u32, PropertyString)> = (0..32)
            .filter_map(|number| {
                let text = self.conf.get(&format!("net{number}"))?;
                Some((number, parse_property_string("qm-net", text).ok()?))
            })
            .collect();
        let devices = self.call.node.world().devices.as_ref();
        let offloads = devices.is_none_or(|devices| devices.iter().any(|device| device == "/dev/vhost-net"));
        for (number, net) in nets {
            let key = format!("net{number}");
            let model = net.get("model").unwrap_or("virtio");
            let is_virtio = model == "virtio";
            let scripts = "/usr/libexec/qemu-server/pve-bridge";
            let vhost = if is_virtio && offloads { ",vhost=on" } else { "" };
            self.device(
                "-netdev",
                format!(
                    "type=tap,id={key},ifname=tap{}i{number},script={scripts},downscript={scripts}down{vhost}",
                    self.id
                ),
            );
            let device = if is_virtio { "virtio-net-pci" } else { model };
            let mac = net.get("macaddr").unwrap_or_default();
            let queues = if is_virtio { ",rx_queue_size=1024,tx_queue_size=256" } else { "" };
            let unit = if is_virtio {
                format!(",host_mtu={}", net.get("mtu").filter(|mtu| *mtu != "1").unwrap_or("1500"))
            } else {
                String::new()
            };
            let boot = self.boot_index(&key);
            let place = address(&key);
            self.device("-device", format!("{device},mac={mac},netdev={key}{place},id={key}{queues}{boot}{unit}"));
        }
    }
}

/// The name of a block node: its kind and a hash over drive and volume (`PVE::QemuServer::Blockdev`).
fn node_name(kind: char, key: &str, file: &str) -> String {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(format!("drive={key},volid={file}"));
    let hex: String = hash.iter().take(15).map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}{hex}")
}

/// The words of the setting `args`, split as a shell splits them.
fn split_words(args: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = args.chars();
    while let Some(ch) = chars.next() {
        match (ch, quote) {
            (ch, Some(open)) if ch == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (ch, Some(_)) => word.get_or_insert_default().push(ch),
            ('"' | '\'', None) => {
                quote = Some(ch);
                word.get_or_insert_default();
            }
            (ch, None) if ch.is_whitespace() => words.extend(word.take()),
            (ch, None) => word.get_or_insert_default().push(ch),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("-kernel /boot/x -append \"a b\" 'c d'e", &["-kernel", "/boot/x", "-append", "a b", "c de"])]
    #[test_case("  ", &[]; "nothing")]
    fn words(args: &str, expected: &[&str]) {
        assert_eq!(split_words(args), expected);
    }

    #[test_case("host,+kvm_pv_eoi", "host,+kvm_pv_eoi")]
    #[test_case("type=pc+pve1", "'type=pc+pve1'")]
    #[test_case("it's", "'it'\\''s'")]
    fn quoting(word: &str, expected: &str) {
        assert_eq!(quoted(word), expected);
    }

    #[test]
    fn block_nodes_are_named_after_drive_and_volume() {
        let name = node_name('e', "scsi0", "quickOS-vm-disks:8000/vm-8000-disk-0.qcow2");
        assert_eq!(name, "ec7df7cfbbdb4458b03fc2b912abbfe");
    }
}
