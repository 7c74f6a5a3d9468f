//! What the system tells: files of `/proc`, and two calls. Where it does not tell, there is `None`, never a guess.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Processes looked at for the owner of a socket, and descriptors of each.
const MAX_LOOKED_AT: usize = 65_536;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: u32,
    pub(super) name: String,
}

impl Process {
    /// Whether it is a Parlor.
    pub(super) fn is_parlor(&self) -> bool {
        self.name == "parlor"
    }

    fn of(id: u32) -> Option<Self> {
        let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
        Some(Self { id, name: name.trim_end().to_owned() })
    }
}

/// What says that this host is a container.
pub(super) fn container() -> Option<&'static str> {
    let group = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    [
        (Path::new("/.dockerenv").exists(), "/.dockerenv is there"),
        (Path::new("/run/.containerenv").exists(), "/run/.containerenv is there"),
        (std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(), "KUBERNETES_SERVICE_HOST is set"),
        // Set by Podman, LXC and systemd-nspawn.
        (std::env::var_os("container").is_some(), "the variable container is set"),
        (is_group_of_container(&group), "/proc/1/cgroup names one"),
    ]
    .into_iter()
    .find_map(|(is_so, why)| is_so.then_some(why))
}

fn is_group_of_container(group: &str) -> bool {
    ["/docker", "/kubepods", "/lxc", "/libpod", "/machine.slice"].iter().any(|part| group.contains(part))
}

/// The soft limit of open files.
pub(super) fn open_files() -> Option<u64> {
    open_files_of(&fs::read_to_string("/proc/self/limits").ok()?)
}

fn open_files_of(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// A number of a file of `/proc/sys`.
pub(super) fn setting(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Who has the socket of a local port: `protocol` is `udp` or `tcp`.
pub(super) fn owner_of_port(protocol: &str, port: u16) -> Option<Process> {
    let tables = [protocol.to_owned(), format!("{protocol}6")];
    let sockets = tables.iter().find_map(|table| {
        let text = fs::read_to_string(format!("/proc/net/{table}")).ok()?;
        socket(&text, protocol == "tcp", port)
    })?;
    let numbers = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.take(MAX_LOOKED_AT).find(|&id| has_socket(id, sockets)).and_then(Process::of)
}

/// A line of `/proc/net/udp` or `tcp`: the owner's user, and the socket's inode.
type Socket = (u32, u64);

fn socket(table: &str, listens: bool, port: u16) -> Option<Socket> {
    let found = table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local_port, 16).ok()? == port && (!listens || *fields.get(3)? == "0A");
        is_it.then(|| Some((fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?)))
    });
    found.flatten()
}

/// Whether a process has the socket. Where its descriptors are hidden from us, a Parlor of the same user is taken to have it.
fn has_socket(id: u32, (user, inode): Socket) -> bool {
    let link = PathBuf::from(format!("socket:[{inode}]"));
    match fs::read_dir(format!("/proc/{id}/fd")) {
        Ok(descriptors) => descriptors
            .flatten()
            .take(MAX_LOOKED_AT)
            .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|target| target == link)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            is_owned_by(id, user) && Process::of(id).is_some_and(|process| process.is_parlor())
        }
        Err(_) => false,
    }
}

#[cfg(unix)]
fn is_owned_by(id: u32, user: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(format!("/proc/{id}")).is_ok_and(|process| process.uid() == user)
}

#[cfg(not(unix))]
fn is_owned_by(_: u32, _: u32) -> bool {
    false
}

/// Who holds the lock on a file, if somebody does. Taking it to find out would keep a starting server from it.
#[cfg(target_os = "linux")]
pub(super) fn holder_of_lock(path: &Path) -> Option<Process> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(path).ok()?;
    let device = file.dev();
    let place = format!("{:02x}:{:02x}:{}", libc::major(device), libc::minor(device), file.ino());
    let id = holder(&fs::read_to_string("/proc/locks").ok()?, &place)?;
    Some(Process::of(id).unwrap_or(Process { id, name: "an unknown one".to_owned() }))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn holder_of_lock(_: &Path) -> Option<Process> {
    None
}

/// The process of the line of `/proc/locks` (proc(5)) that is about `place`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn holder(locks: &str, place: &str) -> Option<u32> {
    let line = locks.lines().find(|line| line.contains(" FLOCK ") && line.split_whitespace().any(|f| f == place))?;
    line.split_whitespace().nth(4)?.parse().ok()
}

/// Whether the kernel's clock is kept by NTP or the like.
#[cfg(target_os = "linux")]
pub(super) fn is_clock_synchronised() -> Option<bool> {
    // SAFETY: `timex` is a plain C structure, for which zeros are a valid value.
    let mut timex = unsafe { std::mem::zeroed::<libc::timex>() };
    // SAFETY: with no modes set the call changes nothing, and only writes into the structure, which outlives it.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    (state >= 0).then_some(state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_clock_synchronised() -> Option<bool> {
    None
}

/// Free bytes of the file system that holds `path`, for users that are not root.
#[cfg(target_os = "linux")]
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: `statvfs` is a plain C structure, for which zeros are a valid value.
    let mut stat = unsafe { std::mem::zeroed::<libc::statvfs64>() };
    // SAFETY: the path ends with a zero, and both outlive the call, which only writes into the structure.
    let result = unsafe { libc::statvfs64(path.as_ptr(), &raw mut stat) };
    (result == 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize as _))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// The directory, or the nearest one above it that is there: where it would be made.
pub(super) fn existing(directory: &Path) -> &Path {
    let above = directory.ancestors().find(|above| above.is_dir());
    above.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a file can be made in `directory`: makes one and removes it.
pub(super) fn try_to_write(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!(".parlor-doctor-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)
}

/// The first `N` bytes of a file, fewer if it is shorter.
pub(super) fn beginning<const N: usize>(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(N);
    File::open(path)?.take(N as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
        123: 0100007F:1EDC 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0\n\
        124: 00000000000000000000000000000000:1EDD 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 4712 2 0 0\n";

    #[test]
    fn the_tables_of_sockets_are_read() {
        assert_eq!(socket(UDP, false, 7900), Some((0, 4711)));
        assert_eq!(socket(UDP, false, 7901), Some((1000, 4712)));
        assert_eq!(socket(UDP, false, 7902), None);
        assert_eq!(socket(UDP, true, 7900), None, "a connected socket does not listen");
        assert_eq!(socket("header\n1: x\n", false, 7900), None);
    }

    #[test]
    fn limits_and_locks_are_read() {
        let limits =
            "Limit Soft Hard Units\nMax open files            1024                 524288               files\n";
        assert_eq!(open_files_of(limits), Some(1024));
        assert_eq!(open_files_of("Max open files unlimited unlimited files"), Some(u64::MAX));
        assert_eq!(open_files_of(""), None);
        let locks = "1: POSIX  ADVISORY  WRITE 7 fe:00:99 0 EOF\n2: FLOCK  ADVISORY  WRITE 7142 fe:00:99 0 EOF\n";
        assert_eq!(holder(locks, "fe:00:99"), Some(7142));
        assert_eq!(holder(locks, "fe:00:9"), None);
        assert!(is_group_of_container("0::/system.slice/docker-abc.scope/docker/1"));
        assert!(!is_group_of_container("0::/init.scope"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_by_its_socket_and_its_lock() {
        let own = std::process::id();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(owner_of_port("udp", port).map(|process| process.id), Some(own));
        let path = std::env::temp_dir().join(format!("parlor-doctor-lock-{own}"));
        let file = File::create(&path).unwrap();
        assert_eq!(holder_of_lock(&path), None);
        file.try_lock().unwrap();
        let holder = holder_of_lock(&path).map(|process| process.id);
        fs::remove_file(&path).unwrap();
        assert_eq!(holder, Some(own));
    }

    #[test]
    fn trying_to_write_leaves_nothing() {
        let directory = std::env::temp_dir().join(format!("parlor-doctor-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        assert_eq!(existing(&directory.join("a/b")), directory);
        try_to_write(&directory).unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir(&directory).unwrap();
        assert!(try_to_write(&directory).is_err());
        assert_eq!(existing(Path::new("no-such-directory/files")), Path::new("."));
    }
}
