package io.calsync

import io.calsync.ffi.NativeException
import java.time.Instant
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNamingStrategy
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.builtins.ListSerializer

/** The JSON of the native part: `snake_case`, what is `null` or a default left out. */
@OptIn(ExperimentalSerializationApi::class)
internal val json = Json {
    namingStrategy = JsonNamingStrategy.SnakeCase
    encodeDefaults = false
    explicitNulls = false
    ignoreUnknownKeys = true
}

/** The arguments of a call; those that are `null` are left out. */
internal class Arguments {
    private val values = LinkedHashMap<String, JsonElement>()

    fun text(name: String, value: String?) = apply { if (value != null) values[name] = JsonPrimitive(value) }

    fun flag(name: String, value: Boolean) = apply { values[name] = JsonPrimitive(value) }

    fun number(name: String, value: Number?) = apply { if (value != null) values[name] = JsonPrimitive(value) }

    fun instant(name: String, value: Instant?) = text(name, value?.toString())

    fun <T : Any> value(name: String, serializer: KSerializer<T>, value: T?) =
        apply { if (value != null) values[name] = json.encodeToJsonElement(serializer, value) }

    fun <T : Any> values(name: String, serializer: KSerializer<T>, items: Iterable<T>) =
        apply { values[name] = json.encodeToJsonElement(ListSerializer(serializer), items.toList()) }

    override fun toString(): String = JsonObject(values).toString()
}

/** Reads what the native part answered. */
internal fun <T> read(serializer: KSerializer<T>, text: String): T = try {
    json.decodeFromString(serializer, text)
} catch (error: SerializationException) {
    // Only with a native library of another version. What the exception says quotes the text.
    throw CalsyncException(Code.INTERNAL, false, null, "the native library answered something else than expected", null)
}

internal fun NativeException.translated(thrown: Throwable?): CalsyncException {
    val failed = this as NativeException.Failed
    return CalsyncException(
        code = Code.of(failed.code),
        retryable = failed.retryable,
        retryAfterMs = failed.retryAfterMs?.toLong(),
        message = failed.detail,
        item = failed.item,
        cause = if (failed.code.startsWith("host-")) thrown else null,
    )
}
