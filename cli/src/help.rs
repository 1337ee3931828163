//! The texts of `--help`.

pub(crate) const MAIN: &str = "\
kvern: parallel arrays, frames, bags and functions, on threads or processes

Usage: kvern COMMAND [OPTIONS]

Commands:
  doctor            Show what this build and machine have, and what is amiss
  config list       Show every configuration key with its value and meaning
  config get KEY    Print the value of a key
  config where KEY  Show where a key's value comes from, and what it may be
  scheduler         Run the scheduler of a cluster
  worker ADDRESS    Run a worker of the scheduler there
  ballista ROLE     Run a scheduler or an executor of Apache Ballista
  help [COMMAND]    Show help

Options:
  --json            Print JSON, for programs
  -h, --help        Show help; after a command, that command's
  -V, --version     Print the version

Exit status: 0 if all is well, 1 if something is wrong with the machine or the
configuration, 2 if the command line could not be understood.
";

pub(crate) const DOCTOR: &str = "\
Show what this build and machine have, and what is amiss.

Usage: kvern doctor [--json] [--clean] [FOLDER ...]

Prints the version with its features, backends and operators, and computes a
small graph; then the processor, its cores and vector units; the memory that
this process may use, with the limits of its control groups; the spill folder,
its free space and whether it can be written to (a small file is written and
removed); and the configuration files. Then the unfinished files that killed
writers have left (`.NAME.PROCESS-NUMBER.tmp`) in the folders, or in the current
one, and not below, with size and age. Ends with problems and warnings, each
with what to do about it.

Options:
  --clean     Remove those unfinished files; what is being written stays
  --json      Print JSON, for programs
  -h, --help  Show this

Exit status: 0 if there are no problems (warnings are none), 1 if there are.
";

pub(crate) const CONFIG: &str = "\
Show the configuration: every key, its value, and where the value comes from.

Usage: kvern config list [--json]
       kvern config get KEY [--json]
       kvern config where KEY [--json]

  list   Every key with its value, where that comes from, and its meaning
  get    The value of a key, alone on a line
  where  A key's meaning, what it may be, and its value in every layer

Layers, each over the one before:
  1. the default
  2. files: $XDG_CONFIG_HOME/kvern/config.toml or ~/.config/kvern/config.toml,
     then kvern.toml in the current folder; $KVERN_CONFIG names another file
     to be read in place of both
  3. environment variables: KVERN_ARRAY_CHUNK_SIZE sets array.chunk-size
  4. the program's own code, which this command cannot see

In a file the key memory.limit is written

  [memory]
  limit = \"8GiB\"

Options:
  --json      Print JSON, for programs
  -h, --help  Show this

Exit status: 0 if all is well, 1 if the configuration is wrong or has no such
key, 2 if the command line could not be understood.
";

pub(crate) const SCHEDULER: &str = "\
Run the scheduler of a cluster, until it is interrupted.

Usage: kvern scheduler [OPTIONS]

Prints where it listens and the token that workers and clients need. Connections
are not encrypted yet, so only addresses of this machine itself (127.0.0.1, ::1)
are accepted. To use a cluster from another machine, run the program there over
ssh; or start its workers with ports of their own (kvern worker --listen
127.0.0.1:8801) and forward all ports under the same numbers:
ssh -L 8786:127.0.0.1:8786 -L 8801:127.0.0.1:8801 MACHINE

Each coming and leaving of a worker is written to stderr. Workers and clients
are told when it is interrupted.

Options:
  --listen ADDRESS  Where to listen, as HOST:PORT; port 0 takes any that is free
                    (default 127.0.0.1:8786)
  --worker-ttl TIME After how long a silence a worker is given up, such as 2min;
                    workers say every second that they live (default 60s)
  --allowed-failures N
                    After so many workers lost while they ran it, a task fails
                    (default: the key cluster.allowed-failures, 3)
  --no-workers-timeout TIME
                    How long tasks wait when no worker is there that may run
                    them, before they fail; 0s: for ever (default: the key
                    cluster.no-workers-timeout, 10m)
  -h, --help        Show this

Environment:
  KVERN_TOKEN       The token to use, 16 to 256 characters (default: a new one)
";

pub(crate) const WORKER: &str = "\
Run a worker, until its scheduler is gone.

Usage: kvern worker ADDRESS [OPTIONS]

Knows the operators that are built into this program. Closures and operators of
another program need workers that run that program: see kvern::init, and the
backend cluster:// that starts them.

Options:
  --threads N       Tasks that run at once (default: one for each core)
  --name NAME       What it is called in messages, and by the annotation workers
                    (default: worker-PROCESS)
  --listen ADDRESS  Where its results are fetched, as HOST:PORT (default
                    127.0.0.1 and any port that is free)
  --wait TIME       How long to wait for a scheduler that is not there yet
                    (default 5m)
  --memory AMOUNT   Memory for results, such as 8GiB, or a share of what it may
                    use, such as 50% (default 70%); give each of several workers
                    on one machine its share. What does not fit is spilled
  --spill FOLDER    Where; it must exist and be writable, and nothing is left in
                    it (default: the system's folder for temporary files); off:
                    nothing is spilled
  -h, --help        Show this

Environment:
  KVERN_TOKEN     The token that the scheduler printed

Exit status: 0 if the scheduler has ended and said so, 1 if the worker could not
begin, or lost its scheduler.
";

pub(crate) const BALLISTA: &str = "\
Run a scheduler or an executor of Apache Ballista, which computes frames.

Usage: kvern ballista scheduler [--listen ADDRESS]
       kvern ballista executor ADDRESS [--slots N] [--listen HOST]

  scheduler  Takes queries of programs that open ballista://ADDRESS
  executor   Computes for the scheduler at ADDRESS, until it is interrupted or
             its scheduler is gone

Both know the operators that are built into this program. Connections have no
password and are not encrypted, so only addresses of this machine itself
(127.0.0.1, ::1) are accepted. This program must be built with the feature
`ballista`.

Options:
  --listen ADDRESS  Where to listen: of a scheduler HOST:PORT, port 0 takes
                    any that is free (default 127.0.0.1:50050); of an executor
                    HOST (default 127.0.0.1)
  --slots N         Partitions that are computed at once (default: one for each
                    core)
  -h, --help        Show this
";
