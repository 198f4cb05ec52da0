internal import CalsyncNative

/// Waits for a call that `start` begins. It is cancelled with the task that waits.
func waiting(_ host: StoreHost, _ start: () throws -> NativeCall) async throws -> String {
    do {
        let call = try start()
        return try await withTaskCancellationHandler {
            try await call.result()
        } onCancel: {
            call.cancel()
        }
    } catch let error as NativeError {
        try Task.checkCancellation()
        throw translated(error, thrown: host.thrown)
    }
}

/// Calls a function that needs no engine.
func pure<Value: Decodable>(_ method: String, _ args: some Encodable, _ type: Value.Type) throws -> Value {
    do {
        return try Border.answer(type, pureCall(method: method, args: try Border.text(args)))
    } catch let error as NativeError {
        throw translated(error, thrown: nil)
    }
}

func translated(_ error: NativeError, thrown: (any Error)?) -> CalsyncError {
    switch error {
    case .Failed(let code, let retryable, let retryAfterMs, let detail, let item):
        CalsyncError(
            code: Code(rawValue: code) ?? .`internal`,
            retryable: retryable,
            retryAfterMs: retryAfterMs,
            message: detail,
            item: item,
            cause: code.hasPrefix("host-") ? thrown : nil
        )
    }
}
