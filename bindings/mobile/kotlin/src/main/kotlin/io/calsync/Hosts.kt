package io.calsync

import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.add
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray
import kotlinx.serialization.json.putJsonObject

/** Says which events a link copies. A pipeline names it: `{ "type": "host", "rule": name, "options": { } }`. */
interface Filter {
    /** Another one, and every link that uses it compares everything again. */
    val version: String

    /** Whether content is copied. The same content gets the same answer until [version] changes. */
    suspend fun letsThrough(body: EventBody, options: JsonObject, around: Surroundings): Boolean
}

/** Changes what copies show. A pipeline names it as it names a [Filter]. */
interface Transform {
    /** As that of a filter. */
    val version: String

    /** What the copy of [event] shows, which was [copy] so far. Its time stays, whatever is answered. */
    suspend fun change(copy: EventBody, event: EventBody, options: JsonObject, around: Surroundings): EventBody
}

/** Decides contested fields of links whose policy is [ConflictPolicy.RESOLVER]. */
fun interface Resolver {
    /** Who wins which field. Fields it leaves out wait for a person. */
    suspend fun resolve(conflict: ContestedEvent): Map<Field, Choice>
}

/** Tells the time: once for each call, when it begins. */
fun interface Clock {
    /** Now. */
    suspend fun now(): Instant
}

/**
 * What of yours an engine asks beside its store, each for at most [patience]. What throws decides nothing: the run goes on without
 * it, and its call throws [CalsyncException] with the method's name at the end. A method of a store has [storePatience]. One that takes
 * longer ends the call with [Code.HOST_SILENT].
 */
class Hosts(
    /** By the names pipelines have for them. */
    val filters: Map<String, Filter> = emptyMap(),
    /** By the names pipelines have for them. */
    val transforms: Map<String, Transform> = emptyMap(),
    val resolver: Resolver? = null,
    val clock: Clock? = null,
    /** `null`: the library's own HTTP, which one for phones does not have. Each request says how long it may take. */
    val transport: Transport? = null,
    val patience: Duration = 10.seconds,
    val storePatience: Duration = 60.seconds,
    /** Seal the tokens of accounts that are connected by OAuth, in the store: see [Engine.beginOauth]. */
    val masterKeys: MasterKeys? = null,
) {
    /** What the native part makes an engine with; [together] is what the store answers in one call. */
    internal fun opening(store: String, together: List<String>): String =
        buildJsonObject {
            put("store", Json.parseToJsonElement(store))
            putJsonObject("host") {
                putJsonObject("filters") { filters.forEach { (name, rule) -> put(name, rule.version) } }
                putJsonObject("transforms") { transforms.forEach { (name, rule) -> put(name, rule.version) } }
                put("resolver", resolver != null)
                put("clock", clock != null)
                put("transport", transport != null)
                put("patience_ms", patience.inWholeMilliseconds)
                putJsonArray("in_one_call") { together.forEach { add(it) } }
                put("store_patience_ms", storePatience.inWholeMilliseconds)
                masterKeys?.let { put("master_keys", json.encodeToJsonElement(MasterKeys.serializer(), it)) }
            }
        }.toString()

    internal suspend fun answer(method: String, args: JsonObject): JsonElement = when (method) {
        "filter.lets_through" -> {
            val rule = filters.getValue(args.rule())
            JsonPrimitive(rule.letsThrough(args.body("body"), args.options(), args.around()))
        }
        "transform.change" -> {
            val rule = transforms.getValue(args.rule())
            val changed = rule.change(args.body("copy"), args.body("event"), args.options(), args.around())
            json.encodeToJsonElement(EventBody.serializer(), changed)
        }
        "resolver.resolve" -> {
            val contested = json.decodeFromJsonElement(ContestedEvent.serializer(), args.getValue("conflict"))
            val decided = checkNotNull(resolver).resolve(contested).map { (field, choice) -> ContestedField(field, choice) }
            json.encodeToJsonElement(ListSerializer(ContestedField.serializer()), decided)
        }
        "clock.now" -> JsonPrimitive(checkNotNull(clock).now().toString())
        "transport.send" -> {
            val request = json.decodeFromJsonElement(HttpRequest.serializer(), args.getValue("request"))
            json.encodeToJsonElement(HttpResponse.serializer(), checkNotNull(transport).send(request))
        }
        else -> throw UnsupportedOperationException(method)
    }
}

/** An engine over a store of the host is made with this. */
internal const val OWN_STORE = "\"host\""

private fun JsonObject.rule(): String = getValue("rule").jsonPrimitive.content

private fun JsonObject.options(): JsonObject = getValue("options").jsonObject

private fun JsonObject.body(name: String): EventBody = json.decodeFromJsonElement(EventBody.serializer(), getValue(name))

private fun JsonObject.around(): Surroundings = json.decodeFromJsonElement(Surroundings.serializer(), getValue("around"))
