//! Programs that change files.

use phoenix_sim_shell::files::{Content, Entry, FileError, FileTree, Follow, Offset, symbolic_mode};
use phoenix_sim_shell::streams::Stream;

use super::arguments::Arguments;
use super::{Broken, Call, Ending};

impl Call {
    fn default_mode(&self) -> u32 {
        0o666 & !self.invocation.umask
    }

    /// The name that a file gets below a folder, or the target itself.
    fn inside(&self, target: &str, source: &str) -> String {
        let path = self.absolute(target);
        let is_folder =
            self.machine().files(|view| view.entry(&path, Follow::Last)).is_ok_and(|entry| entry.is_folder());
        let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or(source);
        if is_folder { format!("{}/{name}", path.trim_end_matches('/')) } else { path }
    }

    pub(super) async fn cat(&self, program: &str) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let files = if arguments.rest.is_empty() { vec!["-".to_owned()] } else { arguments.rest.clone() };
        let mut status = 0;
        for path in files {
            if path == "-" && program == "cat" {
                // As it comes: what reads behind a pipe sees it at once.
                let input = self.file(0);
                loop {
                    match input.read_to(None).await {
                        Ok(bytes) if bytes.is_empty() => break,
                        Ok(bytes) => self.out(bytes).await?,
                        Err(error) => {
                            self.complain(&format!("-: {error}")).await;
                            status = 1;
                            break;
                        }
                    }
                }
                continue;
            }
            match self.read(&path).await {
                Ok(bytes) if program == "tac" => {
                    let text = String::from_utf8_lossy(&bytes);
                    let lines: Vec<&str> = text.split_inclusive('\n').rev().collect();
                    self.out(lines.concat()).await?;
                }
                Ok(bytes) if arguments.has('n') => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let lines: String = text.lines().zip(1..).map(|(line, n)| format!("{n:6}\t{line}\n")).collect();
                    self.out(lines).await?;
                }
                Ok(bytes) => self.out(bytes).await?,
                Err(error) => {
                    self.complain(&format!("{path}: {error}")).await;
                    status = 1;
                }
            }
        }
        Ok(status)
    }

    pub(super) async fn tee(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let mut status = 0;
        let mut targets = Vec::new();
        for path in &arguments.rest {
            let absolute = self.absolute(path);
            let place = if arguments.has('a') { Offset::End } else { Offset::Replace };
            let mode = self.default_mode();
            match self.machine().files(|view| view.write(&absolute, b"", place, mode)) {
                Ok(()) => targets.push(absolute),
                Err(_) if absolute.starts_with("/dev/") => {}
                Err(error) => {
                    self.complain(&format!("{path}: {error}")).await;
                    status = 1;
                }
            }
        }
        let input = self.file(0);
        loop {
            let bytes = input.read_to(None).await.unwrap_or_default();
            if bytes.is_empty() {
                return Ok(status);
            }
            for path in &targets {
                if let Err(error) = self.machine().files(|view| view.write(path, &bytes, Offset::End, 0o644)) {
                    self.complain(&format!("{path}: {error}")).await;
                    status = 1;
                }
            }
            self.machine().touch();
            self.out(bytes).await?;
        }
    }

    pub(super) async fn copy(&self, program: &str) -> Ending {
        let arguments = Arguments::read(self.arguments(), "tSmog");
        let installs = program == "install";
        if installs && arguments.has('d') {
            for path in &arguments.rest {
                let mode = arguments.value('m').and_then(|text| symbolic_mode(text, 0o755, true)).unwrap_or(0o755);
                let path = self.absolute(path);
                let made = self.machine().files(|view| {
                    view.make_folders(&path, mode)?;
                    view.change(&path, |entry| entry.mode = mode)
                });
                if let Err(error) = made {
                    self.complain(&format!("cannot create directory '{path}': {error}")).await;
                    return Ok(1);
                }
            }
            return Ok(0);
        }
        let mut sources = arguments.rest.clone();
        let Some(target) =
            arguments.value('t').map(str::to_owned).or_else(|| sources.pop()).filter(|_| !sources.is_empty())
        else {
            self.complain("missing file operand").await;
            return Ok(1);
        };
        if installs && arguments.has('D') {
            let target = self.absolute(&target);
            let _ = self.machine().files(|view| view.make_folders(FileTree::parent(&target), 0o755));
        }
        let recursive = ['r', 'R', 'a'].iter().any(|letter| arguments.has(*letter)) || arguments.has_long("recursive");
        let mut status = 0;
        for source in sources {
            let to = self.inside(&target, &source);
            let from = self.absolute(&source);
            if let Some(Ok(stream)) = phoenix_sim_shell::streams::device(&from, &self.invocation.files) {
                let bytes = stream.read_all(super::INPUT).await.unwrap_or_default();
                let mode = self.default_mode();
                if let Err(error) = self.machine().files(|view| view.write(&to, &bytes, Offset::Replace, mode)) {
                    self.complain(&format!("cannot create regular file '{target}': {error}")).await;
                    status = 1;
                }
                continue;
            }
            let found = self.machine().files(|view| view.entry(&from, Follow::Last));
            let done = match found {
                Err(error) => Err(format!("cannot stat '{source}': {error}")),
                Ok(entry) if entry.is_folder() && !recursive => {
                    Err(format!("-r not specified; omitting directory '{source}'"))
                }
                Ok(entry) if entry.is_folder() => self
                    .machine()
                    .files(|view| match source.ends_with("/.") {
                        true => view.make_folders(&self.absolute(&target), 0o755).and_then(|()| {
                            for name in view.list(&from)? {
                                view.copy(&format!("{from}/{name}"), &format!("{}/{name}", self.absolute(&target)))?;
                            }
                            Ok(())
                        }),
                        false => view.copy(&from, &to),
                    })
                    .map_err(|error| format!("cannot create directory '{target}': {error}")),
                Ok(_) if arguments.has('n') && self.machine().files(|view| view.exists(&to)) => Ok(()),
                Ok(entry) => {
                    let keeps = arguments.has('p') || arguments.has('a');
                    let mode = entry.mode & !if keeps { 0 } else { self.invocation.umask };
                    let bytes = entry.bytes().map(|bytes| bytes.to_vec()).unwrap_or_default();
                    self.machine()
                        .files(|view| {
                            view.write(&to, &bytes, Offset::Replace, mode)?;
                            let mtime = if keeps { entry.mtime } else { view.now() };
                            view.change(&to, |copy| copy.mtime = mtime)?;
                            match arguments.value('m').and_then(|text| symbolic_mode(text, 0, false)) {
                                Some(mode) if installs => view.change(&to, |copy| copy.mode = mode),
                                None if installs => view.change(&to, |copy| copy.mode = 0o755),
                                _ => Ok(()),
                            }
                        })
                        .map_err(|error| format!("cannot create regular file '{target}': {error}"))
                }
            };
            if let Err(reason) = done {
                self.complain(&reason).await;
                status = 1;
            }
        }
        self.machine().touch();
        Ok(status)
    }

    pub(super) async fn rename(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "tS");
        let mut sources = arguments.rest.clone();
        let Some(target) =
            arguments.value('t').map(str::to_owned).or_else(|| sources.pop()).filter(|_| !sources.is_empty())
        else {
            self.complain("missing file operand").await;
            return Ok(1);
        };
        let mut status = 0;
        for source in sources {
            let to = if arguments.has('T') { self.absolute(&target) } else { self.inside(&target, &source) };
            let from = self.absolute(&source);
            let keeps = arguments.has('n') && self.machine().files(|view| view.exists(&to));
            if keeps {
                continue;
            }
            if let Err(error) = self.machine().files(|view| {
                view.entry(&from, Follow::Parents)?;
                view.rename(&from, &to)
            }) {
                let found = self.machine().files(|view| view.entry(&from, Follow::Parents).is_ok());
                let reason = if found {
                    format!("cannot move '{source}' to '{target}': {error}")
                } else {
                    format!("cannot stat '{source}': {error}")
                };
                self.complain(&reason).await;
                status = 1;
            }
        }
        self.machine().touch();
        Ok(status)
    }

    pub(super) async fn remove(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let recursive = arguments.has('r') || arguments.has('R') || arguments.has_long("recursive");
        let force = arguments.has('f') || arguments.has_long("force");
        let mut status = 0;
        for path in &arguments.rest {
            let absolute = self.absolute(path);
            let removed = self.machine().files(|view| {
                let entry = view.entry(&absolute, Follow::Parents)?;
                match (entry.is_folder(), recursive) {
                    (true, false) if arguments.has('d') => view.remove(&absolute),
                    (true, false) => Err(FileError::IsAFolder),
                    _ => view.remove_all(&absolute),
                }
            });
            match removed {
                Ok(()) => {}
                Err(FileError::NotFound) if force => {}
                Err(error) => {
                    self.complain(&format!("cannot remove '{path}': {error}")).await;
                    status = 1;
                }
            }
        }
        self.machine().touch();
        Ok(status)
    }

    pub(super) async fn remove_folders(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let mut status = 0;
        for path in &arguments.rest {
            let absolute = self.absolute(path);
            let removed = self.machine().files(|view| match view.entry(&absolute, Follow::Parents) {
                Ok(entry) if entry.is_folder() => view.remove(&absolute),
                Ok(_) => Err(FileError::NotAFolder),
                Err(error) => Err(error),
            });
            if let Err(error) = removed {
                self.complain(&format!("failed to remove '{path}': {error}")).await;
                status = 1;
            }
        }
        Ok(status)
    }

    pub(super) async fn link(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "tS");
        let mut sources = arguments.rest.clone();
        let target = match sources.len() {
            0 => {
                self.complain("missing file operand").await;
                return Ok(1);
            }
            1 => ".".to_owned(),
            _ => sources.pop().unwrap_or_default(),
        };
        let force = arguments.has('f');
        for source in sources {
            let plain = arguments.has('n') || arguments.has('T');
            let to = if plain { self.absolute(&target) } else { self.inside(&target, &source) };
            let from = self.absolute(&source);
            let linked = self.machine().files(|view| {
                if force && view.entry(&to, Follow::Parents).is_ok_and(|entry| !entry.is_folder()) {
                    view.remove(&to)?;
                }
                let entry = if arguments.has('s') {
                    Entry { content: Content::Link(source.clone()), mode: 0o777, ..Entry::folder(view.now()) }
                } else {
                    view.entry(&from, Follow::Last)?
                };
                view.insert(&to, entry)
            });
            if let Err(error) = linked {
                let kind = if arguments.has('s') { "symbolic" } else { "hard" };
                self.complain(&format!("failed to create {kind} link '{target}': {error}")).await;
                return Ok(1);
            }
        }
        Ok(0)
    }

    pub(super) async fn make_folders(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "m");
        let mut status = 0;
        for path in &arguments.rest {
            let absolute = self.absolute(path);
            let mode = match arguments.value('m') {
                Some(text) => symbolic_mode(text, 0o777, true).unwrap_or(0o755),
                None => 0o777 & !self.invocation.umask,
            };
            let made = self.machine().files(|view| {
                if arguments.has('p') || arguments.has_long("parents") {
                    return view.make_folders(&absolute, mode);
                }
                let entry = Entry { mode, ..Entry::folder(view.now()) };
                view.insert(absolute.trim_end_matches('/'), entry)
            });
            if let Err(error) = made {
                self.complain(&format!("cannot create directory '{path}': {error}")).await;
                status = 1;
            }
        }
        Ok(status)
    }

    pub(super) async fn touch(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "dtrm");
        let mut status = 0;
        for path in &arguments.rest {
            let absolute = self.absolute(path);
            let mode = self.default_mode();
            let touched = self.machine().files(|view| {
                if !view.exists(&absolute) {
                    if arguments.has('c') {
                        return Ok(());
                    }
                    return view.write(&absolute, b"", Offset::Replace, mode);
                }
                let now = view.now();
                view.change(&absolute, |entry| entry.mtime = now)
            });
            if let Err(error) = touched {
                self.complain(&format!("cannot touch '{path}': {error}")).await;
                status = 1;
            }
        }
        self.machine().touch();
        Ok(status)
    }

    pub(super) async fn truncate(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "sr");
        for path in &arguments.rest {
            let absolute = self.absolute(path);
            // Only emptying a file has an effect that scripts look at; large sparse files stay empty here.
            if arguments.value('s').is_some() {
                let mode = self.default_mode();
                let done = self.machine().files(|view| view.write(&absolute, b"", Offset::Replace, mode));
                if let Err(error) = done {
                    self.complain(&format!("cannot open '{path}' for writing: {error}")).await;
                    return Ok(1);
                }
            }
        }
        Ok(0)
    }

    fn walk(&self, path: &str, recursive: bool) -> Vec<String> {
        let mut paths = vec![path.to_owned()];
        let mut at = 0;
        while recursive && at < paths.len() {
            let folder = paths[at].clone();
            let names = self.machine().files(|view| match view.entry(&folder, Follow::Parents) {
                Ok(entry) if entry.is_folder() => view.list(&folder).unwrap_or_default(),
                _ => Vec::new(),
            });
            paths.extend(names.into_iter().map(|name| format!("{}/{name}", folder.trim_end_matches('/'))));
            at += 1;
        }
        paths
    }

    pub(super) async fn change_mode(&self) -> Ending {
        // A mode may begin with a dash: `chmod -x FILE`.
        let words = self.arguments();
        let is_option = |word: &&String| word.starts_with('-') && word[1..].bytes().all(|b| b"RvcfLHP".contains(&b));
        let recursive = words.iter().filter(is_option).any(|word| word.contains('R'))
            || words.iter().any(|word| word == "--recursive");
        let mut rest = words.iter().filter(|word| !is_option(word) && !word.starts_with("--"));
        let Some(mode) = rest.next() else {
            self.complain("missing operand").await;
            return Ok(1);
        };
        if symbolic_mode(mode, 0, false).is_none() {
            self.complain(&format!("invalid mode: '{mode}'")).await;
            return Ok(1);
        }
        let mut status = 0;
        for path in rest {
            for inner in self.walk(&self.absolute(path), recursive) {
                let changed = self.machine().files(|view| {
                    view.change(&inner, |entry| {
                        entry.mode = symbolic_mode(mode, entry.mode, entry.is_folder()).unwrap_or(entry.mode);
                    })
                });
                if let Err(error) = changed {
                    self.complain(&format!("cannot access '{path}': {error}")).await;
                    status = 1;
                }
            }
        }
        Ok(status)
    }

    fn number_of(&self, name: &str, list: &str) -> Option<u32> {
        if let Ok(number) = name.parse() {
            return Some(number);
        }
        let text = self.machine().files(|view| view.read(list)).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    }

    pub(super) async fn change_owner(&self, program: &str) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let [owner, paths @ ..] = arguments.rest.as_slice() else {
            self.complain("missing operand").await;
            return Ok(1);
        };
        let (user, group) = match owner.split_once([':', '.']) {
            _ if program == "chgrp" => ("", owner.as_str()),
            Some((user, group)) => (user, group),
            None => (owner.as_str(), ""),
        };
        let (uid, gid) = (self.number_of(user, "/etc/passwd"), self.number_of(group, "/etc/group"));
        // Users that no one made here may have been made by a package.
        let mut status = 0;
        for path in paths {
            for inner in self.walk(&self.absolute(path), arguments.has('R')) {
                let changed = self.machine().files(|view| {
                    view.change(&inner, |entry| {
                        entry.uid = uid.unwrap_or(entry.uid);
                        entry.gid = gid.unwrap_or(entry.gid);
                    })
                });
                if let Err(error) = changed {
                    self.complain(&format!("cannot access '{path}': {error}")).await;
                    status = 1;
                }
            }
        }
        Ok(status)
    }

    pub(super) async fn make_temporary(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "p", &["tmpdir", "suffix"]);
        let template = arguments.rest.first().cloned().unwrap_or_else(|| "tmp.XXXXXXXXXX".to_owned());
        let base = arguments.value('p').or(arguments.long_value("tmpdir"));
        let path = if arguments.rest.is_empty() || base.is_some() || arguments.has('t') {
            format!("{}/{template}", base.or(self.variable("TMPDIR")).unwrap_or("/tmp"))
        } else {
            template
        };
        let stem = path.trim_end_matches('X').to_owned();
        let count = path.len() - stem.len();
        for attempt in 0.. {
            let mut seed = u64::from(self.process.id) * 7919 + attempt;
            let letters: String = (0..count)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    char::from(
                        b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[(seed >> 33) as usize % 62],
                    )
                })
                .collect();
            let made = format!("{stem}{letters}{}", arguments.long_value("suffix").unwrap_or_default());
            let absolute = self.absolute(&made);
            let result = self.machine().files(|view| {
                let entry = if arguments.has('d') || arguments.has_long("directory") {
                    Entry { mode: 0o700, ..Entry::folder(view.now()) }
                } else {
                    Entry { mode: 0o600, ..Entry::file(Vec::new(), view.now()) }
                };
                if arguments.has('u') { Ok(()) } else { view.insert(&absolute, entry) }
            });
            match result {
                Ok(()) => return self.out(format!("{made}\n")).await.map(|()| 0),
                Err(FileError::Exists) if count > 2 && attempt < 100 => {}
                Err(error) => {
                    self.complain(&format!("failed to create file via template '{path}': {error}")).await;
                    return Ok(1);
                }
            }
        }
        Ok(1)
    }

    pub(super) async fn yes(&self) -> Ending {
        let line = if self.arguments().is_empty() { "y".to_owned() } else { self.arguments().join(" ") };
        let block = format!("{line}\n").repeat(512);
        loop {
            if matches!(*self.file(1), Stream::Null) {
                // No one will ever see it, and no one ends it.
                std::future::pending::<()>().await;
            }
            self.out(&block).await?;
        }
    }

    /// Writes a line.
    pub(super) async fn line(&self, text: &str) -> Result<(), Broken> {
        self.out(format!("{text}\n")).await
    }
}
