import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// HTTP of an application over `URLSession`: with the certificates, the transport security and the proxies of the device.
///
/// `URLSession` is not told where to connect. Where a request may only go to public addresses, its host is looked up before, and a name
/// that leads elsewhere is ``TransportFault/blocked``; on Apple's systems an answer that came from another address all the same is thrown
/// away. Behind a proxy it is the proxy that looks up. `URLSession` has no limit for a connection alone, so that
/// ``HttpRequest/connectMs`` is not held, and it may send a request that changes nothing once more by itself.
public final class URLSessionTransport: Transport {
    private let session: URLSession
    private let exchanges = Exchanges()

    /// Over a session of its own, with a copy of the configuration whose cookies, caches and stored credentials are turned off.
    public init(configuration: URLSessionConfiguration = .ephemeral) {
        let own = configuration.copy() as? URLSessionConfiguration ?? .ephemeral
        own.httpCookieAcceptPolicy = .never
        own.httpCookieStorage = nil
        own.httpShouldSetCookies = false
        own.requestCachePolicy = .reloadIgnoringLocalCacheData
        own.urlCache = nil
        own.urlCredentialStorage = nil
        own.waitsForConnectivity = false
        session = URLSession(configuration: own, delegate: exchanges, delegateQueue: nil)
    }

    deinit {
        session.finishTasksAndInvalidate()
    }

    public func send(request: HttpRequest) async throws -> HttpResponse {
        guard let url = readable(request.url) else { throw URLError(.badURL) }
        if request.addresses == .public, let host = url.host {
            let found = await Task.detached { addresses(of: host) }.value
            if try publicAddresses(found).count != found.count { throw TransportError(.blocked) }
        }
        var sent = URLRequest(url: url, timeoutInterval: Double(request.stallMs) / 1000)
        sent.httpMethod = request.method
        for header in request.headers { sent.addValue(header.value, forHTTPHeaderField: header.name) }
        if !request.body.isEmpty { sent.httpBody = request.body }
        let task = session.dataTask(with: sent)
        let exchange = Exchange(request)
        exchanges.begin(task, exchange)
        let limit = Task {
            try await Task.sleep(nanoseconds: UInt64(clamping: request.totalMs) * 1_000_000)
            exchange.end(.failure(TransportError(.timeout)))
            task.cancel()
        }
        defer { limit.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiting in
                exchange.wait(waiting)
                task.resume()
            }
        } onCancel: {
            task.cancel()
        }
    }
}

/// One request, until its answer is whole. It ends once, before or after somebody waits for it.
private final class Exchange: @unchecked Sendable {
    let request: HttpRequest
    private let lock = NSLock()
    private var waiting: CheckedContinuation<HttpResponse, any Error>?
    private var ended: Result<HttpResponse, any Error>?
    private var body = Data()
    private var sent: Bool?

    init(_ request: HttpRequest) {
        self.request = request
    }

    func wait(_ waiting: CheckedContinuation<HttpResponse, any Error>) {
        lock.lock()
        let ended = self.ended
        if ended == nil { self.waiting = waiting }
        lock.unlock()
        if let ended { waiting.resume(with: ended) }
    }

    func end(_ result: Result<HttpResponse, any Error>) {
        lock.lock()
        let waiting = self.waiting
        self.waiting = nil
        if ended == nil { ended = result }
        lock.unlock()
        waiting?.resume(with: result)
    }

    /// Whether the body is still as large as it may be.
    func append(_ data: Data) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        body.append(data)
        return body.count <= request.bodyMax
    }

    /// Whether anything left is known.
    func note(sent: Bool) {
        lock.lock()
        defer { lock.unlock() }
        self.sent = sent
    }

    func whole() -> Data {
        lock.lock()
        defer { lock.unlock() }
        return body
    }

    /// What is not known to have stayed here may have left: also an error of a connection may be that of a second one.
    func fault(of error: any Error) -> TransportFault {
        lock.lock()
        defer { lock.unlock() }
        if sent == false { return .connect }
        return (error as? URLError)?.code == .timedOut ? .timeout : .interrupted
    }
}

/// The exchanges of a session by their tasks.
private final class Exchanges: NSObject, URLSessionDataDelegate, @unchecked Sendable {
    private let lock = NSLock()
    private var open: [Int: Exchange] = [:]

    func begin(_ task: URLSessionTask, _ exchange: Exchange) {
        lock.lock()
        defer { lock.unlock() }
        open[task.taskIdentifier] = exchange
    }

    private func of(_ task: URLSessionTask) -> Exchange? {
        lock.lock()
        defer { lock.unlock() }
        return open[task.taskIdentifier]
    }

    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest,
        completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        guard let exchange = of(dataTask), !exchange.append(data) else { return }
        exchange.end(.failure(TransportError(.tooLarge)))
        dataTask.cancel()
    }

    #if canImport(Darwin)
    func urlSession(_ session: URLSession, task: URLSessionTask, didFinishCollecting metrics: URLSessionTaskMetrics) {
        guard let exchange = of(task) else { return }
        let sent = metrics.transactionMetrics.filter { $0.requestStartDate != nil }
        exchange.note(sent: !sent.isEmpty)
        guard exchange.request.addresses == .public else { return }
        let direct = sent.filter { !$0.isProxyConnection }
        let reached = direct.compactMap(\.remoteAddress)
        let isPublic = reached.count == direct.count && (try? publicAddresses(reached).count) == reached.count
        // It has left, whatever it was to do.
        if !isPublic { exchange.end(.failure(TransportError(.interrupted))) }
    }
    #endif

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        lock.lock()
        let ended = open.removeValue(forKey: task.taskIdentifier)
        lock.unlock()
        guard let ended else { return }
        if let error {
            ended.end(.failure(TransportError(ended.fault(of: error))))
        } else if let response = task.response as? HTTPURLResponse {
            let answer = HttpResponse(status: response.statusCode, headers: headers(of: response), body: ended.whole())
            ended.end(.success(answer))
        } else {
            ended.end(.failure(TransportError(.interrupted)))
        }
    }
}

/// Several lines of a header come as one, with commas between; those of cookies have commas of their own.
private func headers(of response: HTTPURLResponse) -> [Header] {
    response.allHeaderFields.flatMap { field -> [Header] in
        let (name, value) = ("\(field.key)", "\(field.value)")
        guard name.lowercased() == "set-cookie", let url = response.url else { return [Header(name: name, value: value)] }
        let cookies = HTTPCookie.cookies(withResponseHeaderFields: [name: value], for: url)
        return cookies.map { Header(name: name, value: "\($0.name)=\($0.value)") }
    }
}

/// A URL in which what RFC 3986 does not have is written in percents: iOS before 17 reads no other.
private func readable(_ text: String) -> URL? {
    if let url = URL(string: text) { return url }
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    let allowed = CharacterSet(charactersIn: letters + "-._~:/?#[]@!$&'()*+,;=%")
    return text.addingPercentEncoding(withAllowedCharacters: allowed).flatMap { URL(string: $0) }
}

/// Where a name leads, as text. None where it leads nowhere, which the session will find out as well.
private func addresses(of host: String) -> [String] {
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, nil, &found) == 0, let first = found else { return [] }
    defer { freeaddrinfo(first) }
    var texts: [String] = []
    var next: UnsafeMutablePointer<addrinfo>? = first
    while let one = next {
        var text = [CChar](repeating: 0, count: 1025)
        if getnameinfo(one.pointee.ai_addr, one.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
            texts.append(String(cString: text))
        }
        next = one.pointee.ai_next
    }
    return texts
}
