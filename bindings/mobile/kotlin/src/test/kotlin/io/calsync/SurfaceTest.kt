package io.calsync

import io.calsync.ffi.surface
import kotlin.reflect.full.memberFunctions
import kotlin.reflect.full.memberProperties
import kotlin.reflect.full.valueParameters
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.serializer
import org.junit.jupiter.api.Test

/** Nothing the native part has is missing in Kotlin. */
class SurfaceTest {
    @Serializable
    private data class Surface(
        val functions: List<String>,
        val methods: Map<String, List<String>>,
        val store: List<String>,
        @SerialName("store_in_one_call") val storeInOneCall: List<String>,
        val hosts: Map<String, List<String>>,
        val values: Map<String, List<String>>,
        val words: Map<String, List<String>>,
        val codes: List<String>,
    )

    // What goes over as JSON is text in Kotlin: `tests/documents.rs` of the native part looks at what is said of it.
    private val surface = Json { ignoreUnknownKeys = true }.decodeFromString(Surface.serializer(), surface())

    private fun camel(name: String) = name.replace(Regex("_([a-z])")) { it.groupValues[1].uppercase() }

    private fun snake(name: String) = name.replace(Regex("[A-Z]")) { "_" + it.value.lowercase() }

    private fun named(name: String): KSerializer<*> = serializer(Class.forName("io.calsync.$name"))

    private fun elements(serializer: KSerializer<*>) =
        (0 until serializer.descriptor.elementsCount).map(serializer.descriptor::getElementName)

    @Test
    fun `every function`() {
        val known = Class.forName("io.calsync.Calsync").methods.map { it.name }
        // Languages without the zones of a file ask for it.
        for (name in surface.functions - "zone_offset") {
            val takesAll = name in setOf("write", "plan", "availability", "public_addresses")
            assertTrue(camel(name) in known && (takesAll || "${name}Many" in known), name)
        }
    }

    @Test
    fun `every method with every argument`() {
        val known = Engine::class.memberFunctions.groupBy { it.name }
        for ((method, arguments) in surface.methods) {
            val found = known[camel(method)].orEmpty().flatMap { it.valueParameters }.map { it.name }
            assertTrue(camel(method) in known, method)
            // Told through `onProgress`; a plan is quick.
            val wanted = arguments.map(::camel).map { if (it == "progress") "onProgress" else it }
            assertEquals(emptyList(), wanted - found.toSet() - (if (method == "plan") setOf("onProgress") else emptySet()), method)
        }
    }

    @Test
    fun `every field of every value`() {
        for ((name, fields) in surface.values) {
            val known = if (name == "CalsyncError") {
                CalsyncException::class.memberProperties.map { snake(it.name) } - setOf("cause")
            } else {
                elements(named(name)).map(::snake)
            }
            assertEquals(fields.toSet(), known.toSet(), name)
        }
    }

    @Test
    fun `every word of every enum, and every code`() {
        for ((name, words) in surface.words) assertEquals(words.toSet(), elements(named(name)).toSet(), name)
        assertEquals(surface.codes.toSet(), elements(Code.serializer()).toSet())
    }

    @Test
    fun `every method of a store`() {
        assertEquals(surface.store.map(::camel).toSet(), Store::class.java.declaredMethods.map { it.name }.toSet())
        val together = StoreInOneCall::class.java.declaredMethods.map { it.name }
        assertEquals(surface.storeInOneCall.map(::camel).toSet(), together.toSet())
    }

    @Test
    fun `every method of what else is asked`() {
        for ((name, methods) in surface.hosts) {
            val known = Class.forName("io.calsync.$name").declaredMethods.map { it.name }
            assertEquals(emptyList(), methods.map(::camel) - known.toSet(), name)
        }
    }
}
