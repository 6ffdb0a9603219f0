//! Proxmox's own keys in the configuration, several interfaces and disks, and guests of people that have them all.

use serde_json::{Value, json};

use crate::lab::{Lab, container, machine};

fn vms(lab: &Lab, more: &Value) {
    lab.machines(&json!([machine(260, "gpu", more)]));
}

/// A new VM has every key of its own; nothing is left to do; and what leaves the file is taken back.
#[test]
fn keys_of_qm_are_set_kept_and_taken_back() {
    let lab = Lab::of(&json!({}));
    let qm = json!({
        "cpu": "host", "machine": "q35", "bios": "ovmf", "efidisk0": "local-zfs:1,efitype=4m,pre-enrolled-keys=1",
        "tpmstate0": {"file": "local-zfs:1", "version": "v2.0"}, "sockets": 2, "numa": true, "balloon": 512,
        "scsi0": {"ssd": true, "iothread": true, "discard": "on"}, "scsihw": "virtio-scsi-single",
        "scsi1": "local-zfs:4,backup=0", "hostpci0": {"host": "0000:01:00", "pcie": true}, "tablet": false
    });
    vms(&lab, &json!({"start_at_boot": false, "qm": qm}));
    lab.done(&["up"]);
    let live = |key: &str| lab.values(260, key);
    assert_eq!(live("cpu"), ["host"]);
    assert_eq!(live("sockets"), ["2"]);
    assert_eq!(live("numa"), ["1"]);
    assert_eq!(live("tablet"), ["0"]);
    assert_eq!(live("scsihw"), ["virtio-scsi-single"]);
    assert_eq!(live("hostpci0"), ["0000:01:00,pcie=1"]);
    let is = |key: &str, parts: &[&str]| {
        let value = live(key).pop().unwrap();
        assert!(parts.iter().all(|part| value.split(',').any(|one| one == *part)), "{key}: {value}");
    };
    is("scsi0", &["ssd=1", "iothread=1", "discard=on"]);
    is("scsi1", &["backup=0", "size=4G"]);
    is("efidisk0", &["efitype=4m", "pre-enrolled-keys=1"]);
    is("tpmstate0", &["version=v2.0"]);
    lab.done(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);

    // What somebody else sets stays; what Phoenix set goes with its key.
    lab.by_hand(&["qm", "set", "260", "--watchdog", "i6300esb"]);
    vms(
        &lab,
        &json!({"start_at_boot": false, "qm": {"cpu": "x86-64-v2-AES", "scsi0": {"ssd": true, "discard": "on"}}}),
    );
    lab.done(&["up"]);
    assert_eq!(live("cpu"), ["x86-64-v2-AES"]);
    assert_eq!([live("numa"), live("sockets"), live("hostpci0"), live("scsi1")], [[""; 0]; 4]);
    assert_eq!(live("watchdog"), ["i6300esb"]);
    assert!(!live("scsi0")[0].contains("iothread"), "{:?}", live("scsi0"));
    lab.done(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);

    // The root disk itself is no key that goes.
    vms(&lab, &json!({"start_at_boot": false}));
    lab.done(&["up"]);
    is("scsi0", &["ssd=1", "discard=on"]);
    assert_eq!(live("cpu"), [""; 0]);
}

#[test]
fn the_key_of_the_root_disk_says_its_bus() {
    let lab = Lab::of(&json!({}));
    vms(&lab, &json!({"qm": {"virtio0": {"discard": "on", "iothread": 1}}}));
    lab.done(&["up"]);
    assert_eq!((lab.values(260, "scsi0"), lab.values(260, "boot")), (vec![], vec!["order=virtio0".to_owned()]));
    assert!(lab.values(260, "virtio0")[0].contains("iothread=1"), "{:?}", lab.values(260, "virtio0"));
    lab.done(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);
}

#[test]
fn further_disks_grow_and_do_not_shrink() {
    let lab = Lab::of(&json!({}));
    let of = |gib: u32| vms(&lab, &json!({"qm": {"scsi1": format!("local-zfs:{gib},ssd=1")}}));
    of(4);
    lab.done(&["up"]);
    of(6);
    let plan = lab.done(&["plan"]);
    assert!(plan.stdout.contains("scsi1 size: 4G → 6G"), "{}", plan.all());
    lab.done(&["up"]);
    assert_eq!(lab.changes(), ["qm disk resize 260 scsi1 6G"]);
    of(5);
    let run = lab.phoenix(&["up"]);
    assert!(run.stdout.contains("disks cannot shrink"), "{}", run.all());
    assert_eq!(lab.changes(), [""; 0]);
}

#[test]
fn volumes_of_containers_grow() {
    let of = |gib: u32| {
        let volume = json!([{"pool": "local-zfs", "size_gb": gib, "mount_point": "/data", "options": {"mountoptions": ["noatime"]}}]);
        json!({"101": container("db", &json!({"volumes": volume}))})
    };
    let lab = Lab::of(&of(2));
    lab.done(&["up"]);
    assert!(lab.values(101, "mp0")[0].contains("mountoptions=noatime"), "{:?}", lab.values(101, "mp0"));
    lab.containers(&of(3));
    lab.done(&["up"]);
    assert_eq!(lab.changes(), ["pct resize 101 mp0 3G"]);
}

#[test]
fn keys_of_pct_are_set_kept_and_taken_back() {
    let lab = Lab::of(&json!({"101": container("media", &json!({"cores": "all",
        "pct": {"timezone": "host", "cmode": "shell", "cpulimit": 1.5, "rootfs": {"acl": true}}}))}));
    lab.done(&["up"]);
    let live = |key: &str| lab.values(101, key);
    assert_eq!([live("timezone"), live("cmode"), live("cpulimit")], [["host"], ["shell"], ["1.5"]]);
    assert_eq!(live("cores"), [""; 0]);
    assert!(live("rootfs")[0].contains("acl=1"), "{:?}", live("rootfs"));
    lab.done(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);
    lab.containers(&json!({"101": container("media", &json!({"cores": 2}))}));
    lab.done(&["up"]);
    assert_eq!([live("timezone"), live("cmode"), live("cpulimit")], [[""; 0]; 3]);
    assert_eq!(live("cores"), ["2"]);
    lab.containers(&json!({"101": container("media", &json!({"cores": "all"}))}));
    lab.done(&["up"]);
    assert_eq!(live("cores"), [""; 0]);
}

#[test]
fn defaults_of_the_fleet_hold_key_by_key() {
    let lab = Lab::of(&json!({"101": container("a", &json!({"pct": {"tty": 4}}))}));
    lab.hypervisor(&json!({"proxmox_defaults": {"lxc": {"pct": {"tty": 1, "timezone": "host"}}}}));
    lab.done(&["up"]);
    assert_eq!((lab.values(101, "tty"), lab.values(101, "timezone")), (vec!["4".to_owned()], vec!["host".to_owned()]));
}

#[test]
fn guests_have_several_interfaces() {
    let nets = json!([
        {"bridge": "vmbr0", "ip": "10.9.0.20/24", "gw": "10.9.0.1", "ip6": "fd00::20/64", "gw6": "fd00::1", "nameservers": ["10.9.0.1", "fd00::1"]},
        {"bridge": "vmbr0", "ip": "manual", "ip6": "auto", "vlan": 20, "rate": 12.5, "firewall": true}
    ]);
    let lab = Lab::of(&json!({"101": container("router", &json!({"network_config": nets}))}));
    vms(
        &lab,
        &json!({"network_config": [
            {"ip": "10.9.0.21/24", "gw": "10.9.0.1", "ip6": "dhcp"},
            {"model": "e1000", "ip": "manual", "queues": 4, "link_down": true, "trunks": [10, "20-30"], "mac_address": "52:54:00:00:00:02"}
        ]}),
    );
    lab.done(&["up"]);
    let net = |id: u32, key: &str| lab.values(id, key).pop().unwrap_or_default();
    assert!(net(101, "net0").contains("ip6=fd00::20/64"), "{}", net(101, "net0"));
    assert!(net(101, "net1").contains("name=eth1") && net(101, "net1").contains("rate=12.5"), "{}", net(101, "net1"));
    assert_eq!(net(101, "nameserver"), "10.9.0.1 fd00::1");
    assert_eq!(net(260, "ipconfig0"), "ip=10.9.0.21/24,gw=10.9.0.1,ip6=dhcp");
    assert_eq!(
        (net(260, "net1"), net(260, "ipconfig1")),
        ("e1000=52:54:00:00:00:02,bridge=vmbr0,link_down=1,queues=4,trunks=10;20-30".to_owned(), String::new())
    );
    lab.done(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);
    // An interface that leaves the list goes.
    lab.containers(&json!({"101": container("router", &json!({"network_config": nets[0]}))}));
    lab.done(&["up"]);
    assert_eq!(net(101, "net1"), "");
}

/// Whatever people have: it is described, taken over and kept as it is.
#[test]
fn guests_of_people_are_described_and_kept_byte_for_byte() {
    let lab = Lab::of(&json!({}));
    let by_hand = |text: &str| lab.by_hand(&shell_words(text));
    by_hand(
        "qm create 300 --memory 4096 --sockets 2 --cpu host,flags=+aes --bios ovmf --machine q35 --efidisk0 local-zfs:1,efitype=4m \
         --tpmstate0 local-zfs:1,version=v2.0 --scsihw virtio-scsi-single --virtio0 local-zfs:8,iothread=1,cache=writeback --scsi3 local-zfs:2 --scsi4 local-zfs:1.5 \
         --ide2 none,media=cdrom --net0 e1000,bridge=vmbr0,firewall=1 --net1 virtio,bridge=vmbr0,queues=2,link_down=1 \
         --hostpci0 0000:01:00,pcie=1 --usb0 host=1234:5678 --serial0 socket --vga qxl --balloon 0 --ostype win11 --tablet 0 \
         --args '-cpu host,kvm=off' --boot order=virtio0 --onboot 1 --numa 1 --smbios1 manufacturer=QQ==,base64=1 \
         --agent 1,fstrim_cloned_disks=1 --localtime 1",
    );
    by_hand(
        "pct create 301 local:vztmpl/debian-12.tar.zst --hostname media --rootfs local-zfs:1.5 --timezone Europe/Berlin --cmode shell \
         --net0 name=lan,bridge=vmbr0,ip6=auto,firewall=1 --net1 name=eth1,bridge=vmbr0,ip=dhcp,rate=3 --cpulimit 2 \
         --mp0 local-zfs:2,mp=/data,backup=1,mountoptions=noatime --mp1 local-zfs:1.5,mp=/odd --unprivileged 1 --tags Home --nameserver fd00::1",
    );
    let before = [lab.live(300), lab.live(301)];
    lab.done(&["adopt", "--write", &lab.beside("files")]);
    let files = lab.beside("files");
    let here = |args: &[&str]| lab.done(&[&["-C", &files], args].concat());
    here(&["validate"]);
    here(&["adopt", "--yes"]);
    here(&["plan", "--exit-code"]);
    here(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);
    let mark = |line: &String| !line.starts_with("lxc.environment: PHOENIX_RECORD=");
    let after = |id: u32| lab.live(id).into_iter().filter(mark).collect::<Vec<_>>();
    assert_eq!([after(300), after(301)], before);
    // The files say all of it, in words that another node could use too.
    let written = std::fs::read_to_string(format!("{files}/phoenix_vm_configs.json")).unwrap();
    let vm: Value = serde_json::from_str(&written).unwrap();
    let qm = &vm["vms"][0]["qm"];
    assert_eq!((&qm["scsi3"], &qm["scsi4"]), (&json!("local-zfs:2"), &json!("local-zfs:1.5")));
    assert_eq!(qm["efidisk0"], json!("local-zfs:1,efitype=4m"));
    assert_eq!((&qm["balloon"], &qm["sockets"], &qm["numa"]), (&json!(0), &json!(2), &json!(true)));
    assert_eq!(qm["args"], json!("-cpu host,kvm=off"));
    assert_eq!(qm["smbios1"], json!("manufacturer=QQ==,base64=1"));
}

fn shell_words(text: &str) -> Vec<&str> {
    // One argument has blanks in it.
    let (before, rest) = text.split_once('\'').unwrap_or((text, ""));
    let (quoted, after) = rest.split_once('\'').unwrap_or(("", rest));
    let quoted = Some(quoted).filter(|quoted| !quoted.is_empty());
    before.split_whitespace().chain(quoted).chain(after.split_whitespace()).collect()
}

#[test]
fn contradictions_are_found_in_the_files() {
    let lab = Lab::of(
        &json!({"101": container("a", &json!({"pct": {"memory": 1024, "lxc.idmap": "u 0 1 1", "unused0": "x:y"}}))}),
    );
    let run = lab.refused(&["validate"]);
    for words in ["`memory` has a key of Phoenix: `memory_mb`", "`lxc_options`", "`unused0` is set by Proxmox itself"] {
        assert!(run.stdout.contains(words), "{words}\n{}", run.all());
    }
    lab.containers(&json!({}));
    vms(&lab, &json!({"qm": {"hostpci0": "01:00,pcie=5", "scsi1": "local-zfs:4,sdd=1", "efidisk0": "efitype=4m"}}));
    let run = lab.refused(&["validate"]);
    for words in ["`pcie` of `hostpci0` cannot be `5`", "did you mean `ssd`?", "`file` of `efidisk0` is missing"] {
        assert!(run.stdout.contains(words), "{words}\n{}", run.all());
    }
}

/// Two guests that need a template of Proxmox download it once.
#[test]
fn a_template_that_is_missing_is_downloaded() {
    let template = "local:vztmpl/alpine-3.22-default_20250617_amd64.tar.xz";
    let one = |name: &str| container(name, &json!({"template": template, "pct": {"cmode": "shell"}}));
    let lab = Lab::of(&json!({"101": one("a"), "102": one("b")}));
    lab.world(&json!({"images": "listed"}));
    let doctor = lab.phoenix(&["doctor"]);
    assert!(doctor.stdout.contains("is not on the node, and"), "{}", doctor.all());
    lab.done(&["up"]);
    let downloads = lab.changes().into_iter().filter(|line| line.starts_with("pveam")).collect::<Vec<_>>();
    assert_eq!(downloads, ["pveam download local alpine-3.22-default_20250617_amd64.tar.xz"]);
    // One that Proxmox does not have ends its guest alone, with the reason.
    let absent = "local:vztmpl/debian-99-standard_99.1-1_amd64.tar.zst";
    lab.containers(&json!({"101": one("a"), "102": one("b"), "103": container("c", &json!({"template": absent}))}));
    let run = lab.phoenix(&["up"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    assert!(run.stderr.contains("no such template"), "{}", run.all());
}
