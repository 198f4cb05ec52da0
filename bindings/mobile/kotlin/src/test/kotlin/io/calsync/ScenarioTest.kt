package io.calsync

import java.io.File
import java.lang.reflect.InvocationTargetException
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.Base64
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
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

/**
 * The scenario of `bindings/scenario.json`, through the methods and values of this one: the results are those of Rust. It is played
 * against emulators, and against the Radicale at `CALSYNC_SCENARIO_RADICALE`.
 */
@EnabledIfEnvironmentVariable(named = "CALSYNC_SCENARIO", matches = ".+", disabledReason = "it lies outside of this package")
class ScenarioTest {
    @Serializable
    private data class Scenario(val providers: Map<String, Settings>, val steps: List<Step>)

    @Serializable
    private data class Settings(val refuse: String? = null, val notes: Int)

    @Serializable
    private data class Expected(val everywhere: Map<String, JsonElement>, val differently: Map<String, Differently>)

    @Serializable
    private data class Differently(val because: String, val results: Map<String, JsonElement>)

    @Serializable
    private data class Step(
        val there: String? = null,
        val find: String? = null,
        val into: String? = null,
        val engine: String = "",
        val call: String = "",
        val args: JsonObject = JsonObject(emptyMap()),
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

    /** Whom the engines speak to, and how somebody else does. */
    private interface Server {
        val account: Emulator.Account

        fun items(): Map<String, String>

        fun put(item: String, id: String)

        fun delete(id: String)

        fun refuse(line: String?)
    }

    private class Emulated(private val emulator: Emulator) : Server {
        override val account = emulator.account

        override fun items() = emulator.items()

        override fun put(item: String, id: String) {
            emulator.put(item, id)
        }

        override fun delete(id: String) = emulator.delete(id)

        override fun refuse(line: String?) = emulator.tell(line!!)
    }

    /** A calendar of a Radicale that runs elsewhere, spoken to in plain HTTP. */
    private class Radicale(address: String) : Server {
        private val at = URI(address)
        private val root = "${at.scheme}://${at.host}:${at.port}"

        override val account = at.userInfo.split(':').let { (user, password) ->
            Emulator.Account(ProviderKind.CALDAV, root + at.path, user, password, trustAddress = true, unofficial = false)
        }

        init {
            items().keys.forEach(::delete)
        }

        private fun ask(method: String, path: String, body: String? = null): String {
            val basic = Base64.getEncoder().encodeToString("${account.username}:${account.secret}".toByteArray())
            val request = HttpRequest.newBuilder(URI(root + path)).header("Authorization", "Basic $basic").header("Depth", "1")
                .header("Content-Type", "text/calendar; charset=utf-8")
                .method(method, body?.let(HttpRequest.BodyPublishers::ofString) ?: HttpRequest.BodyPublishers.noBody())
            // A connection for each request: one that waited may be closed by the server while the next request is written to it.
            val client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()
            val answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString())
            check(answer.statusCode() in 200..299) { "$method $path: ${answer.statusCode()}" }
            return answer.body()
        }

        override fun items() =
            Regex("href>([^<]*\\.ics)<").findAll(ask("PROPFIND", at.path)).map { it.groupValues[1] }.associateWith { ask("GET", it) }

        override fun put(item: String, id: String) {
            ask("PUT", id, item)
        }

        override fun delete(id: String) {
            ask("DELETE", id)
        }

        // It refuses what is too large by itself.
        override fun refuse(line: String?) {}
    }

    /** What somebody else does at the server. The text is in one item. */
    private fun Server.act(step: Step, refuse: String?) {
        if (step.there == "refuse") return refuse(refuse)
        val (id, item) = items().entries.single { step.find!! in it.value }
        when (step.there) {
            "change" -> put(item.replace(step.find!!, step.into!!), id)
            "delete" -> delete(id)
            else -> error("no such step: ${step.there}")
        }
    }

    private suspend fun played(provider: String, server: Server) {
        val folder = File(System.getenv("CALSYNC_SCENARIO"))
        val scenario = Json.decodeFromString(Scenario.serializer(), File(folder, "scenario.json").readText())
        val expected = Json.decodeFromString(Expected.serializer(), File(folder, "scenario.expected.json").readText())
        val settings = scenario.providers.getValue(provider)
        val account = server.account
        val kept = mutableMapOf(
            "provider" to json.encodeToJsonElement(ProviderKind.serializer(), account.provider),
            "url" to JsonPrimitive(account.url),
            "user" to JsonPrimitive(account.username),
            "password" to JsonPrimitive(account.secret),
            "notes" to JsonPrimitive("n".repeat(settings.notes)),
        )
        val engines = mapOf("one" to Engine(MapStore()), "two" to Engine())
        val shown = mutableMapOf<String, JsonElement>()
        for (step in scenario.steps) {
            if (step.there != null) {
                server.act(step, settings.refuse)
                continue
            }
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
        val differently = expected.differently[provider]?.results ?: emptyMap()
        assertEquals(expected.everywhere + differently, shown)
    }

    @ParameterizedTest
    @EnumSource(ProviderKind::class, names = ["CALDAV", "GOOGLE", "MICROSOFT"])
    fun `it gives what is written`(kind: ProviderKind) = Emulator(kind).use { emulator ->
        runBlocking { played(kind.name.lowercase(), Emulated(emulator)) }
    }

    @Test
    @EnabledIfEnvironmentVariable(named = "CALSYNC_SCENARIO_RADICALE", matches = ".+", disabledReason = "no Radicale is named")
    fun `it gives what is written at Radicale`() = runBlocking {
        played("radicale", Radicale(System.getenv("CALSYNC_SCENARIO_RADICALE")))
    }
}
