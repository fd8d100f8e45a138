# shellcheck shell=bash
# Sourced by the scripts that work on a cluster: messages, arguments, questions, and kubectl that
# always names its context, so that no script ever touches the user's current one by accident.

# shellcheck source=_env.sh
. "$(dirname "${BASH_SOURCE[0]}")/_env.sh"
# shellcheck source=_tools.sh
. "$driftline_root/scripts/_tools.sh"
# shellcheck source=_wait.sh
. "$driftline_root/scripts/_wait.sh"
# shellcheck source=_explain.sh
. "$driftline_root/scripts/_explain.sh"

driftline_profile_default=mlops
driftline_context=
driftline_yes=

driftline_say() {
    printf 'driftline: %s\n' "$*" >&2
}

driftline_step() {
    printf '\ndriftline: == %s\n' "$*" >&2
}

# Wrong usage ends with 2, as the command line's does.
driftline_usage() {
    printf 'driftline: %s; see %s --help\n' "$*" "$0" >&2
    exit 2
}

# driftline_value OPTION VALUE: refuses an option that came without its value.
driftline_value() {
    if [ $# -lt 2 ] || [ -z "$2" ] || [ "${2#--}" != "$2" ]; then
        driftline_usage "$1 needs a value"
    fi
}

# driftline_count OPTION VALUE: refuses what is no whole number above zero.
driftline_count() {
    driftline_value "$@"
    case "$2" in
        0* | *[!0-9]*) driftline_usage "$1 takes a whole number above zero, not '$2'" ;;
    esac
}

# driftline_seconds OPTION VALUE: refuses what is no number of seconds; 0 asks once.
driftline_seconds() {
    driftline_value "$@"
    case "$2" in
        *[!0-9]*) driftline_usage "$1 takes a number of seconds, not '$2'" ;;
    esac
}

# driftline_version OPTION VALUE: refuses what is no version of Kubernetes.
driftline_version() {
    driftline_value "$@"
    if [[ ! "$2" =~ ^v?[0-9]+\.[0-9]+(\.[0-9]+)?$ ]]; then
        driftline_usage "$1 takes a version like v1.36.1, not '$2'"
    fi
}

# driftline_name OPTION VALUE: refuses what Kubernetes takes for no name.
driftline_name() {
    driftline_value "$@"
    if [[ ! "$2" =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ ]]; then
        driftline_usage "$1 takes a name of small letters, digits and '-' (63 at most), not '$2'"
    fi
}

# driftline_environment_name OPTION VALUE: refuses what has no overlay in manifests/.
driftline_environment_name() {
    driftline_value "$@"
    case "$2" in
        development | staging | production) ;;
        *) driftline_usage "$1 takes development, staging or production, not '$2'" ;;
    esac
}

# driftline_image_name OPTION VALUE: refuses an image that tomorrow could be another one.
driftline_image_name() {
    driftline_value "$@"
    case "${2##*/}" in
        *:latest) driftline_usage "$1 takes a version, not 'latest', which tomorrow is another image" ;;
        *:?*) ;; # a tag, or a digest, which is better still
        *) driftline_usage "$1 takes an image with its tag, like registry.example/driftline:v1, not '$2'" ;;
    esac
}

# driftline_confirm QUESTION: goes on only with --yes or a person's "y".
driftline_confirm() {
    local answer=
    if [ -n "$driftline_yes" ]; then
        return
    fi
    if [ ! -t 0 ]; then
        driftline_say "there is no terminal to ask '$1' on; pass --yes to mean it. Nothing was changed"
        exit 2
    fi
    printf 'driftline: %s [y/N] ' "$1" >&2
    read -r answer || true
    case "$answer" in
        y | Y | yes | Yes | YES) ;;
        *) driftline_fail "nothing was changed" ;;
    esac
}

# kubectl for the chosen cluster; nothing else in these scripts may call kubectl on a cluster.
driftline_kubectl() {
    if [ -z "$driftline_context" ]; then
        driftline_fail "a script forgot to choose its cluster; this is a mistake of driftline"
    fi
    kubectl --context "$driftline_context" "$@"
}

# The same for a question that should be answered soon.
driftline_ask() {
    driftline_kubectl --request-timeout=20s "$@"
}

# driftline_choose_context [NAME]: the cluster to work on is NAME, or the profile that
# cluster_up.sh makes, but never what kubectl happens to point at.
driftline_choose_context() {
    local name="${1:-$driftline_profile_default}" known
    driftline_need_kubectl
    if ! kubectl config get-contexts "$name" -o name >/dev/null 2>&1; then
        known="$(kubectl config get-contexts -o name 2>/dev/null | tr '\n' ' ' || true)"
        driftline_fail "the kubeconfig has no context '$name' (it has: ${known:-none});" \
            "make a cluster with scripts/cluster_up.sh, or name one with --context"
    fi
    driftline_context="$name"
}

# The address of the chosen cluster's API server.
driftline_server() {
    kubectl config view --minify --context "$driftline_context" \
        -o jsonpath='{.clusters[0].cluster.server}' 2>/dev/null || true
}

# Fails with a sentence when the chosen cluster does not answer.
driftline_need_api() {
    local said
    if said="$(driftline_ask get --raw /version 2>&1 >/dev/null)"; then
        return
    fi
    case "$said" in
        *Unauthorized* | *"must be logged in"* | *"provide credentials"*)
            said="it does not accept these credentials; log in to it again" ;;
        *orbidden*)
            said="it forbids this user to ask for its version; use an account that may" ;;
        *certificate* | *x509*)
            said="its certificate is not the one in the kubeconfig; fetch the kubeconfig anew" ;;
        *)
            said="it does not answer ($(driftline_last "$said")); is it running? For minikube:"
            said="$said scripts/cluster_up.sh starts it again" ;;
    esac
    driftline_fail "context $driftline_context at $(driftline_server): $said"
}

# The last line of what a program said, where it says what went wrong, and not too much of it.
driftline_last() {
    printf '%.300s' "${1##*$'\n'}"
}

# driftline_apply ARGUMENTS: server-side, as the field manager that cluster_down.sh looks for.
# Server-side also because KFP's largest objects do not fit into kubectl's annotation.
driftline_apply() {
    driftline_kubectl apply --server-side --field-manager driftline "$@" >&2
}

# The output format of kubectl that fills in one of scripts/templates.
driftline_template() {
    printf 'go-template-file=%s/scripts/templates/%s.tmpl' "$driftline_root" "$1"
}

# Drops the empty lines that a template's end leaves.
driftline_lines() {
    sed '/^$/d'
}

driftline_exists() {
    driftline_ask get "$@" -o name >/dev/null 2>&1
}
