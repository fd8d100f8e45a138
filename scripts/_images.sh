# shellcheck shell=bash
# shellcheck disable=SC2154 # _cluster.sh sets driftline_root
# Sourced by the scripts that build, save and load images, after _cluster.sh: what the project's
# image is called, which nodes hold an image, and the programs that build one outside a cluster.

driftline_builder=

# Fails unless the profile's cluster runs; `minikube image` would say nothing of it.
driftline_need_profile() {
    driftline_need_minikube
    # One word for each node, without a space between them; the first is the control plane's.
    case "$(minikube -p "$1" status --format '{{.APIServer}}' 2>/dev/null </dev/null || true)" in
        Running*) ;;
        *) driftline_fail "the minikube profile $1 does not run; scripts/cluster_up.sh starts it" ;;
    esac
}

# The profile's nodes, the one that builds first.
driftline_nodes() {
    minikube -p "$1" node list </dev/null | awk 'NF { print $1 }'
}

# The container runtime of the profile's nodes: docker, containerd or cri-o.
driftline_runtime() {
    minikube -p "$1" ssh -- sudo crictl version 2>/dev/null </dev/null |
        sed -n 's/^RuntimeName: *//p' | tr -d '\r'
}

# driftline_node_holds PROFILE NODE IMAGE: asked of the node's runtime, since `minikube image build`
# and `minikube image load` end with 0 also when they failed, and `image ls` merges the nodes.
driftline_node_holds() {
    # Not `crictl images NAME`: containerd lists all of them whatever name is asked for.
    minikube -p "$1" ssh -n "$2" -- sudo crictl inspecti -q "$3" 2>/dev/null </dev/null | grep -q '"id"'
}

# driftline_lacking PROFILE IMAGE: the nodes that do not hold the image, one a line.
driftline_lacking() {
    local nodes node
    nodes="$(driftline_nodes "$1")" || return 1
    for node in $nodes; do
        driftline_node_holds "$1" "$node" "$2" || echo "$node"
    done
}

# driftline_load_archive PROFILE FILE IMAGE: onto every node, unless all of them hold it.
driftline_load_archive() {
    local lacking
    [ -n "$(driftline_lacking "$1" "$3")" ] || return 0
    minikube -p "$1" image load "$2" >&2 </dev/null || true
    lacking="$(driftline_lacking "$1" "$3" | tr '\n' ' ')"
    [ -z "$lacking" ] ||
        driftline_fail "$3 did not get onto ${lacking% } of profile $1; is there room on the node" \
            "(minikube -p $1 ssh -- df -h /var), and is $2 whole? Run this again"
}

# driftline_archive_name FILE: the image's name in an archive; fails when it is none.
driftline_archive_name() {
    local name
    [ -f "$1" ] || driftline_fail "there is no file $1"
    name="$(tar -xOf "$1" manifest.json 2>/dev/null | sed -n 's/.*"RepoTags":\["\([^"]*\)".*/\1/p')" || true
    [ -n "$name" ] || driftline_fail "$1 is no archive of an image with a name; make it with" \
        "scripts/build_image.sh --save"
    printf '%s\n' "${name#docker.io/library/}"
}

# What the image is made of.
driftline_inputs=(components pipelines requirements.lock pyproject.toml README.md LICENSE .dockerignore
    scripts/_pins.sh manifests/image)

# Whether something of it differs from the commit.
driftline_dirty() {
    [ -n "$(git -C "$driftline_root" status --porcelain --untracked-files=all -- "${driftline_inputs[@]}")" ]
}

# The tag that tells what is in the image: `git describe`, and a digest of what was changed since,
# so that a name never stands for two images.
driftline_image_tag() {
    local tag changes
    driftline_need git
    tag="$(git -C "$driftline_root" describe --tags --always 2>/dev/null)" ||
        driftline_fail "$driftline_root is no git working copy with a commit, so its image has no" \
            "version; name one with --tag"
    if driftline_dirty; then
        changes="$(driftline_changes "${driftline_inputs[@]}" | git hash-object --stdin)"
        tag="$tag-dirty-${changes:0:8}"
    fi
    printf '%s' "$tag" | tr -c 'A-Za-z0-9_.-' - | sed 's/^[.-]*//' | cut -c 1-128
}

# Everything that differs from the commit, also files that git does not know yet.
driftline_changes() {
    local each
    git -C "$driftline_root" diff HEAD --binary -- "$@"
    git -C "$driftline_root" ls-files --others --exclude-standard -z -- "$@" |
        while IFS= read -r -d '' each; do
            printf '%s\n' "$each"
            cat "$driftline_root/$each"
        done
}

# The commit that the image names, as far as there is one.
driftline_image_commit() {
    local commit
    commit="$(git -C "$driftline_root" rev-parse HEAD 2>/dev/null)" || return 0
    if driftline_dirty; then
        commit="$commit-dirty"
    fi
    printf '%s\n' "$commit"
}

# Chooses docker, podman or buildah, the first that is there, unless one is named.
driftline_choose_builder() {
    local each
    for each in ${1:-docker podman buildah}; do
        if command -v "$each" >/dev/null 2>&1; then
            driftline_builder="$each"
            [ "$each" != docker ] || driftline_need_docker
            return
        fi
    done
    driftline_fail "building an image needs ${1:-docker, podman or buildah}, and it is not found;" \
        "install it, for docker from $(driftline_how_to_install docker)"
}

# podman and buildah would put "localhost/" before a name without a registry.
driftline_full_name() {
    case "${1%%/*}" in
        "$1") printf 'docker.io/library/%s\n' "$1" ;;
        *.* | *:* | localhost) printf '%s\n' "$1" ;;
        *) printf 'docker.io/%s\n' "$1" ;;
    esac
}

# driftline_save_archive IMAGE FILE: whole or not at all; with the builder that holds the image.
driftline_save_archive() {
    local part="$2.part"
    rm -f "$part"
    case "$driftline_builder" in
        buildah) buildah push --quiet "$1" "docker-archive:$part:$1" >&2 ;;
        *) "$driftline_builder" save --output "$part" "$1" >&2 ;;
    esac || { rm -f "$part" && driftline_fail "$1 could not be saved to $2; is there room?"; }
    mv "$part" "$2"
}

# All images of manifests/images.txt.
driftline_listed_images() {
    grep -v -e '^#' -e '^$' "$driftline_root/manifests/images.txt" | sort
}

# Those that run on the cluster: all but the one that the project's own is built on.
driftline_cluster_images() {
    driftline_listed_images | grep -v /python:
}

# The file of an image in a folder of archives.
driftline_archive_of() {
    printf '%s.tar\n' "$1" | tr '/:' '__'
}
