/* Parses a file with libical as often as asked and prints the seconds of the fastest run. */
#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static long peak_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return kib;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    FILE *file = fopen(argv[1], "rb");
    if (!file)
        return 1;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = malloc(size + 1);
    if (!text || fread(text, 1, size, file) != (size_t)size)
        return 1;
    text[size] = 0;
    fclose(file);
    double least = 1e9;
    int events = 0;
    long peak = 0;
    for (int run = 0; run < atoi(argv[2]); run++) {
        double start = now();
        icalcomponent *calendar = icalparser_parse_string(text);
        double taken = now() - start;
        if (taken < least)
            least = taken;
        if (!calendar)
            return 1;
        events = icalcomponent_count_components(calendar, ICAL_VEVENT_COMPONENT);
        if (!peak)
            peak = peak_kib();
        icalcomponent_free(calendar);
    }
    printf("seconds=%.6f events=%d peak_kib=%ld version=%s\n", least, events, peak, ICAL_VERSION);
    return 0;
}
