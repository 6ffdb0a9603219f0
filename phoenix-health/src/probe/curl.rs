//! An HTTP request from inside the guest, by its `curl`.

use std::fmt::Write as _;
use std::time::Duration;

use phoenix_host::{Command, Effect, Input};
use phoenix_types::Secret;
use phoenix_types::gate::{HttpProbe, Place, Scheme, Tls, Trust};

use super::answer;
use super::response::{BODY_READ, BodyEnd, Headers, compare};
use crate::{Answer, ProbeContext, Verdict};

/// Exit statuses of curl that say something other than "no" (curl(1), "EXIT CODES").
const BAD_SYNTAX: i32 = 2;
const MALFORMED_URL: i32 = 3;
const NO_SUCH_COMMAND: i32 = 127;

/// The request goes to curl by its standard input, for its headers may carry secrets and an argument list is for all to see.
pub(super) async fn ask(
    probe: &HttpProbe,
    headers: &Headers<'_>,
    context: &ProbeContext,
    limit: Duration,
) -> Result<Answer, Answer> {
    if !probe.path.starts_with('/') || probe.method.is_empty() {
        return Err(Answer::new(Verdict::Never, "not an HTTP request: the path must begin with `/`"));
    }
    let mut curl = Command::new("curl", Effect::Read, limit)
        .args(["--disable", "--config", "-"])
        .stdin(Input::Secret(Secret::new(config(probe, headers, limit))));
    curl.output_limit = BODY_READ;
    let output = context.run(Place::Guest, curl).await?;
    match output.status {
        Some(NO_SUCH_COMMAND) => return Err(Answer::unanswered("`curl` is not installed in the guest")),
        Some(BAD_SYNTAX | MALFORMED_URL) => {
            return Err(Answer::new(Verdict::Never, format!("curl: {}", answer::both_streams(&output))));
        }
        _ => {}
    }
    // The status is behind the body, where the end of a flood still shows it; 000 is curl's word for none.
    let split = output.stdout.iter().rposition(|byte| *byte == b'\n');
    let (body, status) =
        split.map_or((&[][..], &output.stdout[..]), |at| (&output.stdout[..at], &output.stdout[at + 1..]));
    let status =
        std::str::from_utf8(status).ok().and_then(|text| text.trim().parse::<u16>().ok()).filter(|code| *code > 0);
    let Some(status) = status else {
        let said = answer::last_line(&answer::clean(&output.stderr)).unwrap_or_else(|| "curl got no answer".to_owned());
        return Err(Answer::no(said).with_output(answer::both_streams(&output)));
    };
    let end = if output.succeeded() && output.dropped == 0 { BodyEnd::Reached } else { BodyEnd::Cut };
    Ok(compare(probe, status, body, end))
}

/// The request in curl's configuration language.
fn config(probe: &HttpProbe, headers: &Headers<'_>, limit: Duration) -> String {
    let address = bracketed(probe.address.as_deref().unwrap_or("localhost"));
    let (scheme, tls) = match &probe.scheme {
        Scheme::Http => ("http", None),
        Scheme::Https(tls) => ("https", Some(tls)),
    };
    let name = tls.and_then(|tls| tls.server_name.as_deref()).map_or_else(|| address.clone(), bracketed);
    let port = probe.port;
    let mut text = String::from("silent\nshow-error\n");
    let mut set = |key: &str, value: &str| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{key} = \"{}\"", escaped(value));
    };
    set("url", &format!("{scheme}://{name}:{port}{}", probe.path));
    set("request", &probe.method);
    set("write-out", "\n%{http_code}");
    set("max-time", &limit.as_secs_f64().to_string());
    set("noproxy", "*");
    if name != address {
        set("connect-to", &format!("{name}:{port}:{address}:{port}"));
    }
    for (name, value) in headers {
        set("header", &format!("{name}: {}", value.expose()));
    }
    match tls {
        Some(Tls { trust: Trust::Bundle(path), .. }) => set("cacert", path.as_str()),
        Some(Tls { trust: Trust::Anyone, .. }) => text.push_str("insecure\n"),
        None => {}
    }
    if probe.method == "HEAD" {
        text.push_str("head\n");
    }
    text
}

fn bracketed(address: &str) -> String {
    if address.contains(':') && !address.starts_with('[') { format!("[{address}]") } else { address.to_owned() }
}

/// As curl(1) says of quoted parameters; other control characters have no place in a request and are left out.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use phoenix_types::SecretSource;
    use phoenix_types::gate::Probe;

    use super::*;
    use crate::Ask as _;
    use crate::fake::{FakeGuest, Reply};

    const LIMIT: Duration = Duration::from_secs(10);

    fn probe() -> HttpProbe {
        HttpProbe { from: Place::Guest, ..HttpProbe::new(8080) }
    }

    #[test]
    fn requests_in_curls_language() {
        let probe = HttpProbe {
            scheme: Scheme::Https(Tls { trust: Trust::Bundle("/ca.crt".into()), server_name: Some("ca.lan".into()) }),
            ..probe()
        };
        let headers = vec![("Authorization", Secret::new("Bearer \"x\\\nurl = y"))];
        assert_eq!(
            config(&probe, &headers, LIMIT),
            "silent\nshow-error\nurl = \"https://ca.lan:8080/\"\nrequest = \"GET\"\nwrite-out = \"\\n%{http_code}\"\n\
             max-time = \"10\"\nnoproxy = \"*\"\nconnect-to = \"ca.lan:8080:localhost:8080\"\n\
             header = \"Authorization: Bearer \\\"x\\\\\\nurl = y\"\ncacert = \"/ca.crt\"\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_curl_says() {
        let says = |status: i32, stdout: &str, stderr: &str| {
            let output = phoenix_host::Output {
                status: Some(status),
                stdout: stdout.into(),
                stderr: stderr.into(),
                ..Default::default()
            };
            FakeGuest::new(103).answers(move |_| Reply::Ends(output.clone())).context()
        };
        let ask = async |probe: HttpProbe, context| Probe::Http(probe).ask(&context, LIMIT).await;
        assert_eq!(ask(probe(), says(0, "ok\n\n200", "")).await.said, "status 200 OK");
        assert_eq!(ask(probe(), says(0, "soon\n503", "")).await.verdict, Verdict::No);
        let refused = ask(probe(), says(7, "\n000", "curl: (7) Failed to connect to localhost port 8080")).await;
        assert_eq!(
            (refused.verdict, refused.said.as_str()),
            (Verdict::No, "curl: (7) Failed to connect to localhost port 8080")
        );
        assert_eq!(ask(probe(), says(127, "", "")).await.verdict, Verdict::Unanswered);
        assert_eq!(ask(probe(), says(0, "", "")).await.verdict, Verdict::No);
        let body = || HttpProbe { body: Some("green".into()), ..probe() };
        assert_eq!(ask(body(), says(0, "{green}\n200", "")).await.verdict, Verdict::Yes);
        assert_eq!(ask(body(), says(0, "{red}\n200", "")).await.verdict, Verdict::No);
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_is_never_an_argument() {
        let guest = Arc::new(FakeGuest::new(103).answers(|_| Reply::Exits(0)));
        let probe =
            HttpProbe { headers: [("X-Key".into(), SecretSource::Plain(Secret::new("hunter2")))].into(), ..probe() };
        probe.ask(&guest.surrounded(), LIMIT).await;
        assert_eq!(guest.calls()[0].argv, ["curl", "--disable", "--config", "-"]);
        assert!(!format!("{probe:?}").contains("hunter2"));
    }
}
