//! Is a file there?

use std::time::Duration;

use phoenix_host::{Command, Effect, Output};
use phoenix_types::GuestKind;
use phoenix_types::gate::{Age, Contents, FileProbe, Place};

use super::answer::{self, OUTPUT_KEPT};
use super::start::{self, Era, START, Start};
use crate::{Answer, Ask, ProbeContext, Verdict};

/// How much of a file is looked at for its contents, in bytes.
const CONTENTS_READ: u64 = 1 << 20;

/// Prints when `$1` was written, and its size.
const FACTS: &str = r#"stat -L -c '%Y %s' "$1" || exit 1"#;

/// The same on the node, with the time there, and when `$2` was written if it is there.
const FACTS_ON_HOST: &str = r#"stat -L -c '%Y %s' "$1" || exit 1
date +%s
stat -c %Y "$2" 2>/dev/null
exit 0"#;

impl Ask for FileProbe {
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer {
        if !self.path.is_absolute() {
            return Answer::new(Verdict::Never, format!("`{}` is not an absolute path", self.path));
        }
        let (Ok(answer) | Err(answer)) = look(self, context, limit).await;
        answer
    }
}

async fn look(file: &FileProbe, context: &ProbeContext, limit: Duration) -> Result<Answer, Answer> {
    if file.age == Age::SinceStart {
        let facts = Facts::of(context, file, limit).await?;
        let era = facts.start.era(facts.written);
        if let Some(reason) = start::untold(era, &format!("`{}`", file.path)) {
            return Ok(Answer::unanswered(reason));
        }
        if era == Era::Before {
            return Ok(Answer::no(format!("`{}` is older than the guest's start", file.path)));
        }
        if file.contents == Contents::NonEmpty && facts.size == 0 {
            return Ok(empty(file));
        }
        if !matches!(file.contents, Contents::Text(_)) {
            return Ok(there(file));
        }
    }
    match file.place {
        Place::Guest => look_inside(file, context, limit).await,
        // No process is involved that would end at its own deadline.
        Place::Host => match tokio::time::timeout(limit, look_on_host(file, context, limit)).await {
            Ok(answer) => answer,
            Err(_) => Err(Answer::no(format!("no answer within {}", crate::seconds::display(limit)))),
        },
    }
}

async fn look_inside(file: &FileProbe, context: &ProbeContext, limit: Duration) -> Result<Answer, Answer> {
    let Contents::Text(wanted) = &file.contents else {
        let flag = if file.contents == Contents::NonEmpty { "-s" } else { "-e" };
        let test = Command::new("test", Effect::Read, limit).args([flag, file.path.as_str()]);
        let output = context.run(Place::Guest, test).await?;
        return Ok(match output.status {
            Some(0) => there(file),
            Some(1) if flag == "-s" => Answer::no(format!("`{}` is missing or empty", file.path)),
            Some(1) => missing(file),
            _ => super::command::judge(&output),
        });
    };
    let mut head = Command::new("head", Effect::Read, limit).args(["-c", &CONTENTS_READ.to_string()]).arg(&file.path);
    head.output_limit = usize::try_from(CONTENTS_READ).unwrap_or(usize::MAX);
    let output = context.run(Place::Guest, head).await?;
    if output.succeeded() {
        Ok(compare(file, wanted, &output.stdout_text()))
    } else {
        let is_missing = output.stderr_text().contains("No such file or directory");
        let answer = if is_missing { missing(file) } else { super::command::judge(&output) };
        Ok(Answer { verdict: Verdict::No, ..answer })
    }
}

async fn look_on_host(file: &FileProbe, context: &ProbeContext, limit: Duration) -> Result<Answer, Answer> {
    let stat = context.host.stat(&file.path).await.map_err(|error| answer::from_host(&error, limit))?;
    let Some(stat) = stat else { return Ok(missing(file)) };
    match &file.contents {
        Contents::Any => Ok(there(file)),
        Contents::NonEmpty if stat.size == 0 => Ok(empty(file)),
        Contents::NonEmpty => Ok(there(file)),
        Contents::Text(wanted) => match context.host.read(&file.path, CONTENTS_READ).await {
            Ok(bytes) => Ok(compare(file, wanted, &String::from_utf8_lossy(&bytes))),
            Err(error) if error.is_not_found() => Ok(missing(file)),
            Err(error) => Err(answer::from_host(&error, limit)),
        },
    }
}

fn compare(file: &FileProbe, wanted: &str, text: &str) -> Answer {
    if text.contains(wanted) {
        Answer::yes(format!("`{}` contains `{wanted}`", file.path))
    } else {
        Answer::no(format!("`{}` does not contain `{wanted}`", file.path)).with_output(answer::clean(text.as_bytes()))
    }
}

fn there(file: &FileProbe) -> Answer {
    Answer::yes(format!("`{}` is there", file.path))
}

fn missing(file: &FileProbe) -> Answer {
    Answer::no(format!("`{}` is missing", file.path))
}

fn empty(file: &FileProbe) -> Answer {
    Answer::no(format!("`{}` is empty", file.path))
}

/// What is needed to tell whether a file was written since the guest's start, in seconds.
#[derive(Debug)]
struct Facts {
    written: i64,
    size: u64,
    start: Start,
}

impl Facts {
    async fn of(context: &ProbeContext, file: &FileProbe, limit: Duration) -> Result<Self, Answer> {
        let shell = |text: &str, args: &[&str]| {
            let mut command = Command::new("sh", Effect::Read, limit).args(["-c", text, "sh"]).args(args);
            command.output_limit = OUTPUT_KEPT;
            command
        };
        let path = file.path.as_str();
        let inside = match file.place {
            Place::Guest => shell(&format!("{FACTS}\n{START}"), &[path]),
            Place::Host => shell(START, &[]),
        };
        let inside = context.run(Place::Guest, inside).await?;
        if file.place == Place::Guest && !inside.succeeded() {
            return Err(missing(file).with_output(answer::both_streams(&inside)));
        }
        let text = inside.stdout_text();
        let unknown = |output: &Output| {
            Answer::unanswered("the times of the file and of the guest's start cannot be read")
                .with_output(answer::both_streams(output))
        };
        let start = text.lines().last().and_then(Start::parse).ok_or_else(|| unknown(&inside))?;
        if file.place == Place::Guest {
            return Self::parse(&text, start).ok_or_else(|| unknown(&inside));
        }
        // QEMU writes the file of its process id when it starts (qemu-server `QemuServer/Helpers.pm`).
        let pid = format!("/run/qemu-server/{}.pid", context.guest);
        let on_host = context.run(Place::Host, shell(FACTS_ON_HOST, &[path, &pid])).await?;
        if !on_host.succeeded() {
            return Err(missing(file).with_output(answer::both_streams(&on_host)));
        }
        let text = on_host.stdout_text();
        let mut times = text.lines().skip(1).map(|line| line.trim().parse::<i64>().ok());
        let now = times.next().flatten().ok_or_else(|| unknown(&on_host))?;
        let (recorded, ended) = match context.kind {
            // A container has the node's clock.
            GuestKind::Container => (start.recorded, start.ended),
            GuestKind::Vm => (times.next().flatten(), None),
        };
        Self::parse(&text, Start { now, recorded, ended, ..start }).ok_or_else(|| unknown(&on_host))
    }

    fn parse(facts: &str, start: Start) -> Option<Self> {
        let mut words = facts.split_whitespace();
        Some(Self { written: words.next()?.parse().ok()?, size: words.next()?.parse().ok()?, start })
    }
}
