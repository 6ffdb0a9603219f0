//! Does an HTTP server answer as expected?

use std::fmt;
use std::time::Duration;

use camino::Utf8PathBuf;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use phoenix_host::ByteStream;
use phoenix_types::{Secret, mask_secrets};
use serde::{Serialize, Serializer};

use super::answer::{self, OUTPUT_KEPT};
use crate::{Answer, Pattern, Place, Surroundings, Verdict};

/// How much of a body is looked at, in bytes.
pub(super) const BODY_READ: usize = 1 << 20;

/// A request, and what its answer must be. Redirections are not followed.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct HttpProbe {
    /// With or without TLS.
    pub scheme: Scheme,
    /// The method, such as `GET`.
    pub method: String,
    /// A name or an IP address. Default: the guest's own address, or `localhost` when asked from inside.
    pub address: Option<String>,
    /// The port.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers to send. Their values may be secrets, so they are shown nowhere.
    #[serde(serialize_with = "names_only")]
    #[schemars(with = "Vec<String>")]
    pub headers: Vec<(String, Secret)>,
    /// Statuses that are a yes. Empty: 200 to 399.
    pub status: Vec<StatusRange>,
    /// What the body must contain, within its first MiB.
    pub body: Option<Pattern>,
    /// From where. From the host it is a socket of the node; from inside it costs a process (`curl`).
    pub from: Place,
}

impl HttpProbe {
    /// A plain GET of `/` from the node's side.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self {
            scheme: Scheme::Http,
            method: "GET".to_owned(),
            address: None,
            port,
            path: "/".to_owned(),
            headers: Vec::new(),
            status: Vec::new(),
            body: None,
            from: Place::Host,
        }
    }
}

fn names_only<S: Serializer>(headers: &[(String, Secret)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(headers.iter().map(|(name, _)| name))
}

/// With or without TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Without.
    #[default]
    Http,
    /// With; needs this crate's feature `tls`.
    Https(Tls),
}

/// Whom to believe.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
pub struct Tls {
    /// Who may vouch for the server.
    pub trust: Trust,
    /// The name that the certificate must carry. Default: the address that is dialled.
    pub server_name: Option<String>,
}

/// Who may vouch for a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The certificates in a PEM file of the side that asks, read anew for each attempt.
    Bundle(#[schemars(with = "String")] Utf8PathBuf),
    /// Nobody has to: any certificate will do. The answer then says that something speaks TLS there, not who.
    Anyone,
}

impl Default for Trust {
    /// Debian's bundle of public authorities, which every Proxmox VE node has, and most guests.
    fn default() -> Self {
        Self::Bundle("/etc/ssl/certs/ca-certificates.crt".into())
    }
}

/// HTTP statuses from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl HttpProbe {
    pub(super) async fn ask(&self, around: &Surroundings, limit: Duration) -> Answer {
        if self.from == Place::Guest {
            let (Ok(answer) | Err(answer)) = super::curl::ask(self, around, limit).await;
            return answer;
        }
        match tokio::time::timeout(limit, self.exchange(around, limit)).await {
            Ok(Ok(answer) | Err(answer)) => answer,
            Err(_) => Answer::no(format!("no answer within {}", crate::seconds::display(limit))),
        }
    }

    async fn exchange(&self, around: &Surroundings, limit: Duration) -> Result<Answer, Answer> {
        let (address, stream) = super::tcp::dial(around, self.address.as_deref(), self.port, limit).await?;
        match &self.scheme {
            Scheme::Http => self.request(stream, &address).await,
            Scheme::Https(tls) => self.request(encrypt(tls, around, stream, &address).await?, &address).await,
        }
    }

    async fn request(&self, stream: impl ByteStream + 'static, address: &str) -> Result<Answer, Answer> {
        let request = self.build(address)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Answer::no(answer::chain(&error)))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| Answer::no(answer::chain(&error)))?;
            self.judge(response).await
        };
        // The connection is driven here and not by a task of its own, so nothing outlives the attempt.
        let drive = async {
            let _ = connection.await;
            std::future::pending::<std::convert::Infallible>().await
        };
        tokio::select! {
            biased;
            answer = exchange => answer,
            never = drive => match never {},
        }
    }

    fn build(&self, address: &str) -> Result<Request<Empty<Bytes>>, Answer> {
        let name = match &self.scheme {
            Scheme::Https(Tls { server_name: Some(name), .. }) => name,
            _ => address,
        };
        let name = if name.contains(':') && !name.starts_with('[') { format!("[{name}]") } else { name.to_owned() };
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.path);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header(header::HOST, format!("{name}:{}", self.port));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value.expose());
        }
        request
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .map_err(|error| Answer::new(Verdict::Never, format!("this is no HTTP request: {error}")))
    }

    async fn judge(&self, response: Response<Incoming>) -> Result<Answer, Answer> {
        let status = response.status().as_u16();
        let most = match (self.expects(status), &self.body) {
            (true, None) => 0,
            (true, Some(_)) => BODY_READ,
            (false, _) => OUTPUT_KEPT,
        };
        let (body, end) = if most == 0 { (Vec::new(), BodyEnd::Cut) } else { read(response.into_body(), most).await };
        Ok(self.compare(status, &body, end))
    }

    fn expects(&self, status: u16) -> bool {
        if self.status.is_empty() {
            (200..400).contains(&status)
        } else {
            self.status.iter().any(|range| (range.first..=range.last).contains(&status))
        }
    }

    pub(super) fn compare(&self, status: u16, body: &[u8], end: BodyEnd) -> Answer {
        let words = match StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()) {
            Some(reason) => format!("status {status} {reason}"),
            None => format!("status {status}"),
        };
        if !self.expects(status) {
            return Answer::no(words).with_output(answer::clean(body));
        }
        match &self.body {
            None => Answer::yes(words),
            Some(pattern) if pattern.is_found_in(&String::from_utf8_lossy(body)) => {
                Answer::yes(format!("{words}, body with {pattern}"))
            }
            Some(pattern) => {
                let part = match end {
                    BodyEnd::Reached => "",
                    BodyEnd::Cut => " in what could be read of it",
                };
                Answer::no(format!("{words}, but the body does not contain {pattern}{part}"))
                    .with_output(answer::clean(body))
            }
        }
    }
}

/// Whether all of a body was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// It was.
    Reached,
    /// There is more, or the connection broke.
    Cut,
}

/// The first `most` bytes of a body.
async fn read(mut body: Incoming, most: usize) -> (Vec<u8>, BodyEnd) {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(_trailers)) => {}
            Err(_broken) => return (bytes, BodyEnd::Cut),
        }
        if bytes.len() > most {
            bytes.truncate(most);
            return (bytes, BodyEnd::Cut);
        }
    }
    (bytes, BodyEnd::Reached)
}

#[cfg(feature = "tls")]
async fn encrypt(
    tls: &Tls,
    around: &Surroundings,
    stream: Box<dyn ByteStream>,
    address: &str,
) -> Result<impl ByteStream + use<>, Answer> {
    super::tls::connect(tls, around, stream, address).await
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "the same signature as with the feature")]
async fn encrypt(_: &Tls, _: &Surroundings, _: Box<dyn ByteStream>, _: &str) -> Result<Box<dyn ByteStream>, Answer> {
    Err(Answer::new(Verdict::Never, "this build of phoenix-health has no TLS: build it with its feature `tls`"))
}

impl fmt::Display for HttpProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https(_) => "https",
        };
        let address = self.address.as_deref().unwrap_or(match self.from {
            Place::Guest => "localhost",
            Place::Host => "guest",
        });
        write!(f, "{} {scheme}://{address}:{}{}", self.method.as_str(), self.port, mask_secrets(&self.path))?;
        if let Some(pattern) = &self.body {
            write!(f, " with {pattern}")?;
        }
        if self.from == Place::Guest { f.write_str(" from inside") } else { Ok(()) }
    }
}
