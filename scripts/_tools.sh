# shellcheck shell=bash
# Sourced by _cluster.sh: the programs that a cluster needs, their versions, and where to get them.

# kubectl's `wait --for=create` and the kustomize that KFP's manifests need.
driftline_kubectl_least=1.31
# The first minikube whose node image runs Kubernetes 1.35 and later.
driftline_minikube_least=1.38

driftline_how_to_install() {
    case "$1" in
        docker) echo "https://docs.docker.com/engine/install/ (Linux), Docker Desktop or colima (macOS)" ;;
        minikube) echo "https://minikube.sigs.k8s.io/docs/start/ (macOS: brew install minikube)" ;;
        kubectl) echo "https://kubernetes.io/docs/tasks/tools/ (macOS: brew install kubectl)" ;;
        kustomize) echo "https://kubectl.docs.kubernetes.io/installation/kustomize/" ;;
        git) echo "your system's packages (apt-get install git, dnf install git, brew install git)" ;;
        *) echo "your system's packages" ;;
    esac
}

# driftline_need TOOL: fails, with the way to install it, when TOOL is not on the PATH.
driftline_need() {
    command -v "$1" >/dev/null 2>&1 ||
        driftline_fail "$1 is needed and not found; install it from $(driftline_how_to_install "$1")"
}

# driftline_older VERSION LEAST: whether VERSION (1.38.1) comes before LEAST (1.38).
driftline_older() {
    local major="${1%%.*}" minor="${1#*.}"
    minor="${minor%%[!0-9]*}"
    [ "$major" -lt "${2%%.*}" ] || { [ "$major" -eq "${2%%.*}" ] && [ "$minor" -lt "${2#*.}" ]; }
}

# driftline_need_version TOOL LEAST VERSION: VERSION as the tool tells it, perhaps with a "v".
driftline_need_version() {
    local version="${3#v}"
    if [[ ! "$version" =~ ^[0-9]+\.[0-9]+ ]]; then
        driftline_fail "$1 does not tell its version (it said '$3'); install $1 $2 or later from" \
            "$(driftline_how_to_install "$1")"
    fi
    if driftline_older "$version" "$2"; then
        driftline_fail "$1 is $version, and $2 or later is needed; update it from" \
            "$(driftline_how_to_install "$1")"
    fi
}

driftline_need_kubectl() {
    local version
    driftline_need kubectl
    version="$(kubectl version --client 2>/dev/null | sed -n 's/^Client Version: *//p')" || true
    driftline_need_version kubectl "$driftline_kubectl_least" "$version"
}

driftline_need_minikube() {
    driftline_need minikube
    driftline_need_version minikube "$driftline_minikube_least" "$(minikube version --short 2>/dev/null || true)"
}

# Fails with the remedy when docker's command is there and its daemon cannot be used.
driftline_need_docker() {
    local said
    driftline_need docker
    if said="$(docker info --format '{{.ServerVersion}}' 2>&1)"; then
        return
    fi
    case "$said" in
        *"permission denied"*)
            driftline_fail "docker may not be used by this user; add it to docker's group" \
                "(sudo usermod -aG docker $(id -un)), then log in again" ;;
        *)
            driftline_fail "docker's daemon does not answer ($(driftline_last "$said")); start it" \
                "(sudo systemctl start docker, or Docker Desktop)" ;;
    esac
}
