//! What a file says of itself, read without loading it: its constructors would run before anything else could be asked.

use std::path::Path;

use kvern_plugin_abi::Descriptor;
use kvern_plugin_abi::decl::{MAGIC, ROOT_SYMBOL, SECTION, flags};
use kvern_plugin_abi::layout;
use object::Endianness;
use object::elf::{ET_DYN, FileHeader64, PT_DYNAMIC, PT_LOAD, SHN_UNDEF, SHT_DYNSYM, SHT_NOBITS};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};

use crate::error::PluginError;
use crate::file::PluginFile;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The plugin's name, the namespace of its operators.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The border that it was built for.
    pub abi: (u16, u16),
    /// The fingerprint of its tables.
    pub layout: u64,
    /// Bits of `kvern_plugin_abi::decl::flags`.
    pub flags: u64,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    /// Of the file.
    pub bytes: usize,
}

/// Reads a file's headers and descriptor. Nothing of the file runs.
///
/// # Errors
/// What keeps it from being a plugin that could be loaded here; whether it may be is another question ([`crate::Trust`]).
pub fn inspect(path: &Path) -> Result<Inspection, PluginError> {
    inspect_bytes(&PluginFile::read(path)?)
}

pub(crate) fn inspect_bytes(file: &PluginFile) -> Result<Inspection, PluginError> {
    let path = || file.path.clone();
    let descriptor = find(file)?;
    let bad = |why: &str| PluginError::BadDescriptor {
        path: path(),
        section: SECTION,
        why: why.to_owned(),
    };
    let (Some(name), Some(version)) = (descriptor.name.as_text(), descriptor.version.as_text())
    else {
        return Err(bad("name or version is not UTF-8"));
    };
    let good = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if name.is_empty() || !name.chars().all(good) {
        return Err(bad(&format!(
            "the name {name:?}; a name has letters, digits, `_` and `-`"
        )));
    }
    if RESERVED.contains(&name) {
        return Err(bad(&format!(
            "the name {name:?} is kvern's own (so are {})",
            RESERVED.join(", ")
        )));
    }
    if descriptor.abi_major != kvern_plugin_abi::MAJOR {
        return Err(PluginError::Major {
            path: path(),
            plugin: name.to_owned(),
            expected: kvern_plugin_abi::MAJOR,
            found: format!("{}.{}", descriptor.abi_major, descriptor.abi_minor),
        });
    }
    // A later minor only adds, which this host does not look at; its fingerprint is not known here.
    if let Some(expected) = layout::of_minor(descriptor.abi_minor)
        && expected != descriptor.layout
    {
        return Err(PluginError::Layout {
            path: path(),
            plugin: name.to_owned(),
            version: format!("{}.{}", descriptor.abi_major, descriptor.abi_minor),
            expected,
            found: descriptor.layout,
        });
    }
    if descriptor.flags & flags::PANIC_UNWIND == 0 {
        return Err(PluginError::PanicAbort {
            path: path(),
            plugin: name.to_owned(),
        });
    }
    if !exports_root(file)? {
        return Err(PluginError::NoRoot {
            path: path(),
            plugin: name.to_owned(),
            symbol: ROOT_SYMBOL,
        });
    }
    Ok(Inspection {
        name: name.to_owned(),
        version: version.to_owned(),
        abi: (descriptor.abi_major, descriptor.abi_minor),
        layout: descriptor.layout,
        flags: descriptor.flags,
        sha256: file.sha256.clone(),
        bytes: file.bytes.len(),
    })
}

/// Namespaces of kvern's own operators.
const RESERVED: [&str; 6] = ["core", "kvern", "array", "frame", "bag", "test"];

type Elf = FileHeader64<Endianness>;

/// The machine of this program, as an ELF file names it.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    object::elf::EM_X86_64.0
} else if cfg!(target_arch = "aarch64") {
    object::elf::EM_AARCH64.0
} else if cfg!(target_arch = "riscv64") {
    object::elf::EM_RISCV.0
} else {
    object::elf::EM_NONE.0
};

fn malformed(file: &PluginFile, why: impl std::fmt::Display) -> PluginError {
    PluginError::Malformed {
        path: file.path.clone(),
        len: file.bytes.len(),
        why: why.to_string(),
    }
}

/// The header, after looking at what a loader would trust: that what is to be mapped is there.
fn header(file: &PluginFile) -> Result<(&Elf, Endianness), PluginError> {
    let data = file.bytes.as_slice();
    if data.is_empty() {
        return Err(malformed(file, "it is empty"));
    }
    let header = Elf::parse(data).map_err(|e| malformed(file, e))?;
    let endian = header.endian().map_err(|e| malformed(file, e))?;
    let own = if cfg!(target_endian = "little") {
        Endianness::Little
    } else {
        Endianness::Big
    };
    let machine = header.e_machine.get(endian);
    if machine.0 != MACHINE || endian != own {
        return Err(PluginError::Machine {
            path: file.path.clone(),
            expected: std::env::consts::ARCH.to_owned(),
            found: format!("ELF machine {} ({endian:?} endian)", machine.0),
        });
    }
    if header.e_type.get(endian) != ET_DYN {
        return Err(malformed(
            file,
            format!(
                "ELF type {}, not a shared library",
                header.e_type.get(endian).0
            ),
        ));
    }
    let segments = header
        .program_headers(endian, data)
        .map_err(|e| malformed(file, e))?;
    let (mut loads, mut dynamic) = (0, false);
    for segment in segments {
        let kind = segment.p_type(endian);
        let (start, len) = segment.file_range(endian);
        let end = start.checked_add(len);
        if end.is_none_or(|end| end > data.len() as u64) {
            return Err(malformed(
                file,
                format!("a segment at {start} of {len} bytes is cut off"),
            ));
        }
        if kind == PT_LOAD {
            loads += 1;
            if len > segment.p_memsz(endian) {
                return Err(malformed(file, "a segment is larger than its memory"));
            }
        }
        dynamic |= kind == PT_DYNAMIC;
    }
    if loads == 0 || !dynamic {
        return Err(malformed(file, "nothing in it is to be loaded"));
    }
    Ok((header, endian))
}

fn no_sections(file: &PluginFile, why: &object::Error) -> PluginError {
    let words = format!("its table of sections is cut off or damaged: {why}");
    malformed(file, words)
}

/// The descriptor in its section.
fn find(file: &PluginFile) -> Result<Descriptor, PluginError> {
    if MACHINE == object::elf::EM_NONE.0 {
        return Err(PluginError::Platform {
            path: file.path.clone(),
        });
    }
    let data = file.bytes.as_slice();
    let (header, endian) = header(file)?;
    let sections = header
        .sections(endian, data)
        .map_err(|e| no_sections(file, &e))?;
    for section in sections.iter() {
        if section.sh_type(endian) != SHT_NOBITS {
            section
                .data(endian, data)
                .map_err(|e| malformed(file, format!("a section is cut off: {e}")))?;
        }
    }
    let Some((_, section)) = sections.section_by_name(endian, SECTION.as_bytes()) else {
        return Err(PluginError::NoDescriptor {
            path: file.path.clone(),
            section: SECTION,
        });
    };
    let bytes = section.data(endian, data).map_err(|e| malformed(file, e))?;
    Descriptor::from_bytes(bytes).ok_or_else(|| PluginError::BadDescriptor {
        path: file.path.clone(),
        section: SECTION,
        why: format!(
            "{} bytes that do not begin with {:?} and its size of at least {}",
            bytes.len(),
            String::from_utf8_lossy(&MAGIC),
            size_of::<Descriptor>()
        ),
    })
}

/// Whether the root is among the symbols that the file defines for others.
fn exports_root(file: &PluginFile) -> Result<bool, PluginError> {
    let data = file.bytes.as_slice();
    let (header, endian) = header(file)?;
    let sections = header
        .sections(endian, data)
        .map_err(|e| no_sections(file, &e))?;
    let symbols = sections
        .symbols(endian, data, SHT_DYNSYM)
        .map_err(|e| malformed(file, e))?;
    Ok(symbols.iter().any(|s| {
        s.st_shndx(endian) != SHN_UNDEF
            && s.name(endian, symbols.strings()) == Ok(ROOT_SYMBOL.as_bytes())
    }))
}
