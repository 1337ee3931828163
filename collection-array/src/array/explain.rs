//! What an array will do, in words and as a picture.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use kvern_core::optimize::Passes;
use kvern_core::picture::Picture;
use kvern_core::{Collection, Graph, Plan, Registry, Result};

use super::Array;
use crate::expr::Expr;
use crate::lower::Regions;
use kvern_kernels::dtype::Element;

/// A longer expression is told by its ends.
const SHOWN: usize = 40;

impl<T: Element> Array<T> {
    /// The expression, the layers that it becomes, what each optimisation did, tasks, bytes and the projected peak, as text.
    /// Nothing is run.
    ///
    /// A node marked `=` is written down as chunks; the others are computed on the way, within the next such node below them.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::ones([1000, 1000], (100, -1))?;
    /// let text = (&x - x.mean(0)?).square().sum(())?.explain()?;
    /// assert!(text.contains("sum over axes [0, 1]"), "{text}");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the graph.
    pub fn explain(&self) -> Result<String> {
        let mut text = format!(
            "array {}, {} chunks\n",
            self.expr().describe(),
            self.npartitions()
        );
        expression(self.expr(), &mut text);
        let plan = Plan::new(
            self.graph()?,
            Arc::new(Registry::linked()?),
            Passes::default(),
        )?;
        let _ = write!(text, "{}", plan.explain(None)?);
        Ok(text)
    }

    /// Draws the graph to a file, `.svg` or `.dot` (for Graphviz): each task if there are few, else each layer.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let path = std::env::temp_dir().join(format!("kvern-picture-{}.svg", std::process::id()));
    /// let x = Array::<f64>::ones((4, 4), 2)?;
    /// (&x + 1.0).sum(0)?.visualize(&path)?;
    /// assert!(std::fs::metadata(&path).unwrap().len() > 0);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the file ends in neither or cannot be written.
    pub fn visualize(&self, path: impl AsRef<Path>) -> Result<()> {
        Picture::of(self.graph()?)?.save(path)
    }

    /// The symbolic graph of the array.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let graph = Array::<f64>::ones((4, 4), 2)?.sum(0)?.graph()?;
    /// graph.check(&kvern_core::Registry::linked()?)?;
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the expression and could not be told when it was built.
    pub fn graph(&self) -> Result<Graph> {
        Ok(Graph::new(&self.roots()?))
    }
}

/// One line a node, each after what it reads.
fn expression(root: &Arc<Expr>, text: &mut String) {
    let regions = Regions::new(root);
    let n = regions.nodes.len();
    let _ = writeln!(text, "expression ({n} nodes):");
    for (i, e) in regions.nodes.iter().enumerate() {
        if n > SHOWN && (SHOWN / 2..n - SHOWN / 2).contains(&i) {
            if i == SHOWN / 2 {
                let _ = writeln!(text, "  … {} more …", n - SHOWN);
            }
            continue;
        }
        let mark = if regions.kept[i] { '=' } else { ' ' };
        let what = e.node.label();
        let reads: Vec<String> = regions.args[i].iter().map(usize::to_string).collect();
        let of = if reads.is_empty() {
            String::new()
        } else {
            format!(" of {}", reads.join(", "))
        };
        let _ = writeln!(text, "{mark} {i:>3}  {what}{of}  -> {}", e.describe());
    }
}
