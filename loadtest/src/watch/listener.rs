//! Which process of this machine listens on a TCP port: how a local server is found without its number.
//!
//! The kernel lists listening sockets by inode (`/proc/net/tcp`, `tcp6`), and each process's descriptors by the same. Descriptors of
//! other users' processes can only be read by root; then nobody is found.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// A socket that listens, in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The process that listens on `port`, if it can be seen from here.
pub fn pid_of_port(port: u16) -> Option<u32> {
    let inodes: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        has_one_of(&entry.path().join("fd"), &links).then_some(pid)
    })
}

/// Whether `address` is one of this machine's: only there can a server's process be looked at.
pub fn is_local(address: IpAddr) -> bool {
    // Only an address of one's own can be bound; it needs no list of interfaces.
    address.is_loopback() || std::net::UdpSocket::bind((address, 0)).is_ok()
}

fn has_one_of(descriptors: &Path, links: &[String]) -> bool {
    let Ok(entries) = fs::read_dir(descriptors) else { return false };
    entries.flatten().any(|entry| {
        let target = fs::read_link(entry.path()).ok();
        target.and_then(|target| target.to_str().map(|target| links.iter().any(|link| link == target))).unwrap_or(false)
    })
}

/// The inodes of sockets that listen on `port`, from a table of `/proc/net/tcp`: the second column is the local address and port
/// in hexadecimal, the fourth the state, the tenth the inode.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    let inode = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (_, local_port) = columns.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local_port, 16).ok()? == port && *columns.get(3)? == LISTEN;
        if is_it { columns.get(9)?.parse().ok() } else { None }
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(pid_of_port(listener.local_addr().unwrap().port()), Some(std::process::id()));
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
            1: 0100007F:1F90 0100007F:D3A8 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1\n\
            2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0\n\
            3: nonsense\n";
        assert_eq!(listening_inodes(table, 8080), [4711]);
        assert!(listening_inodes(table, 8082).is_empty());
    }

    #[test]
    fn addresses_of_others_are_not_local() {
        assert!(is_local("127.0.0.1".parse().unwrap()));
        assert!(is_local("::1".parse().unwrap()));
        assert!(!is_local("192.0.2.200".parse().unwrap()));
    }
}
