//! HTTPS against a server of this process with a certificate of its own authority.

use std::sync::Arc;

use phoenix_health::{HttpProbe, Probe, Scheme, Tls, Trust, Verdict};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};

use super::verdict;

/// A server for `ca.lan` and the address 127.0.0.1, and the PEM text of the authority that vouches for it.
async fn server() -> (u16, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["ca.lan".to_owned(), "127.0.0.1".to_owned()];
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
            // A handshake that the other side breaks off is what some of these tests are about.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    (port, authority.pem())
}

#[tokio::test]
async fn only_the_right_server_is_believed() {
    let (port, pem) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join(name)).unwrap();
        std::fs::write(&path, text).unwrap();
        Trust::Bundle(path)
    };
    let (ours, other) = (file("ours", &pem), file("other", &server().await.1));
    let probe = |trust: &Trust, server_name: Option<&str>| {
        let tls = Tls { trust: trust.clone(), server_name: server_name.map(str::to_owned) };
        Probe::Http(HttpProbe { scheme: Scheme::Https(tls), ..HttpProbe::new(port) })
    };
    assert_eq!(verdict(probe(&ours, Some("ca.lan"))).await, Verdict::Yes);
    assert_eq!(verdict(probe(&ours, None)).await, Verdict::Yes, "by its address");
    assert_eq!(verdict(probe(&ours, Some("other.lan"))).await, Verdict::No, "another name");
    assert_eq!(verdict(probe(&other, Some("ca.lan"))).await, Verdict::No, "another authority");
    assert_eq!(verdict(probe(&Trust::Anyone, Some("other.lan"))).await, Verdict::Yes);
    assert_eq!(verdict(probe(&file("empty", ""), None)).await, Verdict::Unanswered);
    assert_eq!(verdict(probe(&Trust::Bundle("/no/such".into()), None)).await, Verdict::Unanswered);
    assert_eq!(verdict(probe(&ours, Some("not a name"))).await, Verdict::Never);
    let plain = Probe::Http(HttpProbe::new(port));
    assert_eq!(verdict(plain).await, Verdict::No, "no TLS where TLS is spoken");
}
