import Calsync
import Foundation

let usage = """
    garden COMMAND, with CALDAV_URL, CALDAV_USER and CALDAV_PASSWORD in the environment
      list
      add TITLE START END       in ISO 8601, such as 2026-05-04T18:00:00Z
      rename ID TITLE, delete ID
      sync, sync --approve PLAN, sync --refuse PLAN
      watch SECONDS
      conflicts, answer CONFLICT local, answer CONFLICT remote
      undo
    """

func say(_ lines: [String]) {
    lines.forEach { print($0) }
}

/// Carries out a command; `false` when there is no such one.
func run(_ words: [String], in garden: Garden) async throws -> Bool {
    let dates = words.dropFirst(2).compactMap { try? Date($0, strategy: .iso8601) }
    switch words.first {
    case "list" where words.count == 1:
        say(try await garden.jobs())
    case "add" where words.count == 4 && dates.count == 2:
        print(try await garden.add(words[1], from: dates[0], to: dates[1]))
    case "rename" where words.count == 3:
        try await garden.rename(words[1], to: words[2])
    case "delete" where words.count == 2:
        try await garden.delete(words[1])
    case "sync" where words.count == 1:
        say(try await garden.sync())
    case "sync" where words.count == 3 && words[1] == "--approve":
        say(try await garden.sync(SyncOptions(approve: words[2])))
    case "sync" where words.count == 3 && words[1] == "--refuse":
        say(try await garden.sync(SyncOptions(refuse: words[2])))
    case "watch" where words.count == 2:
        let seconds = UInt64(words[1]) ?? 300
        while true {
            // A run that fails is tried again with the next one.
            do {
                say(try await garden.sync())
            } catch let error as CalsyncError {
                print(error.message)
            }
            try await Task.sleep(nanoseconds: seconds * 1_000_000_000)
        }
    case "conflicts" where words.count == 1:
        say(try await garden.conflicts())
    case "answer" where words.count == 3:
        guard let take = Take(rawValue: words[2]) else { return false }
        say(try await garden.answer(words[1], take: take))
    case "undo" where words.count == 1:
        say(try await garden.undo())
    default:
        return false
    }
    return true
}

let settings = ProcessInfo.processInfo.environment
do {
    let garden = try await Garden(
        file: settings["GARDEN_FILE"] ?? "garden.db",
        url: settings["CALDAV_URL"] ?? "",
        username: settings["CALDAV_USER"] ?? "",
        password: settings["CALDAV_PASSWORD"] ?? ""
    )
    let known = try await run(Array(CommandLine.arguments.dropFirst()), in: garden)
    garden.close()
    if !known {
        print(usage)
        exit(2)
    }
} catch let error as CalsyncError {
    // The message holds no event text and no password.
    print(error.message)
    exit(1)
} catch let error as Refused {
    print(error.reason)
    exit(1)
}
