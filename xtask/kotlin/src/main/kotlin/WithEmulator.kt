import io.calsync.Emulator
import io.calsync.ProviderKind
import kotlin.system.exitProcess

/** Runs the program of this class path that is named with the account of an emulator in its environment. */
fun main(arguments: Array<String>) {
    val code = Emulator(ProviderKind.CALDAV).use { emulator ->
        val program = ProcessBuilder("java", "-classpath", System.getProperty("java.class.path"), *arguments).inheritIO()
        val account = emulator.account
        program.environment() += mapOf("CALDAV_URL" to account.url, "CALDAV_USER" to account.username, "CALDAV_PASSWORD" to account.secret)
        program.start().waitFor()
    }
    exitProcess(code)
}
