//! The HA manager at work: it starts and stops guests with the commands of their tools.

use crate::node::{Console, SimNode};

impl SimNode {
    /// The HA manager does what is due.
    pub(super) async fn follow_requests(&self) {
        loop {
            let now = self.clock().now();
            let next = {
                let state = self.state();
                let due = state.requests.waiting.iter().find(|(_, request)| request.due <= now);
                due.and_then(|(vmid, request)| Some((*vmid, request.action.clone(), state.guest_kind(*vmid)?)))
            };
            let Some((vmid, action, kind)) = next else { return };
            {
                let mut state = self.state();
                state.requests.waiting.remove(&vmid);
                state.requests.acting.insert(vmid);
            }
            let argv = [kind.tool().to_owned(), action, vmid.to_string()];
            Box::pin(self.run_on(&argv, b"", &mut Console::default())).await;
            self.state().requests.acting.remove(&vmid);
        }
    }
}
