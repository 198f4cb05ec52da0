#!/usr/bin/env bash
# Makes CalsyncFFI.xcframework for devices, simulators and Macs. Needs Xcode and the targets below (`rustup target add`).
set -euo pipefail
cd "$(dirname "$0")/../../.."

library=libcalsync_mobile.a
target=${CARGO_TARGET_DIR:-target}
devices=(aarch64-apple-ios)
simulators=(aarch64-apple-ios-sim x86_64-apple-ios)
macs=(aarch64-apple-darwin x86_64-apple-darwin)
swift=bindings/mobile/swift

for triple in "${devices[@]}" "${simulators[@]}" "${macs[@]}"; do
    cargo rustc --profile mobile --package calsync-mobile --no-default-features --target "$triple" --crate-type staticlib
done

# One library per kind of system, for all its processors.
together() {
    local name=$1 inputs=() triple
    shift
    for triple in "$@"; do inputs+=("$target/$triple/mobile/$library"); done
    mkdir -p "$target/xcframework/$name"
    lipo -create -output "$target/xcframework/$name/$library" "${inputs[@]}"
}
together simulators "${simulators[@]}"
together macs "${macs[@]}"

headers=$target/xcframework/headers
rm -rf "$headers" "$swift/CalsyncFFI.xcframework"
mkdir -p "$headers/CalsyncFFI"
cp "$swift/Sources/CalsyncFFI/CalsyncFFI.h" "$swift/Sources/CalsyncFFI/module.modulemap" "$headers/CalsyncFFI/"

xcodebuild -create-xcframework \
    -library "$target/aarch64-apple-ios/mobile/$library" -headers "$headers" \
    -library "$target/xcframework/simulators/$library" -headers "$headers" \
    -library "$target/xcframework/macs/$library" -headers "$headers" \
    -output "$swift/CalsyncFFI.xcframework"
