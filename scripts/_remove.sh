# shellcheck shell=bash
# Sourced by cluster_down.sh: takes driftline away from a cluster that stays.
# shellcheck disable=SC2154 # _cluster.sh and _kfp.sh set what is read here

# driftline_forget_context NAME: the kubeconfig's entries of a profile that is gone. minikube removes
# them itself, unless it was interrupted; entries of that name which are not minikube's stay.
driftline_forget_context() {
    local provider
    command -v kubectl >/dev/null || return 0
    provider="$(kubectl config view -o go-template='
{{- range .contexts}}{{if eq .name "'"$1"'"}}{{range .context.extensions}}{{.extension.provider}}{{end}}{{end}}{{end}}' 2>/dev/null || true)"
    case "$provider" in
        *minikube*) ;;
        *) return 0 ;;
    esac
    kubectl config delete-context "$1" >&2 || true
    kubectl config delete-cluster "$1" >&2 || true
    kubectl config delete-user "$1" >&2 || true
    if [ "$(kubectl config current-context 2>/dev/null)" = "$1" ]; then
        kubectl config unset current-context >&2
    fi
}

# driftline's namespaces that are there, one a line; of one environment if it is given.
driftline_namespaces() {
    driftline_ask get namespaces -l app.kubernetes.io/part-of=driftline \
        -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}' | grep -x "driftline-${1:-.*}" || true
}

# driftline_remove ENVIRONMENT KFP: both may be empty.
driftline_remove() {
    local namespaces namespace kfp=
    namespaces="$(driftline_namespaces "$1")"
    if [ -n "$2" ] && driftline_exists namespace "$driftline_kfp_namespace"; then
        driftline_kfp_ours || driftline_fail "scripts/install_kfp.sh did not install the KFP in" \
            "$driftline_context; it stays. Without --kfp the rest is removed"
        kfp="and Kubeflow Pipelines with its runs, its data base and the store "
    fi
    if [ -z "$namespaces$kfp" ] && { [ -n "$1" ] || ! driftline_left; }; then
        driftline_say "there is nothing of driftline in $driftline_context"
        return
    fi
    driftline_confirm "remove ${namespaces//$'\n'/, } ${kfp}from $driftline_context at $(driftline_server)?"
    for namespace in $namespaces; do
        driftline_delete namespace "$namespace"
    done
    # What every environment shares goes with the last one.
    if [ -z "$(driftline_namespaces "")" ]; then
        driftline_delete -k "$driftline_root/manifests/cluster"
        driftline_delete secret driftline-store -n "$driftline_kfp_namespace"
    fi
    [ -z "$kfp" ] || driftline_remove_kfp
    driftline_say "$driftline_context is without driftline"
}

# driftline_delete ARGUMENTS: and wait until it is gone; what is gone already is fine.
driftline_delete() {
    driftline_kubectl delete --ignore-not-found --timeout=300s "$@" >&2 || driftline_fail \
        "kubectl delete $* did not end (above); run this again, and if it still hangs, look for" \
        "finalizers: kubectl --context $driftline_context get $* -o yaml"
}

# Whether what all environments share is still there.
driftline_left() {
    driftline_exists serviceaccount driftline-deployer -n "$driftline_kfp_namespace" ||
        driftline_exists secret driftline-store -n "$driftline_kfp_namespace"
}

driftline_remove_kfp() {
    local folder
    folder="$(mktemp -d)"
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$folder'" EXIT
    driftline_kfp_render cluster-scoped "$folder/cluster.yaml"
    driftline_kfp_render programs "$folder/programs.yaml"
    # The programs first: their controllers finish what the resource types' deletion waits for.
    driftline_delete -f "$folder/programs.yaml"
    driftline_delete -f "$folder/cluster.yaml"
}
