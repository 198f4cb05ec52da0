package io.calsync

import java.util.Base64
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.add
import kotlinx.serialization.json.buildJsonArray
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonPrimitive

/**
 * Sends what goes to providers, over HTTP of yours: its proxies, its certificates, its connections. A library for phones has none of
 * its own; `io.calsync.okhttp.OkHttpTransport` is one.
 *
 * - Redirects are not followed, cookies not kept, nothing is tried again: calsync does what of that is right.
 * - `Content-Length` is sent with every body. The body of an answer is decompressed.
 * - The limits of a request hold, and so does [HttpRequest.addresses], for the address that is connected to.
 * - An answer of any status is an answer. Where there is none, [TransportException] says whether the server may have acted.
 *   Anything else that is thrown is a mistake in the transport, and ends the call with [Code.HOST_FAILED].
 */
fun interface Transport {
    /** Sends a request and reads the whole answer. It is cancelled with the call. */
    suspend fun send(request: HttpRequest): HttpResponse
}

/**
 * What is to be sent.
 *
 * @property method those of WebDAV (RFC 4918) and CalDAV (RFC 4791) are among them.
 * @property url absolute, `http` or `https`.
 * @property headers names and values; one may be there twice.
 * @property body empty for none.
 * @property addresses which addresses may be connected to.
 * @property bodyMax bytes of the answer's body at most, decompressed.
 * @property connectMs milliseconds until a connection stands.
 * @property stallMs milliseconds the server may be silent.
 * @property totalMs milliseconds from the beginning to the last byte.
 */
@Serializable
class HttpRequest(
    val method: String,
    val url: String,
    val headers: List<Header>,
    @Serializable(Base64Bytes::class) val body: ByteArray,
    val addresses: Addresses,
    val bodyMax: Long,
    val connectMs: Long,
    val stallMs: Long,
    val totalMs: Long,
)

/**
 * What came back.
 *
 * @property status whatever it is: 404 is an answer.
 * @property headers names and values; one may be there twice.
 * @property body whole and decompressed.
 */
@Serializable
class HttpResponse(val status: Int, val headers: List<Header>, @Serializable(Base64Bytes::class) val body: ByteArray)

/** A header of a request or an answer. */
@Serializable(HeaderPair::class)
data class Header(val name: String, val value: String) {
    /** Not the value: it may be a secret. */
    override fun toString(): String = name
}

/** Which addresses a request may go to. */
@Serializable
enum class Addresses {
    /** Those of the public internet: [publicAddresses] knows which they are. */
    @SerialName("public") PUBLIC,

    /** All: whoever runs the application has typed in the URL. */
    @SerialName("all") ALL,
}

/** Why there is no answer. */
@Serializable
enum class TransportFault {
    /** No connection: name, network or TLS. The request never left. */
    @SerialName("connect") CONNECT,

    /** A deadline passed. The server may have acted. */
    @SerialName("timeout") TIMEOUT,

    /** The connection broke. The server may have acted. */
    @SerialName("interrupted") INTERRUPTED,

    /** The body is larger than [HttpRequest.bodyMax]. The server may have acted. */
    @SerialName("too-large") TOO_LARGE,

    /** The address is none the request may go to. The request never left. */
    @SerialName("blocked") BLOCKED,
}

/** What a [Transport] throws when there is no answer. */
class TransportException(val fault: TransportFault, cause: Throwable? = null) : Exception("no answer: $fault", cause) {
    internal val kind: String get() = TransportFault.serializer().descriptor.getElementName(fault.ordinal)
}

internal object Base64Bytes : Shaped<ByteArray>(
    { JsonPrimitive(Base64.getEncoder().encodeToString(it)) },
    { Base64.getDecoder().decode(it.jsonPrimitive.content) },
)

internal object HeaderPair : Shaped<Header>(
    { header ->
        buildJsonArray {
            add(header.name)
            add(header.value)
        }
    },
    { json -> json.jsonArray.let { Header(it[0].jsonPrimitive.content, it[1].jsonPrimitive.content) } },
)
