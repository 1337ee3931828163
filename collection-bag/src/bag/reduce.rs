//! Reductions: a pass over each partition, and a tree over the partial results.

use std::cmp::Ordering;
use std::hash::Hash;

use super::Bag;
use crate::ends::Eat;
use crate::ends::count::{Count, Some1};
use crate::ends::distinct::Distinct;
use crate::ends::fold::{Aggregate, Fold};
use crate::ends::foldby::{FoldBy, GroupBy};
use crate::ends::frequencies::Frequencies;
use crate::ends::number::{Moment, Moments, Number, Sum};
use crate::ends::order::Extreme;
use crate::ends::topk::{By, ByKey, Natural, TopK};
use crate::item::Item;
use crate::pipe::split::{ItemType, learn};
use crate::pipe::steps::{Call, Items, WholeKind};
use crate::pipe::{EndPart, StepPart};
use crate::value::{Packed, Portable};

impl<T: Clone + 'static> Bag<T> {
    /// How many items there are.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::range(10, 3).filter(|x| x % 2 == 0).count().reference()?, 5);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn count(&self) -> Item<u64> {
        Item::of(self.expr(), &EndPart::plain::<Eat<Count, T>>("count", &()))
    }

    /// Folds all items into one value: `step` adds an item to a value, `combine` puts the values of two partitions together, the
    /// earlier one first.
    ///
    /// Every partition begins with `init`, which therefore must change nothing (0 for a sum).
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let words = Bag::from_sequence(["do", "re", "mi"].map(String::from), 2);
    /// let length = words.fold(0, |n, w| n + w.len(), |a, b| a + b);
    /// assert_eq!(length.reference()?, 6);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn fold<A, S, C>(&self, init: A, step: S, combine: C) -> Item<A>
    where
        A: Portable,
        S: Fn(A, T) -> A + Send + Sync + 'static,
        C: Fn(A, A) -> A + Send + Sync + 'static,
    {
        let f = (step, combine);
        let end = EndPart::of_with::<Eat<Fold<(S, C), A>, T>, _>("fold", f, &Packed(init));
        Item::of(self.expr(), &end)
    }

    /// A fold for each key: pairs of key and value in one partition, in the order in which keys are first seen.
    ///
    /// All groups of a partition are in memory while it is worked on, and all groups together at the end: this is for as many groups as
    /// fit there, whatever the number of items; for more there is [`Bag::foldby_into`].
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let sums = Bag::from_sequence(1..=6i64, 2).foldby(|x| x % 2 == 0, 0, |sum, x| sum + x, |a, b| a + b);
    /// assert_eq!(sums.reference()?, [(false, 9), (true, 12)]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn foldby<K, A, B, S, C>(&self, key: B, init: A, step: S, combine: C) -> Bag<(K, A)>
    where
        K: Portable + Hash + Eq,
        A: Portable,
        B: Fn(&T) -> K + Send + Sync + 'static,
        S: Fn(A, T) -> A + Send + Sync + 'static,
        C: Fn(A, A) -> A + Send + Sync + 'static,
    {
        let f = (key, (step, combine));
        let end =
            EndPart::of_with::<Eat<FoldBy<(B, (S, C)), K, A>, T>, _>("foldby", f, &Packed(init));
        Bag::reduced(self.expr(), &end)
    }

    /// [`Bag::foldby`] for more groups than fit into memory together: into `npartitions` partitions, each key in the one that its hash
    /// says. The groups of each partition, before and after, must fit; the rest goes to disk when the session's budget says so.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let sums = Bag::range(1000, 8).foldby_into(4, |x| x % 300, 0, |n, x| n + x, |a, b| a + b);
    /// assert_eq!((sums.npartitions(), sums.count().reference()?), (4, 300));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn foldby_into<K, A, B, S, C>(
        &self,
        npartitions: usize,
        key: B,
        init: A,
        step: S,
        combine: C,
    ) -> Bag<(K, A)>
    where
        K: Portable + Hash + Eq,
        A: Portable,
        B: Fn(&T) -> K + Send + Sync + 'static,
        S: Fn(A, T) -> A + Send + Sync + 'static,
        C: Fn(A, A) -> A + Send + Sync + 'static,
    {
        let f = (key, (step, combine));
        let end =
            EndPart::of_with::<Eat<FoldBy<(B, (S, C)), K, A>, T>, _>("foldby", f, &Packed(init));
        Bag::exchanged(self.expr(), &end, npartitions, false)
    }

    /// The items of each key together, in `npartitions` partitions, each key in the one that its hash says; within a partition, keys and the items of a
    /// key are in the order of the bag.
    ///
    /// All items move, through the disk where the session's budget says so: what must fit is one partition, before and after. (A piece of less than
    /// 32 KiB that one partition gives to another stays in memory; for pieces of that size, fewer partitions do.) [`Bag::foldby`] moves only what each partition makes of them: prefer it where a fold serves.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let groups = Bag::range(7, 3).groupby(1, |x| x % 2 == 0);
    /// assert_eq!(groups.reference()?, [(true, vec![0, 2, 4, 6]), (false, vec![1, 3, 5])]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn groupby<K, F>(&self, npartitions: usize, key: F) -> Bag<(K, Vec<T>)>
    where
        T: Portable,
        K: Portable + Hash + Eq,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        let end = EndPart::of::<Eat<GroupBy<F, K, T>, T>, F>("groupby", key);
        Bag::exchanged(self.expr(), &end, npartitions, true)
    }

    /// A reduction by a function of the iterator over each partition, and one of all that they made, in order.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let longest_run = Bag::from_sequence([1, 1, 2, 2, 2, 3], 1).reduction(
    ///     |items| items.fold((0, 0, None), |(best, run, last), x| {
    ///         let run = if last == Some(x) { run + 1 } else { 1 };
    ///         (run.max(best), run, Some(x))
    ///     }).0,
    ///     |runs: Vec<i32>| runs.into_iter().max().unwrap_or(0),
    /// );
    /// assert_eq!(longest_run.reference()?, 3);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn reduction<A, R, P, G>(&self, per_partition: P, aggregate: G) -> Item<R>
    where
        A: Portable,
        R: Portable,
        P: Fn(Items<T>) -> A + Send + Sync + 'static,
        G: Fn(Vec<A>) -> R + Send + Sync + 'static,
    {
        let step = StepPart::of::<Call<P, (), WholeKind<T, A>>, P>("per_partition", per_partition);
        let end = EndPart::of::<Eat<Aggregate<G, A, R>, A>, G>("reduction", aggregate);
        learn::<A>();
        Item::of(&self.expr().then(&step, ItemType::of::<A>()), &end)
    }

    /// Whether `f` says yes to any item. Does not look further than it must in each partition.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert!(Bag::range(10, 3).any(|x| *x > 8).reference()?);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn any<F>(&self, f: F) -> Item<bool>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        let end = EndPart::of::<Eat<Some1<F, true>, T>, F>("any", f);
        Item::of(self.expr(), &end)
    }

    /// Whether `f` says yes to all items. Does not look further than it must in each partition.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert!(!Bag::range(10, 3).all(|x| *x > 0).reference()?);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn all<F>(&self, f: F) -> Item<bool>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        let end = EndPart::of::<Eat<Some1<F, false>, T>, F>("all", f);
        Item::of(self.expr(), &end)
    }
}

impl<T: Portable + Hash + Eq> Bag<T> {
    /// Each item with how often it is there, in the order in which they are first seen.
    ///
    /// For words of text, [`Text::frequencies`](crate::Text::frequencies) does it without a `String` a word.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::from_sequence([3, 1, 3], 2);
    /// assert_eq!(bag.frequencies().reference()?, [(3, 2), (1, 1)]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn frequencies(&self) -> Bag<(T, u64)> {
        learn::<T>();
        let end = EndPart::plain::<Eat<Frequencies<T>, T>>("frequencies", &());
        Bag::reduced(self.expr(), &end)
    }

    /// [`Bag::frequencies`] for more different items than fit into memory together, as [`Bag::foldby_into`].
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::range(1000, 8).map(|x| x % 300);
    /// assert_eq!(bag.frequencies_into(4).count().reference()?, 300);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn frequencies_into(&self, npartitions: usize) -> Bag<(T, u64)> {
        learn::<T>();
        let end = EndPart::plain::<Eat<Frequencies<T>, T>>("frequencies", &());
        Bag::exchanged(self.expr(), &end, npartitions, false)
    }

    /// [`Bag::distinct`] for more different items than fit into memory together, as [`Bag::foldby_into`].
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::range(1000, 8).map(|x| x % 300);
    /// assert_eq!(bag.distinct_into(4).count().reference()?, 300);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn distinct_into(&self, npartitions: usize) -> Self {
        learn::<T>();
        let end = EndPart::plain::<Eat<Distinct<T>, T>>("distinct", &());
        Self::exchanged(self.expr(), &end, npartitions, false)
    }

    /// Each item once, in the order in which they are first seen. All different items must fit into memory; see
    /// [`Bag::distinct_into`].
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::from_sequence([3, 1, 3], 2).distinct().reference()?, [3, 1]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn distinct(&self) -> Self {
        learn::<T>();
        let end = EndPart::plain::<Eat<Distinct<T>, T>>("distinct", &());
        Self::reduced(self.expr(), &end)
    }
}

impl<T: Portable> Bag<T> {
    /// The `k` greatest items, the greatest first; of equal ones the earlier.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::from_sequence([3, 1, 4, 1, 5], 2).topk(2).reference()?, [5, 4]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn topk(&self, k: usize) -> Self
    where
        T: Ord,
    {
        let end = EndPart::plain::<Eat<TopK<T, Natural>, T>>("topk", &(k as u64));
        Self::reduced(self.expr(), &end)
    }

    /// The `k` items with the greatest keys, the greatest first; of equal ones the earlier. Keys that are floats have no `Ord`: see
    /// [`Bag::topk_by`].
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let words = Bag::from_sequence(["a", "b", "a", "c", "a", "b"].map(String::from), 2);
    /// let top = words.frequencies().topk_by_key(2, |pair| pair.1);
    /// assert_eq!(top.reference()?, [("a".to_owned(), 3), ("b".to_owned(), 2)]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn topk_by_key<K, F>(&self, k: usize, key: F) -> Self
    where
        K: Ord + 'static,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        let end = EndPart::of_with::<Eat<TopK<T, ByKey<F, K>>, T>, F>("topk", key, &(k as u64));
        Self::reduced(self.expr(), &end)
    }

    /// The `k` greatest items by a comparison, such as `|a, b| a.1.total_cmp(&b.1)`.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::from_sequence([0.5, 2.5, -1.0], 2);
    /// assert_eq!(bag.topk_by(1, |a: &f64, b: &f64| a.total_cmp(b)).reference()?, [2.5]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn topk_by<F>(&self, k: usize, compare: F) -> Self
    where
        F: Fn(&T, &T) -> Ordering + Send + Sync + 'static,
    {
        let end = EndPart::of_with::<Eat<TopK<T, By<F>>, T>, F>("topk", compare, &(k as u64));
        Self::reduced(self.expr(), &end)
    }

    /// The least item, the first of equal ones; `None` of an empty bag. NaN has no order and is an error.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::from_sequence([3, 1, 4], 2).min().reference()?, Some(1));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn min(&self) -> Item<Option<T>>
    where
        T: PartialOrd,
    {
        let end = EndPart::plain::<Eat<Extreme<T, false>, T>>("min", &());
        Item::of(self.expr(), &end)
    }

    /// The greatest item, the first of equal ones; `None` of an empty bag. NaN has no order and is an error.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::from_sequence([3, 1, 4], 2).max().reference()?, Some(4));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn max(&self) -> Item<Option<T>>
    where
        T: PartialOrd,
    {
        let end = EndPart::plain::<Eat<Extreme<T, true>, T>>("max", &());
        Item::of(self.expr(), &end)
    }
}

impl<T: Number> Bag<T> {
    /// The sum, in 64 bits; 0 of an empty bag. The same items give the same sum in any order and in any partitions: integers are added in
    /// 128 bits, floats without rounding, and what comes out is rounded once. A sum of integers that does not fit is an error.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::from_sequence([i64::MAX, 1, -2], 3).sum().reference()?, i64::MAX - 1);
    /// assert_eq!(Bag::from_sequence([0.1; 10], 3).sum().reference()?, 1.0);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn sum(&self) -> Item<T::Sum> {
        learn::<T>();
        Item::of(self.expr(), &EndPart::plain::<Eat<Sum<T>, T>>("sum", &()))
    }

    fn moment(&self, name: &'static str, moment: Moment) -> Item<Option<f64>> {
        learn::<T>();
        let end = EndPart::plain::<Eat<Moments<T>, T>>(name, &moment);
        Item::of(self.expr(), &end)
    }

    /// The mean, rounded once, whatever the order and the partitions; `None` of an empty bag. Infinite if an item is, NaN if one is
    /// or if there are infinities of both signs.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::from_sequence([1, 2, 6], 2).mean().reference()?, Some(3.0));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn mean(&self) -> Item<Option<f64>> {
        self.moment("mean", Moment::Mean)
    }

    /// The variance, the squared deviations divided by `count - ddof`, rounded once, whatever the order and the partitions; `None` of
    /// no more than `ddof` items. NaN if an item is not finite.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::from_sequence([1.0, 3.0], 1).var(1).reference()?, Some(2.0)); // divided by n - 1
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn var(&self, ddof: u32) -> Item<Option<f64>> {
        self.moment("var", Moment::Var { ddof })
    }

    /// The standard deviation, as [`Bag::var`].
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::from_sequence([1.0, 3.0], 1).std(0).reference()?, Some(1.0)); // divided by n
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn std(&self, ddof: u32) -> Item<Option<f64>> {
        self.moment("std", Moment::Std { ddof })
    }
}
