//! Sets the owner and mode of new files and directories. Both depend on the directory that holds the new file or
//! directory.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;
use std::time::Duration;

use super::rights::parent;

/// If another process has just created `path`, waits until that process has set the owner and mode that the directory
/// above `path` requires. This usually takes only microseconds, but the other process may be interrupted. The wait ends
/// when `path` is one second old.
pub(super) fn wait_until_settled(path: &Path) {
    while is_just_made(path) {
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Returns true if `path` was created during the last second, and does not have the owner and mode that the directory
/// above it requires. Returns false on a file system that does not store when a file was created.
fn is_just_made(path: &Path) -> bool {
    const SECOND: Duration = Duration::from_secs(1);
    let (Ok(made), Ok(directory)) = (fs::metadata(path), fs::metadata(parent(path))) else { return false };
    let is_wrong = if made.is_dir() {
        // A new directory inherits the setgid bit, but its mode may lack the bits that the umask removed.
        is_shared(directory.mode()) && made.mode() & 0o2000 != 0 && !is_shared(made.mode())
    } else {
        made.mode() & 0o777 != mode_in(&directory, false)
    };
    let age = made.created().ok().and_then(|created| created.elapsed().ok());
    (is_wrong || has_wrong_owner(&made, &directory)) && age.is_some_and(|age| age < SECOND)
}

/// Creates a file with the owner and mode that its directory requires.
pub(super) fn make_file(path: &Path, mut options: fs::OpenOptions) -> io::Result<fs::File> {
    // The mode of the directory shows whether a group shares the directory, but only once the mode is settled.
    wait_until_settled(parent(path));
    let directory = fs::metadata(parent(path))?;
    let file = options.create_new(true).mode(mode_in(&directory, false)).open(path)?;
    let settled = file.metadata().and_then(|found| {
        let give = |uid, gid| fchown(&file, Some(uid), Some(gid));
        settle(&found, &directory, give, |mode| file.set_permissions(fs::Permissions::from_mode(mode)))
    });
    match settled {
        Ok(()) => Ok(file),
        Err(error) => {
            // Remove the empty file. If it stayed, another user who has no permission to open it could not create a
            // file at this path.
            let _ = fs::remove_file(path);
            Err(error)
        }
    }
}

/// Creates a directory with the owner and mode that its parent requires.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    wait_until_settled(parent(path));
    let directory = fs::metadata(parent(path))?;
    match fs::DirBuilder::new().mode(mode_in(&directory, true)).create(path) {
        // Another process has just created the directory, and will also set the owner and mode.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    let found = fs::symlink_metadata(path)?;
    // Change the owner through a handle, not through the path. The owner of the parent may have replaced the new
    // directory by another file, and root must not change the owner of that file.
    let made = || {
        let opened = fs::File::open(path)?;
        let id = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        if id(&opened.metadata()?) == id(&found) && found.is_dir() {
            Ok(opened)
        } else {
            Err(io::Error::other("the new directory was replaced before it got its owner and mode"))
        }
    };
    let give = |uid, gid| fchown(made()?, Some(uid), Some(gid));
    let set_mode = |mode| match found.uid() {
        0 => made()?.set_permissions(fs::Permissions::from_mode(mode)),
        // Use the path instead of a handle, because the umask may have removed the permission to open the directory.
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
    };
    settle(&found, &directory, give, set_mode).inspect_err(|_| _ = fs::remove_dir(path))
}

/// Returns true if a directory with this mode is shared with its group. The group may then write to it, and new files
/// in it get the same group. A directory with the sticky bit is not shared, because only the owner of a file in it
/// could rename or remove that file.
pub(crate) fn is_shared(mode: u32) -> bool {
    mode & 0o3020 == 0o2020
}

/// Returns the mode of a new file or directory in `directory`.
fn mode_in(directory: &fs::Metadata, makes_directory: bool) -> u32 {
    let (private, shared) = if makes_directory { (0o700, 0o2770) } else { (0o600, 0o660) };
    if is_shared(directory.mode()) { shared } else { private }
}

/// Returns true if root created the file in a directory that has another owner or group.
fn has_wrong_owner(made: &fs::Metadata, directory: &fs::Metadata) -> bool {
    made.uid() == 0 && (made.uid(), made.gid()) != (directory.uid(), directory.gid())
}

/// Sets the owner and the mode of a new file or directory, if they differ from those that `directory` requires.
fn settle(
    made: &fs::Metadata,
    directory: &fs::Metadata,
    give: impl FnOnce(u32, u32) -> io::Result<()>,
    set_mode: impl FnOnce(u32) -> io::Result<()>,
) -> io::Result<()> {
    let shared = is_shared(directory.mode());
    let (uid, gid) = (directory.uid(), directory.gid());
    // A file system without owners or modes refuses every change of them, but every user can use its files. So ignore a
    // refused change if the directory's owner can use the file anyway. In a shared directory, its group must be able to
    // use the file instead.
    if has_wrong_owner(made, directory)
        && let Err(error) = give(uid, gid)
        && (if shared { made.gid() != gid } else { made.uid() != uid })
    {
        let (kind, what) = (error.kind(), "root is not allowed to give the new file to the owner of its directory");
        return Err(io::Error::new(kind, format!("{what}: {error}; run as uid {uid}, or allow chown (CAP_CHOWN)")));
    }
    let (mode, found) = (mode_in(directory, made.is_dir()), made.mode() & 0o7777);
    // Keep the setgid bit, which a new directory inherits from its parent.
    let mode = if made.is_dir() { mode | found & 0o2000 } else { mode };
    let set = if found == mode { Ok(()) } else { set_mode(mode) };
    set.or_else(|error| if shared && found & 0o060 != 0o060 { Err(error) } else { Ok(()) })
}
