//! Does an HTTP server answer as expected?

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use phoenix_host::ByteStream;
use phoenix_types::gate::{HttpProbe, Place, Scheme, Tls};
use phoenix_types::{SecretSource, is_secret_name};

use super::answer::{self, OUTPUT_KEPT};
use super::response::{BODY_READ, BodyEnd, Headers, compare, expects};
use crate::{Answer, Ask, ProbeContext, Verdict};

impl Ask for HttpProbe {
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer {
        let headers = match headers(self, context).await {
            Ok(headers) => headers,
            Err(answer) => return answer,
        };
        let answer = match self.from {
            Place::Guest => super::curl::ask(self, &headers, context, limit).await,
            Place::Host => tokio::time::timeout(limit, exchange(self, &headers, context, limit))
                .await
                .unwrap_or_else(|_| Err(Answer::no(format!("no answer within {}", crate::seconds::display(limit))))),
        };
        let (Ok(mut answer) | Err(mut answer)) = answer;
        context.known.mask_in(&mut answer.said);
        context.known.mask_in(&mut answer.output);
        answer
    }
}

async fn headers<'a>(probe: &'a HttpProbe, context: &ProbeContext) -> Result<Headers<'a>, Answer> {
    let mut headers = Vec::with_capacity(probe.headers.len());
    for (name, source) in &probe.headers {
        let value = context.secrets.read(source).await.map_err(|error| answer::from_secret(&error))?;
        if is_secret_name(name) || !matches!(source, SecretSource::Plain(_)) {
            context.known.learn(&value);
        }
        headers.push((name.as_str(), value));
    }
    Ok(headers)
}

async fn exchange(
    probe: &HttpProbe,
    headers: &Headers<'_>,
    context: &ProbeContext,
    limit: Duration,
) -> Result<Answer, Answer> {
    let (address, stream) = super::tcp::dial(context, probe.address.as_deref(), probe.port, limit).await?;
    let request = build(probe, headers, &address)?;
    match &probe.scheme {
        Scheme::Http => send(probe, request, stream).await,
        Scheme::Https(tls) => send(probe, request, encrypt(tls, context, stream, &address).await?).await,
    }
}

async fn send(
    probe: &HttpProbe,
    request: Request<Empty<Bytes>>,
    stream: impl ByteStream + 'static,
) -> Result<Answer, Answer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Answer::no(answer::chain(&error)))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| Answer::no(answer::chain(&error)))?;
        Ok(judge(probe, response).await)
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

fn build(probe: &HttpProbe, headers: &Headers<'_>, address: &str) -> Result<Request<Empty<Bytes>>, Answer> {
    let name = match &probe.scheme {
        Scheme::Https(Tls { server_name: Some(name), .. }) => name,
        _ => address,
    };
    let name = if name.contains(':') && !name.starts_with('[') { format!("[{name}]") } else { name.to_owned() };
    let mut request = Request::builder().method(probe.method.as_str()).uri(&probe.path);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header(header::HOST, format!("{name}:{}", probe.port));
    }
    for (name, value) in headers {
        request = request.header(*name, value.expose());
    }
    request
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| Answer::new(Verdict::Never, format!("not an HTTP request: {error}")))
}

async fn judge(probe: &HttpProbe, response: Response<Incoming>) -> Answer {
    let status = response.status().as_u16();
    let most = match (expects(probe, status), &probe.body) {
        (true, None) => 0,
        (true, Some(_)) => BODY_READ,
        (false, _) => OUTPUT_KEPT,
    };
    let (body, end) = if most == 0 { (Vec::new(), BodyEnd::Cut) } else { read(response.into_body(), most).await };
    compare(probe, status, &body, end)
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
    context: &ProbeContext,
    stream: Box<dyn ByteStream>,
    address: &str,
) -> Result<impl ByteStream + use<>, Answer> {
    super::tls::connect(tls, context, stream, address).await
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "the same signature as with the feature")]
async fn encrypt(_: &Tls, _: &ProbeContext, _: Box<dyn ByteStream>, _: &str) -> Result<Box<dyn ByteStream>, Answer> {
    Err(Answer::new(Verdict::Never, "this build of phoenix-health has no TLS: build it with its feature `tls`"))
}
