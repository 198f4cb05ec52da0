package io.calsync

import io.calsync.ffi.NativeEmulator
import kotlinx.serialization.Serializable
import kotlinx.serialization.builtins.MapSerializer
import kotlinx.serialization.builtins.serializer

/**
 * A provider on a free port of 127.0.0.1, with one account and one empty calendar, in memory: for the tests of a host. Nothing
 * leaves the machine. CalDAV has the calendar `Personal`, Microsoft `Calendar`, Google one with the address of the account as its
 * name; Cozi is a household in Berlin; a feed asks for its user and password. It serves on a thread of its own until it is closed.
 *
 * [items], [put], [delete] and [tell] happen at the service itself, as if somebody else did it there. They throw [CalsyncException]
 * for an id nothing has, a line that is not understood, an item that is no calendar text (CalDAV and feeds) or no JSON object (the
 * others), and once it is closed. In the object, Microsoft refuses what Graph does; Cozi and Google look at nothing.
 *
 * @param secret the password, or the access token, that is accepted.
 */
class Emulator(provider: ProviderKind, username: String = "ann@example.com", secret: String = "secret") : AutoCloseable {
    private val native: NativeEmulator = Native.emulator(
        Arguments().value("provider", ProviderKind.serializer(), provider).text("username", username).text("secret", secret),
    )

    /** How it is reached. */
    val account: Account = read(Account.serializer(), native.account() ?: "{}")

    /**
     * What is in the calendar, by its id. A text has the form of the service: iCalendar, or the JSON of its interface. A feed is one
     * item, `calendar.ics`.
     */
    fun items(): Map<String, String> = read(MapSerializer(String.serializer(), String.serializer()), ask("items", Arguments()))

    /** Adds an item, or replaces the one with this [id]; gives its id. Only a CalDAV server takes an id that is new. */
    fun put(item: String, id: String? = null): String = read(String.serializer(), ask("put", Arguments().text("item", item).text("id", id)))

    /** Deletes an item. A feed cannot be: replace it with an empty calendar. */
    fun delete(id: String) {
        ask("delete", Arguments().text("id", id))
    }

    /**
     * Turns a switch of the service, or lets something happen there, such as `fault status=503 times=3`: `docs/emulators.md` lists
     * them all. A feed has none.
     */
    fun tell(line: String) {
        ask("tell", Arguments().text("line", line))
    }

    /**
     * Your application at the authorization server of the emulator, Google's or Microsoft's: for [Engine.beginOauth]. A `GET` of the URL that
     * gives is answered with the redirect a browser would follow: the person allows everything at once, unless [tell] says otherwise, such as
     * `oauth consent=deny`.
     */
    fun client(): OAuthClient = read(OAuthClient.serializer(), ask("client", Arguments()))

    private fun ask(method: String, args: Arguments): String = Native.ask(native, method, args)

    /** Ends it, with everything in it. */
    override fun close() {
        native.end()
    }

    /** What [Engine.connect] takes. */
    @Serializable
    data class Account(
        val provider: ProviderKind,
        val url: String,
        val username: String,
        val secret: String,
        val trustAddress: Boolean,
        val unofficial: Boolean,
    ) {
        /** Without the secret. */
        override fun toString(): String = "Account(provider=$provider, url=$url, username=$username)"
    }
}

/** Names the account of an emulator, with its tokens: those of [client] that were kept under the name. */
suspend fun Engine.connect(connection: String, account: Emulator.Account, client: OAuthClient) =
    connect(connection, account.provider, account.url, trustAddress = account.trustAddress, client = client)

/** Names the account of an emulator. */
suspend fun Engine.connect(connection: String, account: Emulator.Account) =
    connect(
        connection,
        account.provider,
        account.url,
        account.username,
        account.secret,
        account.trustAddress,
        account.unofficial,
    )
