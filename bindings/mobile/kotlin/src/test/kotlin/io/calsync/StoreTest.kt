package io.calsync

import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

/** A store written in Kotlin does what ours are checked for. */
class StoreTest {
    @TestFactory
    fun `a store in maps`(): List<DynamicTest> =
        STORE_CASES.map { case -> dynamicTest(case) { runBlocking { checkStore(case, MapStore()) } } }

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
