#!/usr/bin/env bash
# Counts instructions and atomic read-modify-writes of one operation of a workload, on one worker: what a run
# of 2n takes beyond a run of n, divided by n (and a tenth, where a tenth is run to warm up). For the table
# "Counted, not timed" in BENCHMARKS.md. Needs valgrind and binutils, and a release build of the workloads.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=target/release/workloads
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Runs a workload once, and writes "instructions read-modify-writes".
count() {
    local out="$scratch/$1.$2"
    valgrind --tool=callgrind --dump-instr=yes --compress-strings=no --compress-pos=no \
        --callgrind-out-file="$out" "$binary" "$1" --n "$2" --workers 1 --limit 600 >"$scratch/log" 2>&1 ||
        { cat "$scratch/log" >&2; return 1; }
    # What has a lock prefix, or is an exchange with memory, which is locked without one.
    sed -n 's/^ob=//p' "$out" | sort -u | while read -r object; do
        if [[ -f $object ]]; then
            objdump -d --no-show-raw-insn "$object" |
                awk -v object="$object" '/\tlock |\txchg .*\(/ { sub(":", "", $1); print object, "0x" $1 }'
        fi
    done >"$scratch/locked"
    awk '
        NR == FNR { locked[$1, $2]; next }
        /^ob=/ { object = substr($0, 4) }
        # The line after a call has what the called function cost, which is counted there.
        /^calls=/ { getline; next }
        /^0x/ { instructions += $3; if ((object, $1) in locked) writes += $3 }
        END { print instructions, writes + 0 }
    ' "$scratch/locked" "$out"
}

# A workload, a size, and how many operations one more of n is.
row() {
    local once twice
    once=$(count "$1" "$2")
    twice=$(count "$1" $((2 * $2)))
    awk -v what="$1" -v n="$2" -v factor="$3" -v a="$once" -v b="$twice" 'BEGIN {
        split(a, one); split(b, two)
        printf "| `%s` | %.0f | %.2f |\n", what, (two[1] - one[1]) / n / factor, (two[2] - one[2]) / n / factor
    }'
}

row ring 50000 1.1
row fanin 80000 1.1
row fanin_bounded 80000 1.1
row ask 20000 1.1
row spawn 20000 1
row churn 20000 1.1
row timers 20000 1
