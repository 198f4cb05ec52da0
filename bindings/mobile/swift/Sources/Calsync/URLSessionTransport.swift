import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// HTTP of an application over `URLSession`: with the certificates, the transport security and the proxies of the device.
///
/// `URLSession` looks names up itself. Where a request may only go to public addresses, an answer that came from another one is
/// thrown away; behind a proxy it is the proxy that looks up.
public final class URLSessionTransport: Transport {
    private let session: URLSession
    private let exchanges = Exchanges()

    /// Over a session of its own. Cookies, caches and stored credentials of the configuration are turned off.
    public init(configuration: URLSessionConfiguration = .ephemeral) {
        configuration.httpCookieAcceptPolicy = .never
        configuration.httpCookieStorage = nil
        configuration.httpShouldSetCookies = false
        configuration.requestCachePolicy = .reloadIgnoringLocalCacheData
        configuration.urlCache = nil
        configuration.urlCredentialStorage = nil
        session = URLSession(configuration: configuration, delegate: exchanges, delegateQueue: nil)
    }

    deinit {
        session.finishTasksAndInvalidate()
    }

    public func send(request: HttpRequest) async throws -> HttpResponse {
        guard let url = URL(string: request.url) else { throw TransportError(.connect) }
        var sent = URLRequest(url: url, timeoutInterval: Double(request.stallMs) / 1000)
        sent.httpMethod = request.method
        for header in request.headers { sent.addValue(header.value, forHTTPHeaderField: header.name) }
        if !request.body.isEmpty { sent.httpBody = request.body }
        let task = session.dataTask(with: sent)
        let limit = Task {
            try await Task.sleep(nanoseconds: UInt64(clamping: request.totalMs) * 1_000_000)
            exchanges.fail(task, with: .timeout)
        }
        defer { limit.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiting in
                exchanges.begin(task, request, waiting)
                task.resume()
            }
        } onCancel: {
            task.cancel()
        }
    }
}

/// What comes in for each task, until it is whole.
private final class Exchanges: NSObject, URLSessionDataDelegate, @unchecked Sendable {
    private struct Exchange {
        let request: HttpRequest
        let waiting: CheckedContinuation<HttpResponse, any Error>
        var body = Data()
        var fault: TransportFault?
    }

    private let lock = NSLock()
    private var open: [Int: Exchange] = [:]

    func begin(_ task: URLSessionTask, _ request: HttpRequest, _ waiting: CheckedContinuation<HttpResponse, any Error>) {
        lock.lock()
        defer { lock.unlock() }
        open[task.taskIdentifier] = Exchange(request: request, waiting: waiting)
    }

    /// Ends a task for a reason of ours.
    func fail(_ task: URLSessionTask, with fault: TransportFault) {
        lock.lock()
        open[task.taskIdentifier]?.fault = fault
        lock.unlock()
        task.cancel()
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
        lock.lock()
        open[dataTask.taskIdentifier]?.body.append(data)
        let isTooLarge = open[dataTask.taskIdentifier].map { $0.body.count > $0.request.bodyMax } ?? false
        lock.unlock()
        if isTooLarge { fail(dataTask, with: .tooLarge) }
    }

    #if canImport(Darwin)
    func urlSession(_ session: URLSession, task: URLSessionTask, didFinishCollecting metrics: URLSessionTaskMetrics) {
        lock.lock()
        let addresses = open[task.taskIdentifier]?.request.addresses
        lock.unlock()
        guard addresses == .public else { return }
        let direct = metrics.transactionMetrics.filter { !$0.isProxyConnection }
        let reached = direct.compactMap(\.remoteAddress)
        if (try? publicAddresses(reached).count) != reached.count { fail(task, with: .blocked) }
    }
    #endif

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        lock.lock()
        let ended = open.removeValue(forKey: task.taskIdentifier)
        lock.unlock()
        guard let ended else { return }
        if let fault = ended.fault {
            ended.waiting.resume(throwing: TransportError(fault))
        } else if let error {
            ended.waiting.resume(throwing: TransportError(fault(of: error)))
        } else if let response = task.response as? HTTPURLResponse {
            let headers = response.allHeaderFields.map { Header(name: "\($0.key)", value: "\($0.value)") }
            let answer = HttpResponse(status: response.statusCode, headers: headers, body: ended.body)
            ended.waiting.resume(returning: answer)
        } else {
            ended.waiting.resume(throwing: TransportError(.interrupted))
        }
    }
}

/// Before a connection stands nothing leaves; after that nobody knows.
private func fault(of error: any Error) -> TransportFault {
    switch (error as? URLError)?.code {
    case .timedOut: .timeout
    case .appTransportSecurityRequiresSecureConnection, .badURL, .cannotConnectToHost, .cannotFindHost, .clientCertificateRejected,
        .clientCertificateRequired, .dataNotAllowed, .dnsLookupFailed, .internationalRoamingOff, .notConnectedToInternet,
        .secureConnectionFailed, .serverCertificateHasBadDate, .serverCertificateHasUnknownRoot, .serverCertificateNotYetValid,
        .serverCertificateUntrusted, .unsupportedURL:
        .connect
    default: .interrupted
    }
}
