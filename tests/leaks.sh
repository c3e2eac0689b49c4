#!/usr/bin/env bash
# Runs every workload, a small one of its kind, under valgrind: exits with 0 if none has lost memory or touched
# what it must not. Needs valgrind and a build of the workloads: `cargo build -p workloads` for line numbers,
# or a release build, whose path is then the argument.
#
# Memory counts as lost if nothing leads to it any more ("definitely lost"). What the pool keeps is led to by
# statics, but to the middle of its chunks ("possibly lost"), and a workload ends with its actors alive; neither
# is an error.
set -euo pipefail
# shellcheck source=tests/common.sh
source "$(dirname "$0")/common.sh" target/debug/workloads 'cargo build -p workloads' "$@"

checked() {
    valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        --error-exitcode=9 --num-callers=30 --fair-sched=yes "$binary" "$@"
}

# A name, and the options of a workload.
clean() {
    local status=0
    checked "$@" --limit 300 >"$scratch/$1.out" 2>"$scratch/$1.err" || status=$?
    report "$1" "$status"
}

report() {
    if (($2 == 0)); then
        printf '%-16s clean\n' "$1"
    else
        printf '%-16s FAILED with %s\n' "$1" "$2"
        cat "$scratch/$1.err"
        failed+=("$1")
    fi
}

# A server, and a command that talks to its port.
serve() {
    local status=0 port='' server
    : >"$scratch/$1.err"
    checked "$1" --port 0 --limit 20 >"$scratch/$1.out" 2>"$scratch/$1.err" &
    server=$!
    until [[ -n $port ]]; do
        kill -0 "$server" 2>/dev/null || break
        port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$scratch/$1.err" | head -n 1)
    done
    if [[ -n $port ]]; then "$2" "$port" || status=8; fi
    wait "$server" || status=$?
    report "$1" "$status"
}

# Some connections, one of which is cut off with a line half said.
talk() {
    local turn answer conn
    for turn in 1 2 3 4 5; do
        exec {conn}<>"/dev/tcp/127.0.0.1/$1"
        printf '%b' "$2" >&"$conn"
        read -r -t 60 -u "$conn" answer && [[ $answer == "$3" ]] || return 1
        printf 'half' >&"$conn"
        exec {conn}>&-
    done
}
echo_client() { talk "$1" 'hello\n' hello; }
chat_client() { talk "$1" 'JOIN room\nhello\n' OK; }

clean pingpong --n 2000
clean ask --n 2000
clean fanin --n 8000
clean fanin_bounded --n 8000
clean ring --n 5000
clean ring64 --n 6400
clean spawn --n 5000
clean churn --n 5000
clean big --n 2400
clean bank --n 2000
clean chameneos --n 2000
clean skew --n 10000
clean hog --n 100 --secs 1
clean hogyield --n 100 --secs 1
clean blocked --n 100 --secs 1
clean resize --n 10
clean restart --n 1000
clean restartstorm --n 1000 --secs 1
clean idlecpu --n 2000 --secs 1
clean timers --n 10000
clean idletimers --n 1000 --secs 1
serve echo-server echo_client
serve chat-server chat_client

if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[*]}"
    exit 1
fi
