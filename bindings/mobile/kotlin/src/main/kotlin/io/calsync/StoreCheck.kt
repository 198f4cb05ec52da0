package io.calsync

import io.calsync.ffi.storeCases
import kotlin.coroutines.CoroutineContext
import kotlinx.coroutines.Dispatchers

/** The names of the cases every store must pass. */
val STORE_CASES: List<String> by lazy { storeCases() }

/**
 * Runs a case on a fresh and empty store: for the tests of your own store. Throws [CalsyncException] with [Code.CHECK_FAILED]
 * when it does not do what the case expects; `item` names the case.
 */
suspend fun checkStore(case: String, store: Store, context: CoroutineContext = Dispatchers.IO) {
    val host = StoreHost(store, context)
    val opening = Hosts().opening(OWN_STORE, inOneCall(store))
    Native.await(host) { io.calsync.ffi.checkStore(case, opening, host) }
}

/** Runs all cases, each on a store of its own that [factory] makes. */
suspend fun checkStore(factory: suspend () -> Store) {
    for (case in STORE_CASES) checkStore(case, factory())
}
