//! Brings up one container with a web server, step by step, and changes it.
//!
//! On the simulated node, where it takes no time and harms nothing:
//! `cargo run -p phoenix-lxc --example web_container`
//!
//! On a real Proxmox VE node, as root, where it makes container 9990 and destroys it again:
//! `cargo run -p phoenix-lxc --example web_container -- --local local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst local-lvm`

#![expect(clippy::print_stdout, reason = "it is there to be watched")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use phoenix_host::{Command, Effect, Host, Local};
use phoenix_lxc::{ContainerSettings, Containers, CreateContainer, Features, MountSource, Net, Pct};
use phoenix_pve::Purge;
use phoenix_sim::{SimNode, World};
use phoenix_types::{DiskSize, GuestId, MemoryMib};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let local = args.first().is_some_and(|arg| arg == "--local");
    let template = args.get(1).map_or("local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst", String::as_str);
    let storage = args.get(2).map_or("local-zfs", String::as_str);

    // On the simulated node the clock leaps from one thing that happens to the next.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(!local).build()?;
    runtime.block_on(async {
        let host: Arc<dyn Host> = if local { Arc::new(Local) } else { Arc::new(SimNode::new(World::default())) };
        show(&Pct::new(host), template, storage).await
    })
}

async fn show(containers: &dyn Containers, template: &str, storage: &str) -> Result<(), Box<dyn Error>> {
    let id = GuestId::new(9990)?;
    println!("there are {} containers", containers.observe().await?.len());
    if containers.inspect(id).await?.is_some() {
        return Err(format!("there is a container {id} already; it is not touched").into());
    }

    let mut net = Net::new("eth0".parse()?, "vmbr0".parse()?);
    net.ip = Some("dhcp".parse()?);
    let mut wanted = ContainerSettings {
        hostname: Some("web".parse()?),
        cores: Some(1),
        memory: Some(MemoryMib(512)),
        features: Some(Features { nesting: true, ..Features::default() }),
        nets: [(0, net)].into(),
        ..ContainerSettings::default()
    };
    let rootfs = MountSource::New { storage: storage.parse()?, size: DiskSize::from_gib(4) };
    let mut spec = CreateContainer::new(template.parse()?, rootfs.into(), wanted.clone());
    spec.description = Some("made by an example; may be destroyed".to_owned());
    containers.create(id, &spec).await?;
    println!("{id} is made");

    containers.start(id, None).await?;
    let hello =
        Command::new("sh", Effect::Read, Duration::from_secs(20)).args(["-c", "echo \"hello from $(hostname)\""]);
    println!("{id} says: {}", containers.inside(id).exec(hello).await?.stdout_text().trim_end());
    containers.push(id, "/var/www/html/index.html".into(), b"<h1>phoenix</h1>\n", 0o644).await?;

    // What differs from what is wanted, and what the change means while it runs.
    wanted.memory = Some(MemoryMib(1024));
    wanted.nameservers = Some(vec!["10.0.0.1".parse()?]);
    let now = containers.inspect(id).await?.ok_or("it is gone")?;
    let changes = wanted.difference(&now.conf.after_restart())?;
    for change in &changes {
        println!("change {change} ({:?})", change.effect);
    }
    containers.configure(id, &changes.iter().collect(), Some(&now.digest)).await?;
    containers.reboot(id, Duration::from_secs(60)).await?;
    let now = containers.inspect(id).await?.ok_or("it is gone")?;
    println!("{} differences are left", wanted.difference(&now.conf.live)?.len());

    containers.stop(id).await?;
    containers.destroy(id, Purge::Yes).await?;
    println!("{id} is gone");
    Ok(())
}
