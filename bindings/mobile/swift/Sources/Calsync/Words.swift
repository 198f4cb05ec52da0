// The enums of calsync; their raw values are the words every language shares.

/// Where a UID came from.
public enum UidOrigin: String, Codable, Sendable, CaseIterable {
    case given
    case derived
}

/// Whether an event takes place.
public enum Status: String, Codable, Sendable, CaseIterable {
    case confirmed
    case tentative
    case cancelled
}

/// Whether an event takes up its owner's time.
public enum FreeBusyStatus: String, Codable, Sendable, CaseIterable {
    case busy
    case free
}

/// Who may see the details.
public enum Privacy: String, Codable, Sendable, CaseIterable {
    case `public` = "public"
    case `private` = "private"
    case secret
}

/// How far an override reaches.
public enum OverrideScope: String, Codable, Sendable, CaseIterable {
    case this
    case thisAndFuture = "this-and-future"
}

/// What a participant answered.
public enum ParticipationStatus: String, Codable, Sendable, CaseIterable {
    case needsAction = "needs-action"
    case accepted
    case declined
    case tentative
    case delegated
}

/// What a participant is for.
public enum Role: String, Codable, Sendable, CaseIterable {
    case required
    case optional
    case chair
    case informational
}

/// What an alarm does.
public enum AlarmAction: String, Codable, Sendable, CaseIterable {
    case display
    case audio
    case email
}

/// What a relative trigger counts from.
public enum RelativeTo: String, Codable, Sendable, CaseIterable {
    case start
    case end
}

/// How one event was made from another.
public enum Descent: String, Codable, Sendable, CaseIterable {
    case copy
    case following
}

/// Which of two equal wall-clock times is meant when clocks go back.
public enum Fold: String, Codable, Sendable, CaseIterable {
    case first
    case second
}

/// Which way a link carries changes.
public enum Direction: String, Codable, Sendable, CaseIterable {
    case twoWay = "two-way"
    case `import` = "import"
    case export
}

/// Who wins a field both sides changed.
public enum ConflictPolicy: String, Codable, Sendable, CaseIterable {
    case remoteWins = "remote-wins"
    case localWins = "local-wins"
    case newestWins = "newest-wins"
    case keepBoth = "keep-both"
    case manual
    case resolver
}

/// What becomes of an event that one side deleted and the other edited.
public enum DeletionPolicy: String, Codable, Sendable, CaseIterable {
    case byConflicts = "by-conflicts"
    case keepEdit = "keep-edit"
    case delete
    case remoteWins = "remote-wins"
    case localWins = "local-wins"
}

/// What becomes of a copy that somebody edits where it is, on a link that imports or exports.
public enum CopyEdits: String, Codable, Sendable, CaseIterable {
    case leave
    case restore
    case detach
}

/// Whether people may be written to the remote side, which on many servers mails them.
public enum PeoplePolicy: String, Codable, Sendable, CaseIterable {
    case withhold
    case write
}

/// Who won a contested field.
public enum Choice: String, Codable, Sendable, CaseIterable {
    case local
    case remote
    case both
    case `open` = "open"
}

/// What is done about a pair; `ask` comes from an engine only.
public enum Action: String, Codable, Sendable, CaseIterable {
    case none
    case createLocal = "create-local"
    case createRemote = "create-remote"
    case join
    case merge
    case deleteLocal = "delete-local"
    case deleteRemote = "delete-remote"
    case restoreLocal = "restore-local"
    case restoreRemote = "restore-remote"
    case forget
    case suppress
    case ask
}

/// What says that something was deleted. That it was not listed says so only when it was also asked for by name: `absent`.
/// `outsideWindow` and `madeAgain` are of copies, and do not count against the brake on deletions.
public enum Evidence: String, Codable, Sendable, CaseIterable {
    case reported
    case absent
    case notFound = "not-found"
    case deletedHere = "deleted-here"
    case leftOut = "left-out"
    case outsideWindow = "outside-window"
    case madeAgain = "made-again"
    case marked
}

/// What is known of a calendar; `stale`: what a look before the last one said.
public enum CalendarState: String, Codable, Sendable, CaseIterable {
    case current
    case stale
    case unknown
}

/// How firmly a time is taken.
public enum BusyKind: String, Codable, Sendable, CaseIterable {
    case tentative
    case unavailable
    case busy
}

/// Whether times that may be taken are.
public enum TentativePolicy: String, Codable, Sendable, CaseIterable {
    case busy
    case free
}

/// What becomes of time a calendar says nothing about.
public enum UncoveredPolicy: String, Codable, Sendable, CaseIterable {
    case withhold
    case offer
}

/// A day of the week.
public enum Weekday: String, Codable, Sendable, CaseIterable {
    case monday = "mo"
    case tuesday = "tu"
    case wednesday = "we"
    case thursday = "th"
    case friday = "fr"
    case saturday = "sa"
    case sunday = "su"
}

/// Whose value a person takes.
public enum Take: String, Codable, Sendable, CaseIterable {
    case local
    case remote
}

/// The limit an expansion ran into.
public enum LimitReached: String, Codable, Sendable, CaseIterable {
    case instances
    case steps
    case dates
}

/// What a write does to the item there.
public enum WriteKind: String, Codable, Sendable, CaseIterable {
    case create
    case update
    case delete
}

/// How far a write is.
public enum WriteState: String, Codable, Sendable, CaseIterable {
    /// A run sends it when its time has come.
    case pending
    /// It may have been applied: a run looks before it sends it again.
    case ambiguous
    /// It waits for a person, or for the event to change.
    case wedged
}

/// What an item is to an event: the event came from it, both are one event, or it is a copy.
public enum SourceRole: String, Codable, Sendable, CaseIterable {
    case origin
    case shared
    case copy
}

/// What kind of thing happened.
public enum HistoryKind: String, Codable, Sendable, CaseIterable {
    case run
    case change
    case conflict
}

/// How an event stands on a link.
public enum WayState: String, Codable, Sendable, CaseIterable {
    case inStep = "in-step"
    case waiting
    case stuck
    case leftAlone = "left-alone"
    case leftOut = "left-out"
    case outsideWindow = "outside-window"
    case notJoined = "not-joined"
}

/// What happened to an event.
public enum MomentKind: String, Codable, Sendable, CaseIterable {
    case seen
    case mapped
    case filtered
    case done
    case echoed
    case conflicted
    case settled
}

/// Which side was written, and how; `kept`: it was left as it is, on purpose.
public enum JournalOp: String, Codable, Sendable, CaseIterable {
    case localCreate = "local-create"
    case localUpdate = "local-update"
    case localDelete = "local-delete"
    case remoteCreate = "remote-create"
    case remoteUpdate = "remote-update"
    case remoteDelete = "remote-delete"
    case kept
}

/// What settled a conflict.
public enum SettledBy: String, Codable, Sendable, CaseIterable {
    case policy
    case resolver
    case person
    case edits
    case deletion
}

/// Why an item is no event here: the pipeline does not let it through, or it is set aside for another reason.
public enum SeenState: String, Codable, Sendable, CaseIterable {
    case leftOut = "left-out"
    case setAside = "set-aside"
}

/// For which reason an item is set aside.
public enum UnreadKind: String, Codable, Sendable, CaseIterable {
    case unreadable
    case notAnEvent = "not-an-event"
    case leftOut = "left-out"
    case ownFeed = "own-feed"
    case undecided
    case unfetched
}

/// What kind of provider a connection is to.
public enum ProviderKind: String, Codable, Sendable, CaseIterable {
    case caldav
    case cozi
    case google
    case ics
    case microsoft
}
