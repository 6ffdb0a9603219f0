//! Probes against this machine itself: real sockets, real processes, real shells. Its own programs stand for those of a guest.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[cfg(feature = "tls")]
mod tls;

mod trouble;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phoenix_health::{
    Age, Ask as _, Contents, DnsProbe, FileProbe, FixedAddress, HttpProbe, LogProbe, LogSource, Place, Probe,
    ProbeContext, TcpProbe, Verdict,
};
use phoenix_host::{Command, Host as _, HostError, Inside, InsideError, Local, LocalSecrets, Output};
use phoenix_types::{GuestId, GuestKind, KnownSecrets};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// This machine as the inside of a guest.
#[derive(Debug)]
struct ThisMachine(GuestId);

#[async_trait]
impl Inside for ThisMachine {
    async fn exec(&self, command: Command) -> Result<Output, InsideError> {
        let (line, seconds) = (command.display(), command.deadline.as_secs_f64());
        Local.run(command).await.map_err(|error| match error {
            HostError::Deadline { tail, .. } => InsideError::Deadline { guest: self.0, command: line, seconds, tail },
            error => error.into(),
        })
    }
}

pub(crate) fn context() -> ProbeContext {
    let guest = GuestId::new(103).unwrap();
    ProbeContext {
        turns: Arc::new(tokio::sync::Semaphore::new(32)),
        guest,
        kind: GuestKind::Container,
        host: Arc::new(Local),
        inside: Arc::new(ThisMachine(guest)),
        addresses: Arc::new(FixedAddress("127.0.0.1".to_owned())),
        agent: None,
        secrets: Arc::new(LocalSecrets),
        known: KnownSecrets::default(),
        custom: phoenix_health::CustomProbes::default(),
    }
}

pub(crate) async fn verdict(probe: Probe) -> Verdict {
    probe.ask(&context(), LIMIT).await.verdict
}

/// A server on a free port that answers every connection with `response`.
async fn server(response: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(response.as_bytes()).await;
        }
    });
    port
}

/// A port on which nothing listens.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn ports() {
    let (open, closed) = (server("").await, closed_port().await);
    assert_eq!(verdict(Probe::tcp(open)).await, Verdict::Yes);
    assert_eq!(verdict(Probe::tcp(closed)).await, Verdict::No);
    let inside = |port| Probe::Tcp(TcpProbe { port, address: Some("127.0.0.1".to_owned()), from: Place::Guest });
    assert_eq!(verdict(inside(open)).await, Verdict::Yes);
    assert_eq!(verdict(inside(closed)).await, Verdict::No);
    // An address is an argument and never a part of the script.
    let odd = TcpProbe { port: open, address: Some("127.0.0.1; exit 0; #".to_owned()), from: Place::Guest };
    assert_ne!(verdict(Probe::Tcp(odd)).await, Verdict::Yes);
}

#[tokio::test]
async fn names() {
    let dns = |name: &str, address: Option<&str>, from| {
        Probe::Dns(DnsProbe { name: name.to_owned(), address: address.map(|it| it.parse().unwrap()), from })
    };
    for from in [Place::Host, Place::Guest] {
        assert_eq!(verdict(dns("localhost", None, from)).await, Verdict::Yes);
        assert_eq!(verdict(dns("127.0.0.1", Some("127.0.0.1"), from)).await, Verdict::Yes);
        assert_eq!(verdict(dns("127.0.0.1", Some("10.0.0.1"), from)).await, Verdict::No);
    }
}

#[tokio::test]
async fn http_from_both_sides() {
    let port = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\ngreen").await;
    let failing = server("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let have_curl = Local.run(Command::new("curl", phoenix_host::Effect::Read, LIMIT).arg("--version")).await.is_ok();
    for from in if have_curl { vec![Place::Host, Place::Guest] } else { vec![Place::Host] } {
        let probe = |port, body: &str| {
            Probe::Http(HttpProbe {
                body: Some(body.to_owned()),
                from,
                address: Some("127.0.0.1".to_owned()),
                ..HttpProbe::new(port)
            })
        };
        assert_eq!(verdict(probe(port, "green")).await, Verdict::Yes);
        assert_eq!(verdict(probe(port, "red")).await, Verdict::No);
        assert_eq!(verdict(probe(failing, "")).await, Verdict::No);
        assert_eq!(verdict(probe(closed_port().await, "")).await, Verdict::No);
    }
}

#[tokio::test]
async fn files_by_age_and_contents() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b;$(c).ready");
    std::fs::write(&path, "fingerprint 12ab\n").unwrap();
    let path = camino::Utf8PathBuf::from_path_buf(path).unwrap();
    let probe = |path: &camino::Utf8Path, place, contents, age| {
        Probe::File(FileProbe { path: path.to_owned(), place, contents, age })
    };
    for place in [Place::Guest, Place::Host] {
        for age in [Age::Any, Age::SinceStart] {
            for contents in [Contents::Any, Contents::NonEmpty, Contents::Text("12ab".to_owned())] {
                assert_eq!(verdict(probe(&path, place, contents.clone(), age)).await, Verdict::Yes);
                assert_eq!(verdict(probe("/no/such".into(), place, contents, age)).await, Verdict::No);
            }
        }
        // The machine's start is later than this file's last change.
        let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let aged = folder.path().join("old");
        std::fs::write(&aged, "x").unwrap();
        std::fs::File::options().append(true).open(&aged).unwrap().set_modified(old).unwrap();
        let aged = camino::Utf8PathBuf::from_path_buf(aged).unwrap();
        assert_eq!(verdict(probe(&aged, place, Contents::Any, Age::Any)).await, Verdict::Yes);
        assert_eq!(verdict(probe(&aged, place, Contents::Any, Age::SinceStart)).await, Verdict::No);
    }
}

#[tokio::test]
async fn log_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("a b.log")).unwrap();
    std::fs::write(&path, "starting\n-e serving HTTPS\n").unwrap();
    let probe = |contains| Probe::Log(LogProbe { source: LogSource::File(path.clone()), contains });
    let text = |text: &str| text.to_owned();
    assert_eq!(verdict(probe(text("serving HTTPS"))).await, Verdict::Yes);
    assert_eq!(verdict(probe(text("-e serving"))).await, Verdict::Yes, "a pattern is no option");
    assert_eq!(verdict(probe(text("s.rving"))).await, Verdict::No, "a text is no expression");
}
