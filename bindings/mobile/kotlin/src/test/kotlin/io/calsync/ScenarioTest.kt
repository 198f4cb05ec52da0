package io.calsync

import java.io.File
import java.lang.reflect.InvocationTargetException
import kotlin.reflect.KFunction
import kotlin.reflect.full.callSuspendBy
import kotlin.reflect.full.memberFunctions
import kotlin.reflect.full.valueParameters
import kotlin.reflect.full.instanceParameter
import kotlin.test.assertEquals
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.serializer
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable

/** The scenario of `bindings/scenario.json`, through the methods and values of this one: the results are those of Rust. */
@EnabledIfEnvironmentVariable(named = "CALSYNC_SCENARIO", matches = ".+", disabledReason = "it lies outside of this package")
class ScenarioTest {
    @Serializable
    private data class Scenario(val steps: List<Step>)

    @Serializable
    private data class Step(
        val engine: String,
        val call: String,
        val args: JsonObject,
        val keep: Map<String, String> = emptyMap(),
        val show: String? = null,
        val at: List<String> = emptyList(),
        val fails: Boolean = false,
    )

    private fun camel(name: String) = name.replace(Regex("_([a-z])")) { it.groupValues[1].uppercase() }

    /** Calls a method with the values its parameters have the types of; gives what it answers as the JSON of its type. */
    private suspend fun Engine.play(step: Step, args: Map<String, JsonElement>): JsonElement {
        if (step.call == "close") {
            close()
            return JsonNull
        }
        val method: KFunction<*> = Engine::class.memberFunctions.single { it.name == camel(step.call) }
        val given = args.entries.associate { (name, value) ->
            val parameter = method.valueParameters.single { it.name == camel(name) }
            parameter to json.decodeFromJsonElement(serializer(parameter.type), value)
        }
        val answer = try {
            method.callSuspendBy(given + (method.instanceParameter!! to this))
        } catch (error: InvocationTargetException) {
            // What a method throws before it had to wait comes wrapped.
            throw error.targetException
        }
        return if (answer is Unit) JsonNull else json.encodeToJsonElement(serializer(method.returnType), answer)
    }

    private fun CalsyncException.seen() = JsonObject(
        mapOf(
            "code" to json.encodeToJsonElement(Code.serializer(), code),
            "item" to JsonPrimitive(item),
            "retryable" to JsonPrimitive(retryable),
        ),
    )

    @Test
    fun `it gives what is written`() = Server().use { server ->
        runBlocking {
            val folder = File(System.getenv("CALSYNC_SCENARIO"))
            val scenario = Json.decodeFromString(Scenario.serializer(), File(folder, "scenario.json").readText())
            val expected = Json.parseToJsonElement(File(folder, "scenario.expected.json").readText()) as JsonObject
            val kept = mutableMapOf<String, JsonElement>(
                "url" to JsonPrimitive(server.url),
                "user" to JsonPrimitive(USER),
                "password" to JsonPrimitive(PASSWORD),
            )
            val engines = mapOf("one" to Engine(MapStore()), "two" to Engine())
            val shown = mutableMapOf<String, JsonElement>()
            for (step in scenario.steps) {
                val args = step.args.filled(kept) as JsonObject
                val answer = try {
                    engines.getValue(step.engine).play(step, args)
                } catch (error: CalsyncException) {
                    if (!step.fails) throw error
                    error.seen()
                }
                step.keep.forEach { (name, path) -> kept[name] = answer.at(path) }
                step.show?.let { name -> shown[name] = JsonArray(step.at.map { answer.at(it) }) }
            }
            assertEquals<Map<String, JsonElement>>(expected, shown)
        }
    }
}
