//! Fake `/proc` and `/sys` trees, after those of real machines and containers.

use super::*;

const MIB: u64 = 1 << 20;

/// A tree of files under a temporary folder.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

/// The bound that binds, and who sets it.
fn binding(files: &[(&str, &str)]) -> Option<(u64, String)> {
    let root = tree(files);
    let limits = limits_under(root.path());
    least(&limits).map(|limit| (limit.bytes, limit.source.to_string()))
}

const MEMINFO: (&str, &str) = (
    "proc/meminfo",
    "MemTotal:        1048576 kB\nMemFree:          524288 kB\nMemAvailable:     786432 kB\n",
);
const UNLIMITED: (&str, &str) = (
    "proc/self/limits",
    "Limit                     Soft Limit           Hard Limit           Units     \n\
     Max data size             unlimited            unlimited            bytes     \n\
     Max address space         unlimited            unlimited            bytes     \n",
);
const V2_MOUNT: (&str, &str) = (
    "proc/self/mountinfo",
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
);
const V1_MOUNTS: (&str, &str) = (
    "proc/self/mountinfo",
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
     35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
     41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
);

fn group(version: &str) -> String {
    format!("/sys/fs/cgroup/{version}")
}

#[test]
fn nothing_is_known_of_an_empty_tree() {
    assert_eq!(binding(&[]), None);
}

#[test]
fn without_limits_the_machine_binds() {
    let machine = Some((1024 * MIB, "the machine's memory".to_owned()));
    assert_eq!(binding(&[MEMINFO, UNLIMITED]), machine);
    let files = [
        MEMINFO,
        UNLIMITED,
        V1_MOUNTS,
        ("proc/self/cgroup", "4:memory:/a\n0::/\n"),
        (
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "9223372036854771712\n",
        ),
        (
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        ),
    ];
    assert_eq!(binding(&files), machine);
    assert_eq!(
        limits_under(tree(&files).path()).len(),
        1,
        "the largest number says that there is no limit"
    );
    let files = [
        MEMINFO,
        V2_MOUNT,
        ("proc/self/cgroup", "0::/a\n"),
        ("sys/fs/cgroup/a/memory.max", "max\n"),
        ("sys/fs/cgroup/a/memory.high", "max\n"),
    ];
    assert_eq!(binding(&files), machine);
}

#[test]
fn a_group_of_version_2_binds() {
    let files = [
        MEMINFO,
        V2_MOUNT,
        ("proc/self/cgroup", "0::/user.slice/job.scope\n"),
        (
            "sys/fs/cgroup/user.slice/job.scope/memory.max",
            "268435456\n",
        ),
        ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
    ];
    let file = group("user.slice/job.scope/memory.max");
    assert_eq!(
        binding(&files),
        Some((256 * MIB, format!("the control group limit in {file}")))
    );
}

#[test]
fn a_parent_binds_as_well() {
    let files = [
        MEMINFO,
        V2_MOUNT,
        ("proc/self/cgroup", "0::/pod/container\n"),
        ("sys/fs/cgroup/pod/container/memory.max", "536870912\n"),
        ("sys/fs/cgroup/pod/memory.max", "134217728\n"),
        ("sys/fs/cgroup/pod/memory.high", "100000000\n"),
    ];
    let file = group("pod/memory.high");
    assert_eq!(
        binding(&files),
        Some((100_000_000, format!("the control group limit in {file}")))
    );
}

#[test]
fn a_group_of_version_1_binds() {
    let files = [
        MEMINFO,
        V1_MOUNTS,
        ("proc/self/cgroup", "5:cpu,memory:/a/b\n0::/\n"),
        (
            "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "9223372036854771712\n",
        ),
        (
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "209715200\n",
        ),
        // Another group's limit and another controller's file bind nobody here.
        ("sys/fs/cgroup/memory/c/memory.limit_in_bytes", "1\n"),
        ("sys/fs/cgroup/cpu/a/b/memory.limit_in_bytes", "1\n"),
    ];
    let file = group("memory/a/memory.limit_in_bytes");
    assert_eq!(
        binding(&files),
        Some((200 * MIB, format!("the control group limit in {file}")))
    );
}

#[test]
fn a_container_that_sees_only_its_own_group_is_bound_by_it() {
    // The kernel names the group as seen from outside; the mount shows this very group as its root.
    let mount = "35 31 0:32 /docker/0a1b /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    for path in [
        "4:memory:/docker/0a1b\n",
        "4:memory:/kubepods/x\n",
        "4:memory:/../../y\n",
    ] {
        let files = [
            MEMINFO,
            ("proc/self/mountinfo", mount),
            ("proc/self/cgroup", path),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n"),
        ];
        assert_eq!(
            binding(&files).map(|(bytes, _)| bytes),
            Some(100 * MIB),
            "{path}"
        );
    }
}

#[test]
fn a_mount_with_a_blank_in_its_path_is_found() {
    let files = [
        MEMINFO,
        (
            "proc/self/mountinfo",
            "30 23 0:26 / /my\\040groups rw - cgroup2 none rw\n",
        ),
        ("proc/self/cgroup", "0::/\n"),
        ("my groups/memory.max", "4096\n"),
    ];
    assert_eq!(binding(&files).map(|(bytes, _)| bytes), Some(4096));
}

#[test]
fn a_resource_limit_binds() {
    let limits = UNLIMITED.1.replace(
        "address space         unlimited ",
        "address space         104857600 ",
    );
    let files = [MEMINFO, ("proc/self/limits", limits.as_str())];
    assert_eq!(
        binding(&files),
        Some((100 * MIB, "the resource limit RLIMIT_AS".to_owned()))
    );
}

#[test]
fn nonsense_in_the_files_is_passed_over() {
    let files = [
        ("proc/meminfo", "MemTotal: many kB\nMemTotalX: 1 kB\n"),
        ("proc/self/cgroup", "\n::\n0::\n0:\nx:memory\n0::/a\u{0}b\n"),
        (
            "proc/self/mountinfo",
            "\n - \n - cgroup\n1 2 - cgroup2\n1 2 3 / \\9 rw - cgroup2 a b\n1 2 3 / \\04é - cgroup2 a b\n",
        ),
        ("proc/self/limits", "Max address space\nMax data size -1\n"),
    ];
    assert_eq!(binding(&files), None);
}

#[test]
fn this_machine_says_something_plausible() {
    if cfg!(target_os = "linux") {
        let bytes = available_memory().unwrap();
        assert!((16 * MIB..1 << 50).contains(&bytes), "{bytes}");
        assert!(free_memory().unwrap() > 0);
    }
}
