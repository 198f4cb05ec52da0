package io.calsync

import com.sun.net.httpserver.HttpServer
import io.calsync.okhttp.OkHttpTransport
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.Proxy
import java.net.ServerSocket
import java.util.concurrent.CountDownLatch
import java.util.zip.GZIPOutputStream
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import okhttp3.Authenticator
import okhttp3.Dns
import okhttp3.OkHttpClient
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

/** HTTP of the host: any, and that over OkHttp. */
class TransportTest {
    private fun request(url: String, method: String = "GET", body: String = "", addresses: Addresses = Addresses.ALL) = HttpRequest(
        method, url, listOf(Header("X-Twice", "one"), Header("X-Twice", "two")), body.toByteArray(), addresses, 1000, 5000, 5000, 10_000,
    )

    private fun over(transport: Transport) = Engine(hosts = Hosts(transport = transport))

    @ParameterizedTest
    @EnumSource(ProviderKind::class)
    fun `every provider is reached over it`(kind: ProviderKind) = runBlocking<Unit> {
        val sent = mutableListOf<String>()
        val okHttp = OkHttpTransport()
        val counted = Transport { request -> okHttp.send(request).also { sent += request.method } }
        Emulator(kind).use { emulator ->
            over(counted).use { engine ->
                engine.putCalendar(Calendar("family", "Family"))
                engine.connect("account", emulator.account)
                val direction = if (kind == ProviderKind.ICS) Direction.IMPORT else Direction.TWO_WAY
                engine.addLink("home", "family", "account", engine.remoteCalendars("account").single().id, direction = direction)
                engine.addEvent("family", meeting("a@example.com", "Breakfast"))
                val pushed = engine.sync("home").counts.pushed
                if (kind != ProviderKind.ICS) {
                    assertEquals(1, pushed)
                    assertTrue("Breakfast" in emulator.items().values.single())
                }
            }
        }
        assertTrue(sent.isNotEmpty())
        if (kind == ProviderKind.CALDAV) assertTrue(setOf("PROPFIND", "REPORT", "PUT").all { it in sent }, "$sent")
    }

    @Test
    fun `what a transport says and does`() = runBlocking<Unit> {
        val table = listOf(
            { throw TransportException(TransportFault.CONNECT) } to Code.UNAVAILABLE,
            { throw TransportException(TransportFault.TIMEOUT) } to Code.UNAVAILABLE,
            { throw TransportException(TransportFault.INTERRUPTED) } to Code.UNAVAILABLE,
            { throw TransportException(TransportFault.TOO_LARGE) } to Code.TOO_LARGE,
            { throw TransportException(TransportFault.BLOCKED) } to Code.BLOCKED,
            { throw IllegalStateException("a secret") } to Code.HOST_FAILED,
            { HttpResponse(7, emptyList(), ByteArray(0)) } to Code.HOST_TYPE,
            { HttpResponse(401, emptyList(), ByteArray(0)) } to Code.UNAUTHORIZED,
        )
        for ((answer, code) in table) {
            over { answer() }.use { engine ->
                engine.connect("account", ProviderKind.CALDAV, "https://dav.example.com/", "ann", "secret")
                val error = assertFailsWith<CalsyncException> { engine.remoteCalendars("account") }
                assertEquals(code, error.code)
                if (code.name.startsWith("HOST")) assertEquals("transport.send", error.item)
                assertTrue("a secret" !in error.message.orEmpty())
            }
        }
    }

    @Test
    fun `a request is cancelled with its call`() = runBlocking<Unit> {
        val asked = CompletableDeferred<Unit>()
        val ended = CompletableDeferred<Unit>()
        val engine = over {
            asked.complete(Unit)
            try {
                awaitCancellation()
            } finally {
                ended.complete(Unit)
            }
        }
        engine.connect("account", ProviderKind.CALDAV, "https://dav.example.com/", "ann", "secret")
        val call = launch { engine.remoteCalendars("account") }
        asked.await()
        call.cancelAndJoin()
        ended.await()
        engine.close()
    }

    @Test
    fun `OkHttp sends what it is given and follows nothing`() = runBlocking<Unit> {
        val server = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0)
        val seen = mutableListOf<String>()
        server.createContext("/") { exchange ->
            val headers = exchange.requestHeaders
            seen += "${exchange.requestMethod} ${headers["X-Twice"]} ${headers["Content-length"]} ${String(exchange.requestBody.readAllBytes())}"
            exchange.responseHeaders.add("Location", "/elsewhere")
            exchange.responseHeaders.add("Set-Cookie", "a=b")
            exchange.responseHeaders.add("Content-Encoding", "gzip")
            val text = if (exchange.requestURI.path == "/large") "x".repeat(1001) else "moved"
            exchange.sendResponseHeaders(302, 0)
            GZIPOutputStream(exchange.responseBody).use { it.write(text.toByteArray()) }
        }
        server.start()
        try {
            val home = "http://127.0.0.1:${server.address.port}"
            val transport = OkHttpTransport()
            for ((method, body) in listOf("PROPFIND" to "<a/>", "REPORT" to "", "DELETE" to "", "GET" to "")) {
                val answer = transport.send(request("$home/", method, body))
                assertEquals(302, answer.status)
                assertContentEquals("moved".toByteArray(), answer.body)
                assertEquals("/elsewhere", answer.headers.single { it.name.equals("location", ignoreCase = true) }.value)
            }
            val twice = "[one, two]"
            val expected = listOf("PROPFIND $twice [4] <a/>", "REPORT $twice [0] ", "DELETE $twice null ", "GET $twice null ")
            assertEquals(expected, seen)
            val large = assertFailsWith<TransportException> { transport.send(request("$home/large")) }
            assertEquals(TransportFault.TOO_LARGE, large.fault)
        } finally {
            server.stop(0)
        }
    }

    @Test
    fun `OkHttp gives away nothing of the application's, and sends nothing twice`() = runBlocking<Unit> {
        val server = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0)
        val seen = mutableListOf<String>()
        server.createContext("/") { exchange ->
            seen += "${exchange.requestURI} ${exchange.requestHeaders["Authorization"]}"
            exchange.responseHeaders.add("WWW-Authenticate", "Bearer")
            exchange.responseHeaders.add("Retry-After", "0")
            exchange.sendResponseHeaders(if (exchange.requestURI.path == "/busy") 503 else 401, -1)
            exchange.close()
        }
        server.start()
        try {
            val own = Authenticator { _, response -> response.request.newBuilder().header("Authorization", "Bearer app").build() }
            val transport = OkHttpTransport(OkHttpClient.Builder().authenticator(own).build())
            val home = "http://127.0.0.1:${server.address.port}"
            assertEquals(listOf(401, 503), listOf("$home/", "$home/busy").map { transport.send(request(it)).status })
            assertEquals(listOf("/ null", "/busy null"), seen)
        } finally {
            server.stop(0)
        }
    }

    @Test
    fun `OkHttp goes through a proxy at home`() = runBlocking<Unit> {
        val server = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0)
        server.createContext("/") { exchange ->
            exchange.sendResponseHeaders(204, -1)
            exchange.close()
        }
        server.start()
        try {
            val home = Dns { listOf(InetAddress.getLoopbackAddress()) }
            val proxy = Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved("proxy.example.com", server.address.port))
            val transport = OkHttpTransport(OkHttpClient.Builder().dns(home).proxy(proxy).build())
            val answer = transport.send(request("http://feeds.example.com/a.ics", addresses = Addresses.PUBLIC))
            assertEquals(204, answer.status)
        } finally {
            server.stop(0)
        }
    }

    @Test
    fun `OkHttp says whether anything left`() = runBlocking<Unit> {
        val free = ServerSocket(0, 1, InetAddress.getLoopbackAddress()).use { it.localPort }
        val refused = assertFailsWith<TransportException> { OkHttpTransport().send(request("http://127.0.0.1:$free/")) }
        assertEquals(TransportFault.CONNECT, refused.fault)
        ServerSocket(0, 1, InetAddress.getLoopbackAddress()).use { server ->
            val over = CountDownLatch(1)
            val thread = Thread {
                server.accept().use { it.getInputStream().read() }
                server.accept().use { over.await() }
            }
            thread.start()
            val home = "http://127.0.0.1:${server.localPort}/"
            val broken = assertFailsWith<TransportException> { OkHttpTransport().send(request(home)) }
            assertEquals(TransportFault.INTERRUPTED, broken.fault)
            val short = HttpRequest("GET", home, emptyList(), ByteArray(0), Addresses.ALL, 1000, 5000, 100, 100)
            val late = assertFailsWith<TransportException> { OkHttpTransport().send(short) }
            assertEquals(TransportFault.TIMEOUT, late.fault)
            over.countDown()
            thread.join()
        }
    }

    @Test
    fun `OkHttp goes where it may`() = runBlocking<Unit> {
        val home = Dns { listOf(InetAddress.getByName("10.0.0.1"), InetAddress.getByName("::1")) }
        val transport = OkHttpTransport(OkHttpClient.Builder().dns(home).build())
        val blocked = assertFailsWith<TransportException> {
            transport.send(request("http://rebound.example.com/", addresses = Addresses.PUBLIC))
        }
        assertEquals(TransportFault.BLOCKED, blocked.fault)
        assertEquals(listOf("8.8.8.8"), publicAddresses(listOf("8.8.8.8", "10.0.0.1", "::1", "example.com")))
        assertIs<Throwable>(blocked.cause)
        assertNull(blocked.cause?.cause)
    }
}
