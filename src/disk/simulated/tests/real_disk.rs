//! Tests that without a crash, the simulated disk returns the same results as the real disk.

use proptest::prelude::*;

use super::*;
use crate::disk::Disk;

#[derive(Debug, Clone)]
enum Step {
    Open(&'static str, Access),
    CreateDir(&'static str),
    List(&'static str),
    Stat(&'static str),
    Rename(&'static str, &'static str),
    Link(&'static str, &'static str),
    Remove(&'static str),
    SyncDir(&'static str),
    Append(usize, Vec<u8>),
    WriteAt(usize, Vec<u8>, u64),
    Truncate(usize, u64),
    Sync(usize),
    Lock(usize),
    Unlock(usize),
    Close(usize),
    Read(usize),
}

fn path() -> impl Strategy<Value = &'static str> {
    // `b` can become a file or a directory.
    prop::sample::select(vec!["a", "b", "c", "b/a", "b/c", "b/d/a", "a/b"])
}

fn directory() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["b", "b/d", "e/f/g", "a"])
}

fn access() -> impl Strategy<Value = Access> {
    use Access::*;
    prop::sample::select(vec![Read, Append, Write, AppendNew, WriteNew])
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..6000);
    let file = || 0..4usize;
    prop_oneof![
        4 => (path(), access()).prop_map(|(path, access)| Step::Open(path, access)),
        1 => directory().prop_map(Step::CreateDir),
        1 => directory().prop_map(Step::List),
        1 => path().prop_map(Step::Stat),
        1 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => (path(), path()).prop_map(|(from, to)| Step::Link(from, to)),
        1 => path().prop_map(Step::Remove),
        1 => directory().prop_map(Step::SyncDir),
        2 => (file(), bytes()).prop_map(|(file, bytes)| Step::Append(file, bytes)),
        2 => (file(), bytes(), 0..9000u64).prop_map(|(file, bytes, offset)| Step::WriteAt(file, bytes, offset)),
        1 => (file(), 0..9000u64).prop_map(|(file, len)| Step::Truncate(file, len)),
        1 => file().prop_map(Step::Sync),
        1 => file().prop_map(Step::Lock),
        1 => file().prop_map(Step::Unlock),
        1 => file().prop_map(Step::Close),
        1 => file().prop_map(Step::Read),
    ]
}

/// A disk, the directory used on it, and the files open on it.
struct Side {
    disk: Box<dyn Storage>,
    root: PathBuf,
    files: Vec<(Access, Box<dyn StorageFile>)>,
}

impl Side {
    fn new(disk: impl Storage + 'static, root: &Path) -> Self {
        Self { disk: Box::new(disk), root: root.to_owned(), files: Vec::new() }
    }

    /// Performs the step and returns the answer as text. Omits inodes, and the length and links of a directory, because
    /// these may differ between the two disks.
    fn answer(&mut self, step: &Step) -> String {
        self.take(step).unwrap_or_else(|error| format!("{:?}", error.kind()))
    }

    fn take(&mut self, step: &Step) -> io::Result<String> {
        let at = |path: &str| self.root.join(path);
        let done = |()| "done".to_owned();
        match *step {
            Step::Open(path, access) => {
                let file = self.disk.open(&at(path), access)?;
                self.files.push((access, file));
                Ok("opened".to_owned())
            }
            // If a file is in the middle of the path, the error depends on the position of that file. So compare only
            // the success.
            Step::CreateDir(path) => Ok(self.disk.create_dir(&at(path)).is_ok().to_string()),
            Step::List(path) => {
                let mut names = self.disk.list(&at(path))?;
                names.sort();
                Ok(format!("{names:?}"))
            }
            Step::Stat(path) => Ok(self.disk.stat(&at(path))?.map_or_else(String::new, described)),
            Step::Rename(from, to) => self.disk.rename(&at(from), &at(to)).map(done),
            Step::Link(from, to) => self.disk.link(&at(from), &at(to)).map(done),
            Step::Remove(path) => self.disk.remove(&at(path)).map(done),
            Step::SyncDir(path) => self.disk.sync_dir(&at(path)).map(done),
            Step::Close(file) if file < self.files.len() => {
                self.files.remove(file);
                Ok(String::new())
            }
            ref step => self.take_file(step),
        }
    }

    fn take_file(&self, step: &Step) -> io::Result<String> {
        let (Step::Append(file, ..)
        | Step::WriteAt(file, ..)
        | Step::Truncate(file, ..)
        | Step::Sync(file)
        | Step::Lock(file)
        | Step::Unlock(file)
        | Step::Read(file)) = step
        else {
            return Ok(String::new());
        };
        let Some((access, file)) = self.files.get(*file) else { return Ok(String::new()) };
        let appends = matches!(access, Access::Append | Access::AppendNew);
        match step {
            Step::Append(_, bytes) if appends => file.append(bytes).map(|written| written.to_string()),
            Step::WriteAt(_, bytes, offset) if !appends && *access != Access::Read => {
                file.write_at(bytes, *offset).map(|written| written.to_string())
            }
            Step::Truncate(_, len) if *access != Access::Read => file.truncate(*len).map(|()| String::new()),
            Step::Sync(_) => file.sync().map(|()| String::new()),
            Step::Lock(_) => file.try_lock().map(|locked| locked.to_string()),
            Step::Unlock(_) => file.unlock().map(|()| String::new()),
            _ => {
                let mut bytes = vec![0; 20_000];
                let read = read_full_at(&**file, &mut bytes, 10)?;
                Ok(format!("{} {:?}", described(file.stat()?), &bytes[..read]))
            }
        }
    }
}

fn described(stat: Stat) -> String {
    match stat.file_type {
        crate::disk::FileType::File => format!("{} bytes, {} links", stat.len, stat.links),
        other => format!("{other:?}"),
    }
}

/// Returns true if the simulated disk does not model `step`: opening, renaming, linking or removing a directory, or
/// syncing a file as a directory.
fn not_modelled(side: &Side, step: &Step) -> bool {
    let is_directory = |path: &str| side.root.join(path).is_dir();
    match *step {
        Step::Open(path, _) | Step::Remove(path) => is_directory(path),
        Step::Rename(from, to) | Step::Link(from, to) => is_directory(from) || is_directory(to),
        Step::SyncDir(path) => side.root.join(path).is_file(),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_simulated_disk_answers_as_the_real_one(steps in prop::collection::vec(step(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let mut real = Side::new(Disk, directory.path());
        let mut simulated = Side::new(SimulatedDisk::new(), Path::new("/"));
        for step in &steps {
            if !not_modelled(&real, step) {
                prop_assert_eq!(real.answer(step), simulated.answer(step), "{:?}", step);
            }
        }
    }
}
