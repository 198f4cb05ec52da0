import Foundation

/// An instant as RFC 3339 text in UTC, which loses no digit, such as `2026-03-01T08:00:00Z`.
public struct Instant: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    /// The text.
    public let text: String

    /// From text as the native part writes it.
    public init(text: String) {
        self.text = text
    }

    /// To the millisecond.
    public init(_ date: Date) {
        text = date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    public init(from decoder: any Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(text)
    }

    /// As Foundation has it; `nil` beyond the year 9999.
    public var date: Date? {
        let parts = text.dropLast().split(separator: ".", maxSplits: 1)
        guard let whole = parts.first, let date = try? Date(String(whole) + "Z", strategy: .iso8601) else { return nil }
        let fraction = parts.count == 2 ? Double("0." + parts[1]) : 0
        return date.addingTimeInterval(fraction ?? 0)
    }

    public var description: String { text }

    public static func < (left: Instant, right: Instant) -> Bool {
        left.sortable.lexicographicallyPrecedes(right.sortable)
    }

    /// The year with six digits, and the fraction with nine: text that sorts as time does.
    private var sortable: [UInt8] {
        let parts = text.dropLast().split(separator: ".", maxSplits: 1)
        let whole = parts.first.map(String.init) ?? ""
        let year = whole.drop(while: { $0 == "+" }).prefix(while: { $0.isNumber })
        let rest = whole.drop(while: { $0 == "+" }).dropFirst(year.count)
        let fraction = parts.count == 2 ? String(parts[1]) : ""
        let padded = String(repeating: "0", count: max(0, 6 - year.count)) + year
        return Array((padded + rest + "." + fraction.padding(toLength: 9, withPad: "0", startingAt: 0)).utf8)
    }
}

/// A calendar date, the same in every zone, such as `2026-05-01`.
public struct LocalDate: Hashable, Sendable, Codable, CustomStringConvertible {
    /// As it is written in ISO 8601.
    public let text: String

    /// From ISO 8601 text.
    public init(text: String) {
        self.text = text
    }

    /// A date of the Gregorian calendar.
    public init(year: Int, month: Int, day: Int) {
        text = "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))"
    }

    public init(from decoder: any Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(text)
    }

    public var description: String { text }
}

/// A wall-clock time, such as `2026-03-01T09:00:00`.
public struct LocalDateTime: Hashable, Sendable, Codable, CustomStringConvertible {
    /// As it is written in ISO 8601.
    public let text: String

    /// From ISO 8601 text.
    public init(text: String) {
        self.text = text
    }

    /// A time of the Gregorian calendar.
    public init(year: Int, month: Int, day: Int, hour: Int, minute: Int = 0, second: Int = 0) {
        let date = LocalDate(year: year, month: month, day: day)
        text = "\(date)T\(digits(hour, 2)):\(digits(minute, 2)):\(digits(second, 2))"
    }

    public init(from decoder: any Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(text)
    }

    public var description: String { text }
}

private func digits(_ number: Int, _ count: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, count - text.count)) + text
}

/// A zone of the IANA database, or one that only a file defines.
public enum Zone: Hashable, Sendable, Codable {
    /// A zone by its name, such as `Europe/Berlin`.
    case iana(String)
    /// The zone of a file, with its rules as they were read.
    case defined(JSONValue)

    /// A zone of Foundation.
    public init(_ zone: TimeZone) {
        self = .iana(zone.identifier)
    }

    public init(from decoder: any Decoder) throws {
        let value = try JSONValue(from: decoder)
        self = value.text.map(Zone.iana) ?? .defined(value)
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .iana(let name):
            var value = encoder.singleValueContainer()
            try value.encode(name)
        case .defined(let definition):
            try definition.encode(to: encoder)
        }
    }
}

/// A time of an event: one of the four forms of RFC 5545.
public enum EventTime: Hashable, Sendable, Codable {
    /// A whole day, the same in every zone.
    case date(LocalDate)
    /// A wall-clock time in whatever zone the reader is in.
    case floating(LocalDateTime)
    /// A wall-clock time in a zone; the fold says which one, when clocks go back and it happens twice.
    case zoned(LocalDateTime, Zone, Fold = .first)
    /// An instant.
    case utc(Instant)

    /// The wall-clock time of a date in a zone.
    public init(_ date: Date, in zone: TimeZone) {
        var calendar = Foundation.Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        let local = LocalDateTime(
            year: parts.year ?? 1970,
            month: parts.month ?? 1,
            day: parts.day ?? 1,
            hour: parts.hour ?? 0,
            minute: parts.minute ?? 0,
            second: parts.second ?? 0
        )
        // The calendar takes the first of two equal times; the parts are without fractions of a second.
        let first = calendar.date(from: parts) ?? date
        self = .zoned(local, Zone(zone), date.timeIntervalSince(first) > 60 ? .second : .first)
    }

    private enum Keys: String, CodingKey {
        case date, floating, zoned, utc
    }

    private struct Zoned: Codable {
        let local: LocalDateTime
        let zone: Zone
        let fold: Fold?
    }

    public init(from decoder: any Decoder) throws {
        let time = try decoder.container(keyedBy: Keys.self)
        if let date = try time.decodeIfPresent(LocalDate.self, forKey: .date) {
            self = .date(date)
        } else if let local = try time.decodeIfPresent(LocalDateTime.self, forKey: .floating) {
            self = .floating(local)
        } else if let zoned = try time.decodeIfPresent(Zoned.self, forKey: .zoned) {
            self = .zoned(zoned.local, zoned.zone, zoned.fold ?? .first)
        } else {
            self = .utc(try time.decode(Instant.self, forKey: .utc))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var time = encoder.container(keyedBy: Keys.self)
        switch self {
        case .date(let date): try time.encode(date, forKey: .date)
        case .floating(let local): try time.encode(local, forKey: .floating)
        case .zoned(let local, let zone, let fold):
            try time.encode(Zoned(local: local, zone: zone, fold: fold == .second ? fold : nil), forKey: .zoned)
        case .utc(let instant): try time.encode(instant, forKey: .utc)
        }
    }
}

/// From the start up to, not including, the end: for dates the day after the last day.
public struct TimeSpan: Hashable, Sendable, Codable {
    public var start: EventTime
    public var end: EventTime

    public init(start: EventTime, end: EventTime) {
        self.start = start
        self.end = end
    }

    /// The wall-clock times of two dates in a zone.
    public init(from start: Date, to end: Date, in zone: TimeZone) {
        self.init(start: EventTime(start, in: zone), end: EventTime(end, in: zone))
    }
}
