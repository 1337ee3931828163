//! Who has connected and not said who they are: no more of them at once than do no harm. The longest waiting makes room for the next, since
//! whoever knows the token says so within milliseconds.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kvern_machine::wire::Hello;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::hello;
use crate::log::Lines;
use crate::token::Token;

/// The most of them from one address.
const MOST_OF_ONE: usize = 64;

/// The most of them altogether.
const MOST: usize = 256;

/// So many wrong tokens of an address within [`MEMORY`] are answered at once.
const FREE_GUESSES: u32 = 8;

/// How long an answer takes after more of them.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a wrong token is remembered.
const MEMORY: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Guests {
    /// As what those who listen call themselves in lines.
    who: &'static str,
    token: Token,
    state: Mutex<State>,
    refused: Lines,
    full: Lines,
}

#[derive(Default)]
struct State {
    /// Those who have not said who they are, the first that came in front.
    unknown: VecDeque<Unknown>,
    next: u64,
    guesses: HashMap<IpAddr, Guesses>,
}

struct Unknown {
    number: u64,
    from: IpAddr,
    /// None for a moment: its task is just being made.
    abort: Option<AbortHandle>,
}

struct Guesses {
    count: u32,
    since: Instant,
}

impl Guests {
    pub(crate) fn new(who: &'static str, token: Token) -> Arc<Self> {
        Arc::new(Self {
            who,
            token,
            state: Mutex::default(),
            refused: Lines::default(),
            full: Lines::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes connections in, and hands over those whose first words are right. `trouble` is told why none can be taken in for now.
    pub(crate) async fn receive<F: Future<Output = ()> + Send + 'static>(
        self: Arc<Self>,
        listener: TcpListener,
        trouble: impl Fn(&io::Error),
        enter: impl Fn(TcpStream, Hello) -> F + Clone + Send + 'static,
    ) {
        loop {
            let (stream, from) = match listener.accept().await {
                Ok(come) => come,
                Err(e) => {
                    // Out of file descriptors, for instance: others may close theirs.
                    self.full
                        .say(|| format!("kvern {}: no connection can be taken in: {e}", self.who));
                    trouble(&e);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (me, enter) = (self.clone(), enter.clone());
            let number = self.comes(from.ip());
            let task = tokio::spawn(async move {
                let mut stream = stream;
                let said = hello::accept(&mut stream, &me.token, || me.guessed(from.ip())).await;
                me.known(number);
                match said {
                    Ok(said) => enter(stream, said).await,
                    Err(why) => me.refuse(from, &why),
                }
            });
            if let Some(unknown) = self.lock().unknown.iter_mut().find(|u| u.number == number) {
                unknown.abort = Some(task.abort_handle());
            }
        }
    }

    fn refuse(&self, from: SocketAddr, why: &str) {
        self.refused.say(|| {
            format!(
                "kvern {}: a connection from {from} was refused: {why}",
                self.who
            )
        });
    }

    /// One has connected. If there are too many, the first that came goes.
    fn comes(&self, from: IpAddr) -> u64 {
        let mut state = self.lock();
        let of_one = state.unknown.iter().filter(|u| u.from == from).count();
        let goes = match (of_one >= MOST_OF_ONE, state.unknown.len() >= MOST) {
            (true, _) => state.unknown.iter().position(|u| u.from == from),
            (false, true) => Some(0),
            (false, false) => None,
        };
        if let Some(gone) = goes.and_then(|at| state.unknown.remove(at))
            && let Some(abort) = gone.abort
        {
            abort.abort();
        }
        let number = state.next;
        state.next += 1;
        state.unknown.push_back(Unknown {
            number,
            from,
            abort: None,
        });
        number
    }

    /// One has said who they are, or has been refused.
    fn known(&self, number: u64) {
        self.lock().unknown.retain(|u| u.number != number);
    }

    /// Somebody there has said a wrong token: how long the answer is to take.
    fn guessed(&self, from: IpAddr) -> Duration {
        let now = Instant::now();
        let mut state = self.lock();
        state
            .guesses
            .retain(|_, g| now.duration_since(g.since) < MEMORY);
        let of_one = state.guesses.entry(from).or_insert(Guesses {
            count: 0,
            since: now,
        });
        of_one.count += 1;
        if of_one.count > FREE_GUESSES {
            PAUSE
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(n: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, n])
    }

    #[test]
    fn the_first_of_too_many_go() {
        let guests = Guests::new("test", Token::random().unwrap());
        let first = guests.comes(here(9));
        let many: Vec<u64> = (0..500).map(|_| guests.comes(here(1))).collect();
        let left = |g: &Guests| {
            g.lock()
                .unknown
                .iter()
                .map(|u| u.number)
                .collect::<Vec<_>>()
        };
        // Those of another address are not touched.
        let mut want = vec![first];
        want.extend(&many[500 - MOST_OF_ONE..]);
        assert_eq!(left(&guests), want);
        guests.known(want[1]);
        assert_eq!(left(&guests).len(), MOST_OF_ONE);
        for n in 10..100 {
            for _ in 0..5 {
                guests.comes(here(n));
            }
        }
        assert_eq!(left(&guests).len(), MOST);
    }

    #[test]
    fn many_guesses_take_time() {
        let guests = Guests::new("test", Token::random().unwrap());
        let mut pauses = (0..20).map(|_| guests.guessed(here(1)));
        assert!(pauses.by_ref().take(8).all(|p| p.is_zero()));
        assert!(pauses.all(|p| p == PAUSE));
        assert!(guests.guessed(here(2)).is_zero(), "another address");
    }
}
