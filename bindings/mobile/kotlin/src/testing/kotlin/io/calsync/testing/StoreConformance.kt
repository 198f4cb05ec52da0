package io.calsync.testing

import io.calsync.STORE_CASES
import io.calsync.Store
import io.calsync.checkStore
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory

/**
 * What every store must do, as tests of JUnit 5: a class that extends it makes the stores. Each case is a test with its name; one
 * that fails throws [io.calsync.CalsyncException] with the code [io.calsync.Code.CHECK_FAILED] and what was expected.
 *
 * JUnit calls methods with `@BeforeEach` and `@AfterEach` once for all cases together. What belongs to one is for [store] and [close].
 */
abstract class StoreConformance {
    /** A store that is fresh and empty: one for each case. */
    abstract suspend fun store(): Store

    /** Ends what [store] opened: called after each case with its store, also when the case failed. */
    open suspend fun close(store: Store) = Unit

    /** How long each method of the store may take. One that takes longer fails its case. */
    open val storePatience: Duration = 60.seconds

    /** A test of each case. */
    @TestFactory
    fun conformance(): List<DynamicTest> = STORE_CASES.map { case ->
        dynamicTest(case) {
            val store = runBlocking { store() }
            // Where both fail, the case is what is told.
            AutoCloseable { runBlocking { close(store) } }.use {
                runBlocking { checkStore(case, store, storePatience = storePatience) }
            }
        }
    }
}
