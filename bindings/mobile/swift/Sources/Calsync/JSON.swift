import Foundation

/// A value of JSON: a row of a store, the key of a field, the values of a conflict. Numbers keep their digits.
public enum JSONValue: Hashable, Sendable, Codable {
    case null
    case bool(Bool)
    case int(Int64)
    /// Above what fits in an `Int64`.
    case uint(UInt64)
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let int = try? value.decode(Int64.self) {
            self = .int(int)
        } else if let uint = try? value.decode(UInt64.self) {
            self = .uint(uint)
        } else if let double = try? value.decode(Double.self) {
            self = .double(double)
        } else if let string = try? value.decode(String.self) {
            self = .string(string)
        } else if let array = try? value.decode([JSONValue].self) {
            self = .array(array)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .bool(let bool): try value.encode(bool)
        case .int(let int): try value.encode(int)
        case .uint(let uint): try value.encode(uint)
        case .double(let double): try value.encode(double)
        case .string(let string): try value.encode(string)
        case .array(let array): try value.encode(array)
        case .object(let object): try value.encode(object)
        }
    }

    /// The value of a key, where this is an object.
    public subscript(key: String) -> JSONValue? {
        if case .object(let object) = self { object[key] } else { nil }
    }

    /// The text, where this is one.
    public var text: String? {
        if case .string(let text) = self { text } else { nil }
    }
}

/// A row as it was written in a commit: kept whole, given back whole. ``rowText(_:)`` is its JSON, ``row(from:)`` reads that.
public typealias Row = [String: JSONValue]

/// The JSON of a row.
public func rowText(_ row: Row) throws -> String {
    String(decoding: try JSONEncoder().encode(row), as: UTF8.self)
}

/// A row from its JSON.
public func row(from text: String) throws -> Row {
    try JSONDecoder().decode(Row.self, from: Data(text.utf8))
}

/// The JSON of the native part: `snake_case`, what is `nil` left out. Keys of dictionaries stay as they are.
enum Border {
    static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        do {
            return String(decoding: try encoder.encode(value), as: UTF8.self)
        } catch {
            throw CalsyncError(code: .invalidInput, message: "a value cannot be written as JSON")
        }
    }

    static func read<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(text.utf8))
    }

    /// What the native part answered. Only one of another version answers something that cannot be read.
    static func answer<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
        do {
            return try read(type, text)
        } catch {
            throw CalsyncError(code: .`internal`, message: "the native library answered something else than expected")
        }
    }
}

/// One of many results as JSON.
struct Outcome<Value: Decodable>: Decodable {
    let ok: Value?
    let failure: FailureJSON?

    var result: Result<Value, CalsyncError> {
        if let ok { return .success(ok) }
        return .failure(failure?.error ?? CalsyncError(code: .`internal`, message: "a result is missing"))
    }
}
