#!/usr/bin/env bash
# Runs the tests of preemption and the workload `hog` as they are, then as `nobody` without any capability, and then in a
# control group that has half a core. Exits with 0 if all passed, each ping was answered, and its p99 was sensible; says
# what was skipped. The last two parts need root (of a container is enough), `setpriv`, and a control group that may be
# written, of either version.
#
# Builds the tests; the workloads are to be built before: `cargo build --release -p workloads`, or another binary of
# theirs is the argument.
set -euo pipefail
# shellcheck source=tests/common.sh
source "$(dirname "$0")/common.sh" target/release/workloads 'cargo build --release -p workloads' "$@"
executable=$(cargo test -p actor-tests --test behaviour --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))$/\1/p')

# Where nobody can read and execute them.
chmod 755 "$scratch"
group=
trap 'cleanup' EXIT
cp "$executable" "$scratch/behaviour"
cp "$binary" "$scratch/workloads"
chmod 755 "$scratch"/*

tests=(preemption:: out_of_threads:: quanta:: stacks::)
nobody=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs)

cleanup() {
    rm -rf "$scratch"
    if [[ -n $group ]]; then
        rmdir "$group"
    fi
}

# A name, then what the tests are run with.
tested() {
    local name=$1
    shift
    if (cd "$scratch" && "$@" ./behaviour "${tests[@]}") >"$scratch/out" 2>&1; then
        printf '%-32s %s\n' "tests, $name" "$(grep '^test result' "$scratch/out")"
    else
        printf '%-32s FAILED\n' "tests, $name"
        cat "$scratch/out"
        failed+=("tests, $name")
    fi
}

figure() {
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$scratch/out"
}

# A name, the longest p99 in microseconds, the workload's options, and what it is run with.
pinged() {
    local name=$1 most=$2 options=$3
    shift 3
    # shellcheck disable=SC2086 # several options
    (cd "$scratch" && "$@" ./workloads hog --secs 3 $options) >"$scratch/out"
    local answered p99 max late
    answered=$(figure answered_pct) p99=$(figure p99_us) max=$(figure max_us) late=$(figure pinger_late_p99_us)
    printf '%-32s answered %s %%, p99 %s us, max %s us; the pinger itself was late by %s us (p99)\n' \
        "hog, $name" "$answered" "$p99" "$max" "$late"
    if ! awk -v answered="$answered" -v p99="$p99" -v most="$most" 'BEGIN { exit !(answered == 100 && p99 <= most) }'; then
        failed+=("hog, $name: all pings are to be answered, and the p99 at most $most us")
    fi
}

# Makes a control group with half a core; its path is in `group` then.
make_group() {
    local v1=/sys/fs/cgroup/cpu v2=/sys/fs/cgroup name=actor-tests-$$
    if [[ -w $v1/cpu.cfs_quota_us || -w $v1/tasks ]] && mkdir "$v1/$name" 2>/dev/null; then
        group=$v1/$name
        echo 100000 >"$group/cpu.cfs_period_us"
        echo 50000 >"$group/cpu.cfs_quota_us"
    elif grep -qw cpu "$v2/cgroup.subtree_control" 2>/dev/null && mkdir "$v2/$name" 2>/dev/null; then
        group=$v2/$name
        echo '50000 100000' >"$group/cpu.max"
    else
        return 1
    fi
}

throttled() {
    sed -n 's/^nr_throttled //p' "$group/cpu.stat"
}

# Runs the rest in the group.
in_group() {
    # shellcheck disable=SC2016 # expanded by the other shell
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@"
}

tested "as $(id -un)" env
pinged "as $(id -un)" 50000 '' env
if ((EUID != 0)) || ! command -v setpriv >/dev/null; then
    echo "SKIPPED: as nobody, and in a control group: these need root and setpriv"
else
    if [[ $("${nobody[@]}" sed -n 's/^CapEff:\s*//p' /proc/self/status) != 0000000000000000 ]]; then
        failed+=("nobody has capabilities")
    fi
    tested "as nobody" "${nobody[@]}"
    pinged "as nobody" 50000 '' "${nobody[@]}"
    if ! make_group; then
        echo "SKIPPED: in a control group: none can be made with a limit on processor time"
    else
        # The limit is for periods of 100 ms: who has used up the time of one waits for the next.
        before=$(throttled)
        pinged "half a core" 250000 '' in_group
        pinged "half a core, as nobody" 250000 '--workers 1' in_group "${nobody[@]}"
        periods=$(($(throttled) - before))
        echo "the group was throttled in $periods periods"
        if ((periods == 0)); then
            failed+=("the limit of the control group was not in force")
        fi
    fi
fi
if ((${#failed[@]} > 0)); then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
