# Sourced by the service scripts, which set $svc first: cache, state, locks, waiting, stopping.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$(echo ~)/.cache}/pgcdc-dev
state=${TMPDIR:-/tmp}/pgcdc-dev

die() { echo "$svc: $*" >&2; exit 1; }

# once DIR FUNC: fills DIR by running FUNC in it, once, whoever comes first; a broken run leaves no DIR
once() (
  [ ! -d "$1" ] || exit 0
  mkdir -p "$(dirname "$1")"
  exec 9>"$1.lock"; flock 9
  [ ! -d "$1" ] || exit 0
  rm -rf "$1.part"; mkdir "$1.part"; cd "$1.part"
  "$2" >&2 9>&-
  cd /; mv "$1.part" "$1"
)

# The pid file holds the pid and its start time, so that a reused pid is never taken for the service.
# A zombie that nobody has waited for is no service either, once its last other thread is gone: until then it holds its
# sockets, and a start right after a kill would find the port taken.
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" || $18 > 1 {print $20}'; }
alive() { [ -s "$dir/pid" ] && read -r pid t <"$dir/pid" && [ -n "$t" ] && [ "$(born "$pid")" = "$t" ]; }

# group PID: whether a process of that group is alive. Elasticsearch's is a child of the one that was started, and may be the last.
group() { # in /proc/PID/stat, behind the name: state, parent, group, …, threads
  { cat /proc/[0-9]*/stat 2>/dev/null || true; } | sed 's/.*) //' | awk -v g="$1" '$3 == g && ($1 != "Z" || $18 > 1) { n = 1 } END { exit !n }'
}

# start CMD…: runs CMD detached, output to $dir/log, and notes its pid
start() {
  setsid "$@" </dev/null >>"$dir/log" 2>&1 &
  echo "$! $(born $!)" >"$dir/pid"
}

# stop [SIGNAL]: ends our process, by force after 20 s (KILL takes its children along)
stop() {
  local sig=${1:-TERM}
  if alive && [ "$sig" != KILL ]; then
    kill -s "$sig" "$pid" || true
    for _ in $(seq 200); do alive || break; sleep 0.1; done
  fi
  if alive; then
    kill -s KILL -- "-$pid" || true
    while group "$pid"; do sleep 0.05; done
  fi
  rm -f "$dir/pid"
}

# ready SECONDS CURL-ARGUMENTS…: waits until they get a 2xx answer
ready() {
  for _ in $(seq $(($1 * 5))); do
    ! curl -fsS -m 5 -o /dev/null "${@:2}" 2>/dev/null || return 0
    alive || { tail -n 20 "$dir/log" >&2; die "ended while starting, see $dir/log"; }
    sleep 0.2
  done
  tail -n 20 "$dir/log" >&2; stop; die "no answer in $1 s: ${*:2}"
}

free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || die "port $1 is taken"; }

quiet_mvn() { mvn -q -B -Dstyle.color=never "$@"; }

# jdk MIN MAX: a JDK of those versions, $JAVA_HOME and the default one first
jdk() {
  local j v
  for j in ${JAVA_HOME:+"$JAVA_HOME"} "$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")" /usr/lib/jvm/*; do
    v=$("$j/bin/javac" -version 2>/dev/null | sed 's/[^0-9]*\([0-9]*\).*/\1/') || continue
    if [ "${v:-0}" -ge "$1" ] && [ "$v" -le "$2" ]; then echo "$j"; return; fi
  done
  die "needs a JDK of version $1 to $2"
}
