// The AAR: the Kotlin of ../kotlin with the native library for each kind of device. See ../README.md.
plugins {
    id("com.android.library") version "8.13.0"
    kotlin("android") version "2.3.21"
    kotlin("plugin.serialization") version "2.3.21"
}

repositories {
    google()
    mavenCentral()
}

android {
    namespace = "io.calsync"
    compileSdk = 36
    defaultConfig {
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
    sourceSets["main"].kotlin.srcDirs("../kotlin/src/main/kotlin", "../kotlin/src/generated/kotlin", "../kotlin/src/okhttp/kotlin")
}

kotlin {
    compilerOptions {
        jvmTarget = org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_11
    }
}

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.11.0")
    api("org.jetbrains.kotlinx:kotlinx-serialization-json:1.12.0")
    // The library has no HTTP of its own there: `io.calsync.okhttp.OkHttpTransport`.
    api("com.squareup.okhttp3:okhttp:5.5.1")
    implementation("net.java.dev.jna:jna:5.19.1@aar")
}
