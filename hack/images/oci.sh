# shellcheck shell=bash
# Image archives in the OCI layout, made of plain tar files.

# oci_archive OUT NAME CONFIG LAYER...: CONFIG is the image's "config" object as JSON, a LAYER is an
# uncompressed tar file, the lowest first.
oci_archive() {
    local out=$1 name=$2 config=$3 work layer digest layers='[]'
    shift 3
    work=$(mktemp -d "$(dirname "$out")/.oci.XXXXXX")
    mkdir -p "$work/blobs/sha256"
    for layer in "$@"; do
        digest=$(sha256sum <"$layer" | cut -d' ' -f1)
        ln "$layer" "$work/blobs/sha256/$digest" 2>/dev/null || cp "$layer" "$work/blobs/sha256/$digest"
        layers=$(jq -c --arg digest "sha256:$digest" --argjson size "$(stat -c %s "$layer")" \
            '. + [{mediaType: "application/vnd.oci.image.layer.v1.tar", $digest, $size}]' <<<"$layers")
    done
    oci_config "$config" "$layers" >"$work/config"
    oci_manifest "$(put_blob "$work" "$work/config")" "$layers" >"$work/manifest"
    oci_index "$name" "$(put_blob "$work" "$work/manifest")" >"$work/index.json"
    echo '{"imageLayoutVersion": "1.0.0"}' >"$work/oci-layout"
    tar -C "$work" -cf "$out.next" oci-layout index.json blobs
    rm -rf "$work"
    mv "$out.next" "$out"
}

# An uncompressed layer's digest is also its diff_id.
oci_config() {
    jq -n --argjson config "$1" --argjson layers "$2" \
        '{architecture: "amd64", os: "linux", $config, rootfs: {type: "layers", diff_ids: [$layers[].digest]}}'
}

oci_manifest() {
    jq -n --argjson config "$1" --argjson layers "$2" '{
        schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: ($config + {mediaType: "application/vnd.oci.image.config.v1+json"}), $layers}'
}

oci_index() {
    jq -n --arg name "$1" --argjson manifest "$2" '{
        schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json",
        manifests: [$manifest + {
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            platform: {architecture: "amd64", os: "linux"},
            annotations: {"io.containerd.image.name": $name, "org.opencontainers.image.ref.name": ($name | split(":")[-1])}}]}'
}

# put_blob WORK FILE: moves FILE among the blobs; prints its digest and size as JSON.
put_blob() {
    local work=$1 file=$2 digest size
    digest=$(sha256sum <"$file" | cut -d' ' -f1)
    size=$(stat -c %s "$file")
    mv "$file" "$work/blobs/sha256/$digest"
    printf '{"digest": "sha256:%s", "size": %s}' "$digest" "$size"
}
