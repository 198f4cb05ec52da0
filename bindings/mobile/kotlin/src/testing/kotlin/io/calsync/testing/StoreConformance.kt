package io.calsync.testing

import io.calsync.STORE_CASES
import io.calsync.Store
import io.calsync.checkStore
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory

/**
 * What every store must do, as tests of JUnit 5: a class that extends it makes the stores. Each case is a test with its name; one
 * that fails throws [io.calsync.CalsyncException] with the code [io.calsync.Code.CHECK_FAILED] and what was expected.
 */
abstract class StoreConformance {
    /** A store that is fresh and empty: one for each case. What it has open may be closed in a method with `@AfterEach`. */
    abstract suspend fun store(): Store

    /** A test of each case. */
    @TestFactory
    fun conformance(): List<DynamicTest> = STORE_CASES.map { case ->
        dynamicTest(case) { runBlocking { checkStore(case, store()) } }
    }
}
