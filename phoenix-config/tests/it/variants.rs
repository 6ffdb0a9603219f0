//! The rules over the fleet against what people write: what is in order, in its many forms, and what only looks like it.

use phoenix_config::Loader;
use phoenix_config::diagnostic::FileKind;
use pretty_assertions::assert_eq;
use test_case::test_case;

fn codes(texts: &[(FileKind, String)]) -> Vec<&'static str> {
    let loaded = Loader::new("/nowhere".into()).load_texts(texts.iter().cloned());
    loaded.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect()
}

const NODE: &str =
    r#"{"network": {"interfaces": {"name": "vmbr0", "address": "10.0.0.13/24"}, "nfs_server": "10.0.0.13"}}"#;

/// One container next to a node with a bridge in 10.0.0.0/24.
fn container(members: &str) -> Vec<&'static str> {
    let lxc = format!(r#"{{"lxc_configs": {{"100": {{"name": "web", "template": "local:a", {members}}}}}}}"#);
    codes(&[(FileKind::Hypervisor, NODE.to_owned()), (FileKind::Lxc, lxc)])
}

#[test_case(r#""ip": "10.0.0.5/24", "gw": "10.0.0.1""#, &[])]
#[test_case(r#""ip": "dhcp""#, &[] ; "dhcp")]
#[test_case(r#""ip": "manual""#, &[] ; "manual")]
#[test_case(r#""ip": "dhcp", "gw": "10.0.0.1""#, &["PHX0110"] ; "a gateway with dhcp")]
#[test_case(r#""ip": "manual", "gw": "10.0.0.1""#, &["PHX0110"] ; "a gateway with manual")]
#[test_case(r#""ip": "10.9.0.5/24", "gw": "10.9.0.1""#, &["PHX0305"] ; "another network")]
#[test_case(r#""ip": "10.9.0.5/24", "gw": "10.9.0.1", "vlan": 9"#, &[] ; "another network on a vlan")]
#[test_case(r#""ip": "10.9.0.5/24", "gw": "10.9.0.1", "bridge": "vmbr1""#, &[] ; "another network on another bridge")]
#[test_case(r#""ip": "10.0.0.5/16", "gw": "10.0.200.1""#, &[] ; "a wider network than the node's")]
#[test_case(r#""ip": "10.0.0.5/24", "gw": "10.0.1.1""#, &["PHX0306"] ; "a gateway outside")]
#[test_case(r#""ip": "10.0.0.5/32", "gw": "10.0.0.1""#, &[] ; "a network of one address")]
#[test_case(r#""ip": "10.0.0.5/31", "gw": "10.0.0.4""#, &[] ; "a link of two addresses")]
#[test_case(r#""ip": "10.0.0.0/24""#, &["PHX0307"] ; "the network's own address")]
#[test_case(r#""ip": "10.0.0.255/24""#, &["PHX0307"] ; "the broadcast address")]
#[test_case(r#""ip": "10.0.0.255/23", "bridge": "vmbr1""#, &[] ; "an address that looks like a broadcast address")]
#[test_case(r#""ip": "10.0.0.5/24", "gw": "10.0.0.5""#, &["PHX0308"] ; "its own gateway")]
#[test_case(r#""ip": "10.0.0.13/24""#, &["PHX0303"] ; "the node's address")]
fn addresses(network: &str, expected: &[&str]) {
    assert_eq!(container(&format!(r#""network_config": {{{network}}}"#)), expected);
}

#[test_case(r#"{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "80"}, {"port": 80, "proto": "tcp", "action": "ACCEPT", "type": "in"}"#, &["PHX0401"] ; "in another order")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "80"}, {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "80", "comment": "web", "log": "info"}"#, &["PHX0401"] ; "by another key and with a remark")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "80"}, {"type": "out", "action": "ACCEPT", "proto": "tcp", "port": "80"}"#, &[] ; "the other way")]
#[test_case(r#"{"type": "in", "action": "DROP", "proto": "udp"}, {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": 80}"#, &[] ; "another protocol is dropped")]
#[test_case(r#"{"type": "in", "action": "DROP"}, {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": 80}"#, &["PHX0402"] ; "everything is dropped")]
#[test_case(r#"{"type": "in", "action": "DROP", "enabled": false}, {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": 80}"#, &[] ; "what drops is off")]
#[test_case(r#"{"type": "in", "action": "DROP", "iface": "net1"}, {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": 80}"#, &[] ; "another interface is dropped")]
#[test_case(r#"{"type": "in", "action": "DROP", "source": "10.0.0.0/24"}, {"type": "in", "action": "ACCEPT", "source": "10.0.0.7"}"#, &["PHX0402"] ; "one of the network that is dropped")]
#[test_case(r#"{"type": "in", "action": "DROP", "source": "10.0.0.0/24"}, {"type": "in", "action": "ACCEPT", "source": "10.0.0.0/16"}"#, &[] ; "more than the network that is dropped")]
#[test_case(r#"{"type": "in", "action": "DROP", "source": "+lan"}, {"type": "in", "action": "ACCEPT", "source": "10.0.0.7"}"#, &[] ; "a set that nobody knows here")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "80:90"}, {"type": "in", "action": "DROP", "proto": "tcp", "port": "85:95"}"#, &[] ; "ranges that overlap")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "80:90"}, {"type": "in", "action": "DROP", "proto": "tcp", "port": "85:90"}"#, &["PHX0402"] ; "a range in a range")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "90:80"}"#, &["PHX0404"] ; "a range upside down")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "proto": "icmp", "port": "echo-request"}"#, &[] ; "a kind of icmp")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "proto": "icmp", "port": 80}"#, &["PHX0403"] ; "icmp with a port")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "proto": "icmp", "sport": "80"}"#, &["PHX0403"] ; "icmp with a source port")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "port": 80}"#, &["PHX0403"] ; "a port without protocol")]
#[test_case(r#"{"type": "in", "action": "ACCEPT", "macro": "SSH"}, {"type": "in", "action": "ACCEPT", "macro": "SSH", "source": "10.0.0.7"}"#, &["PHX0402"] ; "a macro for one after a macro for all")]
fn firewalls(rules: &str, expected: &[&str]) {
    assert_eq!(container(&format!(r#""firewall": {{"rules": [{rules}]}}"#)), expected);
}

#[test_case(r#""health_check": {"command": "true"}"#, &["PHX0502"])]
#[test_case(r#""health_check": {"command": "true", "retries": 5}"#, &[])]
#[test_case(r#""health_check": {"command": "true", "deadline": "5m"}"#, &[])]
#[test_case(r#""health_checks": [{"command": "true", "timeout": 5}]"#, &["PHX0502"] ; "how long an attempt takes is not how long is waited")]
#[test_case(r#""wait_for": {"command": "true", "timeout": 5}"#, &[] ; "timeout of a wait")]
#[test_case(r#""wait_for": {"command": "true", "retries": 5}"#, &[] ; "retries of a wait")]
#[test_case(r#""wait_for": {"command": "true", "attempt_timeout": 5}"#, &["PHX0502"] ; "a wait without end")]
#[test_case(r#""wait_for": {"command": "true", "timeout": "5m", "start_period": "10m"}"#, &[] ; "a start period without retries")]
#[test_case(r#""health_check": {"command": "true", "retries": 2, "success_threshold": 3}"#, &["PHX0506"])]
#[test_case(r#""health_check": {"all": [{"agent": true}], "retries": 2}"#, &["PHX0505"])]
#[test_case(r#""health_checks": {"agent": true, "retries": 2}"#, &["PHX0505"])]
#[test_case(r#""health_check": {"retries": 2}"#, &["PHX0501"])]
#[test_case(r#""health_check": {"command": "true", "tcp": {"port": 80}, "retries": 2}"#, &["PHX0501"])]
fn gates(members: &str, expected: &[&str]) {
    assert_eq!(container(members), expected);
}

#[test_case(r#""lxc_options": ["lxc.cgroup2.devices.allow: c 195:* rwm", "lxc.mount.entry=/a a none bind"]"#, &[])]
#[test_case(r#""lxc_options": ["lxc.cap.drop:", "lxc.cap.drop = "]"#, &[] ; "a raw line without a value")]
#[test_case(r#""lxc_options": ["lxc.moutn.entry=/a a none bind"]"#, &["PHX0108"] ; "a raw key misspelt")]
#[test_case(r#""lxc_options": ["lxc.cgroup.devices.allow=c 195:* rwm"]"#, &["PHX0108"] ; "a raw key of old")]
#[test_case(r#""lxc_options": ["lxc.rootfs.path=/a"]"#, &["PHX0108"] ; "a raw key that is refused")]
#[test_case(r#""lxc_options": ["lxc.idmap=u 0 100000 65536"], "id_maps": [{"type": "uid", "host_id": 33, "container_id": 33}]"#, &["PHX0110"])]
#[test_case(r#""id_maps": [{"type": "uid", "host_id": 33, "container_id": 33}, {"type": "gid", "host_id": 33, "container_id": 33}]"#, &[])]
#[test_case(r#""id_maps": [{"type": "both", "host_id": 33, "container_id": 33, "size": 4}, {"type": "gid", "host_id": 34, "container_id": 34}]"#, &["PHX0704"])]
#[test_case(r#""mount_points": [{"host_path": "/a", "container_path": "/x"}, {"host_path": "/b", "container_path": "/x/"}]"#, &["PHX0606"])]
#[test_case(r#""mount_points": [{"host_path": "/a=b", "container_path": "/x"}]"#, &["PHX0108"] ; "a path that Proxmox would read as a name")]
#[test_case(r#""mount_points": [{"host_path": "/a", "container_path": "/x/./y"}]"#, &["PHX0108"] ; "a path that goes nowhere")]
#[test_case(r#""pct_options": ["mount=nfs;"]"#, &["PHX0108"] ; "a file system without name")]
#[test_case(r#""tags": ["0"]"#, &["PHX0108"] ; "a tag that is none")]
#[test_case(r#""tags": ["0", "1"]"#, &[])]
#[test_case(r#""state": "stopped", "start_at_boot": true"#, &["PHX0110"])]
#[test_case(r#""bootstrap_ca_url": "https://admin:hunter2@10.0.0.10:9000""#, &["PHX0901"])]
#[test_case(r#""lxc_options": ["lxc.environment=DB_PASSWORD=hunter2"]"#, &["PHX0901"])]
#[test_case(r#""health_check": {"command": "PGPASSWORD=hunter2 psql -c 'select 1'", "retries": 3}"#, &["PHX0901"])]
#[test_case(r#""health_check": {"http": {"headers": {"X-Api-Key": "abc"}}, "retries": 3}"#, &["PHX0901"])]
#[test_case(r#""health_check": {"http": {"headers": {"Accept": "text/plain"}}, "retries": 3}"#, &[])]
#[test_case(r#""vllm_engine_config": {"ServerConfig": {"api_key": "abc"}}"#, &["PHX0901"])]
fn settings_of_a_container(members: &str, expected: &[&str]) {
    assert_eq!(container(members), expected);
}

#[test]
fn notes_leave_room_for_the_record() {
    assert_eq!(container(&format!(r#""description": "{}""#, "ä".repeat(6000))), [""; 0]);
    assert_eq!(container(&format!(r#""description": "{}""#, "a".repeat(8000))), ["PHX0108"]);
}

/// One VM with one volume, on a node that exports /srv/data to somebody.
fn volume(clients: &str, path: &str, server: &str) -> Vec<&'static str> {
    let node = format!(
        r#"{{"network": {{"interfaces": {{"address": "10.0.0.13/24"}}}}, "nfs": {{"exports": [{{"path": "/srv/data", "clients": {clients}}}]}}}}"#
    );
    let vm = format!(
        r#"{{"vms": [{{"vmid": 1001, "name": "docker", "template_image": "/a.img", "network_config": {{"ip": "10.0.0.20/24"}},
            "volumes": [{{"server": "{server}", "path": "{path}", "mount_point": "/data"}}]}}]}}"#
    );
    codes(&[(FileKind::Hypervisor, node), (FileKind::Vm, vm)])
}

#[test_case(r#"["10.0.0.20"]"#, &[] ; "its address")]
#[test_case(r#"["10.0.0.0/24"]"#, &[] ; "its network")]
#[test_case(r#"["10.0.0.0/255.255.255.0"]"#, &[] ; "its network by mask")]
#[test_case(r#"["10.0.0.20(rw,sync)"]"#, &[] ; "its address with options")]
#[test_case(r#"["*"]"#, &[] ; "everybody")]
#[test_case(r#"["*.example.org"]"#, &[] ; "a pattern of names")]
#[test_case(r#"["Docker"]"#, &[] ; "its name")]
#[test_case(r#"[]"#, &[] ; "nobody in particular")]
#[test_case(r#"["10.0.0.21", "10.1.0.0/24"]"#, &["PHX0602"] ; "others")]
#[test_case(r#"["web"]"#, &["PHX0602"] ; "the name of another")]
fn clients(clients: &str, expected: &[&str]) {
    assert_eq!(volume(clients, "/srv/data/1001", "10.0.0.13"), expected);
}

#[test_case("/srv/data", "10.0.0.13", &[])]
#[test_case("/srv/data/", "10.0.0.13", &[])]
#[test_case("/mnt/pve/srv/data/x", "10.0.0.13", &[])]
#[test_case("/srv/data2", "10.0.0.13", &["PHX0601"] ; "a name that begins alike")]
#[test_case("/srv", "10.0.0.13", &["PHX0601"] ; "what is above")]
#[test_case("/srv/data2", "10.0.0.99", &[] ; "another server")]
#[test_case("/srv/data2", "nas.example.org", &[] ; "another server by name")]
fn exports(path: &str, server: &str, expected: &[&str]) {
    assert_eq!(volume(r#"["10.0.0.20"]"#, path, server), expected);
}

/// Two containers, 100 and 101, next to the node.
fn two(first: &str, second: &str) -> Vec<&'static str> {
    let lxc = format!(r#"{{"lxc_configs": {{"100": {{{first}}}, "101": {{{second}}}}}}}"#);
    codes(&[(FileKind::Hypervisor, NODE.to_owned()), (FileKind::Lxc, lxc)])
}

const A: &str = r#""name": "a", "template": "local:a", "start_at_boot": true"#;
const B: &str = r#""name": "b", "template": "local:a", "start_at_boot": true"#;

#[test_case(r#""boot_order": 1"#, r#""boot_order": 2, "dependencies": ["100"]"#, &[])]
#[test_case(r#""boot_order": 3"#, r#""boot_order": 2, "dependencies": ["100"]"#, &["PHX0209"])]
#[test_case("\"boot_delay\": 1", r#""boot_order": 2, "dependencies": ["100"]"#, &["PHX0209"] ; "without a number it comes last")]
#[test_case("\"boot_delay\": 1", r#""dependencies": ["100"]"#, &[] ; "no numbers at all")]
#[test_case("\"cores\": 1", r#""dependencies": [{"on": 100}]"#, &[] ; "a condition that says nothing")]
#[test_case("\"cores\": 1", r#""dependencies": [{"on": "100", "until": "started", "optional": true}]"#, &[] ; "a condition")]
#[test_case("\"cores\": 1", r#""dependencies": ["100", {"on": 100, "until": "started"}]"#, &["PHX0211"] ; "two conditions for one guest")]
#[test_case("\"cores\": 1", r#""dependencies": [{"on": "999", "optional": true}]"#, &[] ; "an optional guest that nobody describes")]
#[test_case("\"cores\": 1", r#""dependencies": [{"on": "999", "until": "started"}]"#, &["PHX0202"] ; "a guest that nobody describes")]
#[test_case("\"cores\": 1", r#""dependencies": [{"on": "100", "until": "completed"}]"#, &["PHX0213"] ; "what stays on is never completed")]
#[test_case("\"cores\": 1", r#""dependencies": [{"on": "100", "until": "ready"}]"#, &["PHX0108"] ; "no such condition")]
#[test_case("\"cores\": 1", r#""dependencies": [{"on": "100", "condition": "started"}]"#, &["PHX0105"] ; "no such word")]
#[test_case("\"cores\": 1", r#""dependencies": [{"until": "started"}]"#, &["PHX0106"] ; "on nobody")]
#[test_case(r#""kind": "job""#, "\"cores\": 1", &["PHX0110", "PHX0214"] ; "a job that the node starts, without a script")]
#[test_case(r#""kind": "daemon""#, "\"cores\": 1", &["PHX0108"] ; "no such kind")]
#[test_case(r#""mac_address": "52:54:00:00:00:01""#, r#""mac_address": "52:54:00:00:00:01""#, &["PHX0302"])]
#[test_case(r#""network_config": {"ip": "10.0.0.5/24"}"#, r#""network_config": {"ip": "10.0.0.5/16"}"#, &["PHX0303"])]
#[test_case(r#""network_config": {"ip": "10.0.0.5/24"}"#, r#""network_config": {"ip": "10.0.0.5/24", "vlan": 5}"#, &[])]
#[test_case(r#""network_config": {"ip": "10.0.0.5/24"}"#, r#""network_config": {"ip": "10.0.0.5/24", "bridge": "vmbr1"}"#, &[])]
#[test_case(r#""gpu_assignment": "0, 1", "vllm_engine_config": {"CacheConfig": {"gpu_memory_utilization": 0.7}}"#, r#""gpu_assignment": "1", "vllm_engine_config": {"CacheConfig": {"gpu_memory_utilization": 0.3}}"#, &[])]
#[test_case(r#""gpu_assignment": "0, 1", "vllm_engine_config": {"CacheConfig": {"gpu_memory_utilization": 0.7}}"#, r#""gpu_assignment": "1", "vllm_engine_config": {"CacheConfig": {"gpu_memory_utilization": 0.4}}"#, &["PHX0701"])]
fn pairs(first: &str, second: &str, expected: &[&str]) {
    assert_eq!(two(&format!("{A}, {first}"), &format!("{B}, {second}")), expected);
}

#[test]
fn a_template_disturbs_nobody() {
    let of = |name: &str, more: &str| {
        format!(
            r#""name": "{name}", "template": "local:a", "mac_address": "52:54:00:00:00:01", "network_config": {{"ip": "10.0.0.5/24"}}, {more}"#
        )
    };
    assert_eq!(two(&of("a", r#""is_template": true"#), &of("b", r#""start_at_boot": true"#)), [""; 0]);
}

#[test]
fn the_node_is_measured_only_when_it_is_known() {
    let guests =
        r#"{"lxc_configs": {"100": {"name": "a", "template": "local:a", "start_at_boot": true, "memory_mb": 60000}}}"#;
    assert_eq!(codes(&[(FileKind::Lxc, guests.to_owned())]), [""; 0]);
    let node = |memory: u32| (FileKind::Hypervisor, format!(r#"{{"node": {{"memory_mb": {memory}}}}}"#));
    assert_eq!(codes(&[node(64_000), (FileKind::Lxc, guests.to_owned())]), [""; 0]);
    assert_eq!(codes(&[node(32_000), (FileKind::Lxc, guests.to_owned())]), ["PHX0702"]);
}

#[test]
fn who_mounts_a_directory_to_read_it_writes_nothing() {
    let vm = |id: u32, name: &str, options: &str, more: &str| {
        format!(
            r#"{{"vmid": {id}, "name": "{name}", "template_image": "/a.img", "network_config": {{"ip": "10.0.0.{}/24"}},
                "volumes": [{{"server": "10.0.0.13", "path": "/srv/ssl", "mount_point": "/ssl", "options": "{options}"}}]{more}}}"#,
            id - 900
        )
    };
    let waits = r#", "wait_for": {"file": "/ssl/ready", "timeout": 9}"#;
    let fleet = |options: &str| {
        let text = format!(r#"{{"vms": [{}, {}]}}"#, vm(1001, "a", options, ""), vm(1002, "b", "ro", waits));
        codes(&[(FileKind::Vm, text)])
    };
    assert_eq!(fleet("ro,_netdev"), ["PHX0503"]);
    assert_eq!(fleet("rw,_netdev"), ["PHX0504"]);
}

#[test_case(r#""template_image": "https://images.example/""#, "PHX0108" ; "an address without a file")]
#[test_case(r#""template_image": "https://images.example""#, "PHX0108" ; "an address of a server")]
#[test_case(r#""template_image": "https://images.example/a,b.img""#, "PHX0108" ; "a name that Proxmox cannot write")]
#[test_case(r#""template_image": "https://me:hunter2@images.example/a.img""#, "PHX0901" ; "an address with a password")]
#[test_case(r#""template_image": "/a.img", "network_config": {"mtu": 65530}"#, "PHX0108" ; "an MTU that a VM cannot have")]
#[test_case(r#""template_image": "/a.img", "user_config": {"ssh_public_key": "AAAA"}"#, "PHX0108" ; "no key")]
#[test_case(r#""template_image": "/a.img", "user_config": {"password": "hunter2"}"#, "PHX0902" ; "a password")]
#[test_case(r#""template_image": "/a.img", "user_config": {"ssh_key_file": "none.pub"}"#, "PHX0903" ; "a file that is not there")]
fn settings_of_a_vm(members: &str, expected: &str) {
    let vm = format!(r#"{{"vms": [{{"vmid": 1001, "name": "docker", {members}}}]}}"#);
    assert_eq!(codes(&[(FileKind::Vm, vm)]), [expected]);
}

/// What is advised about an unknown key of a container, of its interface or of a gate.
#[test_case("depends_on", r#"["100"]"#, "did you mean `dependencies`?")]
#[test_case("hostname", r#""a""#, "did you mean `name`?")]
#[test_case("storage", r#""tank""#, "did you mean `storage_pool`?")]
#[test_case("onboot", "1", "did you mean `start_at_boot`?")]
#[test_case("memory", "512", "did you mean `memory_mb`?")]
#[test_case("ostemplate", r#""x""#, "did you mean `template`?")]
#[test_case("startup", "{}", "did you mean `boot_order`?")]
#[test_case("net0", r#""x""#, "did you mean `network_config`?")]
#[test_case("network_config", r#"{"tag": 20}"#, "did you mean `vlan`?" ; "a tag")]
#[test_case("network_config", r#"{"hwaddr": "02:00:00:00:00:01"}"#, "did you mean `mac_address`?" ; "hwaddr")]
#[test_case("health_check", r#"{"test": ["true"], "retries": 1}"#, "did you mean `command`?" ; "a test")]
#[test_case("numa", "1", "Proxmox has it for the other kind of guest only, where it is written below `qm`")]
#[test_case("timezone", r#""host""#, "it is a key of Proxmox: write it below `pct`")]
#[test_case("devices", "[]", "write Proxmox's own key for it below `pct`")]
#[test_case("health_check", r#"{"tcp": {"port": 1}, "retries": 1, "start_interval": "1s"}"#, "Phoenix has no key for `start_interval` yet: set it on the node, where Phoenix leaves it alone, and remove it here" ; "start_interval")]
fn words_of_other_tools(key: &str, value: &str, help: &str) {
    let lxc = format!(r#"{{"lxc_configs": {{"101": {{"name": "web", "template": "local:a", "{key}": {value}}}}}}}"#);
    let loaded = Loader::new("/nowhere".into()).load_texts([(FileKind::Lxc, lxc)]);
    let unknown = loaded.diagnostics.iter().find(|diagnostic| diagnostic.code.as_str() == "PHX0105");
    let found = unknown.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    assert_eq!(found.help.as_deref(), Some(help));
}

#[test_case("SSH", None)]
#[test_case("Ssh", Some("did you mean `SSH`?"))]
#[test_case("Minecraft", Some("write `proto` and `port` instead"))]
fn firewall_macros(name: &str, help: Option<&str>) {
    let firewall = format!(r#"{{"rules": [{{"type": "in", "action": "ACCEPT", "macro": "{name}"}}]}}"#);
    let lxc =
        format!(r#"{{"lxc_configs": {{"101": {{"name": "web", "template": "local:a", "firewall": {firewall}}}}}}}"#);
    let loaded = Loader::new("/nowhere".into()).load_texts([(FileKind::Lxc, lxc)]);
    let found = loaded.diagnostics.iter().find(|diagnostic| diagnostic.message.contains("macro"));
    assert_eq!(found.and_then(|diagnostic| diagnostic.help.as_deref()), help);
}

#[test_case(r#""description": "a\n<!-- phoenix:{} -->""#, &["PHX0108"] ; "a record in the notes")]
#[test_case(r#""description": "a\n<!-- mine -->""#, &[] ; "a comment in the notes")]
#[test_case(r#""firewall": {"rules": [{"type": "in", "action": "ACCEPT", "macro": "--force"}]}"#, &["PHX0108"] ; "an option as a macro")]
fn texts_that_would_be_taken_for_something_else(members: &str, expected: &[&str]) {
    assert_eq!(container(members), expected);
}
