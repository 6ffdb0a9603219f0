//! Does something accept connections on a TCP port?

use std::time::Duration;

use phoenix_host::{Command, Effect, HostError};
use phoenix_types::gate::{Place, TcpProbe};
use tokio::time::Instant;

use super::answer::{self, OUTPUT_KEPT};
use crate::{Answer, Ask, ProbeContext};

/// Connects to `$1` port `$2` within `$3` seconds, with what a guest has. All values are arguments, none is spliced.
/// The `nc` of BusyBox may know no `-z`; it can run a program once it is connected.
const CONNECT: &str = r#"if command -v nc >/dev/null 2>&1; then
  said=$(nc -z -w "$3" "$1" "$2" 2>&1) && exit 0
  status=$?
  case $said in *"invalid option"* | *"unrecognized option"*) exec nc -w "$3" "$1" "$2" -e true ;; esac
  echo "$said" >&2
  exit "$status"
fi
if command -v bash >/dev/null 2>&1; then exec bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2"; fi
echo "neither nc nor bash is installed in the guest" >&2
exit 127"#;

impl Ask for TcpProbe {
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer {
        match self.from {
            Place::Host => match dial(context, self.address.as_deref(), self.port, limit).await {
                Ok((address, _)) => Answer::yes(format!("{address} port {} is open", self.port)),
                Err(answer) => answer,
            },
            Place::Guest => {
                let address = self.address.as_deref().unwrap_or("localhost");
                let mut connect = Command::new("sh", Effect::Read, limit)
                    .args(["-c", CONNECT, "sh", address])
                    .arg(self.port)
                    .arg(limit.as_secs().max(1));
                connect.output_limit = OUTPUT_KEPT;
                match context.run(Place::Guest, connect).await {
                    Ok(output) if output.succeeded() => Answer::yes(format!("{address} port {} is open", self.port)),
                    Ok(output) if output.status == Some(127) => {
                        Answer::unanswered("neither `nc` nor `bash` is installed in the guest")
                    }
                    Ok(output) => Answer::no(format!("{address} port {} is closed", self.port))
                        .with_output(answer::both_streams(&output)),
                    Err(answer) => answer,
                }
            }
        }
    }
}

/// Connects from the node's side to `address`, or else to where the guest is now.
pub(super) async fn dial(
    context: &ProbeContext,
    address: Option<&str>,
    port: u16,
    limit: Duration,
) -> Result<(String, Box<dyn phoenix_host::ByteStream>), Answer> {
    let started = Instant::now();
    let address = match address {
        Some(address) => address.to_owned(),
        None => match tokio::time::timeout(limit, context.addresses.address()).await {
            Ok(Ok(address)) => address,
            Ok(Err(reason)) => return Err(Answer::unanswered(format!("the guest's address is not known: {reason}"))),
            Err(_) => {
                let limit = crate::seconds::display(limit);
                return Err(Answer::unanswered(format!("the guest did not report its address within {limit}")));
            }
        },
    };
    // The address was asked for within the same time.
    let left = limit.saturating_sub(started.elapsed());
    match tokio::time::timeout(left, context.host.dial(&address, port, limit)).await {
        Ok(Ok(stream)) => Ok((address, stream)),
        Ok(Err(HostError::Dial { reason, .. })) => Err(Answer::no(format!("{address} port {port}: {reason}"))),
        Ok(Err(error)) => Err(answer::from_host(&error, limit)),
        Err(_) => {
            let limit = crate::seconds::display(limit);
            Err(Answer::no(format!("{address} port {port}: no connection within {limit}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use phoenix_host::{Host as _, Local};

    use super::*;

    /// The script in the real shell of this machine, in a guest that has bash and no nc, and in one that has neither.
    #[tokio::test]
    async fn connecting_without_nc() {
        let Ok(bash) = std::fs::canonicalize("/bin/bash") else { return };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let run = async |port: u16| {
            let path = format!("PATH={}", folder.path().display());
            let script = Command::new("env", Effect::Read, Duration::from_secs(20))
                .args([path.as_str(), "/bin/sh", "-c", CONNECT, "sh", "127.0.0.1"])
                .args([port, 5]);
            Local.run(script).await.unwrap().status
        };
        assert_eq!(run(open).await, Some(127));
        std::os::unix::fs::symlink(bash, folder.path().join("bash")).unwrap();
        assert_eq!(run(open).await, Some(0));
        drop(listener);
        assert_eq!(run(open).await, Some(1));
    }
}
