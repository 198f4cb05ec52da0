package io.calsync

import io.calsync.ffi.NativeEmulator
import kotlinx.serialization.Serializable

/**
 * A provider on a free port of 127.0.0.1, with one account and one empty calendar, in memory: for the tests of a host. Nothing
 * leaves the machine. CalDAV has the calendar `Personal`, Microsoft `Calendar`, Google one with the address of the account as its
 * name; a feed needs none, a file is one. It serves on a thread of its own until it is closed.
 *
 * @param secret the password, or the access token, that is accepted.
 */
class Emulator(provider: ProviderKind, username: String = "ann@example.com", secret: String = "secret") : AutoCloseable {
    private val native: NativeEmulator = Native.emulator(
        Arguments().value("provider", ProviderKind.serializer(), provider).text("username", username).text("secret", secret),
    )

    /** How it is reached. */
    val account: Account = read(Account.serializer(), native.account() ?: "{}")

    /** Ends it, with everything in it. */
    override fun close() {
        native.end()
        native.close()
    }

    /** What [Engine.connect] takes. */
    @Serializable
    data class Account(
        val provider: ProviderKind,
        val url: String,
        val username: String,
        val secret: String,
        val trustAddress: Boolean,
    ) {
        /** Without the secret. */
        override fun toString(): String = "Account(provider=$provider, url=$url, username=$username)"
    }
}

/** Names the account of an emulator. */
suspend fun Engine.connect(connection: String, account: Emulator.Account) =
    connect(connection, account.provider, account.url, account.username, account.secret, account.trustAddress)
