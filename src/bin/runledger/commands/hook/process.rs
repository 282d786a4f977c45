//! Identifies the process of an agent, to find out later whether the agent has died.

use std::fs;
use std::os::unix::process::parent_id;
use std::sync::OnceLock;

/// The names of shells and of `env`, with which an agent may run a hook. These processes end before the agent.
const RUNNERS: [&str; 9] = ["sh", "bash", "dash", "zsh", "ash", "busybox", "fish", "ksh", "env"];
/// The largest number of ancestors that are examined to find the agent.
const RUNNERS_MAX: usize = 8;

/// The values that `/proc` has for a process.
struct Process {
    name: String,
    parent: u32,
    /// When the process started, in clock ticks after the boot. A later process with the same pid has a different start
    /// time.
    start: u64,
}

/// Returns a text that identifies the process of the agent: the closest ancestor of this process whose name is not in
/// [`RUNNERS`]. Returns `None` if the agent's process is unknown.
pub(super) fn of_agent() -> Option<String> {
    let mut pid = parent_id();
    for _ in 0..RUNNERS_MAX {
        let process = Process::read(pid)?;
        if !RUNNERS.contains(&process.name.as_str()) {
            return Some(format!("{pid} {} {}", process.start, place()?));
        }
        pid = process.parent;
    }
    None
}

/// Returns a text that identifies this process, like [`of_agent`].
pub(super) fn own() -> Option<String> {
    let pid = std::process::id();
    Some(format!("{pid} {} {}", Process::read(pid)?.start, place()?))
}

/// Returns true if the process has ended, false if it runs, and `None` if this is unknown, for example because the
/// process belongs to another machine. `process` is a text that [`of_agent`] or [`own`] returned.
pub(super) fn has_ended(process: &str) -> Option<bool> {
    let mut words = process.splitn(3, ' ');
    let pid: u32 = words.next()?.parse().ok()?;
    let start: u64 = words.next()?.parse().ok()?;
    if words.next()? != place()? {
        return None;
    }
    Some(Process::read(pid).is_none_or(|process| process.start != start))
}

/// Returns a text that identifies the scope of the pids that this process sees. It has the id of the boot and the id of
/// the pid namespace. Returns `None` if `/proc` does not show all processes.
fn place() -> Option<&'static str> {
    static PLACE: OnceLock<Option<String>> = OnceLock::new();
    PLACE.get_or_init(read_place).as_deref()
}

fn read_place() -> Option<String> {
    let own = fs::read_link("/proc/self").ok()?;
    let counts_alike = own.to_str()? == std::process::id().to_string();
    let hides = |mounts: String| mounts.lines().any(|line| line.contains(" - proc ") && line.contains("hidepid="));
    if !counts_alike || hides(fs::read_to_string("/proc/self/mountinfo").ok()?) {
        return None;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.to_str()?))
}

impl Process {
    /// Reads the process `pid` from `/proc`. Returns `None` if it has ended.
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // proc_pid_stat(5): the name is in parentheses and can have any bytes. The state and the parent follow. The
        // start is the 22nd field.
        let (before, rest) = stat.rsplit_once(')')?;
        let name = before.split_once('(')?.1.to_owned();
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        let is_over = matches!(*fields.first()?, "Z" | "X");
        let (parent, start) = (fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?);
        (!is_over).then_some(Self { name, parent, start })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_process_has_ended_if_its_pid_is_free_or_belongs_to_another_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let Process { parent, start, .. } = Process::read(child.id()).unwrap();
        assert_eq!(parent, std::process::id());
        let (pid, here) = (child.id(), place().unwrap());
        assert_eq!(has_ended(&format!("{pid} {start} {here}")), Some(false));
        assert_eq!(has_ended(&format!("{pid} {} {here}", start + 1)), Some(true));
        assert_eq!(has_ended(&format!("{pid} {start} elsewhere")), None);
        assert_eq!(has_ended("x"), None);
        child.kill().unwrap();
        // After the kill, the process is a zombie until this test waits for it.
        let killed = format!("{pid} {start} {here}");
        while has_ended(&killed) != Some(true) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(has_ended(&killed), Some(true));
    }

    /// The kernel shortens a name to 15 bytes, which can end in the middle of a character.
    #[test]
    fn a_process_whose_name_is_not_utf8_is_found() {
        let mut shell = std::process::Command::new("bash");
        shell.args(["-c", r"printf 'a\303' > /proc/$$/comm; echo; read -r"]);
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0];
        child.stdout.take().unwrap().read_exact(&mut line).unwrap();
        assert_ne!(fs::read(format!("/proc/{}/comm", child.id())).unwrap(), b"bash\n");
        let start = Process::read(child.id()).unwrap().start;
        assert_eq!(has_ended(&format!("{} {start} {}", child.id(), place().unwrap())), Some(false));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
