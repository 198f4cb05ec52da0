package io.calsync

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** The value at a path: `uid=a` is the event with this UID, `*` is each of a list, sorted. */
internal fun JsonElement.at(path: String): JsonElement {
    if (path.isEmpty()) return this
    val part = path.drop(1).substringBefore('/')
    val rest = path.drop(1 + part.length)
    val found = when {
        part == "*" -> return JsonArray((this as JsonArray).map { it.at(rest) }.sortedBy { it.toString() })
        part.startsWith("uid=") ->
            (this as JsonArray).firstOrNull { it.at("/event/uid") == JsonPrimitive(part.removePrefix("uid=")) }
        this is JsonArray -> getOrNull(part.toInt())
        else -> (this as JsonObject)[part]
    }
    return found?.at(rest) ?: JsonNull
}

internal fun JsonElement.filled(kept: Map<String, JsonElement>): JsonElement = when {
    this is JsonObject -> JsonObject(mapValues { it.value.filled(kept) })
    this is JsonArray -> JsonArray(map { it.filled(kept) })
    this is JsonPrimitive && isString && content.startsWith("$") -> kept.getValue(content.drop(1))
    else -> this
}
