# What the scripts here begin with: they run in the repository's root, `binary` is the workloads' executable, and `scratch`
# is a directory that is gone when they end. `failed` is for the names of what has failed. To be sourced with the
# arguments of the script behind two of its own: the default executable, and how it is built.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck disable=SC2034 # for the scripts
binary=${3:-$1} failed=()
if [[ ! -x $binary ]]; then
    echo "there is no $binary; build it with: $2" >&2
    exit 2
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
