//! Bags of values that are there, of functions that make items, and of delayed lists.

use std::sync::Arc;

use kvern_core::layer::Data;
use kvern_core::{Delayed, Error, Layer, Result};

use super::Bag;
use crate::expr::Reads;
use crate::pipe::begin::UNKNOWN_BYTES;
use crate::pipe::sources::{Generate, Inputs, Numbers};
use crate::pipe::split::learn;
use crate::pipe::{EndPart, SourcePart};
use crate::skipped::Skipped;
use crate::value::{Partition, Portable};

impl<T: Portable> Bag<T> {
    /// The items of a sequence in `npartitions` partitions of equal length, as far as that goes: at least one, and no more than there are items.
    ///
    /// Items are owned, because they may be sent or put on disk; of a `&str` the compiler says that its `Deserialize` "is not general enough".
    /// Make it a `String`, as here, or have [`Bag::from_iter`] do it.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::from_sequence(["a", "b", "c"].map(String::from), 2);
    /// assert_eq!((bag.npartitions(), bag.reference()?), (2, vec!["a".to_owned(), "b".into(), "c".into()]));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn from_sequence(items: impl IntoIterator<Item = T>, npartitions: usize) -> Self {
        let mut items: Vec<T> = items.into_iter().collect();
        let (len, n) = (items.len(), npartitions.clamp(1, items.len().max(1)));
        let cut = |i: usize| (len as u128 * i as u128 / n as u128) as usize;
        // From the end, so that each is split off without moving the others.
        let mut lists: Vec<Vec<T>> = (0..n).rev().map(|i| items.split_off(cut(i))).collect();
        lists.reverse();
        Self::from_partitions(lists)
    }

    /// These partitions; of none, one that is empty.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::from_partitions(vec![vec![1, 2, 3], vec![], vec![4]]);
    /// assert_eq!((bag.npartitions(), bag.reference()?), (3, vec![1, 2, 3, 4]));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn from_partitions(mut partitions: Vec<Vec<T>>) -> Self {
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        let values = partitions.into_iter();
        let values: Vec<_> = values
            .map(|p| Partition::value(p, Skipped::default()))
            .collect();
        let bytes = values.iter().map(kvern_core::Value::nbytes).max();
        let layer = Layer::new(Data::values(values), Vec::new());
        Self::of_layer(layer, bytes.unwrap_or(0))
    }

    /// One partition a delayed list.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// use kvern_core::delayed;
    /// let load = delayed(|day: &i64| vec![*day, *day * 10]);
    /// let days: Vec<_> = (1..4).map(|d| load.call(d)).collect();
    /// assert_eq!(Bag::from_delayed(&days)?.sum().reference()?, 66);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// For no lists.
    pub fn from_delayed(lists: &[Delayed<Vec<T>>]) -> Result<Self> {
        if lists.is_empty() {
            let words = "from_delayed needs at least one list: how many partitions there are is not known of none";
            return Err(Error::bad_input(words));
        }
        let layers: Vec<Arc<Layer>> = lists.iter().map(|d| d.layer().0.clone()).collect();
        let reads = lists.iter().zip(0..);
        let reads = reads.map(|(d, slot)| vec![(slot, d.layer().1)]).collect();
        let source = SourcePart::plain::<Inputs<T>>("from_delayed", &());
        let n = partitions(lists.len())?;
        let reads = Reads::Any(layers, reads);
        Ok(Self::begin(source, reads, n, UNKNOWN_BYTES))
    }

    /// Each partition as a delayed list. The count of records that were left out ([`OnBad::Skip`](crate::OnBad)) does not come along.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// use kvern_core::delayed;
    /// let parts = Bag::range(5, 2).to_delayed()?;
    /// let longest = delayed(|all: &[&Vec<u64>]| all.iter().map(|p| p.len()).max());
    /// assert_eq!(longest.call((&parts,)).reference()?, Some(3));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn to_delayed(&self) -> Result<Vec<Delayed<Vec<T>>>> {
        use crate::ends::collect::{AsList, Collect};
        learn::<T>();
        let end = EndPart::plain::<Collect<T, AsList>>("list", &u64::MAX);
        let layer = self.expr().ended(&end)?;
        let outputs = 0..layer.kind().outputs() as u32;
        Ok(outputs
            .map(|i| Delayed::of_layer(layer.clone(), i))
            .collect())
    }
}

impl<T: Clone + 'static> Bag<T> {
    /// Partitions made by a function of their number, when they are needed: at least one. That there are more than 2^24 is told when it is
    /// computed.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::from_fn(4, |i| (0..i).map(move |j| (i, j)));
    /// assert_eq!(bag.count().reference()?, 6);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn from_fn<F, I>(npartitions: usize, f: F) -> Self
    where
        F: Fn(usize) -> I + Send + Sync + 'static,
        I: IntoIterator<Item = T> + 'static,
    {
        match partitions(npartitions.max(1)) {
            Ok(n) => {
                let source = SourcePart::of::<Generate<F>, F>("from_fn", f);
                Self::begin(source, Reads::Nothing, n, UNKNOWN_BYTES)
            }
            Err(e) => Self::broken(e),
        }
    }
}

/// So many partitions at most has a bag that was collected.
const COLLECTED: usize = 16;

macro_rules! collected {
    ($([$($l:lifetime)?] $from:ty => $t:ty: $own:expr;)*) => {$(
        /// In up to 16 partitions; [`Bag::from_sequence`] says how many, and takes items of any type.
        impl$(<$l>)? FromIterator<$from> for Bag<$t> {
            fn from_iter<I: IntoIterator<Item = $from>>(items: I) -> Self {
                let items: Vec<$t> = items.into_iter().map($own).collect();
                let partitions = items.len().min(COLLECTED);
                Self::from_sequence(items, partitions)
            }
        }
    )*};
    ($($t:ty)*) => {
        collected! { $([] $t => $t: std::convert::identity;)* }
    };
}

// One by one, and not for all types at once: then texts, which are no items, could not be made `String`s here.
collected! { ['a] &'a str => String: String::from; }
collected! { String bool char i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64 serde_json::Value }

impl Bag<u64> {
    /// The numbers from 0 to `n`, without it, in `npartitions` partitions: at least one, and no more than there are numbers. That there are more
    /// than 2^24 is told when it is computed.
    ///
    /// ```
    /// assert_eq!(kvern_bag::Bag::range(1000, 7).sum().reference()?, 499_500);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn range(n: u64, npartitions: usize) -> Self {
        let most = usize::try_from(n).unwrap_or(usize::MAX).max(1);
        let parts = match partitions(npartitions.clamp(1, most)) {
            Ok(parts) => parts,
            Err(e) => return Self::broken(e),
        };
        let numbers = Numbers {
            n,
            parts: u64::from(parts),
        };
        let source = SourcePart::plain::<Numbers>("range", &numbers);
        let bytes = (n / u64::from(parts) + 1).saturating_mul(8);
        Self::begin(source, Reads::Nothing, parts, bytes)
    }
}

/// So many partitions has a bag at most: each is a task that is held in memory with all others before the first one runs.
const MOST: u32 = 1 << 24;

pub(crate) fn partitions(n: usize) -> Result<u32> {
    let fits = u32::try_from(n).ok().filter(|n| *n <= MOST);
    fits.ok_or_else(|| {
        Error::bad_input(format!(
            "{n} partitions: at most {MOST} are possible; make them larger"
        ))
    })
}
