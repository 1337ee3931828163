//! A plugin's table as an operator of the core.

use std::sync::Arc;

use kvern_core::{Error, ErrorKind, Kernel, Meta, OpTraits, Operator, Result};
use kvern_plugin_abi::op::flags;
use kvern_plugin_abi::{Bytes, OpVTable, status};

use crate::call::Call;
use crate::kernel::TableKernel;
use crate::meta;

/// An operator whose code is behind a table: of a plugin that was loaded, or of one that is linked.
///
/// Its parameters are JSON ([`crate::op_ref`] writes them).
pub struct TableOperator {
    table: OpVTable,
    name: Box<str>,
    signature: Box<str>,
}

impl TableOperator {
    /// Wraps a table.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for texts that are not UTF-8 or a version that no operator has.
    ///
    /// # Safety
    /// The table is that of a library that stays loaded for ever, or of this program; its functions do what the border says.
    pub unsafe fn new(table: OpVTable) -> Result<Self> {
        let bad = |what: &str| Error::bad_input(format!("an operator's {what} is not UTF-8"));
        // SAFETY: a plugin's texts live as long as it is loaded.
        let (name, signature) = unsafe { (table.name.as_text(), table.signature.as_text()) };
        let name = name.ok_or_else(|| bad("name"))?;
        let signature = signature.ok_or_else(|| bad("signature"))?;
        if table.op_version == 0 {
            return Err(Error::bad_input(format!(
                "operator {name} has version 0; versions begin at 1"
            )));
        }
        Ok(Self {
            table,
            name: name.into(),
            signature: signature.into(),
        })
    }

    /// What it takes and gives, as the plugin says it in JSON; may be empty.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// Whether the output has the shape of the first input.
    pub fn is_elementwise(&self) -> bool {
        self.table.flags & flags::ELEMENTWISE != 0
    }

    fn kernel(&self, params: &[u8]) -> Result<TableKernel> {
        let params = if params.is_empty() { b"null" } else { params };
        let call = Call::new(None);
        let ctx = call.ctx();
        let mut state = std::ptr::null_mut();
        // SAFETY: `ctx` and the bytes live for the call, `state` has room for a pointer.
        let answer =
            unsafe { (self.table.instantiate)(Bytes::new(params), &raw const ctx, &raw mut state) };
        call.end(&self.name, answer)?;
        // SAFETY: `instantiate` of this table made the state and answered OK.
        Ok(unsafe { TableKernel::new(self.table, self.name.clone(), state) })
    }
}

impl Operator for TableOperator {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> u32 {
        self.table.op_version
    }

    fn traits(&self, _params: &[u8]) -> Result<OpTraits> {
        Ok(OpTraits {
            pure: self.table.flags & flags::DETERMINISTIC != 0,
            // Every plugin is told the block, and only of an elementwise operator it is known that it does not care.
            uses_block: !self.is_elementwise(),
            inline: self.table.flags & flags::INLINE != 0,
        })
    }

    fn instantiate(&self, params: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(self.kernel(params)?))
    }

    fn infer(&self, params: &[u8], inputs: &[Meta]) -> Result<Meta> {
        let Some(infer) = self.table.infer else {
            return Ok(Meta::unknown());
        };
        let kernel = self.kernel(params)?;
        let inputs: Vec<meta::Exported> = inputs.iter().map(meta::Exported::new).collect();
        let views: Vec<_> = inputs.iter().map(meta::Exported::view).collect();
        let call = Call::new(None);
        let ctx = call.ctx();
        let mut out = kvern_plugin_abi::Meta::UNKNOWN;
        // SAFETY: all of it lives for the call; `infer` is of the table that made the state.
        let answer = unsafe {
            infer(
                kernel.state(),
                views.as_ptr(),
                views.len(),
                &raw const ctx,
                &raw mut out,
            )
        };
        if answer == status::UNSUPPORTED {
            return Ok(Meta::unknown());
        }
        call.end(&self.name, answer)?;
        // SAFETY: it answered OK, so what it wrote lives as long as the kernel and the inputs, which are above.
        unsafe { meta::import(&self.name, &out) }
    }
}

/// Refuses a name that is not `namespace.op` with this namespace.
///
/// # Errors
/// [`ErrorKind::BadInput`].
pub fn check_name(name: &str, namespace: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = name.len() <= 200
        && name.chars().all(fits)
        && !name.ends_with('.')
        && !name.contains("..")
        && name
            .strip_prefix(namespace)
            .is_some_and(|rest| rest.len() > 1 && rest.starts_with('.'));
    if good {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::BadInput,
        format!(
            "{name:?} cannot name an operator of the plugin {namespace:?}: its names are \"{namespace}.op\", of letters, digits, `_`, `-` and \
             `.` between parts"
        ),
    ))
}
