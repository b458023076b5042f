# shellcheck shell=bash
# Built artifacts, kept outside the repository and found again by version and recipe.

export DORA_CACHE=${DORA_CACHE:-/var/cache/dora}

# recipe_hash FILE|TEXT...: a short hash over the contents of files and over plain words.
recipe_hash() {
    local item
    for item in "$@"; do
        if [[ -f $item ]]; then cat "$item"; else printf '%s\n' "$item"; fi
    done | sha256sum | cut -c1-12
}
