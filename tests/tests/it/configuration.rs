//! The configuration in its other forms, through the program.

use std::fs;

use assert_cmd::Command;
use serde_json::Value;

use crate::program::Place;

/// A folder with one file that holds everything.
fn place(text: &str) -> Place {
    let place = Place::empty();
    fs::write(place.config().join("phoenix.yaml"), text).unwrap();
    place
}

const FLEET: &str = "
hypervisor: {domain_name: lab.example, network: {interfaces: {address: 10.0.0.2/24}}}
vars: {image: \"local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst\"}
profiles:
  web: {template: \"${image}\", storage_pool: local-zfs, tags: [web], network_config: {ip: \"10.0.0.${id - 70}/24\"}}
lxc_configs:
  101..103: {extends: web, name: \"web-${n}\"}
  104: {name: dhcp, template: \"${image}\", storage_pool: local-zfs, dependencies: [101]}
vms:
  900: {name: docker, template_image: noble-server-cloudimg-amd64.img, user_config: {username: ops}, network_config: {ip: 10.0.0.90/24}}
";

#[test]
fn case_33_a_container_that_says_nothing_about_a_network_gets_one_by_dhcp() {
    let place = place(FLEET);
    let host = format!("sim:{}", place.beside("node").display());
    let plan = place.phoenix(&["--host", &host, "plan", "dhcp"]);
    assert!(plan.stdout.contains("with eth0 on vmbr0 by DHCP"), "{}", plan.all());
    let run = place.phoenix(&["--host", &host, "up", "--yes", "dhcp"]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
    let conf = fs::read_to_string(place.beside("node/etc/pve/lxc/104.conf")).unwrap();
    let net = conf.lines().find(|line| line.starts_with("net0: ")).unwrap_or_default();
    assert!(net.contains("name=eth0") && net.contains("bridge=vmbr0") && net.contains("ip=dhcp"), "{conf}");
    let again = place.phoenix(&["--host", &host, "plan", "--exit-code", "dhcp"]);
    assert_eq!(again.exit, Some(0), "{}", again.all());
    assert!(!again.stdout.contains("net0"), "{}", again.all());
}

#[test]
fn selectors_choose_guests() {
    let place = place(FLEET);
    let shown = |selectors: &[&str]| {
        let run = place.phoenix(&[&["--format", "json", "graph"], selectors].concat());
        assert_eq!(run.exit, Some(0), "{}", run.all());
        run.json().as_array().unwrap().iter().map(|node| node["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&["tag:web"]), [101, 102, 103]);
    assert_eq!(shown(&["web-*", "!102"]), [101, 103]);
    assert_eq!(shown(&["!101"]), [102, 103, 900]);
    assert_eq!(shown(&["kind:vm"]), [900]);
    assert_eq!(shown(&["102..104"]), [101, 102, 103, 104]);
    let none = place.phoenix(&["plan", "--host", "sim:", "tag:wbe"]);
    assert_eq!((none.exit, none.stderr.contains("no guest `tag:wbe`")), (Some(2), true), "{}", none.all());
}

#[test]
fn a_file_and_standard_input_are_configurations_too() {
    let place = place(FLEET);
    let file = place.config().join("phoenix.yaml");
    let by_file = place.phoenix(&["-C", file.to_str().unwrap(), "config"]);
    assert_eq!(by_file.exit, Some(0), "{}", by_file.all());
    let mut piped = Command::new(env!("CARGO_BIN_EXE_phoenix-under-test"));
    piped.env_clear().args(["-C", "-", "config"]).write_stdin(by_file.stdout.clone());
    let output = piped.output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), by_file.stdout);
    let with = place.phoenix(&["--var", "image=local:vztmpl/x.tar.zst", "config"]);
    assert_eq!(with.json()["lxc_configs"]["103"]["template"], "local:vztmpl/x.tar.zst");
    assert_eq!(with.json()["lxc_configs"]["103"]["name"], "web-3");
}

#[test]
fn a_secret_in_the_files_is_not_printed() {
    let text = FLEET.replace("username: ops", "username: ops, password: hunter2secret");
    let place = place(&text);
    for args in [&["config"][..], &["validate"], &["config", "--origins"]] {
        let run = place.phoenix(args);
        assert!(!run.all().contains("hunter2secret"), "{}", run.all());
    }
}

#[test]
fn other_programs_get_their_forms() {
    let place = place(FLEET);
    let inventory = place.phoenix(&["inventory", "--list"]).json();
    assert_eq!(inventory["profile_web"]["hosts"], serde_json::json!(["web-1", "web-2", "web-3"]));
    assert_eq!(inventory["tag_web"], inventory["profile_web"]);
    assert_eq!(inventory["vms"]["hosts"], serde_json::json!(["docker"]));
    let host = |name: &str| inventory["_meta"]["hostvars"][name].clone();
    assert_eq!(host("web-1")["ansible_connection"], "community.proxmox.proxmox_pct_remote");
    assert_eq!(
        (&host("web-1")["ansible_host"], &host("web-1")["proxmox_vmid"]),
        (&Value::from("10.0.0.2"), &Value::from(101))
    );
    assert_eq!(
        (&host("docker")["ansible_host"], &host("docker")["ansible_user"]),
        (&Value::from("10.0.0.90"), &Value::from("ops"))
    );
    let output = |form: &str| place.phoenix(&["output", "--to", form, "web-1", "docker", "dhcp"]).stdout;
    assert_eq!(output("hosts"), "10.0.0.31\tweb-1.lab.example web-1\n10.0.0.90\tdocker.lab.example docker\n");
    assert_eq!(
        output("ssh-config"),
        "Host web-1\n    HostName 10.0.0.31\n    User root\nHost docker\n    HostName 10.0.0.90\n    User ops\n"
    );
    assert_eq!(output("env"), "WEB_1_ID=101\nWEB_1_ADDRESS=10.0.0.31\nDOCKER_ID=900\nDOCKER_ADDRESS=10.0.0.90\n");
}

#[test]
fn the_first_configuration_comes_up_at_once() {
    let place = Place::empty();
    let dir = place.config().join("first");
    let dir = dir.to_str().unwrap();
    let run = place.phoenix(&["--host", "sim:", "init", dir]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
    let host = format!("sim:{}", place.beside("node").display());
    let up = place.phoenix(&["-C", dir, "--host", &host, "up", "--yes"]);
    assert_eq!(up.exit, Some(0), "{}", up.all());
    assert!(up.stdout.contains("1 guest"), "{}", up.all());
    let again = place.phoenix(&["--host", "sim:", "init", dir]);
    assert_eq!((again.exit, again.stderr.contains("is there already")), (Some(2), true), "{}", again.all());
}
