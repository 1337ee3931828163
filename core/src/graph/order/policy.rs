//! The choices in which walks differ, and the walks that are tried.

/// Which input of a task is made first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inputs {
    /// As the task lists them.
    Listed,
    /// The last listed first.
    Reversed,
    /// What needs most memory beyond its own size first, equals as listed.
    Needy,
    /// What needs most memory beyond its own size first, equals from the last.
    NeedyReversed,
}

/// What is aimed at once a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next wanted output.
    Output,
    /// A reader of the newest chunk alive.
    Newest,
    /// Of the newest chunks alive, a reader of the one that dies soonest.
    Dying,
}

/// In which order wanted outputs are aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outputs {
    /// As given.
    Listed,
    /// Least needy first.
    Small,
    /// Most needy first.
    Big,
}

/// When a chain of tasks is run for a reader that lacks nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chains {
    /// In its turn.
    Late,
    /// At once, where chain and reader leave no more alive than before.
    Even,
    /// At once, even where they leave one chunk more.
    OneMore,
}

/// One way to walk a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) inputs: Inputs,
    pub(super) next: Next,
    pub(super) outputs: Outputs,
    pub(super) chains: Chains,
    /// Run all that a reader still lacks once each of these tasks is ready.
    pub(super) gathers: bool,
    /// Run all readers of a large chunk once it is made, where they are small and lack little.
    pub(super) finishes: bool,
}

const fn policy(
    inputs: Inputs,
    next: Next,
    outputs: Outputs,
    chains: Chains,
    gathers: bool,
) -> Policy {
    Policy {
        inputs,
        next,
        outputs,
        chains,
        gathers,
        finishes: false,
    }
}

impl Policy {
    /// The same walk, finishing with large chunks at once.
    pub(super) fn finishing(self) -> Self {
        Self {
            finishes: true,
            ..self
        }
    }
}

/// The walks in the order in which they are tried. Each was added because, with those before it, it
/// lowered the peaks most over the canonical graphs, the same graphs with shuffled ids, and graphs
/// of array programs and random ones; a large graph gets only the first few.
pub(super) const POLICIES: [Policy; 12] = [
    policy(
        Inputs::NeedyReversed,
        Next::Newest,
        Outputs::Small,
        Chains::Even,
        false,
    ),
    policy(
        Inputs::Needy,
        Next::Dying,
        Outputs::Big,
        Chains::OneMore,
        true,
    ),
    policy(
        Inputs::NeedyReversed,
        Next::Output,
        Outputs::Listed,
        Chains::OneMore,
        true,
    ),
    policy(
        Inputs::Needy,
        Next::Dying,
        Outputs::Listed,
        Chains::OneMore,
        false,
    ),
    policy(
        Inputs::Reversed,
        Next::Output,
        Outputs::Listed,
        Chains::OneMore,
        false,
    ),
    policy(
        Inputs::NeedyReversed,
        Next::Dying,
        Outputs::Listed,
        Chains::Even,
        true,
    ),
    policy(
        Inputs::NeedyReversed,
        Next::Newest,
        Outputs::Big,
        Chains::OneMore,
        false,
    ),
    policy(
        Inputs::Needy,
        Next::Dying,
        Outputs::Small,
        Chains::Even,
        false,
    ),
    policy(
        Inputs::Reversed,
        Next::Dying,
        Outputs::Small,
        Chains::Late,
        true,
    ),
    policy(
        Inputs::NeedyReversed,
        Next::Newest,
        Outputs::Big,
        Chains::Late,
        true,
    ),
    policy(
        Inputs::Needy,
        Next::Output,
        Outputs::Listed,
        Chains::Even,
        false,
    ),
    policy(
        Inputs::Listed,
        Next::Newest,
        Outputs::Listed,
        Chains::OneMore,
        false,
    ),
];
