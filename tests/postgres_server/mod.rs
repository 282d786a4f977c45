//! A PostgreSQL cluster for the tests, from the installed binaries, or the server of `RUNLEDGER_TEST_DATABASE_URL`.
//! Each test has a database of its own.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

const PASSWORD: &str = "hunter2%/secret";
/// The password in the form of a URL.
pub(crate) const PASSWORD_WRITTEN: &str = "hunter2%25%2Fsecret";
/// The part of the password that no output may contain.
pub(crate) const SECRET: &str = "hunter2";

/// A running server. Its cluster is removed with it.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    binaries: PathBuf,
    /// The user of the server, if it is another one. PostgreSQL refuses root.
    user: Option<(u32, u32)>,
    postmaster: Option<Child>,
    port: u16,
    setting: &'static str,
}

/// Prints that nothing was tested. `.ci/run` fails if it finds this in the output.
pub(crate) fn not_tested(why: &str) {
    use std::io::Write;
    // This also prints if the output of passing tests is captured.
    let _ = std::io::stdout().write_all(format!("NOT TESTED: PostgreSQL: {why}\n").as_bytes());
}

/// Returns the directory of `initdb` and `postgres`, of the newest installed version.
fn binaries() -> Option<PathBuf> {
    let version = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = installed.map(|entry| entry.unwrap().path().join("bin"));
    let newest = versions.filter(|path| path.join("initdb").exists()).max_by_key(version);
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest.or_else(|| std::env::split_paths(&path).find(|path| path.join("initdb").exists()))
}

/// If this process runs as root, returns the user `postgres`, or otherwise `nobody`.
fn unprivileged() -> Option<(u32, u32)> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = |name: &str| {
        let fields: Vec<_> = passwd.lines().find(|line| line.starts_with(&format!("{name}:")))?.split(':').collect();
        Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
    };
    is_root.then(|| entry("postgres").or_else(|| entry("nobody")).unwrap_or((65_534, 65_534)))
}

impl Server {
    /// Creates and starts a new cluster. Prints a message and returns `None` if no server is installed. `fsync` is off,
    /// because the tests kill processes but cut no power, so committed data stays in the page cache.
    pub(crate) fn start() -> Option<Self> {
        Self::with("fsync=off")
    }

    pub(crate) fn with(setting: &'static str) -> Option<Self> {
        let Some(binaries) = binaries() else {
            not_tested("no initdb in /usr/lib/postgresql/*/bin nor in PATH: apt-get install postgresql");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let user = unprivileged();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { directory, binaries, user, postmaster: None, port, setting };
        std::fs::write(server.path("password"), PASSWORD).unwrap();
        std::fs::set_permissions(server.directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        if let Some((uid, gid)) = user {
            for path in [server.directory.path().to_owned(), server.path("password")] {
                chown(path, Some(uid), Some(gid)).unwrap();
            }
        }
        let (data, password) = (server.path("data"), server.path("password"));
        let made = server
            .command("initdb")
            .args(["--username", "tester", "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync", "--locale=C"])
            .arg("--pwfile")
            .arg(password)
            .arg(data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.run();
        Some(server)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Gives a file to the user of the server, and to no other user.
    pub(crate) fn own(&self, path: &Path) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts the server on its cluster, with a recovery if it was killed, and waits until it answers.
    pub(crate) fn run(&mut self) {
        let begin = Instant::now();
        self.postmaster = Some(self.spawn());
        while let Err(error) = Client::connect(&self.url("postgres"), NoTls) {
            assert!(begin.elapsed() < Duration::from_secs(100), "{error:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
            // A server refuses to start as long as a backend of the killed one is alive.
            if self.postmaster.as_mut().unwrap().try_wait().unwrap().is_some() {
                self.postmaster = Some(self.spawn());
            }
        }
    }

    fn spawn(&self) -> Child {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(self.path("log")).unwrap();
        self.command("postgres")
            .arg("-D")
            .arg(self.path("data"))
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.directory.path().display()))
            .args(["-c", self.setting, "-c", "shared_buffers=64MB", "-c", "max_connections=50"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Ends the postmaster with SIGKILL. Its children end when they notice.
    pub(crate) fn kill(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            postmaster.kill().unwrap();
            postmaster.wait().unwrap();
        }
    }

    /// Sends a signal to the postmaster, then to all its children. In this order, STOP lets no new child begin.
    pub(crate) fn signal(&self, name: &str) {
        let Some(postmaster) = self.postmaster.as_ref().map(Child::id) else { return };
        signal(name, postmaster);
        for entry in std::fs::read_dir("/proc").unwrap() {
            let stat = std::fs::read_to_string(entry.unwrap().path().join("stat")).unwrap_or_default();
            let parent = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(1)?.parse().ok());
            if parent == Some(postmaster) {
                signal(name, stat.split(' ').next().unwrap().parse().unwrap());
            }
        }
    }

    /// Returns the address of a database, with the password.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_at("127.0.0.1", database)
    }

    /// Returns the address through the socket in the file system.
    pub(crate) fn socket_url(&self, database: &str) -> String {
        self.url_at(&self.directory.path().to_str().unwrap().replace('/', "%2F"), database)
    }

    pub(crate) fn url_at(&self, host: &str, database: &str) -> String {
        format!("postgres://tester:{PASSWORD_WRITTEN}@{host}:{}/{database}", self.port)
    }
}

/// Sends a signal to a process of the server, if it still exists.
pub(crate) fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
    sent.unwrap();
}

impl Drop for Server {
    fn drop(&mut self) {
        // A stopped process would never notice.
        self.signal("CONT");
        self.kill();
    }
}

static SHARED: Mutex<Option<Server>> = Mutex::new(None);

/// A database for one test, on the server that the tests of one binary share.
pub(crate) struct Database {
    pub(crate) url: String,
}

impl Database {
    /// Creates an empty database. Prints a message and returns `None` if there is no server.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let url = match std::env::var("RUNLEDGER_TEST_DATABASE_URL") {
            Ok(url) => url,
            Err(_) => shared()?.as_ref()?.url("postgres"),
        };
        let mut client = Client::connect(&url, NoTls).unwrap();
        client.batch_execute(&format!("DROP DATABASE IF EXISTS runledger_test_{name}")).unwrap();
        client.batch_execute(&format!("CREATE DATABASE runledger_test_{name}")).unwrap();
        let (before, _) = url.rsplit_once('/').unwrap();
        Some(Self { url: format!("{before}/runledger_test_{name}") })
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.url, NoTls).unwrap()
    }

    /// Returns the result of a query whose rows have one text each.
    pub(crate) fn ask(&self, sql: &str) -> Vec<String> {
        let text = |row: &postgres::Row| row.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".to_owned());
        self.client().query(sql, &[]).unwrap().iter().map(text).collect()
    }
}

fn shared() -> Option<MutexGuard<'static, Option<Server>>> {
    let mut shared = SHARED.lock().unwrap();
    if shared.is_none() {
        *shared = Server::start();
        if let Some(server) = &*shared {
            end_with_the_tests(server);
        }
    }
    Some(shared)
}

/// Starts a shell that waits for the tests to end, ends the server and removes its cluster. This is needed because a
/// static is not dropped.
#[expect(clippy::zombie_processes, reason = "the shell outlives this process")]
pub(crate) fn end_with_the_tests(server: &Server) {
    let postmaster = server.postmaster.as_ref().unwrap().id();
    let directory: &Path = server.directory.path();
    let script = "while kill -0 \"$1\"; do sleep 0.2; done; kill -QUIT \"$2\"; sleep 1; rm -rf \"$3\"";
    Command::new("sh")
        .args(["-c", script, "sh", &std::process::id().to_string(), &postmaster.to_string()])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
}
