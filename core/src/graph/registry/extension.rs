//! Kinds of things that a registry knows by name, whether the core has heard of them or not.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Registry, duplicate, unknown};
use crate::base::error::Result;

/// A kind of things that a registry knows by name, beside operators, value types, layer kinds and configuration keys. The core has one,
/// [backends](crate::BackendEntry); the crate that has another kind (sources, sinks, codecs of files) defines it, and needs nothing of the
/// core for that but this trait.
///
/// ```
/// use kvern_core::registry::Extension;
/// use kvern_core::{ErrorKind, Registry};
///
/// /// How files of a format are read.
/// #[derive(Debug)]
/// struct Format {
///     name: &'static str,
///     source: &'static str,
/// }
///
/// impl Extension for Format {
///     const WHAT: &'static str = "file format";
///     fn name(&self) -> &str {
///         self.name
///     }
///     fn source(&self) -> &str {
///         self.source
///     }
/// }
///
/// let mut registry = Registry::linked()?;
/// registry.add(Format { name: "parquet", source: "mine 1.0" })?;
/// assert_eq!(registry.get::<Format>("parquet")?.source, "mine 1.0");
/// let e = registry.get::<Format>("parket").unwrap_err();
/// assert!(e.message().contains("did you mean parquet?"));
/// let e = registry.add(Format { name: "parquet", source: "yours 2.0" }).unwrap_err();
/// assert_eq!(e.kind(), ErrorKind::Duplicate);
/// # Ok::<(), kvern_core::Error>(())
/// ```
///
/// What linked crates have of a kind is submitted through `inventory` as usual; the kind's crate registers how it is gathered with
/// [`register_kind!`](crate::register_kind).
pub trait Extension: Any + Send + Sync {
    /// What one is called in messages: `backend`.
    const WHAT: &'static str;

    /// By what it is known: no two of the kind in one registry have one name.
    fn name(&self) -> &str;

    /// Who brought it, for messages: a crate and its version, or a file.
    fn source(&self) -> &str;

    /// What to do where one is missing, as a sentence of its own; nothing unless overridden.
    fn hint() -> &'static str {
        ""
    }
}

/// How a registry gathers what linked crates have of one [kind](Extension); submitted with [`register_kind!`](crate::register_kind).
pub struct KindEntry {
    /// Adds them.
    pub gather: fn(&mut Registry) -> Result<()>,
}

inventory::collect!(KindEntry);

/// Registers how [`Registry::linked`] gathers a [kind of extension](crate::registry::Extension): a function that gives all that linked crates
/// submitted, in any order.
///
/// ```
/// use kvern_core::config::inventory;
/// use kvern_core::registry::Extension;
///
/// #[derive(Debug, Clone, Copy)]
/// struct Format(&'static str);
/// impl Extension for Format {
///     const WHAT: &'static str = "file format";
///     fn name(&self) -> &str {
///         self.0
///     }
///     fn source(&self) -> &str {
///         "demo 1.0"
///     }
/// }
/// inventory::collect!(Format);
/// kvern_core::register_kind!(|| inventory::iter::<Format>().copied());
///
/// inventory::submit! { Format("csv") } // by any crate
/// assert!(kvern_core::Registry::linked()?.get::<Format>("csv").is_ok());
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[macro_export]
macro_rules! register_kind {
    ($all:expr) => {
        $crate::__private::inventory::submit! {
            $crate::registry::KindEntry {
                gather: |registry| ($all)().try_for_each(|one| registry.add(one)),
            }
        }
    };
}

/// All of one kind by name.
type Named<E> = BTreeMap<String, Arc<E>>;

impl Registry {
    /// Adds one of a [kind](Extension).
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`](crate::ErrorKind::Duplicate) naming both sources.
    pub fn add<E: Extension>(&mut self, extension: E) -> Result<()> {
        if let Some(there) = self.named::<E>().and_then(|all| all.get(extension.name())) {
            return Err(duplicate(
                E::WHAT,
                extension.name(),
                there.source(),
                extension.source(),
            ));
        }
        let mut all = self.named::<E>().cloned().unwrap_or_default();
        all.insert(extension.name().to_owned(), Arc::new(extension));
        self.extensions.insert(TypeId::of::<E>(), Arc::new(all));
        Ok(())
    }

    /// The one of that name.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`](crate::ErrorKind::NotRegistered) naming the nearest and all there are.
    pub fn get<E: Extension>(&self, name: &str) -> Result<&E> {
        let found = self.named::<E>().and_then(|all| all.get(name));
        found.map(AsRef::as_ref).ok_or_else(|| {
            let have: Vec<&str> = self.all::<E>().map(Extension::name).collect();
            unknown(E::WHAT, name, &have, E::hint())
        })
    }

    /// All of a kind, by name.
    pub fn all<E: Extension>(&self) -> impl Iterator<Item = &E> {
        let all = self.named::<E>().into_iter();
        all.flat_map(|all| all.values().map(AsRef::as_ref))
    }

    fn named<E: Extension>(&self) -> Option<&Named<E>> {
        self.extensions.get(&TypeId::of::<E>())?.downcast_ref()
    }
}
