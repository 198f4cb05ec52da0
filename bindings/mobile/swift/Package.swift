// swift-tools-version: 6.0
// The package `Calsync`: `Calsync` is what an application imports, `CalsyncNative` is generated, `CalsyncFFI` is the library.

import PackageDescription

#if os(Linux)
// For tests: built by cargo, found with `swift build -Xlinker -L<folder> -Xlinker -lcalsync_mobile`.
let library = Target.systemLibrary(name: "CalsyncFFI", path: "Sources/CalsyncFFI")
#else
// Made by xcframework.sh.
let library = Target.binaryTarget(name: "CalsyncFFI", path: "CalsyncFFI.xcframework")
#endif

let package = Package(
    name: "Calsync",
    platforms: [.iOS(.v15), .macOS(.v12), .tvOS(.v15), .watchOS(.v8)],
    products: [.library(name: "Calsync", targets: ["Calsync"])],
    targets: [
        library,
        .target(name: "CalsyncNative", dependencies: ["CalsyncFFI"], swiftSettings: [.swiftLanguageMode(.v5)]),
        .target(name: "Calsync", dependencies: ["CalsyncNative"]),
    ]
)
