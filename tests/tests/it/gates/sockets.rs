//! Requests over real sockets of this machine, with and without TLS, written as in the configuration. The rest of the node is
//! simulated.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_health::Verdict;
use phoenix_host::{ByteStream, Command, Created, FileStat, Host, HostError, Local, Output};
use phoenix_sim::SimNode;
use phoenix_types::GuestKind;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};

use super::asked::Asked;

/// A simulated node whose sockets lead to this machine.
#[derive(Debug)]
struct Wired(SimNode);

#[async_trait]
impl Host for Wired {
    fn name(&self) -> String {
        Host::name(&self.0)
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        Host::run(&self.0, command).await
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.0.read(path, limit).await
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        self.0.write(path, contents, mode).await
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        self.0.create_new(path, contents).await
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.0.remove(path).await
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        self.0.stat(path).await
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.0.list(path).await
    }

    async fn dial(&self, _: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        Local.dial("127.0.0.1", port, deadline).await
    }
}

/// What a server answers to a request: it wants to be asked in a certain way.
fn answer(request: &str) -> &'static str {
    let has = |line: &str| request.lines().any(|it| it.eq_ignore_ascii_case(line));
    match request.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["PUT", "/method"] => "200 OK",
        [_, "/method"] => "405 Method Not Allowed",
        [_, "/secret"] if has("authorization: Bearer hunter2") => "204 No Content",
        [_, "/secret"] => "401 Unauthorized",
        [_, "/name"] if request.to_lowercase().contains("\nhost: ca.lan:") => "200 OK",
        [_, "/name"] => "421 Misdirected Request",
        [_, "/"] => "200 OK",
        _ => "404 Not Found",
    }
}

async fn speak(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut asked = vec![0; 4096];
    let length = stream.read(&mut asked).await.unwrap_or(0);
    let status = answer(&String::from_utf8_lossy(&asked[..length]));
    let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // The client has closed the connection.
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A server with a certificate for `ca.lan` and the guest's address, or one without TLS; its port, and its authority's certificate.
async fn server(secure: bool) -> (u16, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["ca.lan".to_owned(), "10.0.0.103".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if !secure {
                    speak(stream).await;
                } else if let Ok(stream) = acceptor.accept(stream).await {
                    speak(stream).await;
                }
            });
        }
    });
    (port, authority.pem())
}

#[tokio::test(start_paused = true)]
async fn requests_are_made_as_written_and_only_the_right_server_is_believed() {
    let mut asked = Asked::of(GuestKind::Container, &json!({})).await;
    asked.host = Arc::new(Wired(asked.sim.clone()));
    let (plain, _) = server(false).await;
    let (secure, ours) = server(true).await;
    let (_, other) = server(true).await;
    for (path, text) in [("/etc/ours.pem", ours.as_str()), ("/etc/other.pem", &other), ("/etc/empty.pem", "none\n")] {
        asked.host.write(path.into(), text.as_bytes(), 0o644).await.unwrap();
    }
    // What goes over real sockets takes real time.
    tokio::time::resume();
    let http = |rest: Value| {
        let mut http = json!({"port": plain});
        http.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({"http": http})
    };
    let https = |rest: Value| {
        let mut http = http(rest);
        http["http"]["port"] = json!(secure);
        http["http"]["scheme"] = json!("https");
        http
    };
    let untrusted = "no TLS connection: invalid peer certificate: BadSignature";
    let rows = [
        (http(json!({})), Verdict::Yes, "status 200 OK"),
        (http(json!({"path": "/other"})), Verdict::No, "status 404 Not Found"),
        (http(json!({"path": "/method"})), Verdict::No, "status 405 Method Not Allowed"),
        (http(json!({"path": "/method", "method": "PUT"})), Verdict::Yes, "status 200 OK"),
        (http(json!({"path": "/secret"})), Verdict::No, "status 401 Unauthorized"),
        (
            http(json!({"path": "/secret", "headers": {"Authorization": {"secret": {"file": "token"}}}})),
            Verdict::Yes,
            "status 204 No Content",
        ),
        (http(json!({"path": "/name", "headers": {"Host": "ca.lan:80"}})), Verdict::Yes, "status 200 OK"),
        (
            https(json!({"ca_file": "/etc/ours.pem", "server_name": "ca.lan", "path": "/name"})),
            Verdict::Yes,
            "status 200 OK",
        ),
        (https(json!({"ca_file": "/etc/ours.pem"})), Verdict::Yes, "status 200 OK"),
        (
            https(json!({"ca_file": "/etc/ours.pem", "server_name": "other.lan"})),
            Verdict::No,
            "no TLS connection: invalid peer certificate: certificate not valid for name \"other.lan\"",
        ),
        (https(json!({"ca_file": "/etc/other.pem", "server_name": "ca.lan"})), Verdict::No, untrusted),
        (https(json!({"insecure": true, "server_name": "other.lan"})), Verdict::Yes, "status 200 OK"),
        (https(json!({"ca_file": "/etc/none.pem"})), Verdict::Unanswered, "cannot read `/etc/none.pem`"),
        (https(json!({"ca_file": "/etc/empty.pem"})), Verdict::Unanswered, "no usable certificate in `/etc/empty.pem`"),
        (https(json!({})), Verdict::Unanswered, "cannot read `/etc/ssl/certs/ca-certificates.crt`"),
        (
            json!({"http": {"port": plain, "scheme": "https", "ca_file": "/etc/ours.pem"}}),
            Verdict::No,
            "no TLS connection: ",
        ),
        (json!({"http": {"port": secure}}), Verdict::No, ""),
        (json!({"tcp": {"port": secure}}), Verdict::Yes, "10.0.0.103 port"),
    ];
    let probes = Value::Array(rows.iter().map(|(probe, ..)| probe.clone()).collect());
    for (attempt, (probe, verdict, said)) in asked.ask(&probes).await.into_iter().zip(rows) {
        let answer = attempt.answer;
        assert!(answer.verdict == verdict && answer.said.starts_with(said), "{probe}: {answer:?}");
    }
}
