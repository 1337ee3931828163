//! What is inside an opened plugin: its root, its declaration, its beginning, its table of operators.

use std::sync::Arc;

use kvern_plugin_abi::decl::{PluginDecl, ROOT_SYMBOL, RootFn};
use kvern_plugin_abi::{Bytes, OpVTable, PluginRoot, Table, op, status};
use kvern_plugin_bridge::TableOperator;
use kvern_plugin_bridge::operator::check_name;

use crate::error::PluginError;
use crate::file::PluginFile;
use crate::inspect::Inspection;
use crate::library::Opened;

/// Where the plugin's functions are.
///
/// # Errors
/// [`PluginError::NoRoot`], [`PluginError::RootModule`].
pub(crate) fn find(
    opened: &Opened,
    file: &PluginFile,
    inspection: &Inspection,
) -> Result<&'static PluginRoot, PluginError> {
    let plugin = || inspection.name.clone();
    let symbol = opened
        .symbol(ROOT_SYMBOL)
        .map_err(|_| PluginError::NoRoot {
            path: file.path.clone(),
            plugin: plugin(),
            symbol: ROOT_SYMBOL,
        })?;
    // SAFETY: a plugin exports this function under this name, by the rules of the border.
    let root = unsafe { std::mem::transmute::<*const std::ffi::c_void, RootFn>(symbol)() };
    let bad = |why: String| PluginError::RootModule {
        path: file.path.clone(),
        plugin: plugin(),
        why,
    };
    #[cfg(feature = "abi_stable")]
    if inspection.flags & kvern_plugin_abi::decl::flags::ABI_STABLE != 0 {
        use kvern_plugin_root::sabi;
        let header = opened.symbol(sabi::SYMBOL).map_err(bad)?;
        // SAFETY: the address of that symbol, in a library that stays for ever.
        let (door, layout) = unsafe { sabi::check(header) }.map_err(bad)?;
        if door() != root || layout != inspection.layout {
            return Err(bad("it leads elsewhere than the symbol does".to_owned()));
        }
    }
    // SAFETY: constant data of a library that stays for ever.
    unsafe { root.as_ref() }.ok_or_else(|| bad("it is null".to_owned()))
}

/// Holds what the loaded plugin says against what its file said.
///
/// # Errors
/// [`PluginError::Contradiction`].
pub(crate) fn check_decl(
    root: &PluginRoot,
    file: &PluginFile,
    inspection: &Inspection,
) -> Result<(), PluginError> {
    let differs = |field, expected: String, found: String| {
        if expected == found {
            return Ok(());
        }
        Err(PluginError::Contradiction {
            path: file.path.clone(),
            field,
            expected,
            found,
        })
    };
    // SAFETY: the plugin's function; what it gives lives for ever.
    let decl = unsafe { (root.decl)().as_ref() };
    let Some(decl) = decl else {
        return differs("a declaration", "one".into(), "none".into());
    };
    let least = size_of::<PluginDecl>() as u32;
    if decl.size < least {
        let found = format!("{} bytes", decl.size);
        return differs("a declaration of", format!("at least {least} bytes"), found);
    }
    let version = |(major, minor): (u16, u16)| format!("{major}.{minor}");
    differs(
        "border",
        version(inspection.abi),
        version((decl.abi_major, decl.abi_minor)),
    )?;
    differs(
        "fingerprint",
        format!("{:#018x}", inspection.layout),
        format!("{:#018x}", decl.layout),
    )?;
    differs(
        "flags",
        format!("{:#x}", inspection.flags),
        format!("{:#x}", decl.flags),
    )?;
    // SAFETY: texts that live for ever.
    let (name, of) = unsafe { (decl.name.as_text(), decl.version.as_text()) };
    let text = |t: Option<&str>| t.unwrap_or("(not UTF-8)").to_owned();
    differs("the name", inspection.name.clone(), text(name))?;
    differs("version", inspection.version.clone(), text(of))
}

/// Lets the plugin begin.
///
/// # Errors
/// [`PluginError::Init`].
pub(crate) fn init(
    root: &PluginRoot,
    file: &PluginFile,
    inspection: &Inspection,
) -> Result<(), PluginError> {
    // SAFETY: the host's table lives as long as the process.
    let answer = unsafe { (root.init)(crate::log::host_api()) };
    if answer == status::OK {
        return Ok(());
    }
    // SAFETY: a text that is valid until the next call on this thread.
    let said = unsafe { (root.last_error)().as_slice() };
    let said = String::from_utf8_lossy(said);
    Err(PluginError::Init {
        path: file.path.clone(),
        plugin: inspection.name.clone(),
        why: format!(
            "status {answer} ({}){}{said}",
            status::name(answer),
            if said.is_empty() { "" } else { ": " }
        ),
    })
}

/// The plugin's operators; none if it offers none.
///
/// # Errors
/// [`PluginError::Table`].
pub(crate) fn operators(
    root: &PluginRoot,
    file: &PluginFile,
    inspection: &Inspection,
) -> Result<Vec<Arc<TableOperator>>, PluginError> {
    let bad = |why: String| PluginError::Table {
        path: file.path.clone(),
        plugin: inspection.name.clone(),
        why,
    };
    // SAFETY: the plugin's function; what it gives lives for ever.
    let table = unsafe { (root.query)(Bytes::text(op::INTERFACE), op::VERSION).as_ref() };
    let Some(table) = table else {
        return Ok(Vec::new());
    };
    if table.size < size_of::<Table>() as u32 {
        return Err(bad(format!("the list has {} bytes", table.size)));
    }
    // SAFETY: what the table says of itself is the plugin's promise, and looked at as far as it can be.
    let items = unsafe { table.walk(OpVTable::LEAST) }.map_err(|fault| bad(fault.to_string()))?;
    let mut found: Vec<Arc<TableOperator>> = Vec::with_capacity(items.len());
    for (item, size) in items {
        // SAFETY: an item of the walk above, of the size that it says.
        let table = unsafe { OpVTable::read(item, size) };
        // SAFETY: of a library that stays for ever; that its functions do what the border says is why it must be trusted.
        let operator = unsafe { TableOperator::new(table) }.map_err(|e| bad(e.message().into()))?;
        use kvern_core::Operator as _;
        check_name(operator.name(), &inspection.name).map_err(|e| bad(e.message().into()))?;
        let again = |o: &Arc<TableOperator>| {
            (o.name(), o.version()) == (operator.name(), operator.version())
        };
        if found.iter().any(again) {
            return Err(bad(format!(
                "it has {}@{} twice",
                operator.name(),
                operator.version()
            )));
        }
        found.push(Arc::new(operator));
    }
    Ok(found)
}
