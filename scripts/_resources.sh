# shellcheck shell=bash
# Sourced by cluster_up.sh: whether this machine can hold the cluster that is asked for.

# Images of Kubernetes, KFP and driftline, and what a first run writes.
driftline_disk_least=20480

# driftline_size OPTION SIZE: refuses what minikube does not read as a size.
driftline_size() {
    driftline_value "$@"
    if [[ ! "$2" =~ ^[1-9][0-9]*([gGmM]([iI]?[bB])?)?$ ]]; then
        driftline_usage "$1 takes a size like 8g or 8192m, not '$2'"
    fi
}

# driftline_mebibytes SIZE: 8g or 8GB is 8192, and so are 8192m and 8192, as minikube reads them.
driftline_mebibytes() {
    case "$1" in
        *[gG]*) echo $((${1%%[gG]*} * 1024)) ;;
        *) echo "${1%%[mM]*}" ;;
    esac
}

# "CPUS MEBIBYTES" of docker, which on a Mac is a virtual machine, or of this machine.
driftline_capacity() {
    local cpus bytes
    if [ "$1" = docker ]; then
        read -r cpus bytes <<<"$(docker info --format '{{.NCPU}} {{.MemTotal}}')"
        echo "$cpus $((bytes / 1048576))"
    elif [ -r /proc/meminfo ]; then
        echo "$(getconf _NPROCESSORS_ONLN) $(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)"
    else
        echo "$(getconf _NPROCESSORS_ONLN) $(($(sysctl -n hw.memsize) / 1048576))"
    fi
}

# MiB that nothing uses now; empty where it cannot be told.
driftline_free_memory() {
    awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo 2>/dev/null || true
}

# MiB free where the driver keeps its disks; docker's folder may belong to a machine of its own.
driftline_free_disk() {
    local folder="${MINIKUBE_HOME:-$HOME}"
    if [ "$1" = docker ]; then
        folder="$(docker info --format '{{.DockerRootDir}}')"
    fi
    df -Pm "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }'
}

# driftline_check_resources DRIVER NODES CPUS MEMORY DISK: sizes in MiB, CPUS and MEMORY of a node.
driftline_check_resources() {
    local cpus memory free disk wanted=$(($2 * $4))
    read -r cpus memory <<<"$(driftline_capacity "$1")"
    free="$(driftline_free_memory)"
    disk="$(driftline_free_disk "$1")"
    if [ "$3" -gt "$cpus" ]; then
        driftline_fail "$3 CPUs are asked for, and $1 has $cpus: give it more, or --cpus $cpus"
    fi
    if [ "$wanted" -gt "$memory" ]; then
        driftline_fail "$2 node(s) of $4 MiB are $wanted MiB of memory, and $1 has $memory:" \
            "give it more, or ask for less with --memory (KFP alone asks for 3.1 GiB)"
    fi
    if [ -n "$disk" ] && [ "$disk" -lt "$driftline_disk_least" ]; then
        driftline_fail "$disk MiB of disk are free, and the images alone need $driftline_disk_least:" \
            "free some, for example with docker system prune"
    fi
    if [ -n "$free" ] && [ "$free" -lt "$wanted" ]; then
        driftline_say "only $free of the $wanted MiB of memory asked for are free now; close something"
    fi
    if [ $(($2 * $3)) -gt "$cpus" ]; then
        driftline_say "$2 nodes of $3 CPUs share the $cpus that there are"
    fi
    if [ -n "$disk" ] && [ "$disk" -lt "$5" ]; then
        driftline_say "$disk MiB of disk are free, and $5 are asked for; volumes may fill it up"
    fi
}
