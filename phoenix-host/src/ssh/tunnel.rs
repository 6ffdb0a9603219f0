//! Connections that are made from the node's side.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::Ssh;
use crate::{ByteStream, HostError};

impl Ssh {
    /// Connects to a socket from the node's side.
    pub(super) async fn tunnel(
        &self,
        address: &str,
        port: u16,
        deadline: Duration,
    ) -> Result<Box<dyn ByteStream>, HostError> {
        let failed = |reason: String| HostError::Dial { address: format!("{address}:{port}"), reason };
        // bash is on every node; it says when the connection stands, which `ssh -W` does not.
        let script = "exec 3<> \"/dev/tcp/$1/$2\" || exit 1\nprintf +\ncat <&3 &\nexec cat >&3";
        let line = shell_words::join(["bash", "-c", script, "phoenix", address, &port.to_string()]);
        let mut child = self.spawn(&line).map_err(|error| failed(error.to_string()))?;
        let (Some(stdin), Some(mut stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed("its pipes could not be opened".to_owned()));
        };
        let stands = async {
            let mut first = [0];
            match stdout.read(&mut first).await {
                Ok(1) => Ok(()),
                _ => {
                    let mut words = String::new();
                    let _ = stderr.read_to_string(&mut words).await;
                    Err(failed(words.lines().last().unwrap_or("no connection").to_owned()))
                }
            }
        };
        match tokio::time::timeout(deadline, stands).await {
            Ok(result) => result?,
            Err(_) => return Err(failed(format!("no answer within {} s", deadline.as_secs_f64()))),
        }
        Ok(Box::new(Tunnel { streams: tokio::io::join(stdout, stdin), _child: child }))
    }
}

/// A connection through the node. The program that carries it ends with it.
#[derive(Debug)]
struct Tunnel {
    streams: tokio::io::Join<tokio::process::ChildStdout, tokio::process::ChildStdin>,
    _child: tokio::process::Child,
}

impl tokio::io::AsyncRead for Tunnel {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.streams).poll_read(cx, buffer)
    }
}

impl tokio::io::AsyncWrite for Tunnel {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.streams).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.streams).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.streams).poll_shutdown(cx)
    }
}
