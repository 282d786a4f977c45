//! The owner and the mode of what is made: they follow from the directory that holds it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use super::rights::parent;

/// Whether a file is empty and does not have the owner and mode that its directory asks for yet.
pub(super) fn is_just_made(path: &Path) -> bool {
    let (Ok(file), Ok(directory)) = (fs::metadata(path), fs::metadata(parent(path))) else { return false };
    file.len() == 0 && (has_wrong_owner(&file, &directory) || file.mode() & 0o777 != mode_in(&directory, false))
}

/// Makes a file, with the owner and the mode that its directory asks for.
pub(super) fn make_file(path: &Path, options: &mut fs::OpenOptions) -> io::Result<fs::File> {
    let directory = fs::metadata(parent(path))?;
    let file = options.create_new(true).mode(mode_in(&directory, false)).open(path)?;
    let settled = file.metadata().and_then(|found| {
        let give = |uid, gid| fchown(&file, Some(uid), Some(gid));
        settle(&found, &directory, give, |mode| file.set_permissions(fs::Permissions::from_mode(mode)))
    });
    match settled {
        Ok(()) => Ok(file),
        Err(error) => {
            // An empty file that others cannot use would be in their way.
            let _ = fs::remove_file(path);
            Err(error)
        }
    }
}

/// Makes a directory, with the owner and the mode that the one above it asks for.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    let directory = fs::metadata(parent(path))?;
    match fs::DirBuilder::new().mode(mode_in(&directory, true)).create(path) {
        // Another process was faster, and gives it its owner.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    let found = fs::symlink_metadata(path)?;
    // Through a handle: whose directory this is may replace what is in it, and root must not give away another thing.
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
        // The umask may have taken the right to open it.
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
    };
    settle(&found, &directory, give, set_mode).inspect_err(|_| _ = fs::remove_dir(path))
}

/// Whether the users of a directory's group share it, and all that is made in it. With the sticky bit only the owner of a
/// file may rename or remove it, and then they cannot.
pub(crate) fn is_shared(mode: u32) -> bool {
    mode & 0o3020 == 0o2020
}

/// The mode of what is made in `directory`.
fn mode_in(directory: &fs::Metadata, makes_directory: bool) -> u32 {
    let (private, shared) = if makes_directory { (0o700, 0o2770) } else { (0o600, 0o660) };
    if is_shared(directory.mode()) { shared } else { private }
}

/// Whether root made it, in a directory of another owner or group.
fn has_wrong_owner(made: &fs::Metadata, directory: &fs::Metadata) -> bool {
    made.uid() == 0 && (made.uid(), made.gid()) != (directory.uid(), directory.gid())
}

/// Gives what was just made its owner and its mode, where they are not as `directory` asks for.
fn settle(
    made: &fs::Metadata,
    directory: &fs::Metadata,
    give: impl FnOnce(u32, u32) -> io::Result<()>,
    set_mode: impl FnOnce(u32) -> io::Result<()>,
) -> io::Result<()> {
    let shared = is_shared(directory.mode());
    let (uid, gid) = (directory.uid(), directory.gid());
    // What a file system without owners or modes refuses locks nobody out.
    if has_wrong_owner(made, directory)
        && let Err(error) = give(uid, gid)
        && (if shared { made.gid() != gid } else { made.uid() != uid })
    {
        let (kind, what) = (error.kind(), "root may not give the new file to the owner of its directory");
        return Err(io::Error::new(kind, format!("{what}: {error}; run as uid {uid}, or allow chown (CAP_CHOWN)")));
    }
    let (mode, found) = (mode_in(directory, made.is_dir()), made.mode() & 0o7777);
    // A directory inherits the setgid bit from one that has it.
    let mode = if made.is_dir() { mode | found & 0o2000 } else { mode };
    let set = if found == mode { Ok(()) } else { set_mode(mode) };
    set.or_else(|error| if shared && found & 0o060 != 0o060 { Err(error) } else { Ok(()) })
}
