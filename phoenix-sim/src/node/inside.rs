//! The inside of guests, as the node reaches it.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use phoenix_sim_guest::ground::Node;
use phoenix_sim_guest::{Console, Dialled, Ended, Exec, Inside, Simulated, exec_on_node};
use phoenix_types::GuestId;

use super::sim_node::SimNode;

impl SimNode {
    /// Puts a real system, or anything else, in the place of the simulated inside of a guest. It is told when the guest is
    /// started and stopped.
    pub fn put_inside(&self, guest: GuestId, inside: Arc<dyn Inside>) {
        self.inner.real_insides.lock().unwrap_or_else(PoisonError::into_inner).insert(guest.get(), inside);
    }

    /// The inside of a guest.
    pub(crate) fn inside(&self, vmid: u32) -> Arc<dyn Inside> {
        let real = self.inner.real_insides.lock().unwrap_or_else(PoisonError::into_inner);
        real.get(&vmid).cloned().unwrap_or_else(|| Arc::new(Simulated::new(self.shared(), vmid)))
    }

    fn shared(&self) -> Arc<dyn Node> {
        Arc::new(self.clone())
    }

    /// Runs a program of the node.
    pub(crate) async fn exec(&self, exec: Exec<'_>, console: &mut Console) -> Ended {
        exec_on_node(&self.shared(), exec, console).await
    }

    /// Connects to an address and port on the node's network.
    pub(crate) async fn dial_address(&self, address: IpAddr, port: u16) -> Dialled {
        let real = {
            let all = self.inner.real_insides.lock().unwrap_or_else(PoisonError::into_inner);
            let mut all = all.iter().map(|(vmid, inside)| (*vmid, Arc::clone(inside)));
            all.find(|(vmid, inside)| self.state().is_running(*vmid) && inside.addresses().contains(&address))
        };
        match real {
            Some((_, inside)) => inside.dial(port).await,
            None => phoenix_sim_guest::dial(&self.shared(), address, port),
        }
    }
}
