# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is read by the scripts that source it
# Sourced by the scripts that install or remove Kubeflow Pipelines: its version and its manifests.

# KFP's version; the Python side is pinned to the same minor version in requirements.lock.
driftline_kfp_version=2.17.0
driftline_kfp_namespace=kubeflow
# What KFP's own tests run on.
driftline_kubernetes_version=v1.36.1
# What env/platform-agnostic puts on everything of its own.
driftline_kfp_selector=application-crd-id=kubeflow-pipelines

# Where install_kfp.sh finds the manifests: KFP's repository, a checkout, or rendered files.
driftline_kfp_source="github.com/kubeflow/pipelines"
driftline_kfp_offline=

# driftline_kfp_render cluster-scoped|programs FILE: all of KFP's objects of that kind, in FILE.
driftline_kfp_render() {
    local folder said name
    case "$1" in
        cluster-scoped) folder=cluster-scoped-resources name=kfp-cluster-scoped ;;
        programs) folder=env/platform-agnostic name=kfp ;;
    esac
    if [ -n "$driftline_kfp_offline" ]; then
        cp "$driftline_kfp_offline/manifests/$name.yaml" "$2"
        return
    fi
    folder="$driftline_kfp_source/manifests/kustomize/$folder"
    if [ ! -d "$driftline_kfp_source" ]; then
        driftline_need git # kustomize fetches with it
        folder="$folder?ref=$driftline_kfp_version"
    fi
    said="$(kubectl kustomize "$folder" 2>&1 >"$2")" ||
        driftline_fail "KFP's manifests could not be read from $folder ($(driftline_last "$said"));" \
            "is github.com reachable? Without internet: --offline DIR, made by scripts/save_images.sh"
}

# Refuses a folder that scripts/save_images.sh did not fill, before anything is done with it.
driftline_kfp_check_offline() {
    local name
    for name in kfp-cluster-scoped kfp; do
        [ -s "$1/manifests/$name.yaml" ] ||
            driftline_fail "$1/manifests/$name.yaml is not there; fill the folder with" \
                "scripts/save_images.sh on a machine with internet"
    done
}

# Refuses a folder that is no checkout of KFP at the version wanted.
driftline_kfp_check_checkout() {
    local version
    [ -d "$1/manifests/kustomize/env/platform-agnostic" ] ||
        driftline_fail "$1 is no checkout of github.com/kubeflow/pipelines"
    version="$(cat "$1/VERSION" 2>/dev/null || true)"
    [ "$version" = "$driftline_kfp_version" ] ||
        driftline_fail "$1 is KFP ${version:-of an unknown version}, and $driftline_kfp_version is" \
            "needed: git -C $1 checkout $driftline_kfp_version"
}

# The version of the KFP that runs, by its API server's image; empty for none.
driftline_kfp_running() {
    driftline_ask get deployment ml-pipeline -n "$driftline_kfp_namespace" \
        -o jsonpath='{.spec.template.spec.containers[0].image}' 2>/dev/null | sed -e 's/@.*//' -e 's/.*://' || true
}

# Whether install_kfp.sh installed the KFP that runs: it leaves this ConfigMap.
driftline_kfp_ours() {
    driftline_exists configmap driftline-kfp -n "$driftline_kfp_namespace"
}
