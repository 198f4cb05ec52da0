package io.calsync

import java.time.ZoneId
import java.time.ZonedDateTime

const val USER = "ada"
const val PASSWORD = "never shown"

/** A CalDAV server of the testkit with a calendar `Personal`: the program named by `CALSYNC_DAV_SERVER`. */
class Server : AutoCloseable {
    private val account = listOf("--user", USER, "--password", PASSWORD)

    private val running: Process =
        ProcessBuilder(listOf(System.getenv("CALSYNC_DAV_SERVER")) + account + listOf("--calendar", "personal=Personal"))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start()

    val url: String = running.inputStream.bufferedReader().readLine().trim()

    override fun close() {
        running.destroy()
    }
}

private val BERLIN: ZoneId = ZoneId.of("Europe/Berlin")

/** An hour in Berlin. */
fun meeting(uid: String, title: String): Event {
    val start = ZonedDateTime.of(2026, 3, 5, 9, 0, 0, 0, BERLIN)
    return Event(uid, EventBody(TimeSpan.of(start, start.plusHours(1)), title = title))
}

/** Joins the calendar `family` to `Personal`, as link `home`. */
suspend fun Engine.join(server: Server, conflicts: ConflictPolicy = ConflictPolicy.REMOTE_WINS): Engine {
    putCalendar(Calendar("family", "Family"))
    connect("account", ProviderKind.CALDAV, server.url, USER, PASSWORD, trustAddress = true)
    addLink("home", "family", "account", remoteCalendars("account").single().id, conflicts = conflicts)
    return this
}

suspend fun Engine.titles(): Map<String, String?> = events("family").associate { it.event.uid to it.event.title }
