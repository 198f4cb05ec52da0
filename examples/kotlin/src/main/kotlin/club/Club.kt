package club

import io.calsync.Calendar
import io.calsync.CalsyncException
import io.calsync.ConflictPolicy
import io.calsync.Engine
import io.calsync.Event
import io.calsync.EventBody
import io.calsync.ProviderKind
import io.calsync.Report
import io.calsync.StoredEvent
import io.calsync.Take
import io.calsync.TimeSpan
import java.io.PrintStream
import java.time.LocalDateTime
import java.time.ZoneId
import java.util.UUID
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking

private const val CALENDAR = "club"
private const val ACCOUNT = "account"
private const val LINK = "home"
private const val USAGE = """club FILE COMMAND
  connect URL USER          joins the sessions to the first calendar that can be written; the password is in CALDAV_PASSWORD
  list [DAY]                the sessions, from the club's own table
  add TITLE START MINUTES   START is like 2026-05-04T18:00, in Berlin
  rename ID TITLE           and delete ID
  coach ID NAME             the club's own column
  sync                      sync --approve PLAN and sync --refuse PLAN answer deletions that are held
  watch SECONDS             syncs for ever, so often
  conflicts                 and answer CONFLICT local, answer CONFLICT remote
  undo                      takes back what the last run that did something did here"""

/** A club's training sessions on the command line: its own table, kept in step with a calendar. */
class Club(file: String, private val password: String, private val out: PrintStream) : AutoCloseable {
    private val connection = ClubStore.connect(file)
    private val engine = Engine(ClubStore(connection))
    private val zone = ZoneId.of("Europe/Berlin")

    init {
        val account = "CREATE TABLE IF NOT EXISTS account (url TEXT NOT NULL, username TEXT NOT NULL, remote TEXT NOT NULL)"
        connection.createStatement().use { it.executeUpdate(account) }
    }

    /** Carries out a command; `false` when there is no such one. */
    suspend fun run(words: List<String>): Boolean {
        val rest = words.drop(1)
        when {
            words.firstOrNull() == "connect" && rest.size == 2 -> connect(rest[0], rest[1])
            words.firstOrNull() == "list" && rest.size <= 1 -> list(rest.firstOrNull())
            words.firstOrNull() == "add" && rest.size == 3 -> add(rest[0], LocalDateTime.parse(rest[1]), rest[2].toLong())
            words.firstOrNull() == "rename" && rest.size == 2 -> rename(rest[0], rest[1])
            words.firstOrNull() == "delete" && rest.size == 1 -> stored(rest[0]).let { engine.deleteEvent(CALENDAR, it.id, it.revision) }
            words.firstOrNull() == "coach" && rest.size == 2 -> coach(rest[0], rest[1])
            words == listOf("sync") -> sync()
            words.firstOrNull() == "sync" && rest.size == 2 && rest[0] == "--approve" -> sync(approve = rest[1])
            words.firstOrNull() == "sync" && rest.size == 2 && rest[0] == "--refuse" -> sync(refuse = rest[1])
            words.firstOrNull() == "watch" && rest.size == 1 -> watch(rest[0].toInt())
            words == listOf("conflicts") -> conflicts()
            words.firstOrNull() == "answer" && rest.size == 2 -> answer(rest[0], Take.valueOf(rest[1].uppercase()))
            words == listOf("undo") -> undo()
            else -> return false
        }
        return true
    }

    private suspend fun connect(url: String, username: String) {
        open(url, username)
        val remote = engine.remoteCalendars(ACCOUNT).first { !it.readOnly }
        connection.createStatement().use { it.executeUpdate("DELETE FROM account") }
        connection.prepareStatement("INSERT INTO account VALUES (?, ?, ?)").use {
            listOf(url, username, remote.id).forEachIndexed { place, value -> it.setString(place + 1, value) }
            it.executeUpdate()
        }
        link(remote.id)
        out.println("joined to ${remote.name}")
        tell(engine.sync(LINK))
    }

    /** The account may be on this machine or network: whoever types the address owns the machine. */
    private suspend fun open(url: String, username: String) {
        engine.putCalendar(Calendar(CALENDAR, "Training"))
        engine.connect(ACCOUNT, ProviderKind.CALDAV, url, username, password, trustAddress = true)
    }

    /** Somebody answers conflicts, and is asked before more than two sessions go. */
    private suspend fun link(remote: String) =
        engine.addLink(LINK, CALENDAR, ACCOUNT, remote, conflicts = ConflictPolicy.MANUAL, guardCount = 2)

    /** calsync knows accounts as long as the process lives; the club knows them for longer, but not their passwords. */
    private suspend fun linked() {
        val account = connection.createStatement().use { statement ->
            statement.executeQuery("SELECT url, username, remote FROM account").use { found ->
                check(found.next()) { "connect comes first" }
                Triple(found.getString(1), found.getString(2), found.getString(3))
            }
        }
        open(account.first, account.second)
        link(account.third)
    }

    private fun list(day: String?) {
        val query = "SELECT id, day, title, coach FROM sessions WHERE calendar = ? AND deleted IS NULL AND (?2 IS NULL OR day = ?2) ORDER BY day, title"
        connection.prepareStatement(query).use { statement ->
            statement.setString(1, CALENDAR)
            statement.setString(2, day)
            statement.executeQuery().use { found ->
                while (found.next()) out.println((1..4).mapNotNull(found::getString).joinToString("  "))
            }
        }
    }

    private suspend fun add(title: String, start: LocalDateTime, minutes: Long) {
        engine.putCalendar(Calendar(CALENDAR, "Training"))
        val begins = start.atZone(zone)
        val body = EventBody(TimeSpan.of(begins, begins.plusMinutes(minutes)), title = title)
        out.println(engine.addEvent(CALENDAR, Event(UUID.randomUUID().toString(), body)))
    }

    private suspend fun stored(id: String): StoredEvent =
        engine.events(CALENDAR).firstOrNull { it.id == id } ?: error("there is no session $id")

    private suspend fun rename(id: String, title: String) {
        val stored = stored(id)
        val event = stored.event.copy(master = stored.event.master?.copy(title = title))
        engine.updateEvent(CALENDAR, id, stored.revision, event)
    }

    private fun coach(id: String, name: String) {
        connection.prepareStatement("UPDATE sessions SET coach = ? WHERE calendar = ? AND id = ?").use {
            listOf(name, CALENDAR, id).forEachIndexed { place, value -> it.setString(place + 1, value) }
            check(it.executeUpdate() == 1) { "there is no session $id" }
        }
    }

    private suspend fun sync(approve: String? = null, refuse: String? = null) {
        linked()
        tell(engine.sync(LINK, approve, refuse))
    }

    /** A run that fails is tried again with the next one. */
    private suspend fun watch(every: Int) {
        linked()
        while (true) {
            try {
                tell(engine.sync(LINK))
            } catch (error: CalsyncException) {
                out.println("${error.code}: ${error.message}")
            }
            delay(every.seconds)
        }
    }

    private fun tell(report: Report) {
        val counts = report.counts
        out.println("${counts.created + counts.updated + counts.deleted} came in, ${counts.pushed} went out")
        if (counts.conflicts > 0) out.println("${counts.conflicts} conflicts wait for an answer")
        if (report.held) out.println("${counts.held} deletions are held as plan ${report.planId}")
    }

    private suspend fun conflicts() {
        linked()
        for (conflict in engine.conflicts(LINK).filter { it.open }) {
            val fields = conflict.fields.joinToString { "${it.field.part}: here ${it.local}, there ${it.remote}" }
            out.println("${conflict.id}  $fields")
        }
    }

    private suspend fun answer(conflict: String, take: Take) {
        linked()
        engine.answerConflict(LINK, conflict, by = System.getProperty("user.name"), take = take)
        tell(engine.sync(LINK))
    }

    private suspend fun undo() {
        linked()
        val undone = engine.undoLast(LINK, 1).single()
        out.println("${undone.restored} restored, ${undone.removed} removed")
        tell(engine.sync(LINK))
    }

    override fun close() {
        engine.close()
        connection.close()
    }
}

fun main(arguments: Array<String>) {
    val words = arguments.drop(1)
    val known = try {
        arguments.isNotEmpty() && Club(arguments[0], System.getenv("CALDAV_PASSWORD").orEmpty(), System.out).use { club ->
            runBlocking { club.run(words) }
        }
    } catch (error: CalsyncException) {
        // The message holds no event text and no password.
        System.err.println("${error.code}: ${error.message}")
        exitProcess(1)
    } catch (error: IllegalStateException) {
        System.err.println(error.message)
        exitProcess(1)
    }
    if (!known) {
        System.err.println(USAGE)
        exitProcess(2)
    }
}
