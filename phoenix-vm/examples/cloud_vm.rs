//! Makes a VM from a cloud image, waits for its agent, and runs a command inside whose output is seen as it appears.
//!
//! On the simulated node, where it takes no time and harms nothing:
//! `cargo run -p phoenix-vm --example cloud_vm`
//!
//! On a real Proxmox VE node, as root, where it makes VM 9991 and destroys it again (the image has to bring the guest agent):
//! `cargo run -p phoenix-vm --example cloud_vm -- --local /root/noble-server-cloudimg-amd64.img local-lvm`

#![expect(clippy::print_stdout, reason = "it is there to be watched")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use phoenix_host::{Chunk, Command, Effect, Host, Local};
use phoenix_pve::{ErrorClass, Purge};
use phoenix_sim::world::{AgentWorld, GuestWorld};
use phoenix_sim::{SimNode, World};
use phoenix_types::{GuestId, MemoryMib};
use phoenix_vm::{CreateVm, Image, IpConfig, Qm, VirtualMachines, VmNet, VmSettings};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let local = args.first().is_some_and(|arg| arg == "--local");
    let image = args.get(1).map_or("/root/noble-server-cloudimg-amd64.img", String::as_str);
    let storage = args.get(2).map_or("local-zfs", String::as_str);

    // On the simulated node the clock leaps from one thing that happens to the next.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(!local).build()?;
    runtime.block_on(async {
        let every_guest = GuestWorld { guest_agent: Some(AgentWorld::Installed), ..GuestWorld::default() };
        let world = World { every_guest, ..World::default() };
        let host: Arc<dyn Host> = if local { Arc::new(Local) } else { Arc::new(SimNode::new(world)) };
        show(&Qm::new(host), image, storage).await
    })
}

async fn show(vms: &dyn VirtualMachines, image: &str, storage: &str) -> Result<(), Box<dyn Error>> {
    let id = GuestId::new(9991)?;
    println!("there are {} VMs", vms.observe().await?.len());
    if vms.inspect(id).await?.is_some() {
        return Err(format!("there is a VM {id} already; it is not touched").into());
    }

    let settings = VmSettings {
        name: Some("cloud".parse()?),
        cores: Some(2),
        memory: Some(MemoryMib(2048)),
        nets: [(0, VmNet::new("vmbr0".parse()?))].into(),
        ip_configs: [(0, IpConfig { ip: Some("dhcp".parse()?), ..IpConfig::default() })].into(),
        ci_user: Some("phoenix".to_owned()),
        ..VmSettings::default()
    };
    let spec = CreateVm::from_cloud_image(storage.parse()?, Image::File(image.into()), settings);
    vms.create(id, &spec).await?;
    vms.resize(id, "scsi0", "16G".parse()?).await?;
    println!("{id} is made");

    vms.start(id, None).await?;
    let started = tokio::time::Instant::now();
    while let Err(error) = vms.ping(id).await {
        if error.class() != ErrorClass::AgentSilent || started.elapsed() > Duration::from_secs(600) {
            return Err(error.into());
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    println!("its agent answers after {:.0} s", started.elapsed().as_secs_f64());

    let (tap, mut chunks) = tokio::sync::mpsc::unbounded_channel::<Chunk>();
    let script = "for step in 1 2 3; do echo \"step $step\"; sleep 10; done; exit 7";
    let command = Command::new("sh", Effect::Read, Duration::from_secs(300)).args(["-c", script]).tap(tap);
    let inside = vms.inside(id);
    let run = tokio::spawn(async move { inside.exec(command).await });
    while let Some(chunk) = chunks.recv().await {
        print!("{:>4.0} s  {}", started.elapsed().as_secs_f64(), String::from_utf8_lossy(&chunk.bytes));
    }
    println!("it ended with status {:?}", run.await??.status);

    vms.stop(id).await?;
    vms.destroy(id, Purge::Yes).await?;
    println!("{id} is gone");
    Ok(())
}
