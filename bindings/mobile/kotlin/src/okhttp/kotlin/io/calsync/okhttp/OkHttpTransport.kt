package io.calsync.okhttp

import io.calsync.Addresses
import io.calsync.Header
import io.calsync.HttpRequest
import io.calsync.HttpResponse
import io.calsync.Transport
import io.calsync.TransportException
import io.calsync.TransportFault
import io.calsync.publicAddresses
import java.io.IOException
import java.io.InterruptedIOException
import java.net.InetAddress
import java.net.UnknownHostException
import java.util.concurrent.TimeUnit.MILLISECONDS
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlinx.coroutines.suspendCancellableCoroutine
import okhttp3.Authenticator
import okhttp3.Call
import okhttp3.Callback
import okhttp3.CookieJar
import okhttp3.Dns
import okhttp3.EventListener
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response

/**
 * HTTP of an application over OkHttp: with the certificates, the network security configuration and the proxies of the device.
 *
 * What [client] has is used: interceptors, pinned certificates, its connections, but neither its authenticator, which would show its
 * credentials to whoever asks for some, nor its listener of events. Redirects, cookies and second tries are turned off, as calsync does
 * what of that is right. Behind a proxy it is the proxy that looks names up, so that [Addresses.PUBLIC] holds for what a URL
 * says and not for what a name leads to.
 */
class OkHttpTransport(client: OkHttpClient = OkHttpClient()) : Transport {
    private val all = client.newBuilder()
        .followRedirects(false)
        .followSslRedirects(false)
        .retryOnConnectionFailure(false)
        .cookieJar(CookieJar.NO_COOKIES)
        .authenticator(Authenticator.NONE)
        .cache(null)
        // OkHttp sends again at once what is to be sent again after no time.
        .addNetworkInterceptor { chain ->
            val response = chain.proceed(chain.request())
            val isNow = response.code == 503 && response.header("Retry-After") == "0"
            if (isNow) response.newBuilder().removeHeader("Retry-After").build() else response
        }
        .build()

    override suspend fun send(request: HttpRequest): HttpResponse {
        val sent = Sent()
        val asked = request.forOkHttp()
        // With another look-up a client has other connections: one to a private address is not used for what must not go there.
        val names = if (request.addresses == Addresses.PUBLIC) PublicDns(asked.url.host, all.dns) else all.dns
        val client = all.newBuilder()
            .dns(names)
            .connectTimeout(request.connectMs, MILLISECONDS)
            .readTimeout(request.stallMs, MILLISECONDS)
            .writeTimeout(request.stallMs, MILLISECONDS)
            .callTimeout(request.totalMs, MILLISECONDS)
            .eventListener(sent)
            .build()
        val call = client.newCall(asked)
        return suspendCancellableCoroutine { waiting ->
            waiting.invokeOnCancellation { call.cancel() }
            call.enqueue(
                object : Callback {
                    override fun onFailure(call: Call, e: IOException) = waiting.resumeWithException(sent.failed(e))

                    override fun onResponse(call: Call, response: Response) {
                        val answer = runCatching { response.use { it.whole(request.bodyMax) } }
                        answer.fold(waiting::resume) { error ->
                            waiting.resumeWithException(if (error is IOException) sent.failed(error) else error)
                        }
                    }
                },
            )
        }
    }
}

private fun HttpRequest.forOkHttp(): Request {
    val builder = Request.Builder().url(url)
    for ((name, value) in headers) builder.addHeader(name, value)
    // The two that never have a body, and those OkHttp wants one of.
    val mayHaveNone = body.isEmpty() && method !in setOf("POST", "PUT", "PATCH", "PROPPATCH", "REPORT")
    return builder.method(method, if (mayHaveNone) null else body.toRequestBody()).build()
}

private fun Response.whole(max: Long): HttpResponse {
    val source = body!!.source()
    if (source.request(max + 1)) throw TransportException(TransportFault.TOO_LARGE)
    return HttpResponse(code, headers.map { (name, value) -> Header(name, value) }, source.readByteArray())
}

/** Knows whether anything of a request left. */
private class Sent : EventListener() {
    @Volatile
    private var isSent = false

    override fun requestHeadersStart(call: Call) {
        isSent = true
    }

    fun failed(error: IOException): TransportException = TransportException(
        when {
            error is BlockedException -> TransportFault.BLOCKED
            !isSent -> TransportFault.CONNECT
            error is InterruptedIOException -> TransportFault.TIMEOUT
            else -> TransportFault.INTERRUPTED
        },
        error,
    )
}

private class BlockedException : UnknownHostException("the name leads to a private or local network")

/**
 * Gives out only addresses of the public internet for [host]. They are the ones connected to. Another name is that of a proxy, which may be
 * at home. Equal ones share connections.
 */
private data class PublicDns(private val host: String, private val names: Dns) : Dns {
    override fun lookup(hostname: String): List<InetAddress> {
        val found = names.lookup(hostname)
        if (hostname != host) return found
        val allowed = publicAddresses(found.map { it.hostAddress.orEmpty() }).toSet()
        return found.filter { it.hostAddress in allowed }.ifEmpty { throw BlockedException() }
    }
}
