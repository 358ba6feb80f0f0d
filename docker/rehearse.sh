#!/bin/bash
# Builds the images without Docker and without a registry of images: every step of every Dockerfile runs, by buildah in
# a chroot, on bases that stand in for those that the Dockerfiles name. A stand-in is Debian 12 by debootstrap, and this
# machine's Rust, Go or Node laid in. What is not shown by it: that the named bases exist, and that Docker agrees.
#
#   docker/rehearse.sh FOLDER [node|geth|services|tools|training]...     default: all but training
#
# Needs root, buildah 1.28, debootstrap, and this machine's rustc, go and node. POFT_NODE_TARGET, a copy of an earlier
# build of the node, spares most of that build, and POFT_GO_CACHES=1, Go's caches of this machine, that of geth. Nothing outside FOLDER changes; images stay in FOLDER/storage.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath -m "$1")
shift
wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=(node geth services tools)
certificates=/etc/ssl/certs/ca-certificates.crt
mkdir -p "$folder"

cat >"$folder/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$folder/storage"
runroot = "$folder/run"
END
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$folder/policy.json"
export CONTAINERS_STORAGE_CONF=$folder/storage.conf BUILDAH_ISOLATION=chroot BUILDAH_FORMAT=docker
policy=(--signature-policy "$folder/policy.json")

base() { # The image that a Dockerfile names.
    grep -ho "^FROM $1:[^ ]*" docker/*/Dockerfile | sort -u | sed 's/^FROM //'
}

have() {
    buildah inspect --type image "$1" >/dev/null 2>&1
}

# A machine behind a proxy of its own trusts one more certificate, and so must the stand-ins.
debian() {
    local tag container
    tag=docker.io/library/$(base debian)
    ! have "$tag" || return 0
    [ -d "$folder/debian" ] || debootstrap --variant=minbase bookworm "$folder/debian" http://deb.debian.org/debian
    container=$(buildah from "${policy[@]}" scratch)
    buildah add --quiet "$container" "$folder/debian" /
    buildah copy --quiet "$container" "$certificates" /opt/certificates.crt
    for name in CARGO_HTTP_CAINFO CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS PIP_CERT SSL_CERT_FILE; do
        buildah config --env "$name=/opt/certificates.crt" "$container"
    done
    buildah commit "${policy[@]}" --quiet --rm "$container" "$tag"
}

# lay NAME COMMAND PATH [SOURCE TARGET]...: a base of this name, with folders of this machine and what COMMAND does.
lay() {
    local tag container command=$2 path=$3
    tag=docker.io/library/$(base "$1")
    shift 3
    ! have "$tag" || return 0
    container=$(buildah from "${policy[@]}" --pull-never "docker.io/library/$(base debian)")
    while [ $# -gt 0 ]; do
        buildah copy --quiet "$container" "$1" "$2" >/dev/null
        shift 2
    done
    buildah run "$container" -- sh -ec "$command" >/dev/null
    buildah config --env "PATH=$path:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$container"
    buildah commit "${policy[@]}" --quiet --rm "$container" "$tag"
}

build() { # NAME DOCKERFILE [ARGUMENTS...]
    local name=$1 file=$2 begin=$SECONDS
    shift 2
    buildah bud "${policy[@]}" --pull-never --layers --network host \
        --file "$file" --tag "poft/$name" "$@" . >"$folder/$name.log" 2>&1 || { tail -n 20 "$folder/$name.log"; return 1; }
    echo "poft/$name: every step ran, $((SECONDS - begin)) s; $folder/$name.log"
}

compiler="apt-get update -qq && apt-get install -yqq --no-install-recommends gcc libc6-dev"
debian
for image in "${wanted[@]}"; do
    case $image in
        node)
            lay rust "$compiler" /usr/local/rust/bin "$(rustc --print sysroot)" /usr/local/rust
            cache=()
            if [ -n "${POFT_NODE_TARGET:-}" ]; then
                registry=${CARGO_HOME:-$HOME/.cargo}/registry
                cache=(--volume "$POFT_NODE_TARGET:/target" --volume "$registry:$registry" --env "CARGO_HOME=${registry%/registry}")
            fi
            build node docker/node/Dockerfile "${cache[@]}"
            ;;
        geth)
            lay golang "$compiler" /usr/local/go/bin "$(go env GOROOT)" /usr/local/go
            cache=()
            if [ -n "${POFT_GO_CACHES:-}" ]; then
                modules=$(go env GOMODCACHE) builds=$(go env GOCACHE)
                cache=(--volume "$modules:/modules" --env GOMODCACHE=/modules --volume "$builds:/builds" --env GOCACHE=/builds)
            fi
            build geth docker/geth/Dockerfile "${cache[@]}"
            ;;
        services | tools | training)
            node=$(dirname "$(dirname "$(realpath "$(command -v node)")")")
            npm=$(dirname "$(dirname "$(realpath "$(command -v npm)")")")
            lay node "$compiler g++ make python3 && ln -s /usr/local/lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm" \
                /usr/local/bin "$node/bin/node" /usr/local/bin/node "$node/include/node" /usr/local/include/node \
                "$npm" /usr/local/lib/node_modules/npm
            build "$image" docker/poft/Dockerfile --target "$image"
            ;;
        *)
            echo "no image is called $image" >&2
            exit 2
            ;;
    esac
done
