# shellcheck shell=bash
# Sourced by cluster_up.sh, cluster_down.sh and cluster_status.sh: minikube's profiles, and the note
# that says which of them cluster_up.sh made.

driftline_state="${XDG_STATE_HOME:-$HOME/.local/state}/driftline/profiles"

# driftline_profile_state NAME: absent, running, stopped, or broken (half made, or docker is away).
driftline_profile_state() {
    local said code=0
    said="$(minikube status --profile "$1" --format '{{.Host}} {{.APIServer}}' 2>/dev/null)" || code=$?
    case "$code/$said" in
        85/*) echo absent ;; # GUEST_NOT_FOUND; minikube says so only in its exit code
        */"Running Running"*) echo running ;;
        */Stopped*) echo stopped ;;
        *) echo broken ;;
    esac
}

# driftline_mark_profile NAME [IDENTITY]: this profile was made by cluster_up.sh. It is noted before
# it is started, so that one that was interrupted is known; its identity follows.
driftline_mark_profile() {
    mkdir -p "$driftline_state"
    printf '%s\n' "${2:-starting}" >"$driftline_state/$1.new"
    mv "$driftline_state/$1.new" "$driftline_state/$1"
}

driftline_unmark_profile() {
    rm -f "$driftline_state/$1"
}

# What makes this cluster this one: a profile that was deleted and made again by hand has another.
driftline_cluster_identity() {
    kubectl --context "$1" --request-timeout=20s get namespace kube-system \
        -o jsonpath='{.metadata.uid}' 2>/dev/null || true
}

# driftline_profile_ours NAME: whether cluster_up.sh made the profile that is there now.
driftline_profile_ours() {
    local noted found
    noted="$(cat "$driftline_state/$1" 2>/dev/null)" || return 1
    [ "$noted" != starting ] || return 0
    found="$(driftline_cluster_identity "$1")"
    [ -z "$found" ] || [ "$found" = "$noted" ] # one that is stopped cannot tell
}

# The profiles that are noted, one a line.
driftline_marked_profiles() {
    local path
    for path in "$driftline_state"/*; do
        case "$path" in
            *.new) ;;
            *) [ ! -f "$path" ] || basename "$path" ;;
        esac
    done
}

# driftline_choose_driver [NAME]: the driver asked for, or docker, or podman, or a machine's own.
driftline_choose_driver() {
    if [ "${1:-docker}" = docker ] && { [ -n "${1:-}" ] || command -v docker >/dev/null; }; then
        driftline_need_docker
        echo docker
        return
    fi
    if [ -n "${1:-}" ]; then
        echo "$1"
    elif command -v podman >/dev/null; then
        echo podman
    elif command -v virsh >/dev/null; then
        echo kvm2
    elif command -v vfkit >/dev/null; then
        echo vfkit
    elif command -v qemu-system-x86_64 >/dev/null || command -v qemu-system-aarch64 >/dev/null; then
        echo qemu2
    else
        driftline_fail "minikube needs docker, podman, or a virtual machine (kvm2, vfkit, qemu2);" \
            "install docker from $(driftline_how_to_install docker)"
    fi
}

# driftline_start_profile NAME ARGUMENTS: minikube's own output goes to stderr.
driftline_start_profile() {
    local name="$1" code=0
    shift
    minikube start --profile "$name" "$@" >&2 || code=$?
    [ "$code" -eq 0 ] ||
        driftline_fail "minikube could not start $name (exit code $code): $(driftline_start_remedy "$code" "$name")"
}

# driftline_start_remedy CODE NAME: by minikube's families of exit codes.
driftline_start_remedy() {
    case "$1" in
        23) echo "too little memory: give docker more, or ask for less with --memory" ;;
        26) echo "the disk is full: free some, for example with docker system prune" ;;
        29) echo "too few CPUs: give docker more, or ask for fewer with --cpus" ;;
        4?) echo "the internet is not reached: mend the network or proxy (HTTPS_PROXY), or see --offline" ;;
        57) echo "the docker driver wants a user other than root: run it as one who is in docker's group" ;;
        5? | 6?) echo "the driver does not work: is docker running? Another one: --driver" ;;
        8? | 9? | 10?) echo "the node did not come up: run this again; if that does not help," \
            "scripts/cluster_down.sh --profile $2, then this again" ;;
        2 | 130) echo "it was interrupted; the same command carries on" ;;
        *) echo "the lines above say why; details: minikube logs --profile $2" ;;
    esac
}

# Volumes on several nodes: minikube's own provisioner makes folders on the first node only, and a
# pod on another finds none. local-path makes them where the pod runs, here in a folder that lasts.
driftline_spread_volumes() {
    if driftline_exists storageclass standard; then
        minikube addons disable default-storageclass --profile "$1" >&2
    fi
    minikube addons enable storage-provisioner-rancher --profile "$1" >&2
    driftline_kubectl patch configmap local-path-config -n local-path-storage --type merge --patch \
        '{"data": {"config.json": "{\"nodePathMap\": [{\"node\": \"DEFAULT_PATH_FOR_NON_LISTED_NODES\", \"paths\": [\"/var/lib/minikube/local-path\"]}]}"}}' >&2
}
