package io.calsync

import io.calsync.okhttp.OkHttpTransport
import java.net.HttpURLConnection
import java.net.URI
import java.nio.file.Files
import java.nio.file.Path
import java.time.Instant
import java.util.Base64
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

/** Accounts connected by OAuth, at the authorization servers of the emulators. */
class OAuthTest {
    private fun key(first: Int): String = Base64.getEncoder().encodeToString(ByteArray(32) { (first + it).toByte() })

    private fun hosts(keys: MasterKeys? = MasterKeys("2026", mapOf("2026" to key(0)))) = Hosts(masterKeys = keys)

    /** The query a browser brings back that is sent to a URL. */
    private fun followed(url: String): String {
        val connection = URI(url).toURL().openConnection() as HttpURLConnection
        connection.instanceFollowRedirects = false
        val (back, query) = connection.getHeaderField("Location").split('?', limit = 2)
        assertEquals(302 to REDIRECT, connection.responseCode to back)
        return query
    }

    private suspend fun Engine.allowed(emulator: Emulator): String =
        followed(beginOauth("account", emulator.client(), SESSION, REDIRECT, loginHint = "ann@example.com"))

    private suspend fun Engine.signIn(emulator: Emulator): OAuthGrant = finishOauth(emulator.client(), SESSION, allowed(emulator))

    private suspend fun Engine.join(emulator: Emulator) {
        signIn(emulator)
        connect("account", emulator.account, emulator.client())
        putCalendar(Calendar("family", "Family"))
        addLink("home", "family", "account", remoteCalendars("account").single().id)
    }

    private suspend fun Engine.pushed(uid: String): Long {
        addEvent("family", meeting(uid, uid))
        return sync("home").counts.pushed
    }

    private suspend fun refused(call: suspend () -> Unit): Code {
        val error = assertFailsWith<CalsyncException> { call() }
        for (secret in listOf("code-", "access-", "refresh-", SESSION)) assertFalse(secret in error.message, error.message)
        return error.code
    }

    @ParameterizedTest
    @EnumSource(ProviderKind::class, names = ["GOOGLE", "MICROSOFT"])
    fun `an account is connected, and its tokens last`(kind: ProviderKind) = runBlocking<Unit> {
        val emulator = Emulator(kind)
        Engine(hosts = hosts()).use { engine ->
            emulator.tell("oauth grant=604800")
            val grant = engine.signIn(emulator)
            assertEquals(listOf("account", "ann@example.com"), listOf(grant.connection, grant.label))
            assertTrue(grant.subject != null && grant.missingScopes.isEmpty() && grant.ends!! > Instant.now())
            engine.join(emulator)
            assertEquals(1, engine.pushed("a"))
            // Refused before its time, and over before it is used.
            emulator.tell("do end-access-tokens")
            assertEquals(1, engine.pushed("b"))
            emulator.tell("oauth lifetime=0")
            engine.signIn(emulator)
            emulator.tell("oauth lifetime=3600")
            engine.connect("account", emulator.account, emulator.client())
            assertEquals(1, engine.pushed("c"))
            emulator.tell("do revoke-all")
            assertEquals(Code.UNAUTHORIZED, refused { engine.pushed("d") })
            engine.signIn(emulator)
            assertEquals(1, engine.sync("home").counts.pushed)
            assertEquals(kind == ProviderKind.GOOGLE, engine.disconnect("account"))
            assertEquals(Code.UNKNOWN_CONNECTION, refused { engine.sync("home") })
        }
        emulator.close()
    }

    @ParameterizedTest
    @EnumSource(ProviderKind::class, names = ["GOOGLE", "MICROSOFT"])
    fun `a store and a network of the host are asked`(kind: ProviderKind) = runBlocking<Unit> {
        val sent = mutableListOf<String>()
        val okHttp = OkHttpTransport()
        val counted = Transport { request -> okHttp.send(request).also { sent += request.url } }
        val emulator = Emulator(kind)
        val hosts = Hosts(transport = counted, masterKeys = MasterKeys("2026", mapOf("2026" to key(0))))
        Engine(MapStore(), hosts = hosts).use { engine ->
            engine.join(emulator)
            emulator.tell("do end-access-tokens")
            assertEquals(1, engine.pushed("a"))
        }
        assertEquals(2, sent.count { it.endsWith("/token") })
        emulator.close()
    }

    @Test
    fun `what comes back has to belong to what was begun`() = runBlocking<Unit> {
        val emulator = Emulator(ProviderKind.GOOGLE)
        Engine(hosts = hosts()).use { engine ->
            val client = emulator.client()
            val other = engine.allowed(emulator)
            assertEquals(Code.OAUTH_STATE, refused { engine.finishOauth(client, "another", other) })
            val query = engine.allowed(emulator)
            engine.finishOauth(client, SESSION, query)
            assertEquals(Code.OAUTH_STATE, refused { engine.finishOauth(client, SESSION, query) })
            emulator.tell("oauth person=bob@example.com")
            assertEquals(Code.WRONG_ACCOUNT, refused { engine.signIn(emulator) })
            emulator.tell("oauth consent=deny")
            assertEquals(Code.CONSENT_DENIED, refused { engine.signIn(emulator) })
            emulator.tell("oauth consent=allow")
            emulator.tell("""oauth outage=400:{"error":"invalid_grant","error_codes":[90094]}""")
            assertEquals(Code.NEEDS_ADMIN, refused { engine.signIn(emulator) })
            emulator.tell("oauth outage=503:busy")
            assertEquals(Code.UNAVAILABLE, refused { engine.signIn(emulator) })
        }
        emulator.close()
    }

    @Test
    fun `no token, key or secret is shown`(@TempDir folder: Path) = runBlocking<Unit> {
        assertFalse("never shown" in OAuthClient("google", "me", clientSecret = "never shown").toString())
        assertFalse(key(0) in hosts().masterKeys.toString())
        val path = folder.resolve("calendar.db").toString()
        val emulator = Emulator(ProviderKind.GOOGLE)
        Engine(path, hosts()).use { it.join(emulator) }
        val rows = Files.list(folder).use { files -> files.toList().joinToString("") { String(Files.readAllBytes(it), Charsets.ISO_8859_1) } }
        assertTrue("secrets" in rows)
        for (secret in listOf("access-", "refresh-", "access_token", key(0))) assertFalse(secret in rows, secret)
        suspend fun calendars(keys: MasterKeys?): Int = Engine(path, hosts(keys)).use { engine ->
            engine.connect("account", emulator.account, emulator.client())
            engine.remoteCalendars("account").size
        }
        assertEquals(Code.INVALID_INPUT, refused { calendars(MasterKeys("2027", mapOf("2027" to key(1)))) })
        assertEquals(1, calendars(MasterKeys("2027", mapOf("2026" to key(0), "2027" to key(1)))))
        assertEquals(Code.INVALID_INPUT, refused { calendars(null) })
        emulator.close()
    }

    private companion object {
        const val REDIRECT = "http://127.0.0.1:4711/back"
        const val SESSION = "never shown"
    }
}
