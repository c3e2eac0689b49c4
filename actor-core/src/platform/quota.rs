//! How much processor time the control groups of this process allow: the quota of its own group and
//! of all above, since a group gets no more than those that it is in. Both versions of cgroups, see
//! the kernel's documentation: `cpu.max` in `cgroup-v2.rst`, `cpu.cfs_quota_us` in `sched-bwc.rst`.
//!
//! All paths are below a root, so that a test can describe a system. A system without such files, or
//! with ones that say nothing sensible, has no quota.

use std::fs;
use std::path::{Path, PathBuf};

/// The quota in cores, rounded up; at least 1. `None` if there is none.
pub(crate) fn cores(root: &Path) -> Option<usize> {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let (groups, mounts) = (read("proc/self/cgroup")?, read("proc/self/mountinfo")?);
    let found = [Version::V2, Version::V1].map(|version| {
        let mount = mounts.lines().find_map(|line| Mount::parse(line, version))?;
        let group = groups.lines().find_map(|line| group_in(line, version))?;
        least(root, &mount, group, version)
    });
    found.into_iter().flatten().min()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// Where a hierarchy of groups is to be found.
#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    /// The group that is seen at `point`: in a container often not the root.
    root: &'a str,
    point: &'a str,
}

impl<'a> Mount<'a> {
    /// A line of `/proc/self/mountinfo`: number, parent, device, root, mount point, options, any
    /// number of fields, `-`, type, source, options of the file system.
    fn parse(line: &'a str, version: Version) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        let fits = match (version, system.next()?) {
            (Version::V2, "cgroup2") => true,
            (Version::V1, "cgroup") => system.nth(1)?.split(',').any(|option| option == "cpu"),
            _ => false,
        };
        fits.then_some(Mount { root, point })
    }
}

/// The group in a line of `/proc/self/cgroup`: number, controllers, group.
fn group_in(line: &str, version: Version) -> Option<&str> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let fits = match version {
        Version::V2 => number == "0" && controllers.is_empty(),
        Version::V1 => controllers.split(',').any(|controller| controller == "cpu"),
    };
    fits.then_some(group)
}

/// The least quota from a group up to the mount's root.
fn least(root: &Path, mount: &Mount<'_>, group: &str, version: Version) -> Option<usize> {
    let top = below(root, mount.point);
    // What lies outside of what is mounted cannot be seen; then the top is the best that there is.
    let inside = Path::new(group).strip_prefix(mount.root).unwrap_or(Path::new(""));
    let folder = below(&top, inside.to_str().unwrap_or(""));
    folder
        .ancestors()
        .take_while(|folder| folder.starts_with(&top))
        .filter_map(|folder| quota_of(folder, version))
        .min()
}

/// A path that begins with a slash, below another; it does not get out by `..`.
fn below(root: &Path, path: &str) -> PathBuf {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    parts.fold(root.to_owned(), |path, part| path.join(part))
}

/// The quota of one group.
fn quota_of(folder: &Path, version: Version) -> Option<usize> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    match version {
        Version::V2 => {
            let max = read("cpu.max")?;
            let mut fields = max.split_whitespace();
            in_cores(fields.next()?, fields.next().unwrap_or("100000"))
        }
        Version::V1 => in_cores(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim()),
    }
}

/// `max` and -1, which mean that there is no limit, are no numbers here.
fn in_cores(quota: &str, period: &str) -> Option<usize> {
    let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    if period == 0 {
        return None;
    }
    Some(usize::try_from(quota.div_ceil(period)).unwrap_or(usize::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::tests::Tree;

    const V2: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1: &str = "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 30 0:28 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

    fn quota(name: &str, mounts: &str, groups: &str, files: &[(&str, &str)]) -> Option<usize> {
        let own = [("proc/self/mountinfo", mounts), ("proc/self/cgroup", groups)];
        cores(&Tree::new(name, &[&own, files].concat()).0)
    }

    #[test]
    fn the_least_quota_on_the_way_up_counts() {
        let groups = "0::/user.slice/session.scope\n";
        let files = |own, above, top| {
            [
                ("sys/fs/cgroup/user.slice/session.scope/cpu.max", own),
                ("sys/fs/cgroup/user.slice/cpu.max", above),
                ("sys/fs/cgroup/cpu.max", top),
            ]
        };
        let of = |name, own, above, top| quota(name, V2, groups, &files(own, above, top));
        assert_eq!(of("own", "200000 100000\n", "max 100000\n", "max 100000\n"), Some(2));
        assert_eq!(of("above", "800000 100000\n", "150000 100000\n", "max 100000\n"), Some(2));
        assert_eq!(of("top", "max 100000\n", "400000 100000\n", "100000 100000\n"), Some(1));
        assert_eq!(of("none", "max 100000\n", "max 100000\n", "max 100000\n"), None);
        assert_eq!(of("little", "1000 100000\n", "max 100000\n", "max 100000\n"), Some(1));
        assert_eq!(of("nonsense", "so much\n", "-5 0\n", "7 0\n"), None);
    }

    #[test]
    fn a_quota_of_version_1_is_found_too() {
        let groups = "4:memory:/x\n3:cpu,cpuacct:/jobs/1\n0::/\n";
        let files = [
            ("sys/fs/cgroup/cpu/jobs/1/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/jobs/1/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us", "250000\n"),
            ("sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(quota("v1", V1, groups, &files), Some(3));
        let both = format!("{V1}33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        let smaller = [&files[..], &[("sys/fs/cgroup/unified/cpu.max", "100000 100000\n")]].concat();
        assert_eq!(quota("both", &both, groups, &smaller), Some(1));
    }

    #[test]
    fn a_container_sees_its_own_part() {
        let mounts = "29 23 0:26 /pods/7 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let files = [("sys/fs/cgroup/cpu.max", "300000 100000\n")];
        assert_eq!(quota("inside", mounts, "0::/pods/7\n", &files), Some(3));
        assert_eq!(quota("elsewhere", mounts, "0::/../../etc\n", &files), Some(3));
    }

    #[test]
    fn a_system_without_control_groups_has_no_quota() {
        assert_eq!(cores(Path::new("/nowhere/at/all")), None);
        assert_eq!(quota("empty", "", "", &[]), None);
        assert_eq!(quota("garbage", "a - b\n- -\n", "::\n0\n", &[]), None);
    }
}
