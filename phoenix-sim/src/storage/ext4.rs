//! What `mkfs.ext4`, `e2fsck` and `resize2fs` print about the disks of containers (e2fsprogs 1.47.2, `mke2fs.c`).

use std::fmt::Write as _;

/// The shape of an ext4 file system that fills a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ext4 {
    /// Bytes in a block.
    pub(crate) block: u64,
    /// Blocks in all.
    pub(crate) blocks: u64,
    /// Inodes in all.
    pub(crate) inodes: u64,
}

const GIB: u64 = 1 << 30;

impl Ext4 {
    /// The shape that `mkfs.ext4` chooses for a disk of so many bytes (`/etc/mke2fs.conf`: small below 512 MiB).
    pub(crate) fn new(bytes: u64) -> Self {
        let (block, ratio) = match bytes {
            0..0x2000_0000 => (1024, 4096),
            _ if bytes < 4096 * GIB => (4096, 16_384),
            _ if bytes < 16_384 * GIB => (4096, 32_768),
            _ => (4096, 65_536),
        };
        let blocks = bytes / block;
        let groups = blocks.div_ceil(block * 8).max(1);
        let in_block = block / 256;
        let per_group = (bytes / ratio).div_ceil(groups).div_ceil(in_block.max(8)) * in_block.max(8);
        Self { block, blocks, inodes: per_group * groups }
    }

    /// What `mkfs.ext4` prints.
    pub(crate) fn created(self, uuid: &str) -> String {
        let mut text = format!(
            "Creating filesystem with {} {}k blocks and {} inodes\nFilesystem UUID: {uuid}\n",
            self.blocks,
            self.block / 1024,
            self.inodes
        );
        let backups = self.backups();
        if !backups.is_empty() {
            text.push_str("Superblock backups stored on blocks: ");
            let mut left = 0_usize;
            for (at, backup) in backups.iter().enumerate() {
                let number = backup.to_string();
                if at > 0 {
                    text.push_str(", ");
                    left = left.saturating_sub(2);
                }
                if number.len() > left {
                    text.push_str("\n\t");
                    left = 72;
                }
                left -= number.len();
                text.push_str(&number);
            }
            text.push('\n');
        }
        text
    }

    /// Where the copies of the superblock are: in the groups 1 and the powers of 3, 5 and 7.
    fn backups(self) -> Vec<u64> {
        let per_group = self.block * 8;
        let first = u64::from(self.block == 1024);
        let groups = (self.blocks - first.min(self.blocks)).div_ceil(per_group);
        let is_power = |group: u64, base: u64| {
            let mut power = base;
            while power < group {
                power *= base;
            }
            power == group
        };
        (1..groups)
            .filter(|group| *group == 1 || [3, 5, 7].iter().any(|base| is_power(*group, *base)))
            .map(|group| group * per_group + first)
            .collect()
    }

    /// What `e2fsck -f` prints of a file system in order, and then `resize2fs`.
    pub(crate) fn resized(self, path: &str, to: Self) -> String {
        let mut text = String::from("e2fsck 1.47.2 (1-Jan-2025)\n");
        for (pass, what) in [
            "inodes, blocks, and sizes",
            "directory structure",
            "directory connectivity",
            "reference counts",
            "group summary information",
        ]
        .into_iter()
        .enumerate()
        {
            let _ = writeln!(text, "Pass {}: Checking {what}", pass + 1);
        }
        let _ = write!(
            text,
            "{path}: {}/{} files (0.0% non-contiguous), {}/{} blocks\nresize2fs 1.47.2 (1-Jan-2025)\n\
             Resizing the filesystem on {path} to {} ({}k) blocks.\n\
             The filesystem on {path} is now {} ({}k) blocks long.\n\n",
            FILES,
            self.inodes,
            self.used(),
            self.blocks,
            to.blocks,
            to.block / 1024,
            to.blocks,
            to.block / 1024
        );
        text
    }

    /// What `resize2fs` prints for a file system that is mounted.
    pub(crate) fn resized_online(device: &str, to: Self) -> String {
        format!(
            "resize2fs 1.47.2 (1-Jan-2025)\nFilesystem at {device} is mounted on /tmp; on-line resizing required\n\
             old_desc_blocks = 1, new_desc_blocks = 1\nThe filesystem on {device} is now {} ({}k) blocks long.\n\n",
            to.blocks,
            to.block / 1024
        )
    }

    /// What `fsck` prints for a file system in order.
    pub(crate) fn clean(self, path: &str) -> String {
        format!(
            "fsck from util-linux 2.41.5\n{path}: clean, {FILES}/{} files, {}/{} blocks\n",
            self.inodes,
            self.used(),
            self.blocks
        )
    }

    /// Blocks in use after a container was unpacked: what the file system itself needs, and the files.
    fn used(self) -> u64 {
        (self.blocks / 44 + 35_000 * 4096 / self.block).min(self.blocks)
    }
}

/// How many files an unpacked container has.
const FILES: u64 = 7446;

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(1152 << 20, 294_912, 73_728)]
    #[test_case(4 * GIB, 1_048_576, 262_144)]
    #[test_case(128 << 20, 131_072, 32_768)]
    fn shapes(bytes: u64, blocks: u64, inodes: u64) {
        let shape = Ext4::new(bytes);
        assert_eq!((shape.blocks, shape.inodes), (blocks, inodes));
    }

    #[test]
    fn backups_are_listed_as_mke2fs_does() {
        let text = Ext4::new(32 * GIB).created("u");
        let list = text.split("blocks: ").nth(1).unwrap();
        assert!(
            list.starts_with(
                "\n\t32768, 98304, 163840, 229376, 294912, 819200, 884736, 1605632, 2654208, \n\t4096000, "
            )
        );
    }
}
