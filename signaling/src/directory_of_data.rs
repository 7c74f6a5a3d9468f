//! The directories that data is kept in, made for their owner alone. Database and files may share one, whichever comes first.

use std::fs::DirBuilder;
use std::io;
use std::path::Path;

/// Makes a directory, and those above it that are missing. One that is there stays as it is.
///
/// # Errors
/// The system's.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::FileStorage;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_else_looks_into_what_the_file_storage_made() {
        let place = tempfile::tempdir().unwrap();
        FileStorage::local(&place.path().join("parlor-data/files")).unwrap();
        for name in ["parlor-data", "parlor-data/files"] {
            let mode = place.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{name}");
        }
    }

    #[test]
    fn a_directory_that_is_there_keeps_its_rights() {
        let place = tempfile::tempdir().unwrap();
        let shared = place.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o750)).unwrap();
        create_directory(&shared).unwrap();
        assert_eq!(shared.metadata().unwrap().permissions().mode() & 0o777, 0o750);
    }
}
