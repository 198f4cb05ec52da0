package io.calsync

import io.calsync.ffi.NativeCall
import io.calsync.ffi.NativeEmulator
import io.calsync.ffi.NativeEngine
import io.calsync.ffi.NativeException
import io.calsync.ffi.pureCall
import io.calsync.ffi.shutdown

/** The native part: what is loaded once, and ended before the virtual machine takes itself apart. */
internal object Native {
    init {
        // On Android there is no orderly end, and no hook is called.
        try {
            Runtime.getRuntime().addShutdownHook(Thread({ shutdown() }, "calsync-shutdown"))
        } catch (_: IllegalStateException) {
            // It ends already: calls fail with the code `closed`, or are never answered.
        }
    }

    fun engine(choice: String): NativeEngine = translating { NativeEngine(choice) }

    fun emulator(settings: Arguments): NativeEmulator = translating { NativeEmulator(settings.toString()) }

    fun ask(emulator: NativeEmulator, method: String, args: Arguments): String =
        translating { emulator.ask(method, args.toString()) }

    fun pure(method: String, args: Arguments): String = translating { pureCall(method, args.toString()) }

    /** Waits for a call that `start` begins. It is cancelled with the coroutine that waits. */
    suspend fun await(host: StoreHost?, start: () -> NativeCall): String {
        try {
            return start().use { call ->
                try {
                    call.result()
                } finally {
                    call.cancel()
                }
            }
        } catch (error: NativeException) {
            throw error.translated(host?.thrown)
        }
    }

    private inline fun <T> translating(call: () -> T): T = try {
        call()
    } catch (error: NativeException) {
        throw error.translated(null)
    }
}
