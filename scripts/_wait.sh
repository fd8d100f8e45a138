# shellcheck shell=bash
# shellcheck disable=SC2154 # _cluster.sh sets what is read here
# Sourced by _cluster.sh: waits for conditions with a limit. _explain.sh says what stood in the way.

# Only the tests change how often is asked.
driftline_poll="${CLUSTER_POLL_SECONDS:-3}"

# driftline_wait_for WHAT LIMIT COMMAND...: runs COMMAND until it succeeds and prints nothing, at
# the longest LIMIT seconds (0 asks once). What it prints is what is still missing, and what it
# says on stderr is why it could not tell; both are passed on as they change. 1 when LIMIT passed.
driftline_wait_for() {
    local what="$1" limit="$2" missing='' before='' deadline
    shift 2
    deadline=$((SECONDS + limit))
    while true; do
        if missing="$("$@" 2>&1)"; then
            [ -n "$missing" ] || return 0
        else
            missing="the cluster does not answer: $(driftline_last "$missing")"
        fi
        missing="$(driftline_shorten "$missing")"
        if [ "$missing" != "$before" ]; then
            driftline_say "waiting for $what: $missing"
            before="$missing"
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            driftline_say "$what: not there after $limit s: $missing"
            return 1
        fi
        sleep "$driftline_poll"
    done
}

# The first five lines on one, and how many more there are.
driftline_shorten() {
    printf '%s\n' "$1" | awk 'NR <= 5 { printf "%s%s", (NR > 1 ? ", " : ""), $0 }
        END { if (NR > 5) printf " and %d more", NR - 5 }'
}

# driftline_workloads KUBECTL ARGUMENTS: the Deployments, StatefulSets and DaemonSets, one a line as
# name, namespace, release, wanted, available, and "ready" when it runs its newest form in full.
driftline_workloads() {
    driftline_ask get deployments,statefulsets,daemonsets "$@" -o "$(driftline_template workloads)" | driftline_lines
}

# driftline_unready NAMESPACE [KUBECTL ARGUMENTS]: the names of those that are not ready, one a line.
driftline_unready() {
    local namespace="$1" found
    shift
    found="$(driftline_workloads -n "$namespace" "$@")" || return 1
    if [ -z "$found" ]; then
        echo "anything in $namespace"
    else
        awk -F '\t' '$6 != "ready" { print $1 }' <<<"$found"
    fi
}

# driftline_wait_ready NAMESPACE LIMIT [KUBECTL ARGUMENTS]: all of the namespace's programs run, or
# the script ends with the pods that do not, why, and what would mend it.
driftline_wait_ready() {
    local namespace="$1" limit="$2"
    shift 2
    if ! driftline_wait_for "the programs in $namespace" "$limit" driftline_unready "$namespace" "$@"; then
        driftline_explain "$namespace"
        driftline_fail "not everything in $namespace is ready after $limit s; mend what is said" \
            "above and run $0 again, or give it longer with --timeout SECONDS"
    fi
}

# Namespaces that are still being removed, by an interrupted cluster_down.sh for example, take in
# nothing new; what names none that is there is fine.
driftline_leaving() {
    driftline_ask get namespaces "$@" --ignore-not-found -o go-template='
{{- define "one"}}{{if .metadata.deletionTimestamp}}{{.metadata.name}} is still being removed{{"\n"}}{{end}}{{end}}
{{- if .items}}{{range .items}}{{template "one" .}}{{end}}{{else if .metadata}}{{template "one" .}}{{end}}' | driftline_lines
}

# driftline_wait_gone NAMESPACE...: until none of them is on its way out.
driftline_wait_gone() {
    driftline_wait_for "room for what is new" 300 driftline_leaving "$@" || driftline_fail \
        "something in it holds it back: look at its conditions with kubectl --context" \
        "$driftline_context get namespace $* -o yaml"
}
