//! What a bag will do, in words and as a picture.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use kvern_core::optimize::Passes;
use kvern_core::picture::Picture;
use kvern_core::{Collection, Graph, Plan, Registry, Result};

use super::Bag;
use crate::item::Item;
use crate::value::Portable;

fn plan(roots: &[kvern_core::Root]) -> Result<Plan> {
    let registry = Arc::new(Registry::linked()?);
    Plan::new(Graph::new(roots), registry, Passes::default())
}

impl<T: Portable> Bag<T> {
    /// The chain, the layers that it becomes, what each optimisation did, tasks, bytes and the projected peak, as text. Nothing is
    /// run.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let text = Bag::range(100, 4).map(|x| x + 1).filter(|x| x % 3 == 0).explain()?;
    /// assert!(text.contains("range (4 partitions) | map | filter"), "{text}");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the graph.
    pub fn explain(&self) -> Result<String> {
        let type_name = std::any::type_name::<T>();
        let mut text = format!(
            "bag of {type_name}, {} partitions\n{}\n",
            self.npartitions(),
            self.expr()
        );
        let _ = write!(text, "{}", plan(&self.roots()?)?.explain(None)?);
        Ok(text)
    }

    /// Draws the graph to a file, `.svg` or `.dot` (for Graphviz): each task if there are few, else each layer.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let path = std::env::temp_dir().join(format!("kvern-bag-{}.svg", std::process::id()));
    /// Bag::range(10, 3).visualize(&path)?;
    /// assert!(std::fs::metadata(&path).unwrap().len() > 0);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the file ends in neither or cannot be written.
    pub fn visualize(&self, path: impl AsRef<Path>) -> Result<()> {
        Picture::of(Graph::new(&self.roots()?))?.save(path)
    }
}

impl<A: Portable> Item<A> {
    /// The layers that it becomes, what each optimisation did, tasks, bytes and the projected peak, as text. Nothing is run.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let words = Bag::range(10, 3).count().explain()?;
    /// assert!(words.contains("count"), "{words}");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the graph.
    pub fn explain(&self) -> Result<String> {
        Ok(plan(&self.roots()?)?.explain(None)?.to_string())
    }
}
