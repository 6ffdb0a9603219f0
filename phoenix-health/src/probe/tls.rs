//! TLS over a byte stream of the node.

use std::sync::Arc;

use phoenix_host::ByteStream;
use phoenix_types::gate::{Tls, Trust};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::answer;
use crate::{Answer, ProbeContext, Verdict};

/// The largest file of certificates that is read, in bytes. Debian's bundle of all public authorities has 0.2 MiB.
const BUNDLE_READ: u64 = 4 << 20;

pub(super) async fn connect(
    tls: &Tls,
    context: &ProbeContext,
    stream: Box<dyn ByteStream>,
    address: &str,
) -> Result<TlsStream<Box<dyn ByteStream>>, Answer> {
    let name = tls.server_name.as_deref().unwrap_or(address);
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| Answer::new(Verdict::Never, format!("`{name}` is neither a DNS name nor an IP address")))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Answer::unanswered(error.to_string()))?;
    let config = match &tls.trust {
        Trust::Bundle(path) => {
            let pem = context
                .host
                .read(path, BUNDLE_READ)
                .await
                .map_err(|error| Answer::unanswered(answer::chain(&error)))?;
            let mut roots = RootCertStore::empty();
            let (added, _unusable) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
            if added == 0 {
                return Err(Answer::unanswered(format!("no usable certificate in `{path}`")));
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| Answer::no(format!("no TLS connection: {error}")))
}

/// Accepts any certificate, but still checks that the server holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
