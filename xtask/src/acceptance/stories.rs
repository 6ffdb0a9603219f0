//! What is tried, in order.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::Suite;
use super::fleet::Variant;

/// When a run is killed: after so many further commands of the node's tools, or while the script of this container runs.
#[derive(Debug, Clone, Copy)]
enum Moment {
    After(usize),
    Within(u32),
}

impl Suite<'_> {
    pub(super) fn stories(&mut self, transcript: &Utf8Path) -> Result<(), String> {
        self.words()?;
        self.beginning(transcript)?;
        self.power()?;
        self.drift()?;
        self.failures()?;
        self.removal()?;
        self.adoption()
    }

    /// The verbs that touch no node.
    fn words(&mut self) -> Result<(), String> {
        self.expect("the configuration is valid", &["validate", "--deny-warnings"], 0, &[])?;
        self.expect("config prints it", &["config"], 0, &["acceptance-ca"])?;
        self.expect("schema", &["schema", "fleet"], 0, &["$schema"])?;
        self.expect("graph", &["graph", "--to", "dot"], 0, &["digraph"])?;
        self.expect("inventory", &["inventory"], 0, &["acceptance-web"])?;
        self.expect("output", &["output", "--to", "env"], 0, &[])?;
        let first = self.folder.join("first");
        self.expect("init writes a first configuration", &["init", first.as_str()], 0, &[])?;
        let command = self.command_in("first", &["validate"]);
        self.expect_of("and it is valid", command, &[0], &[])
    }

    /// From nothing to a fleet that is well, through runs that die.
    fn beginning(&mut self, transcript: &Utf8Path) -> Result<(), String> {
        // What it finds is for the person who runs the suite.
        self.expect_one_of("doctor looks", &["doctor"], &[0, 1], &[])?;
        let (ca, web, _, _) = self.acceptance.guests();
        self.killed("a run is killed while it makes the first guest", transcript, Moment::After(4))?;
        self.killed("a run is killed within a script", transcript, Moment::Within(ca))?;
        self.killed("a run is killed in the middle", transcript, Moment::After(8))?;
        self.expect("the run after the killed ones", &["up", "--yes"], 0, &[])?;
        for (id, what) in [(ca, "authority"), (web, "server")] {
            let begun = Instant::now();
            let ran = self.by_hand(&["pct", "exec", &id.to_string(), "--", "cat", "/srv/ran"])?;
            self.row(format!("`{what}` ran once"), begun, (ran.lines().count() != 1).then_some(ran));
        }
        self.expect("a plan of nothing", &["plan", "--exit-code"], 0, &[])?;
        self.expect("a second run", &["up", "--yes"], 0, &[])?;
        self.expect("status", &["status"], 0, &["acceptance-ca", "acceptance-web"])?;
        self.expect("health", &["health"], 0, &[])?;
        self.expect("wait", &["wait", "--for", "healthy", "--timeout", "1m", &web.to_string()], 0, &[])
    }

    fn power(&mut self) -> Result<(), String> {
        let web = self.acceptance.guests().1.to_string();
        self.expect("stop", &["stop", "--yes", &web], 0, &[])?;
        self.expect("wait until it is off", &["wait", "--for", "stopped", "--timeout", "1m", &web], 0, &[])?;
        self.expect("start", &["start", "--yes", &web], 0, &[])?;
        self.expect("restart", &["restart", "--yes", &web], 0, &[])?;
        self.expect("converge runs all scripts again", &["converge", "--yes", &web], 0, &[])?;
        let begun = Instant::now();
        let ran = self.by_hand(&["pct", "exec", &web, "--", "cat", "/srv/ran"])?;
        self.row("`server` ran twice", begun, (ran.lines().count() != 2).then_some(ran));
        Ok(())
    }

    /// Changes by hand, and a plan that is carried out.
    fn drift(&mut self) -> Result<(), String> {
        let web = self.acceptance.guests().1.to_string();
        self.by_hand(&["pct", "set", &web, "--memory", "300"])?;
        self.expect("a change by hand is seen", &["plan", "--exit-code"], 3, &["memory"])?;
        let file = self.folder.join("plan.json");
        self.expect("plan --out", &["plan", "--out", file.as_str()], 0, &[])?;
        self.expect("up --plan", &["up", "--yes", "--plan", file.as_str()], 0, &[])?;
        self.expect("nothing is left to do", &["plan", "--exit-code"], 0, &[])
    }

    /// What does not become healthy.
    fn failures(&mut self) -> Result<(), String> {
        let web = self.acceptance.guests().1.to_string();
        self.write(Variant { web_goes_back: true, web_memory: 320, ..Variant::WELL })?;
        self.expect("a change that fails is rolled back", &["up", "--yes", &web], 1, &["rolled back"])?;
        self.write(Variant::WELL)?;
        self.expect("the run after a rollback", &["up", "--yes"], 0, &[])?;
        self.expect("nothing is left to do after it", &["plan", "--exit-code"], 0, &[])?;

        self.write(Variant { ca_fails: true, ..Variant::WELL })?;
        self.expect("a CA that is not healthy", &["up", "--yes"], 1, &["CA ready"])?;
        self.write(Variant::WELL)?;
        self.expect("and is again", &["up", "--yes"], 0, &[])
    }

    fn removal(&mut self) -> Result<(), String> {
        let (ca, web, _, _) = self.acceptance.guests();
        let (ca, web) = (ca.to_string(), web.to_string());
        self.expect("delete is refused while others need it", &["delete", "--yes", &ca], 2, &["is needed by"])?;
        self.expect("delete", &["delete", "--yes", &web], 0, &[])?;
        self.expect("create makes it again", &["create", "--yes", &web], 0, &[])?;
        self.expect("up --replace", &["up", "--yes", "--replace", &web, &web], 0, &[])?;
        let begun = Instant::now();
        let record = self.by_hand(&["pct", "config", &ca]).map(|text| text.contains("phoenix"));
        self.row("the record is in the notes", begun, (record != Ok(true)).then(|| format!("{record:?}")));
        Ok(())
    }

    /// A container that somebody made by hand: it is left alone, described, adopted, changed and destroyed.
    fn adoption(&mut self) -> Result<(), String> {
        let id = self.acceptance.foreign().to_string();
        let (disk, bridge) = (format!("{}:2", self.acceptance.storage), &self.acceptance.bridge);
        let net = format!("name=eth0,bridge={bridge},ip=dhcp");
        let template = self.acceptance.template.clone();
        let create = ["pct", "create", &id, &template, "--rootfs", &disk, "--net0", &net, "--hostname", "by-hand"];
        self.by_hand(&[&create[..], &["--memory", "256", "--cores", "1", "--unprivileged", "1"]].concat())?;
        self.by_hand(&["pct", "start", &id])?;
        self.expect("a foreign guest is none of the fleet's", &["plan", "--exit-code"], 0, &[])?;
        let described = self.folder.join("described");
        let args = ["adopt", "--write", described.as_str(), &id];
        self.expect("adopt --write describes it", &args, 0, &[])?;
        let before = self.by_hand(&["pct", "config", &id])?;
        let run = |suite: &mut Self, what: &str, args: &[&str], exit| {
            let command = suite.command_in("described", args);
            suite.expect_of(what, command, &[exit], &[])
        };
        run(self, "the description is valid", &["validate"], 0)?;
        run(self, "adopt", &["adopt", "--yes", &id], 0)?;
        let begun = Instant::now();
        let after = self.by_hand(&["pct", "config", &id])?;
        let own = |line: &&str| !line.contains("phoenix") && !line.contains("PHOENIX_RECORD");
        let is_kept = before.lines().filter(own).eq(after.lines().filter(own).filter(|line| *line != "description: "));
        self.row("adopting changes nothing", begun, (!is_kept).then(|| format!("{before}\n{after}")));
        run(self, "an adopted guest needs nothing", &["plan", "--exit-code"], 0)?;
        run(self, "up of an adopted guest", &["up", "--yes"], 0)?;
        run(self, "an adopted guest is removed with its fleet", &["down", "--yes"], 0)
    }

    /// A run that is killed. The next one has to cope with what it left.
    fn killed(&mut self, what: &str, transcript: &Utf8Path, moment: Moment) -> Result<(), String> {
        let begun = Instant::now();
        let lines = || fs::read_to_string(transcript).map_or(0, |text| text.lines().count());
        let before = lines();
        let is_it = || match moment {
            Moment::After(count) => lines() >= before + count,
            Moment::Within(id) => {
                self.by_hand(&["pct", "exec", &id.to_string(), "--", "test", "-e", "/srv/ran"]).is_ok()
            }
        };
        let mut run = self.command(&["up", "--yes"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        while !is_it() && run.try_wait().map_err(|error| error.to_string())?.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = run.try_wait().map_err(|error| error.to_string())?;
        let _ = run.kill();
        let _ = run.wait();
        self.row(what, begun, ended.map(|status| format!("it had ended before: {status}")));
        Ok(())
    }
}
