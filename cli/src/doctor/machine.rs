//! The processor, the kernel and the limits of a process.

use std::fs;

/// The machine under this process.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) kernel: Option<String>,
    pub(crate) processor: Option<String>,
    /// Those that the machine has.
    pub(crate) cores: Option<usize>,
    /// Those that this process may use: affinity and control groups count.
    pub(crate) usable_cores: Option<usize>,
    /// Vector instructions that this process can use, from old to new.
    pub(crate) vector_units: Vec<&'static str>,
    /// `None` where there is no limit or the system does not say.
    pub(crate) open_files: Option<u64>,
}

pub(crate) fn find() -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    Machine {
        kernel: kernel(),
        processor: processor(&cpuinfo),
        cores: cores(&cpuinfo),
        usable_cores: std::thread::available_parallelism().ok().map(usize::from),
        vector_units: vector_units(),
        open_files: open_files(),
    }
}

/// A line such as `model name : Intel(R) Xeon(R) Processor`; ARM kernels give no name, only numbers.
fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned()).filter(|name| !name.is_empty())
}

fn cores(cpuinfo: &str) -> Option<usize> {
    let count = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    Some(count).filter(|count| *count > 0)
}

#[cfg(unix)]
fn kernel() -> Option<String> {
    let name = rustix::system::uname();
    Some(format!(
        "{} {}",
        name.sysname().to_string_lossy(),
        name.release().to_string_lossy()
    ))
}

#[cfg(not(unix))]
fn kernel() -> Option<String> {
    None
}

#[cfg(unix)]
fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn open_files() -> Option<u64> {
    None
}

#[cfg(target_arch = "x86_64")]
fn vector_units() -> Vec<&'static str> {
    macro_rules! detected {
        ($($name:tt),+) => {
            [$(($name, std::arch::is_x86_feature_detected!($name))),+]
        };
    }
    let all = detected!(
        "sse4.2",
        "avx",
        "f16c",
        "fma",
        "avx2",
        "avx512f",
        "avx512bw",
        "avx512dq",
        "avx512vl",
        "avx512bf16",
        "avx512fp16"
    );
    all.iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| *name)
        .collect()
}

#[cfg(target_arch = "aarch64")]
fn vector_units() -> Vec<&'static str> {
    macro_rules! detected {
        ($($name:tt),+) => {
            [$(($name, std::arch::is_aarch64_feature_detected!($name))),+]
        };
    }
    let all = detected!("neon", "dotprod", "fp16", "bf16", "sve", "sve2");
    all.iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| *name)
        .collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn vector_units() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_read_from_the_kernels_text() {
        let text = "processor\t: 0\nmodel name\t: A: B\nprocessor\t: 1\nmodel name\t: A: B\n";
        assert_eq!(processor(text), Some("A: B".to_owned()));
        assert_eq!(cores(text), Some(2));
        assert_eq!((processor(""), cores("")), (None, None));
    }
}
