#!/usr/bin/env bash
# Installs the Kubeflow platform with its central dashboard, stage by stage.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_kfp.sh
. "$driftline_root/scripts/_kfp.sh"

# github.com/kubeflow/manifests: the release, and the commit that it is, since a tag can be moved.
release=26.03
commit=d68ebc7fab366ab40ddd1541d2ec22febb31bc83
profile_namespace=kubeflow-user-example-com

help() {
    cat <<HELP
Usage: scripts/install_platform.sh [--context NAME] [--with pipelines,katib | --ui-only]
                                   [--timeout SECONDS] [--manifests DIR]
Installs the Kubeflow platform of release $release: cert-manager, Istio, oauth2-proxy with Dex, the
namespace kubeflow with its roles, profiles and the central dashboard. Twice is once. It takes a
cluster of its own: Kubeflow Pipelines standalone, which cluster_up.sh installs, lives in the same
namespace. What you name with --with raises its needs to some 8 CPUs and 16 GB.
  --context NAME     the kubeconfig's context of the cluster (default: $driftline_profile_default)
  --with LIST        also pipelines (multi-user, as the release has it: 2.16.0) and katib
  --ui-only          only what the dashboard needs: no cert-manager, no user's profile
  --timeout SECONDS  how long each stage may take to become ready (default: 900)
  --manifests DIR    a checkout of github.com/kubeflow/manifests at $release, instead of fetching it
Then scripts/open_ui.sh --platform opens it.
Example: scripts/install_platform.sh --context platform --with pipelines
HELP
}

context='' with='' ui_only='' limit=900 manifests=
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --context) driftline_value "$@" && context="$2" && shift ;;
        --with) driftline_value "$@" && with="$2" && shift ;;
        --ui-only) ui_only=yes ;;
        --timeout) driftline_count "$@" && limit="$2" && shift ;;
        --manifests) driftline_value "$@" && manifests="$2" && shift ;;
        *) driftline_usage "there is no option '$1'" ;;
    esac
    shift
done

check() {
    local each
    [ -z "$with" ] || [ -z "$ui_only" ] || driftline_usage "--ui-only is without --with: choose one"
    for each in ${with//,/ }; do
        case "$each" in
            pipelines | katib) ;;
            *) driftline_usage "--with takes pipelines and katib, not '$each'" ;;
        esac
    done
}

# Whether the list of --with names it.
wanted() {
    case ",$with," in *",$1,"*) ;; *) return 1 ;; esac
}

# The platform's namespace would send standalone KFP's pods through Istio and refuse some of them.
refuse_standalone() {
    if driftline_exists deployment ml-pipeline -n "$driftline_kfp_namespace" &&
        ! driftline_exists deployment kubeflow-pipelines-profile-controller -n "$driftline_kfp_namespace"; then
        driftline_fail "context $driftline_context has Kubeflow Pipelines standalone in the namespace" \
            "$driftline_kfp_namespace, which the platform claims for itself; give the platform a" \
            "cluster of its own: minikube start -p platform --cpus 8 --memory 16g, then --context platform"
    fi
}

# The release, fetched once, in the folder $manifests.
fetch() {
    local part
    if [ -n "$manifests" ]; then
        [ -d "$manifests/common/istio" ] ||
            driftline_fail "$manifests is no checkout of github.com/kubeflow/manifests"
        return
    fi
    driftline_need git # kustomize fetches Argo with it, too
    manifests="${XDG_CACHE_HOME:-$HOME/.cache}/driftline/kubeflow-manifests-$commit"
    [ ! -d "$manifests" ] || return 0
    driftline_say "fetching release $release of github.com/kubeflow/manifests ..."
    part="$manifests.part-$$" # two at once do not meet
    mkdir -p "$part"
    git -C "$part" init --quiet
    git -C "$part" fetch --quiet --depth 1 https://github.com/kubeflow/manifests "$commit" >&2 || {
        rm -rf "$part"
        driftline_fail "release $release could not be fetched; is github.com reachable? Without" \
            "internet, bring a checkout and name it with --manifests DIR"
    }
    git -C "$part" -c advice.detachedHead=false checkout --quiet FETCH_HEAD >&2
    [ -d "$manifests" ] || mv "$part" "$manifests"
    rm -rf "$part"
}

# Applies a kustomization once; what stood in its way is on stdout. Webhooks of an earlier stage may
# answer later than their pods are ready.
apply_once() {
    local said
    said="$(driftline_apply --force-conflicts -f "$scratch/objects.yaml" 2>&1)" && return
    printf '%s\n' "$said" | grep -i error | tail -n 1 || driftline_last "${said:-kubectl apply failed}"
}

# apply PATH...
apply() {
    local path said
    for path; do
        driftline_say "applying $path ..."
        said="$(kubectl kustomize "$manifests/$path" 2>&1 >"$scratch/objects.yaml")" ||
            driftline_fail "$path could not be built ($(driftline_last "$said")); is $manifests" \
                "whole, and is github.com reachable?"
        driftline_wait_for "$path" 120 apply_once ||
            driftline_fail "$path is refused by the cluster; what it said is above"
    done
}

established() {
    driftline_kubectl wait "crd/$1" --for condition=established --timeout=120s >&2 ||
        driftline_fail "the cluster did not take up $1 within 120 s; is its API server busy" \
            "(scripts/cluster_status.sh)? Run this again to go on"
}

profile_missing() {
    driftline_exists namespace "$profile_namespace" || echo "namespace $profile_namespace"
}

install_certificates() {
    driftline_step "cert-manager"
    apply common/cert-manager/base
    driftline_wait_ready cert-manager "$limit"
    apply common/cert-manager/overlays/kubeflow
}

install_mesh() {
    driftline_step "Istio"
    apply common/istio/istio-crds/base
    established authorizationpolicies.security.istio.io
    established gateways.networking.istio.io
    # The namespace first: Istio's own objects for it come with Istio.
    apply common/kubeflow-namespace/base common/istio/istio-namespace/base \
        common/istio/istio-install/overlays/oauth2-proxy
    driftline_wait_ready istio-system "$limit"
    driftline_wait_ready kube-system "$limit" -l k8s-app=istio-cni-node
}

install_login() {
    driftline_step "oauth2-proxy and Dex"
    apply common/oauth2-proxy/overlays/m2m-dex-only common/dex/overlays/oauth2-proxy
    driftline_wait_ready auth "$limit"
    driftline_wait_ready oauth2-proxy "$limit"
}

install_dashboard() {
    driftline_step "profiles and the central dashboard"
    apply common/kubeflow-roles/base common/istio/kubeflow-istio-resources/base \
        applications/profiles/pss applications/centraldashboard/overlays/oauth2-proxy
    established profiles.kubeflow.org
    driftline_wait_ready kubeflow "$limit"
}

install_pipelines() {
    driftline_step "Kubeflow Pipelines, multi-user"
    apply applications/pipeline/upstream/third-party/metacontroller/base
    established compositecontrollers.metacontroller.k8s.io
    apply applications/pipeline/overlays
    driftline_wait_ready kubeflow "$limit"
}

install_katib() {
    driftline_step "Katib"
    apply applications/katib/upstream/installs/katib-with-kubeflow
    driftline_wait_ready kubeflow "$limit"
}

install_profile() {
    driftline_step "the profile of user@example.com"
    apply common/user-namespace/base
    driftline_wait_for "the profile's namespace" "$limit" profile_missing || {
        driftline_explain kubeflow
        driftline_fail "the profile controller did not make $profile_namespace"
    }
}

check
driftline_choose_context "$context"
driftline_need_api
refuse_standalone
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
trap 'driftline_say "interrupted; run it again to go on"; exit 130' INT TERM
fetch
[ -n "$ui_only" ] || install_certificates
install_mesh
install_login
install_dashboard
if wanted pipelines; then install_pipelines; fi
if wanted katib; then install_katib; fi
[ -n "$ui_only" ] || install_profile
driftline_say "the platform runs in $driftline_context; open it: scripts/open_ui.sh --platform" \
    "--context $driftline_context"
driftline_say "log in as user@example.com with the password 12341234, the release's; change it" \
    "before others reach this cluster (common/dex/README.md in $manifests)"
