package io.calsync

import io.calsync.ffi.NativeHost
import io.calsync.ffi.NativeHostException
import java.time.Instant
import kotlin.coroutines.CoroutineContext
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.addJsonArray
import kotlinx.serialization.json.add
import kotlinx.serialization.json.buildJsonArray
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray

/** Answers the calls of the native part out of a store and what else the host has, on their dispatcher. */
internal class StoreHost(
    private val store: Store?,
    private val context: CoroutineContext,
    private val hosts: Hosts = Hosts(),
    private val onProgress: (Progress) -> Unit = {},
) : NativeHost {
    /** What the store threw last: the cause of the exception the caller gets. */
    @Volatile
    var thrown: Throwable? = null
        private set

    override suspend fun call(method: String, args: String): String = try {
        withContext(context) { answer(method, Json.parseToJsonElement(args).jsonObject).toString() }
    } catch (error: CancellationException) {
        // Of this call: nobody waits for an answer. A time limit inside the store is a fault like any other.
        currentCoroutineContext().ensureActive()
        throw failed(error)
    } catch (error: Throwable) {
        // Also errors that are no exceptions: the native part would wait for ever.
        throw failed(error)
    }

    private fun failed(error: Throwable): NativeHostException {
        thrown = error
        val expectation = (error as? StoreException.Conflict)?.expectation ?: 0
        val kind = (error as? StoreException)?.kind ?: (error as? TransportException)?.kind ?: "failed"
        // The class only: what it says may hold anything.
        return NativeHostException.Failed(kind, error.javaClass.simpleName, expectation.coerceAtLeast(0).toUInt())
    }

    override fun tell(progress: String) = onProgress(read(Progress.serializer(), progress))

    private suspend fun answer(method: String, args: JsonObject): JsonElement {
        if (!method.startsWith("store.")) return hosts.answer(method, args)
        val store = checkNotNull(store) { "there is no store" }
        return when (method) {
            "store.calendars" -> JsonArray(store.calendars())
            "store.events" -> JsonArray(store.events(args.text("calendar"), args.texts("ids")))
            "store.events_by_uid" -> JsonArray(store.eventsByUid(args.text("calendar"), args.texts("uids")))
            "store.events_since" -> JsonArray(store.eventsSince(args.text("calendar"), args.number("after"), args.limit()))
            "store.link" -> store.link(args.text("link")) ?: JsonNull
            "store.bases" -> {
                val by = if (args.text("by") == "remote") By.REMOTE else By.EVENT
                JsonArray(store.bases(args.text("link"), by, args.texts("ids")))
            }
            "store.base_summaries" -> JsonArray(store.baseSummaries(args.text("link"), args.optional("after"), args.limit()))
            "store.outbox" -> JsonArray(store.outbox(args.text("link"), args.optional("after"), args.limit()))
            "store.records" -> JsonArray(store.records(json.decodeFromJsonElement(RecordQuery.serializer(), args)))
            "store.docs" -> JsonArray(store.docs(docQuery(args)))
            "store.commit" -> receipt(store.commit(json.decodeFromJsonElement(Batch.serializer(), args.getValue("batch"))))
            "store.acquire_lease" -> lease(
                store.acquireLease(args.text("name"), args.text("holder"), args.instant("now"), args.instant("until")),
            )
            "store.release_lease" -> {
                store.releaseLease(json.decodeFromJsonElement(LeaseToken.serializer(), args.getValue("token")))
                JsonNull
            }
            else -> together(store as? StoreInOneCall ?: throw UnsupportedOperationException(method), method, args)
        }
    }
}

/** The methods a store may have, as they are told to the native part. */
private val IN_ONE_CALL = listOf("open_link", "pairs", "waiting")

internal fun inOneCall(store: Store?): List<String> = if (store is StoreInOneCall) IN_ONE_CALL else emptyList()

private suspend fun together(store: StoreInOneCall, method: String, args: JsonObject): JsonElement = when (method) {
    "store.open_link" -> {
        val lease = (args["lease"] as? JsonObject)?.let {
            LeaseRequest(it.text("name"), it.text("holder"), it.instant("now"), it.instant("until"))
        }
        opened(store.openLink(lease, args.text("link"), args.text("calendar"), args.limit()))
    }
    "store.pairs" -> {
        val pairs = store.pairs(args.text("link"), args.text("calendar"), args.texts("items"))
        buildJsonObject {
            put("bases", JsonArray(pairs.bases))
            put("events", JsonArray(pairs.events))
        }
    }
    "store.waiting" -> {
        val waiting = store.waiting(args.text("link"), args.optional("after"), args.limit())
        buildJsonObject {
            put("entries", JsonArray(waiting.entries))
            put("bases", JsonArray(waiting.bases))
        }
    }
    else -> throw UnsupportedOperationException(method)
}

private fun JsonObject.optional(name: String): String? = this[name]?.jsonPrimitive?.contentOrNull

private fun JsonObject.text(name: String): String = getValue(name).jsonPrimitive.content

private fun JsonObject.texts(name: String): List<String> = getValue(name).jsonArray.map { it.jsonPrimitive.content }

private fun JsonObject.number(name: String): Long = count(text(name))

private fun JsonObject.limit(): Int = limit(text("limit"))

/** Without a limit it is the greatest number there is. */
private fun limit(text: String): Int = text.toULong().coerceAtMost(Int.MAX_VALUE.toULong()).toInt()

/** Numbers count up from 1: what is greater than a `Long` belongs to nothing, and neither does the greatest `Long`. */
private fun count(text: String): Long = text.toULong().coerceAtMost(Long.MAX_VALUE.toULong()).toLong()

/** How many rows. */
internal object Limit : Shaped<Int>({ JsonPrimitive(it) }, { limit(it.jsonPrimitive.content) })

/** A revision, generation, version or epoch. */
internal object Count : Shaped<Long>({ JsonPrimitive(it) }, { count(it.jsonPrimitive.content) })

private fun JsonObject.instant(name: String): Instant = Instant.parse(text(name))

private fun docQuery(args: JsonObject): DocQuery {
    val space = args.text("space")
    val due = args.optional("due")
    return when {
        args.getValue("keys") !is JsonNull -> DocQuery.Keys(space, args.texts("keys"))
        due != null -> DocQuery.Due(space, Instant.parse(due), args.limit())
        else -> DocQuery.Page(space, args.optional("after"), args.limit())
    }
}

private fun receipt(receipt: Receipt): JsonElement = buildJsonObject {
    putJsonArray("revisions") {
        for (revised in receipt.revisions) {
            addJsonArray {
                add(revised.calendar)
                add(revised.id)
                add(revised.revision)
            }
        }
    }
    put("doc_versions", buildJsonArray { receipt.docVersions.forEach { add(it) } })
    put("purged", buildJsonArray { receipt.purged.forEach { add(it) } })
    put("forgotten", buildJsonArray { receipt.forgotten.forEach { add(it) } })
    put("lease_end", json.encodeToJsonElement(LeaseEnd.serializer(), receipt.leaseEnd))
}

private fun opened(opened: Opened): JsonElement = buildJsonObject {
    when (opened) {
        is Opened.Held -> put("held_until", JsonPrimitive(opened.until.toString()))
        is Opened.Link -> {
            put("token", opened.token?.let { json.encodeToJsonElement(LeaseToken.serializer(), it) } ?: JsonNull)
            put("state", opened.state ?: JsonNull)
            put("edits", JsonArray(opened.edits))
            put("quarantine", JsonArray(opened.quarantine))
            put("outbox", JsonArray(opened.outbox))
        }
    }
}

private fun lease(lease: Lease): JsonElement = buildJsonObject {
    when (lease) {
        is Lease.Granted -> put("token", json.encodeToJsonElement(LeaseToken.serializer(), lease.token))
        is Lease.Held -> put("held_until", JsonPrimitive(lease.until.toString()))
    }
}
