package io.calsync

import io.calsync.testing.StoreConformance
import java.lang.reflect.InvocationTargetException
import java.lang.reflect.Proxy
import java.time.Instant
import java.util.Collections
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Test

/** A store written in Kotlin does what ours are checked for. */
class MapStoreTest : StoreConformance() {
    override suspend fun store() = MapStore()
}

/** One whose class counts what is open: each store is ended before the next one is made. */
class ClosedStoreTest : StoreConformance() {
    private val open = mutableListOf<Store>()

    override suspend fun store(): Store {
        assertEquals(emptyList(), open)
        return MapStore().also { open += it }
    }

    override suspend fun close(store: Store) = assertTrue(open.remove(store))

    @AfterEach
    fun ended() = assertEquals(emptyList(), open)
}

/** One that answers in one call, too. */
class OneCallStoreTest : StoreConformance() {
    override suspend fun store() = OneCallStore()
}

/** What is asked of a store, and what the cases find. */
class StoreTest {
    @Test
    fun `what is answered in one call is compared with the reads`() = runBlocking {
        val forgets = object : OneCallStore() {
            override suspend fun waiting(link: String, after: String?, limit: Int) =
                super.waiting(link, after, limit).copy(bases = emptyList())
        }
        val error = assertFailsWith<CalsyncException> { checkStore("waiting_answers_what_the_reads_answer", forgets) }
        assertEquals(Code.CHECK_FAILED, error.code)
    }

    @Test
    fun `what a run asks`() = Server().use { server ->
        runBlocking {
            val single = listOf("acquireLease", "link", "eventsSince", "records", "outbox")
            val ways = listOf(
                Triple(MapStore(), single, listOf("bases", "events")),
                Triple(OneCallStore(), listOf("openLink"), listOf("pairs")),
            )
            for ((store, begin, pairs) in ways) {
                val calls = Collections.synchronizedList(mutableListOf<String>())
                val engine = Engine(noted(store, calls)).join(server)
                val elsewhere = Engine().join(server)
                suspend fun edit(where: Engine, title: String, count: Int) {
                    for ((id, revision, event) in where.events("family").take(count)) {
                        where.updateEvent("family", id, revision, meeting(event.uid, title))
                    }
                }
                suspend fun asked(): List<String> {
                    calls.clear()
                    engine.sync("home")
                    return calls.toList()
                }
                if (elsewhere.sync("home").counts.created == 0L) {
                    repeat(200) { elsewhere.addEvent("family", meeting("e$it", "Event $it")) }
                    elsewhere.sync("home")
                }
                repeat(2) { engine.sync("home") }
                assertEquals(begin + "commit", asked(), "nothing to do")

                edit(elsewhere, "there ${begin.size}", 10)
                elsewhere.sync("home")
                assertEquals(begin + pairs + listOf("commit", "commit"), asked(), "ten there")
                asked()

                edit(engine, "here ${begin.size}", 10)
                assertEquals(begin + listOf("bases", "commit", "commit", "commit"), asked(), "ten here")
                elsewhere.sync("home")

                edit(elsewhere, "all there ${begin.size}", 200)
                elsewhere.sync("home")
                val there = asked()
                edit(engine, "all here ${begin.size}", 200)
                val here = asked()
                if (store is StoreInOneCall) assertTrue(there.size <= 8 && here.size <= 8, "$there $here")
            }
        }
    }

    /** A store that notes what it is asked. */
    private fun noted(store: Store, calls: MutableList<String>): Store {
        val kind = if (store is StoreInOneCall) StoreInOneCall::class.java else Store::class.java
        return Proxy.newProxyInstance(kind.classLoader, arrayOf(kind)) { _, method, arguments ->
            calls += method.name
            try {
                method.invoke(store, *arguments.orEmpty())
            } catch (error: InvocationTargetException) {
                throw error.targetException
            }
        } as Store
    }

    private open class Silent : MapStore() {
        override suspend fun acquireLease(name: String, holder: String, now: Instant, until: Instant) = awaitCancellation()
    }

    @Test
    fun `a store that never answers fails the case`() = runBlocking {
        val case = "lease_needs_a_duration"
        val ways: List<suspend () -> Unit> = listOf(
            { checkStore(case, Silent(), storePatience = 20.milliseconds) },
            { checkStore(20.milliseconds) { Silent() } },
        )
        for (check in ways) {
            val error = assertFailsWith<CalsyncException> { check() }
            assertEquals(Code.CHECK_FAILED, error.code)
            assertTrue("store.acquire_lease never answered" in error.message.orEmpty(), error.message)
        }
    }

    @Test
    fun `the store of a case that fails is closed`() {
        val closed = mutableListOf<Store>()
        val silent = Silent()
        val tests = object : StoreConformance() {
            override val storePatience = 20.milliseconds

            override suspend fun store() = silent

            override suspend fun close(store: Store) {
                closed += store
                error("cannot be closed")
            }
        }
        val case = tests.conformance().first { it.displayName == "lease_needs_a_duration" }
        assertEquals(Code.CHECK_FAILED, assertFailsWith<CalsyncException> { case.executable.execute() }.code)
        assertEquals(listOf<Store>(silent), closed)
    }

    @Test
    fun `all of them, on the thread that asks`() = runBlocking {
        for (case in STORE_CASES) checkStore(case, MapStore(), coroutineContext[kotlin.coroutines.ContinuationInterceptor]!!)
    }

    @Test
    fun `a store that forgets to give back a lease is found`() = runBlocking<Unit> {
        val forgets = object : MapStore() {
            override suspend fun releaseLease(token: LeaseToken) = Unit
        }
        val error = assertFailsWith<CalsyncException> { checkStore { forgets } }
        assertEquals(Code.CHECK_FAILED, error.code)
        assertTrue(error.item in STORE_CASES)
        val unknown = assertFailsWith<CalsyncException> { checkStore("no such case", MapStore(), Dispatchers.IO) }
        assertEquals(Code.INVALID_INPUT, unknown.code)
    }
}
