//! Resource pools (pve-access-control, pve-manager `API2/Pool.pm`).

use phoenix_types::GuestKind;
use serde_json::{Value as Json, json};

use super::resources;
use super::unanswered::unanswered;
use crate::grammar::ApiPath;
use crate::node::{Call, Failure, Pool, State};

/// Answers a call about pools.
pub(super) fn answer(call: &mut Call<'_>, path: &ApiPath) -> Result<Json, Failure> {
    let id = call.param("poolid").unwrap_or_default().to_owned();
    let comment = call.param("comment").map(str::to_owned);
    match (path.verb.as_str(), path.template.as_str()) {
        ("GET", "/pools") => Ok(call
            .state()
            .pools
            .iter()
            .map(|(id, pool)| match &pool.comment {
                Some(comment) => json!({"poolid": id, "comment": comment}),
                None => json!({"poolid": id}),
            })
            .collect()),
        ("POST", "/pools") => {
            let mut state = call.state();
            if state.pools.contains_key(&id) {
                return Err(Failure::die(format!("create pool failed: pool '{id}' already exists")));
            }
            state.pools.insert(id, Pool { comment, members: Vec::new() });
            Ok(Json::Null)
        }
        ("PUT", _) => {
            let vms = call.param("vms").unwrap_or_default().to_owned();
            let delete = call.is_set("delete");
            let mut state = call.state();
            let mut members: Vec<u32> = Vec::new();
            for text in vms.split([',', ' ', ';']).filter(|text| !text.is_empty()) {
                let vmid: u32 = text.parse().unwrap_or(0);
                if state.guest_kind(vmid).is_none() {
                    return Err(Failure::die(format!("update pools failed: VM {text} does not exist")));
                }
                members.push(vmid);
            }
            let Some(pool) = state.pools.get_mut(&id) else { return Err(absent("update", &id)) };
            for vmid in members {
                let known = pool.members.contains(&vmid);
                if delete && !known {
                    return Err(Failure::die(format!("update pools failed: VM {vmid} is not a pool member")));
                }
                if !delete && known {
                    return Err(Failure::die(format!("update pools failed: VM {vmid} is already a pool member")));
                }
                pool.members.retain(|member| *member != vmid);
                if !delete {
                    pool.members.push(vmid);
                }
            }
            if comment.is_some() {
                pool.comment = comment;
            }
            Ok(Json::Null)
        }
        ("DELETE", _) => {
            let mut state = call.state();
            match state.pools.get(&id) {
                None => Err(absent("delete", &id)),
                Some(pool) if !pool.members.is_empty() => {
                    Err(Failure::die(format!("delete pool failed: pool '{id}' is not empty (contains VMs)")))
                }
                Some(_) => {
                    state.pools.remove(&id);
                    Ok(Json::Null)
                }
            }
        }
        ("GET", _) => {
            let pool = call.state().pools.get(&id).cloned();
            let pool = pool.ok_or_else(|| Failure::die(format!("pool '{id}' does not exist")))?;
            let mut members = Vec::new();
            for vmid in pool.members {
                let found = {
                    let state = call.state();
                    let kind = state.guest_kind(vmid);
                    kind.and_then(|kind: GuestKind| Some((kind, state.conf(kind, vmid).ok()?)))
                };
                if let Some((kind, conf)) = found {
                    let mut entry = resources::guest(call, kind, vmid, &conf);
                    if let Some(entry) = entry.as_object_mut() {
                        entry.remove("pool");
                    }
                    members.push(entry);
                }
            }
            let mut value = json!({"poolid": id, "members": members});
            if let Some(comment) = pool.comment {
                value["comment"] = json!(comment);
            }
            Ok(value)
        }
        _ => Err(unanswered(call, &path.path)),
    }
}

impl State {
    /// Refuses a pool that does not exist.
    pub(crate) fn check_pool(&self, pool: Option<&str>) -> Result<(), Failure> {
        match pool.filter(|pool| !self.pools.contains_key(*pool)) {
            Some(pool) => Err(Failure::die(format!("403 Permission check failed (No such pool '{pool}')"))),
            None => Ok(()),
        }
    }

    /// Adds a guest to a pool.
    pub(crate) fn join_pool(&mut self, pool: &str, vmid: u32) {
        if let Some(pool) = self.pools.get_mut(pool)
            && !pool.members.contains(&vmid)
        {
            pool.members.push(vmid);
        }
    }
}

fn absent(action: &str, id: &str) -> Failure {
    Failure::die(format!("{action} pool failed: pool '{id}' does not exist"))
}
