# shellcheck shell=bash
# Sourced: picks packages out of requirements.lock. Also used while the image is built.

# driftline_pins NAME...: the lines of requirements.lock that pin these packages, with their hashes.
# A name that the lock does not hold is refused: what is installed would lack it.
driftline_pins() {
    local lock
    lock="$(dirname "${BASH_SOURCE[0]}")/../requirements.lock"
    awk '
        NR == FNR { wanted[$1]; next }
        /^[^ ]/ { name = $1; sub(/[[=].*/, "", name); inside = name in wanted; found[name] }
        inside
        END {
            for (name in wanted) if (!(name in found)) {
                print "driftline: requirements.lock does not pin " name >"/dev/stderr"
                failed = 1
            }
            exit failed
        }
    ' <(printf '%s\n' "$@") "$lock"
}
