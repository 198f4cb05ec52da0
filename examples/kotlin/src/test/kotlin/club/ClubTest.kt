package club

import io.calsync.Batch
import io.calsync.Calendar
import io.calsync.Engine
import io.calsync.Expectation
import io.calsync.ProviderKind
import io.calsync.Store
import io.calsync.StoreException
import io.calsync.Write
import io.calsync.row
import io.calsync.testing.StoreConformance
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.OutputStream
import java.io.PrintStream
import java.nio.file.Path
import java.sql.Connection
import java.sql.DriverManager
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable
import org.junit.jupiter.api.io.TempDir

/** The store does what calsync asks of one. */
class ClubStoreTest : StoreConformance() {
    private lateinit var connection: Connection

    override suspend fun store(): Store {
        connection = ClubStore.connect(":memory:")
        return ClubStore(connection)
    }

    override suspend fun close(store: Store) = connection.close()
}

/** What the cases cannot show of the store, and a day of the club. */
class ClubTest {
    /** The first commit finds the database busy; those after it are whole transactions again, each undone by its own error. */
    @Test
    fun `a commit after a busy one is atomic`(@TempDir folder: Path): Unit = runBlocking {
        val file = folder.resolve("club.db")
        ClubStore.connect("$file").use { connection ->
            connection.createStatement().use { it.execute("PRAGMA busy_timeout = 1") }
            val store = ClubStore(connection)
            val put = Write.PutCalendar(row("""{"id": "club", "name": "Training"}"""))
            val good = Batch(null, emptyList(), listOf(put))
            DriverManager.getConnection("jdbc:sqlite:$file").use { other ->
                other.createStatement().use { it.execute("BEGIN IMMEDIATE") }
                assertFailsWith<StoreException.Unavailable> { store.commit(good) }
                other.createStatement().use { it.execute("ROLLBACK") }
            }

            val stale = Expectation.Event("club", "a", 7)
            val conflict = assertFailsWith<StoreException.Conflict> { store.commit(good.copy(expect = listOf(stale))) }
            assertEquals(0, conflict.expectation)
            // The second base of one event is refused when the calendar is written already.
            val twice = listOf("x", "y").map { Write.PutBase(row("""{"link": "home", "remote_id": "$it", "event_id": "a"}""")) }
            assertFailsWith<StoreException.InvalidInput> { store.commit(good.copy(writes = listOf(put) + twice)) }
            assertEquals(emptyList(), store.calendars())
            store.commit(good)
            assertEquals(listOf(put.row), store.calendars())
        }
    }

    /** A table that somebody else holds alone cannot be read: calsync hears that it may try again. */
    @Test
    fun `a read that finds the database busy may be tried again`(@TempDir folder: Path): Unit = runBlocking {
        val file = folder.resolve("club.db")
        ClubStore.connect("$file").use { connection ->
            // Without a write-ahead log, a writer that is at it keeps readers out.
            connection.createStatement().use { it.execute("PRAGMA journal_mode = DELETE") }
            connection.createStatement().use { it.execute("PRAGMA busy_timeout = 1") }
            DriverManager.getConnection("jdbc:sqlite:$file").use { other ->
                other.createStatement().use { it.execute("BEGIN EXCLUSIVE") }
                assertFailsWith<StoreException.Unavailable> { ClubStore(connection).calendars() }
            }
        }
    }

    /** The phone is another calsync on the same account; the server is the program of calsync's testkit. */
    @Test
    @EnabledIfEnvironmentVariable(named = "CALSYNC_DAV_SERVER", matches = ".+")
    fun `a day`(@TempDir folder: Path) = runBlocking {
        val arguments = listOf("--user", "ada", "--password", "never shown", "--calendar", "training=Training")
        val server = ProcessBuilder(listOf(System.getenv("CALSYNC_DAV_SERVER")) + arguments)
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        try {
            day(server.inputStream.bufferedReader().readLine().trim(), folder.resolve("club.db").toFile())
        } finally {
            server.destroy()
        }
    }

    /** What a command prints, in a process of its own as far as calsync can tell. */
    private suspend fun club(file: File, vararg words: String): List<String> {
        val said = ByteArrayOutputStream()
        Club(file.path, "never shown", PrintStream(said)).use { assertTrue(it.run(words.toList()), words.joinToString(" ")) }
        return said.toString().lines().dropLast(1)
    }

    private suspend fun day(url: String, file: File) = Engine().use { phone ->
        val ids = listOf("Judo", "Rowing", "Chess").associateWith { club(file, "add", it, "2026-05-04T18:00", "90").single() }
        assertEquals(listOf("joined to Training", "0 came in, 3 went out"), club(file, "connect", url, "ada"))
        phone.putCalendar(Calendar("phone", "Phone"))
        phone.connect("account", ProviderKind.CALDAV, url, "ada", "never shown", trustAddress = true)
        phone.addLink("phone", "phone", "account", phone.remoteCalendars("account").single().id)
        assertEquals(3, phone.sync("phone").counts.created)
        club(file, "coach", ids.getValue("Judo"), "Kim")

        phone.rename("Rowing", "Rowing, on the lake")
        assertEquals(listOf("1 came in, 0 went out"), club(file, "sync"))
        assertEquals("${ids["Rowing"]}  2026-05-04  Rowing, on the lake", club(file, "list", "2026-05-04").last())
        assertEquals(emptyList(), club(file, "list", "2026-05-05"))

        club(file, "rename", ids.getValue("Judo"), "Judo, juniors")
        phone.rename("Judo", "Judo, seniors")
        assertEquals(listOf("0 came in, 0 went out", "1 conflicts wait for an answer"), club(file, "sync"))
        val (conflict, fields) = club(file, "conflicts").single().split("  ")
        assertEquals("title: here \"Judo, juniors\", there \"Judo, seniors\"", fields)
        assertEquals(listOf("0 came in, 1 went out"), club(file, "answer", conflict, "local"))
        phone.sync("phone")
        assertTrue(phone.events("phone").any { it.event.title == "Judo, juniors" })
        assertTrue(club(file, "list").any { it.endsWith("Judo, juniors  Kim") })

        phone.events("phone").forEach { phone.deleteEvent("phone", it.id, it.revision) }
        phone.sync("phone", approve = phone.sync("phone").planId)
        val (_, held) = club(file, "sync")
        assertTrue(held.startsWith("3 deletions are held"), held)
        assertEquals(3, club(file, "list").size)
        assertEquals(listOf("3 came in, 0 went out"), club(file, "sync", "--approve", held.substringAfterLast(' ')))
        assertEquals(emptyList(), club(file, "list"))
        assertEquals(listOf("3 restored, 0 removed", "0 came in, 3 went out"), club(file, "undo"))
        assertEquals(3, phone.sync("phone").counts.created)
        watch(file)
    }

    /** Until it says something of its first run. */
    private suspend fun watch(file: File) = coroutineScope {
        val ran = CompletableDeferred<Unit>()
        val said = object : OutputStream() {
            override fun write(byte: Int) {
                ran.complete(Unit)
            }
        }
        Club(file.path, "never shown", PrintStream(said, true)).use { club ->
            val watching = launch { club.run(listOf("watch", "3600")) }
            ran.await()
            watching.cancelAndJoin()
        }
    }

    private suspend fun Engine.rename(title: String, next: String) {
        val stored = events("phone").single { it.event.title == title }
        updateEvent("phone", stored.id, stored.revision, stored.event.copy(master = stored.event.master?.copy(title = next)))
        sync("phone")
    }

    @Test
    fun `what it does not know it does not do`() = runBlocking {
        Club(":memory:", "", PrintStream(ByteArrayOutputStream())).use { assertFalse(it.run(listOf("dance"))) }
    }
}
