# shellcheck shell=bash
# Sourced by _cluster.sh: the pods that are not ready, why, their last events, and the remedy.

# driftline_explain NAMESPACE: all of it on stderr.
driftline_explain() {
    local namespace="$1" reasons kind name reason message pod=
    driftline_remedied=
    if ! reasons="$(driftline_pod_reasons "$namespace" 2>&1)"; then
        driftline_say "the cluster does not answer: $(driftline_last "$reasons")"
        driftline_say "remedy: look whether it still runs: scripts/cluster_status.sh"
        return
    fi
    while IFS=$'\t' read -r kind name reason message; do
        case "$kind" in
            pod)
                driftline_explain_events "$namespace" "$pod"
                pod="$name"
                driftline_remedied=
                printf '\n  pod %s: %s %s\n' "$name" "$reason" "$message" >&2 ;;
            container)
                printf '    %s: %s %s\n' "$name" "$reason" "$message" >&2
                driftline_explain_log "$namespace" "$pod" "$name" "$reason" ;;
        esac
        driftline_remedy "$reason $message"
    done <<<"$reasons"
    driftline_explain_events "$namespace" "$pod"
    driftline_explain_unmade "$namespace"
    driftline_explain_nodes
}

# "pod<tab>NAME<tab>reason<tab>message" for a pod that is not ready, and its containers below it.
driftline_pod_reasons() {
    driftline_ask get pods -n "$1" -o "$(driftline_template pods)" | driftline_lines
}

# driftline_explain_events NAMESPACE POD: the last three; nothing for no pod.
driftline_explain_events() {
    local events
    [ -n "$2" ] || return 0
    events="$(driftline_ask get events -n "$1" --field-selector "involvedObject.name=$2" \
        --sort-by=.lastTimestamp -o "$(driftline_template events)" 2>/dev/null | driftline_lines | tail -n 3)" || return 0
    [ -n "$events" ] || return 0
    printf '%s\n' "$events" | sed 's/^/    event /' >&2
    driftline_remedy "$events"
}

# The last lines of a container that ends again and again. Between two starts kubelet knows them as
# the current container's, or as nobody's.
driftline_explain_log() {
    local which lines
    case "$4" in
        CrashLoopBackOff | ended:*) ;;
        *) return 0 ;;
    esac
    for which in true false; do
        lines="$(driftline_ask logs -n "$1" "$2" -c "$3" --previous="$which" --tail=5 2>/dev/null |
            grep -v '^unable to retrieve container logs')" || continue
        printf '%s\n' "$lines" | sed 's/^/      | /' >&2
        return
    done
}

# Pods that were never made: a quota, Pod Security or a missing account forbids them.
driftline_explain_unmade() {
    local said
    said="$(driftline_ask get deployments -n "$1" -o "$(driftline_template unmade)" 2>/dev/null | driftline_lines)" || return 0
    [ -n "$said" ] || return 0
    printf '\n' >&2
    driftline_remedied=
    printf '%s\n' "$said" | sed 's/^/  no pod for /' >&2
    driftline_remedy "$said"
}

# Nodes under pressure or not ready.
driftline_explain_nodes() {
    local said
    said="$(driftline_ask get nodes -o "$(driftline_template nodes)" 2>/dev/null | driftline_lines)" || return 0
    [ -n "$said" ] || return 0
    printf '\n' >&2
    driftline_remedied=
    printf '%s\n' "$said" | sed 's/^/  node /' >&2
    driftline_remedy "$said"
}

# driftline_remedy TEXT: what a user can do about what Kubernetes said; the first for each pod.
driftline_remedy() {
    if [ -z "$driftline_remedied" ]; then
        driftline_remedied="$(driftline_remedy_for "$1")"
        [ -z "$driftline_remedied" ] || printf '    remedy: %s\n' "$driftline_remedied" >&2
    fi
}

driftline_remedy_for() {
    case "$1" in
        *OOMKilled*)
            echo "it ran out of memory: raise its memory limit, or give the cluster more (--memory)" ;;
        *isk[Pp]ressure* | *disk-pressure* | *ephemeral-storage* | *"no space left"*)
            echo "the disk is full: free some (docker system prune), or start anew with --disk-size" ;;
        *emory[Pp]ressure* | *memory-pressure* | *"nsufficient memory"*)
            echo "memory is short: start anew with more (cluster_down.sh, then cluster_up.sh --memory)" ;;
        *"nsufficient cpu"*)
            echo "CPU is short: start anew with more (cluster_down.sh, then cluster_up.sh --cpus)" ;;
        *"nsufficient pods"* | *"Too many pods"*)
            echo "the nodes hold no more pods: add a node (--nodes)" ;;
        *PersistentVolumeClaim* | *persistentvolumeclaim*)
            echo "no volume for it: the cluster needs a default StorageClass (kubectl get storageclass)" ;;
        *toomanyrequests* | *"rate limit"*)
            echo "the registry limits its pulls: wait an hour, log in, or load images with --offline" ;;
        *[Pp]ull*"no such host"* | *[Pp]ull*"dial tcp"* | *[Pp]ull*"i/o timeout"* | *[Pp]ull*"TLS handshake"*)
            echo "the nodes do not reach the registry: mend the network or proxy, or use --offline DIR" ;;
        *ErrImageNeverPull* | *ImagePullBackOff* | *ErrImagePull* | *InvalidImageName* | *"Failed to pull"*)
            echo "the image cannot be pulled: is its name right, and is it public or loaded" \
                "(scripts/build_image.sh, scripts/load_images.sh)?" ;;
        *"exceeded quota"* | *"failed quota"*)
            echo "the namespace's quota is used up: raise it in manifests/, or remove what is not needed" ;;
        *"violates PodSecurity"*)
            echo "Pod Security forbids this pod: mend its securityContext" ;;
        *CreateContainerConfigError* | *"serviceaccount"*"not found"*)
            echo "what it refers to is missing: run scripts/apply_manifests.sh again" ;;
        *CrashLoopBackOff* | ended:*)
            echo "it ends again and again: its last lines above say why" ;;
        *FailedMount* | *FailedAttachVolume* | *FailedCreatePodSandBox*)
            echo "its node cannot set it up: the event says why" ;;
        *NotReady*)
            echo "a node is not ready: scripts/cluster_down.sh --stop, then scripts/cluster_up.sh" ;;
    esac
}
