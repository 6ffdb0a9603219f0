//! Phoenix on real systems: what it runs inside guests, run there. The node around them is simulated.
//!
//! It needs root, `mmdebstrap` and `systemd-nspawn`; without them it prints what did not run. With
//! `PHOENIX_REAL=required` that is an error.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a case that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod cases;
mod links;
mod node;

use std::process::ExitCode;

use phoenix_tests::real;

fn main() -> ExitCode {
    // As a test of the harness: asked for the list, there is nothing to choose from.
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let not_run = |reason: String| {
        println!("real systems: NOT RUN: {reason}");
        let required = std::env::var_os("PHOENIX_REAL").is_some_and(|value| value == "required");
        ExitCode::from(u8::from(required))
    };
    if let Some(reason) = real::missing() {
        return not_run(format!("this machine {reason}"));
    }
    let built = match real::build_all() {
        Ok(built) => built,
        Err(error) => return not_run(format!("they cannot be built: {error}")),
    };
    println!("real systems: root file systems after {} s", built.as_secs());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let table = runtime.block_on(async {
        let table = cases::all().await;
        links::all(&table).await;
        table
    });
    println!("\n{table}");
    println!(
        "not run here: NFS mounts (no kernel server in namespaces), VMs under QEMU (no KVM), AppArmor, the age of files"
    );
    println!("(the uptime inside is that of this machine)");
    ExitCode::from(u8::from(!table.is_good()))
}
