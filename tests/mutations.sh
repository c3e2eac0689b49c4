#!/usr/bin/env bash
# Breaks what we promise, one thing at a time, and runs the random programs of tests/simulation, which must fail each time.
# Exits with 1 if one was not caught, and with 2 if a mutation does not fit the sources any more, or does not compile.
# Arguments are the names of those to be run; without any it is all of them. The sources are as they were when this ends; where
# something in them is not committed it does not begin, so that `git checkout actor-core` puts back what a killed run leaves.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! git diff --quiet -- actor-core; then
    echo "something in actor-core is not committed" >&2
    exit 2
fi
unset RUST_BACKTRACE
export PROGRAMS=${PROGRAMS:-3000}
scratch=$(mktemp -d) broken='' missed=()

restore() {
    # As a new file, since cargo looks at its time.
    [[ ! $broken ]] || cp "$scratch/whole" "$broken"
    broken=''
}
trap 'restore; rm -rf "$scratch"' EXIT

# Runs the programs. Those that do not come to an end have failed.
programs() {
    timeout 600 cargo test -q -p actor-tests --test simulation "$@" >"$scratch/log" 2>&1
}

# What the smallest program failed with, and how many were tried before the first that failed.
caught() {
    sed -n 's/^after Some(\([0-9]*\)) programs: Test failed: \(.*\)$/after \1 programs, \2/p' "$scratch/log" | head -n 1
}

# A name, a file, a sed program that breaks something in it, and the arguments of this script.
mutate() {
    local name=$1 file=$2 edit=$3
    shift 3
    [[ $# == 0 || " $* " == *" $name "* ]] || return 0
    cp "$file" "$scratch/whole"
    broken=$file
    sed -i "$edit" "$file"
    if cmp -s "$file" "$scratch/whole"; then
        echo "$name: changes nothing in $file; what it breaks has moved" >&2
        exit 2
    fi
    if ! programs --no-run; then
        cat "$scratch/log" >&2
        echo "$name: does not compile" >&2
        exit 2
    fi
    if programs -- programs; then
        echo "$name: NOT CAUGHT"
        missed+=("$name")
    else
        echo "$name: $(caught)"
    fi
    restore
}

cell=actor-core/src/cell
# A turn that has more to do keeps the run token, and nobody runs the actor.
mutate hand-over $cell/turn.rs 's/cell\.schedule_again();//' "$@"
# Who goes on after a condemned handler forgets the message that was in work.
mutate condemned $cell/limited.rs 's/self\.in_work = limited\.in_work\.take();//' "$@"
# A mailbox holds one more than its capacity.
mutate overflow $cell/mailbox/room.rs 's/(used < self\.limits\.capacity())/(used <= self.limits.capacity())/' "$@"
# Places are not given back.
mutate places $cell/mailbox/room.rs 's/self\.used\.fetch_sub(places, Ordering::SeqCst);/let _ = places;/' "$@"
# Restarts are forgotten in half of the window.
mutate window actor-core/src/supervisor/intensity.rs 's/> self\.window)/> self.window \/ 2)/' "$@"
# A timer that was on its way when its incarnation ended is the next one's.
mutate timers $cell/turn.rs 's/if incarnation != u64::from(self\.life\.number) {/if false \&\& incarnation > 0 {/' "$@"

if ((${#missed[@]})); then
    echo "not caught: ${missed[*]}" >&2
    exit 1
fi
