package io.calsync

import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

/** Providers on this machine, for the tests of hosts. */
class EmulatorTest {
    private suspend fun Engine.join(emulator: Emulator) {
        putCalendar(Calendar("family", "Family"))
        connect("account", emulator.account)
        addLink("home", "family", "account", remoteCalendars("account").single().id)
    }

    @ParameterizedTest
    @EnumSource(ProviderKind::class, names = ["ICS", "COZI"], mode = EnumSource.Mode.EXCLUDE)
    fun `two hosts meet at one, and it wants its secret`(kind: ProviderKind) = runBlocking {
        val one = Engine()
        val two = Engine()
        val emulator = Emulator(kind, secret = "never shown")
        assertFalse("never shown" in emulator.account.toString())
        one.connect("stranger", emulator.account.copy(secret = "another"))
        val refused = assertFailsWith<CalsyncException> { one.remoteCalendars("stranger") }
        assertEquals(Code.UNAUTHORIZED, refused.code)
        one.join(emulator)
        two.join(emulator)
        one.addEvent("family", meeting("a@example.com", "Breakfast"))
        assertEquals(1, one.sync("home").counts.pushed)
        assertEquals(1, two.sync("home").counts.created)
        assertEquals(listOf("Breakfast"), two.titles().values.toList())
        emulator.close()
        assertTrue(assertFailsWith<CalsyncException> { one.remoteCalendars("account") }.retryable)
        one.close()
        two.close()
    }

    @Test
    fun `a feed needs none`() {
        assertEquals(Code.INVALID_INPUT, assertFailsWith<CalsyncException> { Emulator(ProviderKind.ICS) }.code)
    }
}
