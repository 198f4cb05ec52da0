package io.calsync

import io.calsync.ffi.storeCases
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.Dispatchers

/** The names of the cases every store must pass. */
val STORE_CASES: List<String> by lazy { storeCases() }

/**
 * Runs a case on a fresh and empty store: for the tests of your own store. Throws [CalsyncException] with [Code.CHECK_FAILED]
 * when it does not do what the case expects; `item` names the case.
 *
 * @param context where its methods run; they may block there.
 * @param storePatience how long each method of it may take. One that takes longer fails the case.
 */
suspend fun checkStore(
    case: String,
    store: Store,
    context: CoroutineContext = Dispatchers.IO,
    storePatience: Duration = 60.seconds,
) {
    val host = StoreHost(store, context)
    val opening = Hosts(storePatience = storePatience).opening(OWN_STORE, inOneCall(store))
    Native.await(host) { io.calsync.ffi.checkStore(case, opening, host) }
}

/** Runs all cases, each on a store of its own that [factory] makes and whose methods have [storePatience] each. */
suspend fun checkStore(storePatience: Duration = 60.seconds, factory: suspend () -> Store) {
    for (case in STORE_CASES) checkStore(case, factory(), storePatience = storePatience)
}
