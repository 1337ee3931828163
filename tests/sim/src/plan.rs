//! What a seed is: how many of whom, and what goes wrong when.

use crate::graphs::Wild;
use crate::rng::Rng;

/// Microseconds in a tick.
pub const US: u64 = 1000;

/// Something that goes wrong, or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A worker's process ends; another one joins after so long.
    Crash {
        /// Which of those there are then.
        worker: u64,
        /// Nanoseconds.
        again: u64,
    },
    /// What one says to the other arrives late.
    OneWay {
        /// From this node: 0 is the scheduler, the others are workers.
        from: u64,
        /// To this one.
        to: u64,
        /// Nanoseconds.
        lasts: u64,
    },
    /// A worker is declared lost while it lives; it finds out, and comes back as another.
    Declared {
        /// Which.
        worker: u64,
    },
    /// A worker becomes so many times slower.
    Slow {
        /// Which.
        worker: u64,
        /// How much.
        times: u64,
    },
    /// One more worker joins.
    Join,
    /// Requests for data are dropped, one in so many, for so long.
    LostFetches {
        /// How many.
        one_in: u64,
        /// Nanoseconds.
        lasts: u64,
    },
    /// A client cancels one of its graphs.
    Cancel {
        /// Which client.
        client: u64,
        /// Which graph.
        graph: u64,
    },
    /// A client releases an output early.
    Release {
        /// Which client.
        client: u64,
        /// Which graph.
        graph: u64,
        /// Which output.
        output: u64,
    },
    /// A client wants an output of somebody's graph once more.
    Want {
        /// Which client.
        client: u64,
        /// Which graph of all.
        graph: u64,
        /// Which output.
        output: u64,
    },
    /// A client's process ends.
    Vanish {
        /// Which.
        client: u64,
    },
}

/// All of a seed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Workers at the start: slots of each.
    pub slots: Vec<u32>,
    /// Graphs of each client.
    pub graphs: Vec<u64>,
    /// What the graphs are like.
    pub wild: Wild,
    /// The most time of a task in nanoseconds.
    pub task_nanos: u64,
    /// The most time of a message.
    pub latency: u64,
    /// Whether small results travel with the news of them.
    pub inline: bool,
    /// What happens when.
    pub faults: Vec<(u64, Fault)>,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1);
        let workers = 1 + rng.below(5);
        let clients = 1 + rng.below(3);
        let calm = rng.one_in(8);
        let wild = Wild {
            tasks: [5, 20, 40, 80][rng.below(4) as usize],
            failures: !calm && rng.one_in(2),
            poison: !calm && rng.one_in(10),
            nested: !calm && rng.one_in(3),
            mixed: seed % 3 == 1,
        };
        let mut plan = Self {
            seed,
            slots: (0..workers).map(|_| 1 + rng.below(3) as u32).collect(),
            graphs: (0..clients).map(|_| 1 + rng.below(4)).collect(),
            wild,
            task_nanos: [5, 200, 5_000][rng.below(3) as usize] * US,
            latency: [20, 200, 3_000][rng.below(3) as usize] * US,
            inline: rng.one_in(2),
            faults: Vec::new(),
        };
        if calm {
            return plan;
        }
        // Faults fall into the time in which something is going on, more or less.
        let span = 20 * (plan.task_nanos + plan.latency);
        for _ in 0..rng.below(12) {
            let at = rng.below(span);
            let fault = plan.fault(&mut rng, span);
            plan.faults.push((at, fault));
        }
        plan.faults.sort_by_key(|(at, _)| *at);
        plan
    }

    fn fault(&self, rng: &mut Rng, span: u64) -> Fault {
        let (worker, client) = (rng.next(), rng.next());
        match rng.below(14) {
            0..4 => Fault::Crash {
                worker,
                again: rng.below(span),
            },
            4 | 5 => Fault::OneWay {
                from: rng.below(5),
                to: rng.below(5),
                lasts: rng.below(span),
            },
            6 => Fault::Declared { worker },
            7 => Fault::Slow {
                worker,
                times: 1 + rng.below(20),
            },
            8 => Fault::Join,
            9 => Fault::LostFetches {
                one_in: 1 + rng.below(3),
                lasts: rng.below(span),
            },
            10 => Fault::Cancel {
                client,
                graph: rng.next(),
            },
            11 => Fault::Release {
                client,
                graph: rng.next(),
                output: rng.next(),
            },
            12 => Fault::Want {
                client,
                graph: rng.next(),
                output: rng.next(),
            },
            _ => Fault::Vanish { client },
        }
    }
}
