package io.calsync

import java.io.File
import java.util.concurrent.Callable
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test

/** Syncs and ends at once, after [arguments]`[2]` milliseconds while the run goes on, or when it is done. */
fun main(arguments: Array<String>) {
    val (url, store, hurry) = arguments
    val engine = if (store == "host") Engine(MapStore()) else Engine()
    val run = thread(isDaemon = true) {
        ended {
            engine.putCalendar(Calendar("family", "Family"))
            engine.connect("account", ProviderKind.CALDAV, url, USER, PASSWORD, trustAddress = true)
            val remote = engine.remoteCalendars("account").single().id
            engine.addLink("home", "family", "account", remote, direction = Direction.IMPORT)
            while (true) {
                engine.sync("home")
                if (hurry == "0") break
            }
        }
    }
    if (hurry == "0") run.join() else run.join(hurry.toLong())
}

/** Carries out calls, which may be told that the process ends; nothing else may go wrong. */
private fun ended(calls: suspend () -> Unit) {
    try {
        runBlocking { calls() }
    } catch (error: CalsyncException) {
        if (error.code != Code.CLOSED) throw error
    }
}

/** Short programs that sync and end at once: none crashes, none hangs. */
class ExitTest {
    @Test
    fun `programs end, also while a run goes on`() = Server().use { server ->
        val programs = (System.getenv("CALSYNC_PROGRAMS") ?: "8").toInt()
        val java = File(System.getProperty("java.home"), "bin/java").path
        val pool = Executors.newFixedThreadPool(2)
        val ended = (0 until programs).map { number ->
            pool.submit(Callable {
                val store = if (number % 2 == 0) "host" else "memory"
                val hurry = listOf("0", "300", "450", "600")[number / 2 % 4]
                val command = listOf(java, "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"), "io.calsync.ExitTestKt")
                val program = ProcessBuilder(command + listOf(server.url, store, hurry)).redirectErrorStream(true).start()
                val said = program.inputStream.bufferedReader().readText()
                assertTrue(program.waitFor(60, TimeUnit.SECONDS), "it hangs")
                program.exitValue() to said
            })
        }.map { it.get() }
        pool.shutdown()
        assertEquals(List(programs) { 0 to "" }, ended)
    }
}
