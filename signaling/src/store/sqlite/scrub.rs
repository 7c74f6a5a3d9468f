//! Wiping what lies between the rows.
//!
//! With `secure_delete` SQLite overwrites rows that are deleted and pages that are freed. When it moves rows from one page to
//! another, though, it leaves the old copies in the gap between a page's pointers and its rows, where nothing ever finds them
//! again: not a reader, and not the deletion of the row. [`scrub`] overwrites these gaps in the file itself. They are not data
//! to SQLite, so that whatever moment the power fails at, the database is the same.
//!
//! It must be called by the thread that writes, when the log is empty and nothing is cached for writing. The format is that of
//! "Database File Format" at sqlite.org, sections 1.3 and 1.6.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;

/// Bytes read at a time; a multiple of every page size.
const STRIDE: usize = 1 << 20;

/// The first page begins with the file's header.
const FILE_HEADER: usize = 100;

/// Overwrites the gaps of all pages. The file stays open: closing any handle of it would end SQLite's own locks (POSIX).
///
/// # Errors
/// Those of the file; a file that is no database.
pub(super) fn scrub(mut file: &File) -> io::Result<()> {
    let mut header = [0; FILE_HEADER];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header)?;
    let page_size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size if size.is_power_of_two() && size >= 512 => usize::from(size),
        _ => return Err(ErrorKind::InvalidData.into()),
    };
    let mut stride = vec![0; STRIDE];
    let (mut start, mut wiped) = (0, false);
    loop {
        file.seek(SeekFrom::Start(start))?;
        let length = read_fully(file, &mut stride)?;
        for (index, page) in stride[..length].chunks_exact(page_size).enumerate() {
            let offset = start + (index * page_size) as u64;
            let Some(gap) = gap(page, if offset == 0 { FILE_HEADER } else { 0 }) else { continue };
            if page[gap.clone()].iter().any(|&byte| byte != 0) {
                file.seek(SeekFrom::Start(offset + gap.start as u64))?;
                file.write_all(&vec![0; gap.len()])?;
                wiped = true;
            }
        }
        if length < STRIDE {
            break;
        }
        start += STRIDE as u64;
    }
    if wiped { file.sync_data() } else { Ok(()) }
}

fn read_fully(mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// What lies between the pointers and the rows of a b-tree's page whose header begins at `header`.
///
/// Other pages begin with the number of a page, whose first byte is 0 in files of less than 128 GiB: the schema's bound.
fn gap(page: &[u8], header: usize) -> Option<Range<usize>> {
    let pointers = match page.get(header)? {
        0x0a | 0x0d => header + 8,
        0x02 | 0x05 => header + 12,
        _ => return None,
    };
    let number = |at: usize| Some(usize::from(u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?])));
    let start = pointers + 2 * number(header + 3)?;
    let end = match number(header + 5)? {
        0 => 65_536,
        end => end,
    };
    (start < end && end <= page.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(kind: u8, rows: u16, content: u16) -> Vec<u8> {
        let mut page = vec![0xee; 512];
        page[0] = kind;
        page[3..5].copy_from_slice(&rows.to_be_bytes());
        page[5..7].copy_from_slice(&content.to_be_bytes());
        page
    }

    #[test]
    fn the_gap_ends_where_the_rows_begin() {
        assert_eq!(gap(&page(0x0d, 3, 400), 0), Some(14..400));
        assert_eq!(gap(&page(0x05, 3, 400), 0), Some(18..400));
        assert_eq!(gap(&page(0x0a, 0, 512), 0), Some(8..512));
        for (kind, rows, content) in [(0, 3, 400), (1, 3, 400), (0x0d, 3, 14), (0x0d, 0, 513), (0x0d, u16::MAX, 400)] {
            assert_eq!(gap(&page(kind, rows, content), 0), None, "{kind} {rows} {content}");
        }
        assert_eq!(gap(&[0x0d], 0), None);
    }

    #[test]
    fn what_is_no_database_is_left_alone() {
        let mut file = tempfile::tempfile().unwrap();
        assert!(scrub(&file).is_err());
        file.write_all(&[0xaa; 4096]).unwrap();
        assert!(scrub(&file).is_err());
    }
}
