//! Bags of bags: joined end to end, side by side, cut anew.

use std::borrow::Borrow;
use std::sync::Arc;

use kvern_core::{Error, Result};

use super::Bag;
use super::make::partitions;
use crate::expr::{Expr, Reads};
use crate::pipe::SourcePart;
use crate::pipe::sources::{Inputs, Pieces, PiecesOf, Zip};
use crate::value::Portable;

/// All items of several bags (or references to them), one bag after another. The chains stay as they are: no partition is read twice or copied.
///
/// ```
/// use kvern_bag::{Bag, concat};
/// let both = concat(&[Bag::range(3, 2), Bag::range(2, 1)]);
/// assert_eq!((both.npartitions(), both.reference()?), (3, vec![0, 1, 2, 0, 1]));
/// # Ok::<(), kvern_core::Error>(())
/// ```
pub fn concat<T: Portable, B: Borrow<Bag<T>>>(bags: &[B]) -> Bag<T> {
    match bags {
        [] => Bag::from_partitions(Vec::new()),
        [one] => one.borrow().clone(),
        many => Bag::of(Expr::concat(many.iter().map(|b| b.borrow().expr().clone()))),
    }
}

impl<T: Portable> Bag<T> {
    /// The same items in `npartitions` partitions (at least one): neighbours put together, or each cut into pieces of equal length.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::range(10, 3).repartition(2);
    /// assert_eq!((bag.npartitions(), bag.sum().reference()?), (2, 45));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn repartition(&self, npartitions: usize) -> Self {
        match self.cut_anew(npartitions.max(1)) {
            Ok(bag) => bag,
            Err(e) => Self::broken(e),
        }
    }

    fn cut_anew(&self, npartitions: usize) -> Result<Self> {
        let (from, to) = (self.npartitions() as u64, partitions(npartitions)?);
        if from == u64::from(to) {
            return Ok(self.clone());
        }
        let layer = self.layer()?;
        let pieces = Pieces {
            from,
            to: u64::from(to),
        };
        let reads = (0..u64::from(to)).map(|block| {
            let reads = pieces.reads(block);
            reads.map(|output| (0, output as u32)).collect()
        });
        let reads = Reads::Any(vec![layer], reads.collect());
        let bytes = (self.expr().bytes().saturating_mul(from) / u64::from(to)).max(1);
        let source = SourcePart::plain::<PiecesOf<T>>("repartition", &pieces);
        Ok(Self::begin(source, reads, to, bytes))
    }

    /// Pairs of the items of two bags, which must have equally many in each partition.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let pairs = Bag::range(4, 2).zip(&Bag::from_sequence("abcd".chars(), 2))?;
    /// assert_eq!(pairs.reference()?[0], (0, 'a'));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// For different numbers of partitions. Different lengths of partitions are told when it is computed.
    pub fn zip<U: Portable>(&self, other: &Bag<U>) -> Result<Bag<(T, U)>> {
        let (n, m) = (self.npartitions(), other.npartitions());
        if n != m {
            return Err(Error::bad_input(format!(
                "zip of bags of {n} and {m} partitions: they must have equally many; repartition one of them"
            )));
        }
        let layers = vec![self.layer()?, other.layer()?];
        // One layer may be both.
        let second = u32::from(!Arc::ptr_eq(&layers[0], &layers[1]));
        let reads = (0..n as u32).map(|i| vec![(0, i), (second, i)]).collect();
        let layers = layers.into_iter().take(second as usize + 1).collect();
        let bytes = self.expr().bytes().saturating_add(other.expr().bytes());
        let source = SourcePart::plain::<Zip<T, U>>("zip", &());
        let reads = Reads::Any(layers, reads);
        Ok(Bag::begin(source, reads, partitions(n)?, bytes))
    }

    /// The partitions as they are now, as the beginning of new chains: what follows reads them instead of passing through the chain
    /// again. Within one `compute`, two results of such a bag share them, as lists of all items of a partition; without it they share each item
    /// while it passes.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let dear = Bag::range(1000, 4).map(|x| x * x).held()?;
    /// assert_eq!((dear.count().reference()?, dear.max().reference()?), (1000, Some(998_001)));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn held(&self) -> Result<Self> {
        let layer = self.layer()?;
        let source = SourcePart::plain::<Inputs<T>>("held", &());
        let n = partitions(self.npartitions())?;
        let bytes = self.expr().bytes();
        Ok(Self::begin(source, Reads::Same(layer), n, bytes))
    }
}
