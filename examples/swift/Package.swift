// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "Garden",
    platforms: [.macOS(.v12)],
    products: [.executable(name: "garden", targets: ["Garden"])],
    dependencies: [.package(name: "Calsync", path: "../../bindings/mobile/swift")],
    targets: [.executableTarget(name: "Garden", dependencies: ["Calsync"])]
)
