internal import CalsyncNative

/// The names of the cases every store must pass.
public let storeCaseNames: [String] = storeCases()

/// Runs a case on a fresh and empty store: for the tests of your own store. Throws ``CalsyncError`` with ``Code/checkFailed`` when it
/// does not do what the case expects; `item` names the case. Each method of the store has `storePatienceMs` milliseconds: one that takes
/// longer fails the case.
public func checkStore(_ name: String, _ store: any Store, storePatienceMs: Int = 60_000) async throws {
    let host = StoreHost(store)
    let opening = try Hosts(storePatienceMs: storePatienceMs).opening(.string("host"), together: inOneCall(store))
    _ = try await waiting(host) { try CalsyncNative.checkStore(case: name, opening: opening, host: host) }
}

/// Runs all cases, each on a store of its own, whose methods have `storePatienceMs` milliseconds each.
public func checkStore(storePatienceMs: Int = 60_000, _ make: () async throws -> any Store) async throws {
    for name in storeCaseNames { try await checkStore(name, try await make(), storePatienceMs: storePatienceMs) }
}
